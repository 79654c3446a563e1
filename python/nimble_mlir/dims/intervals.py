"""Interval arithmetic on integers: the exact hull of floordiv, mod and products over closed intervals.

An interval is a pair (low, high) with low <= high; an open end is -math.inf or math.inf, all other ends are ints of
any size, never converted to float. Source: Moore, Kearfott, Cloud, "Introduction to Interval Analysis", ch. 2.
"""

from __future__ import annotations

from math import inf
from typing import TypeAlias

__all__ = ["ANY", "Bound", "Interval", "ceil_divide", "floordiv", "intersect", "mod", "multiply", "power", "scale"]

Bound: TypeAlias = "int | float"
Interval: TypeAlias = "tuple[Bound, Bound]"

ANY: Interval = (-inf, inf)
"""All integers."""


def add_bounds(a: Bound, b: Bound) -> Bound:
    """A + b for ends of the same side (never inf - inf)."""
    if isinstance(a, float):
        return a
    return b if isinstance(b, float) else a + b


def multiply_bounds(a: Bound, b: Bound) -> Bound:
    """a * b, where 0 times an open end is 0."""
    if a == 0 or b == 0:
        return 0
    if isinstance(a, float) or isinstance(b, float):
        return inf if (a > 0) == (b > 0) else -inf
    return a * b


def floor_divide(a: Bound, k: Bound) -> Bound:
    """The limit of floor(a / k) for k >= 1."""
    if isinstance(a, float):
        return a
    if isinstance(k, float):
        return -1 if a < 0 else 0
    return a // k


def ceil_divide(a: Bound, k: int) -> Bound:
    """The limit of ceil(a / k) for k >= 1."""
    return a if isinstance(a, float) else -(-a // k)


def add(a: Interval, b: Interval) -> Interval:
    """All x + y."""
    return add_bounds(a[0], b[0]), add_bounds(a[1], b[1])


def negate(a: Interval) -> Interval:
    """All -x."""
    return -a[1], -a[0]


def scale(a: Interval, factor: int) -> Interval:
    """All factor * x."""
    low, high = multiply_bounds(a[0], factor), multiply_bounds(a[1], factor)
    return (low, high) if factor >= 0 else (high, low)


def multiply(a: Interval, b: Interval) -> Interval:
    """The hull of all x * y."""
    ends = [multiply_bounds(x, y) for x in a for y in b]
    return min(ends), max(ends)


def power(a: Interval, exponent: int) -> Interval:
    """The hull of all x ** exponent, exponent >= 1."""
    low, high = a
    ends = low**exponent, high**exponent
    if exponent % 2:
        return ends
    return 0 if low < 0 < high else min(ends), max(ends)


def intersect(a: Interval, b: Interval) -> Interval:
    """What is in both; low > high where nothing is."""
    return max(a[0], b[0]), min(a[1], b[1])


def hull(a: Interval, b: Interval) -> Interval:
    """The smallest interval around both."""
    return min(a[0], b[0]), max(a[1], b[1])


def _divisor_halves(d: Interval) -> list[tuple[Interval, bool]]:
    """The non-zero divisors as positive intervals, each with whether its sign was turned."""
    halves: list[tuple[Interval, bool]] = []
    if d[1] >= 1:
        halves.append(((max(d[0], 1), d[1]), False))
    if d[0] <= -1:
        halves.append(((max(-d[1], 1), -d[0]), True))
    return halves


def floordiv(a: Interval, d: Interval) -> Interval:
    """The hull of all floor(x / y) with y != 0; `ANY` where there is no such y."""
    result: Interval | None = None
    for (low, high), turned in _divisor_halves(d):
        x = negate(a) if turned else a
        part = (
            min(floor_divide(x[0], low), floor_divide(x[0], high)),
            max(floor_divide(x[1], low), floor_divide(x[1], high)),
        )
        result = part if result is None else hull(result, part)
    return ANY if result is None else result


def mod(a: Interval, d: Interval) -> Interval:
    """An interval around all x - y*floor(x / y) with y != 0; `ANY` where there is no such y."""
    result: Interval | None = None
    for (low, high), turned in _divisor_halves(d):
        x = negate(a) if turned else a
        quotient = floordiv(x, (low, high))
        if low == high and quotient[0] == quotient[1]:
            offset = multiply_bounds(-quotient[0], low)
            part = (add_bounds(x[0], offset), add_bounds(x[1], offset))
        elif x[0] >= 0 and x[1] < low:
            part = x
        else:
            part = (0, min(add_bounds(high, -1), x[1]) if x[0] >= 0 else add_bounds(high, -1))
        part = negate(part) if turned else part
        result = part if result is None else hull(result, part)
    return ANY if result is None else result

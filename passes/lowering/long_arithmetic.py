"""Numbers as sums of two doubles: what one double rounds off is kept in the other (T. J. Dekker, 1971; D. Knuth)."""

from __future__ import annotations

from nimble_mlir.mlir import arith, ir

from .real import Real, bits_of, from_bits

__all__ = ["long_product", "split", "two_sum"]


def split(x: Real) -> tuple[Real, Real]:
    """x as the sum of two doubles of at most 27 bits, so that products of such parts are exact, fused or not."""
    mask = arith.constant(ir.IntegerType.get_signless(64), -(1 << 27))
    high = from_bits(arith.andi(bits_of(x), mask), x.type)
    return high, x - high


def long_product(x: Real, y: Real) -> tuple[Real, Real]:
    """x * y as a sum of two doubles."""
    x1, x2 = split(x)
    y1, y2 = split(y)
    head = x1 * y1
    tail = (x1 * y2 + x2 * y1) + x2 * y2
    total = head + tail
    return total, tail - (total - head)


def two_sum(a: Real, b: Real) -> tuple[Real, Real]:
    """a + b as a sum of two doubles, exactly."""
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)

"""floordiv, mod, min and max of dimensions, folded at construction as far as that holds for all symbol values.

In: expressions or integers. Out: canonical expressions: building a call from the arguments of a canonical call gives
that call again. What needs to know ranges of symbols is left to `nimble_mlir.dims.Scope.simplify`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

from nimble_mlir.dims.expr import Call, DimExpr, Monomial, as_expr, from_atom

__all__ = ["dim_max", "dim_min", "floordiv", "mod"]


def floordiv(a: DimExpr | int, b: DimExpr | int) -> DimExpr:
    """a // b, rounded towards minus infinity. Raises ZeroDivisionError for a constant divisor of 0.

    By a constant k: terms with coefficients divisible by k leave, a common factor cancels, divisions nest into one.
    """
    a, b = as_expr(a), as_expr(b)
    if not b.is_constant:
        return from_atom(Call("floordiv", (a, b)))
    k = b.constant_value
    if k == 0:
        raise ZeroDivisionError(f"floordiv({a}, 0)")
    return _floordiv_constant(a, k) if k > 0 else _floordiv_constant(-a, -k)


def mod(a: DimExpr | int, b: DimExpr | int) -> DimExpr:
    """a - b*floordiv(a, b), with the sign of b. Raises ZeroDivisionError for a constant divisor of 0.

    By a constant k: coefficients become their residues nearest to 0, a common factor leaves.
    """
    a, b = as_expr(a), as_expr(b)
    if not b.is_constant:
        return from_atom(Call("mod", (a, b)))
    k = b.constant_value
    if k == 0:
        raise ZeroDivisionError(f"mod({a}, 0)")
    return _mod_constant(a, k) if k > 0 else -_mod_constant(-a, -k)


def dim_min(*args: DimExpr | int) -> DimExpr:
    """The smallest of one or more dimensions. Raises ValueError without any."""
    return _extremum("min", args)


def dim_max(*args: DimExpr | int) -> DimExpr:
    """The largest of one or more dimensions. Raises ValueError without any."""
    return _extremum("max", args)


def _floordiv_constant(a: DimExpr, k: int) -> DimExpr:
    """floordiv(a, k) for k >= 1."""
    if k == 1:
        return a
    whole: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for coefficient, monomial in a.terms:
        if monomial and coefficient % k:
            rest[monomial] = coefficient
        else:
            whole[monomial] = coefficient // k
    constant = a.constant_term % k
    quotient = DimExpr.from_terms(whole)
    if not rest:
        return quotient
    # floor((g*x + c) / (g*k)) = floor((x + floor(c / g)) / k)
    factor = gcd(k, *rest.values())
    k //= factor
    constant //= factor
    rest = {monomial: coefficient // factor for monomial, coefficient in rest.items()}
    numerator = DimExpr.from_terms(rest)
    inner = numerator.as_atom()
    if isinstance(inner, Call) and inner.op == "floordiv" and inner.args[1].is_constant:
        # floor((floor(x / m) + c) / k) = floor((x + c*m) / (k*m))
        m = inner.args[1].constant_value
        return quotient + _floordiv_constant(inner.args[0] + constant * m, k * m)
    return quotient + from_atom(Call("floordiv", (numerator + constant, DimExpr.constant(k))))


def _mod_constant(a: DimExpr, k: int) -> DimExpr:
    """mod(a, k) for k >= 1."""
    if k == 1:
        return DimExpr.constant(0)
    rest: dict[Monomial, int] = {}
    for coefficient, monomial in a.terms:
        if not monomial:
            continue
        residue = coefficient % k
        if 2 * residue > k:
            residue -= k
        if not residue:
            continue
        atom, power = monomial[0]
        if len(monomial) == 1 and power == 1 and isinstance(atom, Call) and atom.op == "mod":
            divisor = atom.args[1]
            if divisor.is_constant and residue * divisor.constant_value % k == 0:
                # c*mod(x, m) = c*x - (c*m)*floordiv(x, m), and k divides c*m
                return _mod_constant(a + coefficient * (atom.args[0] - from_atom(atom)), k)
        rest[monomial] = residue
    constant = a.constant_term % k
    if not rest:
        return DimExpr.constant(constant)
    factor = gcd(k, *rest.values())
    if factor > 1:
        # mod(g*x + g*q + r, g*k) = g*mod(x + q, k) + r for 0 <= r < g
        whole, remainder = divmod(constant, factor)
        inner = DimExpr.from_terms({monomial: coefficient // factor for monomial, coefficient in rest.items()})
        return _mod_constant(inner + whole, k // factor) * factor + remainder
    return from_atom(Call("mod", (DimExpr.from_terms(rest) + constant, DimExpr.constant(k))))


def _extremum(op: str, args: tuple[DimExpr | int, ...]) -> DimExpr:
    """Min or max: flattened, of arguments that differ by a constant only the one that counts, sorted."""
    if not args:
        raise ValueError(f"{op} needs at least one dimension")
    pick = min if op == "min" else max
    pending = [as_expr(arg) for arg in args]
    best: dict[DimExpr, int] = {}  # what varies of an argument -> its constant
    while pending:
        arg = pending.pop()
        atom = arg.as_atom()
        if isinstance(atom, Call) and atom.op == op:
            pending.extend(atom.args)
            continue
        constant = arg.constant_term
        varying = arg - constant
        best[varying] = pick(best[varying], constant) if varying in best else constant
    kept = [varying + constant for varying, constant in best.items() if constant or not _is_absorbed(op, varying, best)]
    if len(kept) == 1:
        return kept[0]
    kept.sort(key=lambda arg: (arg.is_constant, str(arg)))
    return from_atom(Call(op, tuple(kept)))


def _is_absorbed(op: str, arg: DimExpr, best: dict[DimExpr, int]) -> bool:
    """Whether max(x, min(x, y)) = x, or its dual, makes `arg` redundant beside the others in `best`."""
    atom = arg.as_atom()
    if not isinstance(atom, Call) or atom.op != ("max" if op == "min" else "min"):
        return False
    pick = min if op == "min" else max
    for inner in atom.args:
        constant = inner.constant_term
        other = best.get(inner - constant)
        if other is not None and pick(other, constant) == other:
            return True
    return False


FOLD: dict[str, Callable[..., DimExpr]] = {"floordiv": floordiv, "mod": mod, "min": dim_min, "max": dim_max}
"""The folding constructor of each op."""

"""Scalars with Python's operators, in which the formulas of elementary functions are written down as in a textbook."""

from __future__ import annotations

from nimble_mlir.mlir import arith, ir, math

__all__ = ["Real", "bits_of", "from_bits", "where"]

_EQ, _NE = 0, 1  # arith.cmpi
_FLOAT_PREDICATES = {"eq": 1, "gt": 2, "ge": 3, "lt": 4, "le": 5, "ne": 13, "uno": 14}  # ordered; ne is unordered


class Real:
    """A scalar of a float type; numbers that meet it become constants of its type."""

    def __init__(self, value: ir.Value) -> None:
        self.value = value

    @property
    def type(self) -> ir.Type:
        """Its float type."""
        return self.value.type

    def constant(self, number: float) -> Real:
        """`number` in the same type."""
        return Real(arith.constant(self.type, float(number)))

    def _other(self, other: Real | float) -> ir.Value:
        return other.value if isinstance(other, Real) else self.constant(other).value

    def __add__(self, other: Real | float) -> Real:
        return Real(arith.addf(self.value, self._other(other)))

    def __sub__(self, other: Real | float) -> Real:
        return Real(arith.subf(self.value, self._other(other)))

    def __rsub__(self, other: float) -> Real:
        return Real(arith.subf(self._other(other), self.value))

    def __mul__(self, other: Real | float) -> Real:
        return Real(arith.mulf(self.value, self._other(other)))

    def __truediv__(self, other: Real | float) -> Real:
        return Real(arith.divf(self.value, self._other(other)))

    def __rtruediv__(self, other: float) -> Real:
        return Real(arith.divf(self._other(other), self.value))

    def __neg__(self) -> Real:
        return Real(arith.negf(self.value))

    __radd__ = __add__
    __rmul__ = __mul__

    def __abs__(self) -> Real:
        return Real(math.absf(self.value))

    def is_(self, predicate: str, other: Real | float) -> ir.Value:
        """A comparison (eq, ne, lt, le, gt, ge): false where one is NaN, but for ne."""
        return arith.cmpf(_FLOAT_PREDICATES[predicate], self.value, self._other(other))

    def is_nan(self) -> ir.Value:
        """Whether it is NaN."""
        return arith.cmpf(_FLOAT_PREDICATES["uno"], self.value, self.value)

    def is_negative(self) -> ir.Value:
        """Whether its sign bit is set: true for -0.0."""
        bits = bits_of(self)
        return arith.cmpi(2, bits, arith.constant(bits.type, 0))

    def with_sign_of(self, other: Real) -> Real:
        """Its magnitude with the sign of `other`."""
        return Real(math.copysign(self.value, other.value))

    def horner(self, coefficients: tuple[float, ...]) -> Real:
        """The polynomial with these coefficients, highest power first, at this number."""
        total = self.constant(coefficients[0])
        for coefficient in coefficients[1:]:
            total = total * self + coefficient
        return total

    def sqrt(self) -> Real:
        """The square root."""
        return Real(math.sqrt(self.value))

    def exp(self) -> Real:
        """The exponential."""
        return Real(math.exp(self.value))

    def log(self) -> Real:
        """The natural logarithm."""
        return Real(math.log(self.value))


def where(condition: ir.Value, yes: Real | float, no: Real | float) -> Real:
    """`yes` where the condition holds, otherwise `no`; one of them is a Real."""
    known = yes if isinstance(yes, Real) else no
    assert isinstance(known, Real)
    lhs, rhs = (side if isinstance(side, Real) else known.constant(side) for side in (yes, no))
    return Real(arith.select(condition, lhs.value, rhs.value))


def bits_of(number: Real) -> ir.Value:
    """The bits as a signless integer."""
    return arith.bitcast(ir.IntegerType.get_signless(number.type.width), number.value)


def from_bits(bits: ir.Value, type_: ir.Type) -> Real:
    """The float of `type_` with these bits."""
    return Real(arith.bitcast(type_, bits))

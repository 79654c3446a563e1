"""The table of scalar rules: StableHLO op → how one element is computed, by kind of element type.

Scalars are signless here; whether an integer is unsigned is read from the op's types. Floats narrower than f32 are
computed in f32 and rounded after each op, as XLA's CPU backend does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir, math
from nimble_mlir.mlir import complex as complex_dialect

from ..base import fail
from . import circular_functions, complex_functions, real_functions
from .builders import element_type_of
from .complex_functions import COMPLEX_FUNCTIONS
from .real import Real
from .signedness import is_unsigned, signless

__all__ = ["SCALAR_RULES", "ScalarRule"]

Build = Callable[..., ir.Value]
_FUNCTIONS = "cbrt cosine power sine tan atan2".split()  # IREE's are too rough in f32, and missing in f64
_WIDE_FUNCTIONS = "exponential_minus_one log_plus_one remainder tanh".split()  # IREE's are good in f32


@dataclass(frozen=True)
class ScalarRule:
    """What builds an element from elements, by kind of the first operand; `unsigned` and `booleans` default to `signed`."""

    name: str
    floats: Build | None = None
    signed: Build | None = None
    unsigned: Build | None = None
    booleans: Build | None = None
    complexes: Build | None = None

    def applies(self, op: Any) -> bool:
        """Whether upstream's lowering of the op on tensors is missing, rough or wrong."""
        element = element_type_of(op.operands[0])
        if isinstance(element, ir.ComplexType):
            return self.name in COMPLEX_FUNCTIONS
        if not isinstance(element, ir.FloatType):
            return False
        if self.name == "is_finite":  # upstream compares with an infinity, which not all of these have
            return element.width <= 8
        return self.name in _FUNCTIONS or (element.width == 64 and self.name in _WIDE_FUNCTIONS)

    def build(self, op: Any, scalars: Sequence[ir.Value]) -> ir.Value:
        """The element of the result; raises UnsupportedOpError where the kind has no rule."""
        element = element_type_of(op.operands[0])
        if isinstance(element, ir.ComplexType):
            function = self.complexes
        elif not isinstance(element, ir.IntegerType):
            return self._on_floats(op, scalars)
        elif element.width == 1:
            function = self.booleans or self.signed
        else:
            function = (self.unsigned or self.signed) if is_unsigned(element) else self.signed
        return self._checked(function, op)(*scalars)

    def _on_floats(self, op: Any, scalars: Sequence[ir.Value]) -> ir.Value:
        function = self._checked(self.floats, op)
        own, f32 = scalars[0].type, ir.F32Type.get()
        if own.width >= 32:
            return function(*scalars)
        result = function(*[arith.extf(f32, scalar) for scalar in scalars])
        return arith.truncf(own, result) if result.type == f32 else result

    def _checked(self, function: Build | None, op: Any) -> Build:
        if function is None:
            element = element_type_of(op.operands[0])
            raise fail(op, f"'{op.name}' on elements of type {element} is not supported here", UnsupportedOpError)
        return function


def _real(function: Callable[..., Real]) -> Build:
    return lambda *scalars: function(*[Real(scalar) for scalar in scalars]).value


def _complex(name: str) -> Build:
    return lambda *scalars: complex_functions.apply(COMPLEX_FUNCTIONS[name], *scalars)


def _complex_abs(scalar: ir.Value) -> ir.Value:
    return complex_dialect.re(complex_functions.apply(complex_functions.absolute, scalar))


def _sign(x: ir.Value) -> ir.Value:
    one, zero = arith.constant(x.type, 1.0), arith.constant(x.type, 0.0)
    signed = math.copysign(one, x)
    same = arith.cmpf(8, x, zero)  # ueq: 0, -0 and NaN are as they are
    return arith.select(same, x, signed)


def _integer_sign(x: ir.Value) -> ir.Value:
    one, zero = arith.constant(x.type, 1), arith.constant(x.type, 0)
    low = arith.maxsi(x, arith.constant(x.type, -1))
    return arith.minsi(low, one) if x.type.width > 1 else arith.ori(x, zero)


def _unsigned_sign(x: ir.Value) -> ir.Value:
    return arith.minui(x, arith.constant(x.type, 1))


def _inverted(x: ir.Value) -> ir.Value:
    return arith.xori(x, arith.constant(x.type, -1))


def _negated(x: ir.Value) -> ir.Value:
    return arith.subi(arith.constant(x.type, 0), x)


def _is_finite(x: ir.Value) -> ir.Value:
    return arith.cmpf(4, math.absf(x), arith.constant(x.type, float("inf")))


def _shift(shift: Build) -> Build:
    """A shift by the width or more leaves 0, or the sign."""

    def build(x: ir.Value, amount: ir.Value) -> ir.Value:
        width = x.type.width
        inside = arith.cmpi(6, amount, arith.constant(x.type, width))  # ult
        if shift is arith.shrsi:
            return shift(x, arith.select(inside, amount, arith.constant(x.type, width - 1)))
        return arith.select(inside, shift(x, arith.select(inside, amount, arith.constant(x.type, 0))),
                            arith.constant(x.type, 0))  # fmt: skip

    return build


def _divided(divide: Build, one: Build, smallest: bool) -> Build:
    """XLA's values where a division has none: x / 0 is -1, and the smallest over -1 is itself."""

    def build(x: ir.Value, y: ir.Value) -> ir.Value:
        zero = arith.cmpi(0, y, arith.constant(y.type, 0))
        undefined = zero
        if smallest:
            lowest = arith.cmpi(0, x, arith.constant(x.type, -(1 << (x.type.width - 1))))
            undefined = arith.ori(zero, arith.andi(lowest, arith.cmpi(0, y, arith.constant(y.type, -1))))
        safe = divide(x, arith.select(undefined, arith.constant(y.type, 1), y))
        return arith.select(zero, one(x), safe)

    return build


def _all_ones(x: ir.Value) -> ir.Value:
    return arith.constant(x.type, -1)


def _itself(x: ir.Value) -> ir.Value:
    return x


def _remainder(divide: Build, smallest: bool) -> Build:
    def build(x: ir.Value, y: ir.Value) -> ir.Value:
        zero = arith.cmpi(0, y, arith.constant(y.type, 0))
        one = zero
        if smallest:
            one = arith.ori(zero, arith.cmpi(0, y, arith.constant(y.type, -1)))
        rest = divide(x, arith.select(one, arith.constant(y.type, 1), y))
        return arith.select(zero, x, rest)

    return build


def _float_power(x: ir.Value, y: ir.Value) -> ir.Value:
    return real_functions.power(Real(x), Real(y)).value


_EXACT_FLOATS: dict[str, Build] = {
    "abs": math.absf, "add": arith.addf, "ceil": math.ceil, "divide": arith.divf, "floor": math.floor,
    "is_finite": _is_finite, "maximum": arith.maximumf, "minimum": arith.minimumf, "multiply": arith.mulf,
    "negate": arith.negf, "round_nearest_afz": math.round, "round_nearest_even": math.roundeven, "rsqrt": math.rsqrt,
    "sign": _sign, "sqrt": math.sqrt, "subtract": arith.subf,
}  # fmt: skip
_FLOAT_FUNCTIONS: dict[str, Build] = {
    "atan2": _real(real_functions.atan2), "cbrt": _real(real_functions.cbrt), "cosine": _real(circular_functions.cos),
    "exponential": math.exp, "log": math.log, "power": _float_power,
    "sine": _real(circular_functions.sin), "tan": _real(circular_functions.tan),
}  # fmt: skip


def _wide_or(narrow: Build, wide: Callable[..., Real]) -> Build:
    """IREE's function up to f32, our own for f64."""
    return lambda *scalars: _real(wide)(*scalars) if scalars[0].type.width == 64 else narrow(*scalars)


def _logistic(x: ir.Value) -> ir.Value:
    one = arith.constant(x.type, 1.0)
    return arith.divf(one, arith.addf(one, math.exp(arith.negf(x))))


_FLOAT_FUNCTIONS |= {
    "exponential_minus_one": _wide_or(math.expm1, real_functions.expm1),
    "log_plus_one": _wide_or(math.log1p, real_functions.log1p),
    "logistic": _logistic,
    "remainder": _wide_or(arith.remf, real_functions.fmod),
    "tanh": _wide_or(math.tanh, real_functions.tanh),
}

# (signed, unsigned, booleans)
_INTEGERS: dict[str, tuple[Build, Build | None, Build | None]] = {
    "abs": (math.absi, _itself, _itself),
    "add": (arith.addi, None, arith.ori),
    "and": (arith.andi, None, None),
    "count_leading_zeros": (math.ctlz, None, None),
    "divide": (_divided(arith.divsi, _all_ones, True), _divided(arith.divui, _all_ones, False), None),
    "maximum": (arith.maxsi, arith.maxui, arith.ori),
    "minimum": (arith.minsi, arith.minui, arith.andi),
    "multiply": (arith.muli, None, arith.andi),
    "negate": (_negated, None, None),
    "not": (_inverted, None, None),
    "or": (arith.ori, None, None),
    "popcnt": (math.ctpop, None, None),
    "remainder": (_remainder(arith.remsi, True), _remainder(arith.remui, False), None),
    "shift_left": (_shift(arith.shli), None, None),
    "shift_right_arithmetic": (_shift(arith.shrsi), None, None),
    "shift_right_logical": (_shift(arith.shrui), None, None),
    "sign": (_integer_sign, _unsigned_sign, _itself),
    "subtract": (arith.subi, None, None),
    "xor": (arith.xori, None, None),
}

_COMPLEX: dict[str, Build] = {
    "abs": _complex_abs,
    "add": complex_dialect.add,
    "imag": complex_dialect.im,
    "multiply": complex_dialect.mul,
    "negate": complex_dialect.neg,
    "real": complex_dialect.re,
    "subtract": complex_dialect.sub,
    **{name: _complex(name) for name in COMPLEX_FUNCTIONS},
}


def _complete() -> dict[str, ScalarRule]:
    floats = _EXACT_FLOATS | _FLOAT_FUNCTIONS
    floats |= {"real": _itself, "imag": lambda x: arith.constant(x.type, 0.0), "complex": _complex_of}
    table = {}
    for name in sorted({*floats, *_INTEGERS, *_COMPLEX}):
        signed, unsigned, booleans = _INTEGERS.get(name, (None, None, None))
        table[f"stablehlo.{name}"] = ScalarRule(name, floats.get(name), signed, unsigned, booleans, _COMPLEX.get(name))
    return table


def _complex_of(re: ir.Value, im: ir.Value) -> ir.Value:
    return complex_dialect.create_(ir.ComplexType.get(re.type), re, im)


SCALAR_RULES: dict[str, ScalarRule] = _complete()

assert signless

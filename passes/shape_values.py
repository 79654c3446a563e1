"""Symbolic contents of small integer tensors: what the arithmetic on sizes in the IR computes.

In: ops in order. Out: for a value of at most `MAX_ELEMENTS` integers or booleans, its elements as dim expressions (or
opaque terms), where they are known. One table, op name → rule; what has no rule is unknown, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from nimble_mlir.dialects import dims_of
from nimble_mlir.dims import DimExpr, Proof, Scope, dim_max, dim_min, floordiv, mod
from nimble_mlir.mlir import ir

from .constants import is_narrow
from .division_selects import divided, floor_divide, sign
from .size_conditions import decide

__all__ = ["MAX_ELEMENTS", "Contents", "Element", "ShapeValues", "propagates"]

MAX_ELEMENTS = 64

# An element: a dim expression, a bool, an opaque term ("op", operand, …) such as ("data", value, index) for what only the
# device knows, or None where nothing is said.
Element = Any
Contents = tuple[Element, ...]

_NEGATIVE = DimExpr.constant(-1)
_ONE = DimExpr.constant(1)
_ZERO = DimExpr.constant(0)


class ShapeValues:
    """The known contents of the values of one function; `visit` each op in order, then ask with `get`."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._contents: dict[ir.Value, Contents] = {}

    def get(self, value: ir.Value) -> Contents | None:
        """The elements of `value` as dim expressions, None where one of them is not known as such."""
        elements = self._contents.get(value)
        if elements is None or not all(isinstance(element, DimExpr) for element in elements):
            return None
        return elements

    def element(self, value: ir.Value) -> Element:
        """The one element of a scalar, as it is known: an expression, a bool, a term; None where it is unknown."""
        elements = self._contents.get(value)
        return elements[0] if elements is not None else None

    def elements(self, value: ir.Value) -> Contents | None:
        """All elements of `value` as they are known, as `element` gives one of them."""
        return self._contents.get(value)

    def set(self, value: ir.Value, elements: Sequence[Element]) -> None:
        """States the contents of a value, such as an argument that is known to be a size."""
        self._contents[value] = tuple(elements)

    def visit(self, op: Any) -> None:
        """Computes the contents of the results of `op` where a rule knows them."""
        rule = _RULES.get(op.name)
        if rule is None or len(op.results) != 1:
            return
        count = _element_count(op.results[0].type)
        if count is None:
            return
        operands = [self._contents.get(operand) for operand in op.operands]
        elements = rule(self, op, operands, count)
        if elements is not None and len(elements) == count and any(e is not None for e in elements):
            self._contents[op.results[0]] = tuple(elements)

    def difference(self, high: Element, low: Element) -> tuple[DimExpr, list[Element]] | None:
        """`high - low` as an expression and the terms that are left of its data; None where one of them is unknown."""
        total, data = _ZERO, Counter[Element]()
        pending = [(high, 1), (low, -1)]
        while pending:
            element, factor = pending.pop()
            if isinstance(element, DimExpr):
                total = total + element * factor
            elif isinstance(element, tuple) and element[0] in ("add", "sub"):
                pending += [(element[1], factor), (element[2], factor if element[0] == "add" else -factor)]
            elif isinstance(element, tuple):
                data[element] += factor
            else:
                return None
        return self.scope.simplify(total), [term for term, count in data.items() if count]

    def lies_in(self, element: Element, high: DimExpr) -> bool:
        """Whether an element is known to lie in 0 … high: an expression, or data that the program clamps so."""
        low = top = element
        if isinstance(element, tuple) and element[0] == "data":
            _, value, index = element
            if isinstance(value.owner, ir.Block) or value.owner.name != "stablehlo.clamp":
                return False
            ends = [self._contents.get(value.owner.operands[i]) for i in (0, 2)]
            low, top = (None if end is None else end[min(index, len(end) - 1)] for end in ends)
        if not isinstance(low, DimExpr) or not isinstance(top, DimExpr):
            return False
        # A clamp's upper end wins where the ends cross.
        inside = (self.scope.at_least(low, _ZERO), self.scope.at_least(top, _ZERO), self.scope.at_least(high, top))
        return all(proof is Proof.PROVED for proof in inside)

    def decide(self, condition: Element) -> bool | None:
        """True or False where a comparison is proved or refuted, None otherwise."""
        return decide(self.scope, condition)


def _element_count(type_: ir.Type) -> int | None:
    if isinstance(type_, ir.IndexType | ir.IntegerType):
        return 1
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        return None
    element = type_.element_type
    if not isinstance(element, ir.IntegerType | ir.IndexType):
        return None
    count = prod(type_.shape)
    return count if count <= MAX_ELEMENTS else None


Rule = Callable[[ShapeValues, Any, list[Contents | None], int], Sequence[Element] | None]


def _data(value: ir.Value, count: int) -> Contents:
    """Terms that stand for the elements of a value that only the device knows."""
    return tuple(("data", value, index) for index in range(count))


def _elementwise(function: Callable[..., Element], *, of_data: bool = False) -> Rule:
    """`of_data`: also where nothing is known of any operand."""

    def rule(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
        if not of_data and all(elements is None for elements in operands):
            return None
        known = [
            _spread(elements, count) if elements is not None else _data(operand, count)
            for operand, elements in zip(op.operands, operands, strict=True)
        ]
        if any(len(elements) != count for elements in known):
            return None
        return [
            None if any(e is None for e in elements) else function(values, op, *elements)
            for elements in zip(*known, strict=True)
        ]

    return rule


def _dims_only(function: Callable[..., Element], opaque: str | None = None) -> Callable[..., Element]:
    def element(values: ShapeValues, op: Any, *elements: Element) -> Element:
        if all(isinstance(e, DimExpr) for e in elements):
            result = function(values, *elements)
            if result is not None:
                return result
        return (opaque, *elements) if opaque else None

    return element


def _divide(values: ShapeValues, lhs: DimExpr, rhs: DimExpr) -> DimExpr | None:
    # StableHLO's division truncates; it is the floor where both sides are known to be positive.
    if values.scope.at_least(lhs, _ZERO) is Proof.PROVED and values.scope.at_least(rhs, _ONE) is Proof.PROVED:
        return values.scope.simplify(floordiv(lhs, rhs))
    return None


def _remainder(values: ShapeValues, lhs: DimExpr, rhs: DimExpr) -> DimExpr | None:
    if values.scope.at_least(lhs, _ZERO) is Proof.PROVED and values.scope.at_least(rhs, _ONE) is Proof.PROVED:
        return values.scope.simplify(mod(lhs, rhs))
    return None


def _subtract(values: ShapeValues, op: Any, lhs: Element, rhs: Element) -> Element:
    if isinstance(lhs, DimExpr) and isinstance(rhs, DimExpr):
        return values.scope.simplify(lhs - rhs)
    return ("sub", lhs, rhs)


def _add(values: ShapeValues, op: Any, lhs: Element, rhs: Element) -> Element:
    if isinstance(lhs, DimExpr) and isinstance(rhs, DimExpr):
        return values.scope.simplify(lhs + rhs)
    return ("add", lhs, rhs)


def _compare(values: ShapeValues, op: Any, lhs: Element, rhs: Element) -> Element:
    direction = str(op.attributes["comparison_direction"]).split()[-1].rstrip(">")
    if isinstance(rhs, bool) and direction in ("EQ", "NE"):
        # jax.numpy.logical_and compares its operands with false.
        same = rhs == (direction == "EQ")
        return lhs if same else _logic("not")(values, op, lhs)
    condition: Element = {
        "EQ": lambda: ("eq", lhs, rhs),
        "NE": lambda: ("not", ("eq", lhs, rhs)),
        "GE": lambda: ("ge", lhs, rhs),
        "LE": lambda: ("ge", rhs, lhs),
        "GT": lambda: ("ge", *_strictly(lhs, rhs)),
        "LT": lambda: ("ge", *_strictly(rhs, lhs)),
    }[direction]()
    decided = values.decide(condition)
    return condition if decided is None else decided


def _strictly(greater: Element, less: Element) -> tuple[Element, Element]:
    """The operands of `ge` for `greater > less` over integers; the 1 goes to the side that is an expression."""
    if isinstance(less, DimExpr):
        return greater, less + 1
    if isinstance(greater, DimExpr):
        return greater - 1, less
    return greater, ("add", less, _ONE)


def _logic(kind: str) -> Callable[..., Element]:
    def element(values: ShapeValues, op: Any, *operands: Element) -> Element:
        condition = (kind, *operands)
        decided = values.decide(condition)
        return condition if decided is None else decided

    return element


def _select(values: ShapeValues, op: Any, condition: Element, on_true: Element, on_false: Element) -> Element:
    decided = values.decide(condition)
    if decided is not None:
        return on_true if decided else on_false
    if on_true == on_false:
        return on_true
    found = divided(values.scope, condition, on_true, on_false)
    return floor_divide(values.scope, op, values.element) if found is None else found


def _chosen(rule: Rule) -> Rule:
    """Where nothing is known of which operand is chosen, the element is a term of its own: as a start of a slice it may
    be data, as long as the slice's size is not."""

    def elements(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
        found = rule(values, op, operands, count)
        if found is None:
            return None
        return [known if e is None else e for e, known in zip(found, _data(op.results[0], count), strict=True)]

    return elements


def _constant(values: ShapeValues, op: Any, operands: Any, count: int) -> Sequence[Element] | None:
    value = op.attributes["value"]
    if isinstance(value, ir.IntegerAttr):
        return (DimExpr.constant(value.value),)
    if not isinstance(value, ir.DenseIntElementsAttr) or is_narrow(value.type.element_type):
        return None
    element_type = value.type.element_type
    boolean = isinstance(element_type, ir.IntegerType) and element_type.width == 1
    elements = [value.get_splat_value().value] * count if value.is_splat else list(value)
    return [bool(element) if boolean else DimExpr.constant(int(element)) for element in elements]


def _clamp(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element]:
    """Bounds of a size as min and max; a start that is data, which JAX clamps to the operand, as a term of its own: so
    that `start + size - start` is known to be `size`."""
    low, middle, high = (_spread(elements, count) for elements in operands)
    result: list[Element] = []
    for index, bounds in enumerate(zip(low, middle, high, strict=True)):
        if all(isinstance(element, DimExpr) for element in bounds):
            least, element, most = bounds
            result.append(values.scope.simplify(dim_min(dim_max(element, least), most)))
        else:
            result.append(("data", op.results[0], index))
    return result


def _spread(elements: Contents | None, count: int) -> Contents:
    if elements is None:
        return (None,) * count
    return elements * count if len(elements) == 1 else elements


def _same(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
    return operands[0] if operands[0] is not None else _data(op.operands[0], count)


def _concatenate(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
    if op.attributes["dimension"].value != 0:
        return None  # the elements of the operands would interleave
    result: list[Element] = []
    for elements, operand in zip(operands, op.operands, strict=True):
        size = prod(ir.RankedTensorType(operand.type).shape)
        result += elements if elements is not None else [None] * size
    return result


def _from_elements(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element]:
    return [None if elements is None else elements[0] for elements in operands]


def _extracted(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
    return operands[0] if len(op.operands) == 1 else None


def _slice(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
    if operands[0] is None or len(op.attributes["strides"]) != 1:
        return None
    start, limit, stride = (list(op.attributes[key])[0] for key in ("start_indices", "limit_indices", "strides"))
    return operands[0][start:limit:stride]


def _broadcast(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
    elements = operands[0]
    if elements is None or ir.RankedTensorType(op.operands[0].type).rank > 1:
        return None
    return elements * count if len(elements) == 1 else elements


def _dimension_size(values: ShapeValues, op: Any, operands: Any, count: int) -> Sequence[Element] | None:
    dims = dims_of(op.operands[0].type)
    return None if dims is None else (dims[op.attributes["dimension"].value],)


def _symbol(values: ShapeValues, op: Any, operands: Any, count: int) -> Sequence[Element]:
    return (DimExpr.symbol(ir.FlatSymbolRefAttr(op.attributes["symbol"]).value),)


def _convert(values: ShapeValues, op: Any, operands: list[Contents | None], count: int) -> Sequence[Element] | None:
    source = ir.RankedTensorType(op.operands[0].type).element_type
    if op.operands[0].type == op.results[0].type:
        return operands[0]
    if not isinstance(source, ir.IntegerType | ir.IndexType):
        return None
    if operands[0] is None:
        return _data(op.operands[0], count) if isinstance(source, ir.IntegerType) and source.width > 1 else None
    return operands[0] if all(not isinstance(e, bool) for e in operands[0]) else None


def _simplified(function: Callable[..., DimExpr]) -> Callable[..., DimExpr]:
    return lambda values, *operands: values.scope.simplify(function(*operands))


_RULES: dict[str, Rule] = {
    "arith.constant": _constant,
    "arith.index_cast": _same,
    "builtin.unrealized_conversion_cast": _same,  # between signed and unsigned integers of one width
    "nimble.symbol": _symbol,
    "stablehlo.add": _elementwise(_add, of_data=True),
    "stablehlo.and": _elementwise(_logic("and")),
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.clamp": _clamp,
    "stablehlo.compare": _elementwise(_compare),
    "stablehlo.concatenate": _concatenate,
    "stablehlo.constant": _constant,
    "stablehlo.convert": _convert,
    "stablehlo.divide": _elementwise(_dims_only(_divide, "div")),
    "stablehlo.dynamic_broadcast_in_dim": _broadcast,
    "stablehlo.get_dimension_size": _dimension_size,
    "stablehlo.maximum": _elementwise(_dims_only(_simplified(dim_max))),
    "stablehlo.minimum": _elementwise(_dims_only(_simplified(dim_min))),
    "stablehlo.multiply": _elementwise(_dims_only(_simplified(lambda a, b: a * b))),
    "stablehlo.negate": _elementwise(_dims_only(_simplified(lambda a: -a))),
    "stablehlo.not": _elementwise(_logic("not")),
    "stablehlo.or": _elementwise(_logic("or")),
    "stablehlo.remainder": _elementwise(_dims_only(_remainder, "rem")),
    "stablehlo.reshape": _same,
    "stablehlo.select": _chosen(_elementwise(_select)),
    "stablehlo.sign": _elementwise(_dims_only(lambda values, operand: sign(values.scope, operand), "sign")),
    "stablehlo.slice": _slice,
    "stablehlo.subtract": _elementwise(_subtract, of_data=True),
    "tensor.extract": _extracted,
    "tensor.from_elements": _from_elements,
}


def propagates(op: Any) -> bool:
    """Whether the contents of the result follow from those of the operands, as far as a rule knows."""
    return op.name in _RULES

"""`nimble-materialize-shapes`: shapes leave the tensors. In: stage nimble. Out: stage shapes: ops take their sizes as
`index` values, and sizes that the program computes with are host arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import (
    BroadcastInDimOp,
    CastOp,
    CompressOp,
    CountOp,
    GatherOp,
    IotaOp,
    NonzeroOp,
    NonzeroPaddedOp,
    PadOp,
    ReduceWindowOp,
    ReshapeOp,
    SliceOp,
    dims_of,
    opaque,
    tensor_type,
)
from nimble_mlir.dims import DimExpr, dim_max
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir, stablehlo, tensor

from .assertions import TARGET, lower_assertion
from .base import ModulePass, entry_functions, fail, location_text
from .lowering.signedness import is_unsigned, reinterpret, signless
from .regions import statements
from .shape_functions import custom_call_target
from .shape_values import Contents, ShapeValues
from .size_checks import check
from .symbol_table import DimBuilder, SymbolTable, constant_index

__all__ = ["MaterializeShapes"]

_SGE, _SLE = 5, 3  # arith.cmpi predicates


@dataclass(frozen=True)
class MaterializeShapes(ModulePass):
    """Replaces shape operands by `index` values and arithmetic on sizes in tensors by host arithmetic.

      %shape = stablehlo.concatenate %b, %s, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
      %0 = stablehlo.dynamic_iota %shape, dim = 0 : (tensor<2xi32>) -> tensor<?x?xi32, #nimble.dims<[@b, @s]>>
    ==>
      %0 = "nimble.iota"(%b, %s) {iota_dimension = 0 : i64} : (index, index) -> tensor<?x?xi32, …>
    """

    name: ClassVar[str] = "nimble-materialize-shapes"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError where a shape operand depends on data."""
        for function in entry_functions(module):
            _Materializer(function).run()


class _Materializer:
    def __init__(self, function: Any) -> None:
        self.function = function
        table = SymbolTable(function)
        self.values = ShapeValues(table.scope)
        self.builder = DimBuilder(function.entry_block, table.values)

    def run(self) -> None:
        operations = statements(self.function)
        for op in operations:
            self.values.visit(op)
        for op in [op for op in operations if custom_call_target(op) == TARGET]:
            operations.remove(op)
            lower_assertion(op, self.values, self.builder)
        for op in operations:
            rewrite = _rewrite_of(op)
            if rewrite is not None:
                with ir.InsertionPoint(op), op.location:
                    results = rewrite(self, op)
                for before, after in zip(op.results, results, strict=True):
                    before.replace_all_uses_with(after)
        for op in reversed(operations):
            if op.name in _SHAPE_ARITHMETIC or _rewrite_of(op) is not None:
                self._replace_size(op)
                if not any(True for result in op.results for _ in result.uses):
                    op.erase()

    def contents(self, op: Any, index: int) -> Contents:
        """The elements of shape operand `index`."""
        contents = self.values.get(op.operands[index])
        if contents is None:
            raise fail(op, f"operand {index} of '{op.name}' depends on values computed at run time")
        return contents

    def indices(self, op: Any, index: int) -> list[ir.Value]:
        """The elements of operand `index` as `index` values: host arithmetic on sizes, or read where data says them."""
        operand = op.operands[index]
        contents = self.values.get(operand)
        if contents is not None:
            return self.builder.values(contents)
        count = ir.RankedTensorType(operand.type).shape[0]
        elements = [tensor.extract(operand, [constant_index(i)]) for i in range(count)]
        cast = arith.index_castui if is_unsigned(elements[0].type) else arith.index_cast
        return [cast(ir.IndexType.get(), reinterpret(element, signless(element.type))) for element in elements]

    def sizes(self, result: ir.Value) -> list[ir.Value]:
        """The values of the dynamic dims of a result."""
        return self.builder.sizes(_dims(result))

    def _replace_size(self, op: Any) -> None:
        """A size (or a vector of sizes) that is used as data becomes host arithmetic."""
        if not op.name.startswith("stablehlo."):
            return  # it is host arithmetic already
        result = op.results[0]
        contents = self.values.get(result)
        if contents is None or not any(True for _ in result.uses):
            return
        if all(dim.is_constant for dim in contents) and op.name != "stablehlo.get_dimension_size":
            return
        indices = self.builder.values(contents)
        with ir.InsertionPoint.after(op), op.location:
            element = ir.RankedTensorType(result.type).element_type
            scalars = [reinterpret(arith.index_cast(signless(element), index), element) for index in indices]
            replacement = tensor.from_elements(result.type, scalars)
        result.replace_all_uses_except(replacement, replacement.owner.operation)


def _rewrite_of(op: Any) -> Callable[[_Materializer, Any], Sequence[ir.Value]] | None:
    target = custom_call_target(op)
    return _REWRITES.get(op.name if target is None else f"custom_call:{target}")


def _dims(value: ir.Value) -> tuple[DimExpr, ...]:
    dims = dims_of(value.type)
    assert dims is not None, value
    return dims


def _is_static(op: Any, *others: int) -> bool:
    """Whether the result, the first operand and `others` have fixed sizes: then StableHLO has a static op."""
    values = (op.results[0], op.operands[0], *(op.operands[index] for index in others))
    return all(ir.RankedTensorType(value.type).has_static_shape for value in values)


def _static(name: str, op: Any, operands: Sequence[ir.Value], **attributes: ir.Attribute) -> Sequence[ir.Value]:
    return list(
        ir.Operation.create(
            f"stablehlo.{name}", results=[op.results[0].type], operands=list(operands), attributes=attributes
        ).results
    )


def _constants(state: _Materializer, op: Any, *indices: int) -> list[ir.Attribute] | None:
    """The elements of integer operands as attributes, None where they are not all known."""
    found = [state.values.get(op.operands[index]) for index in indices]
    if any(contents is None or not all(dim.is_constant for dim in contents) for contents in found):
        return None
    return [ir.DenseI64ArrayAttr.get([dim.constant_value for dim in contents or ()]) for contents in found]


def _reshape(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    if _is_static(op):
        return _static("reshape", op, [op.operands[0]])
    return [ReshapeOp(op.operands[0], state.sizes(op.results[0]), op.results[0].type).result]


def _broadcast_in_dim(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    dimensions = opaque(op.attributes["broadcast_dimensions"])
    if _is_static(op):
        return _static("broadcast_in_dim", op, [op.operands[0]], broadcast_dimensions=dimensions)
    return [BroadcastInDimOp(op.operands[0], state.sizes(op.results[0]), op.results[0].type, dimensions).result]


def _iota(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    if ir.RankedTensorType(op.results[0].type).has_static_shape:
        return _static("iota", op, [], iota_dimension=op.attributes["iota_dimension"])
    return [IotaOp(state.sizes(op.results[0]), op.results[0].type, op.attributes["iota_dimension"]).result]


def _pad(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    low, high, interior = (state.indices(op, index) for index in (2, 3, 4))
    return [PadOp(op.operands[0], op.operands[1], low, high, interior, op.results[0].type).result]


def _slice(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    known = _constants(state, op, 1, 2, 3) if _is_static(op) else None
    if known is not None:
        start, limit, stride = known
        return _static("slice", op, [op.operands[0]], start_indices=start, limit_indices=limit, strides=stride)
    start, limit, stride = (state.indices(op, index) for index in (1, 2, 3))
    if state.values.get(op.operands[1]) is None:
        _check_starts(state, op, start)
    return [SliceOp(op.operands[0], start, limit, stride, op.results[0].type).result]


def _set_dimension_size(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    """The front of the operand: what lies behind the new size is gone."""
    rank, limits = len(_dims(op.operands[0])), state.builder.values(_dims(op.results[0]))
    starts, strides = ([constant_index(value)] * rank for value in (0, 1))
    return [SliceOp(op.operands[0], starts, limits, strides, op.results[0].type).result]


def _check_starts(state: _Materializer, op: Any, starts: list[ir.Value]) -> None:
    """Starts that are data lie where all that is read from there lies in the operand. Sizes are checked before."""
    elements = state.values.elements(op.operands[1]) or (None,) * len(starts)
    where = location_text(op.location)
    sizes = zip(_dims(op.operands[0]), _dims(op.results[0]), state.contents(op, 3), strict=True)
    for axis, (start, (dim, taken, stride)) in enumerate(zip(starts, sizes, strict=True)):
        # An empty slice may start where the operand ends.
        room = dim - dim_max((taken - 1) * stride + 1, DimExpr.constant(0))
        if state.values.lies_in(elements[axis], room):
            continue
        last = state.builder.value(room)
        inside = arith.andi(arith.cmpi(_SGE, start, constant_index(0)), arith.cmpi(_SLE, start, last))
        text = f"'{op.name}' starts outside of its operand in dimension {axis}"
        check(inside, "size_range", f"{text} ({where})" if where else text)


def _gather(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    numbers = op.attributes["dimension_numbers"]
    known = _constants(state, op, 2) if _is_static(op, 1) else None
    if known is not None:
        return _static("gather", op, list(op.operands)[:2], slice_sizes=known[0], dimension_numbers=numbers)
    sizes = state.builder.values(state.contents(op, 2))
    return [GatherOp(op.operands[0], op.operands[1], sizes, op.results[0].type, numbers).result]


def _conv(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    """A convolution whose padding is a value: the operand is padded (and dilated), the convolution is not."""
    lhs = op.operands[0]
    numbers = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
    dims = _dims(lhs)
    zero, one = DimExpr.constant(0), DimExpr.constant(1)
    low, high, interior = [zero] * len(dims), [zero] * len(dims), [zero] * len(dims)
    padding = state.contents(op, 2)
    dilation = list(op.attributes["lhs_dilation"]) if "lhs_dilation" in op.attributes else None
    for i, axis in enumerate(numbers.input_spatial_dimensions):
        low[axis], high[axis] = padding[2 * i], padding[2 * i + 1]
        interior[axis] = DimExpr.constant(dilation[i] - 1) if dilation is not None else zero
    padded = [
        dim + before + after + (between * dim_max(dim - one, zero) if between != 0 else zero)
        for dim, before, after, between in zip(dims, low, high, interior, strict=True)
    ]
    element = ir.RankedTensorType(lhs.type).element_type
    value = ir.Operation.create(
        "stablehlo.constant", results=[ir.RankedTensorType.get([], element)], attributes={"value": _zero(element)}
    ).result
    widths = [state.builder.values(amounts) for amounts in (low, high, interior)]
    operand = PadOp(lhs, value, *widths, tensor_type(padded, element)).result
    kept = {name: op.attributes[name] for name in op.attributes if name not in ("padding", "lhs_dilation")}
    if "window_strides" in kept:
        # The verifier of dynamic_conv does not count them, and there are programs with one too many.
        strides = list(kept["window_strides"])[: len(numbers.input_spatial_dimensions)]
        kept["window_strides"] = ir.DenseI64ArrayAttr.get(strides)
    convolution = ir.Operation.create(
        "stablehlo.convolution", results=[op.results[0].type], operands=[operand, op.operands[1]], attributes=kept
    )
    return list(convolution.results)


def _zero(element: ir.Type) -> ir.Attribute:
    scalar = ir.RankedTensorType.get([], element)
    text = (
        "(0.0, 0.0)" if isinstance(element, ir.ComplexType) else "0" if isinstance(element, ir.IntegerType) else "0.0"
    )
    return ir.Attribute.parse(f"dense<{text}> : {scalar}")


def _with_shape(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    return [CastOp(op.operands[0], op.results[0].type).result]


def _window(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    """A window reduction whose window has a symbolic size: that size rides on the type of a tensor that is never read."""
    window, *steps, padding = [state.contents(op, index) for index in range(len(op.operands) - 5, len(op.operands))]
    if not all(step.is_constant for part in steps for step in part):
        raise fail(op, "strides and dilations of a window must be constants", UnsupportedOpError)
    vectors = [ir.DenseI64ArrayAttr.get([step.constant_value for step in part]) for part in steps]
    count = len(op.results)
    byte = ir.IntegerType.get_signless(8)
    sizes = state.builder.sizes(window)
    extents = ir.Operation.create("tensor.empty", results=[tensor_type(window, byte)], operands=sizes).result
    low, high = state.builder.values(padding[0::2]), state.builder.values(padding[1::2])
    operands = list(op.operands)
    types = [result.type for result in op.results]
    new = ReduceWindowOp(
        operands[:count], operands[count : 2 * count], extents, low, high, types, *[opaque(v) for v in vectors]
    )
    op.regions[0].blocks[0].append_to(new.operation.regions[0])
    return list(new.operation.results)


def _count(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    return [CountOp(op.operands[0], op.results[0].type).offsets]


def _nonzero(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    (size,) = state.indices(op, 2)
    return [NonzeroOp(op.operands[0], op.operands[1], size, op.results[0].type).result]


def _nonzero_padded(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    return list(NonzeroPaddedOp(op.operands[0], *(result.type for result in op.results)).operation.results)


def _compress(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    (size,) = state.indices(op, 3)
    dimension = ir.DictAttr(op.attributes["backend_config"])["dimension"]
    return [CompressOp(*list(op.operands)[:3], size, op.results[0].type, dimension).result]


def _define_size(state: _Materializer, op: Any) -> Sequence[ir.Value]:
    """The integer, read on the host, after checks of what it may be."""
    value, *bounds = op.operands
    what, where = op.attributes["what"].value, location_text(op.location)
    place = f" ({where})" if where else ""
    size = arith.index_cast(ir.IndexType.get(), tensor.extract(value, []))
    check(arith.cmpi(_SGE, size, constant_index(0)), "size_range", f"{what}: a size is negative{place}")
    for bound in bounds:
        known = state.values.get(bound)
        limit = f"its bound of {known[0]}" if known is not None else "its bound"
        text = f"{what}: the size is above {limit}{place}"
        check(arith.cmpi(_SLE, size, bound), "size_range", text)
    # What IREE moves before the checks does not allocate a negative size.
    return [arith.maxsi(size, constant_index(0))]


# Op name, or `custom_call:<target>` → rewrite.
_REWRITES: dict[str, Callable[[_Materializer, Any], Sequence[ir.Value]]] = {
    "custom_call:nimble.compress": _compress,
    "custom_call:nimble.count": _count,
    "nimble.define_size": _define_size,
    "nimble.dynamic_reduce_window": _window,
    "custom_call:nimble.nonzero": _nonzero,
    "custom_call:nimble.nonzero_padded": _nonzero_padded,
    "custom_call:nimble.with_shape": _with_shape,
    "stablehlo.dynamic_broadcast_in_dim": _broadcast_in_dim,
    "stablehlo.dynamic_conv": _conv,
    "stablehlo.dynamic_gather": _gather,
    "stablehlo.dynamic_iota": _iota,
    "stablehlo.dynamic_pad": _pad,
    "stablehlo.dynamic_reshape": _reshape,
    "stablehlo.real_dynamic_slice": _slice,
    "stablehlo.set_dimension_size": _set_dimension_size,
}

# What arithmetic on sizes consists of: replaced where its value is known, erased where nothing uses it.
_SHAPE_ARITHMETIC = {
    "arith.index_cast",
    "stablehlo.add",
    "stablehlo.and",
    "stablehlo.broadcast_in_dim",
    "stablehlo.compare",
    "stablehlo.concatenate",
    "stablehlo.constant",
    "stablehlo.convert",
    "stablehlo.divide",
    "stablehlo.get_dimension_size",
    "stablehlo.maximum",
    "stablehlo.minimum",
    "stablehlo.multiply",
    "stablehlo.negate",
    "stablehlo.not",
    "stablehlo.or",
    "stablehlo.remainder",
    "stablehlo.reshape",
    "stablehlo.select",
    "stablehlo.sign",
    "stablehlo.slice",
    "stablehlo.subtract",
    "tensor.from_elements",
}

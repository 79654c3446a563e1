"""The table of ops that may stand in a kernel's body: op name → rule that says what its result's elements are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, stablehlo, vector

from ..symbol_table import constant_index
from .builders import clamp_index, constant_of, element_type_of, product
from .elements import (
    Elements,
    NotInKernelError,
    broadcast,
    combined,
    constant_elements,
    is_supported,
    of_buffer,
    of_scalar,
    reindexed,
    reshaped,
    row_axis,
    sliced,
    stacked,
    transposed,
)
from .indexing_rules import gather_dims
from .kernel_body import KernelBody
from .kernel_contractions import contraction
from .kernel_control_flow import inner_if, inner_loop
from .kernel_reductions import reduction
from .kernels import flag
from .recipes import Recipe, splat
from .scalar_body import SCALAR_OPS, scalar_body, scalar_op
from .scalar_rules import SCALAR_RULES
from .scatter_rules import Scatter
from .signedness import is_unsigned, reinterpret, signless
from .slice_rules import clamped_starts

__all__ = ["KERNEL_BODY_RULES", "BodyRule"]

BodyRule = Callable[[KernelBody, Any], None]


def _elementwise(body: KernelBody, op: Any) -> None:
    def build(*scalars: ir.Value) -> ir.Value:
        own = [
            reinterpret(scalar, element_type_of(operand)) for scalar, operand in zip(scalars, op.operands, strict=True)
        ]
        result = scalar_body(op.regions[0], own)[0] if op.name == "stablehlo.map" else scalar_op(op, own)
        return reinterpret(result, signless(result.type))

    _combine(body, op, build)


def _combine(body: KernelBody, op: Any, build: Callable[..., ir.Value]) -> None:
    elements = [element_type_of(value) for value in (*op.operands, op.results[0])]
    if not all(is_supported(element) for element in elements):
        raise NotInKernelError(f"'{op.name}' on {', '.join(map(str, elements))}")
    recipe = Recipe(build, [signless(element) for element in elements[:-1]])
    if not recipe.is_flat:
        raise NotInKernelError(f"'{op.name}', which is a loop")
    operands = [body.elements(operand) for operand in op.operands]
    body.define(op.results[0], combined(recipe, operands, body.ctx.dims(op.results[0]), elements[-1]))


def _constant(body: KernelBody, op: Any) -> None:
    attribute = op.attributes["value"]
    if not getattr(attribute, "is_splat", False):
        raise NotInKernelError("a constant of several numbers")
    dims, element = body.ctx.dims(op.results[0]), element_type_of(op.results[0])
    if not is_supported(element):
        raise NotInKernelError(f"elements of type {element}")
    body.define(op.results[0], constant_elements(dims, element, attribute.get_splat_value().value))


def _same(body: KernelBody, op: Any) -> None:
    body.alias(op.results[0], op.operands[0])


def _broadcast(body: KernelBody, op: Any) -> None:
    axes = [int(axis) for axis in op.attributes["broadcast_dimensions"]]
    body.define(op.results[0], broadcast(body.elements(op.operands[0]), body.ctx.dims(op.results[0]), axes))


def _reshape(body: KernelBody, op: Any) -> None:
    source, dims = body.elements(op.operands[0]), body.ctx.dims(op.results[0])
    body.define(op.results[0], reshaped(source, dims, body.ctx.sizes))


def _transpose(body: KernelBody, op: Any) -> None:
    permutation = [int(axis) for axis in op.attributes["permutation"]]
    body.define(op.results[0], transposed(body.elements(op.operands[0]), permutation))


def _reverse(body: KernelBody, op: Any) -> None:
    source = body.elements(op.operands[0])
    reversed_ = {int(axis) for axis in op.attributes["dimensions"]}
    last = [body.ctx.sizes.value(dim - 1) if axis in reversed_ else None for axis, dim in enumerate(source.dims)]

    def indices(own: Sequence[ir.Value]) -> list[ir.Value]:
        return [index if end is None else arith.subi(end, index) for index, end in zip(own, last, strict=True)]

    has_lanes = row_axis(source.dims) not in reversed_
    body.define(op.results[0], reindexed(source, source.dims, indices, has_lanes=has_lanes))


def _indices(attribute: Any) -> list[ir.Value]:
    return [constant_index(int(value)) for value in attribute]


def _slice_of_values(body: KernelBody, op: Any) -> None:
    source, dims = body.elements(op.operands[0]), body.ctx.dims(op.results[0])
    rank = len(dims)
    starts = [body.scalar(start) for start in list(op.operands)[1 : 1 + rank]]
    strides = [constant_of(stride) for stride in list(op.operands)[1 + 2 * rank :]]
    if None in strides:
        raise NotInKernelError("a stride that is no constant")
    body.define(op.results[0], sliced(source, dims, starts, [stride or 0 for stride in strides]))


def _slice(body: KernelBody, op: Any) -> None:
    starts, strides = ([int(v) for v in op.attributes[name]] for name in ("start_indices", "strides"))
    dims = body.ctx.dims(op.results[0])
    source = body.elements(op.operands[0])
    body.define(op.results[0], sliced(source, dims, [constant_index(start) for start in starts], strides))


def _starts(body: KernelBody, op: Any, first: int, dims: Sequence[DimExpr], sizes: Sequence[DimExpr]) -> list[ir.Value]:
    """The clamped starts of a slice of `sizes` in a tensor of `dims`; the operands from `first` on are scalars."""
    starts = []
    for operand in list(op.operands)[first:]:
        scalar, element = body.scalar(operand), element_type_of(operand)
        index = ir.IndexType.get()
        if is_unsigned(element) and element.width == 64:  # an index is signed: what it cannot hold is its largest value
            scalar = arith.minui(scalar, arith.constant(scalar.type, (1 << 63) - 1))
        starts.append((arith.index_castui if is_unsigned(element) else arith.index_cast)(index, scalar))
    return clamped_starts(body.ctx, starts, dims, sizes)


def _dynamic_slice(body: KernelBody, op: Any) -> None:
    source, dims = body.elements(op.operands[0]), body.ctx.dims(op.results[0])
    body.define(op.results[0], sliced(source, dims, _starts(body, op, 1, source.dims, dims)))


def _dynamic_update_slice(body: KernelBody, op: Any) -> None:
    target, update = op.operands[0], body.elements(op.operands[1])
    starts = _starts(body, op, 2, body.ctx.dims(target), update.dims)
    body.define(op.results[0], body.update(op, target, update, starts))


def _pad(body: KernelBody, op: Any) -> None:
    """The padding value wherever an index, less the low padding, is none of the operand's."""
    source, dims = body.elements(op.operands[0]), body.ctx.dims(op.results[0])
    value = body.scalar(op.operands[1])
    rank = len(dims)
    if op.name == "nimble.pad":
        low, interior = list(op.operands)[2 : 2 + rank], list(op.operands)[2 + 2 * rank :]
    else:
        low, interior = (_indices(op.attributes[name]) for name in ("edge_padding_low", "interior_padding"))
    if any(constant_of(between) != 0 for between in interior) or any(dim == 0 for dim in source.dims):
        raise NotInKernelError("padding between elements")
    low = [body.scalar(before) for before in low]
    ends = [body.ctx.sizes.value(dim - 1) for dim in source.dims]

    def at(own: Sequence[ir.Value], _: int) -> ir.Value:
        inside, places = flag(True), []
        for index, before, end in zip(own, low, ends, strict=True):
            place = arith.subi(index, before)
            nearest = clamp_index(place, end)
            inside = arith.andi(inside, arith.cmpi(0, place, nearest))
            places.append(nearest)
        return arith.select(inside, source.at(places, 1), value)

    element = element_type_of(op.results[0])
    padded = Elements(dims, element, at, source.reads, source.reads, source.cost + 1, has_lanes=False)
    body.define(op.results[0], padded)


def _gather(body: KernelBody, op: Any) -> None:
    """`operand[clamped start + offset]`, where it is read."""
    numbers = stablehlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
    source, starts = body.elements(op.operands[0]), body.elements(op.operands[1])
    dims = body.ctx.dims(op.results[0])
    if op.name == "nimble.gather":
        taken = [body.scalar(size) for size in list(op.operands)[2:]]
    else:
        taken = _indices(op.attributes["slice_sizes"])
    sizes = body.ctx.sizes.values(source.dims)
    last = [arith.subi(size, each) for size, each in zip(sizes, taken, strict=True)]
    if starts.cost:
        starts = body.held(starts)
    places = gather_dims(numbers, len(source.dims), len(starts.dims), len(dims))
    of_type = element_type_of(op.operands[1])

    def indices(own: Sequence[ir.Value]) -> list[ir.Value]:
        return places.position(own, last, lambda at: reinterpret(starts.at(at, 1), of_type))

    read = reindexed(source, dims, indices, has_lanes=False)
    body.define(op.results[0], replace(read, reads=read.reads | starts.reads, shifted=read.reads | starts.reads))


def _scatter(body: KernelBody, op: Any) -> None:
    """Updates one after the other, in place."""
    if len(op.results) != 1 or any(_is_captured(value, op) for value in op.regions[0].blocks[0].operations):
        raise NotInKernelError("a scatter of several tensors")
    target, starts, updates = op.operands
    buffer, read = body.writable(op, target, [body.elements(starts), body.elements(updates)])
    body.charge(product(body.ctx.dims(updates)), 16)
    held = [each.buffer or body.held(each).buffer for each in read]
    if any(each is not None and (each.within or each.workgroups) is not None for each in (buffer, *held)):
        raise NotInKernelError("a scatter of what lies in a buffer of others")
    emitter = Scatter(body.ctx, op, [target], starts, [updates])
    (buffer.value,) = emitter.all_updates([each.value for each in held if each], [buffer.value])
    body.define(op.results[0], of_buffer(buffer))


def _is_captured(inner: Any, op: Any) -> bool:
    """Whether an op in the body of `op` reads a value from outside."""
    block = op.regions[0].blocks[0]
    return any(
        (value.owner if isinstance(value.owner, ir.Block) else value.owner.operation.block) != block
        for value in inner.operation.operands
    )


def _concatenate(body: KernelBody, op: Any) -> None:
    dims, axis = body.ctx.dims(op.results[0]), op.attributes["dimension"].value
    parts = [body.elements(operand) for operand in op.operands]
    if axis != row_axis(dims) and all(part.dims[axis] == 1 and not part.cost for part in parts):
        body.define(op.results[0], stacked(parts, dims, axis))
        return
    buffer = body.new_buffer(dims, element_type_of(op.results[0]), may_share=True)
    at = DimExpr.constant(0)
    for part in parts:
        starts = [body.ctx.sizes.value(at) if i == axis else constant_index(0) for i in range(len(dims))]
        body.fill(buffer, part, starts)
        at = at + part.dims[axis]
    body.define(op.results[0], of_buffer(buffer))


def _iota(body: KernelBody, op: Any) -> None:
    dims, element = body.ctx.dims(op.results[0]), element_type_of(op.results[0])
    axis = op.attributes["iota_dimension"].value
    target = signless(element)
    if not is_supported(element) or (isinstance(target, ir.IntegerType) and target.width == 1):
        raise NotInKernelError(f"'{op.name}' of {element}")
    integer = target if isinstance(target, ir.IntegerType) else ir.IntegerType.get_signless(64)

    def at(indices: Sequence[ir.Value], lanes: int) -> ir.Value:
        number = splat(arith.index_cast(integer, indices[axis]), lanes)
        along_row = lanes > 1 and all(dim == 1 for dim in dims[axis + 1 :])
        if along_row:
            step = vector.step(ir.VectorType.get([lanes], ir.IndexType.get()))
            number = arith.addi(number, arith.index_cast(number.type, step))
        if integer == target:
            return number
        return arith.sitofp(target if lanes == 1 else ir.VectorType.get([lanes], target), number)

    body.define(op.results[0], Elements(dims, element, at))


def _extract(body: KernelBody, op: Any) -> None:
    source = body.elements(op.operands[0])
    indices = [body.scalar(operand) for operand in list(op.operands)[1:]]
    body.bind_scalar(op.results[0], source.at(indices, 1))


def _from_elements(body: KernelBody, op: Any) -> None:
    result = op.results[0]
    scalars = [body.scalar(operand) for operand in op.operands]
    plain = [reinterpret(scalar, signless(scalar.type)) for scalar in scalars]
    if not body.ctx.dims(result):
        body.define(result, of_scalar(plain[0], element_type_of(result)))
        return

    def at(indices: Sequence[ir.Value], _: int) -> ir.Value:
        chosen = plain[0]
        for position, scalar in enumerate(plain[1:], start=1):
            chosen = arith.select(arith.cmpi(0, indices[0], constant_index(position)), scalar, chosen)
        return chosen

    body.define(result, Elements(body.ctx.dims(result), element_type_of(result), at, has_lanes=False))


def _truncate(body: KernelBody, op: Any) -> None:
    """`arith.trunci` of a tensor of bytes, as booleans of the host are made (host_values.as_tensor)."""
    if isinstance(op.results[0].type, ir.RankedTensorType):
        _combine(body, op, lambda scalar: arith.trunci(element_type_of(op.results[0]), scalar))
    else:
        body.bind_scalar(op.results[0], arith.trunci(op.results[0].type, body.scalar(op.operands[0])))


_REARRANGING = ("stablehlo.broadcast_in_dim", "stablehlo.constant", "stablehlo.reshape")

KERNEL_BODY_RULES: dict[str, BodyRule] = {
    **dict.fromkeys([name for name in (*SCALAR_OPS, *SCALAR_RULES) if name not in _REARRANGING], _elementwise),
    "arith.trunci": _truncate,
    "nimble.broadcast_in_dim": _broadcast,
    "nimble.cast": _same,
    "nimble.gather": _gather,
    "nimble.iota": _iota,
    "nimble.pad": _pad,
    "nimble.reshape": _reshape,
    "nimble.slice": _slice_of_values,
    "nimble.tie_shape": _same,
    "scf.for": inner_loop,
    "scf.if": inner_if,
    "scf.while": inner_loop,
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.concatenate": _concatenate,
    "stablehlo.constant": _constant,
    "stablehlo.dot_general": contraction,
    "stablehlo.dynamic_slice": _dynamic_slice,
    "stablehlo.dynamic_update_slice": _dynamic_update_slice,
    "stablehlo.gather": _gather,
    "stablehlo.iota": _iota,
    "stablehlo.map": _elementwise,
    "stablehlo.pad": _pad,
    "stablehlo.reduce": reduction,
    "stablehlo.reshape": _reshape,
    "stablehlo.reverse": _reverse,
    "stablehlo.scatter": _scatter,
    "stablehlo.slice": _slice,
    "stablehlo.transpose": _transpose,
    "tensor.extract": _extract,
    "tensor.from_elements": _from_elements,
}

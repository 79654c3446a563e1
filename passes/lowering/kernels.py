"""What rules build kernels with (`nimble.kernel`): loops of scf over tensors, whose elements are read and written.

In a kernel booleans are bytes (`stored`): IREE 3.13 has no addressable bits. Integers are signless as everywhere in linalg;
`read` gives scalars of the element type that StableHLO has, for `scalar_body`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dialects import Binding, BindOp, KernelOp, KernelYieldOp, UnbindOp, dims_of
from nimble_mlir.mlir import arith, ir, scf, tensor

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of
from .signedness import as_signless, reinterpret, signless

__all__ = [
    "NoKernelsError",
    "binding_sizes",
    "branch",
    "flag",
    "kernel",
    "loop",
    "nest",
    "read",
    "repeat",
    "restored",
    "stored",
    "stored_type",
    "write",
]

Values = Sequence[ir.Value]


class NoKernelsError(Exception):
    """A rule needs a kernel, and the target, which is the argument, has none."""


def stored_type(element: ir.Type) -> ir.Type:
    """The type of an element in a kernel's tensors."""
    if isinstance(element, ir.IntegerType) and element.width == 1:
        return ir.IntegerType.get_signless(8)
    return signless(element)


def stored(ctx: LoweringContext, value: ir.Value) -> ir.Value:
    """A tensor as a kernel takes it."""
    plain = as_signless(value)
    source, target = element_type_of(plain), stored_type(element_type_of(value))
    return plain if source == target else ctx.elementwise([plain], target, lambda x: arith.extui(target, x))


def restored(ctx: LoweringContext, value: ir.Value, type_: ir.RankedTensorType) -> ir.Value:
    """A kernel's tensor as `type_`, StableHLO's: the inverse of `stored`; the dims are equal, proved or checked."""
    element = type_.element_type
    if element_type_of(value) != signless(element):
        value = ctx.elementwise([value], signless(element), lambda x: arith.trunci(signless(element), x))
    plain = reinterpret(value, ir.RankedTensorType.get(value.type.shape, element, value.type.encoding))
    return ctx.cast(plain, dims_of(type_) or ctx.dims(value))


def kernel(
    ctx: LoweringContext,
    inputs: Values,
    outputs: Values,
    body: Callable[[ir.Value, list[ir.Value], list[ir.Value]], Values],
    workgroups: ir.Value | None = None,
) -> list[ir.Value]:
    """A kernel whose `body` gets the workgroup's number, inputs and outputs, and returns the outputs afterwards.

    `outputs` are the tensors that the kernel updates (`ctx.empty` where their elements do not matter). Raises NoKernelsError
    for a target that has none.
    """
    if not ctx.has_kernels:
        raise NoKernelsError(ctx.target)
    bound = [_bind(ctx, value) for value in (*inputs, *outputs)]
    one = constant_index(1) if workgroups is None else workgroups
    count = len(inputs)
    op = KernelOp(bound[:count], bound[count:], one, [Binding.get()] * len(outputs))
    block = op.body.blocks.append(ir.IndexType.get(), *[value.type for value in (*inputs, *outputs)])
    with ir.InsertionPoint(block):
        number, *arguments = block.arguments
        KernelYieldOp([_bind(ctx, value) for value in body(number, arguments[:count], arguments[count:])])
    return [UnbindOp(binding, value.type).tensor for binding, value in zip(op.operation.results, outputs, strict=True)]


def _bind(ctx: LoweringContext, value: ir.Value) -> ir.Value:
    sizes = binding_sizes(ctx, value)
    assert sizes is not None, value
    return BindOp(value, sizes, Binding.get()).binding


def binding_sizes(ctx: LoweringContext, value: ir.Value) -> list[ir.Value] | None:
    """The dynamic sizes of a tensor that a kernel takes: those of its dims, or of the buffer that it is (which has more room
    than any dim says). None where nothing says them."""
    dims = dims_of(value.type)
    if dims is not None:
        return ctx.sizes.sizes(dims)
    while not isinstance(value.owner, ir.Block):
        op = value.owner.operation
        if op.name in ("nimble.import", "tensor.empty"):
            return list(op.operands)[op.name == "nimble.import" :]
        if op.name != "tensor.insert_slice":
            break
        value = op.operands[1]
    return None


def read(buffer: ir.Value, indices: Values, element: ir.Type | None = None) -> ir.Value:
    """An element of a kernel's tensor, as a scalar of StableHLO's type `element`."""
    scalar = tensor.extract(buffer, list(indices))
    if element is None or scalar.type == element:
        return scalar
    plain = signless(element)
    return reinterpret(scalar if scalar.type == plain else arith.trunci(plain, scalar), element)


def write(scalar: ir.Value, buffer: ir.Value, indices: Values) -> ir.Value:
    """`buffer` with one element replaced."""
    target = element_type_of(buffer)
    plain = reinterpret(scalar, signless(scalar.type))
    return tensor.insert(plain if plain.type == target else arith.extui(target, plain), buffer, list(indices))


def loop(
    start: ir.Value, stop: ir.Value, carries: Values, body: Callable[..., Values], step: ir.Value | None = None
) -> list[ir.Value]:
    """`scf.for`: `body` gets the index and the carries and returns the carries."""
    op = scf.ForOp(start, stop, constant_index(1) if step is None else step, list(carries))
    with ir.InsertionPoint(op.body):
        scf.YieldOp(list(body(op.induction_variable, *op.inner_iter_args)))
    return list(op.results)


def nest(sizes: Values, carries: Values, body: Callable[[list[ir.Value], list[ir.Value]], Values]) -> list[ir.Value]:
    """Loops over a grid in row-major order: `body` gets the indices and the carries and returns the carries."""

    def level(indices: list[ir.Value], carried: list[ir.Value]) -> Values:
        if len(indices) == len(sizes):
            return body(indices, carried)
        return loop(
            constant_index(0), sizes[len(indices)], carried, lambda index, *inner: level([*indices, index], list(inner))
        )

    return list(level([], list(carries)))


def repeat(carries: Values, condition: Callable[..., ir.Value], body: Callable[..., Values]) -> list[ir.Value]:
    """`scf.while`: as long as `condition` of the carries holds, `body` gets them and returns them."""
    types = [value.type for value in carries]
    op: Any = scf.WhileOp(types, list(carries))
    before, after = (region.blocks.append(*types) for region in op.operation.regions)
    with ir.InsertionPoint(before):
        scf.ConditionOp(condition(*before.arguments), list(before.arguments))
    with ir.InsertionPoint(after):
        scf.YieldOp(list(body(*after.arguments)))
    return list(op.operation.results)


def branch(
    condition: ir.Value, types: Sequence[ir.Type], then: Callable[[], Values], otherwise: Callable[[], Values]
) -> list[ir.Value]:
    """`scf.if` with results."""
    op: Any = scf.IfOp(condition, list(types), has_else=True)
    for block, values in ((op.then_block, then), (op.else_block, otherwise)):
        with ir.InsertionPoint(block):
            scf.YieldOp(list(values()))
    return list(op.operation.results)


def flag(value: bool) -> ir.Value:
    """A constant of type i1."""
    return arith.constant(ir.IntegerType.get_signless(1), int(value))

"""Emission of kernels as `flow.dispatch.workgroups`: inputs and outputs are bindings, scalars from outside are operands,
constants are cloned into the body. A part of `nimble-emit-iree`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.mlir import arith, ir

from .boolean_bytes import view_booleans
from .kernel_executables import add_executable, is_shared
from .own_buffers import copied
from .regions import everything

__all__ = ["emit_kernels"]

_TENSOR = "!iree_tensor_ext.dispatch.tensor"
_CONSTANTS = ("arith.constant", "complex.constant", "ub.poison")


def emit_kernels(operation: Any) -> None:
    """Replaces the kernels in an op, at any depth, by dispatches whose results are tied to the kernels' outputs: IREE
    updates them in place where nothing else needs what they held, and copies them first where something does."""
    view_booleans(operation)
    for op in [op for op in everything(operation) if op.name == "nimble.kernel"]:
        emit = _emit_shared if is_shared(op) else _emit
        emit(op)
    for op in [op for op in everything(operation) if op.name == "nimble.bind"]:
        op.erase()


@dataclass(frozen=True, eq=False)
class _Bound:
    """A tensor and the values of its dynamic sizes."""

    value: ir.Value
    sizes: list[ir.Value]

    @property
    def type(self) -> ir.RankedTensorType:
        return self.value.type

    @property
    def is_empty(self) -> bool:
        """Whether its elements do not matter. Equal empty tensors are one value: they cannot be bound to two results."""
        owner = self.value.owner
        return not isinstance(owner, ir.Block) and owner.name == "tensor.empty"


def _bound(binding: ir.Value) -> _Bound:
    value, *sizes = binding.owner.operands
    return _Bound(value, sizes)


def _emit(op: Any) -> None:
    kernel = op.opview
    inputs, outputs = [_bound(b) for b in kernel.inputs], [_bound(b) for b in kernel.outputs]
    workload, fixed_count = _workload(kernel.workgroups)
    constants, scalars = _captured(op)
    outputs = [_own(op, tensor) for tensor in outputs]
    tensors = [*inputs, *outputs]
    sizes = [size for tensor in tensors for size in tensor.sizes]
    result_sizes = [size for tensor in outputs for size in tensor.sizes]
    bound = [*inputs, *(tensor for tensor in outputs if not tensor.is_empty)]
    bound_sizes = [size for tensor in bound for size in tensor.sizes]
    operands = [*(tensor.value for tensor in bound), *scalars, *sizes]
    segments = [len(workload), len(operands), len(bound_sizes), len(result_sizes)]
    with ir.InsertionPoint(op), op.location:
        dispatch = ir.Operation.create(
            "flow.dispatch.workgroups",
            results=[tensor.type for tensor in outputs],
            operands=[*workload, *operands, *bound_sizes, *result_sizes],
            attributes={
                "operandSegmentSizes": ir.DenseI32ArrayAttr.get(segments),
                "tied_operands": _tied(bound, outputs),
            },
            regions=2,
        )
        _emit_body(op, dispatch, tensors, len(inputs), constants, scalars)
        _emit_count(dispatch.regions[1], workload, fixed_count)
    _replace(op, dispatch)


def _emit_shared(op: Any) -> None:
    """A kernel that its workgroups share is an executable of its own (kernel_executables.py), which is dispatched."""
    kernel = op.opview
    _, groups = _workload(kernel.workgroups)
    assert groups is not None
    constants, scalars = _captured(op)
    inputs, outputs = [_bound(b) for b in kernel.inputs], [_own(op, _bound(b)) for b in kernel.outputs]
    bound = [*inputs, *(tensor for tensor in outputs if not tensor.is_empty)]
    # Results that are no operands are bound behind the operands.
    ordered = [*bound, *(tensor for tensor in outputs if tensor.is_empty)]
    order = [ordered.index(tensor) for tensor in (*inputs, *outputs)]
    entry, words = add_executable(op, constants, scalars, order, groups)
    bound_sizes = [size for tensor in bound for size in tensor.sizes]
    result_sizes = [size for tensor in outputs for size in tensor.sizes]
    operands = [*words, *(tensor.value for tensor in bound)]
    with ir.InsertionPoint(op), op.location:
        dispatch = ir.Operation.create(
            "flow.dispatch",
            results=[tensor.type for tensor in outputs],
            operands=[*operands, *bound_sizes, *result_sizes],
            attributes={
                "entry_points": ir.ArrayAttr.get([entry]),
                "operandSegmentSizes": ir.DenseI32ArrayAttr.get(
                    [0, len(operands), len(bound_sizes), len(result_sizes)]
                ),
                "tied_operands": _tied(bound, outputs, len(words)),
            },
        )
    _replace(op, dispatch)


def _tied(bound: Sequence[_Bound], outputs: Sequence[_Bound], first: int = 0) -> ir.Attribute:
    """Which operand each result is: of the bound tensors, the first of which is operand `first`."""
    index = ir.IndexType.get()
    return ir.ArrayAttr.get(
        [ir.IntegerAttr.get(index, first + bound.index(each) if each in bound else -1) for each in outputs]
    )


def _replace(op: Any, dispatch: Any) -> None:
    """Replaces a kernel by what dispatches it."""
    for before, after in zip(op.results, dispatch.results, strict=True):
        users = [use.owner.operation for use in before.uses]
        if not users:
            # IREE 3.13 drops an unused result and then has nowhere to put it: "no unbounded stack allocations".
            with ir.InsertionPoint(op), op.location:
                ir.Operation.create("util.optimization_barrier", results=[after.type], operands=[after])
        for unbind in users:
            unbind.results[0].replace_all_uses_with(after)
            unbind.erase()
    op.erase()


def _own(op: Any, tensor: _Bound) -> _Bound:
    """A tensor that a kernel may update: a copy where something else may read it, or it stands outside of a loop.

    own_buffers.py says why."""
    value = tensor.value
    owner = value.owner
    users = [use.owner.operation for use in value.uses]
    binds = [use for user in users for result in user.results for use in result.uses]
    constant = not isinstance(owner, ir.Block) and owner.name in _CONSTANTS
    block = owner if isinstance(owner, ir.Block) else owner.operation.block
    if tensor.is_empty or (len(users) == 1 and len(binds) == 1 and block == op.block and not constant):
        return tensor
    with ir.InsertionPoint(op), op.location:
        return _Bound(copied(value, tensor.sizes), tensor.sizes)


def _emit_body(
    op: Any,
    dispatch: Any,
    tensors: Sequence[_Bound],
    inputs: int,
    constants: Sequence[Any],
    scalars: Sequence[ir.Value],
) -> None:
    source = op.regions[0].blocks[0]
    empty = [tensor for tensor in tensors[inputs:] if tensor.is_empty]
    bound = [tensor for tensor in tensors if tensor not in empty]
    index = ir.IndexType.get()
    count = sum(len(tensor.sizes) for tensor in tensors)
    block = dispatch.regions[0].blocks.append(
        *[_access("readonly" if position < inputs else "readwrite", tensor) for position, tensor in enumerate(bound)],
        *[scalar.type for scalar in scalars],
        *[index] * count,
        *[_access("writeonly", tensor) for tensor in empty],
    )
    arguments = list(block.arguments)
    bindings = dict(zip(bound, arguments, strict=False))
    bindings |= dict(zip(reversed(empty), reversed(arguments), strict=False))
    passed = arguments[len(bound) : len(bound) + len(scalars)]
    remaining = arguments[len(bound) + len(scalars) :]
    own_sizes = {}
    for tensor in tensors:
        own_sizes[tensor] = remaining[: len(tensor.sizes)]
        remaining = remaining[len(tensor.sizes) :]
    with ir.InsertionPoint(block):
        copies = {constant.results[0]: constant.clone().results[0] for constant in constants}
        copies |= dict(zip(scalars, passed, strict=True))
        number = ir.Operation.create(
            "flow.dispatch.workgroup.id", results=[index], attributes={"dimension": ir.IntegerAttr.get(index, 0)}
        ).result
        loaded = [
            ir.Operation.create("tensor.empty", results=[tensor.type], operands=own_sizes[tensor]).result
            if tensor in empty
            else _load(bindings[tensor], tensor.type, own_sizes[tensor])
            for tensor in tensors
        ]
    for argument, value in zip(source.arguments, [number, *loaded], strict=True):
        argument.replace_all_uses_with(value)
    *operations, terminator = [inner.operation for inner in source.operations]
    for inner in operations:
        inner.detach_from_parent()
        block.append(inner)
        _replace_captures(inner, copies)
    with ir.InsertionPoint(block):
        for value, tensor in zip(terminator.operands, tensors[inputs:], strict=True):
            _store(_bound(value).value, bindings[tensor], own_sizes[tensor])
        ir.Operation.create("flow.return")


def _access(kind: str, tensor: _Bound) -> ir.Type:
    return ir.Type.parse(f"{_TENSOR}<{kind}:{tensor.type}>")


def _emit_count(region: Any, workload: Sequence[ir.Value], fixed: int | None) -> None:
    block = region.blocks.append(*[value.type for value in workload])
    with ir.InsertionPoint(block):
        one = arith.constant(ir.IndexType.get(), 1)
        groups = block.arguments[0] if fixed is None else arith.constant(ir.IndexType.get(), fixed)
        ir.Operation.create("flow.return", operands=[groups, one, one])


def _workload(count: ir.Value) -> tuple[list[ir.Value], int | None]:
    """The number of workgroups as a value, or as an integer where it is a constant."""
    owner = count.owner
    if not isinstance(owner, ir.Block) and owner.name == "arith.constant":
        return [], ir.IntegerAttr(owner.attributes["value"]).value
    return [count], None


def _whole(type_: ir.RankedTensorType, leading: int, sizes: Sequence[ir.Value]) -> dict[str, ir.Attribute]:
    """The attributes of a load or store of a whole tensor; `leading` operands stand before the sizes."""
    shape = [DYNAMIC if type_.is_dynamic_dim(axis) else type_.get_dim_size(axis) for axis in range(type_.rank)]
    segments = [*[1] * leading, len(sizes), 0, len(sizes), 0]
    return {
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get(segments),
        "static_offsets": ir.DenseI64ArrayAttr.get([0] * type_.rank),
        "static_sizes": ir.DenseI64ArrayAttr.get(shape),
        "static_strides": ir.DenseI64ArrayAttr.get([1] * type_.rank),
    }


def _load(binding: ir.Value, type_: ir.RankedTensorType, sizes: Sequence[ir.Value]) -> ir.Value:
    return ir.Operation.create(
        "iree_tensor_ext.dispatch.tensor.load",
        results=[type_],
        operands=[binding, *sizes, *sizes],
        attributes=_whole(type_, 1, sizes),
    ).result


def _store(value: ir.Value, binding: ir.Value, sizes: Sequence[ir.Value]) -> None:
    ir.Operation.create(
        "iree_tensor_ext.dispatch.tensor.store",
        operands=[value, binding, *sizes, *sizes],
        attributes=_whole(value.type, 2, sizes),
    )


def _captured(op: Any) -> tuple[list[Any], list[ir.Value]]:
    """The constants (ops) and other scalars (values) from outside that the body uses, in order of their first use."""
    inside: set[ir.Value] = set()
    constants: dict[ir.Value, Any] = {}
    scalars: dict[ir.Value, None] = {}

    def visit(operation: Any) -> None:
        for value in operation.operands:
            if value in inside or value in constants or value in scalars:
                continue
            owner = value.owner
            if not isinstance(owner, ir.Block) and owner.name in _CONSTANTS:
                constants[value] = owner
            else:
                scalars[value] = None
        inside.update(operation.results)
        for region in operation.regions:
            for block in region.blocks:
                inside.update(block.arguments)
                for inner in block.operations:
                    visit(inner.operation)

    block = op.regions[0].blocks[0]
    inside.update(block.arguments)
    for inner in block.operations:
        if inner.operation.name not in ("nimble.bind", "nimble.kernel_yield"):
            visit(inner.operation)
    return list(constants.values()), list(scalars)


def _replace_captures(operation: Any, copies: dict[ir.Value, ir.Value]) -> None:
    for position, value in enumerate(operation.operands):
        if value in copies:
            operation.operands[position] = copies[value]
    for region in operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                _replace_captures(inner.operation, copies)

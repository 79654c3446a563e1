"""Whether a kernel's body works in its buffers alone: upstream's bufferization, the analysis that IREE uses too, is asked.

Where it would copy a tensor, IREE has no memory for the copy inside of a dispatch and fails, or it finds that a loop yields
another buffer than its own. Then the loop is better left on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import PassManager, func, ir

from ..regions import everything, terminator

__all__ = ["works_in_place"]

_BUFFERIZE = (
    "builtin.module(canonicalize,cse,one-shot-bufferize{bufferize-function-boundaries=true "
    "function-boundary-type-conversion=identity-layout-map})"
)
# Bufferization tries all ways that a tensor may take through control flow, and takes as long: with more it does not end.
_MOST_WAYS = 1 << 14
# Where the carries of a loop begin among its operands.
_CARRIED = {"scf.for": 3, "scf.while": 0}
_COPIES = frozenset(["memref.alloc", "memref.copy"])


def works_in_place(kernel: Any) -> bool:
    """Whether the body of the `nimble.kernel` op needs no memory but that of its tensors."""
    block = kernel.regions[0].blocks[0]
    if _ways(block) > _MOST_WAYS:
        return False
    outside = _from_outside(block)
    with kernel.location:
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            types = [_plain(value.type) for value in (*block.arguments, *outside)]
            _function(block, outside, types)
    try:
        PassManager.parse(_BUFFERIZE, module.context).run(module.operation)
    except ir.MLIRError:
        return False
    return not any(op.name in _COPIES for op in everything(module.operation))


def _ways(block: ir.Block) -> int:
    """The largest number of ways back from a tensor to those that the kernel got: at the result of a loop or branch, and at
    what a loop carries, there are two."""
    ways: dict[ir.Value, int] = {}

    def of(value: ir.Value) -> int:
        return ways.get(value, 1)

    def visit(inner: ir.Block) -> None:
        for view in inner.operations:
            op = view.operation
            carried = list(op.operands)[_CARRIED[op.name] :] if op.name in _CARRIED else []
            for region in op.regions:
                for each in region.blocks:
                    arguments = list(each.arguments)[len(each.arguments) - len(carried) :]
                    ways.update((argument, 2 * of(first)) for argument, first in zip(arguments, carried, strict=True))
                    visit(each)
            ends = [terminator(each).operands for region in op.regions for each in region.blocks]
            for number, result in enumerate(op.results):
                if not isinstance(result.type, ir.RankedTensorType):
                    continue
                if not ends:
                    ways[result] = max(
                        (of(operand) for operand in op.operands if operand.type == result.type), default=1
                    )
                else:
                    sources = [*carried[number : number + 1], *(end[number - len(op.results)] for end in ends)]
                    ways[result] = sum(of(source) for source in sources)

    visit(block)
    return max(ways.values(), default=1)


def _function(block: ir.Block, outside: Sequence[ir.Value], types: Sequence[ir.Type]) -> None:
    """A function that computes what a kernel's body does and returns its outputs."""
    yielded = [value.owner.operands[0] for value in terminator(block).operands]
    function = func.FuncOp("kernel", (list(types), [_plain(value.type) for value in yielded]))
    entry = function.add_entry_block()
    copies: dict[ir.Value, ir.Value] = dict(zip([*block.arguments, *outside], entry.arguments, strict=True))
    with ir.InsertionPoint(entry):
        for view in block.operations:
            op = view.operation
            if op.name in ("nimble.bind", "nimble.kernel_yield"):
                continue
            copy = op.clone()
            _connect(copy, copies)
            copies |= dict(zip(op.results, copy.results, strict=True))
        func.ReturnOp([copies[value] for value in yielded])
    _forget_dims(function.operation)


def _connect(op: Any, copies: dict[ir.Value, ir.Value]) -> None:
    for index, value in enumerate(op.operands):
        if value in copies:
            op.operands[index] = copies[value]
    for region in op.regions:
        for inner in region.blocks:
            for view in inner.operations:
                _connect(view.operation, copies)


def _plain(type_: ir.Type) -> ir.Type:
    if not isinstance(type_, ir.RankedTensorType) or type_.encoding is None:
        return type_
    return ir.RankedTensorType.get(type_.shape, type_.element_type)


def _forget_dims(function: Any) -> None:
    for op in everything(function):
        for result in op.results:
            result.set_type(_plain(result.type))
        for region in op.regions:
            for block in region.blocks:
                for argument in block.arguments:
                    argument.set_type(_plain(argument.type))


def _from_outside(block: ir.Block) -> list[ir.Value]:
    """The values from outside of a kernel that its body uses, in order of their first use."""
    found: dict[ir.Value, None] = {}
    inside: set[ir.Value] = set(block.arguments)

    def visit(op: Any) -> None:
        for value in op.operands:
            if value not in inside:
                found[value] = None
        inside.update(op.results)
        for region in op.regions:
            for inner in region.blocks:
                inside.update(inner.arguments)
                for view in inner.operations:
                    visit(view.operation)

    for view in block.operations:
        if view.operation.name not in ("nimble.bind", "nimble.kernel_yield"):
            visit(view.operation)
    return list(found)

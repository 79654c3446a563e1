"""Control flow on the host as branches between blocks. A part of `nimble-emit-iree`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nimble_mlir.mlir import PassManager, ir

from .regions import everything

__all__ = ["to_branches"]

_PASS = "builtin.module(convert-scf-to-cf)"


def to_branches(module: ir.Module) -> None:
    """Turns the scf ops of the functions into branches, but not those in the bodies of other ops (kernels, generics).

    IREE 3.13 crashes in its own conversion of scf.while, or makes invalid IR, where a loop stands in its body
    (eigenvalues in test/python/models/linear_algebra.py do so); it takes branches as they are.
    """
    with ir.Location.unknown(module.context):
        holders = [(op, _hidden(op)) for op in list(_bodies(module.operation))]
        passes = PassManager.parse(_PASS, module.context)
        passes.enable_verifier(False)  # the ops without their bodies are invalid meanwhile
        passes.run(module.operation)
        for op, holder in holders:
            _move_blocks(holder, op)
            holder.erase()


def _bodies(operation: Any) -> Iterator[Any]:
    """The outermost ops in functions and their control flow that have control flow in their own bodies."""
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                inner = op.operation
                if inner.name.startswith(("func.", "scf.")):
                    yield from _bodies(inner)
                elif any(below.name.startswith("scf.") for below in everything(inner)):
                    yield inner


def _hidden(op: Any) -> Any:
    """An op outside of the module that holds the body of `op`, whose values are its own."""
    holder = ir.Operation.create("nimble.holder", regions=len(op.regions), infer_type=False)
    _move_blocks(op, holder)
    return holder


def _move_blocks(source: Any, target: Any) -> None:
    for region, other in zip(source.regions, target.regions, strict=True):
        for block in list(region.blocks):
            block.append_to(other)

"""Exports of JAX for several platforms as programs for one.

In: a module in which arguments marked `jax.global_constant = "_platform_index"` choose the branches of `stablehlo.case`
that are for a platform. Out: the argument of entry functions is gone, and so are the other platforms' branches, whose
library calls this one does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import ir
from nimble_mlir.passes.base import entry_functions, functions
from nimble_mlir.passes.regions import everything
from nimble_mlir.passes.signature import argument_attribute, erase_arguments

__all__ = ["bind_platform", "platform_index"]

_INDEX = "_platform_index"

# What of a target's name in JAX is on the list of an export's platforms.
_PLATFORM = {"llvm-cpu": "cpu", "cuda": "cuda"}


def platform_index(platforms: Sequence[str], target: str) -> int:
    """Where the target stands among `platforms`; 0 where it does not, as what is for all platforms is in each branch."""
    platform = _PLATFORM.get(target, "cpu")
    return platforms.index(platform) if platform in platforms else 0


def bind_platform(module: ir.Module, index: int) -> None:
    """Replaces the platform's index by `index`, and each branch on a constant by the branch that is taken."""
    entries = entry_functions(module)
    for function in functions(module):
        if function.is_external:
            continue
        arguments = function.entry_block.arguments
        marked = [position for position in range(len(arguments)) if _is_index(function, position)]
        for position in marked:
            with ir.InsertionPoint.at_block_begin(function.entry_block), function.location:
                value = ir.IntegerAttr.get(arguments[position].type.element_type, index)
                constant = ir.DenseElementsAttr.get_splat(arguments[position].type, value)
                number = ir.Operation.create("stablehlo.constant", [constant.type], attributes={"value": constant})
            arguments[position].replace_all_uses_with(number.result)
        if function in entries and marked:
            erase_arguments(function, marked.__contains__)
        for op in list(everything(function.operation)):
            if op.name == "stablehlo.case":
                _take_branch(op)


def _is_index(function: Any, position: int) -> bool:
    name = argument_attribute(function, position, "jax.global_constant")
    return name is not None and ir.StringAttr(name).value == _INDEX


def _take_branch(case: Any) -> None:
    chosen = case.operands[0].owner
    if isinstance(chosen, ir.Block) or chosen.operation.name != "stablehlo.constant":
        return
    index = int(ir.DenseIntElementsAttr(chosen.attributes["value"])[0])
    # An index that is no branch's is the last one's.
    taken = index if 0 <= index < len(case.regions) else len(case.regions) - 1
    *body, returned = list(case.regions[taken].blocks[0].operations)
    for op in body:
        op.operation.move_before(case)
    for result, value in zip(case.results, returned.operation.operands, strict=True):
        result.replace_all_uses_with(value)
    case.erase()

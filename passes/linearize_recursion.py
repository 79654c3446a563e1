"""`nimble-linearize-recursion`: a recursive function visits each part of a node once. In: stage stablehlo, calls inlined.
Out: the same, where an arm has one `nimble.recur` for a part at most, whose results are read one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions, fail
from .regions import everything, terminator
from .stablehlo_builders import replace_tuple, tuple_elements, tuple_of

__all__ = ["LinearizeRecursion"]


@dataclass(frozen=True)
class LinearizeRecursion(ModulePass):
    """Merges the calls of a recursive function on one part, so that a value is gone through once, whatever its depth.

      %0 = "nimble.recur"(%left, %a)
      %1 = "nimble.recur"(%left, %a)
      %2 = stablehlo.get_tuple_element %0[0]
      %3 = stablehlo.get_tuple_element %1[1]
    ==>
      %0 = "nimble.recur"(%left, %a)
      %2 = stablehlo.get_tuple_element %0[0]
      %3 = stablehlo.get_tuple_element %0[1]
    """

    name: ClassVar[str] = "nimble-linearize-recursion"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError for two calls on one part with other arguments: each would visit all that is below."""
        for function in entry_functions(module):
            for op in [op for op in everything(function.operation) if op.name == "nimble.match"]:
                _linearize(op.regions[0].blocks[0])


def _linearize(arm: ir.Block) -> None:
    known: dict[ir.Value, tuple[list[ir.Value], list[ir.Value]]] = {}  # part → arguments and results
    for call in [view.operation for view in arm.operations if view.operation.name == "nimble.recur"]:
        part = call.operands[0]
        arguments = _spelled_out(call, 1)
        if part not in known:
            with ir.InsertionPoint.after(call), call.location:
                known[part] = arguments, tuple_elements(call.results[0])
            replace_tuple(call.results[0], known[part][1])
            continue
        before, results = known[part]
        if arguments != before:
            raise fail(
                call, "the function is called twice on one part with other arguments; return both results from one call"
            )
        replace_tuple(call.results[0], results)
        call.erase()
    _spelled_out(terminator(arm), 0)


def _spelled_out(op: Any, index: int) -> list[ir.Value]:
    """What is in the tuple that is an operand, which is made in front of the op if it is not made by one of its own."""
    value = op.operands[index]
    if not isinstance(value.owner, ir.Block) and value.owner.name == "stablehlo.tuple":
        return list(value.owner.operands)
    with ir.InsertionPoint(op), op.location:
        elements = tuple_elements(value)
        op.operands[index] = tuple_of(elements)
    return elements

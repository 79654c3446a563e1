"""`nimble-simplify-loops`: loops carry only what changes. In: stage stablehlo, calls inlined. Out: the same with fewer
carries: what an iteration hands on as it got it is used from outside of the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions
from .regions import statements, terminator

__all__ = ["SimplifyLoops"]


@dataclass(frozen=True)
class SimplifyLoops(ModulePass):
    """Replaces each carry that a `stablehlo.while` does not change by its first value.

    JAX passes a body's constants (weights, the xs of a scan, a bound) as carries. Outside of the loop their dims and
    contents are known as such, and nothing copies them.

      %0:2 = stablehlo.while(%i = %zero, %n = %bound)
       cond { stablehlo.compare LT, %i, %n } do { … stablehlo.return %next, %n }
    ==>
      %0 = stablehlo.while(%i = %zero)
       cond { stablehlo.compare LT, %i, %bound } do { … stablehlo.return %next }
    """

    name: ClassVar[str] = "nimble-simplify-loops"

    def run(self, module: ir.Module) -> None:
        """Never fails."""
        for function in entry_functions(module):
            # Inner loops first: a carry of the outer one may only pass through an inner one.
            for op in reversed(statements(function)):
                if op.name == "stablehlo.while":
                    _hoist_invariants(op)


def _hoist_invariants(loop: Any) -> None:
    cond, body = (region.blocks[0] for region in loop.regions)
    yielded = list(terminator(body).operands)
    invariant = [
        index
        for index, (value, init) in enumerate(zip(yielded, loop.operands, strict=True))
        if value in (body.arguments[index], init) and init.type == loop.results[index].type
    ]
    if not invariant:
        return
    for index in invariant:
        init = loop.operands[index]
        for value in (cond.arguments[index], body.arguments[index], loop.results[index]):
            value.replace_all_uses_with(init)
    _keep_carries(loop, [index for index in range(len(yielded)) if index not in invariant])


def _keep_carries(loop: Any, kept: Sequence[int]) -> None:
    """Rebuilds a loop with the carries `kept`; the others have no uses left."""
    with ir.InsertionPoint(loop), loop.location:
        new = ir.Operation.create(
            "stablehlo.while",
            results=[loop.results[index].type for index in kept],
            operands=[loop.operands[index] for index in kept],
            attributes={name: loop.attributes[name] for name in loop.attributes},
            regions=2,
        )
    returned = terminator(loop.regions[1].blocks[0])
    with ir.InsertionPoint(returned), returned.location:
        ir.Operation.create("stablehlo.return", operands=[returned.operands[index] for index in kept])
    returned.erase()
    for old, region in zip(loop.regions, new.regions, strict=True):
        block = old.blocks[0]
        for index in reversed(range(len(block.arguments))):
            if index not in kept:
                block.erase_argument(index)
        block.append_to(region)
    for index, result in zip(kept, new.results, strict=True):
        loop.results[index].replace_all_uses_with(result)
    loop.erase()

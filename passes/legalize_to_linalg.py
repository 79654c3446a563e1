"""`nimble-legalize-to-linalg`: the ops of the lowering table become linalg and tensor ops. In: stage shapes. Out: what
is left is StableHLO that `stablehlo-legalize-to-linalg` lowers rightly; anything else was an UnsupportedOpError."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import dims_of
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions, fail
from .lowering import LOWERING_RULES, UPSTREAM_OPS, LoweringContext
from .lowering.crosswise import REDUCING, materialized, read_crosswise
from .lowering.double_functions import expand_double_functions
from .lowering.kernels import NoKernelsError
from .lowering.registry import Rule
from .regions import statements
from .shape_functions import custom_call_target
from .symbol_table import DimBuilder, SymbolTable

__all__ = ["LegalizeToLinalg"]


@dataclass(frozen=True)
class LegalizeToLinalg(ModulePass):
    """Lowers ops by one table of rules, with the symbolic dims known; the others are left to upstream.

      %0 = stablehlo.dot_general %x, %w, contracting_dims = [2] x [0]
             : (tensor<?x?x8xf32, #nimble.dims<[@b, @s, 8]>>, tensor<8x4xf32>) -> …
    ==>
      %1 = tensor.collapse_shape %x [[0, 1], [2]] : … into tensor<?x8xf32, #nimble.dims<["b*s", 8]>>
      %2 = linalg.matmul ins(%1, %w) outs(%zero)
      %0 = tensor.expand_shape %2 [[0, 1], [2]] output_shape [%b, %s, 4]
    """

    target: str = "llvm-cpu"
    name: ClassVar[str] = "nimble-legalize-to-linalg"

    def run(self, module: ir.Module) -> None:
        """Raises UnsupportedOpError, naming the op and where it stands, for what neither table knows."""
        for function in entry_functions(module):
            table = SymbolTable(function)
            builder = DimBuilder(function.entry_block, table.values)
            context = LoweringContext(table.scope, builder, self.target)
            for op in statements(function):
                _lower(context, op)
            if self.target == "vulkan":
                expand_double_functions(function)


def _lower(context: LoweringContext, op: Any) -> None:
    target = custom_call_target(op)
    rule = LOWERING_RULES.get(f"custom_call:{target}" if target is not None else op.name)
    if rule is not None:
        crosswise = [op.name in REDUCING and read_crosswise(result) for result in op.results]
        with ir.InsertionPoint(op), op.location:
            lowered = _apply(rule, context, op)
            results = (
                None
                if lowered is None
                else [_in_place_of(context, *each) for each in zip(op.results, lowered, crosswise, strict=True)]
            )
        if results is not None:
            for before, after in zip(op.results, results, strict=True):
                before.replace_all_uses_with(after)
            op.erase()
            return
    if op.name.startswith("stablehlo.") and op.name not in UPSTREAM_OPS:
        name = _name(op)
        types = ", ".join(str(operand.type) for operand in op.operands)
        advice = f": {_ADVICE[op.name]}" if op.name in _ADVICE else ""
        raise fail(op, f"{name} on ({types}) is not supported{advice}", UnsupportedOpError)


# What to do instead of an op that has no lowering.
_ADVICE = {"stablehlo.rng": "its numbers come from a state that a module does not have; jax.random draws from a key"}


def _name(op: Any) -> str:
    target = custom_call_target(op)
    return f"custom call '{target}'" if target is not None else f"'{op.name}'"


def _apply(rule: Rule, context: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
    try:
        return rule(context, op)
    except NoKernelsError:
        raise fail(
            op,
            f"{_name(op)} is not supported for the target {context.target}: it is a kernel of nimble's own, which IREE "
            f"compiles for llvm-cpu alone; compile the function for llvm-cpu, or leave the op out of it",
            UnsupportedOpError,
        ) from None


def _in_place_of(context: LoweringContext, before: ir.Value, after: ir.Value, crossed: bool) -> ir.Value:
    """What a rule gave for `before`, under the dims that were inferred for it.

    A rule may take over the dims of an operand: they are equal, perhaps by a check only, but said in another way, and a
    function's return states them in one way.
    """
    if crossed:
        after = materialized(context, after)
    dims = dims_of(before.type)
    return after if dims is None or before.type == after.type else context.cast(after, dims)

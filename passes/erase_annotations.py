"""`nimble-erase-annotations`: what says nothing to a program on one device goes. In: stage stablehlo, calls inlined. Out:
the same without tokens, and without custom calls that only say where a value is to lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions, fail
from .regions import everything, terminator
from .shape_functions import custom_call_target
from .signature import erase_arguments, set_type

__all__ = ["EraseAnnotations"]

# Custom calls that give back their operand: where it lies, and how, is the compiler's matter.
_PLACEMENTS = frozenset(
    {
        "AssumeGatherIndicesInBound",
        "LayoutConstraint",
        "MoveToDevice",
        "MoveToHost",
        "Sharding",
        "annotate_device_placement",
        "xla.sdy.FuncResultSharding",
    }
)

_TOKEN = "!stablehlo.token"
_MADE = frozenset({"stablehlo.after_all", "stablehlo.create_token"})
# Ops that hand tokens on as they do other values.
_HAND_ON = frozenset(
    {"stablehlo.case", "stablehlo.if", "stablehlo.optimization_barrier", "stablehlo.return", "stablehlo.while"}
)


@dataclass(frozen=True)
class EraseAnnotations(ModulePass):
    """Erases shardings and placements, and the tokens that order effects on a host, of which a module has none.

      %t = stablehlo.create_token : !stablehlo.token
      %y = stablehlo.custom_call @Sharding(%x) {mhlo.sharding = "{replicated}"}
      %z:2 = stablehlo.optimization_barrier %y, %t
    ==>
      %t = stablehlo.constant dense<false> : tensor<i1>
      %z:2 = stablehlo.optimization_barrier %x, %t
    """

    name: ClassVar[str] = "nimble-erase-annotations"

    def run(self, module: ir.Module) -> None:
        """Raises UnsupportedOpError for an op with a token that has an effect."""
        for function in entry_functions(module):
            for op in list(everything(function.operation)):
                if custom_call_target(op) in _PLACEMENTS and len(op.operands) == len(op.results) == 1:
                    op.results[0].replace_all_uses_with(op.operands[0])
                    op.erase()
            _erase_tokens(function)


def _is_token(value: Any) -> bool:
    return str(value.type) == _TOKEN


def _erase_tokens(function: Any) -> None:
    """Tokens of the function's own type go; those within become booleans, which carry nothing."""
    block, returned = function.entry_block, terminator(function.entry_block)
    ops = list(everything(function.operation))
    arguments = {position for position, argument in enumerate(block.arguments) if _is_token(argument)}
    if not arguments and not any(_is_token(value) for op in ops for value in (*op.operands, *op.results)):
        return
    boolean = ir.RankedTensorType.get([], ir.IntegerType.get_signless(1))
    with ir.InsertionPoint.at_block_begin(block), function.location:
        value = ir.DenseElementsAttr.get_splat(boolean, ir.BoolAttr.get(False))
        nothing = ir.Operation.create("stablehlo.constant", [boolean], attributes={"value": value}).result
    for position in arguments:
        block.arguments[position].replace_all_uses_with(nothing)
    erase_arguments(function, arguments.__contains__)
    _erase_results(function, returned)
    for op in ops[:-1]:
        if op.name in _MADE:
            op.results[0].replace_all_uses_with(nothing)
            op.erase()
            continue
        tokens = [value for value in op.results if _is_token(value)]
        tokens += [
            value for region in op.regions for inner in region.blocks for value in inner.arguments if _is_token(value)
        ]
        if op.name not in _HAND_ON and (tokens or any(map(_is_token, op.operands))):
            raise fail(op, f"'{op.name}' is not supported: it has an effect outside of the module", UnsupportedOpError)
        for value in tokens:
            value.set_type(boolean)


def _erase_results(function: Any, returned: Any) -> None:
    """Tokens among the function's results."""
    kept = [index for index, value in enumerate(returned.operands) if not _is_token(value)]
    values = [returned.operands[index] for index in kept]
    if "res_attrs" in function.attributes:
        attributes = list(function.attributes["res_attrs"])
        function.attributes["res_attrs"] = ir.ArrayAttr.get([attributes[index] for index in kept])
    set_type(function, results=[value.type for value in values])
    with ir.InsertionPoint(returned), returned.location:
        ir.Operation.create("func.return", operands=values)
    returned.erase()

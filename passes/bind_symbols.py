"""`nimble-bind-symbols`: every symbol gets its one SSA value. In: stage stablehlo, calls inlined. Out: entry functions
without dimension-variable arguments, whose argument types carry dims, and whose input checks are explicit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import tensor_type
from nimble_mlir.mlir import arith, ir, tensor

from .base import ModulePass, entry_functions, fail
from .resolve_dims import SIZE_SOURCE
from .signature import EntrySignature, erase_arguments, read_signature
from .size_checks import emit_plan
from .symbol_table import constant_index

__all__ = ["BindSymbols"]


@dataclass(frozen=True)
class BindSymbols(ModulePass):
    """Solves the symbols from argument sizes, declares them, and removes the dimension-variable arguments.

        func.func @f(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?xf32> {nimble.dims = [@s]})
      ==>
        func.func @f(%x: tensor<?xf32, #nimble.dims<[@s]>> {nimble.dims = [@s]}) {
          %d = tensor.dim %x, %c0
          %v = "nimble.symbol"(%d) {symbol = @s, bounds = {min = 1}}
          %s = tensor.from_elements (arith.index_cast %v) : tensor<i32>
    """

    name: ClassVar[str] = "nimble-bind-symbols"

    def run(self, module: ir.Module) -> None:
        """Raises CaptureError for a symbol that no argument determines."""
        for function in entry_functions(module):
            if "nimble.bound" not in function.attributes:
                _bind(function)
                function.attributes["nimble.bound"] = ir.UnitAttr.get()


def _bind(function: Any) -> None:
    signature = read_signature(function)
    block = function.entry_block
    for argument in signature.arguments:
        value = block.arguments[argument.position]
        if isinstance(value.type, ir.RankedTensorType):
            value.set_type(tensor_type(argument.dims, value.type.element_type))
    with ir.InsertionPoint.at_block_begin(block), function.location:
        values = _emit_symbols(signature, block)
        for position, symbol in signature.dimension_variables.items():
            variable = block.arguments[position]
            if symbol not in values:
                raise fail(function, f"no argument determines the dimension variable '{symbol}'")
            element = variable.type.element_type
            scalar = arith.index_cast(element, values[symbol])
            variable.replace_all_uses_with(tensor.from_elements(variable.type, [scalar]))
    erase_arguments(function, signature.dimension_variables.__contains__)


def _emit_symbols(signature: EntrySignature, block: ir.Block) -> dict[str, ir.Value]:
    sizes: dict[tuple[int, int], ir.Value] = {}

    def size_of(argument: int, axis: int) -> ir.Value:
        key = (argument, axis)
        if key not in sizes:
            operand = block.arguments[signature.arguments[argument].position]
            sizes[key] = tensor.dim(operand, constant_index(axis))
            sizes[key].owner.attributes[SIZE_SOURCE] = ir.UnitAttr.get()
        return sizes[key]

    plan = signature.plan()
    return emit_plan(plan, size_of, signature.names, signature.symbols, signature.constraints)

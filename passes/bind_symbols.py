"""`nimble-bind-symbols`: every symbol gets its one SSA value. In: stage stablehlo, calls inlined. Out: entry functions
without dimension-variable arguments, whose symbols are declared, and whose input checks are explicit. Types stay as they
are: ops that need exactly equal types get their dims all at once, from `nimble-infer-dims`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dims import DimExpr, Plan, UnsolvableError
from nimble_mlir.errors import CaptureError
from nimble_mlir.mlir import arith, ir, tensor

from .base import ModulePass, entry_functions, fail
from .defined_sizes import define_sizes, defined_symbols
from .lowering.signedness import is_unsigned, reinterpret, signless
from .resolve_dims import SIZE_SOURCE
from .signature import EntrySignature, erase_arguments, read_signature, state_signature
from .size_arguments import mark_size_arguments
from .size_checks import emit_plan
from .symbol_table import DimBuilder, constant_index

__all__ = ["BindSymbols"]


@dataclass(frozen=True)
class BindSymbols(ModulePass):
    """Solves the symbols from argument sizes, declares them, and removes the dimension-variable arguments.

      func.func @f(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?xf32> {nimble.dims = [@s]})
    ==>
      func.func @f(%x: tensor<?xf32> {nimble.dims = [@s]}) {
        %d = tensor.dim %x, %c0
        %v = "nimble.symbol"(%d) {symbol = @s, bounds = {min = 1}}
        %s = tensor.from_elements (arith.index_cast %v) : tensor<i32>

    An argument of foreign StableHLO that reaches a shape operand is a size itself: its symbol's value is read from it.
    """

    name: ClassVar[str] = "nimble-bind-symbols"

    def run(self, module: ir.Module) -> None:
        """Raises CaptureError for a symbol that no argument determines."""
        for function in entry_functions(module):
            if "nimble.bound" not in function.attributes:
                mark_size_arguments(function)
                _bind(function)
                function.attributes["nimble.bound"] = ir.UnitAttr.get()


def _bind(function: Any) -> None:
    signature, plan = _solve(function)
    block = function.entry_block
    uses = {a.position: list(block.arguments[a.position].uses) for a in signature.arguments if a.values}
    # First of all: what a custom call defines is used through a variable of JAX's, like the sizes of the arguments.
    solved = {step.symbol for step in plan.steps}
    variables = {symbol: block.arguments[position] for position, symbol in signature.dimension_variables.items()}
    define_sizes(function, {symbol: value for symbol, value in variables.items() if symbol not in solved})
    with ir.InsertionPoint.at_block_begin(block), function.location:
        values = _emit_symbols(signature, plan, block)
        for argument in signature.arguments:
            if argument.values:
                _replace_uses(uses[argument.position], block.arguments[argument.position], argument.values, values)
        for position, symbol in signature.dimension_variables.items():
            if symbol not in values:
                continue
            variable = block.arguments[position]
            element = variable.type.element_type
            scalar = arith.index_cast(element, values[symbol])
            variable.replace_all_uses_with(tensor.from_elements(variable.type, [scalar]))
    erase_arguments(function, signature.dimension_variables.__contains__)
    state_signature(function, signature)


def _solve(function: Any) -> tuple[EntrySignature, Plan]:
    try:
        signature = read_signature(function)
        plan = signature.plan()
    except UnsolvableError as error:
        raise fail(function, str(error), CaptureError) from None
    except ValueError as error:  # attributes that contradict the types or each other
        raise fail(function, f"the signature of '@{function.name.value}' is malformed: {error}") from None
    solved = {step.symbol for step in plan.steps}
    defined = defined_symbols(function)
    for symbol in signature.dimension_variables.values():
        if symbol not in solved and symbol not in defined:
            raise fail(function, f"no argument determines the dimension variable '{symbol}'", CaptureError)
    for constraint in signature.constraints:
        for symbol in sorted(constraint.symbols - solved):
            message = f"constraint '{constraint}' is about '{symbol}', which no argument determines"
            raise fail(function, message, CaptureError)
    return signature, plan


def _replace_uses(
    uses: Sequence[Any], argument: ir.Value, elements: Sequence[DimExpr], values: dict[str, ir.Value]
) -> None:
    """What read the elements of an argument reads the symbols that they are."""
    type_ = argument.type.element_type
    scalars = [arith.index_cast(signless(type_), DimBuilder.emit_here(element, values)) for element in elements]
    replacement = tensor.from_elements(argument.type, [reinterpret(scalar, type_) for scalar in scalars])
    for use in uses:
        use.owner.operands[use.operand_number] = replacement


def _element(argument: ir.Value, axis: int) -> ir.Value:
    """An element of an argument (`axis` as `SizeSource` has it), read on the host."""
    indices = [] if axis == -1 else [constant_index(-2 - axis)]
    scalar = tensor.extract(argument, indices)
    cast = arith.index_castui if is_unsigned(scalar.type) else arith.index_cast
    return cast(ir.IndexType.get(), reinterpret(scalar, signless(scalar.type)))


def _emit_symbols(signature: EntrySignature, plan: Plan, block: ir.Block) -> dict[str, ir.Value]:
    sizes: dict[tuple[int, int], ir.Value] = {}

    def size_of(argument: int, axis: int) -> ir.Value:
        key = (argument, axis)
        if key not in sizes:
            operand = block.arguments[signature.arguments[argument].position]
            if axis < 0:
                return sizes.setdefault(key, _element(operand, axis))
            sizes[key] = tensor.dim(operand, constant_index(axis))
            sizes[key].owner.attributes[SIZE_SOURCE] = ir.UnitAttr.get()
        return sizes[key]

    return emit_plan(plan, size_of, signature.names, signature.symbols, signature.constraints)

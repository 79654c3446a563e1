"""`nimble-synthesize-shape-functions`: `@f$shape` beside each entry `@f`. In: stage nimble. Out: the same with one public
function more an entry, which maps input sizes to output sizes without running the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import dims_of
from nimble_mlir.dims import DimExpr, argument_sources
from nimble_mlir.mlir import arith, func, ir

from .base import ModulePass, entry_functions, functions
from .signature import read_signature
from .size_checks import emit_plan
from .symbol_table import DimBuilder

__all__ = ["SHAPE_OF", "SynthesizeShapeFunctions"]

# On a shape function: the entry that it is about.
SHAPE_OF = "nimble.shape_of"


@dataclass(frozen=True)
class SynthesizeShapeFunctions(ModulePass):
    """Makes a host function from the sizes of all arguments, axis by axis, to the sizes of all results.

    After the axes of an argument whose elements are sizes come these elements.

      func.func @f(%x: tensor<?x4xf32, #nimble.dims<[@s, 4]>>) -> tensor<?xf32, #nimble.dims<["4*s"]>>
    ==>
      func.func @f$shape(%x0: i64, %x1: i64) -> i64 attributes {nimble.shape_of = @f} {
        %s = "nimble.symbol"(…) {symbol = @s, …}
        return (4 * %s)
      }
    """

    name: ClassVar[str] = "nimble-synthesize-shape-functions"

    def run(self, module: ir.Module) -> None:
        """Leaves out results whose sizes an op defines from data: no size of the arguments tells them."""
        existing = {function.name.value for function in functions(module)}
        for function in entry_functions(module):
            if f"{function.name.value}$shape" not in existing:
                with function.location:
                    _synthesize(module, function)


def _synthesize(module: ir.Module, function: Any) -> None:
    signature = read_signature(function)
    axes = [
        (source.argument, source.axis)
        for index, argument in enumerate(signature.arguments)
        for source in argument_sources(index, argument.dims, argument.values)
    ]
    results = _result_dims(function, {info.name for info in signature.symbols})
    i64 = ir.IntegerType.get_signless(64)
    with ir.InsertionPoint(module.body):
        shape = func.FuncOp(f"{function.name.value}$shape", ([i64] * len(axes), [i64] * len(results)))
    shape.attributes[SHAPE_OF] = ir.FlatSymbolRefAttr.get(function.name.value)
    block = shape.add_entry_block()
    with ir.InsertionPoint(block):
        index = ir.IndexType.get()
        sizes = {key: arith.index_cast(index, block.arguments[i]) for i, key in enumerate(axes)}
        values = emit_plan(
            signature.plan(),
            lambda argument, axis: sizes[argument, axis],
            signature.names,
            signature.symbols,
            signature.constraints,
            check_constants=True,
        )
        func.ReturnOp([arith.index_cast(i64, DimBuilder.emit_here(dim, values)) for dim in results])


def _result_dims(function: Any, symbols: set[str]) -> list[DimExpr]:
    operations = function.entry_block.operations
    returned = operations[len(operations) - 1]
    dims = [dim for value in returned.operands for dim in dims_of(value.type) or ()]
    return [dim for dim in dims if dim.symbols <= symbols]

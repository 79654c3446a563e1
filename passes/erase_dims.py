"""`nimble-erase-dims`: the dims leave the types, and so do signs. In: linalg with dims. Out: stage linalg: no
`#nimble.dims` is left, and integers are signless, as linalg, arith and IREE have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import Dims
from nimble_mlir.mlir import ir, tensor

from .base import ModulePass, functions
from .signature import set_type

__all__ = ["EraseDims"]


@dataclass(frozen=True)
class EraseDims(ModulePass):
    """Drops the encodings from all types; a `nimble.cast` becomes a `tensor.cast`, or nothing.

      %0 = "nimble.cast"(%x) : (tensor<?xf32, #nimble.dims<[@s]>>) -> tensor<?xf32, #nimble.dims<[@t]>>
      linalg.generic … ins(%0 : tensor<?xf32, #nimble.dims<[@t]>>)
    ==>
      linalg.generic … ins(%x : tensor<?xf32>)
    """

    name: ClassVar[str] = "nimble-erase-dims"

    def run(self, module: ir.Module) -> None:
        """Never fails: what needs the dims has run before."""
        for function in functions(module):
            _erase_in(function.operation)
            type_ = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
            set_type(function, [erased(t) for t in type_.inputs], [erased(t) for t in type_.results])


def erased(type_: ir.Type) -> ir.Type:
    """`type_` without its dims encoding and without the sign of its integers: by now ops say what is signed."""
    if isinstance(type_, ir.RankedTensorType):
        encoding = None if isinstance(type_.encoding, Dims) else type_.encoding
        return ir.RankedTensorType.get(type_.shape, erased(type_.element_type), encoding)
    if isinstance(type_, ir.IntegerType) and not type_.is_signless:
        return ir.IntegerType.get_signless(type_.width)
    return type_


_CASTS = ("nimble.cast", "tensor.cast", "builtin.unrealized_conversion_cast")


def _erase_in(operation: Any) -> None:
    for region in operation.regions:
        for block in region.blocks:
            for argument in block.arguments:
                _erase_type(argument)
            for op in list(block.operations):
                for result in op.operation.results:
                    _erase_type(result)
                _erase_in(op.operation)
                if op.operation.name in _CASTS:
                    _erase_cast(op.operation)


def _erase_type(value: ir.Value) -> None:
    type_ = erased(value.type)
    if type_ != value.type:
        value.set_type(type_)


def _erase_cast(op: Any) -> None:
    operand, result = op.operands[0], op.results[0]
    if operand.type == result.type:
        result.replace_all_uses_with(operand)
    elif op.name != "nimble.cast":
        return
    else:
        with ir.InsertionPoint(op), op.location:
            result.replace_all_uses_with(tensor.cast(result.type, operand))
    op.erase()

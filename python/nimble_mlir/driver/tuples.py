"""Entry functions that take or return tuples, as XLA programs of older exports do, take and return the elements.

In: a module of StableHLO. Out: the same without a tuple in the type of an entry function; `nimble-inline-calls` takes
apart what is made and read inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nimble_mlir.mlir import func, ir

__all__ = ["flatten_tuples"]


def flatten_tuples(function: Any) -> None:
    """Replaces each tuple among arguments and results by its elements, nested ones too, in order."""
    type_ = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    if not any(isinstance(each, ir.TupleType) for each in (*type_.inputs, *type_.results)):
        return
    block = function.operation.regions[0].blocks[0]
    returned = list(block.operations)[-1].operation
    with ir.InsertionPoint.at_block_begin(block):
        for old in list(block.arguments)[: len(type_.inputs)]:
            old.replace_all_uses_with(_made(old.type, block, old.location))
    for _ in type_.inputs:
        block.erase_argument(0)
    with ir.InsertionPoint(returned), returned.location:
        results = [leaf for value in returned.operands for leaf in _elements(value)]
        func.ReturnOp(results)
    returned.erase()
    for key, types in (("arg_attrs", type_.inputs), ("res_attrs", type_.results)):
        if key in function.attributes:
            function.attributes[key] = ir.ArrayAttr.get(list(_spread(function.attributes[key], types)))
    leaves = [argument.type for argument in block.arguments]
    function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(leaves, [leaf.type for leaf in results]))


def _leaf_types(type_: ir.Type) -> list[ir.Type]:
    if not isinstance(type_, ir.TupleType):
        return [type_]
    return [leaf for i in range(type_.num_types) for leaf in _leaf_types(type_.get_type(i))]


def _made(type_: ir.Type, block: Any, location: ir.Location) -> ir.Value:
    """A value of `type_` made of new arguments of the block."""
    if not isinstance(type_, ir.TupleType):
        return block.add_argument(type_, location)
    parts = [_made(type_.get_type(i), block, location) for i in range(type_.num_types)]
    return ir.Operation.create("stablehlo.tuple", results=[type_], operands=parts, loc=location).result


def _elements(value: ir.Value) -> list[ir.Value]:
    type_ = value.type
    if not isinstance(type_, ir.TupleType):
        return [value]
    found = []
    for i in range(type_.num_types):
        index = {"index": ir.IntegerAttr.get(ir.IntegerType.get_signless(32), i)}
        element = ir.Operation.create(
            "stablehlo.get_tuple_element", results=[type_.get_type(i)], operands=[value], attributes=index
        )
        found += _elements(element.result)
    return found


def _spread(attributes: Any, types: Sequence[ir.Type]) -> Iterator[ir.Attribute]:
    """The attributes of tuples say nothing of their elements."""
    for each, type_ in zip(attributes, types, strict=True):
        yield from [each] if not isinstance(type_, ir.TupleType) else [ir.DictAttr.get({})] * len(_leaf_types(type_))

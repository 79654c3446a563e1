"""`nimble-raise-calls`: the custom calls by which capture says ops of nimble become these ops. In: stage stablehlo. Out: the
same, with lists and recursion as ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import (
    List,
    ListAppendOp,
    ListExtendOp,
    ListFromOp,
    ListGetOp,
    ListLengthOp,
    ListReserveOp,
    ListStackOp,
    MakeNodeOp,
    RecursiveCallOp,
    StartRecursionOp,
    opaque,
)
from nimble_mlir.mlir import ir

from .base import ModulePass, fail, functions
from .regions import everything
from .shape_functions import custom_call_target

__all__ = ["RaiseCalls"]


@dataclass(frozen=True)
class RaiseCalls(ModulePass):
    """Makes ops of nimble of the custom calls that stand for them.

    JAX's modules hold no ops and types of nimble: there a list is the tensor of its rows.

      %more = stablehlo.custom_call @nimble.list_append(%rows, %row) {backend_config = {bound = 9, what = "a list"}}
    ==>
      %list = "nimble.list_from"(%rows) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64}>
      %longer = "nimble.list_append"(%list, %row) {what = "a list"}
      %more = "nimble.list_stack"(%longer)
    """

    name: ClassVar[str] = "nimble-raise-calls"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError for a call without one of its attributes."""
        for op in [op for function in functions(module) for op in everything(function.operation)]:
            make = _OPS.get(custom_call_target(op) or "")
            if make is None:
                continue
            with ir.InsertionPoint(op), op.location:
                results = make(op)
            for before, after in zip(op.results, results, strict=True):
                before.replace_all_uses_with(after)
            op.erase()


def _entry(op: Any, name: str) -> ir.Attribute:
    """An attribute of a custom call."""
    config = ir.DictAttr(op.attributes["backend_config"]) if "backend_config" in op.attributes else ir.DictAttr.get()
    if name not in config:
        raise fail(op, f"custom call '{custom_call_target(op)}' has no attribute '{name}'")
    return config[name]


def _list(op: Any) -> ir.Value:
    """The list whose rows are the first operand of a call: that which they are the rows of, or one of its own."""
    rows = op.operands[0]
    limits = {} if "backend_config" not in op.attributes else ir.DictAttr(op.attributes["backend_config"])
    kept = {entry.name: entry.attr for entry in limits if entry.name in ("bound", "capacity")}
    type_ = List.of(ir.RankedTensorType(rows.type), ir.DictAttr.get(kept))
    owner = rows.owner
    if not isinstance(owner, ir.Block) and owner.name == "nimble.list_stack" and owner.operands[0].type == type_:
        return owner.operands[0]
    return ListFromOp(rows, type_).list


def _stacked(op: Any, list_: ir.Value) -> list[ir.Value]:
    return [ListStackOp(list_, op.results[0].type).rows]


def _longer(make: Callable[..., Any]) -> Callable[[Any], Sequence[ir.Value]]:
    def rule(op: Any) -> list[ir.Value]:
        list_ = _list(op)
        return _stacked(op, make(list_, op.operands[1], list_.type, _entry(op, "what")).longer)

    return rule


def _reserve(op: Any) -> list[ir.Value]:
    list_ = _list(op)
    return _stacked(op, ListReserveOp(list_, list_.type).same)


def _get(op: Any) -> list[ir.Value]:
    return [ListGetOp(_list(op), op.operands[1], op.results[0].type).row]


def _length(op: Any) -> list[ir.Value]:
    return [ListLengthOp(_list(op), op.results[0].type).length]


def _tuple(op: Any) -> ir.Value:
    """The operands of a call as a tuple."""
    type_ = ir.TupleType.get_tuple([operand.type for operand in op.operands])
    return ir.Operation.create("stablehlo.tuple", results=[type_], operands=list(op.operands)).result


def _elements(results: ir.Value) -> list[ir.Value]:
    """The elements of a tuple that are the results of a call."""
    type_ = ir.TupleType(results.type)
    return [
        ir.Operation.create(
            "stablehlo.get_tuple_element",
            results=[type_.get_type(index)],
            operands=[results],
            attributes={"index": ir.IntegerAttr.get(ir.IntegerType.get_signless(32), index)},
        ).result
        for index in range(type_.num_types)
    ]


def _result_tuple(op: Any) -> ir.TupleType:
    return ir.TupleType.get_tuple([result.type for result in op.results])


def _callee(op: Any) -> ir.Attribute:
    called = list(op.attributes["called_computations"]) if "called_computations" in op.attributes else []
    if len(called) != 1:
        raise fail(op, f"custom call '{custom_call_target(op)}' calls {len(called)} functions, but it needs one")
    return called[0]


def _recursion(op: Any) -> list[ir.Value]:
    names = "invariants", "max_depth", "tables", "what"
    said = [opaque(_entry(op, name)) for name in names]
    return _elements(StartRecursionOp(_tuple(op), _result_tuple(op), _callee(op), *said).results_)


def _recur(op: Any) -> list[ir.Value]:
    return _elements(RecursiveCallOp(_tuple(op), _result_tuple(op), _callee(op)).results_)


def _make(op: Any) -> list[ir.Value]:
    return [MakeNodeOp(_tuple(op), op.results[0].type, _entry(op, "heap"), _entry(op, "constructor")).node]


# Target → what makes the values that the call's results are.
_OPS: dict[str, Callable[[Any], Sequence[ir.Value]]] = {
    "nimble.list_append": _longer(ListAppendOp),
    "nimble.list_extend": _longer(ListExtendOp),
    "nimble.list_get": _get,
    "nimble.list_length": _length,
    "nimble.list_reserve": _reserve,
    "nimble.make_node": _make,
    "nimble.recursive_call": _recur,
    "nimble.start_recursion": _recursion,
}

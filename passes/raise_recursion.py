"""`nimble-raise-recursion`: recursive functions of trees, as capture hands them over, become ops. In: stage stablehlo,
before calls are inlined. Out: the same without `custom_call @nimble.recursion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import Adt, DatatypeOp, MatchOp, RecurOp, RecursiveOp, TreeOp, YieldOp
from nimble_mlir.mlir import ir

from .base import ModulePass, fail, functions
from .regions import everything, replace_operands
from .shape_functions import custom_call_target
from .stablehlo_builders import tuple_elements, tuple_of

__all__ = ["RaiseRecursion"]

_RECURSION, _RECUR = "nimble.recursion", "nimble.recur"
_LAYOUT_ARRAYS = 3  # roots, blocks and groups stand before the fields


@dataclass(frozen=True)
class RaiseRecursion(ModulePass):
    """Makes `nimble.recursive` of each recursion that capture emits, with the functions of its constructors as arms.

      %r = stablehlo.custom_call @nimble.recursion(%n, %w, %roots, …, %a, %zeros) {called_computations = [@f.Leaf, @f.Node],
             backend_config = {datatype = "Tree", rows = "_n0", …}}
      func.func private @f.Node(%n: tensor<i32>, %w: tensor<3xf32>, %left: tensor<?xi32>, …, %a: tensor<?x1xf32>) {
        %0 = stablehlo.custom_call @nimble.recur(%left, %a)
    ==>
      %t = "nimble.tree"(%arrays) : (…) -> !nimble.adt<@Tree>
      %r = "nimble.recursive"(%t, %args, %empty) ({
        "nimble.match"() ({^bb0(%n: tensor<i32>, %x: tensor<?x3xf32>, %a: tensor<?x1xf32>): …}) {constructor = "Leaf"}
        "nimble.match"() ({^bb0(%n: tensor<i32>, %left: !nimble.adt<@Tree>, …): %0 = "nimble.recur"(%left, %of) …
      }) {function = "f", rows = "_n0"}
    """

    name: ClassVar[str] = "nimble-raise-recursion"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError where the function of a constructor is not in the module."""
        by_name = {function.name.value: function for function in functions(module)}
        for function in by_name.values():
            # An arm may hold another recursion, which stands in the function only once the arm is made.
            while found := [op for op in everything(function.operation) if custom_call_target(op) == _RECURSION]:
                for op in found:
                    with ir.InsertionPoint(op), op.location:
                        _raise(op, module, by_name)


@dataclass(frozen=True)
class _Call:
    """A recursion as capture states it: what `backend_config` says, and the operands by what they are."""

    op: Any
    config: ir.DictAttr

    def count(self, key: str) -> int:
        return ir.IntegerAttr(self.config[key]).value

    def text(self, key: str) -> str:
        return ir.StringAttr(self.config[key]).value

    @property
    def shared(self) -> list[int]:
        """How many values each arm uses from outside."""
        return [ir.IntegerAttr(count).value for count in self.config["shared"]]

    @property
    def constructors(self) -> list[tuple[str, list[str], set[str]]]:
        """Name, fields, and which of them are parts."""
        found = []
        for entry in self.config["constructors"]:
            fields, parts = ([ir.StringAttr(name).value for name in entry[key]] for key in ("fields", "parts"))
            found.append((ir.StringAttr(entry["name"]).value, fields, set(parts)))
        return found

    def split(self) -> list[list[ir.Value]]:
        """The operands: sizes, those of each arm from outside, arrays, arguments, and rows of results."""
        rest = list(self.op.operands)
        groups = []
        for count in (self.count("sizes"), *self.shared, self.count("arrays"), self.count("arguments"), len(rest)):
            groups.append(rest[:count])
            rest = rest[count:]
        return groups


def _raise(op: Any, module: ir.Module, by_name: dict[str, Any]) -> None:
    call = _Call(op, ir.DictAttr(op.attributes["backend_config"]))
    sizes, *outside, arrays, arguments, empty = call.split()
    type_ = Adt.get(ir.FlatSymbolRefAttr.get(_declared(call, arrays, module, op)))
    tree = TreeOp(tuple_of(arrays), type_).value
    results = ir.TupleType.get_tuple([result.type for result in op.results])
    new = RecursiveOp(
        tree,
        tuple_of(arguments),
        tuple_of(empty),
        results,
        ir.StringAttr.get(call.text("function")),
        call.config["rows"],
    )
    body = new.body.blocks.append()
    names = [ir.FlatSymbolRefAttr(name).value for name in op.attributes["called_computations"]]
    for name, (constructor, fields, parts), shared in zip(names, call.constructors, outside, strict=True):
        if name not in by_name or by_name[name].is_external:
            raise fail(op, f"function '{name}' of constructor '{constructor}' has no body in this module")
        with ir.InsertionPoint(body):
            arm = MatchOp(ir.StringAttr.get(constructor))
        _fill(arm, by_name[name], call.count("rows_at"), [*sizes, *shared], [field in parts for field in fields], type_)
    for result, value in zip(op.results, tuple_elements(new.operation.results[0]), strict=True):
        result.replace_all_uses_with(value)
    op.erase()


def _declared(call: _Call, arrays: Sequence[ir.Value], module: ir.Module, op: Any) -> str:
    """The name of the data type, which is declared where the module does not have it yet."""
    columns = iter(arrays[_LAYOUT_ARRAYS:])
    constructors = []
    for name, fields, parts in call.constructors:
        of_fields = []
        for field in fields:
            entry: dict[str, ir.Attribute] = {"name": ir.StringAttr.get(field)}
            column = ir.RankedTensorType(next(columns).type)
            if field not in parts:
                entry["type"] = ir.TypeAttr.get(ir.RankedTensorType.get(list(column.shape)[1:], column.element_type))
            of_fields.append(ir.DictAttr.get(entry))
        constructors.append(ir.DictAttr.get({"name": ir.StringAttr.get(name), "fields": ir.ArrayAttr.get(of_fields)}))
    declaration = ir.ArrayAttr.get(constructors)
    taken = {each.attributes["sym_name"].value: each.operation for each in module.body.operations}
    name, count = call.text("datatype"), 0
    while name in taken:
        found = taken[name]
        if found.name == "nimble.datatype" and found.attributes["constructors"] == declaration:
            return name
        count += 1
        name = f"{call.text('datatype')}_{count}"
    with ir.InsertionPoint.at_block_begin(module.body), op.location:
        DatatypeOp(ir.StringAttr.get(name), declaration)
    return name


def _fill(
    arm: Any, function: Any, rows_at: int, outside: Sequence[ir.Value], parts: Sequence[bool], type_: ir.Type
) -> None:
    """Makes an arm of a function: of the values from `outside` it takes its own number of rows as an argument."""
    inputs = list(function.entry_block.arguments)
    fields, arguments = inputs[len(outside) :][: len(parts)], inputs[len(outside) + len(parts) :]
    types = [type_ if part else field.type for part, field in zip(parts, fields, strict=True)]
    rows = inputs[rows_at]
    block = arm.body.blocks.append(rows.type, *types, *(argument.type for argument in arguments))
    values = dict(zip(inputs, outside, strict=False))
    values |= dict(zip([rows, *fields, *arguments], block.arguments, strict=True))
    with ir.InsertionPoint(block):
        for view in function.entry_block.operations:
            inner = view.operation
            with inner.location:
                if inner.name == "func.return":
                    YieldOp(tuple_of([values[value] for value in inner.operands]))
                elif custom_call_target(inner) == _RECUR:
                    part, *handed = (values[value] for value in inner.operands)
                    of_part = ir.TupleType.get_tuple([result.type for result in inner.results])
                    made = RecurOp(part, tuple_of(handed), of_part).operation.results[0]
                    values |= dict(zip(inner.results, tuple_elements(made), strict=True))
                else:
                    copy = inner.clone()
                    replace_operands(copy, values)
                    values |= dict(zip(inner.results, copy.results, strict=True))

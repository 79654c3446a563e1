"""An arm of a match as a function that a pass may emit: for a number of nodes, what it gives, or what it hands down.

In: `nimble.match`. Out: copies of its ops at the insertion point, with other values for the fields, the arguments and what
the calls give. Only what is asked for is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nimble_mlir.dialects import Constructor
from nimble_mlir.mlir import ir

from .base import fail
from .regions import everything, replace_operands, terminator
from .shape_functions import custom_call_target
from .stablehlo_builders import convert

__all__ = ["Arm"]


class Arm:
    """The arm of `constructor`, as nimble-linearize-recursion leaves it.

    Raises CompileError for calls that do not only depend on the node itself: they cannot be made for all nodes of a level.
    """

    def __init__(self, op: Any, constructor: Constructor) -> None:
        self.op, self.constructor = op, constructor
        self.block = op.regions[0].blocks[0]
        rows, *rest = self.block.arguments
        self._rows = rows
        count = len(constructor.fields)
        self._fields = dict(zip((field.name for field in constructor.fields), rest[:count], strict=True))
        self._arguments = rest[count:]
        # Of each call, by its part: the values that it hands down, and those that stand for its results, with their places.
        self._handed: dict[str, list[ir.Value]] = {}
        self._given: dict[str, list[tuple[ir.Value, int]]] = {}
        for call in [view.operation for view in self.block.operations if view.operation.name == "nimble.recur"]:
            self._read(call)
        self._results = _elements(op, terminator(self.block).operands[0])
        given = {value for results in self._given.values() for value, _ in results}
        for part, handed in self._handed.items():
            if any(result in given for inner in self._needed(handed, set()) for result in inner.results):
                raise fail(op, f"the call on part '{part}' depends on what another call gives")

    @property
    def calls(self) -> list[str]:
        """The parts that the function is called on, each once, in order."""
        return list(self._handed)

    def field_type(self, name: str) -> ir.Type:
        """The type of an array field, a row a node."""
        return self._fields[name].type

    @property
    def argument_types(self) -> list[ir.Type]:
        """The types of the arguments, a row a node."""
        return [argument.type for argument in self._arguments]

    def results(
        self,
        rows: ir.Value,
        fields: Mapping[str, ir.Value],
        arguments: Sequence[ir.Value],
        given: Mapping[str, Sequence[ir.Value]],
    ) -> list[ir.Value]:
        """The results of `rows` nodes, an integer, where the calls on their parts give `given`."""
        values = self._inputs(rows, fields, arguments)
        for part, results in self._given.items():
            values |= {value: given[part][place] for value, place in results}
        return self._copied(self._results, values, effects=True)

    def handed_down(
        self, rows: ir.Value, fields: Mapping[str, ir.Value], arguments: Sequence[ir.Value]
    ) -> dict[str, list[ir.Value]]:
        """The arguments of the calls that `rows` nodes make, for each part."""
        values = self._inputs(rows, fields, arguments)
        wanted = [value for handed in self._handed.values() for value in handed]
        made = iter(self._copied(wanted, values, effects=False))
        return {part: [next(made) for _ in handed] for part, handed in self._handed.items()}

    def _read(self, call: Any) -> None:
        part, arguments = call.operands
        name = next(name for name, value in self._fields.items() if value == part)
        readers = [use.owner.operation for use in call.results[0].uses]
        if name in self._handed or any(reader.name != "stablehlo.get_tuple_element" for reader in readers):
            raise fail(call, f"the call on part '{name}' is not in the form that nimble-linearize-recursion gives it")
        self._handed[name] = _elements(call, arguments)
        self._given[name] = [(reader.results[0], reader.attributes["index"].value) for reader in readers]

    def _inputs(
        self, rows: ir.Value, fields: Mapping[str, ir.Value], arguments: Sequence[ir.Value]
    ) -> dict[ir.Value, ir.Value]:
        values = {self._rows: convert(rows, self._rows.type)}
        values |= {value: fields[name] for name, value in self._fields.items() if name in fields}
        return values | dict(zip(self._arguments, arguments, strict=True))

    def _needed(self, wanted: Sequence[ir.Value], known: set[ir.Value], effects: bool = False) -> list[Any]:
        """The ops of the arm, in order, that compute the values from what is known."""
        open_ = set(wanted) - known
        found = []
        for view in reversed(list(self.block.operations)[:-1]):
            op = view.operation
            if any(result in open_ for result in op.results) or (effects and _has_effect(op)):
                found.append(op)
                open_.update(operand for each in (op, *everything(op)) for operand in each.operands)
                open_ -= known
        return found[::-1]

    def _copied(self, wanted: Sequence[ir.Value], values: dict[ir.Value, ir.Value], effects: bool) -> list[ir.Value]:
        for op in self._needed(wanted, set(values), effects):
            copy = op.clone()
            replace_operands(copy, values)
            values |= dict(zip(op.results, copy.results, strict=True))
        return [values.get(value, value) for value in wanted]


def _has_effect(op: Any) -> bool:
    return any(
        custom_call_target(each) is not None
        and "has_side_effect" in each.attributes
        and ir.BoolAttr(each.attributes["has_side_effect"]).value
        for each in (op, *everything(op))
    )


def _elements(op: Any, value: ir.Value) -> list[ir.Value]:
    if isinstance(value.owner, ir.Block) or value.owner.name != "stablehlo.tuple":
        raise fail(op, "a tuple in an arm is not in the form that nimble-linearize-recursion gives it")
    return list(value.owner.operands)

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
from .stablehlo_builders import convert, replace_tuple, tuple_elements

__all__ = ["Arm"]


class Arm:
    """The arm of `constructor`. `calls` are the parts on which it calls the function, each once, in order.

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
        # In line with what it copies, `_results` are what the arm gives, `_handed` what each call hands down.
        self._given: dict[str, list[ir.Value]] = {}
        self._handed: dict[str, list[ir.Value]] = {}
        for call in [view.operation for view in self.block.operations if view.operation.name == "nimble.recur"]:
            self._take_apart(call)
        last = terminator(self.block)
        with ir.InsertionPoint(last), last.location:
            self._results = tuple_elements(last.operands[0])
        self._check_calls()

    @property
    def calls(self) -> list[str]:
        """The parts that the function is called on."""
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
        for part, placeholders in self._given.items():
            values |= dict(zip(placeholders, given[part], strict=True))
        return self._copied(self._results, values, effects=True)

    def handed_down(
        self, rows: ir.Value, fields: Mapping[str, ir.Value], arguments: Sequence[ir.Value]
    ) -> dict[str, list[ir.Value]]:
        """The arguments of the calls that `rows` nodes make, for each part."""
        values = self._inputs(rows, fields, arguments)
        wanted = [value for handed in self._handed.values() for value in handed]
        made = iter(self._copied(wanted, values, effects=False))
        return {part: [next(made) for _ in handed] for part, handed in self._handed.items()}

    def _take_apart(self, call: Any) -> None:
        """Results of a call are read one by one, and what a part gives is read of one call."""
        part, arguments = call.operands
        name = next(name for name, value in self._fields.items() if value == part)
        with ir.InsertionPoint(call), call.location:
            handed = tuple_elements(arguments)
        if name in self._handed and handed != self._handed[name]:
            raise fail(call, f"the function is called twice on part '{name}', with other arguments")
        with ir.InsertionPoint.after(call), call.location:
            elements = tuple_elements(call.results[0])
        replace_tuple(call.results[0], elements)
        known = self._given.setdefault(name, elements)
        for element, first in zip(elements, known, strict=True):
            if element != first:
                element.replace_all_uses_with(first)
        self._handed.setdefault(name, handed)

    def _check_calls(self) -> None:
        given = {element for elements in self._given.values() for element in elements}
        for part, handed in self._handed.items():
            if any(result in given for op in self._needed(handed, set()) for result in op.results):
                raise fail(self.op, f"the call on part '{part}' depends on what another call gives")

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

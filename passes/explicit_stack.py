"""`nimble-explicit-stack`: recursion becomes loops. In: stage stablehlo, where only recursive functions are called. Out: the
same without calls: each `nimble.start_recursion` is a loop that runs the functions on a stack, which is a tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions, fail, functions
from .call_blocks import Program, callee_of
from .defined_sizes import TARGET as SIZE
from .regions import everything
from .shape_functions import custom_call_target
from .stack_frames import Packing
from .stack_machine import Heap, Machine

__all__ = ["ExplicitStack"]


@dataclass(frozen=True)
class ExplicitStack(ModulePass):
    """Lowers recursion to a loop over the steps of a machine with a stack.

    The functions are cut into blocks between their calls. A step runs the block whose number is on top of the stack, with
    the frame there as its parameters. The stack doubles when it is full, in a loop around that over the steps.

      func.func private @f(%n: tensor<i32>) -> tensor<i32> {
        %less = stablehlo.tuple (stablehlo.subtract %n, %one)
        %r = "nimble.recursive_call"(%less) {callee = @f}
        return (stablehlo.add %n, (stablehlo.get_tuple_element %r[0]))
      }
      %r = "nimble.start_recursion"(%args) {callee = @f, max_depth = 1000, what = "f", …}
    ==>
      stablehlo.while(%stack, %blocks, %depth, %registers) cond { 0 < %depth <= 1000 } do {
        … twice as many rows of %stack and %blocks …
        stablehlo.while(%stack, %blocks, %depth, %registers) cond { 0 < %depth < %rows } do {
          stablehlo.case %block_on_top {
            … the callee's frame: %n - 1; the frame of what goes on: %n
          }, {
            … results: %n of the frame + the result in the registers
          }
        }
      }
    """

    name: ClassVar[str] = "nimble-explicit-stack"

    def run(self, module: ir.Module) -> None:
        """Raises CaptureError for what cannot stand in a frame, and for calls within ops that have no own steps;
        CompileError for calls of unknown functions, or with arguments that they do not take."""
        by_name = {function.name.value: function for function in functions(module)}
        reached: set[str] = set()
        for function in entry_functions(module):
            number = 0
            while recursions := [op for op in everything(function.operation) if op.name == "nimble.start_recursion"]:
                reached |= _lower(recursions[0], by_name, number)
                number += 1
        for name in sorted(reached):
            by_name[name].operation.erase()


def _lower(recursion: Any, by_name: Mapping[str, Any], number: int) -> set[str]:
    """Replaces a recursion; the names of the functions that it called."""
    made = recursion.operands[0].owner
    arguments = list(made.operands)
    types = ir.TupleType(recursion.results[0].type)
    tables = [entry.value for entry in recursion.attributes["tables"]]
    own = types.num_types - sum(tables) - len(tables)
    results = [types.get_type(index) for index in range(types.num_types)]
    heaps = _heaps(recursion, results[own:], tables)
    _check_calls(recursion, by_name, results[:own], heaps)
    with ir.InsertionPoint(recursion), recursion.location:
        program = Program(by_name, recursion)
        machine = Machine(program, recursion, results[:own], heaps)
        count = recursion.attributes["invariants"].value
        values, filled = machine.run(arguments[count:], _symbols(recursion, number))
    values += [value for heap in filled for value in heap]
    for use in list(recursion.results[0].uses):
        read = use.owner.operation
        read.results[0].replace_all_uses_with(values[read.attributes["index"].value])
        read.erase()
    recursion.erase()
    if not list(made.results[0].uses):
        made.operation.erase()
    return set(program.entries)


def _symbols(recursion: Any, number: int) -> tuple[str, str, str]:
    """Names for the size of the stack where an iteration begins, where it is asked whether there is one, and afterwards;
    what reads a table has a name for that."""
    known = [f"_stack{number}_begun", f"_stack{number}_asked", f"_stack{number}"]
    for read in (use.owner for use in recursion.results[0].uses):
        for call in (use.owner.operation for use in read.results[0].uses):
            if custom_call_target(call) == SIZE:
                known[2] = ir.StringAttr(ir.DictAttr(call.attributes["backend_config"])["symbol"]).value
    return known[0], known[1], known[2]


def _heaps(recursion: Any, types: Sequence[ir.Type], tables: Sequence[int]) -> list[Heap]:
    """The heaps whose tables, each with the number of nodes behind them, are of these types."""
    heaps, rest = [], iter(types)
    for count in tables:
        widths = {}
        for type_ in (next(rest) for _ in range(count)):
            if not isinstance(type_, ir.RankedTensorType) or type_.rank != 2 or type_.shape[0] != DYNAMIC:
                raise fail(
                    recursion, f"a table of nodes is of type {type_}; it has a row a node, whose number nobody knows"
                )
            widths[type_.element_type] = type_.shape[1]
        next(rest)
        heaps.append(Heap(widths))
    return heaps


def _check_calls(recursion: Any, by_name: Mapping[str, Any], results: Sequence[ir.Type], heaps: Sequence[Heap]) -> None:
    """Raises CompileError for a call that does not fit the function, and for a node that does not fit its heap."""
    count = recursion.attributes["invariants"].value
    invariants = _types(recursion.operands[0])[:count]
    calls: list[tuple[Any, Sequence[ir.Type]]] = [(recursion, results)]
    seen: set[str] = set()
    while calls:
        call, results = calls.pop()
        name = callee_of(call)
        function = by_name.get(name)
        if function is None or function.is_external:
            raise fail(call, f"function '{name}' has no body in this module")
        type_ = function.type
        given = _types(call.operands[0])
        given = given if call is recursion else [*invariants, *given]
        for what, found, wanted in (("takes", given, type_.inputs), ("returns", results, type_.results)):
            if list(found) != list(wanted):
                raise fail(call, f"function '{name}' {what} ({_text(wanted)}), and is called for ({_text(found)})")
        if name in seen:
            continue
        seen.add(name)
        for op in everything(function.operation):
            if op.name == "nimble.recursive_call":
                calls.append((op, _types(op.results[0])))
            elif op.name == "nimble.make_node":
                _check_node(op, heaps)


def _check_node(op: Any, heaps: Sequence[Heap]) -> None:
    number = op.attributes["heap"].value
    if number >= len(heaps):
        raise fail(op, f"a node is made of heap {number}, but the recursion has {len(heaps)} heaps")
    for element, width in Packing([op.results[0].type, *_types(op.operands[0])]).widths.items():
        room = heaps[number].widths.get(element, 0)
        if width > room:
            raise fail(
                op, f"a node has {width} elements of {element}, but there is room for {room} in the heap's table"
            )


def _types(value: ir.Value) -> list[ir.Type]:
    type_ = ir.TupleType(value.type)
    return [type_.get_type(index) for index in range(type_.num_types)]


def _text(types: Sequence[ir.Type]) -> str:
    return ", ".join(map(str, types))

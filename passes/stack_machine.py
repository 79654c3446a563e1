"""The machine that runs the blocks of recursive functions (call_blocks.py), on a stack that is a tensor.

A frame is the number of a block and its parameters, packed as one vector an element type. A step takes the frame on top,
runs its block, and writes what comes of it: another frame in its place, a call's above it, or one less, whose results stand
in registers for the block below. So no recursion is left: the loop over steps is a loop over little work, which becomes one
kernel (loops_to_kernels.py). The stack begins small and doubles, in a loop around it. A part of `nimble-explicit-stack`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.dialects.dtypes import dtype_name
from nimble_mlir.errors import CaptureError
from nimble_mlir.mlir import ir

from . import stablehlo_ops as hlo
from .assertions import TARGET as ASSERTION
from .base import fail
from .call_blocks import Block, Branch, Call, Go, Make, Piece, Program, Result, Return, Var, outer_values
from .defined_sizes import TARGET as SIZE
from .regions import everything
from .stack_frames import Packing, Vectors, Widths, joined, parted, widest

__all__ = ["Heap", "Machine"]

_FIRST_ROOM = 32  # frames

Environment = dict[Var, ir.Value]


@dataclass(frozen=True)
class Heap:
    """The widths of the tables of nodes."""

    widths: Widths


@dataclass(frozen=True)
class _Action:
    """What comes of a step: how many frames there are more, the block in the place of this one and the one above it, the
    heap with a new node, and the frames of both, the registers and a node for each heap."""

    change: int
    own: tuple[int, Vectors]
    callee: tuple[int, Vectors]
    registers: Vectors
    made: int = -1
    node: Vectors = field(default_factory=dict)


@dataclass(frozen=True)
class _State:
    """What the loops carry: vectors of each frame, its block, how many frames, the registers, and of each heap the tables
    and how many nodes."""

    stack: Vectors
    blocks: ir.Value
    depth: ir.Value
    registers: Vectors
    heaps: list[tuple[Vectors, ir.Value]]

    def flat(self) -> list[ir.Value]:
        """All values, in order."""
        heaps = [value for tables, count in self.heaps for value in (*tables.values(), count)]
        return [*self.stack.values(), self.blocks, self.depth, *self.registers.values(), *heaps]

    def again(self, values: Sequence[ir.Value]) -> _State:
        """Such a state of other values."""
        rest = iter(values)
        stack = {element: next(rest) for element in self.stack}
        blocks, depth = next(rest), next(rest)
        registers = {element: next(rest) for element in self.registers}
        heaps = [({element: next(rest) for element in tables}, next(rest)) for tables, _ in self.heaps]
        return _State(stack, blocks, depth, registers, heaps)

    def growing(self) -> list[ir.Value]:
        """The values that have a row a frame or node."""
        return [*self.stack.values(), self.blocks, *(table for tables, _ in self.heaps for table in tables.values())]


class Machine:
    """Emits the loops for a `nimble.start_recursion`, at the insertion point."""

    def __init__(self, program: Program, recursion: Any, results: Sequence[ir.Type], heaps: Sequence[Heap]) -> None:
        self._program, self._heaps = program, heaps
        self._what = recursion.attributes["what"].value
        self._max_depth = recursion.attributes["max_depth"].value
        self._entry = recursion.attributes["callee"].value
        for block in program.blocks:
            self._check(block)
        self._frames = {block: Packing([var.type for var in block.parameters]) for block in program.blocks}
        self._results = {block: Packing([var.type for var in block.results]) for block in program.blocks}
        self._own_results = Packing(results)
        self._frame_widths = widest(self._frames.values())
        self._result_widths = widest([*self._results.values(), self._own_results])
        frame, node = self._frame_widths, [heap.widths for heap in heaps]
        self._parts: list[Widths] = [frame, frame, self._result_widths, *node]

    def _check(self, block: Block) -> None:
        for var in (*block.parameters, *block.results):
            type_ = ir.RankedTensorType(var.type)
            if not type_.has_static_shape:
                raise fail(
                    block.op,
                    f"nm.recursive '{self._what}' keeps {_type_text(type_)} across a call: what stands in a frame needs "
                    "sizes that are numbers",
                    CaptureError,
                )

    def run(self, args: Sequence[ir.Value], symbols: Sequence[str]) -> tuple[list[ir.Value], list[list[ir.Value]]]:
        """The results of a call of the recursion's function, and for each heap the tables and the number of nodes; `symbols`
        are those of the stack's size where an iteration begins, where it is asked whether there is one, and afterwards."""
        first = self._first(args)
        state = self._loop(
            first, self._is_under_way, self._with_more_room, lambda values, place: self._define(values, symbols[place])
        )
        self._define(state.growing(), symbols[2])
        message = f"nm.recursive '{self._what}': calls nest deeper than {self._max_depth} (max_depth)"
        is_done = hlo.compare("EQ", state.depth, hlo.constant(0))
        attributes = {"error_message": ir.StringAttr.get(message), "has_side_effect": ir.BoolAttr.get(True)}
        hlo.custom_call(ASSERTION, [], [is_done], **attributes)
        heaps = [[*tables.values(), count] for tables, count in state.heaps]
        return self._own_results.unpack(state.registers), heaps

    def _first(self, args: Sequence[ir.Value]) -> _State:
        entry = self._program.entries[self._entry]
        frame = self._frames[entry].pack(args, self._frame_widths)
        i32 = ir.IntegerType.get_signless(32)
        number = hlo.reshape(hlo.constant(entry.number), [1])
        return _State(
            # The frame is in each row: what stands above it is written before it is read.
            {element: _repeated(vector, _FIRST_ROOM) for element, vector in frame.items()},
            hlo.concatenate([number, hlo.zeros([_FIRST_ROOM - 1], i32)]),
            hlo.constant(1),
            {element: hlo.zeros([width], element) for element, width in self._result_widths.items()},
            [
                (
                    {element: hlo.zeros([_FIRST_ROOM, width], element) for element, width in heap.widths.items()},
                    hlo.constant(0),
                )
                for heap in self._heaps
            ],
        )

    def _loop(
        self,
        first: _State,
        condition: Callable[[_State], ir.Value],
        body: Callable[[_State], _State],
        define: Callable[[Sequence[ir.Value], int], None] = lambda values, place: None,
    ) -> _State:
        """A loop over states, whose stack and tables have a number of rows that is dynamic."""
        growing = set(first.growing())
        types = [_without_rows(value.type) if value in growing else value.type for value in first.flat()]
        loop = hlo.make("while", types, first.flat(), regions=2)
        for place, make in ((1, lambda state: [condition(state)]), (0, lambda state: body(state).flat())):
            block = loop.regions[1 - place].blocks.append(*types)
            with ir.InsertionPoint(block):
                state = first.again(list(block.arguments))
                define(state.growing(), place)
                hlo.make("return", [], make(state))
        return first.again(list(loop.results))

    @staticmethod
    def _define(values: Sequence[ir.Value], symbol: str) -> None:
        """States that `symbol` is the number of rows of all these values."""
        i32, i64 = (ir.IntegerType.get_signless(width) for width in (32, 64))
        config = ir.DictAttr.get({"dimension": ir.IntegerAttr.get(i64, 0), "symbol": ir.StringAttr.get(symbol)})
        for value in values:
            hlo.custom_call(SIZE, [hlo.tensor_of([], i32)], [value], config)

    def _is_under_way(self, state: _State) -> ir.Value:
        some = hlo.compare("GT", state.depth, hlo.constant(0))
        return hlo.binary("and", some, hlo.compare("LE", state.depth, hlo.constant(self._max_depth)))

    def _with_more_room(self, state: _State) -> _State:
        grown = dict(zip(state.growing(), map(_with_more_rows, state.growing()), strict=True))
        state = state.again([grown.get(value, value) for value in state.flat()])
        room = hlo.dimension_size(state.blocks, 0)

        def has_room(state: _State) -> ir.Value:
            most = state.depth
            for _, count in state.heaps:
                most = hlo.binary("maximum", most, count)
            return hlo.binary("and", self._is_under_way(state), hlo.compare("LT", most, room))

        return self._loop(state, has_room, self._step)

    def _step(self, state: _State) -> _State:
        top = hlo.binary("subtract", state.depth, hlo.constant(1))
        frame = {element: _row(vectors, top) for element, vectors in state.stack.items()}
        number = hlo.reshape(hlo.dynamic_slice(state.blocks, [top], [1]), [])
        counts = [count for _, count in state.heaps]
        runs = [
            lambda block=block: self._block(block, frame, state.registers, counts) for block in self._program.blocks
        ]
        made = runs[0]() if len(runs) == 1 else self._choice("stablehlo.case", number, runs)
        change, own, callee, heap = made[:4]
        elements = dict.fromkeys(element for widths in self._parts for element in widths)
        rows = parted(dict(zip(elements, made[4:], strict=True)), self._parts)
        blocks, stack = state.blocks, state.stack
        for block, row, at in ((own, rows[0], top), (callee, rows[1], state.depth)):
            blocks = hlo.dynamic_update_slice(blocks, hlo.reshape(block, [1]), [at])
            stack = {element: _with_row(vectors, row[element], at) for element, vectors in stack.items()}
        # A node is written each time, and counts where there is one.
        heaps = []
        for index, ((tables, count), node) in enumerate(zip(state.heaps, rows[3:], strict=True)):
            is_new = hlo.compare("EQ", heap, hlo.constant(index))
            more = hlo.make("convert", [count.type], [is_new]).result
            written = {element: _with_row(table, node[element], count) for element, table in tables.items()}
            heaps.append((written, hlo.binary("add", count, more)))
        return _State(stack, blocks, hlo.binary("add", state.depth, change), rows[2], heaps)

    def _block(self, block: Block, frame: Vectors, registers: Vectors, counts: Sequence[ir.Value]) -> list[ir.Value]:
        """What the block makes of a step: the numbers of an action, and one vector an element type, since a branch in a
        kernel has a buffer for each tensor that it gives."""
        values: Environment = dict(zip(block.parameters, self._frames[block].unpack(frame), strict=True))
        values |= zip(block.results, self._results[block].unpack(registers), strict=True)
        assert block.piece is not None
        return self._piece(block.piece, values, registers, counts)

    def _piece(
        self, piece: Piece, values: Environment, registers: Vectors, counts: Sequence[ir.Value]
    ) -> list[ir.Value]:
        values = dict(values)
        for op in piece.ops:
            if not self._program.computes_again(op):
                self._copy(op, values)

        def read(wanted: Sequence[Var]) -> list[ir.Value]:
            return [self._value(var, values) for var in wanted]

        nothing = self._frame(None, [])
        match piece.end:
            case Return(results):
                packing = Packing([var.type for var in results])
                return self._emit(_Action(-1, nothing, nothing, packing.pack(read(results), self._result_widths)))
            case Go(block, given):
                own = self._frame(block, read([given.get(var, var) for var in block.parameters]))
                return self._emit(_Action(0, own, nothing, registers))
            case Call(name, args, block):
                callee = self._frame(self._program.entries[name], read(args))
                if block is None:
                    return self._emit(_Action(0, callee, nothing, registers))
                return self._emit(_Action(1, self._frame(block, read(block.parameters)), callee, registers))
            case Make(op, args, block):
                heap, one = (op.attributes[name].value for name in ("heap", "constructor"))
                fields = [hlo.constant(one), *read(args)]
                node = Packing([field.type for field in fields]).pack(fields, self._heaps[heap].widths)
                made = self._results[block].pack([counts[heap]], self._result_widths)
                own = self._frame(block, read(block.parameters))
                return self._emit(_Action(0, own, nothing, made, heap, node))
            case Branch(name, index, pieces):
                runs = [lambda piece=piece: self._piece(piece, values, registers, counts) for piece in pieces]
                return self._choice(name, self._value(index, values), runs)

    def _choice(self, name: str, index: ir.Value, runs: Sequence[Callable[[], list[ir.Value]]]) -> list[ir.Value]:
        elements = dict.fromkeys(element for widths in self._parts for element in widths)
        widths = {element: sum(part.get(element, 0) for part in self._parts) for element in elements}
        i32 = hlo.tensor_of([], ir.IntegerType.get_signless(32))
        types = [*[i32] * 4, *(hlo.tensor_of([width], element) for element, width in widths.items())]
        choice = hlo.make(name.removeprefix("stablehlo."), types, [index], regions=len(runs))
        for region, run in zip(choice.regions, runs, strict=True):
            with ir.InsertionPoint(region.blocks.append()):
                hlo.make("return", [], run())
        return list(choice.results)

    def _emit(self, action: _Action) -> list[ir.Value]:
        parts = [action.own[1], action.callee[1], action.registers]
        for number, heap in enumerate(self._heaps):
            parts.append(action.node if number == action.made else _zeros(heap.widths))
        numbers = action.change, action.own[0], action.callee[0], action.made
        return [*map(hlo.constant, numbers), *joined(parts).values()]

    def _frame(self, block: Block | None, values: Sequence[ir.Value]) -> tuple[int, Vectors]:
        if block is None:
            return 0, _zeros(self._frame_widths)
        return block.number, self._frames[block].pack(values, self._frame_widths)

    def _copy(self, op: Any, values: Environment) -> None:
        """The op, for the values of this step."""
        read = {value: self._value(self._program.var(value), values) for value in outer_values(op)}
        copy = op.clone()
        for inner in (copy, *everything(copy)):
            for index, operand in enumerate(inner.operands):
                if operand in read:
                    inner.operands[index] = read[operand]
        values |= zip(op.results, copy.results, strict=True)

    def _value(self, var: Var, values: Environment) -> ir.Value:
        given: Mapping[Var, ir.Value] = self._program.given
        if var in given:
            return given[var]
        if var not in values:
            assert not isinstance(var, Result), "the result of a call is a result of the block that goes on"
            self._copy(var.owner.operation, values)
        return values[var]


def _type_text(type_: ir.RankedTensorType) -> str:
    sizes = ("?" if size == DYNAMIC else str(size) for size in type_.shape)
    return f"{dtype_name(type_.element_type)}[{', '.join(sizes)}]"


def _zeros(widths: Widths) -> Vectors:
    return {element: hlo.zeros([width], element) for element, width in widths.items()}


def _without_rows(type_: ir.Type) -> ir.Type:
    type_ = ir.RankedTensorType(type_)
    return hlo.tensor_of([DYNAMIC, *list(type_.shape)[1:]], type_.element_type)


def _with_more_rows(tensor: ir.Value) -> ir.Value:
    """Twice the rows, and some more: so a stack is never empty, which would have to be checked in each step."""
    type_ = ir.RankedTensorType(tensor.type)
    width, element = list(type_.shape)[1:], type_.element_type
    sizes = [hlo.dimension_size(tensor, 0), *map(hlo.constant, width)]
    more = hlo.broadcast(hlo.zeros([], element), [DYNAMIC, *width], sizes)
    return hlo.concatenate([tensor, more, hlo.zeros([_FIRST_ROOM, *width], element)])


def _as_row(vector: ir.Value) -> ir.Value:
    return hlo.reshape(vector, [1, *ir.RankedTensorType(vector.type).shape])


def _repeated(vector: ir.Value, rows: int) -> ir.Value:
    """So many rows of one vector."""
    type_ = ir.RankedTensorType(vector.type)
    attributes = {"broadcast_dimensions": ir.DenseI64ArrayAttr.get([1])}
    row = hlo.tensor_of([rows, *type_.shape], type_.element_type)
    return hlo.make("broadcast_in_dim", [row], [vector], attributes).result


def _row(rows: ir.Value, index: ir.Value) -> ir.Value:
    width = list(ir.RankedTensorType(rows.type).shape)[1]
    return hlo.reshape(hlo.dynamic_slice(rows, [index, hlo.constant(0)], [1, width]), [width])


def _with_row(rows: ir.Value, row: ir.Value, index: ir.Value) -> ir.Value:
    return hlo.dynamic_update_slice(rows, _as_row(row), [index, hlo.constant(0)])

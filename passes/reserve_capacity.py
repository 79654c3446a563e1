"""`nimble-reserve-capacity`: carries that grow at their end get buffers with room. In: control flow of scf, with buffer
views where sizes differ. Out: the same; what a loop appends to a carry, also within branches and inner loops, is written
behind what is there, in place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import BufferView, dims_of
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir

from .append_chains import LOOPS, Append, Branch, Loop, Step, exported, growing_carry
from .base import ModulePass, entry_functions
from .capacity import RESERVE, Room, reserved, view_size
from .regions import is_within, statements, terminator
from .shape_functions import custom_call_target
from .symbol_table import DimBuilder, SymbolTable, constant_index

__all__ = ["ReserveCapacity"]

# Rows of room that a carry begins with where nobody knows how many it will get, and the iterations of a counted loop up to
# which it has room for all of them.
_FIRST_ROOM, _COUNTED = 16, 1 << 16

# What stands between a tensor and the edge that it leaves over.
_EDGE_OPS = ("nimble.export", "nimble.tie_shape")


@dataclass(frozen=True)
class ReserveCapacity(ModulePass):
    """Gives a carry that a loop appends to a buffer with more room than it uses, twice as much whenever it is full.

    A loop that appends one row in each iteration then copies each row a few times, not once an iteration. Branches that
    append or keep, and inner loops that append, write to the same buffer.

      %r = scf.for … iter_args(%v = %init) -> (!nimble.buffer_view) {
        %c = "nimble.import"(%v, %k) : tensor<?x4xf32>
        %next = stablehlo.concatenate %c, %row, dim = 0
        scf.yield "nimble.export"(%next, …) }
    ==>
      %r:2 = scf.for … iter_args(%v = %larger, %k = %n) -> (!nimble.buffer_view, index) {
        %room = scf.if (%k + 1 > "nimble.view_size"(%v)) { … twice as large, with the rows of %v } else { %v }
        %buffer = "nimble.import"(%room, …) {nimble.consume} : tensor<?x4xf32>
        %next = tensor.insert_slice %row into %buffer[%k, 0] [1, 4] [1, 1]
        scf.yield "nimble.export"(%next, …), %k + 1 }
    """

    name: ClassVar[str] = "nimble-reserve-capacity"

    def run(self, module: ir.Module) -> None:
        """Never fails: a carry that changes in another way stays as it is, and is copied in each iteration."""
        for function in entry_functions(module):
            table = SymbolTable(function)
            sizes = DimBuilder(function.entry_block, table.values)
            made, position = 0, 0
            # Outer loops first: their buffers are those of the loops in them. Rewriting changes neither number nor order.
            while position < len(loops := [op for op in statements(function) if op.name in LOOPS]):
                op = loops[position]
                for index in range(len(op.operands) - LOOPS[op.name][0]):
                    found = growing_carry(op, index)
                    if found is not None and _is_known(*found, table.values):
                        op = _Growth(found[1], found[0], sizes, table.values, made).begin()
                        made += 1
                position += 1
            for op in statements(function):
                if custom_call_target(op) == RESERVE:
                    op.results[0].replace_all_uses_with(op.operands[0])
                    op.erase()


def _is_known(loop: Loop, axis: int, symbols: dict[str, ir.Value]) -> bool:
    """Whether the sizes of a carry are known where they have to be: the used one where an iteration begins, the others
    before the loop."""
    inside = _defined_inside(loop.op, symbols)
    dims = dims_of(loop.taken.results[0].type) or ()
    others = frozenset().union(*(dim.symbols for i, dim in enumerate(dims) if i != axis))
    symbol = dims[axis].as_symbol()
    return not others & inside and symbol is not None and _arrives(symbols[symbol], loop)


def _defined_inside(op: Any, symbols: dict[str, ir.Value]) -> set[str]:
    blocks = [region.blocks[0] for region in op.regions]
    return {
        name
        for name, value in symbols.items()
        if any(is_within(value.owner.operation.block, block) for block in blocks)
    }


def _arrives(symbol: ir.Value, loop: Loop) -> bool:
    """Whether a symbol is read from an argument of the body, so that it is known where the body begins."""
    size = symbol.owner.operation.operands[0]
    source = size if isinstance(size.owner, ir.Block) else size.owner.operation.operands[0]
    return isinstance(source.owner, ir.Block) and source.owner == loop.taken.block


class _Buffer:
    """The list as its chain of steps goes on: a view, or a buffer that is written to and has no view yet. `length`: the
    rows of a view whose tensor nothing takes."""

    def __init__(
        self,
        view: ir.Value | None = None,
        room: Room | None = None,
        tensor: ir.Value | None = None,
        length: ir.Value | None = None,
    ) -> None:
        self.view, self.room, self.tensor, self.length = view, room, tensor, length

    def at(self, op: Any) -> ir.Value:
        """The view, made before `op` where there is none."""
        if self.view is None:
            assert self.room is not None
            assert self.tensor is not None
            with ir.InsertionPoint(op), op.location:
                self.view = self.room.export(self.tensor)
        return self.view


class _Growth:
    """The rewriting of one carry, which grows along `axis`; `number` tells it from others."""

    def __init__(self, axis: int, loop: Loop, sizes: DimBuilder, symbols: dict[str, ir.Value], number: int) -> None:
        self._axis, self._loop, self._sizes, self._symbols, self._number = axis, loop, sizes, symbols, number
        self._type = loop.taken.results[0].type
        self._reserved = reserved(loop.first)

    def begin(self) -> Any:
        """Gives the carry a buffer of its own; the loop in its new form."""
        op, loop = self._loop.op, self._loop
        position = LOOPS[op.name][0] + loop.index
        started = op.operands[position].owner.operation
        with ir.InsertionPoint(op), op.location:
            used = self._size(loop.first)
            room = self._room(self._first_capacity(op))
            filled = room.empty()
            if _dim(loop.first, self._axis) != 0:
                filled = room.insert(loop.first, filled, None, used)
            view = room.export(filled)
        new = self._in_loop(loop, view)
        _erase_unused(started)
        self._read(new.results[loop.index], alone=True)
        return new

    def _first_capacity(self, op: Any) -> ir.Value:
        """Room for more than there is, or for all that a counted loop appends or the user asks for."""
        start, arriving, leaving = (dims[self._axis] for dims in self._loop.dims)
        rows = leaving - arriving
        capacity = self._sizes.value(start + _FIRST_ROOM)
        if op.name == "scf.for" and rows.is_constant:
            low, high = list(op.operands)[:2]
            trips = arith.minsi(arith.maxsi(arith.subi(high, low), constant_index(0)), constant_index(_COUNTED))
            capacity = arith.addi(capacity, arith.muli(trips, constant_index(rows.constant_value)))
        capacity = self._reserved.first(capacity, self._sizes.value(start))
        # No two buffers begin with one size: equal ones would be found to be the same, and both are written to.
        return arith.addi(capacity, constant_index(self._number)) if self._number else capacity

    def _room(self, capacity: ir.Value) -> Room:
        return Room(self._axis, capacity, self._sizes, self._type)

    def _size(self, value: ir.Value) -> ir.Value:
        return self._sizes.value(_dim(value, self._axis))

    def _in_loop(self, loop: Loop, view: ir.Value) -> Any:
        """Rewrites a loop whose carry begins as `view`; the loop in its new form."""
        op, (first, skipped) = loop.op, LOOPS[loop.op.name]
        body = loop.taken.block
        measured = bool(_measures(body.arguments[skipped + loop.index], self._axis))
        start, _, end = (self._sizes.value(dims[self._axis]) for dims in loop.dims)
        op.operands[first + loop.index] = view
        if measured:
            for block in (region.blocks[0] for region in op.regions):
                length = block.add_argument(ir.IndexType.get(), op.location)
                at = (skipped if block == body else 0) + loop.index
                _measure(block.arguments[at], self._axis, length)
                _extend(terminator(block), end if block == body else length)
        buffer, steps = self._arrive(loop)
        self._leave(body, loop.index, self._follow(steps, buffer))
        if op.name == "scf.while":
            self._read(op.regions[0].blocks[0].arguments[loop.index])
        types = [result.type for result in op.results]
        new = _with_results(op, [*types, ir.IndexType.get()], [start]) if measured else op
        for before, result in zip(op.results, new.results, strict=False) if measured else ():
            before.replace_all_uses_with(result)
        if measured:
            op.erase()
            _measure(new.results[loop.index], self._axis, new.results[-1])
        return new

    def _leave(self, block: ir.Block, index: int, buffer: _Buffer) -> None:
        """The list leaves a block as its operand `index`."""
        last = terminator(block)
        old = last.operands[index].owner
        last.operands[index] = buffer.at(last)
        # An export, or what ties the sizes of a tensor: it would be a copy.
        while not isinstance(old, ir.Block) and old.name in _EDGE_OPS:
            dead, old = old.operation, old.operands[0].owner
            if not _erase_unused(dead):
                break

    def _arrive(self, loop: Loop) -> tuple[_Buffer, list[Step]]:
        """The list as an iteration gets it, and the steps that are left: what is appended first is written to the buffer
        that is taken at the top, of which also the reads are."""
        view, taken = loop.taken.operands[0], loop.taken
        inside = _defined_inside(loop.op, self._symbols)
        arrived = frozenset(name for name in inside if _arrives(self._symbols[name], loop))
        run = _run(loop.steps, inside - arrived)
        if run:
            return self._append(run, view, taken), loop.steps[len(run) :]
        self._read(view)
        return _Buffer(view), loop.steps

    def _follow(self, steps: Sequence[Step], buffer: _Buffer) -> _Buffer:
        while steps:
            step = steps[0]
            if isinstance(step, Append):
                others = _dim(step.op.results[0], self._axis).symbols
                run = _run(steps, frozenset(self._symbols) - others)
                buffer = self._append(run, buffer.at(step.op), None)
                steps = steps[len(run) :]
                continue
            view = buffer.at(step.op)
            if isinstance(step, Branch):
                buffer = self._branch(step, view)
            else:
                buffer = _Buffer(self._in_loop(step, view).results[step.index])
                self._read(buffer.at(step.op))
            steps = steps[1:]
        return buffer

    def _append(self, run: Sequence[Append], view: ir.Value, taken: Any) -> _Buffer:
        """Writes what a run of concatenations appends. `taken` is the import to be replaced, where the list has just
        arrived."""
        first, last = run[0].op, run[-1].op
        point = first if taken is None else taken
        with ir.InsertionPoint(point), point.location:
            used = self._size(first.operands[0])
            view = self._room(view_size(view, self._axis)).grown(view, self._size(last.results[0]), self._reserved)
            room = self._room(view_size(view, self._axis))
            buffer = room.take(view, consume=True)
            front = room.front(buffer, used, first.operands[0].type) if taken is not None else None
        if taken is not None:
            taken.results[0].replace_all_uses_with(front)
            taken.erase()
        block, written = first.block, None
        for append in run:
            op = append.op
            with ir.InsertionPoint(op), op.location:
                at = self._size(op.operands[0])
                for rows in list(op.operands)[1:]:
                    count = self._size(rows)
                    buffer = room.insert(rows, buffer, at, count)
                    at = arith.addi(at, count)
                written = room.front(buffer, used, first.operands[0].type)
                result = room.front(buffer, at, op.results[0].type)
            op.results[0].replace_all_uses_with(result)
        assert written is not None
        # What reads the carry behind the write finds it in the written buffer: otherwise that would have to be a copy.
        for use in list(front.uses) if front is not None else ():
            reader = use.owner.operation
            if written.owner.operation.is_before_in_block(_in_block(reader, block)):
                reader.operands[use.operand_number] = written
        for append in reversed(run):
            append.op.erase()
        return _Buffer(None, room, buffer)

    def _branch(self, step: Branch, view: ir.Value) -> _Buffer:
        """Rewrites branches, each of which appends to `view` or keeps it."""
        op, index = step.op, step.index
        crosses = isinstance(op.results[index].type, BufferView)
        taken = any(use.owner.operation.name == "nimble.import" for use in op.results[index].uses)
        measured = crosses and (not taken or bool(_measures(op.results[index], self._axis)))
        for region, chain in zip(op.regions, step.chains, strict=True):
            block = region.blocks[0]
            left = exported(terminator(block).operands[index])
            size = self._size(left) if measured and left is not None else None
            buffer = self._follow(chain, _Buffer(view))
            self._leave(block, index, buffer)
            if measured:
                length = buffer.length if size is None else size
                assert length is not None
                _extend(terminator(block), length)
        types = [result.type for result in op.results]
        types[index] = BufferView.get()
        new = _with_results(op, [*types, ir.IndexType.get()] if measured else types, [])
        result = new.results[index]
        for position, before in enumerate(op.results):
            after = new.results[position]
            if position == index and not crosses:
                with ir.InsertionPoint.after(new), op.location:
                    after = self._front(result, before.type)
            before.replace_all_uses_with(after)
        op.erase()
        if measured:
            _measure(result, self._axis, new.results[-1])
        if crosses:
            self._read(result)
        return _Buffer(result, length=new.results[-1] if measured else None)

    def _read(self, view: ir.Value, *, alone: bool = False) -> None:
        """What imports a view with room gets what is used of it. `alone`: nothing else uses the view."""
        imports = [use.owner.operation for use in view.uses if use.owner.operation.name == "nimble.import"]
        for op in imports:
            with ir.InsertionPoint(op), op.location:
                front = self._front(view, op.results[0].type, alone=alone and len(imports) == 1)
            op.results[0].replace_all_uses_with(front)
            op.erase()

    def _front(self, view: ir.Value, type_: ir.RankedTensorType, *, alone: bool = False) -> ir.Value:
        room = Room(self._axis, view_size(view, self._axis), self._sizes, type_)
        used = self._sizes.value((dims_of(type_) or ())[self._axis])
        if alone:
            return room.take_front(view, used, type_)
        return room.front(room.take(view, consume=False), used, type_)


def _dim(value: ir.Value, axis: int) -> DimExpr:
    dims = dims_of(value.type)
    assert dims is not None, value
    return dims[axis]


def _run(steps: Sequence[Step], unknown: Collection[str]) -> list[Append]:
    """The concatenations at the beginning of `steps` whose sizes have no symbol that is `unknown` there."""
    run: list[Append] = []
    for step in steps:
        if not isinstance(step, Append):
            break
        dims = dims_of(step.op.results[0].type) or ()
        if not dims[step.op.attributes["dimension"].value].symbols.isdisjoint(unknown):
            break
        run.append(step)
    return run


def _measures(view: ir.Value, axis: int) -> list[Any]:
    """The ops that ask a view for its size along `axis`."""
    users = [use.owner.operation for use in view.uses]
    return [op for op in users if op.name == "nimble.view_size" and op.attributes["dimension"].value == axis]


def _measure(view: ir.Value, axis: int, length: ir.Value) -> None:
    """What asks the view for its size gets the used one."""
    for op in _measures(view, axis):
        op.results[0].replace_all_uses_with(length)
        op.erase()


def _extend(last: Any, value: ir.Value) -> None:
    """Gives the last op of a block one more operand."""
    with ir.InsertionPoint(last), last.location:
        ir.Operation.create(last.name, operands=[*last.operands, value])
    last.erase()


def _with_results(op: Any, types: Sequence[ir.Type], operands: Sequence[ir.Value]) -> Any:
    """Control flow with results of other types, and further operands; it takes the regions over, `op` stays without."""
    with ir.InsertionPoint(op), op.location:
        new = ir.Operation.create(
            op.name,
            results=list(types),
            operands=[*op.operands, *operands],
            attributes={name: op.attributes[name] for name in op.attributes},
            regions=len(list(op.regions)),
        )
    for old, region in zip(op.regions, new.regions, strict=True):
        old.blocks[0].append_to(region)
    return new


def _erase_unused(op: Any) -> bool:
    if any(True for _ in op.results[0].uses):
        return False
    op.erase()
    return True


def _in_block(op: Any, block: ir.Block) -> Any:
    """The op of `block` that `op` is, or that holds it."""
    while op.block != block:
        op = op.block.owner.operation
    return op

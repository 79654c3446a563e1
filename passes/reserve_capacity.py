"""`nimble-reserve-capacity`: carries that grow at their end get buffers with room. In: control flow of scf, with buffer
views where sizes differ. Out: the same; what a loop appends to a carry is written behind what is there, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import BufferView, dims_of
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir

from .base import ModulePass, entry_functions
from .capacity import CONSUME, Room, view_size
from .regions import is_within, statements, terminator
from .symbol_table import DimBuilder, SymbolTable, constant_index

__all__ = ["ReserveCapacity"]

# Rows of room that a carry begins with where nobody knows how many it will get, and the iterations of a counted loop up to
# which it has room for all of them.
_FIRST_ROOM, _COUNTED = 16, 1 << 16

# Where the first values of the carries stand among the operands of a loop, and its arguments in the body.
_LOOPS = {"scf.for": (3, 1), "scf.while": (0, 0)}


@dataclass(frozen=True)
class ReserveCapacity(ModulePass):
    """Gives a carry that a loop appends to a buffer with more room than it uses, twice as much whenever it is full.

    A loop that appends one row in each iteration then copies each row a few times, not once an iteration.

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
            reserved = 0
            loops = [op for op in statements(function) if op.name in _LOOPS]
            for op in reversed(loops):
                reserved += _reserve(op, sizes, table.values, reserved)


def _reserve(op: Any, sizes: DimBuilder, symbols: dict[str, ir.Value], before: int) -> int:
    """Reserves room for the carries of one loop; how many there are."""
    first, skipped = _LOOPS[op.name]
    body = list(op.regions)[-1].blocks[0]
    count = len(op.operands) - first
    found = [_appended(op, body, index, symbols) for index in range(count)]
    carries = [carry for carry in found if carry is not None]
    if not carries:
        return 0
    index_type = ir.IndexType.get()
    lengths = [carry for carry in carries if carry.measures]
    starts = [sizes.value(carry.start) for carry in lengths]
    ends = [sizes.value(carry.needed) for carry in lengths]
    for number, carry in enumerate(carries):
        # No two buffers begin with one size: equal ones would be found to be the same, and both are written to.
        _make_room(op, first + carry.index, carry, sizes, before + number)
    for block in (region.blocks[0] for region in op.regions):
        offset = skipped if block == body else 0
        for carry in lengths:
            length = block.add_argument(index_type, op.location)
            _measure(block.arguments[offset + carry.index], carry, length)
        last = terminator(block)
        more = ends if block == body else list(block.arguments)[count:]
        with ir.InsertionPoint(last), last.location:
            ir.Operation.create(last.name, operands=[*last.operands, *more])
        last.erase()
    for carry in carries:
        _append_in_place(body, carry, sizes)
        if op.name == "scf.while":
            _read_front(op.regions[0].blocks[0].arguments[carry.index], carry, sizes)
    with ir.InsertionPoint(op), op.location:
        new = ir.Operation.create(
            op.name,
            results=[*(result.type for result in op.results), *[index_type] * len(lengths)],
            operands=[*op.operands, *starts],
            attributes={name: op.attributes[name] for name in op.attributes},
            regions=len(list(op.regions)),
        )
    for old, region in zip(op.regions, new.regions, strict=True):
        old.blocks[0].append_to(region)
    for old, result in zip(op.results, new.results, strict=False):
        old.replace_all_uses_with(result)
    op.erase()
    for position, carry in enumerate(lengths):
        _measure(new.results[carry.index], carry, new.results[count + position])
    for carry in carries:
        _read_front(new.results[carry.index], carry, sizes)
    return len(carries)


@dataclass(frozen=True)
class _Carry:
    """A carry that a body appends to along `axis`: how it arrives (`taken`, an import), and the concatenations, in order.

    `start` is its size before the loop, `used` at the begin of an iteration, `needed` at the end. `measures`: the carry's
    view says its size, which others may share."""

    index: int
    axis: int
    taken: Any
    appends: list[Any]
    start: DimExpr
    used: DimExpr
    needed: DimExpr
    measures: bool


def _appended(op: Any, body: ir.Block, index: int, symbols: dict[str, ir.Value]) -> _Carry | None:
    first, skipped = _LOOPS[op.name]
    view = body.arguments[skipped + index]
    if not isinstance(view.type, BufferView):
        return None
    imports = [use.owner.operation for use in view.uses if use.owner.operation.name == "nimble.import"]
    exports = [value.owner for value in (op.operands[first + index], terminator(body).operands[index])]
    if len(imports) != 1 or CONSUME in imports[0].attributes:
        return None
    if any(isinstance(export, ir.Block) or export.operation.name != "nimble.export" for export in exports):
        return None
    taken = imports[0].results[0]
    started, appended = (export.operation.operands[0] for export in exports)
    appends = _concatenations(appended, taken, body)
    if not appends:
        return None
    axis = appends[0].attributes["dimension"].value
    dims, after, start = dims_of(taken.type), dims_of(appends[-1].results[0].type), dims_of(started.type)
    assert dims is not None and after is not None and start is not None  # noqa: PT018 - pyright asks for each
    blocks = [region.blocks[0] for region in op.regions]
    inside = {
        name
        for name, value in symbols.items()
        if any(is_within(value.owner.operation.block, block) for block in blocks)
    }
    arrived = {name for name in inside if _arrives(symbols[name], body)}
    others = [(a, b) for i, (a, b) in enumerate(zip(dims, after, strict=True)) if i != axis]
    if any(a != b or a.symbols & inside for a, b in others):
        return None
    if dims[axis].as_symbol() not in arrived or not after[axis].symbols & inside <= arrived:
        return None
    measures = any(use.owner.operation.name == "nimble.view_size" for use in view.uses)
    return _Carry(index, axis, imports[0], appends, start[axis], dims[axis], after[axis], measures)


def _concatenations(value: ir.Value, start: ir.Value, body: ir.Block) -> list[Any]:
    """The concatenations that make `value` from `start` by appending, in order; none where it is made otherwise."""
    found: list[Any] = []
    while value != start:
        owner = value.owner
        if isinstance(owner, ir.Block) or owner.operation.block != body:
            return []
        op = owner.operation
        if op.name == "nimble.tie_shape":
            value = op.operands[0]
            continue
        if op.name != "stablehlo.concatenate":
            return []
        if found and found[0].attributes["dimension"] != op.attributes["dimension"]:
            return []
        found.insert(0, op)
        value = op.operands[0]
    return found


def _arrives(symbol: ir.Value, body: ir.Block) -> bool:
    """Whether a symbol is read from an argument of the body, so that it is known where the body begins."""
    size = symbol.owner.operation.operands[0]
    source = size if isinstance(size.owner, ir.Block) else size.owner.operation.operands[0]
    return isinstance(source.owner, ir.Block) and source.owner == body


def _make_room(op: Any, position: int, carry: _Carry, sizes: DimBuilder, number: int) -> None:
    """The first value of the carry, copied to a buffer with room for more."""
    started = op.operands[position].owner.operation
    with ir.InsertionPoint(op), op.location:
        used, least = sizes.value(carry.start), sizes.value(carry.start + _FIRST_ROOM + number)
        capacity = arith.addi(least, _counted_rows(op, carry, sizes)) if op.name == "scf.for" else least
        buffer = Room(carry.axis, capacity, sizes, carry.taken.results[0].type)
        filled = buffer.empty()
        if carry.start != 0:
            filled = buffer.insert(started.operands[0], filled, None, used)
        op.operands[position] = buffer.export(filled)
    if not any(True for _ in started.results[0].uses):
        started.erase()


def _counted_rows(op: Any, carry: _Carry, sizes: DimBuilder) -> ir.Value:
    """How many rows the iterations of a counted loop append to the carry, as far as that is known before it."""
    rows = carry.needed - carry.used
    if not rows.is_constant:
        return constant_index(0)
    low, high = list(op.operands)[:2]
    trips = arith.maxsi(arith.subi(high, low), constant_index(0))
    return arith.muli(arith.minsi(trips, constant_index(_COUNTED)), sizes.value(rows))


def _measure(view: ir.Value, carry: _Carry, length: ir.Value) -> None:
    """What asks the view for its size gets the used one."""
    for op in [use.owner.operation for use in view.uses]:
        if op.name == "nimble.view_size" and op.attributes["dimension"].value == carry.axis:
            op.results[0].replace_all_uses_with(length)
            op.erase()


def _read_front(view: ir.Value, carry: _Carry, sizes: DimBuilder) -> None:
    """What imports a view with room gets what is used of it."""
    for op in [use.owner.operation for use in view.uses]:
        if op.name != "nimble.import":
            continue
        type_ = op.results[0].type
        with ir.InsertionPoint(op), op.location:
            room = Room(carry.axis, view_size(view, carry.axis), sizes, type_)
            used = sizes.value((dims_of(type_) or ())[carry.axis])
            front = room.front(room.take(view, consume=False), used, type_)
        op.results[0].replace_all_uses_with(front)
        op.erase()


def _append_in_place(body: ir.Block, carry: _Carry, sizes: DimBuilder) -> None:
    taken, axis = carry.taken, carry.axis
    type_ = taken.results[0].type
    with ir.InsertionPoint(taken), taken.location:
        used, view = sizes.value(carry.used), taken.operands[0]
        view = Room(axis, view_size(view, axis), sizes, type_).grown(view, sizes.value(carry.needed))
        room = Room(axis, view_size(view, axis), sizes, type_)
        buffer = room.take(view, consume=True)
        front = room.front(buffer, used, type_)
    taken.results[0].replace_all_uses_with(front)
    written = None
    for op in carry.appends:
        with ir.InsertionPoint(op), op.location:
            at = sizes.value((dims_of(op.operands[0].type) or ())[axis])
            for rows in list(op.operands)[1:]:
                count = sizes.value((dims_of(rows.type) or ())[axis])
                buffer = room.insert(rows, buffer, at, count)
                at = arith.addi(at, count)
            written = room.front(buffer, used, type_)
            result = room.front(buffer, at, op.results[0].type)
        op.results[0].replace_all_uses_with(result)
    assert written is not None
    # What reads the carry behind the write finds it in the written buffer: otherwise that would have to be a copy.
    for use in list(front.uses):
        reader = use.owner.operation
        if written.owner.operation.is_before_in_block(_in_block(reader, body)):
            reader.operands[use.operand_number] = written
    last = terminator(body)
    exported = last.operands[carry.index].owner.operation
    with ir.InsertionPoint(last), last.location:
        last.operands[carry.index] = room.export(buffer)
    exported.erase()
    for op in reversed(carry.appends):
        op.erase()
    taken.erase()


def _in_block(op: Any, block: ir.Block) -> Any:
    """The op of `block` that `op` is, or that holds it."""
    while op.block != block:
        op = op.block.owner.operation
    return op

"""Emission of kernels that several workgroups share as executables of their own, on buffers. A part of `nimble-emit-iree`.

In a dispatch of tensors nothing can be said of what another workgroup writes meanwhile, and IREE decides what lies where. In
a `hal.executable.source` the kernel is a function over its bindings: an update of a tensor is a store, and counters are
updated atomically (which also orders the loads and stores around: LLVM's `atomicrmw … acq_rel`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dialects import DONE, TAKEN
from nimble_mlir.mlir import arith, func, ir, memref, scf, vector

from .kernel_versions import READS, UPDATES, is_tensor, versions_of
from .regions import everything, terminator
from .symbol_table import constant_index

__all__ = ["add_executable", "is_shared"]

_DYNAMIC = ir.ShapedType.get_dynamic_size()


def is_shared(kernel: Any) -> bool:
    """Whether a kernel hands out chunks to its workgroups."""
    return any(op.name == "nimble.take_chunk" for op in everything(kernel))


def add_executable(
    kernel: Any, constants: Sequence[Any], scalars: Sequence[ir.Value], order: Sequence[int], groups: int
) -> tuple[ir.Attribute, list[ir.Value]]:
    """Makes an executable of a kernel's body, which is gone afterwards, in the kernel's module.

    `constants` are ops that the body uses, `scalars` other values from outside; `order` gives the binding of each tensor.
    Returns the entry point, and the scalars and
    the sizes of the tensors as the i32 values that a dispatch hands over."""
    block = kernel.regions[0].blocks[0]
    tensors = list(block.arguments)[1:]
    bindings = [binding.owner.operands for binding in (*kernel.opview.inputs, *kernel.opview.outputs)]
    sizes = [list(operands)[1:] for operands in bindings]
    handed = [*scalars, *(size for own in sizes for size in own)]
    with ir.InsertionPoint(kernel), kernel.location:
        words = [word for value in handed for word in _words(value)]
    layout = _layout(len(words), len(tensors))
    top = _module(kernel).regions[0].blocks[0]
    name = f"kernel_{sum(view.operation.name == 'hal.executable.source' for view in top.operations)}"
    with ir.InsertionPoint.at_block_begin(top), kernel.location:
        body = _executable(name, layout, groups)
    versions_of(block, tensors)  # raises where an update would have to be a copy
    with ir.InsertionPoint(body), kernel.location:
        function = func.FuncOp(name, ir.FunctionType.get([], []))
        entry = function.add_entry_block()
    with ir.InsertionPoint(entry), kernel.location:
        copies: dict[ir.Value, ir.Value] = {op.results[0]: op.clone().results[0] for op in constants}
        loaded = _loaded(layout, handed)
        copies |= dict(zip(scalars, loaded, strict=False))
        remaining = loaded[len(scalars) :]
        zero = constant_index(0)
        buffers = []
        for position, tensor, own in zip(order, tensors, sizes, strict=True):
            buffers.append(_binding(layout, position, tensor.type, zero, remaining[: len(own)]))
            remaining = remaining[len(own) :]
        last = func.ReturnOp([])
    end = terminator(block)
    made = [binding.owner.operation for binding in end.operands]
    end.erase()
    for binding in made:
        binding.erase()
    for op in [view.operation for view in block.operations]:
        op.move_before(last.operation)
    for op in everything(function):
        for position, operand in enumerate(op.operands):
            if operand in copies:
                op.operands[position] = copies[operand]
    for tensor, buffer in zip(tensors, buffers, strict=True):
        tensor.replace_all_uses_with(buffer)
    _lower(entry)
    return ir.Attribute.parse(f"@{name}::@{name}"), words


def _module(op: Any) -> Any:
    while op.name != "builtin.module":
        op = op.parent
    return op


def _layout(words: int, bindings: int) -> ir.Attribute:
    each = ", ".join(["#hal.pipeline.binding<storage_buffer>"] * bindings)
    constants = f"constants = {words}, " if words else ""
    return ir.Attribute.parse(f"#hal.pipeline.layout<{constants}bindings = [{each}]>")


def _executable(name: str, layout: ir.Attribute, groups: int) -> ir.Block:
    """A new executable that is dispatched in at most `groups` workgroups; returns the block for its functions."""
    index = ir.IndexType.get()
    private = ir.StringAttr.get("private")
    attributes = {"sym_name": ir.StringAttr.get(name), "sym_visibility": private}
    source = ir.Operation.create("hal.executable.source", attributes=attributes, regions=1)
    with ir.InsertionPoint(source.regions[0].blocks.append()):
        attributes = {
            "sym_name": ir.StringAttr.get(name),
            "sym_visibility": ir.StringAttr.get("public"),
            "ordinal": ir.IntegerAttr.get(index, 0),
            "layout": layout,
        }
        export = ir.Operation.create("hal.executable.export", attributes=attributes, regions=2)
        _count_groups(export.regions[0].blocks.append(ir.Type.parse("!hal.device")), groups)
        module = ir.Operation.create("builtin.module", regions=1)
        ir.Operation.create("hal.executable.source_end")
    return module.regions[0].blocks.append()


def _count_groups(block: ir.Block, most: int) -> None:
    """As many workgroups as the device runs at a time: one more would keep a thread from one that others wait for."""
    (device,) = block.arguments
    i64 = ir.IntegerType.get_signless(64)
    with ir.InsertionPoint(block):
        concurrency = ir.Operation.create(
            "hal.device.query",
            results=[ir.IntegerType.get_signless(1), i64],
            operands=[device],
            attributes={
                "category": ir.StringAttr.get("hal.dispatch"),
                "key": ir.StringAttr.get("concurrency"),
                "default_value": ir.IntegerAttr.get(i64, 1),
            },
        ).results[1]
        groups = arith.minui(arith.index_cast(ir.IndexType.get(), concurrency), constant_index(most))
        one = constant_index(1)
        ir.Operation.create("hal.return", operands=[groups, one, one])


def _binding(
    layout: ir.Attribute, position: int, type_: ir.Type, zero: ir.Value, sizes: Sequence[ir.Value]
) -> ir.Value:
    tensor = ir.RankedTensorType(type_)
    shape = [_DYNAMIC if tensor.is_dynamic_dim(axis) else tensor.get_dim_size(axis) for axis in range(tensor.rank)]
    index = ir.IndexType.get()
    return ir.Operation.create(
        "hal.interface.binding.subspan",
        results=[ir.MemRefType.get(shape, tensor.element_type)],
        operands=[zero, *sizes],
        attributes={
            "layout": layout,
            "binding": ir.IntegerAttr.get(index, position),
            "alignment": ir.IntegerAttr.get(index, 64),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, len(sizes)]),
        },
    ).result


# Scalars cross as words of 32 bits.


def _bits(type_: Any) -> int:
    return 64 if isinstance(type_, ir.IndexType) else type_.width


def _words(value: ir.Value) -> list[ir.Value]:
    i32 = ir.IntegerType.get_signless(32)
    bits = _bits(value.type)
    own = ir.IntegerType.get_signless(bits)
    if isinstance(value.type, ir.IndexType):
        value = arith.index_cast(own, value)
    elif not isinstance(value.type, ir.IntegerType):
        value = arith.bitcast(own, value)
    if bits <= 32:
        return [value if bits == 32 else arith.extui(i32, value)]
    high = arith.shrui(value, arith.constant(own, 32))
    return [arith.trunci(i32, value), arith.trunci(i32, high)]


def _loaded(layout: ir.Attribute, handed: Sequence[ir.Value]) -> list[ir.Value]:
    """The values, in the executable."""
    i32, index = ir.IntegerType.get_signless(32), ir.IndexType.get()
    ordinal = 0

    def word() -> ir.Value:
        nonlocal ordinal
        attributes = {"layout": layout, "ordinal": ir.IntegerAttr.get(index, ordinal)}
        ordinal += 1
        return ir.Operation.create("hal.interface.constant.load", results=[i32], attributes=attributes).result

    def value(type_: ir.Type) -> ir.Value:
        bits = _bits(type_)
        own = ir.IntegerType.get_signless(bits)
        if bits <= 32:
            whole = word()
            whole = whole if bits == 32 else arith.trunci(own, whole)
        else:
            low, high = arith.extui(own, word()), arith.extui(own, word())
            whole = arith.ori(low, arith.shli(high, arith.constant(own, 32)))
        if isinstance(type_, ir.IndexType):
            return arith.index_cast(type_, whole)
        return whole if isinstance(type_, ir.IntegerType) else arith.bitcast(type_, whole)

    return [value(each.type) for each in handed]


def _lower(block: ir.Block) -> None:
    """Makes loads and stores of what a block does with tensors, which have been replaced by buffers outside of it."""
    for view in list(block.operations):
        op = view.operation
        lower = _LOWERINGS.get(op.name)
        if lower is not None:
            with ir.InsertionPoint(op), op.location:
                lower(op)


def _indices(op: Any, first: int, buffer: ir.Value) -> list[ir.Value]:
    return list(op.operands)[first : first + ir.MemRefType(buffer.type).rank]


def _lower_read(op: Any) -> None:
    at, first = READS[op.name]
    buffer, type_ = op.operands[at], op.results[0].type
    indices = _indices(op, first, buffer)
    is_vector = isinstance(type_, ir.VectorType)
    op.results[0].replace_all_uses_with(
        vector.load(type_, buffer, indices) if is_vector else memref.load(buffer, indices)
    )
    op.erase()


def _lower_update(op: Any) -> None:
    at, first = UPDATES[op.name]
    value, buffer = op.operands[0], op.operands[at]
    store = vector.store if isinstance(value.type, ir.VectorType) else memref.store
    store(value, buffer, _indices(op, first, buffer))
    op.results[0].replace_all_uses_with(buffer)
    op.erase()


def _lower_for(op: Any) -> None:
    bounds, inits = list(op.operands)[:3], list(op.operands)[3:]
    block = op.regions[0].blocks[0]
    kept = _without_tensors(block, inits, first=1)
    _lower(block)
    _rebuild(op, [*bounds, *(inits[at] for at in kept)], kept, inits, [kept])


def _lower_while(op: Any) -> None:
    inits = list(op.operands)
    before, after = (region.blocks[0] for region in op.regions)
    carried = _without_tensors(before, inits)
    _lower(before)
    handed = list(terminator(before).operands)[1:]
    given = _without_tensors(after, handed)
    _lower(after)
    _rebuild(op, [inits[at] for at in carried], given, handed, [given, carried])


def _lower_if(op: Any) -> None:
    blocks = [region.blocks[0] for region in op.regions if list(region.blocks)]
    for block in blocks:
        _lower(block)
    given = list(terminator(blocks[0]).operands)
    kept = [at for at, result in enumerate(op.results) if not is_tensor(result)]
    _rebuild(op, [op.operands[0]], kept, given, [kept, kept])


def _without_tensors(block: ir.Block, inits: Sequence[ir.Value], first: int = 0) -> list[int]:
    """Puts the buffers that a block is entered with in the place of its arguments; returns which others are left."""
    kept = []
    for at in reversed(range(len(inits))):
        argument = block.arguments[first + at]
        if is_tensor(argument):
            argument.replace_all_uses_with(inits[at])
            block.erase_argument(first + at)
        else:
            kept.insert(0, at)
    return kept


def _rebuild(
    op: Any,
    operands: Sequence[ir.Value],
    kept: Sequence[int],
    buffers: Sequence[ir.Value],
    handed_on: Sequence[Sequence[int]],
) -> None:
    """Control flow again without its tensors: results that are not `kept` are `buffers`, and each region hands on what
    `handed_on` says."""
    made = ir.Operation.create(
        op.name, results=[op.results[at].type for at in kept], operands=list(operands), regions=len(list(op.regions))
    )
    for region, target, own in zip(op.regions, made.regions, handed_on, strict=True):
        for block in list(region.blocks):
            _keep_operands(terminator(block), own)
            block.append_to(target)
    results = dict(zip(kept, made.results, strict=True))
    for at, result in enumerate(op.results):
        result.replace_all_uses_with(results.get(at, buffers[at]))
    op.erase()


def _keep_operands(last: Any, kept: Sequence[int]) -> None:
    first = 1 if last.name == "scf.condition" else 0
    operands = list(last.operands)
    with ir.InsertionPoint(last), last.location:
        ir.Operation.create(last.name, operands=[*operands[:first], *(operands[first + at] for at in kept)])
    last.erase()


def _counter(op: Any, which: int, more: int) -> ir.Value:
    """Adds to a counter; returns what it was."""
    number = arith.constant(ir.IntegerType.get_signless(64), more)
    return memref.atomic_rmw(arith.AtomicRMWKind.addi, number, op.operands[0], [constant_index(which)])


def _lower_take(op: Any) -> None:
    op.results[0].replace_all_uses_with(_counter(op, TAKEN, 1))
    op.erase()


def _lower_done(op: Any) -> None:
    _counter(op, DONE, 1)
    op.erase()


def _lower_await(op: Any) -> None:
    loop: Any = scf.WhileOp([], [])
    condition, body = (region.blocks.append() for region in loop.operation.regions)
    with ir.InsertionPoint(condition):
        scf.ConditionOp(arith.cmpi(arith.CmpIPredicate.slt, _counter(op, DONE, 0), op.operands[1]), [])
    with ir.InsertionPoint(body):
        scf.YieldOp([])
    op.erase()


_LOWERINGS: dict[str, Callable[[Any], None]] = {
    **dict.fromkeys(READS, _lower_read),
    **dict.fromkeys(UPDATES, _lower_update),
    "scf.for": _lower_for,
    "scf.if": _lower_if,
    "scf.while": _lower_while,
    "nimble.take_chunk": _lower_take,
    "nimble.chunk_done": _lower_done,
    "nimble.await_chunks": _lower_await,
}

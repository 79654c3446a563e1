"""`nimble-share-kernels`: the loops of a kernel that take long go over several workgroups. In: linalg, as kernels have
been made. Out: the same, with kernels that hand out chunks of their work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import COUNTERS, AwaitChunksOp, Binding, BindOp, ChunkDoneOp, TakeChunkOp
from nimble_mlir.mlir import arith, ir, linalg, scf, tensor

from .base import ModulePass, entry_functions
from .kernel_phases import Item, Loop, NotSharedError, Phase, number_of, phases, plan
from .kernel_versions import NotInPlaceError, is_tensor, versions_of
from .lowering.builders import constant_of
from .regions import everything, is_within, terminator
from .symbol_table import constant_index

__all__ = ["ShareKernels"]

_log = logging.getLogger("nimble_mlir.passes")

# How many workgroups share a kernel at most; no more than the device has threads (kernel_executables.py).
_WORKGROUPS = 8
# A phase of at least this cost, in quarters of a nanosecond, is worth waiting for each other.
_WORTH = 1 << 15
# The cost of a chunk, and how many there are at most.
_CHUNK, _MOST_CHUNKS = 1 << 12, 16


@dataclass(frozen=True)
class ShareKernels(ModulePass):
    """Lets several workgroups share the work of a kernel with a loop over long phases, such as an LSTM's.

    A phase is what can be done in any order (kernel_phases.py); its chunks are numbered after those of the phases before.
    A workgroup takes the next chunk, waits until all phases before are done, does it, and takes another. Where only one
    workgroup runs, it does everything. What does not depend on the order of chunks comes out bit for bit as before.

      %r = scf.for %i = %c0 to %c2048 step %c16 iter_args(%a = %x) { ... }
    ==>
      nimble.await_chunks %counters, %first
      %n, %r = scf.while (%n = %taken, %a = %x) {
        scf.condition(%n < %first + 16)
      } do {
        %r = scf.for %i = %start to %stop step %c16 iter_args(%a = %x) { ... }
        nimble.chunk_done %counters
        %next = nimble.take_chunk %counters
        scf.yield %next, %r
      }
    """

    name: ClassVar[str] = "nimble-share-kernels"
    target: str = "llvm-cpu"

    def run(self, module: ir.Module) -> None:
        """Never fails: a kernel that cannot be shared stays as it is."""
        if self.target != "llvm-cpu":
            return  # kernels with loops are made for CPUs alone
        for function in entry_functions(module):
            for op in [op for op in everything(function.operation) if op.name == "nimble.kernel"]:
                try:
                    _Kernel(op).share()
                except (NotInPlaceError, NotSharedError) as reason:
                    _log.debug("a kernel is left to one workgroup: %s", reason)


class _Kernel:
    def __init__(self, op: Any) -> None:
        self.op = op
        self.block = op.regions[0].blocks[0]
        self.tensors = list(self.block.arguments)[1:]
        self.end = terminator(self.block)

    def share(self) -> None:
        """Raises NotInPlaceError or NotSharedError where the kernel cannot be shared, or is not worth it."""
        if constant_of(self.op.opview.workgroups) != 1:
            raise NotSharedError("it has several workgroups")
        _drop_empty_loops(self.op)
        self.versions = versions_of(self.block, self.tensors)
        buffers = self.versions.buffers
        outputs = self.tensors[len(self.op.opview.inputs) :]
        if [buffers[binding.owner.operands[0]] for binding in self.end.operands] != outputs:
            raise NotSharedError("its outputs change places")
        constant = set(self.tensors) - set(outputs)
        bindings = [binding.owner.operation for binding in self.end.operands]
        ops = [view.operation for view in self.block.operations if view.operation not in (self.end, *bindings)]
        items = plan(ops, buffers, constant)
        if not any(phase.range and phase.cost >= _WORTH for phase in phases(items)):
            raise NotSharedError("no phase is long")
        # Looked up now: as ops are rewritten, versions get other values.
        self.carried = {id(phase): self._carried(phase) for phase in phases(items)}
        self._rewrite(items)

    def _rewrite(self, items: Sequence[Item]) -> None:
        op, i64 = self.op, ir.IntegerType.get_signless(64)
        with ir.InsertionPoint(op), op.location:
            zero = arith.constant(i64, 0)
            empty = tensor.empty([COUNTERS], i64)
            zeros = linalg.fill(zero, outs=[empty])
            binding = BindOp(zeros, [], binding=Binding.get()).binding
            groups = constant_index(_WORKGROUPS)
        self.counters = self.block.add_argument(empty.type, op.location)
        first = self.block.operations[0]
        with ir.InsertionPoint(first), op.location:
            taken = TakeChunkOp(self.counters, number=i64).number
            start = arith.constant(i64, 0)
        self._items(items, taken, start)
        with ir.InsertionPoint(self.end), op.location:
            own = BindOp(self.counters, [], binding=Binding.get()).binding
        self._with_counters(binding, own, groups)

    def _with_counters(self, binding: ir.Value, own: ir.Value, groups: ir.Value) -> None:
        """The kernel again, with the counters as one more output."""
        op = self.op
        values = [*self.end.operands, own]
        with ir.InsertionPoint(self.end), self.end.location:
            segments = {"operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(values)])}
            ir.Operation.create("nimble.kernel_yield", operands=values, attributes=segments)
        self.end.erase()
        inputs, outputs = list(op.opview.inputs), [*op.opview.outputs, binding]
        with ir.InsertionPoint(op), op.location:
            made = ir.Operation.create(
                "nimble.kernel",
                results=[output.type for output in outputs],
                operands=[*inputs, *outputs, groups],
                attributes={
                    "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(inputs), len(outputs), 1]),
                    "resultSegmentSizes": ir.DenseI32ArrayAttr.get([len(outputs)]),
                },
                regions=1,
            )
        self.block.append_to(made.regions[0])
        for before, after in zip(op.results, made.results, strict=False):
            before.replace_all_uses_with(after)
        op.erase()

    def _items(self, items: Sequence[Item], taken: ir.Value, start: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Rewrites items that follow each other. `taken` is the chunk that the workgroup has taken, `start` the first one of
        what follows; returns both as they are afterwards."""
        for item in items:
            if isinstance(item, Phase):
                taken, start = self._phase(item, taken, start)
            elif isinstance(item, Loop):
                taken, start = self._loop(item, taken, start)
        return taken, start

    def _loop(self, item: Loop, taken: ir.Value, start: ir.Value) -> tuple[ir.Value, ir.Value]:
        op = item.op
        block = op.regions[0].blocks[0]
        last = terminator(block)
        inner = [block.add_argument(value.type, op.location) for value in (taken, start)]
        handed = self._items(item.items, *inner)
        with ir.InsertionPoint(last), last.location:
            scf.YieldOp([*last.operands, *handed])
        last.erase()
        with ir.InsertionPoint(op), op.location:
            made = ir.Operation.create(
                "scf.for",
                results=[*(result.type for result in op.results), taken.type, start.type],
                operands=[*op.operands, taken, start],
                regions=1,
            )
        block.append_to(made.regions[0])
        *results, taken, start = made.results
        for before, after in zip(op.results, results, strict=True):
            before.replace_all_uses_with(after)
        op.erase()
        return taken, start

    def _phase(self, phase: Phase, taken: ir.Value, start: ir.Value) -> tuple[ir.Value, ir.Value]:
        i64 = ir.IntegerType.get_signless(64)
        chunks, size = _chunks(phase)
        carried = [(op.operands[position], after) for op, position, after in self.carried[id(phase)]]
        operations = [view.operation for view in phase.ops[-1].block.operations]
        following = operations[operations.index(phase.ops[-1]) + 1]
        types = [i64, *(before.type for before, _ in carried)]
        with ir.InsertionPoint(following), phase.ops[0].location:
            end = arith.addi(start, arith.constant(i64, chunks))
            wait: Any = scf.IfOp(arith.cmpi(arith.CmpIPredicate.slt, taken, end))
            with ir.InsertionPoint(wait.then_block):
                AwaitChunksOp(self.counters, start)
                scf.YieldOp([])
            loop: Any = scf.WhileOp(types, [taken, *(before for before, _ in carried)])
            condition, body = (region.blocks.append(*types) for region in loop.operation.regions)
            with ir.InsertionPoint(condition):
                more = arith.cmpi(arith.CmpIPredicate.slt, condition.arguments[0], end)
                scf.ConditionOp(more, list(condition.arguments))
            with ir.InsertionPoint(body):
                if chunks > 1:
                    _narrow(phase, size, arith.subi(body.arguments[0], start))
                ChunkDoneOp(self.counters)
                next_ = TakeChunkOp(self.counters, number=i64).number
                scf.YieldOp([next_, *(after for _, after in carried)])
        done = next(view.operation for view in body.operations if view.operation.name == "nimble.chunk_done")
        for op in phase.ops:
            op.move_before(done)
        results = list(loop.operation.results)
        for (before, after), argument, result in zip(carried, list(body.arguments)[1:], results[1:], strict=True):
            _replace(after, result, lambda block: not is_within(block, body))
            _replace(before, argument, lambda block: is_within(block, body))
        return results[0], end

    def _carried(self, phase: Phase) -> list[tuple[Any, int, ir.Value]]:
        """What the phase updates: for each buffer an operand that is its version before, and its last version."""
        found: dict[ir.Value, tuple[Any, int, ir.Value]] = {}
        for op in phase.ops:
            for result in filter(is_tensor, op.results):
                buffer = self.versions.buffers[result]
                first = found[buffer][:2] if buffer in found else _operand(op, self.versions.before[result])
                found[buffer] = (*first, result)
        return list(found.values())


def _drop_empty_loops(kernel: Any) -> None:
    """Erases loops without an iteration: what is left of whole vectors, say."""
    for op in reversed([op for op in everything(kernel) if op.name == "scf.for"]):
        start, stop = number_of(op.operands[0]), number_of(op.operands[1])
        if start is not None and stop is not None and stop <= start:
            for result, first in zip(op.results, list(op.operands)[3:], strict=True):
                result.replace_all_uses_with(first)
            op.erase()


def _operand(op: Any, value: ir.Value) -> tuple[Any, int]:
    """Where an op, or one inside of it, has `value`."""
    return next(
        (each, position)
        for each in (op, *everything(op))
        for position, operand in enumerate(each.operands)
        if operand == value
    )


def _chunks(phase: Phase) -> tuple[int, int]:
    """How many chunks a phase has, and how far each but the last goes."""
    if phase.range is None:
        return 1, 0
    units = -(-(phase.range.stop - phase.range.start) // phase.range.step)
    most = min(units, _MOST_CHUNKS, max(1, phase.cost // _CHUNK))
    each = -(-units // most)
    return -(-units // each), each * phase.range.step


def _narrow(phase: Phase, size: int, chunk: ir.Value) -> None:
    """Lets the loops of a phase go over one chunk."""
    assert phase.range is not None
    offset = arith.muli(arith.index_cast(ir.IndexType.get(), chunk), constant_index(size))
    first = arith.addi(constant_index(phase.range.start), offset)
    last = arith.minui(arith.addi(first, constant_index(size)), constant_index(phase.range.stop))
    for loop in phase.loops:
        loop.operands[0], loop.operands[1] = first, last


def _replace(value: ir.Value, by: ir.Value, where: Callable[[ir.Block], bool]) -> None:
    """Replaces the uses of a value that stand in certain blocks."""
    for use in list(value.uses):
        user = use.owner.operation
        if where(user.block):
            user.operands[use.operand_number] = by

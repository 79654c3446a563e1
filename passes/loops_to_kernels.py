"""`nimble-loops-to-kernels`: loops over little work become one dispatch. In: control flow of scf at stage shapes. Out: the
same, with a `nimble.kernel` in place of each loop whose whole body a kernel can hold."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import dims_of
from nimble_mlir.dims import DimExpr, Proof
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import ir, tensor

from .base import ModulePass, entry_functions
from .kernel_choices import Choice, choice_of, control_flow, inlined
from .lowering import LoweringContext
from .lowering.builders import constant_of, element_type_of
from .lowering.elements import Buffer, NotInKernelError, Workgroups, is_supported, write
from .lowering.kernel_body import MOST_WORK, KernelBody
from .lowering.kernel_body_rules import KERNEL_BODY_RULES
from .lowering.kernel_check import works_in_place
from .lowering.kernel_control_flow import emit_iteration, emit_loop
from .lowering.kernels import kernel, restored, stored
from .lowering.signedness import reinterpret
from .regions import everything, is_within, terminator
from .symbol_table import DimBuilder, SymbolTable, constant_index

__all__ = ["LoopsToKernels"]

_log = logging.getLogger("nimble_mlir.passes")

# Where the first values of the carries stand among the operands of a loop.
_FIRST = {"scf.for": 3, "scf.while": 0}

# A dispatch of IREE takes at most 64 bindings and 64 words of constants: two for the offset of each binding, two for each
# size and scalar. What is above shows only when the module is loaded.
_MOST_WORDS = 60


@dataclass(frozen=True)
class LoopsToKernels(ModulePass):
    """Runs a loop in one dispatch on one thread, where an iteration is too little work to be spread over threads.

    As a loop on the host, each iteration is a command buffer of several dispatches, and waits for the device where its
    condition depends on data. In a kernel it is a loop, carries stand in buffers that are written in place, and what lies
    between (the gates of an LSTM, the activations of a cell) stays in registers. Loops in the body come along.

      %r = scf.for %k = %c0 to %n step %c1 iter_args(%c = %x) -> (tensor<4xf32>) {
        %next = stablehlo.sine %c
        scf.yield %next }
    ==>
      %x1 = "nimble.bind"(%x)
      %k1 = "nimble.kernel"(%x1, %c1) ({^bb(%w: index, %c: tensor<4xf32>):
        %r1 = scf.for %k = %c0 to %n step %c1 iter_args(%d = %c) { … tensor.extract … tensor.insert … }
        "nimble.kernel_yield"("nimble.bind"(%r1)) })
      %r = "nimble.unbind"(%k1)
    """

    target: str = "llvm-cpu"
    name: ClassVar[str] = "nimble-loops-to-kernels"

    def run(self, module: ir.Module) -> None:
        """Never fails: a loop that a kernel cannot hold stays, and the log says why; so do all where a target has no
        kernels."""
        for function in entry_functions(module):
            table = SymbolTable(function)
            context = LoweringContext(table.scope, DimBuilder(function.entry_block, table.values), self.target)
            _visit(context, control_flow(function.entry_block))


def _visit(ctx: LoweringContext, ops: Sequence[Any]) -> None:
    for op in ops:
        choice = choice_of(op)
        if choice is not None:
            _visit(ctx, _chosen(ctx, op, choice))
        elif not (ctx.has_kernels and op.name in _FIRST and _converted(ctx, op)):
            for region in op.regions:
                for inner in region.blocks:
                    _visit(ctx, control_flow(inner))


def _chosen(ctx: LoweringContext, op: Any, choice: Choice) -> list[Any]:
    """Puts in place of `op` its side whose loops are one dispatch each, if they can be; returns what is left to visit."""
    loops = control_flow(op.regions[choice.one_dispatch].blocks[0])
    if ctx.has_kernels and all(_converted(ctx, loop, independent=True) for loop in loops):
        inlined(op, choice.one_dispatch)
        return []
    return inlined(op, choice.otherwise)


def _converted(ctx: LoweringContext, op: Any, *, independent: bool = False) -> bool:
    """Puts a kernel in place of a loop; False, with the reason in the log, where it cannot be one. With `independent`, no
    iteration needs another one: each is a workgroup."""
    try:
        _check_carries(op)
        loop = _planned(ctx, op, _count_of(op) if independent else None)
        if ctx.scope.at_least(DimExpr.constant(MOST_WORK), loop.body.work) is not Proof.PROVED:
            # No choice as it runs: of a branch around each of several loops IREE 3.13 makes invalid IR
            # (iree-util-propagate-subranges: "operand does not dominate this use").
            raise NotInKernelError(f"its work of {loop.body.work} products may be more than one thread's share")
        made = _Made(loop, op)
    except (NotInKernelError, UnsupportedOpError) as reason:
        _log.debug("%s stays a loop of the host: %s", op.name, reason)
        return False
    _replace(op, made.before(op))
    op.erase()
    return True


def _planned(ctx: LoweringContext, op: Any, count: DimExpr | None) -> _Loop:
    for few_buffers in (False, True):
        workgroups = None if count is None else Workgroups(count)
        loop = _Loop(KernelBody(ctx, KERNEL_BODY_RULES, few_buffers, workgroups), op)
        tensors, scalars = loop.plan()
        if 2 * (tensors + scalars) <= _MOST_WORDS:
            return loop
    raise NotInKernelError(f"{tensors} tensors and {scalars} scalars")


def _count_of(op: Any) -> DimExpr:
    """How many iterations a loop has whose iterations are workgroups."""
    if op.name != "scf.for" or any(not isinstance(result.type, ir.RankedTensorType) for result in op.results):
        raise NotInKernelError("it is no loop over workgroups")
    first, end, step = (_uncast(limit) for limit in list(op.operands)[:3])
    if constant_of(first) != 0 or constant_of(step) != 1 or isinstance(end.owner, ir.Block):
        raise NotInKernelError("its iterations are not counted from 0")
    if end.owner.name != "nimble.symbol":
        raise NotInKernelError("the number of its iterations is no size of an argument")
    return DimExpr.symbol(end.owner.attributes["symbol"].value)


def _uncast(value: ir.Value) -> ir.Value:
    while not isinstance(value.owner, ir.Block) and value.owner.name == "arith.index_cast":
        value = value.owner.operands[0]
    return value


class _Made:
    """A loop's kernel with what it takes and gives, in a block of its own."""

    def __init__(self, loop: _Loop, op: Any) -> None:
        with ir.InsertionPoint(op), op.location:
            self._holder = ir.Operation.create("scf.execute_region", regions=1)
            self._block = self._holder.regions[0].blocks.append()
            with ir.InsertionPoint(self._block):
                self._results = loop.emit()
        (kernel,) = [inner.operation for inner in self._block.operations if inner.operation.name == "nimble.kernel"]
        _compute_inside(kernel)
        if not works_in_place(kernel):
            self._holder.erase()
            raise NotInKernelError("a kernel would have to copy a tensor")

    def before(self, op: Any) -> list[ir.Value | None]:
        """Moves all of it before `op`; returns the loop's results, None for those that nothing uses."""
        for inner in [view.operation for view in self._block.operations]:
            inner.move_before(op)
        self._holder.erase()
        return self._results


def _replace(op: Any, values: Sequence[ir.Value | None]) -> None:
    """Puts `values` in place of the results of a loop; tensors of rank 0 in place of scalars."""
    for before, after in zip(op.results, values, strict=True):
        if after is not None and isinstance(before.type, ir.RankedTensorType):
            before.replace_all_uses_with(after)
        elif after is not None:
            _replace_scalar(op, before, after)


def _replace_scalar(op: Any, scalar: ir.Value, value: ir.Value) -> None:
    """Puts a tensor of rank 0 in place of a scalar of the host: as it is where the device needs it, else read back."""
    for use in list(scalar.uses):
        for made in _tensors_of(use.owner.operation) or ():
            made.replace_all_uses_with(reinterpret(value, made.type))
    if _is_used_by_host(scalar):
        with ir.InsertionPoint(op), op.location:
            scalar.replace_all_uses_with(tensor.extract(value, []))
    else:
        _erase_users(scalar)


def _erase_users(value: ir.Value) -> None:
    for user in [use.owner.operation for use in value.uses]:
        for result in user.results:
            _erase_users(result)
        user.erase()


def _is_used_by_host(scalar: ir.Value) -> bool:
    return any(_tensors_of(use.owner.operation) is None for use in scalar.uses)


def _tensors_of(user: Any) -> list[ir.Value] | None:
    """The tensors of rank 0 that `user` makes of a scalar, as host_values.as_tensor does; None for any other use."""
    if user.name == "tensor.from_elements" and user.results[0].type.rank == 0:
        return [user.results[0]]
    if user.name != "arith.extui":
        return None
    made = []
    for use in user.results[0].uses:
        bytes_ = use.owner.operation
        if bytes_.name != "tensor.from_elements" or bytes_.results[0].type.rank:
            return None
        users = [other.owner.operation for other in bytes_.results[0].uses]
        if any(other.name != "arith.trunci" for other in users):
            return None
        made += [other.results[0] for other in users]
    return made


def _check_carries(op: Any) -> None:
    tensors = [result for result in op.results if isinstance(result.type, ir.RankedTensorType)]
    if not tensors:
        raise NotInKernelError("it carries what the host computes")
    if not _asks_device(op):
        for result in op.results:
            if result not in tensors and _is_used_by_host(result):
                raise NotInKernelError(f"the host needs a result of type {result.type}")
    for result in tensors:
        if dims_of(result.type) is None or not is_supported(element_type_of(result)):
            raise NotInKernelError(f"it carries {result.type}")


def _untied(value: ir.Value) -> ir.Value:
    """A first value without the barrier that keeps the carries of loops on the host apart (edge_buffers.py): behind it, IREE
    3.13 does not see a constant, which it holds for all calls, and lets the kernel write to it."""
    while not isinstance(value.owner, ir.Block) and value.owner.name == "nimble.tie_shape":
        value = value.owner.operands[0]
    return value


def _outside(block: ir.Block) -> list[ir.Value]:
    """The values, but for constants, that ops in a block take from outside of it."""
    found: dict[ir.Value, None] = {}
    for op in everything(block.owner.operation):
        for value in op.operands:
            owner = value.owner
            if isinstance(owner, ir.Block):
                inside = is_within(owner, block)
            else:
                inside = is_within(owner.operation.block, block) or owner.name == "arith.constant"
            if not inside:
                found[value] = None
    return list(found)


def _computed_from(value: ir.Value) -> set[ir.Value]:
    """What a scalar of the host is computed from."""
    owner = value.owner
    if isinstance(owner, ir.Block) or not owner.name.startswith("arith."):
        return {value}
    return set[ir.Value]().union(*(_computed_from(operand) for operand in owner.operands))


def _compute_inside(kernel: Any) -> None:
    """Moves arithmetic on sizes into a kernel, so that it takes the sizes alone: what it takes is limited."""
    block = kernel.regions[0].blocks[0]
    copies: dict[ir.Value, ir.Value] = {}

    def copied(value: ir.Value) -> ir.Value:
        owner = value.owner
        if isinstance(owner, ir.Block) or not owner.name.startswith("arith."):
            return value
        if value not in copies:
            operands = [copied(operand) for operand in owner.operands]
            copy = owner.operation.clone()
            for index, operand in enumerate(operands):
                copy.operands[index] = operand
            copies[value] = copy.results[0]
        return copies[value]

    with ir.InsertionPoint.at_block_begin(block), kernel.location:
        for value in _outside(block):
            if isinstance(value.type, ir.IndexType | ir.IntegerType):
                copied(value)
    made = [copy.owner.operation for copy in copies.values()]
    for op in everything(kernel):
        if op.name != "nimble.bind" and op not in made:
            for index, operand in enumerate(op.operands):
                if operand in copies:
                    op.operands[index] = copies[operand]


def _element(result: ir.Value) -> ir.Type:
    return element_type_of(result) if isinstance(result.type, ir.RankedTensorType) else result.type


def _tensor_type(result: ir.Value) -> ir.RankedTensorType:
    return result.type if isinstance(result.type, ir.RankedTensorType) else ir.RankedTensorType.get([], result.type)


def _asks_device(op: Any) -> bool:
    """Whether the host reads a condition from the device in each iteration: then it may as well read a result once."""
    if op.name != "scf.while":
        return False
    condition = terminator(op.regions[0].blocks[0]).operands[0].owner
    return not isinstance(condition, ir.Block) and condition.name == "tensor.extract"


class _Loop:
    """A loop as a kernel: carries are outputs, so are the last values of scalars."""

    def __init__(self, body: KernelBody, op: Any) -> None:
        self.body, self.op, self.ctx = body, op, body.ctx
        self.firsts = [_untied(value) for value in list(op.operands)[_FIRST[op.name] :]]
        self.carries = [self._buffer(result) for result in op.results]
        self.boxes = [
            Buffer((), _element(result)) if carry is None and any(True for _ in result.uses) else None
            for result, carry in zip(op.results, self.carries, strict=True)
        ]
        body.owned = [carry for carry in self.carries if carry is not None]

    def _buffer(self, result: ir.Value) -> Buffer | None:
        dims = dims_of(result.type) if isinstance(result.type, ir.RankedTensorType) else None
        return Buffer(dims, element_type_of(result)) if dims else None

    def plan(self) -> tuple[int, int]:
        """Emits the body into nothing, so that what it reads and holds is known: how many tensors and scalars."""
        with ir.InsertionPoint(self.op), self.op.location:
            nowhere = ir.Operation.create("scf.execute_region", regions=1)
        block = nowhere.regions[0].blocks.append()
        try:
            with ir.InsertionPoint(block), self.op.location:
                for carry in self.body.owned:
                    carry.value = self.ctx.empty(carry.stored_dims, carry.stored)
                if self.body.workgroups is not None:
                    self.body.workgroups.number = constant_index(0)
                self._emit()
            scalars = len(set[ir.Value]().union(*(_computed_from(value) for value in _outside(block))))
        finally:
            self.body.forget()
            nowhere.erase()
        return len(self.body.inputs) + len(self.body.owned) + len(self.boxes) + len(self.body.scratch), scalars

    def emit(self) -> list[ir.Value | None]:
        """The kernel; returns the loop's results, None for those that are no tensors."""
        body, ctx = self.body, self.ctx
        body.begin_again()
        inputs = [stored(ctx, value) for value in body.inputs]
        boxes = [box for box in self.boxes if box is not None]
        outputs = [
            *(stored(ctx, first) for first, carry in zip(self.firsts, self.carries, strict=True) if carry is not None),
            *(ctx.empty(buffer.stored_dims, buffer.stored) for buffer in (*boxes, *body.scratch)),
        ]
        written = [*body.owned, *boxes, *body.scratch]

        def content(number: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> list[ir.Value]:
            for buffer, value in zip([*body.inputs.values(), *written], [*x, *y], strict=True):
                buffer.value = value
            if body.workgroups is not None:
                body.workgroups.number = number
            scalars = self._emit()
            left = iter(scalars)
            for box, carry in zip(self.boxes, self.carries, strict=True):
                scalar = next(left) if carry is None else None
                if box is not None and scalar is not None and box.value is not None:
                    box.value = write(scalar, box.value, [], 1, box)
            return [buffer.value for buffer in written if buffer.value is not None]

        workgroups = None if body.workgroups is None else ctx.sizes.value(body.workgroups.count)
        updated = kernel(ctx, inputs, outputs, content, workgroups)
        body.forget()
        values = dict(zip(written, updated, strict=False))
        return [
            restored(ctx, values[buffer], _tensor_type(result)) if buffer is not None else None
            for result, carry, box in zip(self.op.results, self.carries, self.boxes, strict=True)
            for buffer in [carry if carry is not None else box]
        ]

    def _emit(self) -> list[ir.Value]:
        workgroups = self.body.workgroups
        if workgroups is not None and workgroups.number is not None:
            emit_iteration(self.body, self.op, self.carries, workgroups.number)
            return []
        inits = [
            self.body.scalar(first) if carry is None else None
            for first, carry in zip(self.firsts, self.carries, strict=True)
        ]
        return emit_loop(self.body, self.op, self.carries, inits)

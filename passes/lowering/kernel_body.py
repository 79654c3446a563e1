"""Whole pieces of a program as the body of one kernel: tensors become buffers and elements, control flow stays scf.

In: control flow of scf over StableHLO ops at stage shapes. Out: the same computation on the elements of a kernel's tensors.
What a loop carries has a buffer of its own, updated at the end of an iteration; what is read more than once is held in a
scratch buffer; the rest is computed where it is read. One-element tensors are scalars.

A kernel gets its scratch buffers from outside (there is no memory to be had inside), so a body is emitted twice: the first
time, into nothing, tells which inputs and scratch buffers it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product as indices_of
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir

from ..regions import terminator
from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of, product
from .elements import (
    Buffer,
    Dims,
    Elements,
    NotInKernelError,
    Workgroups,
    constant_elements,
    is_supported,
    lanes_for,
    of_buffer,
    of_scalar,
    row_axis,
    write,
)
from .kernel_uses import few_rows, is_read_after, is_read_often, known_scalar, splat_of
from .kernels import loop, stored_type
from .recipes import splat
from .signedness import reinterpret, signless
from .vectors import along

__all__ = ["MOST_WORK", "KernelBody"]

Values = Sequence[ir.Value]

# What a kernel's tensor may hold that only an iteration needs: so much is copied in passing.
_LARGEST_SCRATCH = 1 << 16

# Products of a row and a matrix that one thread computes between two edges of loops: two dispatches of IREE's worker threads
# take about as long. An element of any other op is as much work as so many products.
MOST_WORK = 1 << 22
_ELEMENT = 16
# One-shot bufferization follows a tensor through both ends of each loop that hands it on: twice the time with each loop. So
# few loops write to one buffer of others, and small tensors in it are written without one.
_MOST_LOOPS = 8
_UNROLLED = 4
_ALIGNED = 16  # where a buffer may begin within another one, in elements: a whole vector
# A sum of more products of sizes is not worth its evaluation.
_MOST_TERMS = 24


class KernelBody:
    """Emits the body of one kernel.

    `inputs` are the tensors from outside that it reads, `scratch` the buffers that it needs besides. In the first run both
    are found; in the second, `bind` has given each its value in the kernel. With `few_buffers`, scratch buffers of known
    size lie in one, one for each type of elements. With `workgroups`, each has scratch buffers of its own.
    """

    def __init__(
        self,
        ctx: LoweringContext,
        rules: dict[str, Callable[[KernelBody, Any], Any]],
        few_buffers: bool = False,
        workgroups: Workgroups | None = None,
    ) -> None:
        self.ctx, self.workgroups = ctx, workgroups
        self._few_buffers = few_buffers
        # By type, the scratch buffer that others lie in, and how many of those are written by loops.
        self._shared: dict[ir.Type, tuple[Buffer, int]] = {}
        self._made: list[Buffer] = []  # all scratch buffers, in order
        self.inputs: dict[ir.Value, Buffer] = {}
        self.scratch: list[Buffer] = []
        self.owned: list[Buffer] = []  # the kernel's other outputs
        self._rules = rules
        self._bound = False
        self._written: dict[Any, set[Buffer]] = {}  # by each control flow of the program
        self._used_scratch = 0
        self.branch_buffers: dict[ir.Value, Buffer | None] = {}  # of the results of branches under way
        self.work = DimExpr.constant(0)
        self._elements: dict[ir.Value, Elements] = {}
        self._scalars: dict[ir.Value, ir.Value] = {}

    def forget(self) -> None:
        """Drops all values: those of a run whose ops are erased must not be touched."""
        self._elements, self._scalars, self.branch_buffers = {}, {}, {}
        for buffer in (*self.inputs.values(), *self.owned, *self.scratch):
            buffer.value = None

    def begin_again(self) -> None:
        """Begins the second run: what was found is known."""
        self._bound = True
        self._used_scratch = 0
        self.work = DimExpr.constant(0)

    # Values of the program

    def elements(self, value: ir.Value) -> Elements:
        """A tensor of the program: computed in the kernel, or an input of it."""
        if value not in self._elements:
            self._elements[value] = self._from_outside(value)
        return self._elements[value]

    def define(self, value: ir.Value, elements: Elements) -> None:
        """States what a result of an op is: a scalar is computed now, and what is read several times is held."""
        if not elements.dims:
            elements = of_scalar(elements.scalar, elements.element)
        elif elements.cost and is_read_often(value):
            elements = self.held(elements)
        self._elements[value] = elements

    def set_elements(self, value: ir.Value, elements: Elements) -> None:
        """States what a tensor of the program is, such as an argument of a loop."""
        self._elements[value] = elements

    def alias(self, value: ir.Value, other: ir.Value) -> None:
        """States that a result of an op is another tensor."""
        self._elements[value] = self.elements(other)

    def scalar(self, value: ir.Value) -> ir.Value:
        """A scalar of the program, or the element of a tensor of rank 0 (signless)."""
        if isinstance(value.type, ir.RankedTensorType):
            return self.elements(value).scalar
        return self._scalars.get(value, value)

    def _from_outside(self, value: ir.Value) -> Elements:
        dims, element = self.ctx.dims(value), element_type_of(value)
        if not is_supported(element):
            raise NotInKernelError(f"elements of type {element}")
        constant = splat_of(value)
        if constant is not None:
            return constant_elements(dims, element, constant)
        known = known_scalar(value)
        if known is not None:
            return Elements((), element, lambda _, lanes: splat(reinterpret(known, signless(known.type)), lanes))
        if value not in self.inputs:
            if self._bound:
                raise NotInKernelError("an input that the first run did not read")
            self.inputs[value] = Buffer(dims, element, self._placeholder(dims, element))
        return of_buffer(self.inputs[value])

    def _placeholder(self, dims: Dims, element: ir.Type) -> ir.Value:
        return self.ctx.empty(dims, stored_type(element))

    # Buffers

    def new_buffer(self, dims: Dims, element: ir.Type, may_share: bool = False) -> Buffer:
        """A scratch buffer; with `may_share`, one that may lie in another."""
        if self._bound:
            buffer = self._made[self._used_scratch]
        else:
            size = product(dims)
            if size.is_constant and size.constant_value > _LARGEST_SCRATCH:
                raise NotInKernelError(f"a tensor of {size} elements to be held")
            if self.workgroups is not None and not size.is_constant:
                raise NotInKernelError(f"a tensor of {size} elements to be held by each workgroup")
            if may_share and self._few_buffers and size.is_constant:
                buffer = self._in_shared(dims, element, size)
            else:
                buffer = self._apart(dims, element)
            self._made.append(buffer)
        self._used_scratch += 1
        return buffer

    def _apart(self, dims: Dims, element: ir.Type) -> Buffer:
        buffer = Buffer(dims, element, workgroups=self.workgroups)
        buffer.value = self._placeholder(buffer.stored_dims, element)
        self.scratch.append(buffer)
        return buffer

    def _in_shared(self, dims: Dims, element: ir.Type, size: DimExpr) -> Buffer:
        stored = stored_type(element)
        shared, loops = self._shared.get(stored, (None, 0))
        loops += size.constant_value > _UNROLLED
        if shared is None or loops > _MOST_LOOPS:
            # How large it will be, nobody knows in the first run, whose ops are erased.
            shared, loops = self._apart((DimExpr.constant(0),), stored), 1
        self._shared[stored] = shared, loops
        offset = shared.dims[0].constant_value
        shared.dims = (DimExpr.constant(offset + -(-size.constant_value // _ALIGNED) * _ALIGNED),)
        return Buffer(dims, element, within=shared, offset=offset)

    def held(self, elements: Elements) -> Elements:
        """The same tensor, computed once and stored."""
        buffer = self.new_buffer(elements.dims, elements.element, may_share=True)
        self.fill(buffer, elements)
        return of_buffer(buffer)

    def fill(self, buffer: Buffer, elements: Elements, starts: Values | None = None) -> None:
        """Stores `elements` in a buffer, from `starts` (or its beginning) on."""
        dims = elements.dims
        row = row_axis(dims)
        lanes = lanes_for(dims) if elements.has_lanes and row == len(buffer.dims) - 1 else 1

        def place(indices: Values) -> list[ir.Value]:
            if starts is None:
                return list(indices)
            return [arith.addi(start, index) for start, index in zip(starts, indices, strict=True)]

        def store(indices: Values, target: ir.Value, lanes: int) -> ir.Value:
            buffer.value = target  # what `elements` reads of it stands where it is about to write
            return write(elements.at(indices, lanes), target, place(indices), lanes, buffer)

        size = product(dims)
        self.charge(size, _ELEMENT * max(1, elements.cost))
        assert buffer.value is not None
        if buffer.within is not None and size.is_constant and size.constant_value <= _UNROLLED:
            for indices in indices_of(*(range(dim.constant_value) for dim in dims)):
                buffer.value = store([constant_index(index) for index in indices], buffer.value, 1)
            return
        again = buffer not in elements.reads
        rows = few_rows(dims[:row]) if row is not None and row == len(dims) - 1 else []
        if len(rows) > 1:
            # One loop, which goes over the columns: bufferization tries all ways that a tensor may take through loops.
            def columns(at: Values, carries: Values, lanes: int) -> Values:
                for before in rows:
                    carries = [store([*(constant_index(i) for i in before), *at], carries[0], lanes)]
                return carries

            buffer.value = self.over(dims[row:], [buffer.value], columns, lanes, again=again)[0]
            return
        buffer.value = self.over(dims, [buffer.value], lambda i, c, n: [store(i, c[0], n)], lanes, again=again)[0]

    def charge(self, elements: DimExpr, weight: int = 1) -> None:
        """States that so many elements are computed one after the other, each as much work as `weight` products of a row
        and a matrix; too many are better spread over threads."""
        self.work = self.work + elements * weight
        if self.work.is_constant and self.work.constant_value > MOST_WORK:
            raise NotInKernelError(f"as much work as {self.work} products")
        if len(self.work.terms) > _MOST_TERMS:
            raise NotInKernelError("work of too many sizes")

    def over(
        self,
        dims: Dims,
        carries: Values,
        body: Callable[[Values, Values, int], Values],
        lanes: int = 1,
        *,
        again: bool = False,
    ) -> list[ir.Value]:
        """Loops over all indices of `dims`; `body` gets indices, carries and for how many elements of the row it stands.

        again: whether elements may be visited twice: the last vector of a row then begins where it ends with the row."""
        sizes = self.ctx.sizes.values(dims)
        row = row_axis(dims)

        def level(axis: int, indices: list[ir.Value], carried: Values) -> Values:
            if axis == len(dims):
                return body(indices, carried, 1)
            if dims[axis] == 1:
                return level(axis + 1, [*indices, constant_index(0)], carried)
            if axis == row and lanes > 1:
                return self._row(dims, axis, indices, carried, body, lanes, again)
            return loop(
                constant_index(0), sizes[axis], carried, lambda at, *c: level(axis + 1, [*indices, at], list(c))
            )

        return list(level(0, [], carries))

    def _row(
        self,
        dims: Dims,
        axis: int,
        indices: Values,
        carried: Values,
        body: Callable[[Values, Values, int], Values],
        lanes: int,
        again: bool,
    ) -> Values:
        ends = [constant_index(0)] * (len(dims) - axis - 1)

        def several(at: ir.Value, *carries: ir.Value) -> Values:
            return body([*indices, at, *ends], carries, lanes)

        size = dims[axis]
        left = size.constant_value % lanes if size.is_constant else 0
        if not again or not left:
            return along(
                self.ctx.sizes.value(size), lanes, carried, several, lambda at, *c: body([*indices, at, *ends], c, 1)
            )
        whole, last = (constant_index(size.constant_value - less) for less in (left, lanes))
        return several(last, *loop(constant_index(0), whole, carried, several, constant_index(lanes)))

    def update(self, op: Any, target: ir.Value, update: Elements, starts: Values) -> Elements:
        """The tensor `target` with a part replaced from `starts` on, in its own buffer where nothing reads it later."""
        buffer, (update,) = self.writable(op, target, [update])
        self.fill(buffer, update, starts)
        return of_buffer(buffer)

    def writable(self, op: Any, target: ir.Value, read: Sequence[Elements]) -> tuple[Buffer, list[Elements]]:
        """A buffer with the contents of `target` that `op` may write to, and what it reads meanwhile, held if need be."""
        elements = self.elements(target)
        buffer = elements.buffer
        owner = target.owner
        here = (owner if isinstance(owner, ir.Block) else owner.operation.block) == op.block
        if buffer is None or buffer in self.inputs.values() or not here or is_read_after(target, op):
            elements = self.held(elements)
            buffer = elements.buffer
        assert buffer is not None
        safe = [self.held(each) if buffer in each.reads else each for each in read]
        self._hold_readers(buffer, op, target)
        return buffer, safe

    def _hold_readers(self, buffer: Buffer, op: Any, but: ir.Value) -> None:
        """Before `op` writes to a buffer: what was read of it lazily, and is used later, is computed now."""
        for value, elements in list(self._elements.items()):
            if value != but and buffer in elements.reads and is_read_after(value, op):
                self._elements[value] = self.held(elements)

    # Statements

    def run(self, block: ir.Block) -> list[ir.Value]:
        """Emits the ops of a block, but for its terminator, whose operands are returned."""
        last = terminator(block)
        for view in block.operations:
            op = view.operation
            if op != last:
                self._statement(op)
        return list(last.operands)

    def _statement(self, op: Any) -> None:
        rule = self._rules.get(op.name)
        if rule is not None:
            rule(self, op)
        elif op.name == "builtin.unrealized_conversion_cast" and not isinstance(op.results[0].type, ir.ShapedType):
            self._scalars[op.results[0]] = self.scalar(op.operands[0])
        elif op.name.startswith("arith.") and not any(isinstance(r.type, ir.ShapedType) for r in op.results):
            copy = op.clone()
            for index, operand in enumerate(op.operands):
                copy.operands[index] = self.scalar(operand)
            self._scalars.update(zip(op.results, copy.results, strict=True))
        else:
            raise NotInKernelError(f"'{op.name}'")

    def bind_scalar(self, value: ir.Value, scalar: ir.Value) -> None:
        """States what a scalar of the program is in the kernel."""
        self._scalars[value] = scalar

    # Control flow

    def threaded(self, op: Any) -> list[Buffer]:
        """The buffers that the control flow `op` hands through its edges: those that are written to inside of it.

        A buffer that a `scf.while` hands on as it got it would be replaced by what stands before the loop, and IREE 3.13
        then fails ("Condition arg is not equivalent to the corresponding iter bbArg")."""
        if not self._bound:
            return list(self.owned)
        return [buffer for buffer in (*self.owned, *self.scratch) if buffer in self._written[op]]

    @contextmanager
    def inside(self, op: Any, values: Values) -> Iterator[None]:
        """In a region of `op`: its buffers hold what the block's arguments say."""
        threaded = self.threaded(op)
        before = [buffer.value for buffer in threaded]
        self.set_buffers(op, values)
        entered = {buffer: buffer.value for buffer in (*self.owned, *self.scratch)}
        yield
        self._written.setdefault(op, set()).update(
            buffer for buffer in (*self.owned, *self.scratch) if not _same(buffer.value, entered.get(buffer))
        )
        for buffer, value in zip(threaded, before, strict=True):
            buffer.value = value

    @contextmanager
    def apart_work(self, works: list[DimExpr]) -> Iterator[None]:
        """Appends what is charged in the meantime to `works`; it counts for itself."""
        before, self.work = self.work, DimExpr.constant(0)
        yield
        works.append(self.work)
        self.work = before

    def set_buffers(self, op: Any, values: Values) -> None:
        """States what the buffers of `op` hold from here on."""
        for buffer, value in zip(self.threaded(op), values, strict=True):
            buffer.value = value

    def held_now(self, op: Any) -> list[ir.Value]:
        """What the buffers of `op` hold."""
        return [buffer.value for buffer in self.threaded(op) if buffer.value is not None]


def _same(value: ir.Value | None, other: ir.Value | None) -> bool:
    return value is other if value is None or other is None else value == other

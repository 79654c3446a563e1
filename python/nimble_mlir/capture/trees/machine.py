"""The machine that runs the blocks of recursive functions (program.py), on a stack that is an array.

A frame is the number of a block and its parameters, packed as one vector a dtype. A step takes the frame on top, runs its
block, and writes what comes of it: another frame in its place, a call's above it, or one less, whose results stand in
registers for the block below. So no recursion is left, neither here nor on the host: the loop over steps is a loop over
little work, which becomes one kernel (passes/loops_to_kernels.py). The stack begins small and doubles, in a loop around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core as jex_core

from nimble_mlir.errors import CaptureError

from ..bodies import type_text
from ..checks import ensure
from ..loops import while_loop
from .packing import Packing, widest
from .program import Block, Branch, Call, Go, Make, Piece, Program, Return, Target, enter_p

__all__ = ["run"]

_FIRST_ROOM = 32  # frames

_Frame = tuple[int, list[Any]]  # the number of its block, and a vector a dtype
# Vectors of each frame, its block, how many frames, the registers of results, of each heap the tables and how many nodes.
_State = tuple[Any, Any, Any, Any, Any]


def run(
    program: Program, target: Target, args: Sequence[Any], max_depth: int
) -> tuple[list[Any], dict[Any, tuple[list[Any], Any]]]:
    """The results of a call of `target`, flat, and for each heap the tables of its nodes, with room behind them, and how
    many there are; a ShapeError of the run where calls nest deeper than `max_depth`."""
    constants = list(program.constants)
    entered = enter_p.bind(*args, *program.constants.values())
    program.constants = dict(zip(constants, entered[len(args) :], strict=True))
    return _Machine(program, target, max_depth).run(entered[: len(args)])


class _Machine:
    def __init__(self, program: Program, target: Target, max_depth: int) -> None:
        self.program, self.target, self.max_depth = program, target, max_depth
        for block in program.blocks:
            _check(block, target)
        self.frames = {block: Packing([var.aval for var in block.parameters]) for block in program.blocks}
        self.results = [Packing([var.aval for var in block.results]) for block in program.blocks]
        self.own_results = Packing(target.result_specs)
        self.frame_widths = widest(self.frames.values())
        self.result_widths = widest([*self.results, self.own_results])

    def run(self, args: Sequence[Any]) -> tuple[list[Any], dict[Any, tuple[list[Any], Any]]]:
        entry = self.target.entry
        first = self._padded(self.frames[entry], list(args), self.frame_widths)
        stack = [jnp.zeros((_FIRST_ROOM, vector.shape[0]), vector.dtype).at[0].set(vector) for vector in first]
        blocks = jnp.full(_FIRST_ROOM, entry.number, jnp.int32)
        registers = [jnp.zeros(width, dtype) for dtype, width in self.result_widths.items()]
        heaps = [
            ([jnp.zeros((_FIRST_ROOM, width), dtype) for dtype, width in heap.widths.items()], jnp.int32(0))
            for heap in self.program.heaps
        ]

        def is_under_way(state: _State) -> Any:
            return (state[2] > 0) & (state[2] <= self.max_depth)

        def with_more_room(state: _State) -> Any:
            stack, blocks, depth, registers, heaps = state
            stack = [_with_more_rows(frames) for frames in stack]
            blocks = _with_more_rows(blocks)
            heaps = [([_with_more_rows(table) for table in tables], count) for tables, count in heaps]
            room = jnp.asarray(blocks.shape[0], jnp.int32)

            def has_room(state: _State) -> Any:
                most = jnp.max(jnp.stack([state[2], *(count for _, count in state[4])])) if heaps else state[2]
                return is_under_way(state) & (most < room)

            return lax.while_loop(has_room, self._step, (stack, blocks, depth, registers, heaps))

        state = while_loop(is_under_way, with_more_room, (stack, blocks, jnp.int32(1), registers, heaps))
        message = f"nm.recursive '{self.target.name}': calls nest deeper than {self.max_depth} (max_depth)"
        registers = ensure(state[2] == 0, message, state[3])
        results = self._unpacked(self.own_results, registers, self.result_widths)
        return results, dict(zip(self.program.heaps, state[4], strict=True))

    def _step(self, state: _State) -> _State:
        stack, blocks, depth, registers, heaps = state
        top = depth - 1
        frame = [_row(vectors, top) for vectors in stack]
        counts = [count for _, count in heaps]
        runs = [lambda block=block: self._block(block, frame, registers, counts) for block in self.program.blocks]
        change, own, callee, made, vectors = lax.switch(_row(blocks, top), runs)
        rows, registers, nodes = self._apart(vectors)
        for block, row, at in zip((own, callee), rows, (top, depth), strict=True):
            blocks = _with_row(blocks, block, at)
            stack = [_with_row(frames, vector, at) for frames, vector in zip(stack, row, strict=True)]
        # A node is written each time, and counts where there is one.
        heaps = [
            (
                [_with_row(table, vector, count) for table, vector in zip(tables, node, strict=True)],
                count + (made == number).astype(jnp.int32),
            )
            for number, ((tables, count), node) in enumerate(zip(heaps, nodes, strict=True))
        ]
        return stack, blocks, depth + change, registers, heaps

    def _block(self, block: Block, frame: Sequence[Any], registers: list[Any], counts: Sequence[Any]) -> Any:
        """How many frames there are more, the block in the place of this one, the one above it, the heap with a new node,
        and one vector a dtype with the frames of both, the registers and a node for each heap: a branch in a kernel has a
        buffer for each tensor that it gives."""
        values = dict(self.program.constants)
        values |= zip(block.parameters, self._unpacked(self.frames[block], frame, self.frame_widths), strict=True)
        packing = self.results[block.number]
        values |= zip(block.results, self._unpacked(packing, registers, self.result_widths), strict=True)
        assert block.piece is not None
        return self._piece(block.piece, values, registers, counts)

    def _piece(self, piece: Piece, values: dict[Any, Any], registers: list[Any], counts: Sequence[Any]) -> Any:
        values = values | _computed(piece, values)
        nothing = self._frame(None, [])
        match piece.end:
            case Return(results):
                packing = Packing([atom.aval for atom in results])
                made = self._padded(packing, _read(values, results), self.result_widths)
                return self._action(-1, nothing, nothing, made)
            case Go(block, given):
                own = self._frame(block, _read(values, [given.get(var, var) for var in block.parameters]))
                return self._action(0, own, nothing, registers)
            case Call(target, args, block):
                callee = self._frame(target.entry, _read(values, args))
                if block is None:
                    return self._action(0, callee, nothing, registers)
                return self._action(1, self._frame(block, _read(values, block.parameters)), callee, registers)
            case Make(heap, index, args, block):
                number = self.program.heaps.index(heap)
                node = self._padded(heap.packings[index], [jnp.int32(index), *_read(values, args)], heap.widths)
                made = self._padded(self.results[block.number], [counts[number]], self.result_widths)
                return self._action(0, self._frame(block, _read(values, block.parameters)), nothing, made, number, node)
            case Branch(index, pieces):
                (position,) = _read(values, [index])
                choices = [lambda piece=piece: self._piece(piece, values, registers, counts) for piece in pieces]
                return lax.switch(position.astype(jnp.int32), choices)

    def _action(
        self,
        change: int,
        own: _Frame,
        callee: _Frame,
        registers: Sequence[Any],
        made: int = -1,
        node: Sequence[Any] = (),
    ) -> Any:
        vectors: dict[Any, list[Any]] = {}
        parts = [(self.frame_widths, own[1]), (self.frame_widths, callee[1]), (self.result_widths, registers)]
        for number, heap in enumerate(self.program.heaps):
            nothing = [jnp.zeros(width, dtype) for dtype, width in heap.widths.items()]
            parts.append((heap.widths, node if number == made else nothing))
        for widths, part in parts:
            for dtype, vector in zip(widths, part, strict=True):
                vectors.setdefault(dtype, []).append(vector)
        numbers = [jnp.int32(number) for number in (change, own[0], callee[0], made)]
        return *numbers, [jnp.concatenate(part) for part in vectors.values()]

    def _apart(self, vectors: Sequence[Any]) -> tuple[list[list[Any]], list[Any], list[list[Any]]]:
        """The frames of both, the registers, and the nodes again."""
        parts = [
            self.frame_widths,
            self.frame_widths,
            self.result_widths,
            *(heap.widths for heap in self.program.heaps),
        ]
        of = dict(zip(dict.fromkeys(dtype for widths in parts for dtype in widths), vectors, strict=True))
        starts = dict.fromkeys(of, 0)
        made: list[list[Any]] = []
        for widths in parts:
            made.append([of[dtype][starts[dtype] : starts[dtype] + width] for dtype, width in widths.items()])
            for dtype, width in widths.items():
                starts[dtype] += width
        return made[:2], made[2], made[3:]

    def _frame(self, block: Block | None, values: Sequence[Any]) -> _Frame:
        if block is None:
            return 0, [jnp.zeros(width, dtype) for dtype, width in self.frame_widths.items()]
        return block.number, self._padded(self.frames[block], values, self.frame_widths)

    def _padded(self, packing: Packing, values: Sequence[Any], widths: dict[Any, int]) -> list[Any]:
        packed = dict(zip(packing.dtypes, packing.pack(values), strict=True))
        made = []
        for dtype, width in widths.items():
            vector = packed.get(dtype, jnp.zeros(0, dtype))
            rest = width - vector.shape[0]
            made.append(jnp.concatenate([vector, jnp.zeros(rest, dtype)]) if rest else vector)
        return made

    def _unpacked(self, packing: Packing, vectors: Sequence[Any], widths: dict[Any, int]) -> list[Any]:
        of = dict(zip(widths, vectors, strict=True))
        return packing.unpack([of[dtype][:width] for dtype, width in zip(packing.dtypes, packing.widths, strict=True)])


def _check(block: Block, target: Target) -> None:
    for var in (*block.parameters, *block.results):
        aval = var.aval
        if not all(isinstance(size, int) for size in aval.shape) or not isinstance(aval.dtype, np.dtype):
            raise CaptureError(
                f"nm.recursive '{target.name}' keeps {type_text(aval)} across a call: what stands in a frame needs sizes "
                "that are numbers, and no random keys (jax.random.key_data makes arrays of them)"
            )


def _computed(piece: Piece, values: dict[Any, Any]) -> dict[Any, Any]:
    """What the equations of a piece compute, by variable."""
    if not piece.equations:
        return {}
    made = {var: None for equation in piece.equations for var in equation.outvars}
    free = list(Piece(piece.equations, Return(list(made))).free())
    jaxpr = jex_core.Jaxpr(
        (), free, list(made), piece.equations, jex_core.no_effects, jex_core.DebugInfo("piece", "", None, None)
    )
    results = jex_core.jaxpr_as_fun(jex_core.ClosedJaxpr(jaxpr, ()))(*(values[var] for var in free))
    return dict(zip(made, results, strict=True))


def _read(values: dict[Any, Any], atoms: Sequence[Any]) -> list[Any]:
    return [_literal(atom) if isinstance(atom, jex_core.Literal) else values[atom] for atom in atoms]


def _literal(atom: Any) -> Any:
    return jnp.asarray(atom.val, atom.aval.dtype)


def _with_more_rows(array: Any) -> Any:
    # A number of rows is added: so a stack is never empty, which nobody would have to check in each step.
    return jnp.concatenate([array, jnp.zeros_like(array), jnp.zeros((_FIRST_ROOM, *array.shape[1:]), array.dtype)])


def _row(array: Any, index: Any) -> Any:
    return lax.dynamic_index_in_dim(array, index, keepdims=False, allow_negative_indices=False)


def _with_row(array: Any, row: Any, index: Any) -> Any:
    return lax.dynamic_update_index_in_dim(array, row, index, 0, allow_negative_indices=False)

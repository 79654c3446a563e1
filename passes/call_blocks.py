"""Recursive functions as blocks between their calls: what a machine with a stack runs (stack_machine.py).

In: private functions with `nimble.recursive_call` where one calls itself or another one, at stage stablehlo. Out: blocks,
which hold the functions' ops as they are. A block computes something without a call and ends: it returns, calls and names
the block that goes on with the results, goes to another block, or chooses how to go on. What a block needs from before are
its parameters, which stand in the frame of the call; what is cheap and depends on invariants alone is computed again.

Branches and loops that hold a call are cut up: what comes after them is a block, and so is each iteration. A part of
`nimble-explicit-stack`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from nimble_mlir.errors import CaptureError
from nimble_mlir.mlir import ir

from .base import fail
from .regions import everything, terminator

__all__ = ["Block", "Branch", "Call", "End", "Go", "Make", "Piece", "Program", "Result", "Return", "Var", "callee_of"]


@dataclass(eq=False)
class Result:
    """A result of a call, which a `stablehlo.get_tuple_element` reads."""

    type: ir.Type


Var = ir.Value | Result


@dataclass(frozen=True)
class Return:
    """The call ends with these results."""

    results: list[Var]


@dataclass(frozen=True)
class Go:
    """On to another block of the same call, whose parameters are their own values or those of `given`."""

    block: Block
    given: Mapping[Var, Var]


@dataclass(frozen=True)
class Call:
    """A call; `block` goes on with its results. Without a block, the call's results are this one's (a tail call)."""

    callee: str
    args: list[Var]
    block: Block | None


@dataclass(frozen=True)
class Make:
    """A new node: `op` says of which heap and constructor; `block` goes on with its number."""

    op: Any
    args: list[Var]
    block: Block


@dataclass(frozen=True)
class Branch:
    """On with the piece that `op`, a `stablehlo.case` or `if`, chooses by `index`."""

    op: str
    index: Var
    pieces: list[Piece]


End = Return | Go | Call | Make | Branch


@dataclass(frozen=True)
class Piece:
    """Ops without a call, and what comes then."""

    ops: list[Any]
    end: End


@dataclass(eq=False)
class Block:
    """`results` are those of the call that ended before it; `op` is where it begins."""

    number: int
    op: Any
    parameters: list[Var] = field(default_factory=list)
    results: list[Var] = field(default_factory=list)
    piece: Piece | None = None


Then = Callable[[list[Var]], End]

# Ops that are computed again rather than kept, where all that they read is: of any size, and of few elements.
_CHEAP = frozenset({"stablehlo.broadcast_in_dim", "stablehlo.constant", "stablehlo.iota"})
_CHEAP_OF_FEW = frozenset(
    f"stablehlo.{name}"
    for name in (
        "add clamp compare concatenate convert divide get_dimension_size maximum minimum multiply reshape select slice "
        "subtract"
    ).split()
)
_FEW = 16

_CALLS = frozenset({"nimble.make_node", "nimble.recursive_call"})


class Program:
    """The blocks of all functions that a `nimble.start_recursion` leads to. `entries` has the block that a call of a
    function begins with, by name; `given` the values of the recursion that invariants stand for."""

    def __init__(self, functions: Mapping[str, Any], recursion: Any) -> None:
        self.blocks: list[Block] = []
        self.entries: dict[str, Block] = {}
        self.given: dict[Var, ir.Value] = {}
        self._same: dict[ir.Value, Var] = {}  # arguments of conditions and results of calls, as what they are
        self._cheap: dict[Var, bool] = {}
        self._results: dict[Any, list[Var]] = {}  # of each call
        arguments = list(recursion.operands[0].owner.operands)
        self._invariants = arguments[: recursion.attributes["invariants"].value]
        waiting = [callee_of(recursion)]
        while waiting:
            name = waiting.pop()
            if name not in self.entries:
                calls = [op for op in everything(functions[name].operation) if op.name == "nimble.recursive_call"]
                waiting += map(callee_of, calls)
                for call in calls:
                    self._read(call)
                self._add(name, functions[name], recursion)

    def _add(self, name: str, function: Any, recursion: Any) -> None:
        body = function.entry_block
        count = len(self._invariants)
        self.given |= dict(zip(list(body.arguments)[:count], self._invariants, strict=True))
        entry = self.entries[name] = self._new(recursion)
        entry.parameters = list(body.arguments)[count:]
        entry.piece = self._piece(*_body(body), Return)

    def _read(self, call: Any) -> None:
        types = ir.TupleType(call.results[0].type)
        results = self._results[call] = [Result(types.get_type(index)) for index in range(types.num_types)]
        for use in call.results[0].uses:
            self._same[use.owner.results[0]] = results[use.owner.attributes["index"].value]

    def var(self, value: Var) -> Var:
        """What a value stands for."""
        while value in self._same:
            value = self._same[value]
        return value

    def is_cheap(self, var: Var) -> bool:
        """Whether a value is computed again where it is needed."""
        if var not in self._cheap:
            self._cheap[var] = var in self.given or self._is_cheap(var)
        return self._cheap[var]

    def _is_cheap(self, var: Var) -> bool:
        if isinstance(var, Result) or isinstance(var.owner, ir.Block):
            return False
        op, type_ = var.owner.operation, var.type
        if op.name not in _CHEAP | _CHEAP_OF_FEW or not type_.has_static_shape:
            return False
        is_few = op.name in _CHEAP or prod(type_.shape) <= _FEW
        return is_few and all(self.is_cheap(self.var(operand)) for operand in op.operands)

    def free(self, piece: Piece) -> list[Var]:
        """The values from before that are used here or later, in order, without what is computed again."""
        used: dict[Var, None] = {}
        made: set[Var] = set()
        for op in piece.ops:
            if not self.computes_again(op):
                used.update(dict.fromkeys(self.var(value) for value in outer_values(op)))
                made.update(op.results)
        used.update(dict.fromkeys(_asked(piece.end)))
        for inner in piece.end.pieces if isinstance(piece.end, Branch) else ():
            used.update(dict.fromkeys(self.free(inner)))
        return self._local(used, made)

    def computes_again(self, op: Any) -> bool:
        """Whether the op's result is computed wherever it is needed."""
        return len(op.results) == 1 and self.is_cheap(op.results[0])

    def _local(self, used: Iterable[Var], but: Iterable[Var] = ()) -> list[Var]:
        """Of these values, those that a frame has to hold."""
        others = set(but)
        return [var for var in dict.fromkeys(used) if var not in others and not self.is_cheap(var)]

    def _new(self, op: Any) -> Block:
        block = Block(len(self.blocks), op)
        self.blocks.append(block)
        return block

    def _piece(self, ops: Sequence[Any], results: Sequence[ir.Value], then: Then) -> Piece:
        """The ops up to the first call, and blocks for the rest, which ends with `then(results)`."""
        for position, op in enumerate(ops):
            if op.name in _CALLS or any(inner.name in _CALLS for inner in everything(op)):
                cut = _CUTS.get(op.name)
                if cut is None:
                    message = f"a recursive call within '{op.name}' cannot be compiled; call the function outside of it"
                    raise fail(op, message, CaptureError)
                return Piece(list(ops[:position]), cut(self, op, ops[position + 1 :], results, then))
        return Piece(list(ops), then([self.var(value) for value in results]))

    def _block(self, op: Any, piece: Piece, given: Sequence[Var]) -> Block:
        """What goes on after a call or a branch, whose results are `given`."""
        block = self._new(op)
        block.piece = piece
        block.results = list(given)
        block.parameters = self._local(self.free(piece), given)
        return block

    def recur(self, op: Any, rest: Sequence[Any], results: Sequence[ir.Value], then: Then) -> End:
        """A call: a block for what comes after it."""
        args = [self.var(value) for value in op.operands[0].owner.operands]
        made = self._results[op]
        piece = self._piece(rest, results, then)
        is_last = not piece.ops and isinstance(piece.end, Return) and piece.end.results == made
        return Call(callee_of(op), args, None if is_last else self._block(op, piece, made))

    def make(self, op: Any, rest: Sequence[Any], results: Sequence[ir.Value], then: Then) -> End:
        """A new node: a block for what comes after it."""
        args = [self.var(value) for value in op.operands[0].owner.operands]
        return Make(op, args, self._block(op, self._piece(rest, results, then), list(op.results)))

    def branch(self, op: Any, rest: Sequence[Any], results: Sequence[ir.Value], then: Then) -> End:
        """A branch: a piece for each region, and a block for what comes after them."""
        after = self._joined(op, rest, results, then)
        pieces = [self._piece(*_body(region.blocks[0]), after) for region in op.regions]
        return Branch(op.name, self.var(op.operands[0]), pieces)

    def _joined(self, op: Any, rest: Sequence[Any], results: Sequence[ir.Value], then: Then) -> Then:
        if not rest:

            def last(made: list[Var]) -> End:
                of = dict(zip(op.results, made, strict=True))
                return then([of.get(var, var) for var in map(self.var, results)])

            return last
        block = self._block(op, self._piece(rest, results, then), ())
        return lambda made: Go(block, dict(zip(op.results, made, strict=True)))

    def loop(self, op: Any, rest: Sequence[Any], results: Sequence[ir.Value], then: Then) -> End:
        """A loop: a block that asks the condition, whose parameters are the carry and what is needed later."""
        asking, doing = (region.blocks[0] for region in op.regions)
        carry: list[Var] = list(doing.arguments)
        self._same |= dict(zip(asking.arguments, carry, strict=True))
        after = self._block(op, self._piece(rest, results, then), ())
        header = self._new(op)
        first = list(op.operands)
        kept = [self.var(value) for value in outer_values(op)[len(first) :]]
        header.parameters = self._local(
            [*carry, *kept, *(var for var in after.parameters if var not in set(op.results))]
        )

        def chosen(made: list[Var]) -> End:
            again = self._piece(*_body(doing), lambda made: Go(header, dict(zip(carry, made, strict=True))))
            done = Piece([], Go(after, dict(zip(op.results, carry, strict=True))))
            return Branch("stablehlo.if", made[0], [again, done])

        header.piece = self._piece(*_body(asking), chosen)
        return Go(header, dict(zip(carry, map(self.var, first), strict=True)))


_CUTS: dict[str, Callable[[Program, Any, Sequence[Any], Sequence[ir.Value], Then], End]] = {
    "nimble.make_node": Program.make,
    "nimble.recursive_call": Program.recur,
    "stablehlo.case": Program.branch,
    "stablehlo.if": Program.branch,
    "stablehlo.while": Program.loop,
}


def callee_of(op: Any) -> str:
    """The function that a `nimble.start_recursion` or `nimble.recursive_call` calls."""
    return ir.FlatSymbolRefAttr(op.attributes["callee"]).value


def outer_values(op: Any) -> list[ir.Value]:
    """The values that an op reads, its operands first, and those that its regions read and that stand outside of it."""
    inside: set[ir.Value] = set()
    read = list(op.operands)
    if any(True for _ in op.regions):
        for inner in (op, *everything(op)):
            inside.update(
                argument for region in inner.regions for block in region.blocks for argument in block.arguments
            )
            if inner is not op:
                inside.update(inner.results)
                read += inner.operands
    return [value for value in read if value not in inside]


def _body(block: ir.Block) -> tuple[list[Any], list[ir.Value]]:
    """The ops of a block without those that only make arguments of calls and read their results; and what it yields."""
    ops = [op.operation for op in block.operations]
    return [op for op in ops[:-1] if not _is_tuple_of_call(op)], list(terminator(block).operands)


def _is_tuple_of_call(op: Any) -> bool:
    if op.name == "stablehlo.tuple":
        return all(use.owner.name in _CALLS for use in op.results[0].uses)
    return op.name == "stablehlo.get_tuple_element" and op.operands[0].owner.name == "nimble.recursive_call"


def _asked(end: End) -> list[Var]:
    """What an end itself reads."""
    match end:
        case Return(results):
            return results
        case Go(block, given):
            return [given.get(var, var) for var in block.parameters]
        case Call(_, args, block):
            return [*args, *(block.parameters if block is not None else ())]
        case Make(_, args, block):
            return [*args, *block.parameters]
        case Branch(_, index, _):
            return [index]

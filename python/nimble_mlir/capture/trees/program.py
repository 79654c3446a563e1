"""Recursive functions as blocks between their calls: what a machine with a stack runs (machine.py).

In: jaxprs with `call_p` where a function calls itself or another one. Out: blocks. A block computes something without a call
and ends: it returns, calls and names the block that goes on with the result, goes to another block, or chooses how to go on.
What a block needs from before are its parameters, which stand in the frame of the call.

Branches and loops that hold a call are cut up: what comes after them is a block, and so is each iteration. Calls of jitted,
checkpointed and custom-derivative functions are inlined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core as jex_core
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import CaptureError

from ..bodies import refuse

__all__ = [
    "Block",
    "Branch",
    "Call",
    "End",
    "Go",
    "Make",
    "Piece",
    "Program",
    "Return",
    "Target",
    "call_p",
    "enter_p",
    "make_p",
]

Var = Any  # jax.extend.core.Var
Atom = Any  # a variable, or a literal

call_p = Primitive("nimble_recursive_call")
call_p.multiple_results = True

_ADVICE = "a call of an nm.recursive function that runs on a stack cannot be {}"


@call_p.def_abstract_eval
def _abstract_eval(*args: Any, target: Target) -> Any:
    return [jax.core.ShapedArray(spec.shape, spec.dtype) for spec in target.result_specs]


ad.primitive_jvps[call_p] = refuse(_ADVICE.format("differentiated"))
batching.primitive_batchers[call_p] = refuse(
    _ADVICE.format("batched by vmap: call the function in a loop, or give it a batch of values (Tree.batch)")
)


# A value that the recursion makes: `heap` has the nodes of its type, `index` is the number of the constructor.
make_p = Primitive("nimble_make_value")
make_p.multiple_results = True


@make_p.def_abstract_eval
def _abstract_eval_of_value(*fields: Any, heap: Any, index: int) -> Any:
    return [jax.core.ShapedArray((), np.dtype(np.int32))]


ad.primitive_jvps[make_p] = refuse(_ADVICE.format("differentiated"))
batching.primitive_batchers[make_p] = refuse(
    "values of an nm.adt cannot be made under vmap: make them one after the other"
)

# What a machine computes with goes through this, which says what cannot be done with all of it.
enter_p = Primitive("nimble_enter_recursion")
enter_p.multiple_results = True


@enter_p.def_abstract_eval
def _abstract_eval_of_entry(*values: Any) -> Any:
    return list(values)


mlir.register_lowering(enter_p, lambda ctx, *values: values)
ad.primitive_jvps[enter_p] = refuse(_ADVICE.format("differentiated"))
batching.primitive_batchers[enter_p] = refuse(
    _ADVICE.format("batched by vmap: use jax.lax.map or a loop, or give the function a batch of values (Tree.batch)")
)


class Target:
    """A function for arguments of certain shapes: `entry` is the block that a call begins with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.result_specs: list[Any] = []
        self.entry: Block


@dataclass(frozen=True)
class Return:
    """The call ends with these results."""

    results: list[Atom]


@dataclass(frozen=True)
class Go:
    """On to another block of the same call, whose parameters are their own values or those of `given`."""

    block: Block
    given: Mapping[Var, Atom]


@dataclass(frozen=True)
class Call:
    """A call; `block` goes on with its results. Without a block, the call's results are this one's (a tail call)."""

    target: Target
    args: list[Atom]
    block: Block | None


@dataclass(frozen=True)
class Make:
    """A new node of a heap, of the constructor `index`; `block` goes on with its number."""

    heap: Any
    index: int
    args: list[Atom]
    block: Block


@dataclass(frozen=True)
class Branch:
    """On with the piece of this index."""

    index: Atom
    pieces: list[Piece]


End = Return | Go | Call | Make | Branch


@dataclass(frozen=True)
class Piece:
    """Equations without a call, and what comes then."""

    equations: list[Any]
    end: End

    def free(self) -> dict[Var, None]:
        """The variables from before that are used here or later, in order."""
        used: dict[Var, None] = {}
        _add(used, (atom for equation in self.equations for atom in equation.invars))
        _add(used, self.asked())
        for piece in self.end.pieces if isinstance(self.end, Branch) else ():
            used.update(piece.free())
        made = {var for equation in self.equations for var in equation.outvars}
        return {var: None for var in used if var not in made}

    def asked(self) -> list[Atom]:
        """What the end itself reads."""
        match self.end:
            case Return(results):
                return results
            case Go(block, given):
                return [given.get(var, var) for var in block.parameters]
            case Call(_, args, block):
                return [*args, *(block.parameters if block is not None else ())]
            case Make(_, _, args, block):
                return [*args, *block.parameters]
            case Branch(index, _):
                return [index]


@dataclass(eq=False)
class Block:
    """`results` are the variables that hold the results of the call that ended before it."""

    number: int
    parameters: list[Var] = field(default_factory=list)
    results: list[Var] = field(default_factory=list)
    piece: Piece | None = None


def _add(used: dict[Var, None], atoms: Iterable[Atom]) -> None:
    used.update({atom: None for atom in atoms if not isinstance(atom, jex_core.Literal)})


Then = Callable[[list[Atom]], End]


class Program:
    """The blocks of all functions. `heaps` are those of the types that they make values of; `constants` are the variables
    that stand for values from outside, with those."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.heaps: list[Any] = []
        self.constants: dict[Var, Any] = {}

    def add(self, target: Target, body: Any) -> None:
        """Cuts up a function: `body` (bodies.py) takes its constants, then the arguments."""
        copies = [jex_core.Var(var.aval) for var in body.jaxpr.jaxpr.invars]
        count = len(body.consts)
        self.constants |= dict(zip(copies[:count], body.consts, strict=True))
        target.entry = self._new()
        target.entry.parameters = copies[count:]
        target.entry.piece = self._piece(*self._copied(body.jaxpr, copies), Return)

    def _new(self) -> Block:
        block = Block(len(self.blocks))
        self.blocks.append(block)
        return block

    def _piece(self, equations: Sequence[Any], results: list[Atom], then: Then) -> Piece:
        """The equations up to the first call, and blocks for the rest, which ends with `then(results)`."""
        for position, equation in enumerate(equations):
            if not _has_call(equation):
                continue
            before, rest = list(equations[:position]), equations[position + 1 :]
            if equation.primitive is call_p:
                return Piece(before, self._call(equation, rest, results, then))
            if equation.primitive is make_p:
                block = self._block(rest, results, then, equation.outvars)
                if equation.params["heap"] not in self.heaps:
                    self.heaps.append(equation.params["heap"])
                return Piece(before, Make(**equation.params, args=list(equation.invars), block=block))
            cut = _CUTS.get(equation.primitive.name)
            if cut is not None:
                return Piece(before, cut(self, equation, rest, results, then))
            copied, made = self._copied(_inlined(equation), equation.invars)
            renamed = dict(zip(equation.outvars, made, strict=True))
            following = [_renamed(other, renamed) for other in rest]
            return self._piece(
                [*before, *copied, *following], [_look_up(renamed, atom) for atom in results], _after(then, renamed)
            )
        return Piece(list(equations), then(results))

    def _block(self, equations: Sequence[Any], results: list[Atom], then: Then, given: Sequence[Var]) -> Block:
        """What goes on after a call or a branch, whose results are `given`."""
        block = self._new()
        block.piece = self._piece(equations, results, then)
        block.results = list(given)
        block.parameters = self.local(block.piece.free(), given)
        return block

    def local(self, used: Iterable[Var], but: Iterable[Var] = ()) -> list[Var]:
        """The variables that a frame has to hold."""
        others = set(but)
        return [var for var in used if var not in self.constants and var not in others]

    def _copied(self, inner: Any, args: Sequence[Atom]) -> tuple[list[Any], list[Atom]]:
        """The equations of a jaxpr for these arguments, with variables of their own, and its results."""
        jaxpr, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
        renamed: dict[Var, Atom] = dict(zip(jaxpr.invars, args, strict=True))
        for var, const in zip(jaxpr.constvars, consts, strict=True):
            renamed[var] = jex_core.Var(var.aval)
            self.constants[renamed[var]] = const
        equations = []
        for equation in jaxpr.eqns:
            outvars = [jex_core.Var(var.aval) for var in equation.outvars]
            renamed_in = _renamed(equation, renamed)
            equations.append(renamed_in.replace(outvars=outvars))
            renamed |= dict(zip(equation.outvars, outvars, strict=True))
        return equations, [_look_up(renamed, atom) for atom in jaxpr.outvars]

    def _call(self, equation: Any, rest: Sequence[Any], results: list[Atom], then: Then) -> End:
        target = equation.params["target"]
        if not rest and then is Return and results == list(equation.outvars):
            return Call(target, list(equation.invars), None)
        return Call(target, list(equation.invars), self._block(rest, results, then, equation.outvars))

    def branch(self, equation: Any, rest: Sequence[Any], results: list[Atom], then: Then) -> End:
        """`lax.cond` and `lax.switch`: a piece for each branch, and a block for what comes after them."""
        after = self._joined(rest, results, then, equation.outvars)
        index, *args = equation.invars
        pieces = [self._piece(*self._copied(branch, args), after) for branch in equation.params["branches"]]
        return Branch(index, pieces)

    def _joined(self, rest: Sequence[Any], results: list[Atom], then: Then, outvars: Sequence[Var]) -> Then:
        if not rest:
            return lambda made: then([_look_up(dict(zip(outvars, made, strict=True)), atom) for atom in results])
        block = self._block(rest, results, then, ())
        return lambda made: Go(block, dict(zip(outvars, made, strict=True)))

    def loop(self, equation: Any, rest: Sequence[Any], results: list[Atom], then: Then) -> End:
        """`lax.while_loop`: a block that asks the condition, whose parameters are the carry and what is needed later."""
        params = equation.params
        of_condition, of_body = params["cond_nconsts"], params["body_nconsts"]
        consts, first = equation.invars[: of_condition + of_body], equation.invars[of_condition + of_body :]
        carry = [jex_core.Var(var.aval) for var in equation.outvars]
        after = self._block(rest, results, then, ())
        header = self._new()
        needed = self.local(after.parameters, equation.outvars)
        kept = self.local(atom for atom in consts if not isinstance(atom, jex_core.Literal))
        header.parameters = list(dict.fromkeys([*carry, *kept, *needed]))

        def chosen(made: list[Atom]) -> End:
            again = self._piece(
                *self._copied(params["body_jaxpr"], [*consts[of_condition:], *carry]),
                lambda made: Go(header, dict(zip(carry, made, strict=True))),
            )
            return Branch(made[0], [Piece([], Go(after, dict(zip(equation.outvars, carry, strict=True)))), again])

        condition = self._copied(params["cond_jaxpr"], [*consts[:of_condition], *carry])
        header.piece = self._piece(*condition, chosen)
        return Go(header, dict(zip(carry, first, strict=True)))

    def scan(self, equation: Any, rest: Sequence[Any], results: list[Atom], then: Then) -> End:
        """`lax.scan`: the `while_loop` that does the same."""
        avals = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in equation.invars]
        as_loop = jax.make_jaxpr(lambda *args: _as_while(equation.params, args))(*avals)
        copied, made = self._copied(as_loop, equation.invars)
        renamed = dict(zip(equation.outvars, made, strict=True))
        piece = self._piece(
            [*copied, *(_renamed(other, renamed) for other in rest)],
            [_look_up(renamed, atom) for atom in results],
            _after(then, renamed),
        )
        return Go(self._entered(piece), {})

    def _entered(self, piece: Piece) -> Block:
        block = self._new()
        block.piece = piece
        block.parameters = self.local(piece.free())
        return block


def _after(then: Then, renamed: Mapping[Var, Atom]) -> Then:
    return then if then is Return else lambda made: then([_look_up(renamed, atom) for atom in made])


_CUTS: dict[str, Callable[[Program, Any, Sequence[Any], list[Atom], Then], End]] = {
    "cond": Program.branch,
    "scan": Program.scan,
    "while": Program.loop,
}


def _as_while(params: Mapping[str, Any], args: Sequence[Any]) -> Any:
    fixed, carried, length = params["num_consts"], params["num_carry"], params["length"]
    consts, first, xs = args[:fixed], list(args[fixed : fixed + carried]), args[fixed + carried :]
    call = jex_core.jaxpr_as_fun(params["jaxpr"])
    rows = [jnp.zeros((length, *aval.shape), aval.dtype) for aval in params["jaxpr"].out_avals[carried:]]

    def step(state: Any) -> Any:
        index, carry, rows = state
        at = length - 1 - index if params["reverse"] else index
        made = call(*consts, *carry, *(lax.dynamic_index_in_dim(x, at, keepdims=False) for x in xs))
        rows = [lax.dynamic_update_index_in_dim(row, y, at, 0) for row, y in zip(rows, made[carried:], strict=True)]
        return index + 1, made[:carried], rows

    _, last, rows = lax.while_loop(lambda state: state[0] < length, step, (jnp.int32(0), first, rows))
    return [*last, *rows]


def _has_call(equation: Any) -> bool:
    return equation.primitive in (call_p, make_p) or any(
        _has_call(inner) for jaxpr in jex_core.jaxprs_in_params(equation.params) for inner in jaxpr.eqns
    )


def _inlined(equation: Any) -> Any:
    """The jaxpr that an equation calls with its operands."""
    for name in ("jaxpr", "call_jaxpr"):
        inner = equation.params.get(name)
        if inner is not None and len(getattr(inner, "jaxpr", inner).invars) == len(equation.invars):
            return inner
    raise CaptureError(
        f"a recursive call within '{equation.primitive}' cannot be compiled; call the function outside of it"
    )


def _look_up(renamed: Mapping[Var, Atom], atom: Atom) -> Atom:
    return atom if isinstance(atom, jex_core.Literal) else renamed.get(atom, atom)


def _renamed(equation: Any, renamed: Mapping[Var, Atom]) -> Any:
    return equation.replace(invars=[_look_up(renamed, atom) for atom in equation.invars])

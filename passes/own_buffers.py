"""Buffers of their own for what is updated in place: a workaround for a bug of IREE 3.13.

IREE copies a shared tensor before it is updated, but computes one that depends on no other tensor (a fill, say) once for
each of its users instead, then takes the equal computations for one, and so several updates go into one buffer. What
`copied` makes is another computation for each user. test/python/models/test_workarounds.py fails when that is mended, for
concatenations test_shared_destinations.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from nimble_mlir.mlir import arith, ir, linalg, tensor

from .lowering.arithmetic import one, zero
from .marks import APART, OWN
from .regions import is_within, precedes, statements
from .symbol_table import constant_index

__all__ = ["VIEWS", "copied", "own_destinations", "reads_destination"]

# Ops whose result is the buffer of their first operand.
VIEWS = frozenset("nimble.tie_shape tensor.cast tensor.collapse_shape tensor.expand_shape tensor.reshape".split())

# What these compute depends on their operands alone.
_FROM_OPERANDS = ("linalg.", "tensor.", "nimble.tie_shape")


def copied(value: ir.Value, sizes: Sequence[ir.Value]) -> ir.Value:
    """The same elements in another buffer; `sizes` are the dynamic ones. IREE cannot tell that they are the same."""
    type_ = ir.RankedTensorType(value.type)
    true = arith.constant(ir.IntegerType.get_signless(1), 1)
    # What is not selected is unknown too: were it a constant, a fill of that constant would fold the select away.
    apart, other = (
        ir.Operation.create("util.optimization_barrier", results=[true.type], operands=[true]).result for _ in range(2)
    )
    empty = ir.Operation.create("tensor.empty", results=[type_], operands=list(sizes)).result
    identity = ir.AffineMapAttr.get(ir.AffineMap.get_identity(type_.rank))
    parallel = [ir.Attribute.parse("#linalg.iterator_type<parallel>")] * type_.rank
    copy = linalg.GenericOp([type_], [value], [empty], ir.ArrayAttr.get([identity] * 2), ir.ArrayAttr.get(parallel))
    element = type_.element_type
    block = copy.regions[0].blocks.append(element, element)
    with ir.InsertionPoint(block):
        unselected = arith.select(other, one(element), zero(element))
        linalg.YieldOp([arith.select(apart, block.arguments[0], unselected)])
    return copy.results[0]


def own_destinations(function: Any) -> None:
    """Each slice is inserted into a buffer of its own, where what it is inserted into is used elsewhere and depends on no
    other tensor; so is what a kernel updates, where another tensor may turn out to be equal; what is exported as a buffer
    of its own is copied; what is computed from the tensor that it is inserted into is computed apart."""
    _own_updates(function)
    _own_concatenations(function)
    for op in statements(function):
        if op.name == "nimble.export" and OWN in op.attributes:
            with ir.InsertionPoint(op), op.location:
                op.operands[0] = copied(op.operands[0], list(op.operands)[1:])
            del op.attributes[OWN]
        if op.name == "tensor.insert_slice" and reads_destination(op):
            # Behind a barrier it is another dispatch that writes. IREE 3.13 makes one that computes from a tensor and
            # writes to it meanwhile.
            with ir.InsertionPoint(op), op.location:
                op.operands[0] = _materialized(op.operands[0])
        if op.name == "tensor.insert_slice" and (
            _is_read_later(op.operands[1], op) or (_is_shared(op.operands[1], op) and _depends_on_none(op.operands[1]))
        ):
            with ir.InsertionPoint(op), op.location:
                op.operands[1] = copied(op.operands[1], _sizes(op.operands[1]))


def _own_updates(function: Any) -> None:
    """Copies what is updated where IREE does not see that something else has the same buffer.

    What depends on no other tensor may be equal to others: zeros of two shapes are one buffer if IREE finds that they have
    as many elements. In a loop IREE computes it once, for all iterations. And it does not see whose buffer lies behind the
    barrier of a loop that is gone.
    """
    from_nothing: dict[Any, list[tuple[Any, int]]] = {}
    shared = []
    for op in statements(function):
        for update in _destinations(op):
            value = update[0].operands[update[1]]
            if _is_behind_barrier(value):
                shared.append(update)
            elif not _is_new(value) and _depends_on_none(value):
                type_ = ir.RankedTensorType(value.type)
                size = prod(type_.shape) if type_.has_static_shape else None
                from_nothing.setdefault((type_.element_type, size), []).append(update)
    for updates in from_nothing.values():
        shared += [update for update in updates if len(updates) > 1 or _is_in_loop(update[0])]
    for user, index in shared:
        value = user.operands[index]
        with ir.InsertionPoint(user), user.location:
            user.operands[index] = copied(
                value, list(user.operands)[1:] if user.name == "nimble.bind" else _sizes(value)
            )


def _own_concatenations(function: Any) -> None:
    """Where several concatenations to one type begin with one tensor, all but the first begin with a copy of it. IREE writes
    their parts one after the other into an empty tensor, takes the first insertions for one, and then writes what follows
    in each of them into one buffer."""
    begun: set[tuple[ir.Type, int, ir.Value]] = set()
    for op in statements(function):
        if op.name != "tensor.concat":
            continue
        key = op.results[0].type, op.attributes["dim"].value, op.operands[0]
        if key in begun:
            with ir.InsertionPoint(op), op.location:
                op.operands[0] = copied(op.operands[0], _sizes(op.operands[0]))
        begun.add(key)


def _destinations(op: Any) -> list[tuple[Any, int]]:
    """The operands that an op updates: of an insertion, and of the bindings that a kernel writes to."""
    if op.name == "tensor.insert_slice":
        return [(op, 1)]
    return [(binding.owner.operation, 0) for binding in op.opview.outputs] if op.name == "nimble.kernel" else []


def _is_behind_barrier(value: ir.Value) -> bool:
    while not isinstance(value.owner, ir.Block) and value.owner.name in VIEWS:
        if APART in value.owner.attributes:
            return True
        value = value.owner.operands[0]
    return False


def _is_new(value: ir.Value) -> bool:
    """Whether a tensor is what `copied` makes, or has no elements yet."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "linalg.generic":
        return not isinstance(owner, ir.Block) and owner.name == "tensor.empty"
    selects = [op for op in owner.operation.regions[0].blocks[0].operations if op.operation.name == "arith.select"]
    conditions = [select.operation.operands[0].owner for select in selects]
    return any(not isinstance(one, ir.Block) and one.name == "util.optimization_barrier" for one in conditions)


def _is_in_loop(op: Any) -> bool:
    owner = op.block.owner.operation
    return owner.name in ("scf.for", "scf.while") or (owner.name == "scf.if" and _is_in_loop(owner))


def reads_destination(insert: Any) -> bool:
    """Whether what is inserted is computed, by ops that may become one dispatch, from the tensor it is inserted into."""
    aliases: set[ir.Value] = set()
    value = insert.operands[1]
    while True:
        aliases.add(value)
        owner = value.owner
        if isinstance(owner, ir.Block) or owner.name not in (*VIEWS, "tensor.insert_slice"):
            break
        value = owner.operands[owner.name == "tensor.insert_slice"]
    seen: set[ir.Value] = set()
    waiting = [insert.operands[0]]
    while waiting:
        value = waiting.pop()
        if value in aliases:
            return True
        owner = value.owner
        if value in seen or isinstance(owner, ir.Block) or not owner.name.startswith(_FROM_OPERANDS):
            continue
        seen.add(value)
        waiting += [operand for operand in owner.operands if _is_tensor(operand)]
    return False


def _materialized(value: ir.Value) -> ir.Value:
    barrier = ir.Operation.create("util.optimization_barrier", results=[value.type], operands=[value]).result
    sizes = _sizes(value)
    if not sizes:
        return barrier
    return ir.Operation.create("flow.tensor.tie_shape", results=[value.type], operands=[barrier, *sizes]).result


def _sizes(value: ir.Value) -> list[ir.Value]:
    type_ = ir.RankedTensorType(value.type)
    return [tensor.dim(value, constant_index(axis)) for axis in range(type_.rank) if type_.is_dynamic_dim(axis)]


def _is_shared(value: ir.Value, user: Any) -> bool:
    """Whether anything but `user` reads the value, or `user` is run several times for it."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return False
    if len(list(value.uses)) > 1 or owner.operation.block != user.block:
        return True
    return owner.name in VIEWS and _is_shared(owner.operands[0], user)


def _is_read_later(value: ir.Value, insert: Any) -> bool:
    """Whether anything reads a tensor behind the insertion into it. IREE 3.13 copies it then, but too late where the host
    waits in between."""
    while not isinstance(value.owner, ir.Block) and value.owner.name in VIEWS:
        value = value.owner.operands[0]
    waiting = [value]
    while waiting:
        for use in waiting.pop().uses:
            user = use.owner.operation
            if user.name in VIEWS:
                waiting.append(user.results[0])
            if user != insert and (precedes(insert, user) or not is_within(user.block, insert.block)):
                return True
    return False


def _depends_on_none(value: ir.Value) -> bool:
    seen: set[ir.Value] = set()
    waiting = [value]
    while waiting:
        owner = waiting.pop().owner
        if isinstance(owner, ir.Block) or not (owner.name == "arith.constant" or owner.name.startswith(_FROM_OPERANDS)):
            return False
        new = {operand for operand in owner.operands if _is_tensor(operand)} - seen
        seen |= new
        waiting += new
    return True


def _is_tensor(value: ir.Value) -> bool:
    return isinstance(value.type, ir.RankedTensorType)

"""Control flow on the host as branches between blocks. A part of `nimble-emit-iree`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from nimble_mlir.mlir import PassManager, arith, cf, ir

from .base import functions
from .regions import everything, statements

__all__ = ["to_branches"]

_NE = 1  # arith.cmpi predicate
_PASS = "builtin.module(convert-scf-to-cf)"


def to_branches(module: ir.Module) -> None:
    """Turns the scf ops of the functions into branches, but not those in the bodies of other ops (kernels, generics).

    IREE 3.13 crashes in its own conversion of scf.while, or makes invalid IR, where a loop stands in its body
    (eigenvalues in test/python/models/linear_algebra.py do so); it takes branches as they are.
    """
    with ir.Location.unknown(module.context):
        numbers = itertools.count()
        for function in functions(module):
            tell_apart(function, numbers)
        holders = [(op, _hidden(op)) for op in list(_bodies(module.operation))]
        passes = PassManager.parse(_PASS, module.context)
        passes.enable_verifier(False)  # the ops without their bodies are invalid meanwhile
        passes.run(module.operation)
        for function in functions(module):
            widen_arguments(function)
        for op, holder in holders:
            _move_blocks(holder, op)
            holder.erase()


def tell_apart(function: Any, numbers: Iterator[int]) -> None:
    """Ends every first branch of a condition with an assertion that always holds and is like no other, and puts another one
    behind a condition that may hand on what stood before it.

    IREE 3.13 makes one block of branches that do the same to different tensors. Where they only hand tensors on, it then
    selects the tensor, element by element, as if both had one size. Where they run kernels, the block gets buffers and
    sizes as arguments, and its VM may overwrite half of a 64-bit argument with one of 32 bits: the order in which it moves
    registers (RegisterAllocation.cpp) does not know that they overlap. A tensor that a branch hands on and whose last use
    is the first op behind the condition shares its register with the result.
    """
    size = _argument_size(function)
    for op in statements(function):
        if op.name != "scf.if":
            continue
        number = size if size is not None else _number_behind(op.operands[0])
        if number is None:
            continue  # no size of an argument and no integer of the host to say it of
        (*_, last) = op.regions[0].blocks[0].operations
        places = [(ir.InsertionPoint(last), "the end of")]
        if _hands_on_tensors(op):
            places.append((ir.InsertionPoint.after(op), "behind"))
        branch = next(numbers)
        for place, where in places:
            with place, op.location:
                # No number is 3 and 5 at once; IREE, which would drop what it sees to hold, does not look at both.
                differs = [arith.cmpi(_NE, number, arith.constant(number.type, value)) for value in (3, 5)]
                cf.assert_(arith.ori(*differs), f"{where} branch {branch}")


def _hands_on_tensors(op: Any) -> bool:
    return any(not isinstance(result.type, ir.IndexType | ir.IntegerType | ir.FloatType) for result in op.results)


def _argument_size(function: Any) -> ir.Value | None:
    """A dynamic size of an argument."""
    for op in function.entry_block.operations:
        if op.operation.name == "tensor.dim" and isinstance(op.operands[0].owner, ir.Block):
            return op.results[0]
        if op.operation.name.startswith("scf."):
            break
    return None


def _number_behind(condition: ir.Value) -> ir.Value | None:
    """An integer that the host reads and a condition depends on."""
    waiting = [condition]
    while waiting:
        value = waiting.pop()
        owner = value.owner
        if isinstance(owner, ir.Block) or not owner.operation.name.startswith("arith."):
            if isinstance(value.type, ir.IndexType) or (
                isinstance(value.type, ir.IntegerType) and value.type.width > 3
            ):
                return value
            continue
        waiting += list(owner.operation.operands)
    return None


def widen_arguments(function: Any) -> None:
    """Gives all numbers that branches hand on 64 bits: the other half of what `tell_apart` says of IREE's VM."""
    wide = ir.IntegerType.get_signless(64)
    (region,) = function.operation.regions
    narrow = {}
    for block in list(region.blocks)[1:]:
        for argument in block.arguments:
            type_ = argument.type
            if isinstance(type_, ir.IntegerType | ir.FloatType) and type_.width < wide.width:
                narrow[block, argument.arg_number] = type_
    for block in region.blocks:
        last = list(block.operations)[-1].operation
        for successor, first in _edges(last):
            for number in range(len(successor.arguments)):
                if (successor, number) in narrow:
                    with ir.InsertionPoint(last), last.location:
                        last.operands[first + number] = _bits(last.operands[first + number], wide)
    for (block, number), type_ in narrow.items():
        argument = block.arguments[number]
        argument.set_type(wide)
        with ir.InsertionPoint.at_block_begin(block), block.operations[0].location:
            bits = arith.trunci(ir.IntegerType.get_signless(type_.width), argument)
            value = bits if bits.type == type_ else arith.bitcast(type_, bits)
        argument.replace_all_uses_except(value, bits.owner.operation)


def _bits(value: ir.Value, wide: ir.IntegerType) -> ir.Value:
    if isinstance(value.type, ir.FloatType):
        value = arith.bitcast(ir.IntegerType.get_signless(value.type.width), value)
    return arith.extui(wide, value)


def _edges(terminator: Any) -> list[tuple[Any, int]]:
    """The blocks that a branch goes to, and which of its operands is the first that each gets."""
    if terminator.name == "cf.br":
        return [(terminator.successors[0], 0)]
    if terminator.name == "cf.cond_br":
        holds, fails = terminator.successors
        return [(holds, 1), (fails, 1 + len(holds.arguments))]
    return []


def _bodies(operation: Any) -> Iterator[Any]:
    """The outermost ops in functions and their control flow that have control flow in their own bodies."""
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                inner = op.operation
                if inner.name.startswith(("func.", "scf.")):
                    yield from _bodies(inner)
                elif any(below.name.startswith("scf.") for below in everything(inner)):
                    yield inner


def _hidden(op: Any) -> Any:
    """An op outside of the module that holds the body of `op`, whose values are its own."""
    holder = ir.Operation.create("nimble.holder", regions=len(op.regions), infer_type=False)
    _move_blocks(op, holder)
    return holder


def _move_blocks(source: Any, target: Any) -> None:
    for region, other in zip(source.regions, target.regions, strict=True):
        for block in list(region.blocks):
            block.append_to(other)

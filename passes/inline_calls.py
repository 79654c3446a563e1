"""`nimble-inline-calls`: private functions into their callers. In: a module with calls. Out: only entry functions,
and recursive ones, which `nimble-explicit-stack` lowers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.mlir import func, ir

from .base import ModulePass, entry_functions, fail, functions, location_text
from .call_blocks import callee_of
from .regions import everything

__all__ = ["InlineCalls"]

# Ops that stand for a function's body → the attribute that names the function.
_CALLEE = {"func.call": "callee", "stablehlo.composite": "decomposition"}

# Ops that call recursive functions, which stay.
_RECURSION = frozenset({"nimble.start_recursion", "nimble.recursive_call"})


@dataclass(frozen=True)
class InlineCalls(ModulePass):
    """Inlines every call and composite, takes tuples apart, and erases the private functions that nothing calls any more.

    Upstream's `inline` refuses callees with ops of dialects defined in Python, so nimble has its own.

        func.func @main(%x) { %0 = call @f(%x) return %0 }
        func.func private @f(%a) { %1 = stablehlo.sine %a return %1 }
      ==>
        func.func @main(%x) { %1 = stablehlo.sine %x return %1 }
    """

    name: ClassVar[str] = "nimble-inline-calls"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError for recursion by ordinary calls."""
        callees = {function.name.value: function for function in functions(module)}
        done: set[str] = set()
        kept: set[str] = set()
        waiting = entry_functions(module)
        while waiting:
            function = waiting.pop()
            kept.add(function.name.value)
            _inline_into(function, callees, done, ())
            _take_tuples_apart(function)
            called = {callee_of(op) for op in everything(function.operation) if op.name in _RECURSION}
            waiting += [callees[name] for name in called - kept if name in callees]
        for name, function in callees.items():
            if name not in kept and "nimble.shape_of" not in function.attributes:
                function.erase()


def _inline_into(function: Any, callees: dict[str, Any], done: set[str], stack: tuple[str, ...]) -> None:
    name = function.name.value
    if name in done:
        return
    for call in [op for op in everything(function.operation) if op.name in _CALLEE]:
        callee_name = ir.FlatSymbolRefAttr(call.attributes[_CALLEE[call.name]]).value
        if callee_name in (*stack, name):
            raise fail(call, f"function '{callee_name}' calls itself; recursion cannot be inlined")
        callee = callees.get(callee_name)
        if callee is None or callee.is_external:
            raise fail(call, f"function '{callee_name}' has no body in this module")
        _inline_into(callee, callees, done, (*stack, name))
        _inline_call(call, callee)
    done.add(name)


def _take_tuples_apart(function: Any) -> None:
    """Elements of tuples that are made in the function are read where the tuple got them."""
    tuples = [op for op in everything(function.operation) if op.name == "stablehlo.tuple"]
    for element in [op for op in everything(function.operation) if op.name == "stablehlo.get_tuple_element"]:
        made = element.operands[0].owner
        if not isinstance(made, ir.Block) and made.operation.name == "stablehlo.tuple":
            element.results[0].replace_all_uses_with(made.operation.operands[element.attributes["index"].value])
            element.erase()
    for made in reversed(tuples):
        if not list(made.results[0].uses):
            made.erase()


def _inline_call(call: Any, callee: Any) -> None:
    copy = callee.operation.clone()
    block = copy.regions[0].blocks[0]
    for argument, operand in zip(block.arguments, call.operands, strict=True):
        argument.replace_all_uses_with(operand)
    operations = list(block.operations)
    for op in operations[:-1]:
        op.operation.move_before(call)
        _locate(op.operation, call.location)
    returned = operations[-1]
    assert isinstance(returned, func.ReturnOp)
    for result, value in zip(call.results, returned.operands, strict=True):
        result.replace_all_uses_with(value)
    call.erase()
    copy.erase()


def _locate(op: Any, caller: ir.Location) -> None:
    """Ops of library functions that say no file of the user's own get the call's location beside theirs."""
    if location_text(op.location) is None:
        op.location = ir.Location.callsite(op.location, [caller])
        for inner in everything(op):
            if location_text(inner.location) is None:
                inner.location = ir.Location.callsite(inner.location, [caller])

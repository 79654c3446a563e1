"""`nimble-inline-calls`: private functions into their callers. In: a module with calls. Out: only entry functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.mlir import func, ir

from .base import ModulePass, entry_functions, fail, functions, location_text

__all__ = ["InlineCalls"]


@dataclass(frozen=True)
class InlineCalls(ModulePass):
    """Inlines every call and erases the private functions that nothing calls any more.

    Upstream's `inline` refuses callees with ops of dialects defined in Python, so nimble has its own.

        func.func @main(%x) { %0 = call @f(%x) return %0 }
        func.func private @f(%a) { %1 = stablehlo.sine %a return %1 }
      ==>
        func.func @main(%x) { %1 = stablehlo.sine %x return %1 }
    """

    name: ClassVar[str] = "nimble-inline-calls"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError for recursion, which is lowered to loops before this pass or not at all."""
        callees = {function.name.value: function for function in functions(module)}
        done: set[str] = set()
        entries = entry_functions(module)
        for entry in entries:
            _inline_into(entry, callees, done, ())
        kept = {entry.name.value for entry in entries}
        for name, function in callees.items():
            if name not in kept and "nimble.shape_of" not in function.attributes:
                function.erase()


def _inline_into(function: Any, callees: dict[str, Any], done: set[str], stack: tuple[str, ...]) -> None:
    name = function.name.value
    if name in done:
        return
    for call in [op for op in _walk(function.operation) if op.name == "func.call"]:
        callee_name = ir.FlatSymbolRefAttr(call.attributes["callee"]).value
        if callee_name in (*stack, name):
            raise fail(call, f"function '{callee_name}' calls itself; recursion cannot be inlined")
        callee = callees.get(callee_name)
        if callee is None or callee.is_external:
            raise fail(call, f"function '{callee_name}' has no body in this module")
        _inline_into(callee, callees, done, (*stack, name))
        _inline_call(call, callee)
    done.add(name)


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
        for inner in _walk(op):
            if location_text(inner.location) is None:
                inner.location = ir.Location.callsite(inner.location, [caller])


def _walk(operation: Any):
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                yield op.operation
                yield from _walk(op.operation)

"""`nimble-emit-iree`: what the IREE compiler is handed. In: stage linalg. Out: stage iree: symbols are `util.assume.int`,
checks are `cf.assert` with their tag, and arguments are tied to the symbols' values by `flow.tensor.tie_shape`.

IREE's ops are made as unregistered ops: its dialects are not in this MLIR distribution, and their bytecode is read by
the IREE compiler all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from nimble_mlir.dialects import attr_to_dim
from nimble_mlir.dims import DimExpr, SymbolInfo
from nimble_mlir.mlir import arith, cf, ir

from .base import ModulePass, entry_functions, functions
from .data_tiling import choose_data_tiling
from .edge_buffers import barrier, copy_duplicates
from .host_branches import to_branches
from .iree_views import emit_views
from .kernel_dispatch import emit_kernels
from .marks import APART
from .own_buffers import own_destinations
from .regions import statements
from .resolve_dims import SIZE_SOURCE
from .signature import argument_attribute
from .symbol_table import DimBuilder, SymbolTable

__all__ = ["CHECK_TAG", "PARAMETER_SCOPE", "EmitIree"]

# The scope of IREE parameters under which a module looks for its constants.
PARAMETER_SCOPE = "nimble"

# The message of a failed check starts with it; the Python and C++ wrappers find it in IREE's status text.
CHECK_TAG = "[nimble.check {kind}] {message}"

_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True)
class EmitIree(ModulePass):
    """Turns nimble's run-time ops into the ops that IREE has for them, and binds the dims of arguments.

      %s = "nimble.symbol"(%d) {symbol = @s, bounds = {min = 1, max = 512}}
      "nimble.check"(%ok) {kind = "symbol_range", message = "…"}
    ==>
      %s = "util.assume.int"(%d) {assumptions = [[#util.int.assumption<umin = 1, umax = 512>]]}
      cf.assert %ok, "[nimble.check symbol_range] …"
      %x1 = "flow.tensor.tie_shape"(%x, %s)
    """

    name: ClassVar[str] = "nimble-emit-iree"

    def run(self, module: ir.Module) -> None:
        """Never fails on a module that `nimble-verify-level{level=linalg}` accepts."""
        module.context.allow_unregistered_dialects = True
        entries = {function.name.value for function in entry_functions(module)}
        globals_: dict[str, tuple[ir.Type, ir.Location]] = {}
        for function in functions(module):
            _load_constants(function, globals_)
            if function.name.value in entries:
                _tie_arguments(function)
            for op in statements(function):
                copy_duplicates(op)
            own_destinations(function)
            for op in statements(function):
                _emit(op)
            emit_views(function)
            emit_kernels(function.operation)
            choose_data_tiling(function)
            _pair_constants(function)
            _drop_attributes(function)
        _declare_globals(module, globals_)
        to_branches(module)


def _load_constants(function: Any, globals_: dict[str, tuple[ir.Type, ir.Location]]) -> None:
    """`nimble.constant` ops become loads of globals; the globals' types and first places are collected."""
    for op in statements(function):
        if op.name != "nimble.constant":
            continue
        key, type_ = op.attributes["key"].value, op.result.type
        parameter, _ = globals_.setdefault(key, (_parameter_type(type_), op.location))
        with ir.InsertionPoint(op), op.location:
            value = ir.Operation.create(
                "util.global.load", results=[parameter], attributes={"global": ir.FlatSymbolRefAttr.get(key)}
            ).result
            if value.type != type_:
                value = _bitcast(value, type_)
        op.result.replace_all_uses_with(value)
        op.erase()


def _pair_constants(function: Any) -> None:
    """Constants of one complex number of 128 bits are made of two of 64: IREE 3.13 has no splat of so many bits
    (test_workarounds.py)."""
    for op in statements(function):
        if op.name != "arith.constant" or not isinstance(op.results[0].type, ir.RankedTensorType):
            continue
        type_ = op.results[0].type
        if _parameter_type(type_) == type_ or prod(type_.shape) != 1:
            continue
        # From the text: the bindings (torch-mlir 20261001) raise where they meet a dense attribute of complex numbers.
        parts = re.search(r"dense<\(([^,()]+),\s*([^()]+)\)>", str(op))
        assert parts is not None, op
        pair = ir.RankedTensorType.get([2], ir.F64Type.get())
        with ir.InsertionPoint(op), op.location:
            numbers = arith.constant(pair, ir.Attribute.parse(f"dense<[{parts[1]}, {parts[2]}]> : {pair}"))
            op.results[0].replace_all_uses_with(_bitcast(numbers, type_))
        op.erase()


def _bitcast(value: ir.Value, type_: ir.Type) -> ir.Value:
    segments = ir.DenseI32ArrayAttr.get([1, 0, 0])  # the value; no dynamic sizes of it and of the result
    return ir.Operation.create(
        "flow.tensor.bitcast", results=[type_], operands=[value], attributes={"operandSegmentSizes": segments}
    ).result


def _parameter_type(type_: Any) -> ir.Type:
    """The type of a constant as a parameter: complex numbers of 128 bits are pairs, since IREE 3.13 divides by zero where
    it packs parameters of them (test_workarounds.py)."""
    element = type_.element_type
    if isinstance(element, ir.ComplexType) and isinstance(element.element_type, ir.F64Type):
        return ir.RankedTensorType.get([*type_.shape, 2], element.element_type)
    return type_


def _declare_globals(module: ir.Module, globals_: dict[str, tuple[ir.Type, ir.Location]]) -> None:
    """A private global for each constant, whose value is the parameter of that name."""
    with ir.InsertionPoint.at_block_begin(module.body), ir.Location.unknown():
        for key, (type_, location) in globals_.items():
            value = ir.Attribute.parse(f'#flow.parameter.named<"{PARAMETER_SCOPE}"::"{key}"> : {type_}')
            attributes = {
                "sym_name": ir.StringAttr.get(key),
                "sym_visibility": ir.StringAttr.get("private"),
                "type": ir.TypeAttr.get(type_),
                "initial_value": value,
            }
            ir.Operation.create("util.global", attributes=attributes, loc=location)


def _tie_arguments(function: Any) -> None:
    """Every use of a dynamic argument goes through a `flow.tensor.tie_shape` that names its dims' one SSA values.

    Sizes that a check finds equal keep their own values: told that they are one, IREE 3.13 folds the check away."""
    block = function.entry_block
    table = SymbolTable(function)
    builder = DimBuilder(block, table.values)
    for position, argument in enumerate(block.arguments):
        stated = argument_attribute(function, position, "nimble.dims")
        type_ = argument.type
        if stated is None or not isinstance(type_, ir.RankedTensorType) or type_.has_static_shape:
            continue
        dims = [attr_to_dim(entry) for entry in ir.ArrayAttr(stated)]
        dynamic = [dim for axis, dim in enumerate(dims) if type_.is_dynamic_dim(axis)]
        _tie(builder, argument, dynamic)


def _tie(builder: DimBuilder, argument: ir.Value, dims: list[DimExpr]) -> None:
    users = [use.owner for use in argument.uses if SIZE_SOURCE not in use.owner.attributes]
    if not users:
        return
    with builder.insertion(dims) as sizes, argument.owner.owner.location:
        tied = _tie_shape(argument, sizes)
    for user in users:
        user.operation.replace_uses_of_with(argument, tied)


def _tie_shape(value: ir.Value, sizes: Sequence[ir.Value]) -> ir.Value:
    return ir.Operation.create("flow.tensor.tie_shape", results=[value.type], operands=[value, *sizes]).result


def _emit(op: Any) -> None:
    if op.name == "nimble.symbol":
        with ir.InsertionPoint(op), op.location:
            assumed = _assume(op.operands[0], op.opview.info)
        op.results[0].replace_all_uses_with(assumed)
        op.erase()
    elif op.name == "nimble.check":
        message = CHECK_TAG.format(kind=op.attributes["kind"].value, message=op.attributes["message"].value)
        with ir.InsertionPoint(op), op.location:
            cf.assert_(op.operands[0], message)
        op.erase()
    elif op.name == "nimble.tie_shape":
        with ir.InsertionPoint(op), op.location:
            value, *sizes = op.operands
            if APART in op.attributes:
                # On both sides: IREE asks for the sizes of what enters a barrier and finds none of a loop's result.
                value = barrier(_tie_shape(value, sizes) if sizes else value)
            tied = _tie_shape(value, sizes) if sizes else value
        op.results[0].replace_all_uses_with(tied)
        op.erase()
    elif op.name == "nimble.constraint":
        op.erase()
    elif op.name == "nimble.scan":
        _emit_scan(op)
    elif SIZE_SOURCE in op.attributes:
        del op.attributes[SIZE_SOURCE]


def _emit_scan(op: Any) -> None:
    """`iree_linalg_ext.scan`: one dispatch, a sequential loop along the dimension, the others in parallel."""
    attributes = {"dimension": op.attributes["dimension"], "inclusive": ir.BoolAttr.get(True)}
    types = [result.type for result in op.results]
    with ir.InsertionPoint(op), op.location:
        scan = ir.Operation.create(
            "iree_linalg_ext.scan", results=types, operands=list(op.operands), attributes=attributes, regions=1
        )
        op.regions[0].blocks[0].append_to(scan.regions[0])
        end = list(scan.regions[0].blocks[0].operations)[-1].operation
        with ir.InsertionPoint(end), end.location:
            ir.Operation.create("iree_linalg_ext.yield", operands=list(end.operands))
        end.erase()
    for before, after in zip(op.results, scan.results, strict=True):
        before.replace_all_uses_with(after)
    op.erase()


def _assume(value: ir.Value, info: SymbolInfo) -> ir.Value:
    """`util.assume.int` with the symbol's bounds; without an upper bound only the divisor and minimum are said.

    Its bounds are unsigned: nothing is said of a symbol that may be negative, such as an amount of padding."""
    if info.min < 0:
        return value
    facts = [f"umin = {max(info.min, 0)}", f"umax = {info.max if info.max is not None else _INT64_MAX}"]
    if info.multiple_of > 1:
        facts.append(f"udiv = {info.multiple_of}")
    assumption = ir.Attribute.parse(f"#util.int.assumption<{', '.join(facts)}>")
    attributes = {"assumptions": ir.ArrayAttr.get([ir.ArrayAttr.get([assumption])])}
    return ir.Operation.create("util.assume.int", results=[value.type], operands=[value], attributes=attributes).result


def _drop_attributes(function: Any) -> None:
    """Capture's own marks on functions and arguments mean nothing to IREE."""
    for name in [key for key in function.attributes if key.startswith("nimble.")]:
        del function.attributes[name]
    for key in ("arg_attrs", "res_attrs"):
        if key in function.attributes:
            del function.attributes[key]

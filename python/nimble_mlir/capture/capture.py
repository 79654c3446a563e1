"""Capture: JAX functions with example arguments into a `Program` at stage stablehlo.

In: functions and pytrees of arrays, ShapeDtypeStructs or Python numbers. Out: one module with a public function an
entry, whose arguments carry names and dims, and whose large constants are in the pool.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from nimble_mlir.dialects import ConstantOp, dim_to_attr, new_context
from nimble_mlir.dialects.symbols import bounds_to_attr
from nimble_mlir.dims import Constraint, Scope, SymbolInfo
from nimble_mlir.dims.signature import ArgumentSpec, CallTree, EntryPoint, ResultSpec
from nimble_mlir.dims.tree import Tree
from nimble_mlir.errors import CaptureError
from nimble_mlir.mlir import ir, parse_stablehlo_artifact, stablehlo_version
from nimble_mlir.passes.constants import ConstantPool, extract_constants
from nimble_mlir.passes.program import Program

from .calls import rename_calls
from .specs import LeafSpec, argument_names, flatten_specs, leaf_spec
from .symbols import scope_of, single_scope
from .trace import Traced, trace

__all__ = ["capture"]

Entry = tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]


def capture(entries: Mapping[str, Entry]) -> Program:
    """Captures one or more functions into one program; equal constants of several functions are held once."""
    context = new_context()
    constants = ConstantPool()
    module: ir.Module | None = None
    signatures: dict[str, EntryPoint] = {}
    treedefs: dict[str, Any] = {}
    for name, (fn, args, kwargs) in entries.items():
        signature, traced, defs = _trace_entry(name, fn, args, kwargs)
        with context:
            part = parse_stablehlo_artifact(context, traced.artifact)
        _annotate(part, name, signature, traced, constants)
        module = part if module is None else _merge(module, part)
        signatures[name], treedefs[name] = signature, defs
    assert module is not None
    with context, ir.Location.unknown():
        extract_constants(module, constants)
    return Program(context, module, signatures, constants, treedefs)


def _trace_entry(
    name: str, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[EntryPoint, Traced, Any]:
    if not isinstance(args, tuple | list):
        raise CaptureError(f"example_args must be a tuple of arguments, got {type(args).__name__}; write (x,) for one")
    names = argument_names(fn, len(args), list(kwargs))
    leaves = flatten_specs(args, kwargs, names)
    jax_scope = single_scope([(leaf.name, dim) for leaf in leaves for dim in leaf.jax_spec.shape])
    symbols = _symbols_in_order(leaves)
    scope = scope_of(jax_scope, symbols)
    treedef = jax.tree_util.tree_structure((tuple(args), dict(kwargs)))
    positional, keyword = jax.tree_util.tree_unflatten(treedef, [leaf.jax_spec for leaf in leaves])
    arguments = tuple(ArgumentSpec(leaf.name, leaf.dtype, leaf.dims, leaf.kind, leaf.key_impl) for leaf in leaves)
    in_tree = CallTree(
        tuple((names[i], Tree.from_treedef(jax.tree_util.tree_structure(arg))) for i, arg in enumerate(args)),
        tuple((key, Tree.from_treedef(jax.tree_util.tree_structure(kwargs[key]))) for key in sorted(kwargs)),
    )
    infos, constraints = _declared(scope, symbols)
    # Unsolvable symbols are found before JAX traces: the message is about the arguments, not about the function.
    EntryPoint(name, arguments, (), in_tree, Tree("tuple"), infos, constraints).plan  # noqa: B018
    traced = trace(fn, positional, keyword, stablehlo_version(), jax_scope, symbols)
    results = tuple(
        _result(jax.tree_util.keystr(path), leaf)
        for path, leaf in jax.tree_util.tree_flatten_with_path(traced.out_info)[0]
    )
    out_def = jax.tree_util.tree_structure(traced.out_info)
    signature = EntryPoint(
        name, arguments, results, in_tree, Tree.from_treedef(out_def), infos, constraints, _file_line(fn)
    )
    return signature, traced, (treedef, out_def)


def _symbols_in_order(leaves: Sequence[LeafSpec]) -> list[str]:
    return list(dict.fromkeys(symbol for leaf in leaves for dim in leaf.dims for symbol in sorted(dim.symbols)))


def _declared(scope: Scope, symbols: Sequence[str]) -> tuple[tuple[SymbolInfo, ...], tuple[Constraint, ...]]:
    return tuple(scope.info(name) for name in symbols), tuple(scope.constraints)


def _result(path: str, leaf: Any) -> ResultSpec:
    spec = leaf_spec(path or "result", leaf)
    return ResultSpec(path, spec.dtype, spec.dims, "key" if spec.kind == "key" else "array", spec.key_impl)


def _file_line(fn: Callable[..., Any]) -> str | None:
    code = getattr(inspect.unwrap(fn), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None


def _annotate(module: ir.Module, name: str, signature: EntryPoint, traced: Traced, constants: ConstantPool) -> None:
    """Names the entry function, states names and dims of its arguments, and puts the constants into its body."""
    functions = [op for op in module.body.operations if op.operation.name == "func.func"]
    main = next(function for function in functions if function.name.value == "main")
    with module.context, ir.Location.unknown():
        _rename(functions, main, name)
        block = main.entry_block
        # A function without arguments has no attributes of arguments.
        old = (
            list(main.attributes["arg_attrs"])
            if "arg_attrs" in main.attributes
            else [ir.DictAttr.get()] * len(block.arguments)
        )
        variables = sum("jax.global_constant" in ir.DictAttr(attrs) for attrs in old)
        first = variables + len(traced.constants)
        with ir.InsertionPoint.at_block_begin(block):
            for array, argument in zip(traced.constants, block.arguments[variables:first], strict=True):
                constant = ConstantOp(argument.type, ir.StringAttr.get(constants.add(array)))
                argument.replace_all_uses_with(constant.result)
        for _ in traced.constants:
            block.erase_argument(variables)
        for _ in range(traced.unused):
            block.erase_argument(len(block.arguments) - 1)
        stated = [
            ir.DictAttr.get(
                {
                    "nimble.name": ir.StringAttr.get(argument.name),
                    "nimble.dims": ir.ArrayAttr.get([dim_to_attr(dim) for dim in argument.dims]),
                }
            )
            for argument in signature.arguments
        ]
        main.attributes["arg_attrs"] = ir.ArrayAttr.get([*old[:variables], *stated])
        type_ = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
        inputs = [argument.type for argument in block.arguments]
        main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, list(type_.results)))
        main.attributes["nimble.symbols"] = ir.DictAttr.get(
            {info.name: bounds_to_attr(info) for info in signature.symbols}
        )
        main.attributes["nimble.constraints"] = ir.ArrayAttr.get(
            [ir.StringAttr.get(str(constraint)) for constraint in signature.constraints]
        )


def _rename(functions: Sequence[Any], main: Any, name: str) -> None:
    """Gives the entry its name and its private functions that name as a prefix, so that modules can be merged."""
    new = {f.name.value: name if f == main else f"{name}.{f.name.value}" for f in functions}
    for function in functions:
        function.attributes["sym_name"] = ir.StringAttr.get(new[function.name.value])
        if function != main:  # JAX lowers the computations of custom calls as public functions
            function.attributes["sym_visibility"] = ir.StringAttr.get("private")
        rename_calls(function.operation, new)


def _merge(module: ir.Module, part: ir.Module) -> ir.Module:
    last = module.body.operations[len(module.body.operations) - 1]
    for op in list(part.body.operations):
        op.operation.move_after(last.operation)
        last = op
    return module

"""The signature of an entry function as the capture states it in attributes, and how to change a function's type.

Function: `nimble.symbols = {s = {min = 1, max = 512}}`, `nimble.constraints = ["b*s <= 4096"]`. Argument: `nimble.name =
"ids"`, `nimble.dims = [@b, @s]`, or JAX's `jax.global_constant = "s"` on a dimension variable. A function without them
(StableHLO of somebody else) gets a symbol for each dynamic dimension of its arguments; on an argument whose elements are
sizes, `nimble.values = [@n]` names the symbols that they are, and `nimble.signed` says that they may be negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dialects import attr_to_dim, bounds_to_attr, dim_to_attr, dims_of, symbol_info
from nimble_mlir.dialects.dtypes import dtype_name
from nimble_mlir.dims import Constraint, DimExpr, Plan, Scope, SymbolInfo, argument_sources, make_plan
from nimble_mlir.dims.signature import ArgumentSpec, CallTree, EntryPoint, ResultSpec
from nimble_mlir.dims.tree import LEAF, Tree
from nimble_mlir.mlir import ir

__all__ = [
    "ArgumentDims",
    "EntrySignature",
    "argument_attribute",
    "drop_argument_attribute",
    "entry_point",
    "erase_arguments",
    "read_signature",
    "set_argument_attribute",
    "set_type",
    "state_signature",
]

_BOUNDS_DIALECT = "#stablehlo.bounds"


@dataclass(frozen=True)
class ArgumentDims:
    """One tensor argument: its position in the function, its name, its dims, and its elements where they are sizes."""

    position: int
    name: str
    dims: tuple[DimExpr, ...]
    values: tuple[DimExpr, ...] = ()


@dataclass(frozen=True)
class EntrySignature:
    """What is known of an entry function before inference: `dimension_variables` maps positions to symbol names."""

    arguments: tuple[ArgumentDims, ...]
    dimension_variables: dict[int, str]
    scope: Scope
    symbols: tuple[SymbolInfo, ...]
    constraints: tuple[Constraint, ...]

    @property
    def names(self) -> list[str]:
        """The names of the tensor arguments, in order."""
        return [argument.name for argument in self.arguments]

    def plan(self) -> Plan:
        """How the symbols are solved from the sizes of the arguments."""
        sources = [
            source
            for index, argument in enumerate(self.arguments)
            for source in argument_sources(index, argument.dims, argument.values)
        ]
        return make_plan(sources, self.scope, names=self.names)


def argument_attribute(function: Any, position: int, key: str) -> ir.Attribute | None:
    """The attribute `key` of an argument, None where it has none."""
    if "arg_attrs" not in function.attributes:
        return None
    attributes = ir.DictAttr(function.attributes["arg_attrs"][position])
    return attributes[key] if key in attributes else None


def set_argument_attribute(function: Any, position: int, key: str, value: ir.Attribute) -> None:
    """Sets the attribute `key` of an argument."""
    stated = _argument_attributes(function)
    stated[position][key] = value
    function.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(entry) for entry in stated])


def drop_argument_attribute(function: Any, key: str) -> None:
    """Takes the attribute `key` from all arguments."""
    if "arg_attrs" in function.attributes:
        kept = [{name: attr for name, attr in entry.items() if name != key} for entry in _argument_attributes(function)]
        function.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(entry) for entry in kept])


def read_signature(function: Any) -> EntrySignature:
    """The signature from the function's attributes, or from its types where it has none.

    Raises ValueError where the attributes contradict the types or each other.
    """
    arguments: list[ArgumentDims] = []
    variables: dict[int, str] = {}
    fresh: dict[str, SymbolInfo] = {}
    for position, argument in enumerate(function.entry_block.arguments):
        variable = argument_attribute(function, position, "jax.global_constant")
        if variable is not None:
            variables[position] = ir.StringAttr(variable).value
            continue
        name = argument_attribute(function, position, "nimble.name")
        text = ir.StringAttr(name).value if name is not None else f"arg{len(arguments)}"
        dims = argument_attribute(function, position, "nimble.dims")
        if dims is not None:
            exprs = tuple(attr_to_dim(entry) for entry in ir.ArrayAttr(dims))
            _check_rank(text, argument.type, exprs)
        else:
            exprs = _fresh_dims(argument.type, text, fresh)
        stated = argument_attribute(function, position, "nimble.values")
        values = () if stated is None else tuple(attr_to_dim(entry) for entry in ir.ArrayAttr(stated))
        signed = argument_attribute(function, position, "nimble.signed") is not None
        for symbol in (value.as_symbol() for value in values):
            if symbol is not None:
                least = -(1 << (argument.type.element_type.width - 1)) if signed else 0
                fresh[symbol] = SymbolInfo(symbol, min=least)
        arguments.append(ArgumentDims(position, text, exprs, values))
    symbols = dict(fresh)
    if "nimble.symbols" in function.attributes:
        for entry in ir.DictAttr(function.attributes["nimble.symbols"]):
            symbols[entry.name] = symbol_info(entry.name, ir.DictAttr(entry.attr))
    for argument in arguments:
        used = frozenset().union(*(dim.symbols for dim in (*argument.dims, *argument.values)))
        for symbol in sorted(used - symbols.keys()):
            raise ValueError(f"argument '{argument.name}' has symbol '{symbol}', which nimble.symbols does not declare")
    constraints: list[Constraint] = []
    if "nimble.constraints" in function.attributes:
        constraints = [Constraint.parse(entry.value) for entry in function.attributes["nimble.constraints"]]
    scope = Scope(symbols, constraints)
    return EntrySignature(tuple(arguments), variables, scope, tuple(symbols.values()), tuple(constraints))


def state_signature(function: Any, signature: EntrySignature) -> None:
    """Writes names, dims, symbols and constraints as attributes, once the dimension variables are gone."""
    function.attributes["nimble.symbols"] = ir.DictAttr.get(
        {info.name: bounds_to_attr(info) for info in signature.symbols}
    )
    function.attributes["nimble.constraints"] = ir.ArrayAttr.get(
        [ir.StringAttr.get(str(constraint)) for constraint in signature.constraints]
    )
    stated = []
    for argument, kept in zip(signature.arguments, _argument_attributes(function), strict=True):
        dims = ir.ArrayAttr.get([dim_to_attr(dim) for dim in argument.dims])
        kept |= {"nimble.name": ir.StringAttr.get(argument.name), "nimble.dims": dims}
        stated.append(ir.DictAttr.get(kept))
    if stated:
        function.attributes["arg_attrs"] = ir.ArrayAttr.get(stated)


def entry_point(function: Any) -> EntryPoint:
    """The signature of a function at stage nimble, for programs that came without one: flat arrays in and out."""
    signature = read_signature(function)
    block = function.entry_block
    types = [block.arguments[argument.position].type for argument in signature.arguments]
    arguments = tuple(
        ArgumentSpec(argument.name, dtype_name(type_.element_type), argument.dims, values=argument.values)
        for argument, type_ in zip(signature.arguments, types, strict=True)
    )
    returned = block.operations[len(block.operations) - 1].operands
    lone = len(returned) == 1
    results = tuple(
        ResultSpec("" if lone else f"[{i}]", dtype_name(value.type.element_type), dims_of(value.type) or ())
        for i, value in enumerate(returned)
    )
    out_tree = LEAF if lone else Tree("tuple", children=(LEAF,) * len(results))
    in_tree = CallTree.of_arrays(*signature.names)
    name = function.name.value
    return EntryPoint(name, arguments, results, in_tree, out_tree, signature.symbols, signature.constraints)


def _argument_attributes(function: Any) -> list[dict[str, ir.Attribute]]:
    if "arg_attrs" not in function.attributes:
        return [{} for _ in function.entry_block.arguments]
    return [{entry.name: entry.attr for entry in ir.DictAttr(attrs)} for attrs in function.attributes["arg_attrs"]]


def _check_rank(name: str, type_: ir.Type, dims: Sequence[DimExpr]) -> None:
    rank = type_.rank if isinstance(type_, ir.RankedTensorType) else 0
    if rank != len(dims):
        raise ValueError(f"argument '{name}' is {type_}, but nimble.dims states {len(dims)} dims")


def _fresh_dims(type_: ir.Type, name: str, fresh: dict[str, SymbolInfo]) -> tuple[DimExpr, ...]:
    if not isinstance(type_, ir.RankedTensorType):
        return ()
    maxima: list[int | None] = [None] * type_.rank
    if type_.encoding is not None and str(type_.encoding).startswith(_BOUNDS_DIALECT):
        inside = str(type_.encoding).partition("<")[2].rstrip(">")
        maxima = [None if entry.strip() == "?" else int(entry) for entry in inside.split(",")]
    dims: list[DimExpr] = []
    for axis in range(type_.rank):
        if not type_.is_dynamic_dim(axis):
            dims.append(DimExpr.constant(type_.get_dim_size(axis)))
            continue
        symbol = f"{name}_{axis}"
        # A StableHLO program says nothing of its sizes: 0 is one.
        fresh[symbol] = SymbolInfo(symbol, min=0, max=maxima[axis])
        dims.append(DimExpr.symbol(symbol))
    return tuple(dims)


def set_type(function: Any, inputs: Sequence[ir.Type] | None = None, results: Sequence[ir.Type] | None = None) -> None:
    """Changes a function's declared type; the block arguments and returned values are the caller's matter."""
    old = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    new = ir.FunctionType.get(
        list(old.inputs) if inputs is None else list(inputs), list(old.results) if results is None else list(results)
    )
    function.attributes["function_type"] = ir.TypeAttr.get(new)


def erase_arguments(function: Any, drop: Callable[[int], bool]) -> None:
    """Erases the arguments whose position `drop` selects; they have no uses left."""
    block = function.entry_block
    positions = range(len(block.arguments))
    if "arg_attrs" in function.attributes:
        attributes = list(function.attributes["arg_attrs"])
        function.attributes["arg_attrs"] = ir.ArrayAttr.get([attributes[i] for i in positions if not drop(i)])
    for position in reversed(positions):
        if drop(position):
            block.erase_argument(position)
    set_type(function, inputs=[argument.type for argument in block.arguments])

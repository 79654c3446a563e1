"""What a compiled module says about itself: entry points with arguments, results, structure, symbols and constraints.

In: JSON text from the reflection data of a .vmfb, or values from the compiler. Out: immutable descriptions that the
runtime checks calls against. Each exported function carries one JSON text with its entry and the facts about the whole
module; the text begins with the schema and the versions, so that they are found without the IREE runtime.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nimble_mlir.dims.constraint import Constraint, SymbolInfo
from nimble_mlir.dims.expr import DimExpr
from nimble_mlir.dims.plan_data import plan_data
from nimble_mlir.dims.scope import Scope
from nimble_mlir.dims.size_range import SizeRange, size_range
from nimble_mlir.dims.solve import Plan, argument_sources, make_plan
from nimble_mlir.dims.tree import LEAF, Tree
from nimble_mlir.errors import LoadError, ShapeError

__all__ = ["REFLECTION_KEY", "SCHEMA", "ArgumentSpec", "CallTree", "EntryPoint", "ResultSpec", "Signature"]

SCHEMA = 1
REFLECTION_KEY = "nimble.signature"  # the key in `iree.reflection` of every exported function

Kind = Literal["array", "key", "scalar"]


def _dims_text(dtype: str, dims: Sequence[DimExpr]) -> str:
    return f"{dtype}[{', '.join(map(str, dims))}]"


def _dims_from(data: Sequence[int | str]) -> tuple[DimExpr, ...]:
    return tuple(DimExpr.parse(dim) if isinstance(dim, str) else DimExpr.constant(dim) for dim in data)


def _dims_json(dims: Sequence[DimExpr]) -> list[int | str]:
    return [dim.constant_value if dim.is_constant else str(dim) for dim in dims]


@dataclass(frozen=True)
class ArgumentSpec:
    """One array that goes in. `name` is the parameter with the path inside of it ("params['w']").

    `dtype` is a numpy or ml_dtypes name. Kind "scalar" was a Python number when compiled: Python numbers and 0-d
    arrays of the same kind of number are taken. Kind "key" is a JAX key array, which crosses as the uint32 array of
    its key data (`dims` include the trailing ones of the data); `key_impl` names its implementation.

    `read_only` states that the function never writes to the argument's buffer, so that it may be the caller's own
    memory. IREE 3.13 does write to the buffer of an argument that is updated (insert_slice, scatter or a linalg `outs`
    on it), although the argument is not consumed; such an argument is copied for each call.

    `values` are the elements of a scalar or vector of integers that the function takes sizes from; () for data.

    `donated` states that the caller gives the array away, so that its own memory may be updated.
    """

    name: str
    dtype: str
    dims: tuple[DimExpr, ...]
    kind: Kind = "array"
    key_impl: str | None = None
    read_only: bool = False
    values: tuple[DimExpr, ...] = ()
    donated: bool = False

    def __str__(self) -> str:
        text = _dims_text(self.dtype, self.dims)
        return f"{text} (key {self.key_impl})" if self.kind == "key" else text


@dataclass(frozen=True)
class ResultSpec:
    """One array that comes out; `path` is its place in the returned structure ("[0]['logits']", "" for a lone one)."""

    path: str
    dtype: str
    dims: tuple[DimExpr, ...]
    kind: Kind = "array"
    key_impl: str | None = None

    __str__ = ArgumentSpec.__str__


@dataclass(frozen=True)
class CallTree:
    """The structure of a call: parameters that come by position (or by name), then those that come by name only."""

    positional: tuple[tuple[str, Tree], ...]
    keyword: tuple[tuple[str, Tree], ...] = ()

    @staticmethod
    def of_arrays(*names: str) -> CallTree:
        """Parameters that are one array each."""
        return CallTree(tuple((name, LEAF) for name in names))

    @functools.cached_property
    def is_flat(self) -> bool:
        """Whether all parameters are positional and one array each."""
        return not self.keyword and all(tree.kind == "leaf" for _, tree in self.positional)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """One value a parameter, in order. Raises ShapeError for missing, unexpected and doubly given arguments."""
        names = [name for name, _ in self.positional]
        if len(args) > len(names):
            listed = f" ({', '.join(map(repr, names))})" if names else ""
            were = "1 positional argument was" if len(args) == 1 else f"{len(args)} positional arguments were"
            are = "is" if len(names) == 1 else "are"
            raise ShapeError(f"{were} given, but {len(names) or 'none'} {are} expected{listed}")
        values = dict(zip(names, args, strict=False))
        names += [name for name, _ in self.keyword]
        for name, value in kwargs.items():
            if name not in names:
                raise ShapeError(f"unexpected argument '{name}'")
            if name in values:
                raise ShapeError(f"argument '{name}' is given twice, by position and by name")
            values[name] = value
        for name in names:
            if name not in values:
                raise ShapeError(f"missing argument '{name}'")
        return [values[name] for name in names]

    @property
    def parameters(self) -> tuple[tuple[str, Tree], ...]:
        """All parameters in the order of their leaves."""
        return self.positional + self.keyword


@dataclass(frozen=True)
class EntryPoint:
    """One function of a module. `arguments` and `results` are the leaves of `in_tree` and `out_tree`, in order.

    `function` is the exported symbol in the .vmfb (empty: the same as `name`); `file_line` is where the user defined
    it. Symbols that no argument determines are ones that the function defines as it runs; `known` holds of them. `work`
    estimates the scalar operations of a call from the symbols; None where loops decide, or sizes that the function defines.
    """

    name: str
    arguments: tuple[ArgumentSpec, ...]
    results: tuple[ResultSpec, ...]
    in_tree: CallTree
    out_tree: Tree
    symbols: tuple[SymbolInfo, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    file_line: str | None = None
    function: str = ""
    work: DimExpr | None = None
    known: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", self.function or self.name)
        for trees, leaves, what in (
            ([tree for _, tree in self.in_tree.parameters], self.arguments, "arguments"),
            ([self.out_tree], self.results, "results"),
        ):
            count = sum(tree.num_leaves for tree in trees)
            if count != len(leaves):
                raise ValueError(f"entry '{self.name}': {len(leaves)} {what} for a structure of {count} leaves")

    @functools.cached_property
    def argument_names(self) -> tuple[str, ...]:
        """The names of all arguments, for messages."""
        return tuple(argument.name for argument in self.arguments)

    @functools.cached_property
    def scope(self) -> Scope:
        """The declared symbols with the constraints on them."""
        return Scope({info.name: info for info in self.symbols}, self.constraints)

    @functools.cached_property
    def plan(self) -> Plan:
        """How the symbols are solved from the shapes of the arguments. Raises UnsolvableError."""
        sources = [
            source
            for index, argument in enumerate(self.arguments)
            for source in argument_sources(index, argument.dims, argument.values)
        ]
        return make_plan(sources, self.scope, self.argument_names)

    def solve(self, shapes: Sequence[Sequence[int]]) -> dict[str, int]:
        """The values of the symbols for the shapes of all arguments, `with_values` where those are sizes.

        Raises ShapeError."""
        for argument, shape in zip(self.arguments, shapes, strict=True):
            if argument.values:
                if len(shape) <= len(argument.dims):
                    raise ShapeError(f"argument '{argument.name}' says sizes: give its value, not only its shape")
            elif len(shape) != len(argument.dims):
                raise ShapeError(rank_message(argument, len(shape)))
        return self.plan.solve(shapes, self.argument_names, self.scope)

    def output_shapes(self, shapes: Sequence[Sequence[int]]) -> list[tuple[int | SizeRange, ...]]:
        """The shapes of all results for the shapes of all arguments, without running the function.

        A size that depends on values, and not only on sizes, is a `SizeRange`. Raises ShapeError where the arguments do not
        fit.
        """
        values = self.solve(shapes)
        return [tuple(size_range(dim, values, self.known) for dim in result.dims) for result in self.results]

    def to_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        data: dict[str, Any] = {
            "name": self.name,
            "function": self.function,
            "arguments": [
                {
                    **_leaf_data("name", leaf.name, leaf),
                    "read_only": leaf.read_only,
                    "values": _dims_json(leaf.values),
                    **({"donated": True} if leaf.donated else {}),
                }
                for leaf in self.arguments
            ],
            "results": [_leaf_data("path", leaf.path, leaf) for leaf in self.results],
            "in": {
                "positional": [[name, tree.to_json()] for name, tree in self.in_tree.positional],
                "keyword": [[name, tree.to_json()] for name, tree in self.in_tree.keyword],
            },
            "out": self.out_tree.to_json(),
            "symbols": [
                {
                    "name": info.name,
                    "min": info.min,
                    "max": info.max,
                    "multiple_of": info.multiple_of,
                    "likely": list(info.likely),
                }
                for info in self.symbols
            ],
            "constraints": [str(constraint) for constraint in self.constraints],
            "plan": plan_data(self.plan, self.scope),
            "file_line": self.file_line,
            "work": None if self.work is None else str(self.work),
            "known": [str(constraint) for constraint in self.known],
        }
        return data

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> EntryPoint:
        """The inverse of `to_data`. Raises KeyError, TypeError, ValueError or LoadError."""
        inputs = data["in"]
        return EntryPoint(
            name=data["name"],
            arguments=tuple(
                ArgumentSpec(
                    leaf["name"],
                    *_leaf_fields(leaf),
                    bool(leaf["read_only"]),
                    _dims_from(leaf.get("values", ())),
                    bool(leaf.get("donated", False)),
                )
                for leaf in data["arguments"]
            ),
            results=tuple(ResultSpec(leaf["path"], *_leaf_fields(leaf)) for leaf in data["results"]),
            in_tree=CallTree(
                tuple((name, Tree.from_json(tree)) for name, tree in inputs["positional"]),
                tuple((name, Tree.from_json(tree)) for name, tree in inputs["keyword"]),
            ),
            out_tree=Tree.from_json(data["out"]),
            symbols=tuple(SymbolInfo(**{**info, "likely": tuple(info["likely"])}) for info in data["symbols"]),
            constraints=tuple(Constraint.parse(text) for text in data["constraints"]),
            file_line=data["file_line"],
            function=data["function"],
            work=DimExpr.parse(data["work"]) if data.get("work") is not None else None,
            known=tuple(Constraint.parse(text) for text in data.get("known", ())),
        )

    def __str__(self) -> str:
        lines = [f"{self.name}({', '.join(f'{name}={tree}' for name, tree in self.in_tree.parameters)})"]
        lines[0] += f" -> {self.out_tree}" + (f"    # {self.file_line}" if self.file_line else "")
        lines += [f"    {argument.name}: {argument}" for argument in self.arguments]
        lines += [f"    -> {result.path + ': ' if result.path else ''}{result}" for result in self.results]
        limits = [text for info in self.symbols if (text := _symbol_text(info))]
        limits += map(str, self.constraints)
        return "\n".join(lines + ([f"    where {', '.join(limits)}"] if limits else []))


def rank_message(argument: ArgumentSpec, rank: int) -> str:
    """The text of the ShapeError for an array of another rank."""
    return f"argument '{argument.name}' has rank {rank}, but rank {len(argument.dims)} is expected ({argument})"


def _symbol_text(info: SymbolInfo) -> str:
    parts = [] if info.max is None else [f"{info.min} <= {info.name} <= {info.max}"]
    if info.max is None and info.min != 1:
        parts.append(f"{info.name} >= {info.min}")
    if info.multiple_of > 1:
        parts.append(f"{info.name} is a multiple of {info.multiple_of}")
    return ", ".join(parts)


def _leaf_data(label: str, text: str, leaf: ArgumentSpec | ResultSpec) -> dict[str, Any]:
    data = {label: text, "dtype": leaf.dtype, "dims": _dims_json(leaf.dims), "kind": leaf.kind}
    return data if leaf.key_impl is None else {**data, "key_impl": leaf.key_impl}


def _leaf_fields(data: Mapping[str, Any]) -> tuple[str, tuple[DimExpr, ...], Kind, str | None]:
    if data["kind"] not in ("array", "key", "scalar"):
        raise ValueError(f"unknown kind '{data['kind']}'")
    return data["dtype"], _dims_from(data["dims"]), data["kind"], data.get("key_impl")


@dataclass(frozen=True)
class Signature:
    """Everything that is known about a module: its entry points by name, and who made it for which target.

    `iree_version` is that of the compiler: a .vmfb runs on the runtime of the same X.Y. `driver` is the IREE device
    driver that the compiler recommends ("local-sync" for functions too small to share among threads), or None.
    """

    entries: Mapping[str, EntryPoint]
    nimble_version: str
    iree_version: str
    target: str = "llvm-cpu"
    driver: str | None = None
    cpu_features: tuple[str, ...] = ()
    schema: int = field(default=SCHEMA, init=False)

    def _header(self) -> dict[str, Any]:
        return {
            "nimble_schema": SCHEMA,  # these three first: the loader looks for them in the bytes of the file
            "nimble": self.nimble_version,
            "iree": self.iree_version,
            "target": self.target,
            "driver": self.driver,
            "cpu": list(self.cpu_features),
        }

    def to_json(self) -> str:
        """All entries in one text."""
        return _dump({**self._header(), "entries": [entry.to_data() for entry in self.entries.values()]})

    def entry_json(self, name: str) -> str:
        """The text for the reflection data (key `REFLECTION_KEY`) of the function of one entry."""
        return _dump({**self._header(), "entries": [self.entries[name].to_data()]})

    @staticmethod
    def from_json(*texts: str) -> Signature:
        """Read one text, or those of several entries of one module. Raises LoadError."""
        signatures = [_parse(text) for text in texts]
        if not signatures:
            raise LoadError("the module has no entry points")
        entries: dict[str, EntryPoint] = {}
        for signature in signatures:
            if signature._header() != signatures[0]._header():
                raise LoadError("the entry points of the module disagree about versions or target")
            for name, entry in signature.entries.items():
                if name in entries:
                    raise LoadError(f"the module has two entry points called '{name}'")
                entries[name] = entry
        return replace(signatures[0], entries=entries)

    def __str__(self) -> str:
        made_by = f"nimble_mlir {self.nimble_version}, IREE {self.iree_version}"
        return "\n".join([f"module for {self.target} ({made_by})", *map(str, self.entries.values())])


def _dump(data: Mapping[str, Any]) -> str:
    # ASCII: the compiler's reflection attributes are bytes, and escapes pass through every tool unchanged.
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True)


def _parse(text: str) -> Signature:
    try:
        data = json.loads(text)
        schema = data["nimble_schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise LoadError(f"malformed signature in the module: {text!r:.200}") from error
    if schema != SCHEMA:
        raise LoadError(
            f"the module's signature has schema {schema}, but this nimble_mlir reads schema {SCHEMA}: "
            f"it was compiled by nimble_mlir {data.get('nimble')}"
        )
    try:
        entries = [EntryPoint.from_data(entry) for entry in data["entries"]]
        return Signature(
            {entry.name: entry for entry in entries},
            data["nimble"],
            data["iree"],
            data["target"],
            data["driver"],
            tuple(data.get("cpu", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise LoadError(f"malformed signature in the module: {error!r}") from error

"""What a pass is: a frozen dataclass whose fields are its options, and a `run` that rewrites a module in place.

A failure is a `CompileError` (or `UnsupportedOpError`) that names the pass, the op and the user's file:line; `fail` makes
it from an op. There is one registry (registry.py), which maps a pass's name to the file that holds it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from nimble_mlir.errors import CompileError, NimbleError
from nimble_mlir.mlir import ir

__all__ = ["ModulePass", "entry_functions", "fail", "functions", "location_text"]


@dataclass(frozen=True)
class ModulePass(ABC):
    """A pass over a builtin module. Subclasses set `name` (such as "nimble-infer-dims") and document before ==> after."""

    name: ClassVar[str]

    @abstractmethod
    def run(self, module: ir.Module) -> None:
        """Rewrites `module` in place; raises a NimbleError where it cannot."""

    @classmethod
    def summary(cls) -> str:
        """The first line of the pass's docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def from_options(cls, options: dict[str, str]) -> ModulePass:
        """The pass with options given as text, as in `nimble-verify-level{level=nimble}`."""
        known = {field.name.replace("_", "-"): field for field in fields(cls)}
        values: dict[str, Any] = {}
        for key, text in options.items():
            field = known.get(key)
            if field is None:
                allowed = ", ".join(sorted(known)) or "none"
                raise CompileError(f"pass '{cls.name}' has no option '{key}'; it has: {allowed}")
            values[field.name] = _OPTION_TYPES[str(field.type)](text)
        return cls(**values)


_OPTION_TYPES = {"str": str, "int": int, "bool": lambda text: text.lower() in ("true", "1")}

_FILE_LOCATION = re.compile(r'"([^"\n]+)":(\d+):(\d+)')


def location_text(location: ir.Location) -> str | None:
    """The innermost `file:line` of a location, None where it has none."""
    match = _FILE_LOCATION.search(str(location))
    if match is None or match.group(1) in ("-", "<stdin>"):
        return None
    return f"{match.group(1)}:{match.group(2)}"


def fail(op: Any, message: str, error: type[NimbleError] = CompileError) -> NimbleError:
    """The error for `op`: `file:line: message`, with the op's location where the user's file is not known."""
    where = location_text(op.location)
    result = error(f"{where}: {message}" if where else message)
    result.location = op.location  # type: ignore[attr-defined]  # nimble-opt --verify-diagnostics matches it
    return result


def functions(module: ir.Module) -> list[Any]:
    """The `func.func` ops of a module, in order."""
    return [op for op in module.body.operations if op.operation.name == "func.func"]


def entry_functions(module: ir.Module) -> list[Any]:
    """The public functions with a body: the module's entry points (their shape functions excluded)."""
    return [
        function
        for function in functions(module)
        if _visibility(function) == "public"
        and not function.is_external
        and "nimble.shape_of" not in function.attributes
    ]


def _visibility(function: Any) -> str:
    attributes = function.attributes
    return attributes["sym_visibility"].value if "sym_visibility" in attributes else "public"

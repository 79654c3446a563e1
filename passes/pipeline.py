"""The pass pipeline: its textual form, how it is run, and the default pipeline as data.

In: text in MLIR's pipeline syntax, such as `builtin.module(nimble-infer-dims,func.func(cse))`. Upstream's own parser does
not know passes written in Python, so the text is parsed here; an upstream pass is handed to `PassManager` with the ops it
is nested in, one at a time, so that a failure names the pass. Out: the module, rewritten in place and verified after
every pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import groupby
from time import perf_counter
from typing import TextIO

from nimble_mlir.errors import CompileError, NimbleError
from nimble_mlir.mlir import PassManager, ir, make_context

from .base import ModulePass, location_text
from .registry import PASSES, pass_class

__all__ = ["DEFAULT_PIPELINE", "STAGES", "Instrumentation", "PassStep", "Pipeline", "parse_pipeline", "run_default"]

# (stage that holds afterwards, pipeline text), in order.
DEFAULT_PIPELINE: tuple[tuple[str, str], ...] = (
    (
        "nimble",
        "nimble-expand-windows,nimble-expand-approx-top-k,nimble-raise-recursion,nimble-raise-calls,nimble-inline-calls,"
        "nimble-linearize-recursion,nimble-batch-recursion,nimble-explicit-stack,nimble-erase-annotations,"
        "nimble-lower-lists,nimble-fold-constants,nimble-simplify-loops,nimble-bind-symbols,nimble-infer-dims,"
        "nimble-verify-level{level=nimble}",
    ),
    ("shapes", "nimble-synthesize-shape-functions,nimble-materialize-shapes,nimble-verify-level{level=shapes}"),
    (
        "linalg",
        # cse: what reads one value in two ways is seen only where equal values are one (lowering/crosswise.py).
        "cse,nimble-hoist-from-loops,nimble-lower-control-flow,nimble-reserve-capacity,nimble-loops-to-kernels,"
        "nimble-carry-in-place,nimble-legalize-to-linalg,stablehlo-legalize-to-linalg,nimble-resolve-dims,nimble-erase-dims,"
        # Before canonicalize: it hands values on from one phase to another, past the memory that all workgroups see.
        "nimble-hold-narrow-elements,nimble-share-kernels,canonicalize,cse,nimble-fold-extracts,nimble-verify-level{level=linalg}",
    ),
    ("iree", "nimble-emit-iree"),
)

STAGES: tuple[str, ...] = tuple(stage for stage, _ in DEFAULT_PIPELINE)

_MODULE = "builtin.module"

# The passes that choose lowerings by the target.
_BY_TARGET = re.compile(r"nimble-loops-to-kernels|nimble-legalize-to-linalg|nimble-share-kernels")


@dataclass
class Instrumentation:
    """What happens around each pass. `timings` gets (pass, seconds of the pass, seconds of the verification after it)."""

    before: Callable[[PassStep, ir.Module], None] | None = None
    after: Callable[[PassStep, ir.Module], None] | None = None
    verify: bool = True
    print_after_all: TextIO | None = None
    timings: list[tuple[str, float, float]] = field(default_factory=list)

    def timing_report(self) -> str:
        """A table of where the time went, in seconds and in percent, a line a pass."""
        rows = [(name, seconds) for name, seconds, _ in self.timings]
        rows.append(("(verification)", sum(seconds for _, _, seconds in self.timings)))
        total = sum(seconds for _, seconds in rows)
        rows.append(("Total", total))
        share = 100.0 / total if total else 0.0
        return "\n".join(f"  {seconds:8.4f} s  {seconds * share:5.1f}%  {name}" for name, seconds in rows)


@dataclass(frozen=True)
class PassStep:
    """One pass with its options as text, and the ops below the module that it is nested in.

    `nimble_pass` is the pass itself when it is one of nimble's; otherwise it is upstream's.
    """

    name: str
    options: str = ""
    anchors: tuple[str, ...] = ()
    nimble_pass: ModulePass | None = None

    def __str__(self) -> str:
        return f"{self.name}{{{self.options}}}" if self.options else self.name

    def run(self, module: ir.Module) -> None:
        """Runs the pass on `module`; a failure is a NimbleError that names it."""
        try:
            if self.nimble_pass is not None:
                self.nimble_pass.run(module)
            else:
                PassManager.parse(self._upstream_text()).run(module.operation)
        except NimbleError as error:
            _add_pass_name(error, self.name)
            raise
        except ir.MLIRError as error:
            raise _from_mlir(error, f"[pass {self.name}]") from None
        except Exception as error:
            error.add_note(f"in pass {self.name}")
            raise

    def verify_after(self, module: ir.Module) -> None:
        """Raises CompileError, naming this pass and the op, where `module` is not valid IR."""
        try:
            module.operation.verify()
        except ir.MLIRError as error:
            raise _from_mlir(error, f"[invalid IR after pass {self.name}]") from None

    def _upstream_text(self) -> str:
        text = str(self)
        for anchor in reversed((_MODULE, *self.anchors)):
            text = f"{anchor}({text})"
        return text


@dataclass(frozen=True)
class Pipeline:
    """A parsed pipeline; `str` gives its canonical text."""

    steps: tuple[PassStep, ...]

    def __str__(self) -> str:
        return f"{_MODULE}({_nested_text(self.steps, 0)})"

    def run(self, module: ir.Module, *, instrument: Instrumentation | None = None) -> None:
        """Runs the passes in order; raises a NimbleError that names the pass, the op and its file:line."""
        watch = instrument or Instrumentation()
        with module.context, ir.Location.unknown():
            for step in self.steps:
                _run_step(step, module, watch)


def run_default(
    module: ir.Module,
    *,
    after: str | None = None,
    until: str = STAGES[-1],
    target: str = "llvm-cpu",
    on_stage: Callable[[str, ir.Module], None] | None = None,
    instrument: Instrumentation | None = None,
) -> None:
    """Runs the default pipeline up to and with stage `until`; `on_stage(stage, module)` is called after each stage.

    With `after`, the module stands at that stage already. `target` is what IREE will compile for.
    """
    if until not in STAGES:
        raise CompileError(f"unknown stage '{until}'; the stages are {', '.join(STAGES)}")
    first = 0 if after is None else STAGES.index(after) + 1
    for stage, text in DEFAULT_PIPELINE[first : STAGES.index(until) + 1]:
        passes = text if target == "llvm-cpu" else _BY_TARGET.sub(rf"\g<0>{{target={target}}}", text)
        parse_pipeline(passes).run(module, instrument=instrument)
        if on_stage is not None:
            on_stage(stage, module)


def parse_pipeline(text: str) -> Pipeline:
    """Reads a pipeline; raises CompileError with the position and, for an unknown pass, the nearest name."""
    return Pipeline(tuple(_Parser(text).parse()))


def _run_step(step: PassStep, module: ir.Module, watch: Instrumentation) -> None:
    if watch.before is not None:
        watch.before(step, module)
    start = perf_counter()
    step.run(module)
    done = perf_counter()
    if watch.print_after_all is not None:
        print(f"// -----// IR Dump After {step} //----- //\n{module}", file=watch.print_after_all)
    verify_start = perf_counter()
    if watch.verify and step.nimble_pass is not None:  # the pass manager verifies after upstream's passes itself
        step.verify_after(module)
    watch.timings.append((str(step), done - start, perf_counter() - verify_start))
    if watch.after is not None:
        watch.after(step, module)


def _add_pass_name(error: NimbleError, name: str) -> None:
    if name not in str(error):
        error.args = (f"{error} [pass {name}]", *error.args[1:])


def _from_mlir(error: ir.MLIRError, suffix: str) -> CompileError:
    """The first diagnostic of an upstream failure, which is its cause, as `file:line: message suffix`."""
    diagnostics = error.error_diagnostics
    message = diagnostics[0].message if diagnostics else str(error)
    location = diagnostics[0].location if diagnostics else None
    where = location_text(location) if location is not None else None
    result = CompileError(f"{where}: {message} {suffix}" if where else f"{message} {suffix}")
    if location is not None:
        result.location = location  # type: ignore[attr-defined]  # as in base.fail
    return result


def _nested_text(steps: Sequence[PassStep], depth: int) -> str:
    parts = []
    for anchor, group in groupby(steps, lambda step: step.anchors[depth] if len(step.anchors) > depth else None):
        if anchor is None:
            parts += [str(step) for step in group]
        else:
            parts.append(f"{anchor}({_nested_text(list(group), depth + 1)})")
    return ",".join(parts)


_NAME = re.compile(r"[A-Za-z_][\w.$-]*")
_OPTION = re.compile(r"\s*([\w-]+)(?:=((?:\{[^}]*\}|\"[^\"]*\"|'[^']*'|[^\s{}])*))?\s*")


class _Parser:
    """A recursive-descent parser of `name`, `name{options}` and `op.name(pass,…)`, separated by commas."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def parse(self) -> Iterator[PassStep]:
        self._skip_space()
        if not self._at_end():
            steps = self._list((), at_top=True)
            if not self._at_end():
                raise self._error(self._position, f"expected ',' or the end, found '{self._text[self._position]}'")
            yield from steps

    def _list(self, anchors: tuple[str, ...], at_top: bool = False) -> list[PassStep]:
        steps: list[PassStep] = []
        while True:
            start = self._position
            name = self._name()
            if self._peek() == "(":
                whole = at_top and start == len(self._text) - len(self._text.lstrip()) and name == _MODULE
                steps += self._nested(() if whole else (*anchors, name), start)
                if whole:
                    return steps
            else:
                steps.append(self._pass(name, start, anchors))
            if self._peek() != ",":
                return steps
            self._advance()

    def _nested(self, anchors: tuple[str, ...], start: int) -> list[PassStep]:
        self._advance()
        if self._peek() == ")":
            self._advance()
            return []
        steps = self._list(anchors)
        if self._peek() != ")":
            name = _NAME.match(self._text, start)
            raise self._error(self._position, f"expected ',' or ')' to close '{name.group() if name else ''}('")
        self._advance()
        return steps

    def _pass(self, name: str, start: int, anchors: tuple[str, ...]) -> PassStep:
        options_at = self._position + 1
        options = " ".join(self._options().split()) if self._peek() == "{" else ""
        if name in PASSES:
            if anchors:
                raise self._error(start, f"pass '{name}' runs on the module and cannot be nested in '{anchors[-1]}'")
            with self._positioned(options_at if options else start):
                parsed = dict(_parse_options(options))
                return PassStep(name, options, (), pass_class(name).from_options(parsed))
        step = PassStep(name, options, anchors)
        self._check_upstream(step, start)
        return step

    def _options(self) -> str:
        """The text between the braces at the current position; braces may nest."""
        start, depth = self._position, 0
        for position in range(start, len(self._text)):
            depth += {"{": 1, "}": -1}.get(self._text[position], 0)
            if depth == 0:
                self._position = position
                self._advance()
                return self._text[start + 1 : position]
        raise self._error(start, "'{' is not closed")

    def _check_upstream(self, step: PassStep, start: int) -> None:
        try:
            PassManager.parse(step._upstream_text(), _current_context())
        except ValueError as error:
            if "does not refer to a registered pass" in str(error) and step.name in str(error):
                with self._positioned(start):
                    raise CompileError(_unknown_pass(step.name)) from None
            reason = " ".join(str(error).replace("<Pass-Options-Parser>:", "").split())
            raise self._error(start, f"pass '{step.name}': {reason}") from None

    @contextmanager
    def _positioned(self, position: int) -> Iterator[None]:
        try:
            yield
        except (NimbleError, ValueError) as error:
            raise self._error(position, str(error)) from None

    def _name(self) -> str:
        self._skip_space()
        match = _NAME.match(self._text, self._position)
        if match is None:
            found = f"'{self._text[self._position]}'" if not self._at_end() else "the end"
            raise self._error(self._position, f"expected the name of a pass or an op, found {found}")
        self._position = match.end()
        self._skip_space()
        return match.group()

    def _peek(self) -> str:
        return self._text[self._position] if not self._at_end() else ""

    def _advance(self) -> None:
        self._position += 1
        self._skip_space()

    def _skip_space(self) -> None:
        while not self._at_end() and self._text[self._position].isspace():
            self._position += 1

    def _at_end(self) -> bool:
        return self._position >= len(self._text)

    def _error(self, position: int, message: str) -> CompileError:
        return CompileError(f"pass pipeline:1:{position + 1}: {message}\n  {self._text}\n  {' ' * position}^")


def _parse_options(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _OPTION.match(text, position)
        if match is None or match.end() == position:
            raise ValueError(
                f"cannot read options '{text[position:]}'; they are written key=value, separated by spaces"
            )
        value = match.group(2)
        yield match.group(1), "true" if value is None else value.strip("\"'")
        position = match.end()


def _unknown_pass(name: str) -> str:
    known = [*PASSES, *re.findall(r"[\w-]+", ",".join(text for _, text in DEFAULT_PIPELINE))]
    near = get_close_matches(name, known, 1)
    return f"unknown pass '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")


def _current_context() -> ir.Context:
    return ir.Context.current or make_context()

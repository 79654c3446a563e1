"""A `Program` through the passes: the stages that all targets share once, the others for each target.

In: a program at stage stablehlo, which is rewritten in place. Out: the bytecode that the IREE compiler is handed, with the
signature as reflection data, and the text of the stages for those who ask for it. A `Snapshot` is a program as it was
captured, from which the same can be had once more.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import nimble_mlir
from nimble_mlir.dialects import new_context
from nimble_mlir.dims.signature import REFLECTION_KEY, EntryPoint, Signature
from nimble_mlir.mlir import ir
from nimble_mlir.passes.base import entry_functions
from nimble_mlir.passes.buffers import updated_arguments, work_estimate
from nimble_mlir.passes.constants import ConstantPool
from nimble_mlir.passes.defined_sizes import known_of_sizes
from nimble_mlir.passes.pipeline import DEFAULT_PIPELINE, STAGES, Instrumentation, PassStep, run_default
from nimble_mlir.passes.program import Program
from nimble_mlir.passes.signature import entry_point
from nimble_mlir.runtime.entry import SMALL_WORK

from .cpu import needed_features
from .iree import compiler_version
from .monitor import Monitor
from .options import CompileOptions

__all__ = ["PASSES_SHARE", "SHARED_STAGE", "Lowering", "Snapshot"]

# The last stage that is the same for every target.
SHARED_STAGE = "shapes"

# Longer inline constants are elided in the text that `Module.ir` keeps.
_TEXT_ELEMENTS = 1024

_PASSES = sum(text.count(",") + 1 for _, text in DEFAULT_PIPELINE)

# The share of a compile's time that is nimble's passes, roughly; the rest is the IREE compiler's.
PASSES_SHARE = 0.2

_log = logging.getLogger("nimble_mlir.ir")
_passes_log = logging.getLogger("nimble_mlir.passes")


class Lowering:
    """The passes on one program: the shared stages once, the others for each target."""

    def __init__(self, program: Program, options: CompileOptions, monitor: Monitor, until: str = STAGES[-1]) -> None:
        self._program = program
        self._target_cpu = options.target_cpu
        self._keep = options.keep_ir or monitor.on_ir is not None
        self._monitor = monitor
        self._until = until
        self.texts: dict[str, str] = {}
        self._watch = Instrumentation(before=self._before)
        self._done = 0
        self._stage = STAGES[0]
        with program.context, ir.Location.unknown():
            self._reached("stablehlo", program.module)
            if until != "stablehlo":
                last = until if until in STAGES[: STAGES.index(SHARED_STAGE)] else SHARED_STAGE
                run_default(program.module, until=last, on_stage=self._reached, instrument=self._watch)

    def write(self, target: str, path: Path) -> None:
        """Writes the bytecode that the IREE compiler is handed for a target."""
        module = self.lower(target)
        with path.open("wb") as file:
            module.operation.write_bytecode(file)

    def lower(self, target: str) -> Any:
        """The module at the last stage for a target."""
        program = self._program
        with program.context, ir.Location.unknown():
            # A clone also for the last target: what is made for one does not depend on the others.
            module = program.module.operation.clone()
            self._stage = STAGES[STAGES.index(SHARED_STAGE) + 1]
            run_default(
                module,
                after=SHARED_STAGE,
                until=self._until,
                target=target,
                on_stage=self._reached,
                instrument=self._watch,
            )
            if self._until == STAGES[-1]:
                signature = Signature(
                    program.entries,
                    nimble_mlir.__version__,
                    compiler_version(),
                    target,
                    _driver(target, program.entries.values()),
                    needed_features(target, self._target_cpu),
                )
                _state_signature(module, signature)
        _passes_log.debug("%s", self._watch.timing_report())
        self._monitor.timings += [(name, seconds + check) for name, seconds, check in self._watch.timings]
        self._watch.timings.clear()
        return module

    def _before(self, step: PassStep, module: ir.Module) -> None:
        self._done += 1
        if self._monitor.on_step is not None:
            self._monitor.on_step(f"{self._stage}: {step.name}", PASSES_SHARE * min(self._done / _PASSES, 1.0))

    def _reached(self, stage: str, module: ir.Module) -> None:
        if stage in STAGES[:-1]:
            self._stage = STAGES[STAGES.index(stage) + 1]
        entries = self._program.entries
        functions = entry_functions(module) if stage in ("nimble", "shapes", "linalg") else []
        for function in functions:
            name = function.name.value
            if stage == "nimble":
                entries.setdefault(name, entry_point(function))
                entries[name] = replace(entries[name], known=known_of_sizes(function))
            elif stage == "shapes":
                entries[name] = replace(entries[name], work=work_estimate(function))
            else:
                _state_updates(self._program, function)
        if self._keep or _log.isEnabledFor(logging.DEBUG):
            text = module.operation.get_asm(large_elements_limit=_TEXT_ELEMENTS)
            self.texts.setdefault(stage, text)
            _log.debug("// stage %s\n%s", stage, text)
            if self._monitor.on_ir is not None:
                self._monitor.on_ir(stage, text)


@dataclass(frozen=True)
class Snapshot:
    """A program as it was captured: the bytecode of its module, with locations, and what was known of its entries.

    All that the passes depend on is in it: they do not see the elements of the program's large constants.
    """

    module: bytes
    entries: Mapping[str, EntryPoint]
    names: tuple[str, ...]

    @staticmethod
    def of(program: Program) -> Snapshot:
        """That of a program before any pass."""
        file = io.BytesIO()
        with program.context:
            program.module.operation.write_bytecode(file)
            names = tuple(function.name.value for function in entry_functions(program.module))
        return Snapshot(file.getvalue(), dict(program.entries), names)

    def program(self) -> Program:
        """The program, in a context of its own."""
        context = new_context()
        with context, ir.Location.unknown():
            module = ir.Module.parse(self.module)  # pyright: ignore[reportArgumentType]  # the stubs know text alone
        return Program(context, module, dict(self.entries), ConstantPool())

    def texts(self, target: str, options: CompileOptions) -> Mapping[str, Callable[[], str]]:
        """The IR of each stage for a target, as functions; the first that is called runs the passes."""
        stages = _Stages(self, target, replace(options, keep_ir=True))
        return {stage: partial(stages.text, stage) for stage in ("stablehlo", *STAGES)}


@dataclass
class _Stages:
    """The text of the stages, made when it is first asked for, by one thread."""

    snapshot: Snapshot
    target: str
    options: CompileOptions
    made: Mapping[str, str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def text(self, stage: str) -> str:
        with self.lock:
            if self.made is None:
                lowering = Lowering(self.snapshot.program(), self.options, Monitor())
                lowering.lower(self.target)
                self.made = lowering.texts
            return self.made[stage]


def _driver(target: str, entries: Iterable[EntryPoint]) -> str | None:
    """The device driver to recommend: local-sync where every call is small, whatever its sizes."""
    bounds = [None if entry.work is None else entry.scope.bounds(entry.work)[1] for entry in entries]
    small = all(bound is not None and bound <= SMALL_WORK for bound in bounds)
    return "local-sync" if target == "llvm-cpu" and small else None


def _state_updates(program: Program, function: Any) -> None:
    """Marks the arguments that are never written to: the runtime may hand over the caller's own memory for them."""
    entry = program.entries[function.name.value]
    updated = updated_arguments(function)
    arguments = tuple(
        replace(argument, read_only=position not in updated) for position, argument in enumerate(entry.arguments)
    )
    program.entries[entry.name] = replace(entry, arguments=arguments)


def _state_signature(module: ir.Module, signature: Signature) -> None:
    """Puts each entry's signature on its function as IREE reflection data, which the .vmfb carries."""
    for function in entry_functions(module):
        name = function.name.value
        if name in signature.entries:
            text = ir.StringAttr.get(signature.entry_json(name))
            function.attributes["iree.reflection"] = ir.DictAttr.get({REFLECTION_KEY: text})

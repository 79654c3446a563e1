"""The driver: a `Program` through the default pipeline and the IREE compiler into a file and a loaded `Module`.

In: a program at stage stablehlo, targets, options. Out: a module whose .vmfb holds its signature as reflection data. The
targets share the stages up to `shapes`; from there on each has a module of its own and its own run of the compiler.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nimble_mlir
from nimble_mlir.dims.signature import REFLECTION_KEY, EntryPoint, Signature
from nimble_mlir.errors import CompileError, NimbleError, UnsupportedOpError
from nimble_mlir.mlir import ir
from nimble_mlir.passes.base import entry_functions
from nimble_mlir.passes.buffers import updated_arguments, work_estimate
from nimble_mlir.passes.defined_sizes import known_of_sizes
from nimble_mlir.passes.pipeline import DEFAULT_PIPELINE, STAGES, Instrumentation, PassStep, run_default
from nimble_mlir.passes.program import Program
from nimble_mlir.passes.signature import entry_point
from nimble_mlir.runtime import Module
from nimble_mlir.runtime.entry import SMALL_WORK
from nimble_mlir.runtime.loader import open_module

from . import cache
from .container import add_image, add_weights, link_weights
from .cpu import needed_features
from .iree import compile_file, compiler_version
from .monitor import Monitor
from .options import DATA_TILING, CompileOptions, iree_flags

__all__ = ["compile_program", "lower_program"]

# The last stage that is the same for every target.
_SHARED = "shapes"

# Longer inline constants are elided in the text that `Module.ir` keeps.
_TEXT_ELEMENTS = 1024

_PASSES = sum(text.count(",") + 1 for _, text in DEFAULT_PIPELINE)

# The share of a compile's time that is nimble's passes, roughly; the rest is the IREE compiler's.
_PASSES_SHARE = 0.2

_log = logging.getLogger("nimble_mlir.ir")
_passes_log = logging.getLogger("nimble_mlir.passes")
_iree_log = logging.getLogger("nimble_mlir.iree")


def compile_program(
    program: Program, targets: Sequence[str], options: CompileOptions, monitor: Monitor | None = None
) -> Module:
    """Runs the passes and the IREE compiler; raises CompileError or UnsupportedOpError with the user's file:line."""
    monitor = monitor or Monitor()
    with tempfile.TemporaryDirectory(prefix="nimble-") as folder:
        lowering = _Lowering(program, options, monitor)
        images = []
        for number, target in enumerate(targets):
            source, image = Path(folder) / f"{target}.mlirbc", Path(folder) / f"{target}.vmfb"
            lowering.write(target, source, last=number == len(targets) - 1)
            done = _PASSES_SHARE + (1 - _PASSES_SHARE) * number / len(targets)
            with monitor.step(f"iree-compile {target}", done):
                try:
                    compile_image(source, target, options, image)
                except CompileError as error:
                    raise _lacking_type(error, target, options) from error
            _iree_log.info("iree-compile %s: %.1f s", target, monitor.timings[-1][1])
            images.append(image)
        output = images[0]
        with monitor.step("write the file", 1.0):
            for target, image in zip(targets[1:], images[1:], strict=True):
                add_image(output, target, image)
            if options.parameters is None:
                add_weights(output, program.constants)
            else:
                link_weights(output, program.constants, Path(options.parameters))
        # The mapping outlives the directory entry, so the file can go with the directory.
        return open_module(
            output,
            verify=False,
            absent_device_is_error=False,
            name=", ".join(program.entries),
            ir_stages=lowering.texts,
            live_treedefs=program.treedefs,
        )


def lower_program(program: Program, until: str, options: CompileOptions, monitor: Monitor | None = None) -> str:
    """The IR of the program at a stage ("stablehlo", "nimble", "shapes", "linalg", "iree"), without the IREE compiler."""
    if until not in ("stablehlo", *STAGES):
        raise CompileError(f"unknown stage '{until}'; the stages are stablehlo, {', '.join(STAGES)}")
    lowering = _Lowering(program, replace(options, keep_ir=True), monitor or Monitor(), until)
    if STAGES.index(until if until in STAGES else STAGES[0]) > STAGES.index(_SHARED):
        lowering.lower("llvm-cpu", last=True)
    return lowering.texts[until]


class _Lowering:
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
                last = until if until in STAGES[: STAGES.index(_SHARED)] else _SHARED
                run_default(program.module, until=last, on_stage=self._reached, instrument=self._watch)

    def write(self, target: str, path: Path, last: bool) -> None:
        """Writes the bytecode that the IREE compiler is handed for a target."""
        module = self.lower(target, last)
        with path.open("wb") as file:
            module.operation.write_bytecode(file)

    def lower(self, target: str, last: bool) -> Any:
        """The module at the last stage for a target; `last` says that nobody needs the shared one any more."""
        program = self._program
        with program.context, ir.Location.unknown():
            module = program.module if last else program.module.operation.clone()
            self._stage = STAGES[STAGES.index(_SHARED) + 1]
            run_default(
                module, after=_SHARED, until=self._until, target=target, on_stage=self._reached, instrument=self._watch
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
            self._monitor.on_step(f"{self._stage}: {step.name}", _PASSES_SHARE * min(self._done / _PASSES, 1.0))

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


def _lacking_type(error: CompileError, target: str, options: CompileOptions) -> NimbleError:
    """What the IREE compiler says where a GPU has no float64 names neither: the failed op has the type all the same."""
    failed = re.search(r"error: .*(?:\b|x)f64\b", getattr(error, "diagnostics", ""), re.DOTALL)
    if target != "vulkan" or failed is None:
        return error
    gpu = f"the Vulkan target '{options.vulkan_target}'" if options.vulkan_target else "this Vulkan target"
    where = str(error).partition(": the IREE compiler failed")[0]
    return UnsupportedOpError(
        f"{where}: float64 is not supported by {gpu} (what float32 sine, cosine and special functions are computed in, "
        f"too): compile the function for llvm-cpu, or name a GPU that has it with CompileOptions(vulkan_target=)"
    )


def compile_image(source: Path, target: str, options: CompileOptions, image: Path) -> None:
    """The IREE compiler on a file of bytecode, or the cache, which has what it made of the same."""
    flags = iree_flags(target, options)

    def make(output: Path) -> None:
        _compile(source, flags, output, options.timeout)

    if not (options.cache and cache.is_on()):
        make(image)
        return
    key = cache.key_of(source.read_bytes(), flags, (nimble_mlir.__version__, compiler_version()))
    if cache.get_or_make(key, make, image):
        _iree_log.info("%s: from the compile cache", target)


def _compile(source: Path, flags: Sequence[str], output: Path, timeout: float | None) -> None:
    """Runs the IREE compiler, and once more without data tiling where it fails with it.

    IREE 3.13 fails on some contractions of dynamic size only with data tiling ("'affine.delinearize_index' op no basis
    element may be statically non-positive"); without it they are right, and slower.
    """
    try:
        compile_file(source, flags, output, timeout)
    except CompileError as error:
        if DATA_TILING not in flags or "did not finish" in str(error):
            raise
        try:
            compile_file(source, [flag for flag in flags if flag != DATA_TILING], output, timeout)
        except CompileError:
            raise error from None
        _iree_log.warning(
            "compiled without data tiling, which makes contractions slower: %s", str(error).partition("\n")[0]
        )


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

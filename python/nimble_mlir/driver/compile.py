"""The driver: a `Program` through the default pipeline and the IREE compiler into a loaded `Module`.

In: a program at stage stablehlo, a target, options. Out: a module whose .vmfb holds its signature as reflection data.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nimble_mlir
from nimble_mlir.dims.signature import REFLECTION_KEY, EntryPoint, Signature
from nimble_mlir.errors import CompileError
from nimble_mlir.mlir import ir
from nimble_mlir.passes.base import entry_functions
from nimble_mlir.passes.buffers import updated_arguments, work_estimate
from nimble_mlir.passes.defined_sizes import known_of_sizes
from nimble_mlir.passes.pipeline import Instrumentation, run_default
from nimble_mlir.passes.program import Program
from nimble_mlir.passes.signature import entry_point
from nimble_mlir.runtime import Module
from nimble_mlir.runtime.entry import SMALL_WORK
from nimble_mlir.runtime.loader import open_module

from .container import add_weights, link_weights
from .iree import compile_file, compiler_version
from .options import DATA_TILING, CompileOptions, iree_flags

__all__ = ["compile_program"]

# Longer inline constants are elided in the text that `Module.ir` keeps.
_TEXT_ELEMENTS = 1024

_log = logging.getLogger("nimble_mlir.ir")
_passes_log = logging.getLogger("nimble_mlir.passes")
_iree_log = logging.getLogger("nimble_mlir.iree")


def compile_program(program: Program, target: str, options: CompileOptions) -> Module:
    """Runs the passes and the IREE compiler; raises CompileError or UnsupportedOpError with the user's file:line."""
    flags = iree_flags(target, options)
    stages: dict[str, str] = {}

    def reached(stage: str, module: ir.Module) -> None:
        if stage == "nimble":
            for function in entry_functions(module):
                name = function.name.value
                program.entries.setdefault(name, entry_point(function))
                program.entries[name] = replace(program.entries[name], known=known_of_sizes(function))
        if stage == "shapes":
            for function in entry_functions(module):
                entry = program.entries[function.name.value]
                program.entries[entry.name] = replace(entry, work=work_estimate(function))
        if stage == "linalg":
            for function in entry_functions(module):
                _state_updates(program, function)
        if options.keep_ir or _log.isEnabledFor(logging.DEBUG):
            stages[stage] = module.operation.get_asm(large_elements_limit=_TEXT_ELEMENTS)
            _log.debug("// stage %s\n%s", stage, stages[stage])

    with program.context, ir.Location.unknown():
        reached("stablehlo", program.module)
        watch = Instrumentation()
        run_default(program.module, on_stage=reached, instrument=watch)
        _passes_log.debug("%s", watch.timing_report())
        signature = Signature(
            program.entries,
            nimble_mlir.__version__,
            compiler_version(),
            target,
            _driver(target, program.entries.values()),
        )
        _state_signature(program.module, signature)
    with tempfile.TemporaryDirectory(prefix="nimble-") as folder:
        source, output = Path(folder) / "module.mlirbc", Path(folder) / "module.vmfb"
        with source.open("wb") as file:
            program.module.operation.write_bytecode(file)
        started = time.perf_counter()
        _compile(source, flags, output, options.timeout)
        _iree_log.info("iree-compile %s: %.1f s", target, time.perf_counter() - started)
        if options.parameters is None:
            add_weights(output, program.constants)
        else:
            link_weights(output, program.constants, Path(options.parameters))
        # The mapping outlives the directory entry, so the file can go with the directory.
        return open_module(output, verify=False, ir_stages=stages, live_treedefs=program.treedefs)


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

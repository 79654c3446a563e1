"""The driver: a `Program` through the default pipeline and the IREE compiler into a file and a loaded `Module`.

In: a program at stage stablehlo, targets, options. Out: a module whose .vmfb holds its signature as reflection data. The
targets share the stages up to `shapes`; from there on each has a module of its own and its own run of the compiler. What
the compile cache has of a program is found by the program as it was captured: then no pass runs.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nimble_mlir.errors import CompileError, NimbleError, UnsupportedOpError
from nimble_mlir.passes.pipeline import STAGES
from nimble_mlir.passes.program import Program
from nimble_mlir.runtime import Module
from nimble_mlir.runtime.loader import open_module

from . import cache
from .cache_key import image_key
from .container import UnwrittenFile, add_image, link_weights
from .iree import compile_file
from .lowering import PASSES_SHARE, SHARED_STAGE, Lowering, Snapshot
from .monitor import Monitor
from .options import DATA_TILING, CompileOptions, iree_flags

__all__ = ["compile_program", "lower_program"]

_iree_log = logging.getLogger("nimble_mlir.iree")


def compile_program(
    program: Program, targets: Sequence[str], options: CompileOptions, monitor: Monitor | None = None
) -> Module:
    """Runs the passes and the IREE compiler; raises CompileError or UnsupportedOpError with the user's file:line."""
    monitor = monitor or Monitor()
    compiling = _Compile(program, options, monitor)
    with tempfile.TemporaryDirectory(prefix="nimble-") as folder:
        images = []
        for number, target in enumerate(targets):
            done = PASSES_SHARE + (1 - PASSES_SHARE) * number / len(targets)
            images.append(compiling.image(target, Path(folder), done))
        output, weights = images[0], program.constants if options.parameters is None else None
        with monitor.step("write the file", 1.0):
            for target, image in zip(targets[1:], images[1:], strict=True):
                add_image(output, target, image)
            if options.parameters is not None:
                link_weights(output, program.constants, Path(options.parameters))
        # The mapping outlives the directory entry, so the file can go with the directory. Weights that go into the file
        # are used where the program has them; the whole file is written when somebody asks for it.
        return open_module(
            output,
            verify=False,
            absent_device_is_error=False,
            name=", ".join(compiling.snapshot.names),
            ir_stages=compiling.texts(targets[0]),
            live_treedefs=program.treedefs,
            weights=weights,
            contents=UnwrittenFile(output.read_bytes(), weights) if weights else None,
        )


class _Compile:
    """One program on its way to images. The passes run on it when the first image is asked for that the cache lacks."""

    def __init__(self, program: Program, options: CompileOptions, monitor: Monitor) -> None:
        self.snapshot = Snapshot.of(program)
        self._program, self._options, self._monitor = program, options, monitor
        self._lowering: Lowering | None = None
        self._cached = options.cache and cache.is_on()

    def image(self, target: str, folder: Path, done: float) -> Path:
        """The image for a target, in `folder`; `done` is the share of the whole compile before the IREE compiler."""
        image, flags = folder / f"{target}.vmfb", iree_flags(target, self._options)
        if not self._cached:
            self._make(target, flags, image, done)
            return image
        if self._monitor.wants_passes():
            self._lower()
        with cache.lookup(image_key(self.snapshot, target, self._options, flags), image) as found:
            if found:
                with self._monitor.step(f"compile cache {target}", done):
                    if self._lowering is not None:
                        self._lowering.lower(target)
                _iree_log.info("%s: from the compile cache", target)
            else:
                self._make(target, flags, image, done)
        return image

    def texts(self, target: str) -> Mapping[str, str | Callable[[], str]]:
        """The IR of each stage, for `Module.ir`: none without `keep_ir`."""
        if not self._options.keep_ir:
            return {}
        return self.snapshot.texts(target, self._options) if self._lowering is None else self._lowering.texts

    def _lower(self) -> Lowering:
        if self._lowering is None:
            self._lowering = Lowering(self._program, self._options, self._monitor)
        return self._lowering

    def _make(self, target: str, flags: Sequence[str], image: Path, done: float) -> None:
        source = image.with_suffix(".mlirbc")
        self._lower().write(target, source)
        with self._monitor.step(f"iree-compile {target}", done):
            try:
                _compile(source, flags, image, self._options.timeout)
            except CompileError as error:
                raise _lacking_type(error, target, self._options) from error
        _iree_log.info("iree-compile %s: %.1f s", target, self._monitor.timings[-1][1])


def lower_program(program: Program, until: str, options: CompileOptions, monitor: Monitor | None = None) -> str:
    """The IR of the program at a stage ("stablehlo", "nimble", "shapes", "linalg", "iree"), without the IREE compiler."""
    if until not in ("stablehlo", *STAGES):
        raise CompileError(f"unknown stage '{until}'; the stages are stablehlo, {', '.join(STAGES)}")
    lowering = Lowering(program, replace(options, keep_ir=True), monitor or Monitor(), until)
    if STAGES.index(until if until in STAGES else STAGES[0]) > STAGES.index(SHARED_STAGE):
        lowering.lower("llvm-cpu")
    return lowering.texts[until]


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

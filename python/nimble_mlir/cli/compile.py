"""`nimble-compile`: a JAX function, StableHLO or a `jax.export` file to a .vmfb, with the conventions of iree-compile.

In: SOURCE and its inputs. Out: the file of `-o`, or the IR of a stage; progress, timings and errors on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from nimble_mlir.driver.compile import compile_program, lower_program
from nimble_mlir.driver.monitor import Monitor
from nimble_mlir.driver.options import TARGETS, CompileOptions, target_list
from nimble_mlir.passes.pipeline import STAGES

from .console import Command, note, progress
from .inputs import parse_spec
from .sources import read_program

__all__ = ["main"]

_STAGES = ("stablehlo", *STAGES, "vmfb")
_EPILOG = "Exit codes: 0 compiled, 1 an error (one line on stderr), 2 a wrong command line, 130 interrupted."


@click.command("nimble-compile", cls=Command, epilog=_EPILOG)
@click.argument("source")
@click.option(
    "-o", "--output", metavar="FILE", help="Where to write; '-' is stdout (default for IR; needed for a .vmfb)."
)
@click.option("--input", "inputs", multiple=True, metavar="[NAME=]SIZES:DTYPE",
              help="An argument of the function: ids=b,s:i32, x=3,2*s + 1:f32, w=@w.npy (fixed), n=3 (a Python number). "
                   "Without NAME by position; NAME may be a path, params['w'].")  # fmt: skip
@click.option("--constraint", "constraints", multiple=True, metavar="RELATION",
              help="What holds of the sizes: 's <= 512', 'mod(s, 8) == 0', 'b*s <= 4096'.")  # fmt: skip
@click.option("--likely", multiple=True, metavar="SYMBOL=N,N", help="Sizes to optimize for; they restrict nothing.")
@click.option("--target", "targets", multiple=True, metavar="|".join(TARGETS),
              help="What to compile for (default: llvm-cpu); several, repeated or with commas, make one file.")  # fmt: skip
@click.option("--target-cpu", default="host", show_default=True, metavar="CPU",
              help="host, generic, x86-64-v3, znver4, an AArch64 CPU or triple.")  # fmt: skip
@click.option("--cuda-arch", default="sm_80", show_default=True, metavar="ARCH", help="The NVIDIA architecture.")
@click.option("--vulkan-target", metavar="GPU", help="The GPU, as IREE names them: rdna3, ampere, llvmpipe.")
@click.option("-O", "opt_level", type=click.IntRange(0, 3), default=2, show_default=True, help="Optimization level.")
@click.option("--parameters", metavar="FILE", help="Write the weights to this .safetensors file, not into the .vmfb.")
@click.option("--iree-flag", "iree_flags", multiple=True, metavar="FLAG", help="A further flag for iree-compile.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Stop the IREE compiler after this time.")
@click.option("--no-cache", is_flag=True, help="Do not use the persistent compile cache.")
@click.option("--compile-to", type=click.Choice(_STAGES), default="vmfb", show_default=True,
              help="Stop at this stage and write its IR.")  # fmt: skip
@click.option("--dump-ir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the IR of each stage to DIR.")  # fmt: skip
@click.option("--timing", is_flag=True, help="Print the seconds of each pass and compiler run to stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def main(
    source: str,
    output: str | None,
    inputs: Sequence[str],
    constraints: Sequence[str],
    likely: Sequence[str],
    targets: Sequence[str],
    compile_to: str,
    dump_ir: Path | None,
    timing: bool,
    quiet: bool,
    target_cpu: str,
    cuda_arch: str,
    vulkan_target: str | None,
    opt_level: int,
    parameters: str | None,
    iree_flags: Sequence[str],
    timeout: float | None,
    no_cache: bool,
) -> None:
    """Compiles SOURCE once, for every size that its inputs allow.

    SOURCE is a JAX function, as package.module:function or file.py:function; a StableHLO file (.mlir, .mlirbc); or a
    file of jax.export.Exported.serialize().
    """
    if output is None and compile_to == "vmfb":
        raise click.UsageError("'-o FILE' says where to write the .vmfb ('-o -': to stdout)")
    wanted = target_list([each for text in targets for each in text.split(",")] or "llvm-cpu")
    options = CompileOptions(
        target_cpu=target_cpu,
        cuda_arch=cuda_arch,
        vulkan_target=vulkan_target,
        opt_level=opt_level,
        parameters=parameters,
        iree_flags=tuple(iree_flags),
        timeout=timeout,
        cache=not no_cache,
        keep_ir=False,
    )
    monitor = Monitor()
    if dump_ir is not None:
        dump_ir.mkdir(parents=True, exist_ok=True)
        monitor.on_ir = lambda stage, text: _dump(dump_ir, stage, text)
    with progress("nimble-compile") as on_step:
        monitor.on_step = None if quiet else on_step
        with monitor.step("capture", 0.0):
            specs = [parse_spec(text) for text in inputs]
            program = read_program(source, specs, constraints, _likely(likely), wanted[0])
        if compile_to != "vmfb":
            data, module = lower_program(program, compile_to, options, monitor).encode(), None
        else:
            data, module = b"", compile_program(program, wanted, options, monitor)
    if timing:
        note(monitor.report())
    if module is not None and output != "-":
        module.save(str(output))
    else:
        _write(output, data if module is None else module.image)
    if output is not None and output != "-" and not quiet:
        seconds = sum(seconds for _, seconds in monitor.timings)
        size = f"{Path(output).stat().st_size:,} bytes"
        what = f"for {', '.join(wanted)}, {size}" if compile_to == "vmfb" else f"stage {compile_to}"
        note(f"nimble-compile: wrote '{output}' ({what}) in {seconds:.1f} s")


def _write(output: str | None, data: bytes | memoryview) -> None:
    if output is None or output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        partial = Path(output).with_name(f".{Path(output).name}.partial")
        partial.write_bytes(data)
        partial.replace(output)  # so that a reader sees the old file or the new one


def _dump(folder: Path, stage: str, text: str) -> None:
    number = _STAGES.index(stage)
    path, again = folder / f"{number}_{stage}.mlir", 2
    while path.exists() and number > _STAGES.index("shapes"):  # once a target
        path, again = folder / f"{number}_{stage}_{again}.mlir", again + 1
    path.write_text(text)


def _likely(texts: Sequence[str]) -> dict[str, list[int]]:
    found = {}
    for text in texts:
        name, equals, values = text.partition("=")
        try:
            found[name] = [int(value) for value in values.split(",")]
        except ValueError:
            equals = ""
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"'{text}' is not SYMBOL=N,N such as s=1,128", param_hint="'--likely'")
    return found


if __name__ == "__main__":
    main()

"""`nimble-opt`: runs passes on MLIR text or bytecode, with the conventions of mlir-opt; made for lit tests.

In: a file, or stdin. Out: IR on stdout; diagnostics as `file:line:col: error: …`, IR dumps and timings on stderr. The
exit code is 1 where there was an error (with --verify-diagnostics: where the diagnostics are not the expected ones).
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import click

from nimble_mlir.dialects import new_context
from nimble_mlir.errors import CompileError, NimbleError
from nimble_mlir.mlir import collect_diagnostics, ir, parse_stablehlo_artifact
from nimble_mlir.passes.pipeline import STAGES, Instrumentation, parse_pipeline, run_default
from nimble_mlir.passes.registry import PASSES, pass_class

from .expected_diagnostics import Diagnostic, mismatches, read_expected

__all__ = ["main"]

_SPLIT = re.compile(r"^// -----[ \t]*$", re.MULTILINE)
_SEPARATOR = "// -----\n"
_BYTECODE_MAGIC = b"ML\xefR"
# The parser of MLIR's Python bindings calls every text "-".
_TEXT_NAME = "-"


@dataclass(frozen=True)
class _Options:
    """The command line, parsed."""

    file: str
    transform: Callable[[ir.Module, Instrumentation], None]
    split_input_file: bool
    verify_diagnostics: bool
    allow_unregistered_dialect: bool
    print_ir_after_all: bool
    emit_bytecode: bool
    debuginfo: bool
    generic: bool


@dataclass
class _Outcome:
    """What came of one module of the input."""

    output: bytes = b""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    timing: Instrumentation = field(default_factory=Instrumentation)


class _PassFlags(click.Command):
    """Takes `--<pass name>[=options]` for every registered pass, in the order given, as mlir-opt does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrites pass flags to `--run-pass name{options}`, which click collects in order."""
        rewritten: list[str] = []
        for arg in args:
            name, has_options, options = arg.removeprefix("--").partition("=")
            if arg.startswith("--") and name in PASSES:
                rewritten += ["--run-pass", f"{name}{{{options}}}" if has_options else name]
            else:
                rewritten.append(arg)
        return super().parse_args(ctx, rewritten)


@click.command(cls=_PassFlags, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", default="-")
@click.option("-o", "output", default="-", help="Where to write the IR (default: stdout).")
@click.option("--pass-pipeline", "pipeline_text", metavar="TEXT", help="Passes to run, in MLIR's pipeline syntax.")
@click.option("--run-pass", "single_passes", multiple=True, metavar="PASS", help="One pass; --<pass> is short for it.")
@click.option("--to-stage", type=click.Choice(STAGES), help="Run the default pipeline up to this stage.")
@click.option("--split-input-file", is_flag=True, help="Process what stands between '// -----' lines one by one.")
@click.option("--verify-diagnostics", is_flag=True, help="Check diagnostics against expected-error comments.")
@click.option("--mlir-print-ir-after-all", "print_ir_after_all", is_flag=True, help="Print the IR after each pass.")
@click.option("--mlir-timing", "timing", is_flag=True, help="Print the time that each pass took.")
@click.option("--allow-unregistered-dialect", is_flag=True, help="Accept ops of unknown dialects.")
@click.option("--emit-bytecode", is_flag=True, help="Write MLIR bytecode.")
@click.option("--mlir-print-debuginfo", "debuginfo", is_flag=True, help="Print locations.")
@click.option("--mlir-print-op-generic", "generic", is_flag=True, help="Print ops in generic form.")
@click.option("--list-passes", is_flag=True, help="List nimble's passes and exit.")
def main(
    source: str,
    output: str,
    pipeline_text: str | None,
    single_passes: Sequence[str],
    to_stage: str | None,
    timing: bool,
    list_passes: bool,
    **flags: Any,
) -> None:
    """Runs passes on MLIR text or bytecode from SOURCE (default: stdin) and prints the result."""
    if list_passes:
        for name in PASSES:
            click.echo(f"{name:36} {pass_class(name).summary()}")
        return
    try:
        transform = _transform(pipeline_text, single_passes, to_stage)
    except NimbleError as error:
        _fail(f"nimble-opt: error: {error}")
    data = _read(source)
    file = "<stdin>" if source == "-" else source
    options = _Options(file=file, transform=transform, **flags)
    outcomes, messages, failed = _process(data, options)
    if timing:
        for outcome in outcomes:
            click.echo(outcome.timing.timing_report(), err=True)
    _write(output, [outcome.output for outcome in outcomes if outcome.output], options)
    for message in messages:
        click.echo(message, err=True)
    if failed:
        sys.exit(1)


def _transform(
    pipeline_text: str | None, single_passes: Sequence[str], to_stage: str | None
) -> Callable[[ir.Module, Instrumentation], None]:
    given = [bool(pipeline_text), bool(single_passes), bool(to_stage)]
    if sum(given) > 1:
        raise CompileError("--pass-pipeline, --to-stage and flags of single passes exclude each other")
    if to_stage:
        return lambda module, instrument: run_default(module, until=to_stage, instrument=instrument)
    pipeline = parse_pipeline(pipeline_text or ",".join(single_passes))
    return lambda module, instrument: pipeline.run(module, instrument=instrument)


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        _fail(f"nimble-opt: error: cannot read '{source}': {error.strerror}")


def _process(data: bytes, options: _Options) -> tuple[list[_Outcome], list[str], bool]:
    """Processes each module of the input; returns the outcomes, lines for stderr, and whether it failed."""
    outcomes: list[_Outcome] = []
    messages: list[str] = []
    failed = False
    for chunk in _chunks(data, options.split_input_file):
        outcome = _process_module(chunk, options)
        outcomes.append(outcome)
        if not options.verify_diagnostics:
            messages += [str(diagnostic) for diagnostic in outcome.diagnostics]
            failed = failed or any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics)
            continue
        try:
            problems = mismatches(read_expected(chunk.decode()), outcome.diagnostics, options.file)
        except ValueError as error:
            problems = [f"{options.file}: error: {error}"]
        messages += problems
        failed = failed or bool(problems)
    return outcomes, messages, failed


def _chunks(data: bytes, split: bool) -> list[bytes]:
    """The modules of the input; each is preceded by as many empty lines as keep the line numbers of the file."""
    if not split or data.startswith(_BYTECODE_MAGIC):
        return [data]
    text = data.decode()
    chunks, start = [], 0
    for end in [*(match.start() for match in _SPLIT.finditer(text)), len(text)]:
        chunks.append(("\n" * text.count("\n", 0, start) + text[start:end]).encode())
        start = end
    return chunks


def _process_module(chunk: bytes, options: _Options) -> _Outcome:
    outcome = _Outcome()
    if options.print_ir_after_all:
        outcome.timing.print_after_all = sys.stderr
    context = new_context()
    context.allow_unregistered_dialects = options.allow_unregistered_dialect
    with context, collect_diagnostics(context) as collected:
        try:
            module = _parse(chunk, context)
            options.transform(module, outcome.timing)
            outcome.output = _print(module, options)
        except ir.MLIRError as error:
            collected.extend(error.error_diagnostics)
        except NimbleError as error:
            outcome.diagnostics.append(_from_error(error, options.file))
        for diagnostic in collected:
            outcome.diagnostics += _from_mlir(diagnostic, options.file)
    return outcome


def _parse(chunk: bytes, context: ir.Context) -> ir.Module:
    if chunk.startswith(_BYTECODE_MAGIC):
        # A portable artifact is bytecode of the VHLO dialect, which only StableHLO's own reader accepts.
        is_artifact = b"StableHLO_v" in chunk[:64]
        return parse_stablehlo_artifact(context, chunk) if is_artifact else ir.Module.parse(chunk)
    return ir.Module.parse(chunk.decode())


def _print(module: ir.Module, options: _Options) -> bytes:
    if options.emit_bytecode:
        buffer = io.BytesIO()
        module.operation.write_bytecode(buffer)
        return buffer.getvalue()
    text = module.operation.get_asm(enable_debug_info=options.debuginfo, print_generic_op_form=options.generic)
    return f"{text}\n".encode() if not text.endswith("\n") else text.encode()


def _write(output: str, modules: Sequence[bytes], options: _Options) -> None:
    if not modules and not options.split_input_file:
        return
    data = modules[0] if options.emit_bytecode and modules else _SEPARATOR.encode().join(modules)
    if output != "-":
        Path(output).write_bytes(data)
        return
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _from_error(error: NimbleError, file: str) -> Diagnostic:
    location = getattr(error, "location", None)
    line, where = (None, "<unknown>:0") if location is None else _position(location, file)
    return Diagnostic("error", line, str(error), where)


def _from_mlir(info: ir.DiagnosticInfo, file: str) -> list[Diagnostic]:
    line, where = _position(info.location, file)
    severity = info.severity.name.lower()
    first = Diagnostic(severity, line, info.message, where)
    notes = [note for note in info.notes if not note.message.startswith("see current operation")]
    return [first, *(one for note in notes for one in _from_mlir(note, file))]


_FILE_LINE_COLUMN = re.compile(r'"([^"\n]*)":(\d+):(\d+)')


def _position(location: ir.Location, file: str) -> tuple[int | None, str]:
    """The line in the input (None elsewhere) and `file:line:col` of the innermost file location."""
    match = _FILE_LINE_COLUMN.search(str(location))
    if match is None:
        return None, "<unknown>:0"
    name, line, column = match.groups()
    if name == _TEXT_NAME:
        return int(line), f"{file}:{line}:{column}"
    return None, f"{name}:{line}:{column}"


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()

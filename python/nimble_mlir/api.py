"""The public functions: compile, compile_stablehlo, load. Names and behaviour are fixed by the project's design."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nimble_mlir.dims.signature import EntryPoint
from nimble_mlir.driver.compile import compile_program
from nimble_mlir.driver.options import CompileOptions, target_list
from nimble_mlir.driver.stablehlo import import_stablehlo
from nimble_mlir.errors import CaptureError
from nimble_mlir.passes.library_ops import library_ops
from nimble_mlir.passes.program import Program
from nimble_mlir.runtime import Module

__all__ = ["compile", "compile_stablehlo", "read_stablehlo"]


def compile(
    fn: Callable[..., Any] | Mapping[str, tuple[Callable[..., Any], Sequence[Any]]],
    example_args: Sequence[Any] | None = None,
    target: str | Sequence[str] = "llvm-cpu",
    *,
    example_kwargs: Mapping[str, Any] | None = None,
    donate_argnums: int | Sequence[int] | Mapping[str, int | Sequence[int]] = (),
    options: CompileOptions | None = None,
) -> Module:
    """Compiles a JAX function once, for every size that its example arguments allow.

    Args:
      fn: a function that JAX can trace, or a mapping of entry names to `(fn, example_args)` for a module with several
        entry points that share their constants.
      example_args: a tuple of pytrees whose leaves are arrays (their shape is fixed), `nimble_mlir.spec`s (symbolic
        where they hold symbols of `nimble_mlir.dims`) or Python numbers.
      target: "llvm-cpu", "vulkan", "cuda", or a list of them: one file for all, of which `load` takes what runs on the
        device asked for, else the first in the list whose device is there. No device is needed to compile for it.
      example_kwargs: keyword arguments, likewise.
      donate_argnums: positions of arguments that calls give away: an `nm.Array` that is given for one is updated in
        place where the function updates it, and cannot be used afterwards. With several entry points, a mapping of
        their names to positions.
      options: `CompileOptions`.

    Returns:
      A `Module`, called like `fn` with numpy or jax arrays.

    Raises:
      CaptureError: the arguments or the function cannot be captured as given.
      UnsupportedOpError: the function does something that has no lowering; the message says where.
      CompileError: a pass or the IREE compiler failed.
    """
    from nimble_mlir.capture import capture

    targets = target_list(target)  # an unknown one is said before anything is traced
    if isinstance(fn, Mapping):
        if example_args is not None or example_kwargs is not None:
            raise CaptureError("with several entry points, example arguments stand in the mapping: {name: (fn, args)}")
        entries = {name: (function, args, {}) for name, (function, args) in fn.items()}
    else:
        name = getattr(fn, "__name__", "main")
        entry = name if name.isidentifier() else "main"
        entries = {entry: (fn, example_args if example_args is not None else (), example_kwargs or {})}
    program = capture(entries)
    if not isinstance(donate_argnums, Mapping):
        if isinstance(fn, Mapping) and donate_argnums != ():
            raise CaptureError("with several entry points, donate_argnums is a mapping: {name: positions}")
        donate_argnums = dict.fromkeys(entries, donate_argnums)
    for name, positions in donate_argnums.items():
        if name not in entries:
            raise CaptureError(
                f"donate_argnums names '{name}', but the entry points are {', '.join(map(repr, entries))}"
            )
        donated = (positions,) if isinstance(positions, int) else positions
        program.entries[name] = _with_donated(program.entries[name], donated)
    return compile_program(program, targets, options or CompileOptions())


def compile_stablehlo(
    source: Any, target: str | Sequence[str] = "llvm-cpu", *, options: CompileOptions | None = None
) -> Module:
    """Compiles a StableHLO module with dynamic dimensions: its public functions become the entry points.

    Args:
      source: MLIR text, MLIR bytecode, a StableHLO portable artifact, or a `jax.export.Exported`.
      target, options: as for `compile`.

    Returns:
      A `Module` that takes and returns flat arrays. Each `?` of an argument is a symbol of its own, which may be 0;
      sizes that the ops demand to be equal are checked at each call.

    Raises:
      UnsupportedOpError, CompileError: as for `compile`; CompileError also where `source` cannot be read.
    """
    targets = target_list(target)
    return compile_program(read_stablehlo(source, targets[0]), targets, options or CompileOptions())


def _with_donated(entry: EntryPoint, positions: Sequence[int]) -> EntryPoint:
    """The entry with all arrays of these positional parameters donated."""
    count = len(entry.in_tree.positional)
    for position in positions:
        if not 0 <= position < count:
            raise CaptureError(
                f"donate_argnums has {position}, but '{entry.name}' has {count} positional arguments, from 0 on"
            )
    owners = [index for index, (_, tree) in enumerate(entry.in_tree.parameters) for _ in range(tree.num_leaves)]
    arguments = tuple(
        replace(argument, donated=owner in positions) for argument, owner in zip(entry.arguments, owners, strict=True)
    )
    return replace(entry, arguments=arguments)


def read_stablehlo(source: Any, target: str) -> Program:
    """The program that `compile_stablehlo` compiles. Of an export for several platforms it is what `target` runs."""
    program = import_stablehlo(source, target, _plain_stablehlo)
    if library_ops(program.module):
        from nimble_mlir.capture.expand import expand_library_ops

        expand_library_ops(program.module)
    return program


def _plain_stablehlo(source: str | bytes) -> bytes:
    from nimble_mlir.capture.foreign import plain_stablehlo

    return plain_stablehlo(source)

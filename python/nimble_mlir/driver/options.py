"""The options of a compile, and the one place that builds IREE flags from a target and options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nimble_mlir.errors import CompileError

__all__ = ["DATA_TILING", "TARGETS", "CompileOptions", "iree_flags"]


# Packs operands of contractions for the microkernels: halves BERT's time.
DATA_TILING = "--iree-opt-data-tiling"


@dataclass(frozen=True)
class CompileOptions:
    """How to compile; the defaults are the fastest that is always right on the machine that compiles.

    Attributes:
      target_cpu: the CPU that llvm-cpu code is made for: "host", "generic" or an LLVM CPU name such as "x86-64-v3".
      opt_level: IREE's optimization level, 0 to 3.
      parameters: where the large constants go: None embeds them in the .vmfb, a path ending in .safetensors writes
        them beside it.
      iree_flags: further flags for iree-compile, after nimble's own.
      timeout: seconds until the IREE compiler is stopped; None waits.
      keep_ir: whether the module keeps the text of each IR stage for `Module.ir`.
    """

    target_cpu: str = "host"
    opt_level: int = 2
    parameters: str | None = None
    iree_flags: tuple[str, ...] = ()
    timeout: float | None = None
    keep_ir: bool = True

    def __post_init__(self) -> None:
        if self.opt_level not in range(4):
            raise CompileError(f"opt_level must be 0, 1, 2 or 3, got {self.opt_level!r}")
        if self.timeout is not None and self.timeout <= 0:
            raise CompileError(f"timeout must be a positive number of seconds, got {self.timeout!r}")
        if self.parameters is not None and not self.parameters.endswith(".safetensors"):
            raise CompileError(f"parameters must be a path that ends in .safetensors, got {self.parameters!r}")


def _common(options: CompileOptions) -> list[str]:
    flags = [
        f"--iree-opt-level=O{options.opt_level}",
        # IREE demotes f64 to f32 and drops cf.assert unless told otherwise: both would change what a program does.
        "--iree-input-demote-f64-to-f32=false",
        "--iree-opt-strip-assertions=false",
    ]
    if options.opt_level >= 2:
        # What O2 turns on here makes layer norm and softmax dispatches exceed the stack limit on AVX-512 (IREE 3.13).
        flags.append("--iree-dispatch-creation-enable-aggressive-fusion=false")
    return flags


def _llvm_cpu(options: CompileOptions) -> list[str]:
    return [
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        f"--iree-llvmcpu-target-cpu={options.target_cpu}",
        DATA_TILING,
    ]


def _vulkan(options: CompileOptions) -> list[str]:
    return ["--iree-hal-target-device=vulkan"]


def _cuda(options: CompileOptions) -> list[str]:
    return ["--iree-hal-target-device=cuda"]


TARGETS: dict[str, Callable[[CompileOptions], list[str]]] = {
    "llvm-cpu": _llvm_cpu,
    "vulkan": _vulkan,
    "cuda": _cuda,
}


def iree_flags(target: str, options: CompileOptions) -> list[str]:
    """The flags of one iree-compile run; raises CompileError for an unknown target, naming those that exist."""
    if target not in TARGETS:
        raise CompileError(f"unknown target {target!r}; the targets are {', '.join(TARGETS)}")
    return [*TARGETS[target](options), *_common(options), *options.iree_flags]

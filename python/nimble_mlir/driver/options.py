"""The options of a compile, and the one place that builds IREE flags from a target and options."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nimble_mlir.errors import CompileError

from .cpu import needed_features

__all__ = ["DATA_TILING", "PEELING", "TARGETS", "CompileOptions", "iree_flags", "target_list"]


# Packs operands of contractions for the microkernels: halves BERT's time.
DATA_TILING = "--iree-opt-data-tiling"
# IREE masks elementwise loops on all of x86; without AVX-512 a masked store takes tens of cycles (AMD), or a branch an
# element (SSE).
PEELING = "--iree-llvmcpu-vector-pproc-strategy=peel"


@dataclass(frozen=True)
class CompileOptions:
    """How to compile; the defaults are the fastest that is always right on the machine that compiles.

    Attributes:
      target_cpu: the CPU that llvm-cpu code is made for: "host", "generic", an LLVM CPU name ("x86-64-v3", "znver4",
        "neoverse-n1"), or the triple of a machine to compile for across ("aarch64-linux-gnu"), its CPU after a colon
        ("aarch64-linux-gnu:cortex-a76").
      cuda_arch: the NVIDIA architecture that cuda code is made for, "sm_80" or a name that IREE knows ("ada", "a100").
      vulkan_target: the GPU that vulkan code is made for, as IREE names them ("rdna3", "ampere", "adreno", "llvmpipe");
        None: the Vulkan device of this machine where it is a software one, else what every Vulkan 1.3 device has.
      opt_level: IREE's optimization level, 0 to 3.
      parameters: where the large constants go: None embeds them in the .vmfb, a path ending in .safetensors writes
        them beside it.
      iree_flags: further flags for iree-compile; they replace those of nimble's own that have the same name.
      timeout: seconds until the IREE compiler is stopped; None waits.
      cache: whether to use the persistent compile cache (`nm.cache`; NIMBLE_CACHE=off switches it off for a process).
      keep_ir: whether the module keeps the text of each IR stage for `Module.ir`.
    """

    target_cpu: str = "host"
    cuda_arch: str = "sm_80"
    vulkan_target: str | None = None
    opt_level: int = 2
    parameters: str | None = None
    iree_flags: tuple[str, ...] = ()
    timeout: float | None = None
    cache: bool = True
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


# CPU names that say an architecture: LLVM's other names are of the architecture that compiles.
_ARCHITECTURES = (
    (re.compile(r"cortex-|neoverse-|apple-|ampere1|thunderx|a64fx|grace"), "aarch64-unknown-linux-gnu"),
    (re.compile(r"x86-64|znver|skylake|icelake|sapphirerapids|graniterapids|haswell"), "x86_64-unknown-linux-gnu"),
)
_TRIPLE = re.compile(r"(aarch64|arm64|x86_64|riscv64)-[\w.-]+")


def _machine(target_cpu: str) -> tuple[str | None, str]:
    """The triple and the CPU that `target_cpu` says; no triple: that of the machine that compiles."""
    triple, _, cpu = target_cpu.partition(":")
    if _TRIPLE.fullmatch(triple):
        return triple, cpu or "generic"
    found = next((known for pattern, known in _ARCHITECTURES if pattern.match(target_cpu)), None)
    return found, target_cpu


def _llvm_cpu(options: CompileOptions) -> list[str]:
    triple, cpu = _machine(options.target_cpu)
    return [
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        *([f"--iree-llvmcpu-target-triple={triple}"] if triple is not None else []),
        f"--iree-llvmcpu-target-cpu={cpu}",
        DATA_TILING,
        # IREE folds the transpose behind attention's second product into it, which data tiling then refuses: 2 to 4 times
        # slower.
        "--iree-global-opt-propagate-transposes=false",
        *([PEELING] if _is_x86(triple) and "avx512f" not in needed_features("llvm-cpu", options.target_cpu) else []),
    ]


def _is_x86(triple: str | None) -> bool:
    return (triple or platform.machine()).partition("-")[0].lower() in ("x86_64", "amd64")


def _vulkan(options: CompileOptions) -> list[str]:
    target = options.vulkan_target or _vulkan_device()
    return ["--iree-hal-target-device=vulkan", *([f"--iree-vulkan-target={target}"] if target is not None else [])]


def _vulkan_device() -> str | None:
    """The target of the machine's own software device: what is made for others gives wrong numbers on it (IREE 3.13)."""
    from nimble_mlir.runtime.device import devices  # loads the IREE runtime, which other targets do not need here

    names = [device.name for device in devices("vulkan")]
    return "llvmpipe" if names and "llvmpipe" in names[0] else None


def _cuda(options: CompileOptions) -> list[str]:
    return ["--iree-hal-target-device=cuda", f"--iree-cuda-target={options.cuda_arch}"]


TARGETS: dict[str, Callable[[CompileOptions], list[str]]] = {
    "llvm-cpu": _llvm_cpu,
    "vulkan": _vulkan,
    "cuda": _cuda,
}


def target_list(target: str | Sequence[str]) -> tuple[str, ...]:
    """The targets that `target` names, in order. Raises CompileError for none, for one twice and for unknown ones."""
    targets = (target,) if isinstance(target, str) else tuple(target)
    for each in targets:
        if each not in TARGETS:
            raise CompileError(f"unknown target {each!r}; the targets are {', '.join(TARGETS)}")
    if not targets:
        raise CompileError(f"no target is given; the targets are {', '.join(TARGETS)}")
    if len(set(targets)) != len(targets):
        raise CompileError(f"a target is given twice: {', '.join(targets)}")
    return targets


def iree_flags(target: str, options: CompileOptions) -> list[str]:
    """The flags of one iree-compile run for one of `TARGETS`."""
    given = {flag.partition("=")[0] for flag in options.iree_flags}  # the compiler takes a flag once
    own = [flag for flag in (*TARGETS[target](options), *_common(options)) if flag.partition("=")[0] not in given]
    return [*own, *options.iree_flags]

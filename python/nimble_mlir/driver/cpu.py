"""The CPU features that code for a target may use, by the names of Linux: the runtime compares them with what is there."""

from __future__ import annotations

import re

from nimble_mlir.runtime.cpu import host_features

__all__ = ["needed_features"]

# The levels of the x86-64 psABI, each with what it adds to the one before.
_V2 = ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3")
_V3 = (*_V2, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe")
_V4 = (*_V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
# What LLVM uses besides on a machine that has it.
_FURTHER = (
    "amx_bf16", "amx_int8", "amx_tile", "avx512_bf16", "avx512_bitalg", "avx512_fp16", "avx512_vbmi2", "avx512_vnni",
    "avx512_vpopcntdq", "avx512ifma", "avx512vbmi", "avx_vnni", "fma4", "gfni", "vaes", "vpclmulqdq", "xop",
)  # fmt: skip
# The level that CPUs of a name have at least. Of others nothing is said, and nothing checked.
_LEVELS = (
    (re.compile(r"x86-64-v2"), _V2),
    (re.compile(r"x86-64-v3|haswell|broadwell|skylake|znver[123]"), _V3),
    (
        re.compile(
            r"x86-64-v4|skylake-avx512|cascadelake|cooperlake|icelake-.*|sapphirerapids|graniterapids|znver[45]"
        ),
        _V4,
    ),
)


def needed_features(target: str, target_cpu: str) -> tuple[str, ...]:
    """What a CPU must have for code that is compiled with `CompileOptions(target_cpu=)`; () where that is not known."""
    if target != "llvm-cpu":
        return ()
    if target_cpu == "host":
        here = host_features()
        return tuple(feature for feature in (*_V4, *_FURTHER) if feature in here)
    name = target_cpu.rpartition(":")[2]
    return next((features for pattern, features in _LEVELS if pattern.fullmatch(name)), ())

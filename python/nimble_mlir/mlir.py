"""The one file that names the MLIR distribution (today torch-mlir's wheel, LLVM git; see docs/dependencies.md).

In: nothing. Out: `ir`, the upstream dialects, `PassManager` and StableHLO's attribute classes under stable names, and
`make_context`, which gives a context with StableHLO registered and every pass of upstream MLIR and StableHLO known.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch_mlir import ir, passmanager
from torch_mlir._mlir_libs import _stablehlo as stablehlo
from torch_mlir.dialects import arith, cf, complex, ext, func, linalg, math, memref, scf, tensor, vector

# MLIR's bindings look for a Python module of the dialect at each op that they meet, and remember only a success (LLVM
# 24 git): without one for StableHLO, a third of a compile is failed imports. An empty module is such a success.
for _name in ("stablehlo", "vhlo", "nimble"):
    sys.modules.setdefault(f"torch_mlir.dialects.{_name}", types.ModuleType(f"torch_mlir.dialects.{_name}"))

__all__ = [
    "DISTRIBUTION",
    "PassManager",
    "arith",
    "cf",
    "collect_diagnostics",
    "complex",
    "context_lock",
    "ext",
    "func",
    "ir",
    "linalg",
    "make_context",
    "math",
    "memref",
    "parse_stablehlo_artifact",
    "scf",
    "stablehlo",
    "stablehlo_version",
    "tensor",
    "vector",
]

DISTRIBUTION = "torch-mlir"
PassManager = passmanager.PassManager

# Loading a Python-defined dialect from two threads at once crashes (torch-mlir 20261001), so contexts are made one by
# one; the same lock guards the process-wide pass registry.
context_lock = threading.RLock()
_passes_registered = False


def make_context(load: Callable[[], None] | None = None) -> ir.Context:
    """Returns a new context with StableHLO registered; `load` is called inside it to load further dialects."""
    global _passes_registered  # noqa: PLW0603 - upstream's pass registry is process-wide
    with context_lock:
        if not _passes_registered:
            stablehlo.register_stablehlo_passes()
            _passes_registered = True
        context = ir.Context()
        stablehlo.register_dialect(context)
        if load is not None:
            with context, ir.Location.unknown():
                load()
    return context


def stablehlo_version() -> str:
    """The StableHLO version of this MLIR distribution, such as "1.15.0"."""
    return stablehlo.get_current_version()


def parse_stablehlo_artifact(context: ir.Context, artifact: bytes) -> ir.Module:
    """Reads a StableHLO portable artifact (VHLO bytecode) into `context`; raises `ir.MLIRError` when it cannot."""
    return stablehlo.deserialize_portable_artifact(context, artifact)


@contextmanager
def collect_diagnostics(context: ir.Context) -> Iterator[list[ir.DiagnosticInfo]]:
    """Collects the diagnostics that `context` emits within the block; they are not printed."""
    collected: list[ir.DiagnosticInfo] = []

    def handle(diagnostic: ir.Diagnostic) -> bool:
        collected.append(ir.DiagnosticInfo(diagnostic))
        return True

    handler = context.attach_diagnostic_handler(handle)
    try:
        yield collected
    finally:
        handler.detach()

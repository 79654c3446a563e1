"""The features of this machine's CPU, and those that a file's code needs: a CPU without them would end the process (SIGILL).

Features have the names of Linux (/proc/cpuinfo).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from nimble_mlir.errors import LoadError

__all__ = ["check_cpu", "host_features"]


@cache
def host_features() -> frozenset[str]:
    """The features of this machine's CPU; empty where the system does not say."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(flags.partition(":")[2].split())


def check_cpu(needed: Sequence[str], name: str) -> None:
    """Raises LoadError, naming the file, where this machine's CPU lacks features that are needed."""
    here = host_features()
    missing = [feature for feature in needed if feature not in here]
    if here and missing:
        raise LoadError(
            f"'{name}' was compiled for a CPU with {', '.join(missing)}, which this one does not have: compile it for one "
            f'that is like this one, CompileOptions(target_cpu="x86-64-v3") say, or for any, target_cpu="generic"'
        )

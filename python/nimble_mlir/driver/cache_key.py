"""The key of an image in the compile cache: a SHA-256 over everything that decides its bytes.

In: a program as it was captured, a target, options, and the flags for the IREE compiler that they come to. Out: a key. Two
compiles with one key give the same bytes; so the key has

- the captured module with the locations of its ops, and the entries' signatures: a file says where the function and its
  checks stand (`file_line`, messages, debug information), so that a function that moved to another line is another file;
- target, options and flags, as they were resolved on this machine; a file that a flag names, by what is in it;
- for code for the host, what Linux says of its CPU;
- the versions of what takes part, and nimble's own sources.

The elements of large constants are no part: no pass sees them, and the image holds only their names and types.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

import nimble_mlir
from nimble_mlir import mlir

from .iree import compiler_path, compiler_version
from .lowering import Snapshot
from .options import CompileOptions

__all__ = ["WITHOUT_EFFECT", "image_key"]

# The options that an image does not depend on: how long it may take, where weights and IR go, and the cache itself.
WITHOUT_EFFECT = ("timeout", "parameters", "keep_ir", "cache")

_PACKAGES = (mlir.DISTRIBUTION, "numpy", "ml_dtypes")  # the passes fold constants with the last two

_WORKS_ON_PROGRAMS = ("passes", "dialects", "dims", "driver", "runtime")


def image_key(snapshot: Snapshot, target: str, options: CompileOptions, flags: Sequence[str]) -> str:
    """The key of the image that `target` gets of the program, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in _parts(snapshot, target, options, flags):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(snapshot: Snapshot, target: str, options: CompileOptions, flags: Sequence[str]) -> Iterator[bytes]:
    yield snapshot.module
    yield json.dumps([[name, entry.to_data()] for name, entry in snapshot.entries.items()]).encode()
    said = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in WITHOUT_EFFECT}
    yield json.dumps([target, said, list(flags), _versions()]).encode()
    yield _sources()
    for flag in flags:
        path = Path(flag.rpartition("=")[2])
        yield hashlib.sha256(path.read_bytes()).digest() if _is_file(path) else b""
    # Any value of a flag: the features may be the host's where the CPU is not.
    yield _cpu().encode() if any("host" in flag.rpartition("=")[2] for flag in flags) else b""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False


@cache
def _versions() -> list[str]:
    found = [importlib.metadata.version(package) for package in _PACKAGES]
    # A compiler that was built anew under the version that it had is known by its size and time.
    status = compiler_path().stat()
    compiler = f"{compiler_version()} {status.st_size} {status.st_mtime_ns}"
    return [nimble_mlir.__version__, compiler, platform.python_version(), *found]


@cache
def _sources() -> bytes:
    """A digest of what works on a captured program: it may change under one version while it is worked on."""
    digest = hashlib.sha256()
    for package in _WORKS_ON_PROGRAMS:
        folders = importlib.import_module(f"nimble_mlir.{package}").__path__
        for path in sorted(path for folder in folders for path in Path(folder).rglob("*.py")):
            digest.update(f"{package} {path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    digest.update(Path(mlir.__file__).read_bytes())
    return digest.digest()


def _cpu() -> str:
    """The features of this machine's CPU, as the kernel names them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted(set(re.findall(r"^(?:model name|flags|Features|CPU part)\s*:.*$", text, re.MULTILINE))))

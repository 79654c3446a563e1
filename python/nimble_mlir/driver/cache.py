"""The persistent compile cache: what the IREE compiler made of a program, by everything that it depends on.

In: a key over the IR of stage iree, the flags, the versions of the tools and, for the host, the features of its CPU.
Out: the image (a .vmfb without weights), if it is there. The weights are no part of it: they are added to each file anew.

Safe under concurrent and interrupted writers: an entry appears whole or not at all (a temporary file, then a rename); two
processes that compile the same program wait for each other, by a lock file; what is read is compared with its CRC-32 and
dropped where it differs. Where the folder cannot be used (read-only, full), a warning is logged and the compile goes on.

NIMBLE_CACHE=off switches it off, NIMBLE_CACHE_DIR says where it is (default: platformdirs' cache folder of the user), and
NIMBLE_CACHE_BYTES how large it may grow (default 2 GiB): the entries that were not used for longest go first.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs

from nimble_mlir.errors import CompileError, LoadError
from nimble_mlir.runtime.archive import check_archive

__all__ = ["CacheEntry", "clear", "directory", "entries", "get_or_make", "is_on", "key_of", "limit", "size"]

_SUFFIX = ".vmfb"
_DEFAULT_BYTES = 2 << 30
# Temporary files older than this belong to a process that was stopped.
_STALE_SECONDS = 3600.0

_log = logging.getLogger("nimble_mlir.iree")


@dataclass(frozen=True)
class CacheEntry:
    """One image: its key, size in bytes, and when it was last used (seconds since the epoch)."""

    key: str
    size: int
    used: float


def is_on() -> bool:
    """Whether compiles use the cache (NIMBLE_CACHE is not "off")."""
    return os.environ.get("NIMBLE_CACHE", "on").lower() not in ("off", "0", "false", "no")


def directory() -> Path:
    """The folder of the cache, which need not exist."""
    return Path(os.environ.get("NIMBLE_CACHE_DIR") or platformdirs.user_cache_path("nimble_mlir"))


def limit() -> int:
    """The bytes up to which it grows. Raises CompileError where NIMBLE_CACHE_BYTES is no number."""
    text = os.environ.get("NIMBLE_CACHE_BYTES", str(_DEFAULT_BYTES))
    if not text.isdigit():
        raise CompileError(f"NIMBLE_CACHE_BYTES must be a number of bytes, got {text!r}")
    return int(text)


def entries() -> list[CacheEntry]:
    """What is in the cache, the entry that was used last first."""
    found = []
    with suppress(OSError):
        for path in directory().glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):  # another process may prune
                status = path.stat()
                found.append(CacheEntry(path.stem, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


def size() -> int:
    """The bytes of all entries."""
    return sum(entry.size for entry in entries())


def clear() -> None:
    """Removes every entry."""
    with suppress(OSError):
        for path in directory().iterdir():
            if path.suffix in (_SUFFIX, ".tmp", ".lock"):
                path.unlink(missing_ok=True)


def key_of(module: bytes, flags: Sequence[str], versions: Sequence[str]) -> str:
    """The key of a program as bytecode, compiled with these flags by tools of these versions."""
    digest = hashlib.sha256()
    parts = [module, *(text.encode() for text in (*flags, *versions))]
    if any(flag.endswith("=host") for flag in flags):
        parts.append(_cpu().encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def get_or_make(key: str, make: Callable[[Path], None], output: Path) -> bool:
    """Puts the image of `key` at `output`, by `make(output)` where the cache does not have it; whether it had it.

    Two callers of one key, in any processes, run one `make`. What `make` raises is the caller's.
    """
    folder = directory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{key}.lock"):
            if _read(folder / f"{key}{_SUFFIX}", output):
                return True
            make(output)
            _write(folder, key, output)
            return False
    except OSError as error:
        if output.exists():  # made, but not kept
            _log.warning("the compile cache '%s' cannot be written: %s", folder, error.strerror or error)
            return False
        _log.warning("the compile cache '%s' cannot be used: %s", folder, error.strerror or error)
    make(output)
    return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with filelock.FileLock(path):
        yield


def _read(path: Path, output: Path) -> bool:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    try:
        check_archive(memoryview(data), str(path))
    except LoadError as error:
        _log.warning("dropped from the compile cache: %s", error)
        path.unlink(missing_ok=True)
        return False
    output.write_bytes(data)
    with suppress(OSError):
        os.utime(path)
    return True


def _write(folder: Path, key: str, image: Path) -> None:
    data = image.read_bytes()
    handle, name = tempfile.mkstemp(suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, folder / f"{key}{_SUFFIX}")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _prune(folder)


def _prune(folder: Path) -> None:
    """Removes the entries that were not used for longest until the rest fits, and what stopped processes left."""
    room = limit()
    for entry in entries():
        room -= entry.size
        if room < 0:
            (folder / f"{entry.key}{_SUFFIX}").unlink(missing_ok=True)
    for path in (*folder.glob("*.tmp"), *folder.glob("*.lock")):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()


def _cpu() -> str:
    """The features of this machine's CPU, as the kernel names them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        import platform

        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted(set(re.findall(r"^(?:model name|flags|Features|CPU part)\s*:.*$", text, re.MULTILINE))))

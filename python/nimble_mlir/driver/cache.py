"""The persistent compile cache: what the passes and the IREE compiler made of a program, by all that it depends on.

In: a key (cache_key.py). Out: the image (a .vmfb without weights), if it is there. The weights are no part of it: the
passes do not see them, and they are added to each file anew.

Safe under concurrent and interrupted writers: an entry appears whole or not at all (a temporary file, then a rename); two
processes that compile the same program wait for each other, by a lock file; what is read is compared with its CRC-32 and
dropped where it differs. Where the folder cannot be used (read-only, full), a warning is logged and the compile goes on.

NIMBLE_CACHE=off switches it off, NIMBLE_CACHE_DIR says where it is (default: platformdirs' cache folder of the user), and
NIMBLE_CACHE_BYTES how large it may grow (default 2 GiB): the entries that were not used for longest go first.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs

from nimble_mlir.errors import CompileError, LoadError
from nimble_mlir.runtime.archive import check_archive

__all__ = ["CacheEntry", "clear", "directory", "entries", "is_on", "limit", "lookup", "size"]

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


@contextmanager
def lookup(key: str, output: Path) -> Iterator[bool]:
    """Puts the image of `key` at `output` and gives True; or gives False, and keeps what the block puts there.

    Of two callers of one key, in any processes, the second waits for the first. What the block raises is the caller's, and
    leaves nothing. A folder that can only be read is read.
    """
    folder = directory()
    with ExitStack() as stack:
        broken: OSError | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(folder / f"{key}.lock"))
        except OSError as error:
            broken = error
        try:
            found = _read(folder / f"{key}{_SUFFIX}", output)  # an entry appears whole: this needs no lock
        except OSError as error:
            found, broken = False, broken or error
        if broken is not None and not found:
            _log.warning("the compile cache '%s' cannot be used: %s", folder, broken.strerror or broken)
        yield found
        if found or broken is not None:
            return
        try:
            _write(folder, key, output)
        except OSError as error:
            _log.warning("the compile cache '%s' cannot be written: %s", folder, error.strerror or error)


def _read(path: Path, output: Path) -> bool:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    try:
        check_archive(memoryview(data), str(path))
    except LoadError as error:
        _log.warning("dropped from the compile cache: %s", error)
        with suppress(OSError):  # of a folder that can only be read
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

"""The file of a module, as `Module.save` writes it and `Module.image` shows it.

In: a mapped file. Out: its bytes, and copies of it. A module that was just compiled has a file that is not written yet
(driver/container.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

__all__ = ["MappedFile", "ModuleFile", "replacing"]


class ModuleFile(Protocol):
    """What a `Module` asks of its file."""

    @property
    def view(self) -> memoryview:
        """The bytes, valid as long as they are referenced."""
        ...

    def save(self, path: str) -> None:
        """Writes the file to `path`, whole or not at all. Raises OSError."""
        ...


class MappedFile:
    """A file that exists, as the bytes of its mapping."""

    def __init__(self, view: memoryview) -> None:
        self.view = view

    def save(self, path: str) -> None:
        """See `ModuleFile`."""
        with replacing(path) as file:
            file.write(self.view)


@contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """A new file, open for writing and reading, that takes the place of `path` at the end, unless there is an error."""
    folder, base = os.path.split(path)
    temporary = os.path.join(folder, f".{base}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise

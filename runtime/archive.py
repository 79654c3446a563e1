"""Checks of a .vmfb file before the IREE runtime sees it, which crashes on damaged files.

In: the bytes of a file. Out: nothing, or a LoadError that says what is wrong. A .vmfb is a ZIP archive of stored (not
compressed) entries, the first of which is the VM bytecode; IREE finds it from the first local header alone. Afterwards
every entry has the bytes that its CRC-32 was made from, headers agree with the directory, and the file holds a nimble
signature for the installed IREE version.
"""

from __future__ import annotations

import importlib.metadata
import io
import mmap
import re
import struct
import zipfile
import zlib

from nimble_mlir.errors import LoadError

__all__ = ["check_archive", "check_signature_header", "further_images", "installed_iree_version", "open_archive"]

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_IMAGE = re.compile(r"targets/([\w-]+)\.vmfb")
_MARKER = b'{"nimble_schema":'
_HEADER = re.compile(rb'\{"nimble_schema":(\d+),"nimble":"([^"]*)","iree":"([^"]*)"(?:,"target":"([^"]*)")?')


class _BufferFile(io.RawIOBase):
    """A seekable read-only file over a buffer, without a copy of it."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = (0, self._position, len(self._data))[whence]
        if start + offset < 0:
            raise OSError("seek before the start")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        part = self._data[self._position : self._position + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)


def open_archive(data: memoryview) -> zipfile.ZipFile:
    """The archive over a buffer, without a copy of it. Raises zipfile.BadZipFile."""
    return zipfile.ZipFile(_BufferFile(data))  # pyright: ignore[reportArgumentType]


def _directory(data: memoryview, name: str) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(_BufferFile(data)) as archive:  # pyright: ignore[reportArgumentType]
            entries = archive.infolist()
    except Exception as error:  # a damaged directory makes zipfile raise many things besides BadZipFile
        if bytes(data[:4]) == b"PK\x03\x04":
            raise LoadError(f"'{name}' is damaged or incomplete: {error}") from error
        raise LoadError(f"'{name}' is not a .vmfb file: it is no ZIP archive") from error
    return sorted(entries, key=lambda entry: entry.header_offset)


def further_images(data: memoryview, name: str) -> dict[str, memoryview]:
    """The images for other targets than the first's that the file holds, by target. Raises LoadError."""
    found = {}
    for entry in _directory(data, name):
        match = _IMAGE.fullmatch(entry.filename)
        if match is not None:
            header = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
            start = entry.header_offset + _LOCAL_HEADER.size + header[9] + header[10]
            found[match[1]] = data[start : start + entry.file_size]
    return found


def check_archive(data: memoryview, name: str) -> None:
    """Compare every entry with its CRC-32 and its headers. `name` is for messages. Raises LoadError."""
    if not len(data):
        raise LoadError(f"'{name}' is empty")
    entries = _directory(data, name)
    if not entries or entries[0].header_offset != 0 or not entries[0].filename.endswith(".fb"):
        raise LoadError(f"'{name}' is not a .vmfb file: the archive does not begin with VM bytecode")
    end = 0
    for entry in entries:
        if entry.header_offset < end:
            raise LoadError(f"'{name}' is damaged: entry {entry.filename!r} overlaps the one before")
        end = _check_entry(data, entry, name)


def _check_entry(data: memoryview, entry: zipfile.ZipInfo, name: str) -> int:
    """Check one entry; the offset of its end. Raises LoadError."""
    damaged = f"'{name}' is damaged: entry {entry.filename!r}"
    start = entry.header_offset + _LOCAL_HEADER.size
    if start > len(data):
        raise LoadError(f"{damaged} lies outside of the file")
    header = _LOCAL_HEADER.unpack(data[entry.header_offset : start])
    signature, _, flags, method, _, _, crc, packed_size, size, name_length, extra_length = header
    stored_name = bytes(data[start : start + name_length])
    if (
        signature != b"PK\x03\x04"
        or stored_name != entry.orig_filename.encode("utf-8" if flags & 0x800 else "cp437")
        or (flags, method) != (entry.flag_bits, entry.compress_type)
        or flags & ~0x800  # encrypted, or sizes after the data: IREE writes neither
        or method != zipfile.ZIP_STORED
        or entry.file_size != entry.compress_size
        or crc != entry.CRC
        or size not in (entry.file_size, 0xFFFFFFFF)
        or packed_size not in (entry.compress_size, 0xFFFFFFFF)
    ):
        raise LoadError(f"{damaged} has a wrong header")
    start += name_length + extra_length
    end = start + entry.file_size
    if end > len(data):
        raise LoadError(f"{damaged} lies outside of the file")
    if zlib.crc32(data[start:end]) != entry.CRC:
        raise LoadError(f"{damaged} does not match its CRC-32")
    return end


def check_signature_header(data: mmap.mmap, name: str) -> str:
    """Find the nimble signature in the bytes of the file and compare its IREE version with the installed one.

    Returns the target that the (first) image was compiled for, "" where the header does not say.

    Raises LoadError. This comes before IREE reads the file, whose own message for another version names neither.
    """
    start = data.find(_MARKER, 0)  # by default it starts where something was written last
    header = _HEADER.match(data[start : start + 1024]) if start >= 0 else None
    if header is None:
        raise LoadError(f"'{name}' was not compiled by nimble_mlir: it holds no nimble signature")
    needed = header[3].decode()
    installed = installed_iree_version()
    if _release(needed) != _release(installed):
        release = ".".join(_release(needed))
        raise LoadError(
            f"'{name}' needs the IREE runtime {release} (compiled with {needed} by nimble_mlir {header[2].decode()}), "
            f"but {installed} is installed: pip install 'iree-base-runtime=={release}.*', or compile the model again"
        )
    return (header[4] or b"").decode()


def installed_iree_version() -> str:
    """The version of the installed IREE runtime."""
    try:
        return importlib.metadata.version("iree-base-runtime")
    except importlib.metadata.PackageNotFoundError:  # a build from source
        from iree.runtime.version import VERSION

        return VERSION


def _release(version: str) -> list[str]:
    return version.split(".")[:2]

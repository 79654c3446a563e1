"""The file of a compiled module: IREE's .vmfb with the weights, and the images for further targets, as further entries.

A .vmfb is a ZIP archive, and IREE reads its own entries whatever stands behind them. So the file itself is the image for
the first target; that for each other one is an entry `targets/<target>.vmfb`. The weights, which all share, are the entry
`weights.safetensors`. Both are stored (not compressed) and aligned, so that the runtime maps them in place, and so that
other tools can read them (the safetensors format: an 8-byte length, a JSON header, the elements).
"""

from __future__ import annotations

import json
import mmap
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from nimble_mlir.runtime.file import replacing

__all__ = ["IMAGE_ENTRY", "LINK_ENTRY", "WEIGHTS_ENTRY", "UnwrittenFile", "add_image", "add_weights", "link_weights"]

WEIGHTS_ENTRY = "weights.safetensors"
LINK_ENTRY = "weights.link"
IMAGE_ENTRY = "targets/{target}.vmfb"
_ALIGNMENT = 4096
_LOCAL_HEADER = 30
_CHUNK = 1 << 24

_SAFETENSORS_DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "float16": "F16",
    "bfloat16": "BF16",
    "uint32": "U32",
    "int32": "I32",
    "float32": "F32",
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fn": "F8_E4M3",
}


class UnwrittenFile:
    """The file of a module that was compiled in this process: its archive without weights, and the weights, which are the
    arrays of the program until somebody asks for the file.

    See `nimble_mlir.runtime.file.ModuleFile`.
    """

    def __init__(self, archive: bytes, weights: Mapping[str, np.ndarray]) -> None:
        self._archive, self._weights = archive, weights
        self._lock = threading.Lock()
        self._view: memoryview | None = None

    @property
    def view(self) -> memoryview:
        """The bytes of the whole file, in a temporary file that goes with them."""
        with self._lock:
            if self._view is None:
                with tempfile.TemporaryFile(prefix="nimble-") as file:
                    self._write(file)
                    self._view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return self._view

    def save(self, path: str) -> None:
        """Writes the whole file to `path`, or nothing. Raises OSError."""
        with replacing(path) as file:
            self._write(file)

    def _write(self, file: IO[bytes]) -> None:
        file.write(self._archive)
        add_weights(file, self._weights)
        file.flush()


def add_weights(path: Path | IO[bytes], weights: Mapping[str, np.ndarray]) -> None:
    """Appends the arrays of `weights` to the archive at `path`, which may be a file that is open for reading and writing;
    without any the file stays as it is."""
    if not weights:
        return
    header = _header(weights)
    size = len(header) + sum(array.nbytes for array in weights.values())
    with _aligned_entry(path, WEIGHTS_ENTRY, size) as file:
        _write(file, header, weights)


def add_image(path: Path, target: str, image: Path) -> None:
    """Appends the .vmfb `image`, made for `target`, to the archive at `path`."""
    with (
        image.open("rb") as source,
        _aligned_entry(path, IMAGE_ENTRY.format(target=target), image.stat().st_size) as file,
    ):
        shutil.copyfileobj(source, file, _CHUNK)


@contextmanager
def _aligned_entry(path: Path | IO[bytes], name: str, size: int) -> Iterator[IO[bytes]]:
    """A file to write an entry of `size` bytes to, which begins at a page of the archive."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        info = zipfile.ZipInfo(name)
        info.file_size = size
        large = size >= zipfile.ZIP64_LIMIT
        start = archive.start_dir + _LOCAL_HEADER + len(name) + (20 if large else 0)
        # An extra field (id 0, then its length) moves the data to the next page.
        padding = -start % _ALIGNMENT
        padding += _ALIGNMENT if padding < 4 else 0
        info.extra = b"\0\0" + (padding - 4).to_bytes(2, "little") + bytes(padding - 4)
        with archive.open(info, "w", force_zip64=large) as file:
            yield file


def link_weights(path: Path, weights: Mapping[str, np.ndarray], beside: Path) -> None:
    """Writes the arrays as the .safetensors file `beside`, and says in the archive at `path` where they are.

    The runtime looks for a file of that name beside the .vmfb first, then at the place where it was written.
    """
    if not weights:
        return
    partial = beside.with_name(beside.name + ".partial")
    with partial.open("wb") as file:
        _write(file, _header(weights), weights)
    partial.replace(beside)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(LINK_ENTRY, json.dumps({"path": str(beside.resolve()), "size": beside.stat().st_size}))


def _write(file: IO[bytes], header: bytes, weights: Mapping[str, np.ndarray]) -> None:
    file.write(header)
    for array in _ordered(weights).values():
        raw = memoryview(array.reshape(-1).view(np.uint8))  # pyright: ignore[reportArgumentType]
        for start in range(0, len(raw), _CHUNK):
            file.write(raw[start : start + _CHUNK])


def _ordered(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sizes that are multiples of 64 first: the format allows no gaps, and IREE maps only aligned tensors in place."""
    return dict(sorted(weights.items(), key=lambda item: item[1].nbytes % 64 != 0))


def _header(weights: Mapping[str, np.ndarray]) -> bytes:
    entries: dict[str, object] = {}
    offset = 0
    for key, array in _ordered(weights).items():
        dtype = _SAFETENSORS_DTYPES.get(array.dtype.name)
        # A dtype that the format lacks is held as its bytes; the module knows its type.
        shape = list(array.shape) if dtype is not None else [array.nbytes]
        entries[key] = {"dtype": dtype or "U8", "shape": shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    return len(text).to_bytes(8, "little") + text

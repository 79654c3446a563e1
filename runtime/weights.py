"""The weights of a module: found in the archive of its file and given to IREE as parameters, in place.

In: the mapped file, or the arrays of the process that compiled. Out: an IREE module that answers the parameters of scope
"nimble", or None where there are none. The elements are used where the file is mapped, or where the arrays lie; what the
compiler packs for its kernels is copied once a context.
"""

from __future__ import annotations

import json
import mmap
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import iree.runtime
import numpy as np

from nimble_mlir.errors import LoadError
from nimble_mlir.runtime.archive import open_archive
from nimble_mlir.runtime.device import vm_instance

__all__ = ["LINK_ENTRY", "PARAMETER_SCOPE", "WEIGHTS_ENTRY", "array_parameters", "parameters_module"]

WEIGHTS_ENTRY = "weights.safetensors"
LINK_ENTRY = "weights.link"
PARAMETER_SCOPE = "nimble"

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


def parameters_module(image: mmap.mmap, name: str) -> Any | None:
    """The IREE module with the parameters of the file `name`, whose bytes are `image`; None where it has none.

    Raises LoadError where they are malformed, or where a .safetensors file that holds them is not found.
    """
    source = _locate(image, name)
    if source is None:
        return None
    index = iree.runtime.ParameterIndex()
    file = iree.runtime.FileHandle.wrap_memory(memoryview(source.image))  # pyright: ignore[reportArgumentType]
    # The stubs of iree-base-runtime 3.13 give these two methods fewer parameters than they have.
    for key, offset, length in _tensors(source.image, source.start, source.size, source.name):
        index.add_from_file_handle(key, file, length, offset)  # pyright: ignore[reportCallIssue]
    provider = index.create_provider(PARAMETER_SCOPE)  # pyright: ignore[reportCallIssue]
    return iree.runtime.create_io_parameters_module(vm_instance(), provider)


def array_parameters(arrays: Mapping[str, np.ndarray]) -> Any | None:
    """The IREE module with `arrays` as parameters, which it keeps and which must not change; None without any."""
    if not arrays:
        return None
    index = iree.runtime.ParameterIndex()
    for key, array in arrays.items():
        elements = memoryview(array.reshape(-1).view(np.uint8))  # pyright: ignore[reportArgumentType]
        file = iree.runtime.FileHandle.wrap_memory(elements if array.nbytes else memoryview(b"\0"))  # pyright: ignore[reportArgumentType]
        index.add_from_file_handle(key, file, array.nbytes, 0)  # pyright: ignore[reportCallIssue]
    provider = index.create_provider(PARAMETER_SCOPE)  # pyright: ignore[reportCallIssue]
    return iree.runtime.create_io_parameters_module(vm_instance(), provider)


@dataclass(frozen=True)
class _Weights:
    """The mapped bytes that hold a safetensors file, from `start` on."""

    image: mmap.mmap
    start: int
    size: int
    name: str


def _locate(image: mmap.mmap, name: str) -> _Weights | None:
    """The weights in the archive, or in the file that the archive points to."""
    try:
        with open_archive(memoryview(image)) as archive:
            names = archive.namelist()
            if LINK_ENTRY in names:
                return _linked(json.loads(archive.read(LINK_ENTRY)), name)
            if WEIGHTS_ENTRY not in names:
                return None
            info = archive.getinfo(WEIGHTS_ENTRY)
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise LoadError(f"'{name}' is damaged: {error}") from error
    header = _LOCAL_HEADER.unpack_from(image, info.header_offset)
    start = info.header_offset + _LOCAL_HEADER.size + header[9] + header[10]
    return _Weights(image, start, info.file_size, name)


def _linked(link: dict[str, Any], name: str) -> _Weights:
    written = Path(link["path"])
    beside = [Path(name).parent / written.name] if Path(name).is_file() else []  # no file: the bytes of one
    for path in (*beside, written):
        if not path.is_file():
            continue
        size = path.stat().st_size
        if size != link["size"]:
            raise LoadError(f"the weights '{path}' are not those of '{name}': {size} bytes instead of {link['size']}")
        with path.open("rb") as file:
            return _Weights(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ), 0, size, str(path))
    raise LoadError(f"'{name}' needs its weights '{written.name}': expected beside it, or as '{written}'")


def _tensors(image: mmap.mmap, start: int, size: int, name: str) -> Iterator[tuple[str, int, int]]:
    """Key, offset in the file and length in bytes of each tensor, as the safetensors header has them."""
    try:
        (length,) = struct.unpack_from("<Q", image, start)
        entries = json.loads(image[start + 8 : start + 8 + length])
        data = start + 8 + length
        for key, entry in entries.items():
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= size - 8 - length:
                raise ValueError(f"tensor '{key}' lies outside of the file")
            yield key, data + begin, end - begin
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise LoadError(f"the weights in '{name}' are malformed: {error}") from error

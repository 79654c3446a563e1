"""The weights in a file: found in its archive and given to IREE as parameters, in place.

In: the mapped file. Out: an IREE module that answers the parameters of scope "nimble", or None where the file has none.
The elements are used where the file is mapped; what the compiler packs for its kernels is copied once a context.
"""

from __future__ import annotations

import json
import mmap
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import iree.runtime
from nimble_mlir.errors import LoadError
from nimble_mlir.runtime.archive import open_archive
from nimble_mlir.runtime.device import vm_instance

__all__ = ["PARAMETER_SCOPE", "WEIGHTS_ENTRY", "parameters_module"]

WEIGHTS_ENTRY = "weights.safetensors"
PARAMETER_SCOPE = "nimble"

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


def parameters_module(image: mmap.mmap, name: str) -> Any | None:
    """The IREE module with the parameters in the archive `image`; raises LoadError where they are malformed."""
    location = _locate(image, name)
    if location is None:
        return None
    start, size = location
    index = iree.runtime.ParameterIndex()
    file = iree.runtime.FileHandle.wrap_memory(memoryview(image))
    for key, offset, length in _tensors(image, start, size, name):
        index.add_from_file_handle(key, file, length, offset)
    return iree.runtime.create_io_parameters_module(vm_instance(), index.create_provider(PARAMETER_SCOPE))


def _locate(image: mmap.mmap, name: str) -> tuple[int, int] | None:
    """Offset and size of the weights in the file."""
    try:
        with open_archive(memoryview(image)) as archive:
            info = archive.getinfo(WEIGHTS_ENTRY)
    except KeyError:
        return None
    except zipfile.BadZipFile as error:
        raise LoadError(f"'{name}' is damaged: {error}") from error
    header = _LOCAL_HEADER.unpack_from(image, info.header_offset)
    return info.header_offset + _LOCAL_HEADER.size + header[9] + header[10], info.file_size


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

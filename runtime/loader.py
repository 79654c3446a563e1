"""`load`: from a .vmfb file or its bytes to a `Module`.

The file is mapped, checked, and only then shown to the IREE runtime, which uses the weights in it in place.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import iree.runtime

from nimble_mlir.dims.signature import REFLECTION_KEY, Signature
from nimble_mlir.errors import LoadError
from nimble_mlir.runtime.archive import check_archive, check_signature_header
from nimble_mlir.runtime.contexts import ContextPool, context_limit
from nimble_mlir.runtime.device import Device, DeviceOptions, get_device, vm_instance
from nimble_mlir.runtime.entry import Entry, Place
from nimble_mlir.runtime.module import Module
from nimble_mlir.runtime.weights import parameters_module

__all__ = ["load", "open_module"]

_DRIVER_OF_TARGET = {"llvm-cpu": "local-task", "vulkan": "vulkan", "cuda": "cuda"}

# A second set of contexts may copy what the file holds (packed constants).
_MAX_SMALL_FILE = 8 << 20

_log = logging.getLogger("nimble_mlir.runtime")


def load(
    path_or_bytes: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    device: DeviceOptions | str | None = None,
    verify: bool = True,
) -> Module:
    """Load a compiled module.

    `device` is a driver name or `DeviceOptions`; None: what the compiler recommended, else the driver of the target
    (local-task for llvm-cpu, where calls whose sizes make them small run in the calling thread instead).
    `verify=False` skips the check of the file's CRCs (0.12 s for 440 MB in the page cache); IREE crashes on damaged
    files. The file stays mapped: replace it, but do not overwrite it in place, while it is used.
    A .vmfb holds native code: load only files that you trust.

    Raises LoadError for a file that is missing, damaged, not made by nimble_mlir or made for another runtime version,
    and for a device that is not there.
    """
    return open_module(path_or_bytes, device=device, verify=verify)


def open_module(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    device: DeviceOptions | str | None = None,
    verify: bool = True,
    ir_stages: Mapping[str, str | Callable[[], str]] | None = None,
    live_treedefs: Mapping[str, tuple[Any, Any]] | None = None,
) -> Module:
    """`load` for the process that compiled the module.

    `ir_stages` maps stage names to IR text, or to functions that make it. `live_treedefs` maps entry names to JAX's
    treedefs of ((args, kwargs), results): with them, types that are registered with JAX can be passed and returned.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name, image = "bytes", _map_bytes(source)
    else:
        name = os.fspath(source)
        image = _map_file(name)
    view = memoryview(image)
    if verify:
        check_archive(view, name)
    check_signature_header(image, name)
    vm_module = _open_bytecode(image, name)
    functions = [vm_module.lookup_function(function) for function in vm_module.function_names]
    texts = [text for function in functions if (text := function.reflection.get(REFLECTION_KEY)) is not None]
    if not texts:
        raise LoadError(f"'{name}' was not compiled by nimble_mlir: no function carries a nimble signature")
    signature = Signature.from_json(*texts)
    by_size = device is None
    if device is None:
        device = signature.driver or _DRIVER_OF_TARGET.get(signature.target)
        if device is None:
            raise LoadError(f"'{name}' was compiled for the target '{signature.target}', which has no device here")
    opened = get_device(device)
    parameters = parameters_module(image, name)

    def place_on(device: Device) -> Place:
        return Place(device, _make_pool(vm_module, parameters, device, view, name))

    place, small = place_on(opened), None
    if by_size and opened.options.driver == "local-task" and len(view) <= _MAX_SMALL_FILE:
        small = _Once(lambda: place_on(get_device("local-sync")))
    by_name = {function.name: function for function in functions}
    live_treedefs = live_treedefs or {}
    entries: dict[str, Entry] = {}
    for entry_name, spec in signature.entries.items():
        function = by_name.get(spec.function)
        if function is None:
            raise LoadError(f"'{name}' has no function '{spec.function}' for its entry point '{entry_name}'")
        entries[entry_name] = Entry(spec, function, place, small, live_treedefs.get(entry_name))
    _log.debug("loaded %s on %r: %s", name, opened, ", ".join(entries))
    return Module(signature, entries, opened, image=view, name=name, ir_stages=ir_stages)


class _Once:
    """A function that is called when its result is first asked for, by one thread."""

    def __init__(self, make: Callable[[], Place]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: Place | None = None

    def __call__(self) -> Place:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def _map_file(path: str) -> mmap.mmap:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise LoadError(f"'{path}' is empty")
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise LoadError(f"'{path}' does not exist") from None
    except OSError as error:
        raise LoadError(f"'{path}' cannot be read: {error.strerror or error}") from error


def _map_bytes(data: bytes | bytearray | memoryview) -> mmap.mmap:
    """A copy of `data` in memory of its own, aligned to pages as IREE needs it."""
    size = memoryview(data).nbytes
    if not size:
        raise LoadError("'bytes' is empty")
    image = mmap.mmap(-1, size)
    image.write(data)
    return image


def _open_bytecode(image: mmap.mmap, name: str) -> Any:
    try:
        return iree.runtime.VmModule.wrap_buffer(vm_instance(), image)
    except Exception as error:
        raise LoadError(f"the IREE runtime cannot read '{name}': {error}") from error


def _make_pool(vm_module: Any, parameters: Any | None, device: Device, view: memoryview, name: str) -> ContextPool:
    def create() -> Any:
        hal_module = iree.runtime.create_hal_module(vm_instance(), device.hal_device)
        return iree.runtime.VmContext(
            vm_instance(), [hal_module, *([parameters] if parameters is not None else []), vm_module]
        )

    try:
        return ContextPool(create, context_limit(device.options.driver, len(view)))
    except Exception as error:
        raise LoadError(f"'{name}' cannot be started on {device.options.driver}: {error}") from error

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
import numpy as np

from nimble_mlir.dims.signature import REFLECTION_KEY, Signature
from nimble_mlir.errors import LoadError
from nimble_mlir.runtime.archive import check_archive, check_signature_header, further_images
from nimble_mlir.runtime.contexts import ContextPool, context_limit
from nimble_mlir.runtime.cpu import check_cpu
from nimble_mlir.runtime.device import Device, DeviceOptions, get_device, vm_instance
from nimble_mlir.runtime.entry import Entry, Place
from nimble_mlir.runtime.file import MappedFile, ModuleFile
from nimble_mlir.runtime.images import DRIVER_OF_TARGET, choose_target
from nimble_mlir.runtime.module import Module
from nimble_mlir.runtime.weights import array_parameters, parameters_module

__all__ = ["load", "open_module"]

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
    (local-task for llvm-cpu, where calls whose sizes make them small run in the calling thread instead). Of a file for
    several targets, the image that runs on `device` is taken; without `device`, the first in the order of its targets
    whose device is there.
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
    absent_device_is_error: bool = True,
    name: str | None = None,
    ir_stages: Mapping[str, str | Callable[[], str]] | None = None,
    live_treedefs: Mapping[str, tuple[Any, Any]] | None = None,
    weights: Mapping[str, np.ndarray] | None = None,
    contents: ModuleFile | None = None,
) -> Module:
    """`load` for the process that compiled the module.

    `name` is for messages (the path). `ir_stages` maps stage names to IR text, or to functions that make it.
    `live_treedefs` maps entry names to JAX's treedefs of ((args, kwargs), results): with them, types that are registered
    with JAX can be passed and returned. Without `absent_device_is_error` a module whose device is not there, or whose
    code this machine cannot run, can be saved and asked for its signature; the LoadError comes when it is called.
    `weights` are what the file lacks yet, used where they lie: they must not change. `contents` is the file with them.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name, file = name or "bytes", _map_bytes(source)
    else:
        file = _map_file(os.fspath(source))
        name = name or os.fspath(source)
    view = memoryview(file)
    if verify:
        check_archive(view, name)
    first = check_signature_header(file, name)
    images = {first: view, **further_images(view, name)}
    image = images[choose_target(images, device, name)]
    vm_module = _open_bytecode(image, name)
    functions = {function: vm_module.lookup_function(function) for function in vm_module.function_names}
    texts = [text for each in functions.values() if (text := each.reflection.get(REFLECTION_KEY)) is not None]
    if not texts:
        raise LoadError(f"'{name}' was not compiled by nimble_mlir: no function carries a nimble signature")
    signature = Signature.from_json(*texts)
    added = sum(array.nbytes for array in (weights or {}).values())
    chosen = device or signature.driver or DRIVER_OF_TARGET.get(signature.target)
    if chosen is None:
        raise LoadError(f"'{name}' was compiled for the target '{signature.target}', which has no device here")

    def place_on(options: DeviceOptions | str) -> Place:
        check_cpu(signature.cpu_features, name)
        opened = get_device(options)
        parameters = parameters_module(file, name) if weights is None else array_parameters(weights)
        return Place(opened, _make_pool(vm_module, parameters, opened, len(image) + added, name))

    place, small = _Once(lambda: place_on(chosen)), None
    if device is None and chosen == "local-task" and len(view) + added <= _MAX_SMALL_FILE:
        small = _Once(lambda: place_on("local-sync"))
    try:
        place()
    except LoadError:
        if absent_device_is_error:
            raise
    live_treedefs = live_treedefs or {}
    entries: dict[str, Entry] = {}
    for entry_name, spec in signature.entries.items():
        function = functions.get(spec.function)
        if function is None:
            raise LoadError(f"'{name}' has no function '{spec.function}' for its entry point '{entry_name}'")
        entries[entry_name] = Entry(spec, function, place, small, live_treedefs.get(entry_name))
    _log.debug("loaded %s for %s: %s", name, chosen, ", ".join(entries))
    return Module(
        signature,
        entries,
        lambda: place().device,
        file=contents or MappedFile(view),
        targets=tuple(images),
        name=name,
        asked_for=device,
        ir_stages=ir_stages,
    )


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


def _open_bytecode(image: memoryview, name: str) -> Any:
    try:
        return iree.runtime.VmModule.wrap_buffer(vm_instance(), image)
    except Exception as error:
        raise LoadError(f"the IREE runtime cannot read '{name}': {error}") from error


def _make_pool(vm_module: Any, parameters: Any | None, device: Device, size: int, name: str) -> ContextPool:
    def create() -> Any:
        hal_module = iree.runtime.create_hal_module(vm_instance(), device.hal_device)
        return iree.runtime.VmContext(
            vm_instance(), [hal_module, *([parameters] if parameters is not None else []), vm_module]
        )

    try:
        return ContextPool(create, context_limit(device.options.driver, size))
    except Exception as error:
        raise LoadError(f"'{name}' cannot be started on {device.options.driver}: {error}") from error

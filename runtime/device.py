"""The one place where IREE devices are made: options in, a `Device` out, one a process for equal options. That of a GPU
lives as long as a module uses it; those of the CPU stay, since arrays that a module returned are their memory.

IREE's settings for its worker threads are process-global flags that are read when a driver is created. So each device
gets a driver of its own, made under a lock with the flags of its options, which are put back afterwards; a device's
threads cannot change later.
"""

from __future__ import annotations

import logging
import os
import shlex
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import iree.runtime
from iree.runtime import _binding

from nimble_mlir.errors import LoadError, NimbleError
from nimble_mlir.runtime.staging import Staging
from nimble_mlir.runtime.waiting import at_once, waiting_for_workers

__all__ = [
    "DRIVERS",
    "TARGET_OF_DRIVER",
    "Device",
    "DeviceInfo",
    "DeviceOptions",
    "devices",
    "get_device",
    "vm_instance",
]

# Device driver → the compile target whose code runs on it.
TARGET_OF_DRIVER = {"local-task": "llvm-cpu", "local-sync": "llvm-cpu", "vulkan": "vulkan", "cuda": "cuda"}
DRIVERS = tuple(TARGET_OF_DRIVER)
_DEFAULT_STACK_SIZE = 131072  # IREE's default of --task_worker_stack_size

_log = logging.getLogger("nimble_mlir.runtime")


@dataclass(frozen=True)
class DeviceOptions:
    """What a device runs on.

    driver: "local-task" (CPU, a pool of worker threads), "local-sync" (CPU, the calling thread alone, least latency),
        "vulkan" or "cuda".
    threads: number of worker threads of local-task; None: one a physical core that this process may use.
    worker_stack_size: stack of each of them in bytes; None: IREE's 128 KiB.
    """

    driver: str = "local-task"
    threads: int | None = None
    worker_stack_size: int | None = None

    def __post_init__(self) -> None:
        if self.driver not in DRIVERS:
            raise ValueError(f"unknown driver '{self.driver}': choose from {', '.join(DRIVERS)}")
        for name in ("threads", "worker_stack_size"):
            value = getattr(self, name)
            if value is not None and self.driver != "local-task":
                raise ValueError(f"{name} is an option of local-task only, not of {self.driver}")
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")


@dataclass(frozen=True)
class DeviceInfo:
    """A device of this machine: the driver to load a module with, its name, and the compile target that runs on it."""

    driver: str
    name: str
    target: str

    def __str__(self) -> str:
        return f"{self.driver}: {self.name} (target {self.target})"


def devices(driver: str | None = None) -> list[DeviceInfo]:
    """The devices of this machine, the CPU first; those of one driver if it is given.

    A driver whose library is not installed has none. Raises LoadError for an unknown driver.
    """
    if driver is not None and driver not in DRIVERS:
        raise LoadError(f"unknown driver '{driver}': choose from {', '.join(DRIVERS)}")
    found = []
    for each in DRIVERS if driver is None else (driver,):
        if each.startswith("local-"):
            names = [f"CPU, {os.cpu_count() or 1} processors" if each == "local-task" else "CPU, the calling thread"]
        else:
            names = _device_names(each)
        found += [DeviceInfo(each, name, TARGET_OF_DRIVER[each]) for name in names]
    return found


def _device_names(driver: str) -> list[str]:
    try:
        return [str(device["name"]) for device in iree.runtime.get_driver(driver).query_available_devices()]
    except Exception as error:  # the library of the driver is not there, or finds no device
        _log.debug("no %s devices: %s", driver, error)
        return []


class Device:
    """An IREE device with its allocator. Made by `get_device`.

    `shares_memory`: buffers are host memory, so arrays go in and come out without a copy.
    `run(call, *args)` makes a call that waits for the device.
    """

    def __init__(self, options: DeviceOptions, hal_device: Any) -> None:
        self.options = options
        self.hal_device = hal_device
        self.allocator = hal_device.allocator
        self.shares_memory = options.driver.startswith("local-")
        self.run = waiting_for_workers if options.driver == "local-task" else at_once
        self.staging = Staging()
        self._forked = False

    def check_usable(self) -> None:
        """Raises NimbleError in a process that was forked after the device was made: its threads are not there."""
        if self._forked:
            raise NimbleError(
                f"this module was loaded before fork(), which does not copy the threads of its {self.options.driver} "
                f"device: load it again in the child process, or start processes with 'spawn'"
            )

    def __repr__(self) -> str:
        return f"Device({self.options})"


_lock = threading.RLock()
# The last module of a GPU frees it: a Vulkan device in software keeps two cores busy while it does nothing (Mesa waits for
# any of several semaphores by asking them in turn). Making one takes 30 ms.
_devices: weakref.WeakValueDictionary[DeviceOptions, Device] = weakref.WeakValueDictionary()
_kept: list[Device] = []
_shared_instance: Any = None


def get_device(options: DeviceOptions | str | None = None) -> Device:
    """The device for these options (a driver name stands for the options with that driver).

    Raises LoadError for an unknown driver, and where the machine has no such device or its driver library is missing.
    """
    if options is None or isinstance(options, str):
        try:
            options = DeviceOptions() if options is None else DeviceOptions(options)
        except ValueError as error:
            raise LoadError(str(error)) from None
    with _lock:
        device = _devices.get(options)
        if device is None:
            device = _devices[options] = Device(options, _create(options))
            if device.shares_memory:
                _kept.append(device)
            _log.debug("created %r", device)
        return device


def _create(options: DeviceOptions) -> Any:
    flags: dict[str, int] = {}
    threads = options.threads
    if options.driver == "local-task" and threads is None:
        threads = _restricted_core_count()
    if threads is not None:
        flags["task_topology_group_count"] = threads
    if options.worker_stack_size is not None:
        flags["task_worker_stack_size"] = options.worker_stack_size
    try:
        if flags:
            iree.runtime.flags.parse_flags(*(f"--{name}={value}" for name, value in flags.items()))
        # The public get_driver() returns the same driver each time, with the threads of its first use (IREE 3.13).
        driver = _binding.create_hal_driver(options.driver)  # pyright: ignore[reportAttributeAccessIssue]
        return driver.create_default_device()
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else repr(error)
        raise LoadError(f"the device '{options.driver}' cannot be opened: {first_line}") from error
    finally:
        if flags:
            _reset_flags()


def _reset_flags() -> None:
    """Put IREE's defaults back, then what the environment asks for (IREE has no way to read a flag)."""
    iree.runtime.flags.parse_flags("--task_topology_group_count=0", f"--task_worker_stack_size={_DEFAULT_STACK_SIZE}")
    iree.runtime.flags.parse_flags(*shlex.split(os.environ.get("IREE_PY_RUNTIME_FLAGS", "")))


def _restricted_core_count() -> int | None:
    """Physical cores that this process may use where it is kept from some (taskset, cgroups); else None.

    IREE's own default is a pinned worker on each physical core of the machine, which it cannot honour then.
    """
    try:
        allowed = os.sched_getaffinity(0)
    except (AttributeError, OSError):
        return None
    if len(allowed) >= (os.cpu_count() or 1):
        return None
    cores: set[str] = set()
    for cpu in allowed:
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(str(cpu))
    return len(cores)


def vm_instance() -> Any:
    """The process's one IREE VM instance."""
    global _shared_instance  # noqa: PLW0603
    with _lock:
        if _shared_instance is None:
            _shared_instance = iree.runtime.VmInstance()
        return _shared_instance


def _after_fork_in_child() -> None:
    """Threads are gone: devices with threads become unusable and are made anew on demand."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    for options, device in list(_devices.items()):
        if options.driver != "local-sync":
            device._forked = True
            del _devices[options]
            _abandoned.append(device)
    _kept[:] = _devices.values()


# Destroying a device waits for its threads, which a forked child does not have: it keeps them until it ends.
_abandoned: list[Device] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

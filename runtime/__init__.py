"""Running compiled modules from Python.

Needs only numpy, ml_dtypes and the IREE runtime (`iree-base-runtime`); JAX arrays are recognized where JAX is loaded.
"""

from nimble_mlir.runtime.device import Device, DeviceInfo, DeviceOptions, devices, get_device
from nimble_mlir.runtime.device_array import Array
from nimble_mlir.runtime.entry import Entry
from nimble_mlir.runtime.loader import load, open_module
from nimble_mlir.runtime.module import Module

__all__ = [
    "Array",
    "Device",
    "DeviceInfo",
    "DeviceOptions",
    "Entry",
    "Module",
    "devices",
    "get_device",
    "load",
    "open_module",
]

"""The images of a file, one a target, and which of them runs on a device.

In: the mapped file, the device asked for. Out: the bytes of one image, a .vmfb of IREE's that lies in the file.
"""

from __future__ import annotations

from collections.abc import Mapping

from nimble_mlir.errors import LoadError
from nimble_mlir.runtime.device import TARGET_OF_DRIVER, DeviceOptions, get_device

__all__ = ["DRIVER_OF_TARGET", "choose_target"]

# Compile target → the driver that is used where none is asked for.
DRIVER_OF_TARGET = {"llvm-cpu": "local-task", "vulkan": "vulkan", "cuda": "cuda"}


def choose_target(images: Mapping[str, memoryview], device: DeviceOptions | str | None, name: str) -> str:
    """The target of the image to use: what runs on `device`, or the first of several whose device is there.

    Where none is there it is the first. Raises LoadError, naming the file, where no image runs on `device`.
    """
    targets = list(images)
    if device is None:
        return targets[0] if len(targets) == 1 else next(filter(_is_there, targets), targets[0])
    driver = device.driver if isinstance(device, DeviceOptions) else device
    wanted = TARGET_OF_DRIVER.get(driver)
    if wanted is not None and wanted in images:
        return wanted
    # A driver that is unknown here, or an image for a target that is, may fit all the same: IREE says where not.
    if wanted is None or any(target not in DRIVER_OF_TARGET for target in targets):
        return targets[0]
    raise LoadError(
        f"'{name}' was compiled for {', '.join(targets)}, but the device '{driver}' runs code for {wanted}: load it on "
        f"{', '.join(DRIVER_OF_TARGET[target] for target in targets)}, or compile it with target={[*targets, wanted]}"
    )


def _is_there(target: str) -> bool:
    driver = DRIVER_OF_TARGET.get(target)
    if driver is None:
        return False
    try:
        get_device(driver)
    except LoadError:
        return False
    return True

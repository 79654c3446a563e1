"""`Module`: a compiled file that is loaded on a device, with its entry points as methods."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nimble_mlir.dims.signature import Signature
from nimble_mlir.errors import LoadError, NimbleError
from nimble_mlir.runtime.device import Device, DeviceOptions
from nimble_mlir.runtime.device_array import Array, put
from nimble_mlir.runtime.entry import Entry
from nimble_mlir.runtime.file import ModuleFile

__all__ = ["Module"]


class Module:
    """Made by `nimble_mlir.compile`, `compile_stablehlo` and `load`.

    With one entry point the module itself is called like the compiled function; several are methods (`m.prefill(...)`)
    or `m.entry("prefill")`. Calls from several threads at once are safe. Results stay valid and unchanged for as long
    as they are referenced, also after the module is gone.
    """

    def __init__(
        self,
        signature: Signature,
        entries: Mapping[str, Entry],
        device: Callable[[], Device],
        *,
        file: ModuleFile,
        targets: tuple[str, ...],
        name: str,
        asked_for: DeviceOptions | str | None = None,
        ir_stages: Mapping[str, str | Callable[[], str]] | None = None,
    ) -> None:
        self._signature = signature
        self._entries = dict(entries)
        self._device = device
        self._file = file
        self._targets = targets
        self._asked_for = asked_for
        self._name = name
        self._ir_stages = ir_stages
        self._only = next(iter(self._entries.values())) if len(self._entries) == 1 else None

    @property
    def signature(self) -> Signature:
        """Entry points with their arguments, results, symbols and constraints."""
        return self._signature

    @property
    def targets(self) -> tuple[str, ...]:
        """The compile targets that the file has an image for, in order; `signature.target` is that of the one in use."""
        return self._targets

    @property
    def device(self) -> Device:
        """Where the module runs (loaded without `device=`, small calls on the CPU run in the calling thread instead).

        Raises LoadError for a module that was compiled for a device that this machine does not have.
        """
        return self._device()

    def entry(self, name: str) -> Entry:
        """The entry point of this name. Raises NimbleError naming those that exist."""
        try:
            return self._entries[name]
        except KeyError:
            raise NimbleError(f"no entry point '{name}'; this module has {self._listed()}") from None

    def __getattr__(self, name: str) -> Entry:
        entries = self.__dict__.get("_entries", {})
        if name in entries:
            return entries[name]
        raise AttributeError(f"'Module' object has no attribute or entry point '{name}'")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._entries]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the only entry point; see `Entry.__call__`. Raises NimbleError if there are several."""
        return (self._only or self._single())(*args, **kwargs)

    def on_device(self, *args: Any, **kwargs: Any) -> Any:
        """Run the only entry point, and leave the results on the device; see `Entry.on_device`."""
        return (self._only or self._single()).on_device(*args, **kwargs)

    def to_device(self, value: Any) -> Array:
        """A copy of an array as `nm.Array`, on the device of the module. Raises LoadError for a dtype that none has."""
        return put(value, self.device)

    def call_flat(self, leaves: Sequence[Any]) -> list[Any]:
        """Run the only entry point on a flat list of arrays; see `Entry.call_flat`."""
        return (self._only or self._single()).call_flat(leaves)

    def output_shapes(self, *args: Any, **kwargs: Any) -> Any:
        """The shapes of the results for these arguments, without running; see `Entry.output_shapes`."""
        return (self._only or self._single()).output_shapes(*args, **kwargs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the module to a file that `nimble_mlir.load` reads.

        The file appears whole or not at all. Raises OSError.
        """
        self._file.save(os.fspath(path))

    def ir(self, stage: str) -> str:
        """The text of the IR at one stage of the compilation ("stablehlo", "nimble", "shapes", "linalg", "iree").

        Raises LoadError for a module that was loaded: a file does not hold its IR.
        """
        if self._ir_stages is None:
            raise LoadError(
                f"'{self._name}' was loaded from a file, which holds no IR; it is kept only in the process that "
                f"compiled the module (dump it there, or lower the model again with nimble-opt)"
            )
        if stage not in self._ir_stages:
            raise NimbleError(f"no IR of stage '{stage}'; there is {', '.join(map(repr, self._ir_stages)) or 'none'}")
        text = self._ir_stages[stage]
        return text if isinstance(text, str) else text()

    def _listed(self) -> str:
        return ", ".join(f"'{name}'" for name in self._entries)

    def _single(self) -> Entry:
        first = next(iter(self._entries))
        raise NimbleError(
            f"this module has several entry points ({self._listed()}): call one of them, such as m.{first}(...)"
        )

    @property
    def image(self) -> memoryview:
        """The bytes of the file, as `save` writes them; valid as long as they are referenced.

        Those of a file that was loaded are the mapped file. A module that was compiled here with weights of its own is put
        into a temporary file when it is first asked for.
        """
        return self._file.view

    def __repr__(self) -> str:
        try:
            where = f"on {self.device.options.driver}"
        except LoadError:
            where = f"for {self._signature.target}, which is not here"
        return f"<nimble_mlir.Module {self._name!r}: {self._listed()} {where}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A module is pickled as the bytes of its file, and loaded on the same kind of device where it is unpickled."""
        return _unpickle, (bytes(self.image), self._asked_for)


def _unpickle(data: bytes, device: DeviceOptions | str | None) -> Module:
    from nimble_mlir.runtime.loader import open_module  # which imports this module

    # What was pickled was checked when it was loaded; a device that is not here is an error when it is called.
    return open_module(data, device=device, verify=False, absent_device_is_error=False)

"""The errors that a user of nimble_mlir can meet: one class a kind, all derived from `NimbleError`.

Imports nothing else of the project; every layer and the runtime raise these.
"""

from __future__ import annotations

__all__ = [
    "CaptureError",
    "CompileError",
    "LoadError",
    "NimbleError",
    "ShapeError",
    "UnsupportedOpError",
]


class NimbleError(Exception):
    """Base class of all errors that nimble_mlir raises on purpose."""


class CaptureError(NimbleError):
    """The JAX function or its example arguments cannot be captured as given; raised before any pass runs."""


class UnsupportedOpError(NimbleError):
    """An operation of the captured program has no lowering; the message names it, where it stands and what works."""


class ShapeError(NimbleError, ValueError):
    """Arguments of a call (rank, dtype, size, count) or sizes computed during it do not fit the signature."""


class CompileError(NimbleError):
    """A pass, a verifier or the IREE compiler failed; the message names the pass and the user's file:line."""


class LoadError(NimbleError):
    """A compiled file cannot be loaded: missing, corrupt, for another runtime version or for an absent device."""

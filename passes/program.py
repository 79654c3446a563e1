"""A program on its way through the compiler: the module in its context, and what is known about its entry points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nimble_mlir.dims.signature import EntryPoint
from nimble_mlir.mlir import ir

from .constants import ConstantPool

__all__ = ["Program"]


@dataclass
class Program:
    """`module` stands at stage stablehlo with the attributes that signature.py describes; `constants` holds what its
    `nimble.constant` ops name; `treedefs` holds JAX's live
    pytree structures `(arguments, results)` of the entries, which a saved file cannot hold for registered types."""

    context: ir.Context
    module: ir.Module
    entries: dict[str, EntryPoint]
    constants: ConstantPool
    treedefs: Mapping[str, Any] = field(default_factory=dict)

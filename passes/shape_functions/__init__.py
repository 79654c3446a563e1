"""Shape functions: one for each op, registered by name (registry.py)."""

from . import contraction, elementwise, indexing, selections, structural
from .registry import SHAPE_FUNCTIONS, Mode, Requirement, ShapeContext, ShapeFunction, custom_call_target

__all__ = [
    "SHAPE_FUNCTIONS",
    "Mode",
    "Requirement",
    "ShapeContext",
    "ShapeFunction",
    "contraction",
    "custom_call_target",
    "elementwise",
    "indexing",
    "selections",
    "structural",
]

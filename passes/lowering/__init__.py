"""Lowering rules from StableHLO and nimble ops to linalg and tensor: one table (registry.py), a file a subject."""

from . import (
    bit_rules,
    chlo_rules,
    contraction_rules,
    conversion_rules,
    convolution_rules,
    elementwise_rules,
    indexing_rules,
    padding_rules,
    reduction_rules,
    reverse_rules,
    scatter_rules,
    selection_kernels,
    selection_rules,
    shape_rules,
    slice_rules,
    sort_rules,
    top_k_rules,
    window_rules,
)
from .builders import LoweringContext
from .registry import LOWERING_RULES, UPSTREAM_OPS

__all__ = [
    "LOWERING_RULES",
    "UPSTREAM_OPS",
    "LoweringContext",
    "bit_rules",
    "chlo_rules",
    "contraction_rules",
    "conversion_rules",
    "convolution_rules",
    "elementwise_rules",
    "indexing_rules",
    "padding_rules",
    "reduction_rules",
    "reverse_rules",
    "scatter_rules",
    "selection_kernels",
    "selection_rules",
    "shape_rules",
    "slice_rules",
    "sort_rules",
    "top_k_rules",
    "window_rules",
]

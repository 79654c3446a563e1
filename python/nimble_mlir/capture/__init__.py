"""JAX functions into StableHLO: the only package that imports jax."""

from pathlib import Path

from jax.extend import source_info_util

from .batching import batch
from .branches import cond, switch
from .capture import capture
from .data_sizes import (
    Ragged,
    arange,
    compress,
    concatenate,
    full,
    non_max_suppression,
    nonzero,
    ragged_attention,
    repeat,
    reshape,
    slice_,
    split,
    top_k,
    unique,
    zeros,
)
from .loops import fori_loop, scan, while_loop
from .parallel import associative_scan, map_, searchsorted
from .symbols import make_dims, make_spec
from .tensor_list import TensorList
from .trees import adt, constructor, match, recursive
from .with_shape import with_shape

__all__ = [
    "Ragged",
    "TensorList",
    "adt",
    "arange",
    "associative_scan",
    "batch",
    "capture",
    "compress",
    "concatenate",
    "cond",
    "constructor",
    "fori_loop",
    "full",
    "make_dims",
    "make_spec",
    "map_",
    "match",
    "non_max_suppression",
    "nonzero",
    "ragged_attention",
    "recursive",
    "repeat",
    "reshape",
    "scan",
    "searchsorted",
    "slice_",
    "split",
    "switch",
    "top_k",
    "unique",
    "while_loop",
    "with_shape",
    "zeros",
]

# Frames of this package are no place in the user's program: JAX leaves them out of locations and messages.
source_info_util.register_exclusion(str(Path(__file__).parents[1]))

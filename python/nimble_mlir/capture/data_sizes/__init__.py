"""Results whose size depends on data: JAX functions that define a symbolic size as the compiled function runs.

Run eagerly they are plain JAX. Captured, `define.py` turns an integer into a size, and `selections.py` counts what a mask
selects; the others are made of these two and ordinary JAX ops.
"""

from .attention import ragged_attention
from .orders import non_max_suppression, top_k, unique
from .ragged import Ragged
from .ranges import arange, full, repeat, reshape, zeros
from .selections import compress, nonzero
from .slices import concatenate, slice_, split

__all__ = [
    "Ragged",
    "arange",
    "compress",
    "concatenate",
    "full",
    "non_max_suppression",
    "nonzero",
    "ragged_attention",
    "repeat",
    "reshape",
    "slice_",
    "split",
    "top_k",
    "unique",
    "zeros",
]

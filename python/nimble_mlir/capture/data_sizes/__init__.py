"""Results whose size depends on data: JAX functions that define a symbolic size as the compiled function runs.

Run eagerly they are plain JAX. Captured, `define.py` turns an integer into a size, and `selections.py` counts what a mask
selects; the others are made of these two and ordinary JAX ops.
"""

from .selections import compress, nonzero

__all__ = ["compress", "nonzero"]

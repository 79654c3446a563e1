"""JAX functions into StableHLO: the only package that imports jax."""

from .capture import capture
from .symbols import make_dims

__all__ = ["capture", "make_dims"]

"""JAX functions into StableHLO: the only package that imports jax."""

from pathlib import Path

from jax.extend import source_info_util

from .capture import capture
from .symbols import make_dims, make_spec
from .with_shape import with_shape

__all__ = ["capture", "make_dims", "make_spec", "with_shape"]

# Frames of this package are no place in the user's program: JAX leaves them out of locations and messages.
source_info_util.register_exclusion(str(Path(__file__).parents[1]))

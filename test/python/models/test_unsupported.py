"""What has no lowering is an UnsupportedOpError that names the op and the user's line, at dynamic and at static sizes; the
process goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import nimble_mlir as nm

# The op as its message names it, and a function of a float32 matrix.
FUNCTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "eig": ("'eig' of float32", lambda x: jnp.linalg.eigvals(x[:2, :2])),
    "schur": ("'schur' of float32", lambda x: jax.scipy.linalg.schur(x[:2, :2])),
    "rng": (
        r"'stablehlo.rng' on .* is not supported: its numbers come from a state that a module does not have; "
        r"jax.random draws from a key",
        lambda x: jax.lax.rng_uniform(0.0, 1.0, (2, 2)) + x[:2, :2],
    ),
    "hessenberg": ("'hessenberg' of float32", lambda x: jax.scipy.linalg.hessenberg(x[:2, :2])),
}


@pytest.mark.parametrize("size", ["dynamic", "static"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_unsupported_op_is_named(name: str, size: str) -> None:
    op, function = FUNCTIONS[name]
    rows = nm.dims("s", constraints=["s >= 2"])[0] if size == "dynamic" else 6
    with pytest.raises(nm.UnsupportedOpError) as raised:
        nm.compile(function, (nm.spec((rows, 4), jnp.float32),))
    assert re.search(op, str(raised.value)), str(raised.value)
    assert re.search(r"test_unsupported\.py:\d+:", str(raised.value)), str(raised.value)

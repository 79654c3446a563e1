"""What has no lowering is an UnsupportedOpError that names the op and the user's line, at dynamic and at static sizes; the
process goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import nimble_mlir as nm

# The op as its message names it, and a function of a float32 matrix.
FUNCTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "while": ("stablehlo.while", lambda x: lax.while_loop(lambda c: c.sum() < 9.0, lambda c: c + 1, x)),
    "scan": ("stablehlo.while", lambda x: lax.fori_loop(0, 3, lambda i, c: c * 2, x)),
    "cond": ("stablehlo.case", lambda x: lax.cond(x.sum() > 0, lambda c: c, lambda c: -c, x)),
    "sort": ("stablehlo.sort", lambda x: jnp.sort(x, axis=0)),
    "scatter": ("stablehlo.scatter", lambda x: x.at[jnp.array([0, 1])].add(1.0)),
    "fft": ("stablehlo.fft", lambda x: jnp.fft.fft(x[:, :4])),
    "rng_bit_generator": (
        "stablehlo.rng_bit_generator",
        lambda x: x + lax.rng_bit_generator(jnp.zeros(4, jnp.uint32), (1, 4))[1].astype(jnp.float32),
    ),
    "select_and_scatter": (
        "stablehlo.select_and_scatter",
        jax.grad(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (1, 1), "VALID").sum()),
    ),
    "digamma": ("digamma", lambda x: lax.digamma(x)),
    "top_k": ("is not supported; k is at most", lambda x: lax.top_k(jnp.tile(x, (1, 50)), 150)),
}


@pytest.mark.parametrize("size", ["dynamic", "static"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_unsupported_op_is_named(name: str, size: str) -> None:
    op, function = FUNCTIONS[name]
    rows = nm.dims("s", constraints=["s >= 2"])[0] if size == "dynamic" else 6
    with pytest.raises(nm.UnsupportedOpError) as raised:
        nm.compile(function, (nm.spec((rows, 4), jnp.float32),))
    assert re.search(op, str(raised.value)), str(raised.value)
    assert re.search(r"test_unsupported\.py:\d+: ", str(raised.value)), str(raised.value)

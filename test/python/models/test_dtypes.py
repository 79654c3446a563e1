"""Every dtype through a table of ops at symbolic sizes, one module a dtype and kind of op, against XLA or 32 bits."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from support.dtype_ops import DTYPES, OPS, admitted, matrices, reference
from support.tolerances import assert_agrees

import nimble_mlir as nm

SHAPES = ((2, 3), (1, 1), (17, 5), (301, 7))

# The others take as long, and add little: each is as one of these, but for a row of a table.
QUICK = ("int4", "float8_e4m3b11fnuz")


@pytest.mark.parametrize("kind", OPS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.exhaustive) for name in DTYPES]
)
def test_ops_of_dtype(name: str, kind: str) -> None:
    with jax.enable_x64(True):
        dtype = np.dtype(jax.numpy.dtype(name))
        ops = admitted(OPS[kind], dtype)
        if name == "float4_e2m1fn" and kind == "reduction":  # the reference does not round in between
            ops = {name: op for name, op in ops.items() if name.startswith("dot")}

        def function(x: Any, y: Any) -> dict[str, Any]:
            return {name: op(x, y) for name, op in ops.items()}

        s, t = nm.dims("s, t")
        module = nm.compile(function, (nm.spec((s, t), dtype), nm.spec((s, t), dtype)))
        (entry,) = module.signature.entries.values()
        assert [argument.dtype for argument in entry.arguments] == [name, name]
        for shape in SHAPES:
            x, y = matrices(dtype, shape, kind)
            expected = reference(function, x, y)
            got = module(x, y)
            for op in ops:
                try:
                    assert_agrees(got[op], expected[op], kind)
                except AssertionError as error:
                    raise AssertionError(f"{op} at {shape}: {error}") from None


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "uint8"])
def test_convolutions_sum_in_32_bits(dtype: str, groups: int) -> None:
    """Sums of hundreds of terms are rounded, or wrap around, once."""

    def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
        dims = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=dims, feature_group_count=groups
        )

    rng = np.random.default_rng(0)
    type_ = jax.numpy.dtype(dtype)
    b, h = nm.dims("b, h")
    module = nm.compile(convolve, (nm.spec((b, h, 7, 64), type_), nm.spec((3, 3, 64 // groups, 16), type_)))
    for size in (1, 6):
        draw = rng.uniform(0.5, 1.5, (2 * size, size, 7, 64)), rng.uniform(0.5, 1.5, (3, 3, 64 // groups, 16))
        x, kernel = (values.astype(type_) if "float" in dtype else (values * 60).astype(type_) for values in draw)
        got = module(x, kernel)
        wide = np.float32 if "float" in dtype else np.int32
        exact = np.asarray(convolve(x.astype(wide), kernel.astype(wide)))
        if "float" in dtype:
            eps = float(jax.numpy.finfo(type_).eps)
            assert np.abs(got.astype(np.float32) / exact - 1).max() <= eps
        else:
            assert_agrees(got, exact.astype(type_), "exact")

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

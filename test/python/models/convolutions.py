"""Programs of convolutions: groups, transposed, other ranks and dtypes, kernels of symbolic size, gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.programs import bf16, f32, i8, integers, program

import nimble_mlir as nm

_NHWC = ("NHWC", "HWIO", "NHWC")


def _kernel(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def _convolve(x, kernel, strides=(1, 1), padding="SAME", numbers=_NHWC, **options):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=numbers, **options)


@program("b, h, w", lambda b, h, w: (nm.spec((b, h, w, 4), f32), nm.spec((2 * b, h, 5, 2), f32)), "contraction",
         run_at_most={"b": 3, "h": 9, "w": 8})  # fmt: skip
def grouped_convolutions(x, y):
    return {
        "features": _convolve(x, _kernel(3, 3, 2, 6), feature_group_count=2),
        "strided": _convolve(x, _kernel(3, 2, 2, 4), (2, 1), [(1, 1), (1, 0)], feature_group_count=2),
        "depthwise": _convolve(x, _kernel(3, 3, 1, 8), feature_group_count=4, rhs_dilation=(1, 2)),
        "batch": _convolve(y, _kernel(3, 3, 2, 4), batch_group_count=2),
    }


@program("b, h, w", lambda b, h, w: (nm.spec((b, h, w, 3), f32), nm.spec((b, h, 9, 3), f32)), "contraction",
         run_at_most={"b": 3, "h": 9, "w": 8})  # fmt: skip
def other_convolutions(x, y):
    kernel = _kernel(3, 3, 3, 4)
    return {
        "transposed": [lax.conv_transpose(x, kernel, (2, 2), padding) for padding in ("SAME", "VALID")],
        "few": _convolve(x, kernel, padding="VALID", rhs_dilation=(2, 1)),
        "static_width": _convolve(y, kernel, (2, 2), [(1, 1), (2, 0)]),
        "pointwise": lax.conv_general_dilated(x[:, 0, 0], _kernel(3, 4), (), (), dimension_numbers=("NC", "IO", "NC")),
        "volume": _convolve(x[..., None], _kernel(2, 2, 3, 1, 2), (1, 2, 1), numbers=("NDHWC", "DHWIO", "NDHWC")),
        "gradient": jax.grad(lambda k: (_convolve(x, k) ** 2).sum())(kernel) / x.size,
        "input_gradient": jax.grad(lambda v: (_convolve(v, kernel) ** 2).sum())(x),
        "dilated_width": _convolve(x, kernel, rhs_dilation=(1, 3)),
    }


@program(
    "b, s, k",
    lambda b, s, k: (
        nm.spec((b, s, 5, 2), i8),
        nm.spec((b, s, 5, 2), jnp.complex64),
        nm.spec((b, s, 5, 2), bf16),
        nm.spec((b, 9, s, 2), f32),
        nm.spec((k, 3, 2, 3), f32),
    ),
    "contraction",
    contents={"n": integers(-128, 128)},
    run_at_most={"b": 3, "s": 9, "k": 4},
)
def convolutions_of_dtypes(n, z, h, x, kernel):
    return {
        "integer": _convolve(n, np.ones((3, 3, 2, 3), np.int8), preferred_element_type=jnp.int32),
        "complex": _convolve(z, _kernel(3, 3, 2, 3).astype(jnp.complex64) * 1j),
        "narrow": _convolve(h, _kernel(3, 3, 2, 3).astype(jnp.bfloat16)),
        "symbolic_kernel": _convolve(x, kernel, padding=[(0, 0), (1, 1)]),
    }


@program("b, h, w, k",
         lambda b, h, w, k: (nm.spec((b, h, w, 5), f32), nm.spec((b, 5, h, w), f32), nm.spec((k, 2, 5, 16), f32)),
         "contraction", run_at_most={"b": 3, "h": 9, "w": 24, "k": 3})  # fmt: skip
def convolutions_in_registers(x, y, symbolic):
    """As many features as fill vectors: blocks of 1 and of 2 vectors, widths below, at and above a block's."""
    kernel = _kernel(3, 3, 5, 32)
    return {
        "same": _convolve(x, kernel),
        "strided": [_convolve(x, kernel, (2, 2)), _convolve(x, _kernel(1, 1, 5, 16), (2, 1))],
        "dilated": _convolve(x, kernel[..., :16], padding=[(2, 2), (3, 3)], rhs_dilation=(2, 3)),
        "channels_first": _convolve(y, _kernel(48, 5, 3, 2), numbers=("NCHW", "OIHW", "NCHW")),
        "transposed": lax.conv_transpose(x, kernel, (2, 2), "SAME"),
        "few": _convolve(x, kernel, padding="VALID", rhs_dilation=(2, 1)),
        "line": _convolve(x[:, 0], _kernel(3, 5, 16), (1,), numbers=("NHC", "HIO", "NHC")),
        "symbolic_kernel": _convolve(x, symbolic),
        "gradient": jax.grad(lambda k: (_convolve(x, k) ** 2).sum())(kernel) / x.size,
        "input_gradient": jax.grad(lambda v: (_convolve(v, kernel) ** 2).sum())(x),
    }

"""Image models whose batch and image sizes are symbolic: a residual network, and a U-Net with resized feature maps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.programs import f32, program

import nimble_mlir as nm

_NHWC = ("NHWC", "HWIO", "NHWC")


class _Weights:
    """Random kernels that keep the scale of what they are applied to."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def kernel(self, size: int, inputs: int, outputs: int) -> jax.Array:
        scale = (2 / (size * size * inputs)) ** 0.5
        return jnp.asarray(self._rng.normal(0, scale, (size, size, inputs, outputs)), jnp.float32)

    def norm(self, features: int) -> tuple[jax.Array, ...]:
        """Mean, variance, scale and offset of a batch normalization at inference."""
        mean, offset = (jnp.asarray(self._rng.normal(0, 0.1, features), jnp.float32) for _ in range(2))
        variance, scale = (jnp.asarray(self._rng.uniform(0.8, 1.2, features), jnp.float32) for _ in range(2))
        return mean, variance, scale, offset


def _convolve(x, kernel, stride=1):
    padding = (kernel.shape[0] - 1) // 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=_NHWC)


def _normalize(x, statistics):
    mean, variance, scale, offset = statistics
    return (x - mean) * lax.rsqrt(variance + 1e-5) * scale + offset


def _residual_block(x, weights, outputs, stride):
    inputs = x.shape[-1]
    y = jax.nn.relu(_normalize(_convolve(x, weights.kernel(3, inputs, outputs), stride), weights.norm(outputs)))
    y = _normalize(_convolve(y, weights.kernel(3, outputs, outputs)), weights.norm(outputs))
    if stride != 1 or inputs != outputs:
        x = _normalize(_convolve(x, weights.kernel(1, inputs, outputs), stride), weights.norm(outputs))
    return jax.nn.relu(x + y * 0.5)


def _resnet(x, widths, blocks, classes):
    weights = _Weights(0)
    x = jax.nn.relu(_normalize(_convolve(x, weights.kernel(7, 3, widths[0]), 2), weights.norm(widths[0])))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0)))
    for stage, width in enumerate(widths):
        for block in range(blocks):
            x = _residual_block(x, weights, width, 2 if stage and not block else 1)
    return x.mean((1, 2)) @ weights.kernel(1, widths[-1], classes)[0, 0]


@program("b, h, w", lambda b, h, w: (nm.spec((b, h, w, 3), f32),), constraints=["h >= 32", "w >= 32"],
         run_at_most={"b": 3, "h": 70, "w": 61})  # fmt: skip
def resnet18(x):
    """ResNet-18 (He et al. 2016) with a quarter of its features."""
    return _resnet(x, (16, 32, 64, 128), 2, 10)


@program("b, h, w", lambda b, h, w: (nm.spec((b, 2 * h, 2 * w, 3), f32),), run_at_most={"b": 3, "h": 9, "w": 8})
def unet(x):
    """One level of a U-Net: down by pooling, up by `jax.image.resize`, with a skip connection."""
    weights = _Weights(1)
    b, height, width, _ = x.shape
    skip = jax.nn.relu(_convolve(x, weights.kernel(3, 3, 8)))
    low = lax.reduce_window(skip, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    low = jax.nn.relu(_convolve(low, weights.kernel(3, 8, 16)))
    shape = (b, height, width, 16)
    up = [jax.image.resize(low, shape, method) for method in ("nearest", "bilinear")]
    joined = jnp.concatenate([skip, *up], axis=-1)
    return _convolve(jax.nn.relu(_convolve(joined, weights.kernel(3, 40, 8))), weights.kernel(1, 8, 2))

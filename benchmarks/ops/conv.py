"""Convolutions of ResNet-50 and MobileNetV2, images of symbolic batch and size: 3 x 3, 1 x 1, strided and depthwise.

python benchmarks/ops/conv.py [--rounds 15] [--only depthwise] [--cpu]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from against_jax import Case, floats, run
from jax import lax

import nimble_mlir as nm

# Name, window, features of the operand and of the result, stride, groups, height and width.
LAYERS = [
    ("7 x 7, stride 2", 7, 3, 64, 2, 1, 224),
    ("3 x 3", 3, 64, 64, 1, 1, 56),
    ("3 x 3", 3, 128, 128, 1, 1, 28),
    ("3 x 3", 3, 256, 256, 1, 1, 14),
    ("3 x 3", 3, 512, 512, 1, 1, 7),
    ("3 x 3, stride 2", 3, 128, 128, 2, 1, 56),
    ("1 x 1", 1, 64, 256, 1, 1, 56),
    ("1 x 1", 1, 256, 64, 1, 1, 56),
    ("1 x 1", 1, 1024, 256, 1, 1, 14),
    ("1 x 1, stride 2", 1, 256, 512, 2, 1, 56),
    ("depthwise 3 x 3", 3, 144, 144, 1, 144, 56),
    ("depthwise 3 x 3, stride 2", 3, 144, 144, 2, 144, 56),
]


def main() -> None:
    b, h, w = nm.dims("b, h, w")
    cases = []
    for name, window, features, outputs, stride, groups, size in LAYERS:
        kernel = (window, window, features // groups, outputs)
        specs = [nm.spec((b, h, w, features), jnp.float32), nm.spec(kernel, jnp.float32)]
        sizes = {f"{n} x {size} x {size}": [floats(n, size, size, features), floats(*kernel)] for n in (1, 8)}
        cases.append(Case(f"{name}, {features} to {outputs}", _convolution(stride, groups), specs, sizes))
    run("convolutions of float32, medians", cases)


def _convolution(stride: int, groups: int) -> Callable[..., Any]:
    return lambda x, kernel: lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
    )


if __name__ == "__main__":
    main()

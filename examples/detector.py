"""A detector's head whose result is as many boxes as it finds: score filter and non-maximum suppression, compiled once.

    python examples/detector.py

Random weights, seeded. The boxes are compared with NumPy's, box by box, for images of several sizes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

CELL = 16.0  # pixels of a cell of the feature map, one candidate box each
SCORE, OVERLAP = 0.6, 0.4


def head(features: jax.Array, weights: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Features [height, width, channels] to boxes [found, 4] (x1, y1, x2, y2, in pixels) and their scores [found]."""
    height, width, channels = features.shape
    cells = features.reshape(height * width, channels)
    scores = jax.nn.sigmoid(cells @ weights["score"])
    sizes = jax.nn.softplus(cells @ weights["size"]) * CELL
    cell = jnp.arange(height * width)
    centres = jnp.stack([cell % width, cell // width], -1) * CELL + CELL / 2
    boxes = jnp.concatenate([centres - sizes, centres + sizes], axis=1)
    likely = scores > SCORE
    boxes, scores = nm.compress(likely, boxes, 0), nm.compress(likely, scores)
    kept = nm.non_max_suppression(boxes, scores, OVERLAP)
    return boxes[kept], scores[kept]


def head_in_numpy(features: np.ndarray, weights: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The same, one box after the other."""
    height, width, channels = features.shape
    cells = features.reshape(-1, channels)
    scores = 1 / (1 + np.exp(-cells @ weights["score"]))
    sizes = np.log1p(np.exp(cells @ weights["size"])) * CELL
    rows, columns = np.indices((height, width))
    centres = np.stack([columns, rows], -1).reshape(-1, 2) * CELL + CELL / 2
    boxes = np.concatenate([centres - sizes, centres + sizes], axis=1)
    boxes, scores = boxes[scores > SCORE], scores[scores > SCORE]
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(overlap(boxes[i], boxes[j]) <= OVERLAP for j in kept):
            kept.append(int(i))
    return boxes[kept], scores[kept]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def main() -> None:
    """Compiles the head once and runs it on images of several sizes."""
    rng = np.random.default_rng(0)
    weights = {
        "score": rng.normal(size=16).astype(np.float32) / 4,
        "size": rng.normal(size=(16, 2)).astype(np.float32) / 4,
    }
    height, width = nm.dims("height, width")
    specs = {name: nm.spec(array.shape, jnp.float32) for name, array in weights.items()}
    module = nm.compile(head, (nm.spec((height, width, 16), jnp.float32), specs))
    for shape in ((1, 1), (8, 8), (17, 23), (32, 40)):
        features = rng.normal(size=(*shape, 16)).astype(np.float32)
        boxes, scores = module(features, weights)
        expected, expected_scores = head_in_numpy(features, weights)
        np.testing.assert_allclose(boxes, expected, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)
        print(f"{shape[0]} x {shape[1]} cells: {len(boxes)} boxes, as in NumPy")


if __name__ == "__main__":
    main()

"""Segmentation as tokenizers do it: text as bytes is cut into words, each letter learns its word, each word its embedding.

    python examples/segmentation.py

How many words there are depends on the text. Compared with Python's `str.split` for texts of several lengths.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

SPACE = 32


def segment(text: jax.Array, table: jax.Array) -> dict[str, jax.Array]:
    """`text` uint8 [n], `table` float32 [256, d]: the words' lengths and embeddings (means of their letters'), and for each
    letter that is no space its position in its word and its word's embedding."""
    inside = text != SPACE
    before = jnp.concatenate([jnp.zeros(1, bool), inside])[: text.shape[0]]
    after = jnp.concatenate([inside, jnp.zeros(1, bool)])[1:]
    (starts,), (ends,) = nm.nonzero(inside & ~before), nm.nonzero(inside & ~after)
    ends = nm.with_shape(ends, starts.shape)  # a word that begins also ends
    lengths = ends - starts + 1
    letters = nm.compress(inside, text)
    # Each word's number, and where its first letter stands among the letters, as often as it has letters.
    word = nm.with_shape(nm.repeat(jnp.arange(lengths.shape[0]), lengths), letters.shape)
    first = nm.with_shape(nm.repeat(jnp.cumsum(lengths) - lengths, lengths), letters.shape)
    embedded = table[letters.astype(jnp.int32)]
    words = jax.ops.segment_sum(embedded, word, lengths.shape[0]) / lengths[:, None]
    return {
        "lengths": lengths,
        "words": words,
        "position": jnp.arange(letters.shape[0]) - first,
        "context": words[word],
    }


def segment_in_python(text: bytes, table: np.ndarray) -> dict[str, np.ndarray]:
    """The same, word by word."""
    parts = [np.frombuffer(word, np.uint8) for word in text.split(b" ") if word]
    words = [table[part].mean(0) for part in parts]
    width = table.shape[1]
    return {
        "lengths": np.array([len(part) for part in parts]),
        "words": np.reshape(words, (-1, width)),
        "position": np.concatenate([np.arange(0), *(np.arange(len(part)) for part in parts)]),
        "context": np.reshape([word for part, word in zip(parts, words, strict=True) for _ in part], (-1, width)),
    }


TEXTS = (b"a", b"  ", b"one compile for every text", b"  spaces   before, between and after  ", b"word " * 300)


def main() -> None:
    """Compiles the segmentation once and runs it on several texts."""
    table = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)
    (n,) = nm.dims("n")
    module = nm.compile(segment, (nm.spec((n,), jnp.uint8), nm.spec((256, 8), jnp.float32)))
    for text in TEXTS:
        result = module(np.frombuffer(text, np.uint8), table)
        for name, expected in segment_in_python(text, table).items():
            assert result[name].shape == expected.shape, name
            np.testing.assert_allclose(result[name], expected, rtol=1e-5, atol=1e-6)
        print(f"{len(text)} bytes: {len(result['lengths'])} words, as in Python")


if __name__ == "__main__":
    main()

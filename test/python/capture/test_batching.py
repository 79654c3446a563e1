"""What nm.batch says of arguments and functions that it cannot batch, and its analysis of what varies."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import nimble_mlir as nm
from nimble_mlir.capture import capture as capture_entries
from nimble_mlir.capture.batching.uniformity import diverges, is_elementwise, varying

f32, i32 = jnp.float32, jnp.int32
B, S = nm.dims("b, s")
X, N = nm.spec((B, 4), f32), nm.spec((B,), i32)
PLACE = r"nm.batch of .*test_batching.py:\d+: "


def capture(fn, args):
    return capture_entries({"main": (fn, args, {})})


def total(x, n=0, *, k=0):
    return x * n + k


ONES = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("in_axes", "args", "kwargs", "error", "message"),
    [
        (None, (ONES,), {}, nm.CaptureError, "no argument is batched; in_axes must be an axis, not None"),
        ((0,), (ONES, ONES), {}, nm.CaptureError, "in_axes has 1 entries, but there are 2 positional arguments"),
        (2, (ONES,), {}, nm.CaptureError, "argument 'x' has rank 2, but in_axes takes its axis 2 for the batch"),
        (0, ({"a": 1.5},), {}, nm.CaptureError, r"argument 'x\['a'\]' has rank 0, but in_axes takes its axis 0"),
        (
            ((0, 0),),
            (ONES,),
            {},
            nm.CaptureError,
            r"in_axes of argument 'x' is \(0, 0\), which is no prefix of its struct",
        ),
        ((0, {"a": 0}), (ONES, {"b": ONES}), {}, nm.CaptureError, "in_axes of argument 'n' is .*, which is no prefix"),
        ((0, 1.0), (ONES, ONES), {}, nm.CaptureError, "in_axes of argument 'n' must be integers or None, got 1.0"),
        (
            (0, 1),
            (ONES, ONES),
            {},
            nm.ShapeError,
            "argument 'n' has 4 examples along axis 1, but argument 'x' has 3 along",
        ),
        (
            0,
            (ONES,),
            {"k": ONES[:2]},
            nm.ShapeError,
            "argument 'k' has 2 examples along axis 0, but argument 'x' has 3",
        ),
        (-1, (ONES[:, :0],), {}, nm.ShapeError, "argument 'x' has no example along axis -1; a batch has at least one"),
    ],
)
def test_arguments_that_do_not_fit(in_axes, args, kwargs, error, message):
    batched = nm.batch(total, in_axes)
    with pytest.raises(error, match=PLACE + message):
        batched(*args, **kwargs)
    with pytest.raises(error, match=PLACE + message):
        jax.eval_shape(batched, *args, **kwargs)
    with pytest.raises(error, match=PLACE + message):
        capture(lambda: batched(*args, **kwargs), ())


def test_sizes_that_are_proved_different():
    with pytest.raises(
        nm.ShapeError, match=r"argument 'n' has b \+ 1 examples along axis 0, but argument 'x' has b along"
    ):
        capture(nm.batch(total), (nm.spec((B,), f32), nm.spec((B + 1,), f32)))


def test_what_is_no_function():
    with pytest.raises(nm.CaptureError, match="nm.batch needs a function, got int"):
        nm.batch(3)


@pytest.mark.parametrize(
    ("fn", "what"),
    [
        (lambda x, n: nm.arange(n).sum(), "nm.arange"),
        (lambda x, n: nm.compress(x > 0, x).sum(), "nm.compress"),
        (lambda x, n: nm.while_loop(lambda c: c.sum() < 9, lambda c: jnp.concatenate([c, c]), x).sum(), "nm.while"),
        (lambda x, n: nm.cond(n > 0, lambda: x, lambda: x[:1]).sum(), "nm.switch"),
        (lambda x, n: lax.while_loop(lambda c: c < n, lambda c: c + nm.arange(c).sum(), n), "nm.arange"),
        (lambda x, n: nm.batch(lambda y: lax.while_loop(lambda y: y < 1, lambda y: y + 1, y))(x).sum(), "nm.batch"),
    ],
)
def test_sizes_that_differ_per_example(fn, what):
    with pytest.raises(nm.CaptureError) as error:
        capture(nm.batch(fn), (X, N))
    assert "test_batching.py:" in str(error.value)
    assert what in str(error.value)
    assert "use nm.Ragged or nm.map" in str(error.value) or "or use nm.Ragged" in str(error.value)


def test_a_mutable_reference():
    def fn(x, n):
        ref = jax.new_ref(x)
        ref[...] = lax.while_loop(lambda c: c.sum() < n, lambda c: c + 1, x)
        return ref[...]

    with pytest.raises(nm.CaptureError, match=r"test_batching.py:\d+.*: nm.batch cannot batch the mutable reference"):
        capture(nm.batch(fn), (X, N))


def test_sizes_that_are_the_same_for_all_examples():
    """Outside of loops and branches they stay what they are: symbols of the whole batch."""

    def fn(x, n):
        kept = nm.compress(jnp.array([True, False, True]), jnp.arange(3.0))
        return lax.while_loop(lambda c: c.sum() < n, lambda c: c + 1, x).sum() + kept.sum()

    capture(nm.batch(fn), (X, N))


def test_uniformity():
    def fn(x, n, u):
        i, v, w = lax.while_loop(lambda c: c[0] < u, lambda c: (c[0] + 1, c[1] + x, c[2] * 2), (0, x, u))
        _, y = lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * 2), (0, u))
        (a, b), rows = lax.scan(lambda c, t: ((c[0] + t, c[1] + x), c[0]), (u, x), jnp.arange(3))
        p, q = lax.cond(u > 0, lambda: (x, u), lambda: (x, u + 1))
        return i, v, w, y, a, b, rows, p, q, lax.cond(n > 0, lambda: u, lambda: u + 1)

    one = jax.ShapeDtypeStruct((), i32)
    jaxpr = jax.make_jaxpr(fn)(one, one, one).jaxpr
    assert varying(jaxpr, [True, True, False]) == [False, True, False, True, False, True, False, True, False, True]
    assert varying(jaxpr, [False] * 3) == [False] * 10
    assert diverges(jaxpr)
    assert not diverges(
        jax.make_jaxpr(jax.jit(lambda x: lax.scan(lambda c, t: (c + x, c), x, jnp.arange(3))))(1.0).jaxpr
    )


@pytest.mark.parametrize(
    ("fn", "elementwise"),
    [
        (lambda x: jnp.where(x > 0, jnp.exp(x), jax.nn.relu(x).T), True),
        (lambda x: lax.cond(x[0, 0] > 0, lambda: x, lambda: x + 1), True),
        (lambda x: x @ x, False),
        (lambda x: jax.jit(jnp.sort)(x), False),
        (lambda x: x.sum(), False),
        (lambda x: lax.fori_loop(0, 9, lambda i, x: x + 1, x), False),
    ],
)
def test_what_is_elementwise(fn, elementwise):
    assert is_elementwise(jax.make_jaxpr(fn)(ONES[:, :3]).jaxpr) == elementwise

"""Arrays that stay on the device: results that are passed back, and arguments that are donated."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nimble_mlir as nm

RNG = np.random.default_rng(0)
SIZES = [1, 2, 33, 1000, 100_000]
(c,) = nm.dims("c")
ROW, NUMBER = nm.spec((4,), jnp.float32), nm.spec((), jnp.int32)
CACHE = nm.spec((c, 4), jnp.float32)


def write(cache, row, n):
    """A row of a cache replaced, and something that is read of it."""
    return jax.lax.dynamic_update_slice(cache, row[None], (n, 0)), row.sum()


def pair(state):
    """A structure of which one array is updated and the other is not."""
    return {"a": state["a"].at[0].add(1.0), "b": state["b"]}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> nm.Module:
    entries = {
        "write": (write, (CACHE, ROW, NUMBER)),
        "keep": (write, (CACHE, ROW, NUMBER)),
        "echo": (lambda x: x, (CACHE,)),
        "twice": (lambda x: (x, x, x * 2), (CACHE,)),
        "add": (lambda x, y: x.at[0].add(y[0]), (CACHE, CACHE)),
        "none": (lambda x: nm.compress(x[:, 0] > 99, x, 0), (CACHE,)),
        "pair": (pair, ({"a": CACHE, "b": CACHE},)),
    }
    compiled = nm.compile(entries, donate_argnums={"write": 0, "add": (0,), "pair": [0]})
    path = tmp_path_factory.mktemp("arrays") / "m.vmfb"
    compiled.save(path)
    return nm.load(path)


def cache_of(size: int) -> np.ndarray:
    return RNG.normal(size=(size, 4)).astype(np.float32)


def address(array: nm.Array) -> int:
    return array.host_memory().__array_interface__["data"][0]


@pytest.mark.parametrize("size", SIZES)
def test_results_stay_and_are_what_numpy_has(module: nm.Module, size: int) -> None:
    x = cache_of(size)
    result = module.echo.on_device(x)
    assert type(result) is nm.Array
    assert (result.shape, result.dtype, result.ndim, len(result)) == (x.shape, x.dtype, 2, size)
    np.testing.assert_array_equal(np.asarray(result), x)
    assert not np.asarray(result).flags.writeable
    np.testing.assert_array_equal(np.asarray(result, np.float64), x.astype(np.float64))
    np.testing.assert_array_equal(np.from_dlpack(result), x)
    np.testing.assert_array_equal(jnp.asarray(result), x)
    first, second, double = module.twice(result)
    assert all(type(array) is nm.Array for array in (first, second, double))
    np.testing.assert_array_equal(np.asarray(double), x * 2)
    assert len({address(array) for array in (result, first, second, double)}) == 4
    nothing = module.none(result)
    assert (nothing.shape, len(nothing)) == ((0, 4), 0)
    assert np.asarray(nothing).shape == (0, 4)


@pytest.mark.parametrize("size", SIZES)
def test_a_donated_array_is_updated_in_place(module: nm.Module, size: int) -> None:
    expected = cache_of(size)
    cache = module.to_device(expected)
    where = address(cache)
    for step in range(5):
        row = RNG.integers(0, 100, 4).astype(np.float32)
        before = cache
        cache, total = module.write(cache, row, np.int32(step % size))
        assert address(cache) == where
        assert before.is_donated
        assert not cache.is_donated
        expected[step % size] = row
        assert total.shape == ()
        assert np.asarray(total) == row.sum()
    np.testing.assert_array_equal(np.asarray(cache), expected)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_not_donated_stays(module: nm.Module, size: int) -> None:
    x, row = cache_of(size), np.ones(4, np.float32)
    held = module.to_device(x)
    changed, _ = module.keep(held, row, np.int32(0))  # updates its argument, which is not donated
    passed = module.echo(held)
    module.write(passed, row, np.int32(0))  # the passed array is gone, what it was made of is not
    seen = np.asarray(changed)
    module.write(changed, np.zeros(4, np.float32), np.int32(0))  # somebody looks at it: a copy is updated
    np.testing.assert_array_equal(np.asarray(held), x)
    np.testing.assert_array_equal(seen[0], row)
    kept = x.copy()
    result, _ = module.write(x, row, np.int32(0))  # numpy arrays are copied
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(x, kept)


def test_what_was_handed_out_stays_where_a_donated_array_is_passed_through() -> None:
    entries = {"echo": (lambda x: x, (CACHE,)), "write": (write, (CACHE, ROW, NUMBER))}
    donating = nm.compile(entries, donate_argnums={"echo": 0, "write": 0})
    x = cache_of(33)
    first = donating.to_device(x)
    view = np.asarray(first)
    second = donating.echo(first)
    donating.write(second, np.ones(4, np.float32), np.int32(3))
    np.testing.assert_array_equal(view, x)


def test_a_donated_array_raises(module: nm.Module) -> None:
    row, zero = np.ones(4, np.float32), np.int32(0)
    gone = module.to_device(cache_of(3))
    module.write(gone, row, zero)
    text = r"this float32\[3, 4\] was donated to a call of 'write', which has updated it in place; use the result"
    with pytest.raises(nm.NimbleError, match=f"^argument 'cache': {text}"):
        module.write(gone, row, zero)
    with pytest.raises(nm.NimbleError, match=f"^argument 'x': {text}"):
        module.echo(gone)
    with pytest.raises(nm.NimbleError, match=f"^np.asarray: {text}"):
        np.asarray(gone)
    with pytest.raises(nm.NimbleError, match=f"^DLPack: {text}"):
        np.from_dlpack(gone)
    assert repr(gone) == f"Array(float32[3, 4] on {gone.device.options.driver}, donated to 'write')"


def test_an_array_that_is_donated_and_given_again(module: nm.Module) -> None:
    x = module.to_device(cache_of(3))
    with pytest.raises(
        nm.NimbleError, match="^arguments 'x' and 'y' are one array, and one of them is donated; give a copy"
    ):
        module.add(x, x)
    expected = np.asarray(x).copy()
    expected[0] *= 2
    np.testing.assert_array_equal(np.asarray(module.add(x, module.to_device(x))), expected)


def test_all_arrays_of_a_structure_are_donated(module: nm.Module) -> None:
    a, b = cache_of(5), cache_of(5)
    state = {"a": module.to_device(a), "b": module.to_device(b)}
    result = module.pair(state)
    assert state["a"].is_donated
    assert state["b"].is_donated
    a[0] += 1
    np.testing.assert_array_equal(np.asarray(result["a"]), a)
    np.testing.assert_array_equal(np.asarray(result["b"]), b)


def test_checks_come_before_an_array_is_taken(module: nm.Module) -> None:
    x = module.to_device(cache_of(3))
    with pytest.raises(nm.ShapeError, match="argument 'row' axis 0 is 5"):
        module.write(x, np.ones(5, np.float32), np.int32(0))
    with pytest.raises(nm.ShapeError, match="argument 'x' has dtype int32, but float32 is expected"):
        module.echo(module.to_device(np.zeros((3, 4), np.int32)))
    with pytest.raises(nm.ShapeError, match="argument 'x' has rank 1, but rank 2 is expected"):
        module.echo(module.to_device(np.zeros(3, np.float32)))
    with pytest.raises(nm.LoadError, match="dtype str32 cannot be passed"):
        module.to_device(np.array(["x"]))
    assert not x.is_donated


def test_another_device(module: nm.Module, tmp_path: Path) -> None:
    module.save(tmp_path / "m.vmfb")
    others = [nm.load(tmp_path / "m.vmfb", device=driver) for driver in ("local-sync", "local-task")]
    for size in SIZES:
        x = cache_of(size)
        for there in others:
            for here in (*others, module):
                given = there.to_device(x)
                result, _ = here.write(given, np.zeros(4, np.float32), np.int32(0))
                assert given.is_donated
                assert not np.asarray(result)[0].any()
                np.testing.assert_array_equal(np.asarray(result)[1:], x[1:])


def test_positions_that_there_are_not() -> None:
    with pytest.raises(nm.CaptureError, match="^donate_argnums has 1, but 'f' has 1 positional arguments, from 0 on$"):
        nm.compile({"f": (lambda x: x, (ROW,))}, donate_argnums={"f": 1})
    with pytest.raises(nm.CaptureError, match="^donate_argnums names 'g', but the entry points are 'f'$"):
        nm.compile({"f": (lambda x: x, (ROW,))}, donate_argnums={"g": 0})
    with pytest.raises(nm.CaptureError, match="donate_argnums is a mapping: {name: positions}$"):
        nm.compile({"f": (lambda x: x, (ROW,))}, donate_argnums=0)


def test_another_dtype_is_a_copy(module: nm.Module) -> None:
    x = module.to_device(np.ones((3, 4), np.float32))
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="an array of float32 becomes one of float64 by a copy only"):
        np.array(x, dtype=np.float64, copy=False)

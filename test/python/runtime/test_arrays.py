"""Memory: dtypes, layouts and alignments of arguments, and to whom the memory of results belongs."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from runtime_programs import DTYPES

from nimble_mlir.errors import LoadError
from nimble_mlir.runtime import Module, load
from nimble_mlir.runtime.arrays import dtype_of
from nimble_mlir.runtime.staging import Staging

Get = Callable[[str], Module]
SIZES = [(3, 5), (1, 1), (0, 4), (4, 0), (100, 300)]  # the last one is shared with IREE, the others are copied


def values(dtype: str, shape: tuple[int, int]) -> np.ndarray:
    kind = dtype_of(dtype).numpy
    small = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, shape)
    return (small * (1 - 2j) if kind.kind == "c" else small).astype(kind)


def same(result: np.ndarray, expected: np.ndarray) -> None:
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_round_trip(module: Get, dtype: str) -> None:
    for shape in SIZES:
        x = values(dtype, shape)
        same(module("types").entry(f"echo_{dtype}")(x), x)
        same(module("types").entry(f"transpose_{dtype}")(x), x.T)


@pytest.mark.parametrize("dtype", ["float32", "bool", "bfloat16", "complex64"])
@pytest.mark.parametrize("shape", SIZES)
def test_layouts(module: Get, dtype: str, shape: tuple[int, int]) -> None:
    echo, transpose = module("types").entry(f"echo_{dtype}"), module("types").entry(f"transpose_{dtype}")
    x = values(dtype, shape)
    bytes_ = np.zeros(x.nbytes + 129, np.uint8)
    start = -bytes_.ctypes.data % 64
    wide = np.zeros((2 * shape[0], 3 * shape[1]), x.dtype)
    wide[::2, ::3] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    swapped = np.ascontiguousarray(x.T).T
    layouts = [np.asfortranarray(x), wide[::2, ::3], x[::-1, ::-1][::-1, ::-1], read_only, swapped]
    for offset in (0, 1, 16, x.itemsize):
        layouts.append(bytes_[start + offset : start + offset + x.nbytes].view(x.dtype).reshape(shape))
        layouts[-1][...] = x
        same(echo(layouts[-1]), x)
        same(transpose(layouts[-1]), x.T)
    for layout in layouts[:5]:
        same(echo(layout), x)
        same(transpose(layout), x.T)
        same(np.asarray(layout), x)


def test_numpy_subclass_and_memmap(module: Get, tmp_path: Path) -> None:
    x = values("float32", (100, 300))
    np.save(tmp_path / "x.npy", x)
    echo = module("types").echo_float32
    same(echo(np.load(tmp_path / "x.npy", mmap_mode="r")), x)

    class Derived(np.ndarray):
        pass

    same(echo(x.view(Derived)), x)
    assert type(echo(x.view(Derived))) is np.ndarray


def test_dtypes_that_iree_lacks() -> None:
    for name in ("float128", "str"):
        with pytest.raises(LoadError, match=f"^dtype {name} cannot be passed to the IREE runtime$"):
            dtype_of(name)


def aligned(size: int) -> np.ndarray:
    memory = np.zeros(4 * size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + 4 * size].view(np.float32)


@pytest.mark.parametrize("size", [16, 100_000])
def test_results_share_no_memory(module: Get, size: int) -> None:
    memory = module("memory")
    x = aligned(size)
    x[:] = np.arange(size)
    expected = x.copy()
    first, second = memory.twice(x)
    head, whole = memory.tail(x)
    echo = module("types").echo_float32(x[None])
    arrays = [x, first, second, head, whole, echo]
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            assert not np.shares_memory(a, b)
        assert a.flags.writeable
    for a in arrays[1:]:
        a[...] = -1
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("size", [16, 100_000])
def test_arguments_are_not_modified(module: Get, size: int) -> None:
    x = aligned(size)
    for argument in (x, x[: size - 3], x[1:]):
        result = module("memory").increment(argument)
        assert result[0] == 1
        assert not x.any()
    x.flags.writeable = False
    assert module("memory").increment(x)[0] == 1
    assert not x.any()


def test_staging_memory_is_used_again_and_shows_nowhere(module: Get) -> None:
    echo = module("types").echo_float32
    x = aligned(100_001)[1:][None]  # not aligned: it goes through staging memory
    results = []
    for value in range(3):
        x[:] = value
        results += [echo(x), echo(x[:, ::2])]
    for value in range(3):
        for result in results[2 * value : 2 * value + 2]:
            assert result.min() == result.max() == value


def test_staging_memory() -> None:
    staging = Staging()
    first = staging.take(1000)
    assert first.nbytes >= 1000
    assert first.ctypes.data % 64 == 0
    staging.give_back(first)
    assert staging.take(300) is not first  # far too large for it
    assert staging.take(900) is first
    assert staging.take(900) is not first  # it is in use
    many = [staging.take(30 << 20) for _ in range(3)]
    for memory in many:
        staging.give_back(memory)
    assert staging.take(30 << 20) is many[1]  # 64 MiB are kept
    assert staging.take(30 << 20) is many[2]
    assert not any(staging.take(30 << 20) is memory for memory in many)


def test_results_are_not_overwritten(module: Get) -> None:
    tokens = module("tokens")
    inputs = [np.full((b, 1000), b, np.int32) for b in range(1, 30)]
    results = [tokens(x, x)[0] for x in inputs]
    for x, result in zip(inputs, results, strict=True):
        np.testing.assert_array_equal(result, 2 * x)


def test_constants_are_not_handed_out(module: Get) -> None:
    for name in ("weights", "constant"):
        call = module("memory").entry(name)
        expected = call().copy()
        call()[:] = -1
        np.testing.assert_array_equal(call(), expected)


@pytest.mark.parametrize("size", [16, 100_000])
def test_results_outlive_module_and_arguments(vmfb: Callable[[str], Path], size: int) -> None:
    memory = load(vmfb("memory"))
    x = aligned(size)
    x[:] = 5
    results = [*memory.twice(x), memory.increment(x), memory.weights()]
    del memory, x
    gc.collect()
    for _ in range(5):
        aligned(size)[:] = 9
        load(vmfb("memory")).twice(aligned(size))
    np.testing.assert_array_equal(results[0], 5)
    np.testing.assert_array_equal(results[1], 5)
    np.testing.assert_array_equal(results[2][1:], 5)
    np.testing.assert_array_equal(results[3], 7)


def test_calls_do_not_leak(module: Get, private_bytes: Callable[[], int]) -> None:
    twice, x = module("memory").twice, aligned(1_000_000)
    for _ in range(5):
        twice(x)
    before = private_bytes()
    for _ in range(100):
        twice(x)
        twice(x[1:])
    assert private_bytes() - before < 40_000_000  # 100 calls return 1.6 GB


def test_jax_arrays_in_and_out(module: Get) -> None:
    jax = pytest.importorskip("jax")
    import jax.numpy as jnp

    tokens = module("tokens")
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    for first, second in ((jnp.asarray(x), x), (x, jnp.asarray(x)), (jnp.asarray(x), jnp.asarray(x))):
        total, double = tokens(first, second)
        assert isinstance(total, jax.Array)
        assert isinstance(double, jax.Array)
        np.testing.assert_array_equal(total, 2 * x)
    assert isinstance(tokens(x, x)[0], np.ndarray)
    for dtype in ("bfloat16", "bool", "float8_e4m3fn", "complex64", "int8"):
        for shape in SIZES:
            result = module("types").entry(f"transpose_{dtype}")(jnp.asarray(values(dtype, shape)))
            assert isinstance(result, jax.Array)
            same(np.asarray(result), values(dtype, shape).T)
    big = jnp.zeros(100_000)
    assert module("memory").increment(big)[0] == 1
    assert not big.any()


def test_jax_keys(module: Get) -> None:
    jax = pytest.importorskip("jax")
    from nimble_mlir.errors import ShapeError

    split = module("numbers").split
    keys = jax.random.split(jax.random.key(1), 3)
    data = np.asarray(jax.random.key_data(keys))
    result = split(keys)
    assert result.dtype == keys.dtype
    assert jax.random.key_impl(result) == "threefry2x32"
    np.testing.assert_array_equal(jax.random.key_data(result), data * 2)
    plain = split(data)
    assert isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(plain, data * 2)
    assert split.output_shapes(jax.ShapeDtypeStruct((5,), keys.dtype)) == (5, 2)
    message = "argument 'key' is a key of 'rbg', but 'threefry2x32' is expected"
    with pytest.raises(ShapeError, match=f"^{message}$"):
        split(jax.random.split(jax.random.key(1, impl="rbg"), 3))
    message = "argument 'ids' has dtype key<fry>, but int32 is expected"
    with pytest.raises(ShapeError, match=f"^{message}$"):
        module("tokens")(keys, data)


def test_calls_under_a_jax_trace(module: Get) -> None:
    jax = pytest.importorskip("jax")
    import jax.numpy as jnp

    from nimble_mlir.errors import CaptureError

    message = (
        "a compiled nimble module cannot be called under a JAX trace (jit, grad, vmap); call it outside, or compile "
        "the outer function with nimble_mlir.compile"
    )
    tokens, half = module("tokens"), module("numbers").half
    x = jnp.ones((2, 3), jnp.int32)
    for transformed in (
        jax.jit(lambda a: tokens(a, a)),
        jax.vmap(lambda a: tokens(a, a)),
        jax.jit(lambda a: tokens(x, a)),
    ):
        with pytest.raises(CaptureError, match=f"^{re.escape(message)}(\n|$)"):  # JAX adds a remark
            transformed(x)
    with pytest.raises(CaptureError, match=f"^{re.escape(message)}(\n|$)"):
        jax.grad(half)(1.0)
    np.testing.assert_array_equal(tokens(x, x)[0], 2)

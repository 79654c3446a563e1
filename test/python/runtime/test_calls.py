"""Calls: arguments in, results out, and every message about arguments that do not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nimble_mlir.errors import NimbleError, ShapeError
from nimble_mlir.runtime import Module

Get = Callable[[str], Module]


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def fails(call: Callable[..., Any], *args: Any, message: str, **kwargs: Any) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        call(*args, **kwargs)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (0, 7), (3, 0), (64, 4096)])
def test_results_for_sizes(module: Get, shape: tuple[int, int]) -> None:
    ids, mask = ints(*shape), np.ones(shape, np.int32)
    total, double = module("tokens")(ids, mask=mask)
    np.testing.assert_array_equal(total, ids + 1)
    np.testing.assert_array_equal(double, ids * 2)
    assert total.dtype == double.dtype == np.int32
    assert total.shape == shape


def test_positional_keyword_and_flat_calls_agree(module: Get) -> None:
    tokens, ids, mask = module("tokens"), ints(2, 3), ints(2, 3) * 10
    for results in (
        tokens(ids, mask),
        tokens(ids, mask=mask),
        tokens(mask=mask, ids=ids),
        tokens.call_flat([ids, mask]),
        tokens.entry("tokens")(ids, mask),
        tokens.tokens(ids, mask),
    ):
        np.testing.assert_array_equal(results[0], ids + mask)
    assert isinstance(tokens(ids, mask), tuple)
    assert isinstance(tokens.call_flat([ids, mask]), list)


def test_argument_count_messages(module: Get) -> None:
    tokens, x = module("tokens"), ints(2, 3)
    fails(tokens, x, message="missing argument 'mask'")
    fails(tokens, message="missing argument 'ids'")
    fails(tokens, mask=x, message="missing argument 'ids'")
    fails(tokens, x, x, x, message="3 positional arguments were given, but 2 are expected ('ids', 'mask')")
    fails(
        module("add"),
        *[np.zeros((3, 4), np.float32)] * 3,
        message="3 positional arguments were given, but 2 are expected ('a', 'b')",
    )
    fails(module("memory").weights, x, message="1 positional argument was given, but none are expected")
    fails(module("memory").double, x, x, message="2 positional arguments were given, but 1 is expected ('x')")
    fails(tokens, x, masc=x, message="unexpected argument 'masc'")
    fails(tokens, x, ids=x, message="argument 'ids' is given twice, by position and by name")
    fails(tokens.call_flat, [x], message="1 array was given, but 2 are expected")
    fails(module("memory").double.call_flat, [x, x], message="2 arrays were given, but 1 is expected")


def test_rank_dtype_and_size_messages(module: Get) -> None:
    tokens, x = module("tokens"), ints(2, 3)
    fails(tokens, ints(6), x, message="argument 'ids' has rank 1, but rank 2 is expected (int32[b, s])")
    fails(tokens, x, ints(2, 3, 1), message="argument 'mask' has rank 3, but rank 2 is expected (int32[b, s])")
    fails(tokens, x.astype(np.float32), x, message="argument 'ids' has dtype float32, but int32 is expected")
    fails(tokens, x.astype(np.int64), x, message="argument 'ids' has dtype int64, but int32 is expected")
    fails(tokens, x, x.astype(">i4"), message="argument 'mask' has dtype >i4, but int32 is expected")
    fails(tokens, x, ints(2, 5), message="argument 'mask' axis 1 is 5, but 's' is 3 (argument 'ids' axis 1)")
    fails(tokens, ints(65, 1), ints(65, 1), message="argument 'ids' axis 0 is 65, but 'b' must be at most 64")
    fails(
        module("add"),
        ints(3, 4).astype("f4"),
        np.zeros((3, 5), "f4"),
        message="argument 'b' axis 1 is 5, but it must be 4",
    )
    sizes = module("sizes").sizes
    y = np.zeros(8, np.float32)
    fails(
        sizes,
        np.zeros((2, 3), "f4"),
        y,
        message="argument 'y' axis 0 is 8, but '2*s + 1' is 7 with s = 3 (argument 'x' axis 1)",
    )
    np.testing.assert_array_equal(tokens(x, x)[0], 2 * x)  # usable after each of them


def test_values_that_are_no_arrays(module: Get) -> None:
    tokens, x = module("tokens"), ints(2, 3)
    fails(tokens, None, x, message="argument 'ids': expected int32[b, s], got None")
    fails(tokens, "text", x, message="argument 'ids': expected int32[b, s], got str")
    fails(tokens, {"a": x}, x, message="argument 'ids': expected int32[b, s], got dict")
    fails(tokens, object(), x, message="argument 'ids': expected int32[b, s], got object")
    fails(tokens, ["a"], x, message="argument 'ids': expected int32[b, s], got a list of other things")
    with pytest.raises(
        ShapeError, match=r"^argument 'ids': expected int32\[b, s\], got a list that is not numbers in equal rows: "
    ):
        tokens([[1, 2], [3]], x)
    fails(tokens, x.astype(object), x, message="argument 'ids' has dtype object, but int32 is expected")


def test_lists_and_numbers_are_weakly_typed(module: Get) -> None:
    tokens, half = module("tokens"), module("numbers").half
    np.testing.assert_array_equal(tokens([[1, 2]], [[3, 4]])[0], [[4, 6]])
    fails(tokens, [[1.5]], [[1]], message="argument 'ids' has dtype float64, but int32 is expected")
    fails(tokens, [[2**40]], [[1]], message="argument 'ids' is 1099511627776, which int32 cannot hold")
    fails(tokens, 5, [[1]], message="argument 'ids' has rank 0, but rank 2 is expected (int32[b, s])")
    assert half(3) == 1.5
    double = module("memory").double
    assert double(1.5) == 3.0
    fails(double, np.float64(1.5), message="argument 'x' has dtype float64, but float32 is expected")
    assert double(np.float32(1.5)) == 3.0


def test_scalar_arguments(module: Get) -> None:
    power, x = module("numbers").power, np.zeros(3, np.float32)
    for value in (5, np.int32(5), np.int64(5), np.array(5, np.int8)):
        np.testing.assert_array_equal(power(x, value), [5, 5, 5])
    fails(power, x, 5.0, message="argument 'n' has dtype float64, but int32 is expected")
    fails(power, x, True, message="argument 'n' has dtype bool, but int32 is expected")
    fails(power, x, -(2**31) - 1, message="argument 'n' is -2147483649, which int32 cannot hold")
    fails(power, x, 2**70, message=f"argument 'n' is {2**70}, which int32 cannot hold")
    fails(power, x, np.array([5]), message="argument 'n' has dtype int64, but int32 is expected")
    fails(power, x, np.array([5], np.int32), message="argument 'n' has rank 1, but rank 0 is expected (int32[])")
    half = module("numbers").half
    for value in (3, 3.0, np.float64(3), np.array(3, np.float16), np.int64(3)):
        assert half(value) == 1.5
    fails(half, 3j, message="argument 'x' has dtype complex128, but float32 is expected")
    negate = module("numbers").negate
    assert not negate(True)
    assert negate(np.bool_(False))
    assert negate(False).dtype == np.bool_
    fails(negate, 1, message="argument 'x' has dtype int64, but bool is expected")


def test_array_like_arguments(module: Get) -> None:
    class WithArray:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return ints(2, 3)

    class WithDlpack:
        def __dlpack__(self, **kwargs: Any) -> Any:
            return ints(2, 3).__dlpack__(**kwargs)

        def __dlpack_device__(self) -> Any:
            return ints(2, 3).__dlpack_device__()

    class Broken:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            raise RuntimeError("it is on the GPU")

    tokens, x = module("tokens"), ints(2, 3)
    for value in (WithArray(), WithDlpack()):
        np.testing.assert_array_equal(tokens(value, x)[0], 2 * x)
    message = "argument 'ids': expected int32[b, s], got a Broken that is not an array: it is on the GPU"
    fails(tokens, Broken(), x, message=message)


def test_run_time_checks(module: Get) -> None:
    limited = module("checks").limited
    x = np.array([1, 2], np.float32)
    fails(limited, -x, message="'xs[0]' must be >= 0; it is the start (model.py:12) with s = 2")
    np.testing.assert_array_equal(limited(x), 2 * x)
    broken = module("checks").broken
    with pytest.raises(
        NimbleError, match=r"^'broken' failed in the IREE runtime: .*FAILED_PRECONDITION; something else"
    ):
        broken(-x)
    np.testing.assert_array_equal(broken(x), 2 * x)


def test_output_shapes(module: Get) -> None:
    class Spec:
        def __init__(self, *shape: int, dtype: str = "float32") -> None:
            self.shape, self.dtype = shape, np.dtype(dtype)

    sizes = module("sizes").sizes
    assert sizes.output_shapes(Spec(2, 3), Spec(7)) == ((6,), (7,))
    assert sizes.output_shapes(np.zeros((2, 3), "f4"), [0.0] * 7) == ((6,), (7,))
    message = "argument 'y' axis 0 is 6, but '2*s + 1' is 7 with s = 3 (argument 'x' axis 1)"
    fails(sizes.output_shapes, Spec(2, 3), Spec(6), message=message)
    fails(sizes.output_shapes, Spec(5, 5), Spec(11), message="constraint 'b*s <= 24' does not hold for b = 5, s = 5")
    fails(
        sizes.output_shapes,
        Spec(5, 5),
        Spec(11, 1),
        message="argument 'y' has rank 2, but rank 1 is expected (float32[2*s + 1])",
    )
    fails(
        sizes.output_shapes,
        Spec(2, 3, dtype="int8"),
        Spec(7),
        message="argument 'x' has dtype int8, but float32 is expected",
    )
    assert module("add").output_shapes(Spec(3, 4), Spec(3, 4)) == (3, 4)
    (size,) = module("sizes").counted.output_shapes(Spec(3))
    assert (size.min, size.max) == (0, None)
    assert module("sizes").counted(np.zeros(3, "f4")).shape == (3,)


def test_several_entry_points(module: Get) -> None:
    memory = module("memory")
    listed = "'twice', 'increment', 'weights', 'constant', 'tail', 'double'"
    message = f"this module has several entry points ({listed}): call one of them, such as m.twice(...)"
    for call in (memory, memory.call_flat, memory.output_shapes):
        with pytest.raises(NimbleError, match=f"^{re.escape(message)}$"):
            call(1)
    message = f"no entry point 'thrice'; this module has {listed}"
    with pytest.raises(NimbleError, match=f"^{re.escape(message)}$"):
        memory.entry("thrice")
    with pytest.raises(AttributeError, match="'Module' object has no attribute or entry point 'thrice'"):
        _ = memory.thrice
    assert {"twice", "increment", "signature"} <= set(dir(memory))
    assert memory.double(2.0) == 4.0
    assert "'twice'" in repr(memory)

"""What capture keeps: names, dims, weights once, keys, scalars, unused arguments, locations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nimble_mlir as nm
from nimble_mlir.capture import capture
from nimble_mlir.dims import DimExpr
from nimble_mlir.passes.base import location_text

RNG = np.random.default_rng(0)


def capture_one(fn, args, kwargs=None):
    return capture({"main": (fn, args, kwargs or {})})


def text_of(program):
    return program.module.operation.get_asm(enable_debug_info=False)


def weights(rows=32, columns=32):
    return RNG.normal(size=(rows, columns)).astype(np.float32)


def test_a_weight_used_everywhere_is_held_once():
    w = jnp.asarray(weights())

    @jax.custom_jvp
    def custom(x):
        return x @ w

    custom.defjvp(lambda primals, tangents: (custom(*primals), tangents[0]))

    def fn(x):
        x = custom(x @ w)
        x = jax.jit(lambda v: v @ w)(x)
        x = jax.checkpoint(lambda v: v @ w)(x)
        x = jax.lax.cond(x.sum() > 0, lambda v: v @ w, lambda v: v, x)
        return jax.lax.fori_loop(0, 3, lambda _, v: v @ w, x)

    (s,) = nm.dims("s")
    program = capture_one(fn, (nm.spec((s, 32), jnp.float32),))
    assert len(program.constants) == 1
    assert np.array_equal(next(iter(program.constants.values())), w)
    assert "dense_resource" not in text_of(program)


def test_equal_weights_of_two_entry_points_are_held_once():
    w = jnp.asarray(weights())
    (s,) = nm.dims("s")
    x = nm.spec((s, 32), jnp.float32)
    program = capture({"a": (lambda x: x @ w, (x,), {}), "b": (lambda x: (x @ w) @ w, (x,), {})})
    assert len(program.constants) == 1


def test_weights_do_not_pass_through_text():
    w = jnp.asarray(weights(200, 200))
    program = capture_one(lambda x: x @ w, (np.ones((1, 200), np.float32),))
    assert len(text_of(program)) < 2000


def test_small_constants_stay_in_the_ir():
    table = jnp.asarray([1.0, 2.0, 3.0])
    program = capture_one(lambda x: x + table, (np.ones(3, np.float32),))
    assert not program.constants or sum(a.nbytes for a in program.constants.values()) <= 64


def test_names_and_dims_of_nested_arguments():
    b, s = nm.dims("b, s", constraints=["mod(s, 8) == 0"])

    def fn(ids, params, *rest, mask):
        return ids.sum() + params["w"][0].sum() + rest[0] + mask.sum()

    args = (nm.spec((b, 2 * s + 1), jnp.int32), {"w": [nm.spec((s,), jnp.int32)]}, 3)
    entry = capture_one(fn, args, {"mask": nm.spec((b,), jnp.int32)}).entries["main"]
    assert entry.argument_names == ("ids", "params['w'][0]", "rest[0]", "mask")
    assert entry.arguments[0].dims == (DimExpr.parse("b"), DimExpr.parse("2*s + 1"))
    assert {info.name: info.multiple_of for info in entry.symbols} == {"b": 1, "s": 8}
    assert [argument.kind for argument in entry.arguments] == ["array", "array", "scalar", "array"]


def test_likely_sizes_reach_the_symbols():
    b, s = nm.dims("b, s", likely={"s": [1, 128], "b": 4})
    entry = capture_one(lambda x: x, (nm.spec((b, s), jnp.float32),)).entries["main"]
    assert {info.name: info.likely for info in entry.symbols} == {"b": (4,), "s": (1, 128)}


def test_result_dims_are_those_of_jax():
    a, b = nm.dims("a, b")
    entry = capture_one(
        lambda x: {"flat": x.reshape(-1), "half": jnp.ones(x.shape[0] // 2)}, (nm.spec((a, b), jnp.float32),)
    ).entries["main"]
    assert [(r.path, tuple(map(str, r.dims))) for r in entry.results] == [
        ("['flat']", ("a*b",)),
        ("['half']", ("floordiv(a, 2)",)),
    ]


def test_locations_are_the_users():
    (s,) = nm.dims("s")
    program = capture_one(lambda x: jnp.tanh(x), (nm.spec((s,), jnp.float32),))
    function = next(iter(program.module.body.operations))
    tanh = next(op for op in function.entry_block.operations if op.operation.name == "stablehlo.tanh")
    assert (location_text(tanh.location) or "").startswith(__file__)


def test_unused_arguments_are_kept_and_checked():
    b, s = nm.dims("b, s")
    m = nm.compile(lambda x, y: x + 1, (nm.spec((b, s), jnp.float32), nm.spec((s,), jnp.int32)))
    assert m(np.zeros((2, 3), np.float32), np.zeros(3, np.int32)).shape == (2, 3)
    with pytest.raises(nm.ShapeError, match=r"argument 'y' axis 0 is 4, but 's' is 3 \(argument 'x' axis 1\)"):
        m(np.zeros((2, 3), np.float32), np.zeros(4, np.int32))


def test_python_scalars_are_weakly_typed():
    (s,) = nm.dims("s")
    m = nm.compile(lambda x, n: x * n, (nm.spec((s,), jnp.float16), 2.0))
    out = m(np.ones(3, np.float16), 3.5)
    assert out.dtype == np.float16
    assert np.array_equal(out, np.full(3, 3.5, np.float16))


def test_keys_go_in_and_out_as_keys():
    (s,) = nm.dims("s")
    m = nm.compile(lambda k, x: (k, x), (jax.random.key(0), nm.spec((s,), jnp.float32)))
    key, _ = m(jax.random.key(7), jnp.ones(2))
    assert jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    assert np.array_equal(jax.random.key_data(key), jax.random.key_data(jax.random.key(7)))
    data, _ = m(np.asarray([1, 2], np.uint32), np.ones(2, np.float32))
    assert data.dtype == np.uint32
    assert list(data) == [1, 2]


def test_a_weak_captured_key_array_is_a_constant():
    key = jax.random.key(3)
    m = nm.compile(lambda x: (jax.random.key_data(key), x), (np.ones(2, np.float32),))
    assert np.array_equal(m(np.ones(2, np.float32))[0], jax.random.key_data(key))


def test_a_module_called_under_a_trace_says_so():
    (s,) = nm.dims("s")
    m = nm.compile(lambda x: x + 1, (nm.spec((s,), jnp.float32),))
    with pytest.raises(nm.CaptureError, match="cannot be called under a JAX trace"):
        jax.jit(lambda x: m(x))(jnp.ones(3))


def test_x64_programs_hold_64_bits():
    with jax.enable_x64(True):
        (s,) = nm.dims("s")
        m = nm.compile(lambda x: x / 3, (nm.spec((s,), jnp.float64),))
        x = RNG.normal(size=5)
        out = m(x)
    assert out.dtype == np.float64
    assert np.array_equal(out, x / 3)


def test_a_function_without_arguments() -> None:
    module = nm.compile(lambda: (jnp.arange(5), jax.lax.broadcasted_iota(jnp.float32, (2, 3), 1)), ())
    counted, columns = module()
    np.testing.assert_array_equal(counted, np.arange(5))
    np.testing.assert_array_equal(columns, [[0.0, 1.0, 2.0]] * 2)


def test_functions_without_arguments() -> None:
    key = jax.random.key(3)
    module = nm.compile(lambda: jax.random.uniform(key, (4,)), ())
    assert np.array_equal(module(), jax.random.uniform(key, (4,)))

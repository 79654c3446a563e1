"""Exports that JAX stored over the years for its own tests of compatibility, and what such programs hold besides ops:
placements, shardings, tokens, donated arguments."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from support.tolerances import assert_agrees

import nimble_mlir as nm

# Programs whose results are unique: decompositions up to signs are compared by their products in test_exports.py.
STORED = (
    "annotate_data_placement.data_2025_04_07_tpu.gspmd",
    "annotate_data_placement.data_2025_04_07_cuda.shardy",
    "cpu_cholesky_lapack_potrf.data_2024_05_31.f32",
    "cpu_lu_lapack_getrf.data_2024_05_31.c64",
    "cpu_triangular_solve_blas_trsm.data_2025_10_20.f64",
    "cpu_tridiagonal_solve_lapack_gtsv.data_2025_01_09.f32",
    "stablehlo_dynamic_approx_top_k.data_2024_05_30",
    "stablehlo_dynamic_rng_bit_generator.data_2023_06_17",
    "stablehlo_dynamic_top_k.data_2023_07_16",
    "stablehlo_dynamic_top_k.data_2023_08_11",
    "tpu_ApproxTopK.data_2023_05_16",
    "tpu_stablehlo_dynamic_reduce_window.data_unary_2023_06_17",
)


@pytest.mark.parametrize("name", STORED)
def test_stored_export_gives_the_results_stored_with_it(name: str) -> None:
    file, *path = name.split(".")
    package = "jax._src.internal_test_util.export_back_compat_test_data"
    data: Any = vars(importlib.import_module(f"{package}.{file}"))
    for key in path:
        data = data[key]
    got = nm.compile_stablehlo(data["mlir_module_serialized"])(*map(np.asarray, data["inputs"]))
    expected = data["expected_outputs"]
    expected = tuple(expected) if isinstance(expected, list | tuple) else (expected,)
    assert_agrees(got if isinstance(got, tuple) else (got,), tuple(map(np.asarray, expected)), "contraction")


NAMES_OF_OLD = """
func.func public @main(%x: tensor<?x8xf32>, %y: tensor<?x3xf64>)
    -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x8xf32>, tensor<?x3xf64>, tensor<?x3xf64>) {
  %0:2 = stablehlo.custom_call @mhlo.topk(%x) {mhlo.attributes = {k = 2 : i64, largest = true}, mhlo.version = 1 : i64}
    : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %1 = stablehlo.custom_call @mhlo.erf(%x) {mhlo.version = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %2 = stablehlo.custom_call @mhlo.erf(%y) {mhlo.version = 1 : i64} : (tensor<?x3xf64>) -> tensor<?x3xf64>
  %3 = stablehlo.custom_call @mhlo.tan(%y) {mhlo.version = 1 : i64} : (tensor<?x3xf64>) -> tensor<?x3xf64>
  return %0#0, %0#1, %1, %2, %3 : tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x8xf32>, tensor<?x3xf64>, tensor<?x3xf64>
}
"""


def test_ops_of_chlo_under_their_older_names() -> None:
    m = nm.compile_stablehlo(NAMES_OF_OLD)
    rng = np.random.default_rng(0)
    for rows in (1, 5):
        x, y = rng.normal(size=(rows, 8)).astype(np.float32), rng.normal(size=(rows, 3))
        with jax.enable_x64(True):
            expected = *lax.top_k(x, 2), lax.erf(x), lax.erf(y), jnp.tan(y)
            assert_agrees(m(x, y), tuple(map(np.asarray, expected)), "transcendental")
    smallest = NAMES_OF_OLD.replace("largest = true", "largest = false")
    with pytest.raises(nm.UnsupportedOpError, match=r"custom call 'mhlo\.topk'"):
        nm.compile_stablehlo(smallest)


TOKENS = """
func.func @main(%t: !stablehlo.token {jax.token = true}, %x: tensor<?xf32> {jax.buffer_donor = true},
    %n: tensor<i32>) -> (!stablehlo.token, tensor<?xf32> {jax.result_info = "y"}) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %u = stablehlo.create_token : !stablehlo.token
  %v = stablehlo.after_all %t, %u : !stablehlo.token
  %0:3 = stablehlo.while(%i = %zero, %w = %v, %y = %x) : tensor<i32>, !stablehlo.token, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2:2 = func.call @twice(%w, %y) : (!stablehlo.token, tensor<?xf32>) -> (!stablehlo.token, tensor<?xf32>)
    stablehlo.return %1, %2#0, %2#1 : tensor<i32>, !stablehlo.token, tensor<?xf32>
  }
  %3:2 = stablehlo.optimization_barrier %0#2, %0#1 : tensor<?xf32>, !stablehlo.token
  return %3#1, %3#0 : !stablehlo.token, tensor<?xf32>
}
func.func private @twice(%t: !stablehlo.token, %x: tensor<?xf32>) -> (!stablehlo.token, tensor<?xf32>) {
  %0 = stablehlo.add %x, %x : tensor<?xf32>
  return %t, %0 : !stablehlo.token, tensor<?xf32>
}
"""


def test_tokens_are_no_arguments() -> None:
    m = nm.compile_stablehlo(TOKENS)
    for size, count in ((1, 0), (5, 1), (3, 4)):
        x = np.arange(size, dtype=np.float32)
        np.testing.assert_array_equal(m(x, np.int32(count)), x * 2**count)
        assert x[-1] == size - 1


def test_a_donated_argument_of_an_export_is_not_written_to() -> None:
    (s,) = nm.dims("s")
    step = jax.jit(lambda state, x: (state.at[0].add(x.sum()), x * 2), donate_argnums=(0, 1))
    m = nm.compile_stablehlo(jax.export.export(step)(nm.spec((s,), jnp.float32), nm.spec((s,), jnp.float32)))
    for size in (1, 6):
        state, x = np.ones(size, np.float32), np.arange(size, dtype=np.float32)
        got = m(state, x)
        np.testing.assert_array_equal(state, np.ones(size))
        np.testing.assert_array_equal(got[0], state + np.eye(size)[0] * x.sum())
        np.testing.assert_array_equal(got[1], x * 2)


def test_a_sharded_program_for_one_device() -> None:
    mesh = Mesh(np.array(jax.devices("cpu")[:1]), "d")

    def sharded(x: jax.Array) -> jax.Array:
        y = jax.shard_map(lambda part: part * 2 + part.sum(), mesh=mesh, in_specs=P("d"), out_specs=P("d"))(x)
        return lax.with_sharding_constraint(y, jax.NamedSharding(mesh, P("d"))) + 1

    x = np.arange(4, dtype=np.float32)
    m = nm.compile_stablehlo(jax.export.export(jax.jit(sharded))(nm.spec((4,), jnp.float32)))
    np.testing.assert_array_equal(m(x), jax.jit(sharded)(x))


MANUAL = """
sdy.mesh @mesh = <["d"=2]>
func.func public @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = sdy.manual_computation(%x) in_shardings=[<@mesh, [{"d"}]>] out_shardings=[<@mesh, [{"d"}]>] manual_axes={"d"}
      (%part: tensor<2xf32>) {
    %1 = stablehlo.add %part, %part : tensor<2xf32>
    sdy.return %1 : tensor<2xf32>
  } : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
"""


def test_a_computation_over_several_devices_is_refused() -> None:
    with pytest.raises(nm.UnsupportedOpError, match=r"'sdy\.manual_computation' over several devices is not supported"):
        nm.compile_stablehlo(MANUAL)

"""Programs as JAX exports and lowers them: other dialects in them, several platforms, calls into libraries."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
import pytest
from jax import lax
from support.sampling import sampled
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(0)
Spec = jax.ShapeDtypeStruct


def draw(*shape, dtype=np.float32):
    x = RNG.normal(size=shape)
    return (x + 1j * RNG.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def export(fn, *specs, platforms=("cpu",)):
    return jax.export.export(jax.jit(fn), platforms=list(platforms))(*specs)


def noisy(key, x):
    return x + jax.random.normal(key, x.shape)


@pytest.mark.parametrize("form", ["exported", "bytes", "text"])
def test_ops_of_shardy_are_read(form):
    (s,) = nm.dims("s")
    key = jax.random.key(7)
    exported = export(noisy, key, Spec((s, 3), jnp.float32))
    assert "sdy." in exported.mlir_module()
    forms = {"exported": exported, "bytes": exported.mlir_module_serialized, "text": exported.mlir_module()}
    m = nm.compile_stablehlo(forms[form])
    for size in (1, 5) if form == "exported" else (4,):
        x = draw(size, 3)
        assert_agrees(m(np.asarray(jax.random.key_data(key)), x), jax.jit(noisy)(key, x), "transcendental")


def special(x):
    return lax.erf_inv(jnp.tanh(x)) + lax.lgamma(x), lax.top_k(x, 2)[1], lax.erf(x)


def test_ops_of_chlo_are_read():
    (s,) = nm.dims("s")
    lowered = jax.jit(special).lower(Spec((4, 5), jnp.float32))
    assert "chlo." in lowered.as_text()
    symbolic = jax.jit(special).lower(Spec((s, 5), jnp.float32))
    m = nm.compile_stablehlo(lowered.as_text())
    # Lowered without export, a program is given its sizes as values.
    sized = nm.compile_stablehlo(symbolic.as_text())
    x = draw(4, 5)
    for got in (m(x), sized(np.int32(4), x)):
        assert_agrees(got, special(x), "model")


def test_text_that_no_reader_can_read():
    with pytest.raises(nm.CompileError, match="the source is no StableHLO that can be read"):
        nm.compile_stablehlo("func.func @f() { chlo.nonsense }")


def by_platform(x):
    return lax.platform_dependent(x, cpu=lambda x: x + 1, tpu=lambda x: x * 2, default=lambda x: x - 1)


def test_an_export_for_several_platforms_is_what_it_is_for_the_target():
    (s,) = nm.dims("s")
    spec, x = Spec((s, 3), jnp.float32), draw(4, 3)
    for platforms in (("cpu", "tpu", "cuda"), ("cuda", "tpu", "cpu")):
        m = nm.compile_stablehlo(export(by_platform, spec, platforms=platforms))
        np.testing.assert_array_equal(m(x), x + 1)
    elsewhere = nm.compile_stablehlo(export(by_platform, spec, platforms=("tpu", "cuda")))
    np.testing.assert_array_equal(elsewhere(x), x * 2)


def test_of_an_export_as_bytes_the_platform_is_an_argument():
    (s,) = nm.dims("s")
    exported = export(by_platform, Spec((s, 3), jnp.float32), platforms=("cpu", "tpu", "cuda"))
    m, x = nm.compile_stablehlo(exported.mlir_module_serialized), draw(4, 3)
    for index, expected in enumerate((x + 1, x * 2, x - 1)):
        np.testing.assert_array_equal(m(np.int32(index), x), expected)


def test_calls_of_lapack_in_branches_of_other_platforms_are_gone():
    (b,) = nm.dims("b")
    m = nm.compile_stablehlo(export(jnp.linalg.cholesky, Spec((b, 3, 3), jnp.float32), platforms=("cuda", "cpu")))
    x = draw(2, 3, 3)
    a = x @ x.swapaxes(1, 2) + np.eye(3, dtype=np.float32)
    assert_agrees(m(a), np.linalg.cholesky(a), "contraction")


def test_computations_of_custom_calls_are_no_entry_points():
    b, s = nm.dims("b, s")
    m = nm.compile_stablehlo(export(lambda x: jnp.cumsum(x, 1), Spec((b, s), jnp.float32)))
    assert list(m.signature.entries) == ["main"]
    x = draw(3, 7)
    assert_agrees(m(x), np.cumsum(x, 1), "reduction")


def test_what_an_assertion_says_is_known():
    """Without the assertion that `s` is at least 1, `-2 % s` is no expression of it."""
    b, s = nm.dims("b, s")
    m = nm.compile_stablehlo(export(lambda x: jnp.roll(x, (1, 2), (0, 1)), Spec((b, s), jnp.float32)))
    for shape in ((1, 1), (3, 2), (2, 7)):
        x = draw(*shape)
        np.testing.assert_array_equal(m(x), np.roll(x, (1, 2), (0, 1)))
    with pytest.raises(nm.ShapeError, match="Expected value >= 1 for dimension variable 'b'"):
        m(draw(0, 3))


def test_a_slice_from_a_start_that_a_select_chose():
    text = """
    func.func @main(%n: tensor<i64>, %x: tensor<?xf32>, %i: tensor<i32>) -> (tensor<?xf32>, tensor<1xf32>) {
      %zero = stablehlo.constant dense<0> : tensor<i32>
      %less = stablehlo.constant dense<-1> : tensor<i64>
      %one = stablehlo.constant dense<1> : tensor<1xi32>
      %c = stablehlo.convert %n : (tensor<i64>) -> tensor<i32>
      %negative = stablehlo.compare LT, %i, %zero, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
      %from_end = stablehlo.add %i, %c : tensor<i32>
      %start = stablehlo.select %negative, %from_end, %i : tensor<i1>, tensor<i32>
      %end = stablehlo.add %start, %c : tensor<i32>
      %low = stablehlo.reshape %start : (tensor<i32>) -> tensor<1xi32>
      %high = stablehlo.reshape %end : (tensor<i32>) -> tensor<1xi32>
      %0 = stablehlo.real_dynamic_slice %x, %low, %high, %one
        : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
      %last = stablehlo.add %n, %less : tensor<i64>
      %last32 = stablehlo.convert %last : (tensor<i64>) -> tensor<i32>
      %last1 = stablehlo.reshape %last32 : (tensor<i32>) -> tensor<1xi32>
      %n1 = stablehlo.reshape %c : (tensor<i32>) -> tensor<1xi32>
      %1 = stablehlo.real_dynamic_slice %x, %last1, %n1, %one
        : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1xf32>
      return %0, %1 : tensor<?xf32>, tensor<1xf32>
    }
    """
    m = nm.compile_stablehlo(text)
    x = draw(9)
    for n, i in ((3, 2), (4, -4), (1, 8), (9, 0)):
        part, last = m(np.int64(n), x, np.int32(i))
        start = i + n if i < 0 else i
        np.testing.assert_array_equal(part, x[start : start + n])
        np.testing.assert_array_equal(last, x[n - 1 : n])
    with pytest.raises(nm.ShapeError, match="starts outside of its operand"):
        m(np.int64(4), x, np.int32(7))


def test_strides_beyond_the_spatial_dimensions_are_not_read():
    """As in StableHLO's own conv_general_dilated_1d_stride_2_even_dynamic.mlir."""
    m = nm.compile_stablehlo("""
    func.func @main(%x: tensor<1x?x2xf32>, %w: tensor<3x2x4xf32>, %p: tensor<i32>) -> tensor<1x?x4xf32> {
      %p1 = stablehlo.reshape %p : (tensor<i32>) -> tensor<1xi32>
      %p2 = stablehlo.concatenate %p1, %p1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
      %pads = stablehlo.reshape %p2 : (tensor<2xi32>) -> tensor<1x2xi32>
      %0 = "stablehlo.dynamic_conv"(%x, %w, %pads) {batch_group_count = 1 : i64, feature_group_count = 1 : i64,
        dimension_numbers = #stablehlo.conv<[b, 0, f]x[0, i, o]->[b, 0, f]>, window_strides = array<i64: 2, 2>}
        : (tensor<1x?x2xf32>, tensor<3x2x4xf32>, tensor<1x2xi32>) -> tensor<1x?x4xf32>
      return %0 : tensor<1x?x4xf32>
    }
    """)
    x, w = draw(1, 7, 2), draw(3, 2, 4)
    expected = lax.conv_general_dilated(x, w, (2,), ((1, 1),), dimension_numbers=("NWC", "WIO", "NWC"))
    assert_agrees(m(x, w, np.int32(1)), expected, "contraction")


def spd(x):
    return x @ jnp.conj(x.swapaxes(-1, -2)) + 3 * jnp.eye(x.shape[-1])


def rebuilt(values, vectors):
    return (vectors * values[..., None, :]) @ jnp.conj(vectors.swapaxes(-1, -2))


def svd_rebuilt(x):
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    return s, (u * s[..., None, :]) @ vh


DECOMPOSITIONS = {
    "potrf": lambda x: (jnp.linalg.cholesky(spd(x)), jax.scipy.linalg.cholesky(spd(x), lower=False)),
    "getrf": lambda x: (jnp.linalg.solve(spd(x), x), jnp.linalg.det(x)),
    "geqrf": lambda x: (jnp.abs(jnp.linalg.qr(x)[1]), jnp.matmul(*jnp.linalg.qr(x))),
    "syevd": lambda x: (jnp.linalg.eigvalsh(spd(x)), rebuilt(*jnp.linalg.eigh(spd(x)))),
    "gesdd": svd_rebuilt,
    "trsm": lambda x: (
        lax.linalg.triangular_solve(spd(x), x, left_side=True, lower=True, transpose_a=True, conjugate_a=True),
        lax.linalg.triangular_solve(spd(x), x, lower=False, unit_diagonal=True) / 9,
    ),
    "sytrd": lambda x: tuple(lax.linalg.tridiagonal(spd(x))[1:3]),
    "gtsv": lambda x: lax.linalg.tridiagonal_solve(x[..., 0], 5 + abs(x[..., 1]), x[..., 2], x),
}


@pytest.mark.parametrize(
    ("routine", "dtype"),
    sampled([*((name, np.float32) for name in DECOMPOSITIONS), ("syevd", np.complex64), ("geqrf", np.complex64)], 3, 2),
)
def test_calls_of_lapack(routine, dtype):
    (b,) = nm.dims("b")
    fn = DECOMPOSITIONS[routine]
    exported = export(fn, Spec((b, 4, 4), dtype))
    assert re.search(rf"lapack_[sc]({routine}|he\w+|un\w+)_ffi", exported.mlir_module())
    m = nm.compile_stablehlo(exported)
    for batch in (1, 3):
        x = draw(batch, 4, 4, dtype=dtype)
        assert_agrees(m(x), jax.jit(fn)(x), "model")


def test_lapack_of_symbolic_matrices():
    (n,) = nm.dims("n")

    def fn(a, y):
        q, r = jnp.linalg.qr(a, mode="complete")
        return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(spd(a)), y), jnp.abs(r), q @ r

    m = nm.compile_stablehlo(export(fn, Spec((n, n), jnp.float32), Spec((n, 2), jnp.float32)))
    for size in (1, 3, 8):
        a, y = draw(size, size), draw(size, 2)
        assert_agrees(m(a, y), fn(a, y), "model")


def test_lapack_in_programs_that_are_no_exports():
    """Pivoted QR and products with Q have no stable form, but stand in what jax.jit lowers to."""

    def fn(a, c):
        q, r, p = jax.scipy.linalg.qr(a, pivoting=True, mode="economic")
        return q @ r, p, lax.linalg.ormqr(a, c[0, :3], c, left=True, transpose=True)

    a, c = draw(5, 3), draw(5, 3)
    text = jax.jit(fn).lower(a, c).as_text()
    assert "lapack_sgeqp3_ffi" in text
    assert "lapack_sormqr_ffi" in text
    assert_agrees(nm.compile_stablehlo(text)(a, c), jax.jit(fn)(a, c), "model")


@pytest.mark.parametrize(
    ("fn", "target", "advice"),
    [
        (jnp.linalg.eigvals, "lapack_sgeev_ffi", "jnp.linalg.eigh has eigenvalues of symmetric"),
        (lax.linalg.hessenberg, "lapack_sgehrd_ffi", "jax.lax.linalg.tridiagonal"),
    ],
)
def test_calls_that_have_no_algorithm(fn, target, advice):
    (b,) = nm.dims("b")
    with pytest.raises(nm.UnsupportedOpError, match=f"custom call '{target}' is not supported: {advice}"):
        nm.compile_stablehlo(export(fn, Spec((b, 3, 3), jnp.float32)))


@pytest.mark.parametrize("algorithm", [lax.RandomAlgorithm.RNG_THREE_FRY, lax.RandomAlgorithm.RNG_PHILOX])
def test_random_bits_of_symbolic_size(algorithm):
    b, s = nm.dims("b, s")

    def fn(key, x):
        return lax.rng_bit_generator(key, (*x.shape, 3), dtype=jnp.uint32, algorithm=algorithm)

    exported = export(fn, Spec((4,), jnp.uint32), Spec((b, s), jnp.float32))
    assert "dynamic_rng_bit_generator" in exported.mlir_module()
    m = nm.compile_stablehlo(exported)
    for shape in ((1, 1), (3, 5)):
        key, x = np.array([1, 2, 3, 4], np.uint32), draw(*shape)
        for got, expected in zip(m(key, x), jax.jit(fn)(key, x), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_what_is_no_source():
    with pytest.raises(
        nm.CompileError, match=r"compile_stablehlo takes text, bytes or a jax\.export\.Exported, got int"
    ):
        nm.compile_stablehlo(3)


def test_tuples_of_entry_functions_are_flattened():
    m = nm.compile_stablehlo("""
        func.func @main(%x: tensor<?xf32> {mhlo.memory_kind = "device"},
                        %both: tuple<tensor<?xi32>, tuple<tensor<?xf32>>>, %y: tensor<f32>)
            -> (tuple<tensor<?xf32>, tensor<?xi32>>, tensor<f32> {jax.result_info = "y"}) {
          %0 = stablehlo.get_tuple_element %both[1] : (tuple<tensor<?xi32>, tuple<tensor<?xf32>>>) -> tuple<tensor<?xf32>>
          %1 = stablehlo.get_tuple_element %0[0] : (tuple<tensor<?xf32>>) -> tensor<?xf32>
          %2 = stablehlo.get_tuple_element %both[0] : (tuple<tensor<?xi32>, tuple<tensor<?xf32>>>) -> tensor<?xi32>
          %3 = stablehlo.multiply %x, %1 : tensor<?xf32>
          %4 = stablehlo.tuple %3, %2 : tuple<tensor<?xf32>, tensor<?xi32>>
          return %4, %y : tuple<tensor<?xf32>, tensor<?xi32>>, tensor<f32>
        }""")
    for size in (1, 4):
        x, z, k = draw(size), draw(size), np.arange(size + 2, dtype=np.int32)
        product, integers, scalar = m(x, k, z, np.float32(3))
        assert_agrees(product, x * z, "elementwise")
        assert_agrees(integers, k, "exact")
        assert_agrees(scalar, np.float32(3), "exact")

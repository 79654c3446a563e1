"""StableHLO's own linear algebra and Fourier transforms, given as text: the numbers of numpy at several sizes."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest
from support.tolerances import assert_agrees

import nimble_mlir as nm

MATRICES = """
func.func @main(%a: tensor<?x?x?xTYPE>, %b: tensor<?x?x2xTYPE>, %c: tensor<?x3x?xTYPE>)
    -> (tensor<?x?x?xTYPE>, tensor<?x?x?xTYPE>, tensor<?x?x2xTYPE>, tensor<?x3x?xTYPE>) {
  %l = stablehlo.cholesky %a, lower = true : tensor<?x?x?xTYPE>
  %u = stablehlo.cholesky %a, lower = false : tensor<?x?x?xTYPE>
  %x = "stablehlo.triangular_solve"(%a, %b) {left_side = true, lower = true, unit_diagonal = false,
    transpose_a = #stablehlo<transpose ADJOINT>} : (tensor<?x?x?xTYPE>, tensor<?x?x2xTYPE>) -> tensor<?x?x2xTYPE>
  %y = "stablehlo.triangular_solve"(%a, %c) {left_side = false, lower = false, unit_diagonal = true,
    transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<?x?x?xTYPE>, tensor<?x3x?xTYPE>) -> tensor<?x3x?xTYPE>
  return %l, %u, %x, %y : tensor<?x?x?xTYPE>, tensor<?x?x?xTYPE>, tensor<?x?x2xTYPE>, tensor<?x3x?xTYPE>
}
"""

TRANSFORMS = """
func.func @main(%x: tensor<?x12xf32>, %z: tensor<?x?x67xcomplex<f64>>)
    -> (tensor<?x7xcomplex<f32>>, tensor<?x?x67xcomplex<f64>>) {
  %0 = stablehlo.fft %x, type = RFFT, length = [12] : (tensor<?x12xf32>) -> tensor<?x7xcomplex<f32>>
  %1 = stablehlo.fft %z, type = IFFT, length = [67] : (tensor<?x?x67xcomplex<f64>>) -> tensor<?x?x67xcomplex<f64>>
  return %0, %1 : tensor<?x7xcomplex<f32>>, tensor<?x?x67xcomplex<f64>>
}
"""


def draw(rng, shape, dtype):
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_triangular_systems_of_16_bits_are_solved_in_32_and_rounded_once(dtype):
    n, k = nm.dims("n, k")

    def solve(a, b):
        return jax.lax.linalg.triangular_solve(a, b, left_side=True, lower=True)

    module = nm.compile(solve, (nm.spec((n, n), dtype), nm.spec((n, k), dtype)))
    rng = np.random.default_rng(0)
    for rows, columns in ((1, 1), (5, 2), (17, 3)):
        a = (draw(rng, (rows, rows), np.float32) + 4 * np.eye(rows)).astype(dtype)
        b = draw(rng, (rows, columns), np.float32).astype(dtype)
        got = module(a, b)
        exact = np.linalg.solve(np.tril(a.astype(np.float64)), b.astype(np.float64))
        assert_agrees(got, exact.astype(dtype), "elementwise")


@pytest.mark.parametrize(("type_", "dtype"), [("f32", np.float32), ("complex<f64>", np.complex128)])
def test_matrices(type_, dtype):
    module = nm.compile_stablehlo(MATRICES.replace("TYPE", type_))
    rng = np.random.default_rng(0)
    for batch, size in ((1, 1), (2, 3), (3, 8), (1, 13)):
        x = draw(rng, (batch, size, size), dtype)
        a = x @ adjoint(x) / size + np.eye(size, dtype=dtype)
        b, c = draw(rng, (batch, size, 2), dtype), draw(rng, (batch, 3, size), dtype)
        lower, upper, x, y = module(a, b, c)
        assert lower.dtype == upper.dtype == x.dtype == y.dtype == dtype
        factor = np.linalg.cholesky(a)
        unit = np.triu(a, 1) + np.eye(size, dtype=dtype)
        assert_agrees(lower, factor)
        assert_agrees(upper, adjoint(factor))
        assert_agrees(adjoint(np.tril(a)) @ x, b)
        assert_agrees(y @ unit, c)


def test_sizes_that_must_be_equal_are_checked():
    module = nm.compile_stablehlo(MATRICES.replace("TYPE", "f32"))
    a, b, c = np.zeros((2, 4, 4), "f"), np.zeros((2, 4, 2), "f"), np.zeros((2, 3, 4), "f")
    module(a, b, c)
    for wrong in ((a[:, :3], b, c), (a, b[:, :3], c), (a, b, c[:1])):
        with pytest.raises(nm.ShapeError):
            module(*wrong)


def test_transforms():
    module = nm.compile_stablehlo(TRANSFORMS)
    rng = np.random.default_rng(0)
    for first, second in ((1, 1), (2, 3), (5, 4)):
        x, z = draw(rng, (first, 12), np.float32), draw(rng, (second, first, 67), np.complex128)
        real, inverse = module(x, z)
        assert_agrees(real, np.fft.rfft(x).astype(np.complex64), "contraction")
        assert_agrees(inverse, np.fft.ifft(z), "contraction")


def test_other_element_types_are_refused():
    text = "func.func @f(%a: tensor<4x4xbf16>) -> tensor<4x4xbf16> {\n  %0 = stablehlo.cholesky %a : tensor<4x4xbf16>\n"
    with pytest.raises(nm.UnsupportedOpError, match=re.escape("'stablehlo.cholesky' of bfloat16 is not supported")):
        nm.compile_stablehlo(f"{text}  return %0 : tensor<4x4xbf16>\n}}")

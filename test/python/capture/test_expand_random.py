"""Random bits given as StableHLO: bit for bit those that XLA gives on the CPU."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax import lax

import nimble_mlir as nm

BITS = """
func.func @main(%s: tensor<STATExui64>) -> (tensor<STATExui64>, tensor<TYPE>) {
  %0, %1 = stablehlo.rng_bit_generator %s, algorithm = ALGORITHM : (tensor<STATExui64>) -> (tensor<STATExui64>, tensor<TYPE>)
  return %0, %1 : tensor<STATExui64>, tensor<TYPE>
}
"""


def program(algorithm: str, type_: str, state: int = 2) -> str:
    return BITS.replace("ALGORITHM", algorithm).replace("TYPE", type_).replace("STATE", str(state))


@pytest.mark.parametrize("algorithm", ["THREE_FRY", "PHILOX", "DEFAULT"])
@pytest.mark.parametrize(("type_", "dtype", "shape"), [("5xui32", "uint32", (5,)), ("3x4xui64", "uint64", (3, 4))])
def test_bits_are_those_of_xla(algorithm, type_, dtype, shape):
    m = nm.compile_stablehlo(program(algorithm, type_))
    state = np.array([11, 2**64 - 1], np.uint64)
    with jax.enable_x64(True):
        kind = lax.RandomAlgorithm[f"RNG_{algorithm}"]
        expected = jax.jit(lambda key: lax.rng_bit_generator(key, shape, dtype=dtype, algorithm=kind))(state)
        for actual, wanted in zip(m(state), expected, strict=True):
            np.testing.assert_array_equal(actual, np.asarray(wanted))


def test_another_state_is_refused():
    with pytest.raises(
        nm.UnsupportedOpError, match="'stablehlo.rng_bit_generator' of uint32 from tensor<3xui64> is not"
    ):
        nm.compile_stablehlo(program("PHILOX", "5xui32", 3))

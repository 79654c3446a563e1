"""What capture refuses: each message names the argument or the user's file:line, and what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.capture import capture
from nimble_mlir.capture.symbols import scope_of

B, S = nm.dims("b, s", constraints=["s <= 512"])
X = nm.spec((B, S), jnp.float32)
HERE = re.escape(__file__)


def capture_one(fn, args, kwargs=None):
    return capture({"main": (fn, args, kwargs or {})})


@pytest.mark.parametrize(
    ("fn", "name", "advice"),
    [
        (lambda x: jax.pure_callback(lambda v: v, x, x), "pure_callback", "runs without Python"),
        (lambda x: jax.experimental.io_callback(lambda v: v, x, x), "io_callback", "runs without Python"),
        (lambda x: (jax.debug.print("{}", x), x)[1], "debug_print", "remove it"),
        (lambda x: (jax.debug.callback(print, x), x)[1], "debug_callback", "remove it"),
    ],
)
def test_callbacks_are_unsupported_with_their_place(fn, name, advice):
    with pytest.raises(nm.UnsupportedOpError, match=rf"{HERE}:\d+.*'{name}' is not supported: .*{advice}"):
        capture_one(fn, (X,))


@pytest.mark.parametrize(
    ("fn", "op", "advice"),
    [
        (jnp.linalg.eigvals, r"'eig' of float32\[s,s\]", "eigh has eigenvalues of symmetric"),
        (jax.scipy.linalg.schur, r"'schur' of float32\[s,s\]", "eigh has the Schur form"),
        (jax.scipy.linalg.hessenberg, r"'hessenberg' of float32\[s,s\]", "qr triangularizes"),
        (jnp.fft.fft, r"'fft' of complex64\[s,s\]", "must be constant; pad or cut"),
        (
            lambda x: jax.lax.linalg.eigh(x[:4, :4], subset_by_index=(1, 3))[0],
            r"'eigh' of float32\[4,4\]",
            "take the part by a slice",
        ),
        (
            lambda x: jax.lax.linalg.tridiagonal_solve(x[0], x[1], x[2], x, perturb_singular=True),
            r"'tridiagonal_solve' of float32\[s\]",
            "perturb_singular=False",
        ),
    ],
)
def test_linear_algebra_without_an_algorithm_names_the_nearest(fn, op, advice):
    s = nm.dims("s", constraints=["s >= 4"])[0]

    def place(x):
        return fn(x)

    with pytest.raises(nm.UnsupportedOpError, match=rf"{HERE}:\d+.*{op} is not supported: .*{advice}"):
        capture_one(place, (nm.spec((s, s), jnp.float32),))


def test_a_decomposition_of_16_bits_is_refused():
    (s,) = nm.dims("s")
    by_us = rf"{HERE}:\d+.*'cholesky' of float16\[s,s\] is not supported: convert to float32"
    by_jax = "cholesky does not accept dtype float16"  # from JAX 0.12 on
    with pytest.raises((nm.UnsupportedOpError, nm.CaptureError), match=f"{by_us}|{by_jax}"):
        capture_one(lambda x: jax.lax.linalg.cholesky(x.astype(jnp.float16)), (nm.spec((s, s), jnp.float32),))


def test_a_callback_inside_of_control_flow_is_found():
    def fn(x):
        return jax.lax.cond(x.sum() > 0, lambda v: jax.pure_callback(lambda u: u, v, v), lambda v: v, x)

    with pytest.raises(nm.UnsupportedOpError, match="'pure_callback' is not supported"):
        capture_one(fn, (X,))


@pytest.mark.parametrize(("dtype", "held"), [("float64", "float32"), ("int64", "int32"), ("uint64", "uint32")])
def test_64_bit_types_without_x64(dtype, held):
    text = f"argument 'x' has dtype {dtype}, which JAX would make {held}.*jax.enable_x64"
    with pytest.raises(nm.CaptureError, match=text):
        capture_one(lambda x: x, (jax.ShapeDtypeStruct((B,), np.dtype(dtype)),))
    with pytest.raises(nm.CaptureError, match=text):
        capture_one(lambda x: x, (np.zeros(3, dtype),))


def test_two_scopes():
    (t,) = nm.dims("t")
    with pytest.raises(
        nm.CaptureError, match="argument 'y' has size 't' from another symbolic scope than argument 'x'"
    ):
        capture_one(lambda x, y: (x, y), (X, nm.spec((t,), jnp.float32)))


def test_equal_names_of_two_scopes_do_not_merge():
    (other,) = nm.dims("s")
    with pytest.raises(nm.CaptureError, match="from another symbolic scope"):
        capture_one(lambda x, y: (x, y), (X, nm.spec((other,), jnp.float32)))


def test_unsolvable_symbol():
    with pytest.raises(
        nm.CaptureError, match=r"symbol 'b' is not determined by any argument.*'b\*s' \(argument 'x' axis 0\)"
    ):
        capture_one(lambda x: x, (nm.spec((B * S,), jnp.float32),))


def test_leaf_that_is_no_array():
    with pytest.raises(nm.CaptureError, match=r"argument 'params\['name'\]' is a str; expected an array"):
        capture_one(lambda x, params: x, (X, {"name": "bert"}))


def test_example_args_that_are_no_tuple():
    with pytest.raises(
        nm.CaptureError, match=r"example_args must be a tuple of arguments, got ShapeDtypeStruct; write \(x,\)"
    ):
        capture_one(lambda x: x, X)


def test_trace_errors_become_capture_errors():
    with pytest.raises(
        nm.CaptureError, match="JAX cannot trace 'fn' with these example arguments: .*Incompatible shapes"
    ):

        def fn(x):
            return x + jnp.ones(3)

        capture_one(fn, (X,))


def test_inconclusive_comparison_says_to_state_what_holds():
    with pytest.raises(
        nm.CaptureError, match=r"(?s)Symbolic dimension comparison 's' < '3' is inconclusive.*constraints="
    ):
        capture_one(lambda x: jax.lax.top_k(x, 3), (X,))


def test_missing_argument():
    with pytest.raises(nm.CaptureError, match="missing 1 required positional argument: 'y'"):
        capture_one(lambda x, y: x, (X,))


def test_argument_given_twice():
    with pytest.raises(nm.CaptureError, match="argument 'x' is given twice"):
        capture_one(lambda x: x, (X,), {"x": X})


@pytest.mark.parametrize(
    ("names", "constraints", "text"),
    [("b, *", (), r"nm.dims\('b, \*'\)"), ("b", ("b <=",), "nm.dims"), ("b", ("c <= 4",), "nm.dims")],
)
def test_malformed_dims(names, constraints, text):
    with pytest.raises(nm.CaptureError, match=text):
        nm.dims(names, constraints=constraints)


def test_likely_sizes_of_an_unknown_symbol():
    with pytest.raises(nm.CaptureError, match="likely sizes are given for 'c'"):
        nm.dims("a, b", likely={"c": 3})


def test_sharded_argument():
    class FakeSharding:
        num_devices = 4

    class Leaf:
        shape, dtype, sharding = (2, 2), np.dtype("float32"), FakeSharding()

    with pytest.raises(nm.CaptureError, match="argument 'x' is sharded over 4 devices; give it on one"):
        capture_one(lambda x: x, (Leaf(),))


def test_pipeline_errors_name_op_and_place():
    with pytest.raises(nm.UnsupportedOpError, match=rf"{HERE}:\d+.*is not supported"):
        nm.compile(lambda x: jnp.linalg.eig(x)[0], (nm.spec((S, S), jnp.float32),))


def test_unknown_target_is_said_before_tracing():
    def fn(x):
        raise AssertionError("traced")

    with pytest.raises(nm.CompileError, match="unknown target 'tpu'; the targets are llvm-cpu, vulkan, cuda"):
        nm.compile(fn, (X,), target="tpu")


TWO_DEVICES = """
import jax, jax.numpy as jnp, nimble_mlir as nm
from jax.sharding import NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))

def constrained(x):
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, P(None, "d")))

def mapped(x):
    return jax.shard_map(lambda y: jax.lax.psum(y, "d"), mesh=mesh, in_specs=P(None, "d"), out_specs=P())(x)

(s,) = nm.dims("s")
for fn in (constrained, mapped):
    try:
        nm.compile(fn, (nm.spec((s, 4), jnp.float32),))
    except nm.UnsupportedOpError as error:
        print(error)
"""


def test_computations_over_several_devices():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], env=environment, capture_output=True, text=True, check=True
    )
    constrained, mapped = run.stdout.splitlines()
    assert constrained.endswith("a sharding over 2 devices is not supported; a compiled module runs on one device")
    assert constrained.startswith("<string>:8:")
    assert "'shard_map' is not supported: it spans several devices, and a compiled module runs on one" in mapped


def test_references_to_the_outside():
    outside = jax.new_ref(jnp.zeros(()))

    def writes(x):
        outside[...] = 1.0
        return x

    for fn, effect in ((lambda x: x + outside[...], "'get' has the side effect ReadEffect"), (writes, "WriteEffect")):
        with pytest.raises(nm.UnsupportedOpError, match=rf"{HERE}:\d+:.*{effect}.*take the value as an argument"):
            nm.compile(fn, (X,))


def test_references_inside_of_the_function_are_values():
    def fn(x):
        total = jax.new_ref(jnp.zeros(4, jnp.float32))
        total[...] += x.sum(0)
        total[1] = 7.0
        return x + total[...]

    (s,) = nm.dims("s")
    m = nm.compile(fn, (nm.spec((s, 4), jnp.float32),))
    for size in (1, 3, 8):
        x = np.arange(4 * size, dtype=np.float32).reshape(size, 4)
        assert_agrees(m(x), fn(x), "reduction")


def test_a_constraint_that_cannot_be_read():
    """JAX's texts are all read today; those of another version need not be."""

    class FakeScope:
        _explicit_constraints = (SimpleNamespace(debug_str="s is even"),)

    with pytest.raises(nm.CaptureError, match="constraint 's is even' of the symbolic sizes: "):
        scope_of(FakeScope(), ["s"])

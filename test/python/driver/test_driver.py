"""The driver: StableHLO in, several entry points, options, weights beside the file, failures of the IREE compiler."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.driver import iree
from nimble_mlir.driver.container import WEIGHTS_ENTRY
from nimble_mlir.log import configure

RNG = np.random.default_rng(0)

ADD = """
func.func @main(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stablehlo.add %x, %y : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
"""


def random(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def add():
    return nm.compile_stablehlo(ADD)


@pytest.mark.parametrize("size", [0, 1, 2, 17])
def test_stablehlo_text_at_several_sizes(add, size):
    x, y = random(size, 4), random(size, 4)
    assert np.array_equal(add(x, y), x + y)


def test_sizes_that_ops_demand_equal_are_checked(add):
    text = "'stablehlo.add' needs equal sizes, but dimension 0 of operands 0 and 1 differ"
    with pytest.raises(nm.ShapeError, match=text):
        add(random(3, 4), random(2, 4))
    assert np.array_equal(add(np.ones((1, 4), np.float32), np.ones((1, 4), np.float32)), np.full((1, 4), 2))


def test_bounds_of_stablehlo_types_are_checked():
    m = nm.compile_stablehlo(
        "func.func @main(%x: tensor<?xf32, #stablehlo.bounds<8>>) -> tensor<?xf32, #stablehlo.bounds<8>> {\n"
        "  %0 = stablehlo.negate %x : tensor<?xf32, #stablehlo.bounds<8>>\n"
        "  return %0 : tensor<?xf32, #stablehlo.bounds<8>>\n}"
    )
    assert np.array_equal(m(np.ones(8, np.float32)), -np.ones(8))
    with pytest.raises(nm.ShapeError, match="must be at most 8"):
        m(np.ones(9, np.float32))


def exported():
    b, s = jax.export.symbolic_shape("b, s")

    def fn(x, y):
        return jnp.tanh(x @ y).reshape(-1), x.shape[0] + x.sum()

    specs = jax.ShapeDtypeStruct((b, s), jnp.float32), jax.ShapeDtypeStruct((s, 4), jnp.float32)
    return fn, jax.export.export(jax.jit(fn))(*specs)


def test_jax_export():
    fn, program = exported()
    m = nm.compile_stablehlo(program)
    for b, s in [(1, 1), (3, 5), (7, 2)]:
        x, y = random(b, s), random(s, 4)
        assert_agrees(m(x, y), fn(x, y), "contraction")


def test_a_shape_assertion_of_jax_export_holds_at_run_time():
    _, program = exported()
    m = nm.compile_stablehlo(program)
    with pytest.raises(nm.ShapeError):
        m(random(3, 5), random(6, 4))


def test_portable_artifacts_and_bytecode_are_read():
    fn, program = exported()
    m = nm.compile_stablehlo(program.mlir_module_serialized)
    x, y = random(2, 3), random(3, 4)
    assert_agrees(m(x, y)[0], fn(x, y)[0], "contraction")


@pytest.mark.parametrize("source", ["func.func @main(", b"\x00\x01", "module {}", 3])
def test_sources_that_are_no_stablehlo(source):
    with pytest.raises(nm.CompileError):
        nm.compile_stablehlo(source)


def test_large_constants_of_text_travel_as_weights(tmp_path):
    values = RNG.integers(0, 100, 600)
    text = ", ".join(f"{v}.0" for v in values)
    m = nm.compile_stablehlo(
        "func.func @main(%x: tensor<?x600xf32>) -> tensor<?x600xf32> {\n"
        "  %d = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x600xf32>) -> tensor<i32>\n"
        "  %d1 = stablehlo.reshape %d : (tensor<i32>) -> tensor<1xi32>\n"
        "  %n = stablehlo.constant dense<600> : tensor<1xi32>\n"
        "  %shape = stablehlo.concatenate %d1, %n, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>\n"
        f"  %c = stablehlo.constant dense<[{text}]> : tensor<600xf32>\n"
        "  %b = stablehlo.dynamic_broadcast_in_dim %c, %shape, dims = [1]\n"
        "      : (tensor<600xf32>, tensor<2xi32>) -> tensor<?x600xf32>\n"
        "  %0 = stablehlo.add %x, %b : tensor<?x600xf32>\n"
        "  return %0 : tensor<?x600xf32>\n}"
    )
    m.save(tmp_path / "m.vmfb")
    assert WEIGHTS_ENTRY in zipfile.ZipFile(tmp_path / "m.vmfb").namelist()
    x = random(3, 600)
    assert np.array_equal(m(x), x + values.astype(np.float32))


def weighted():
    w = jnp.asarray(random(64, 64))
    (s,) = nm.dims("s")
    return w, (lambda x: x @ w), (nm.spec((s, 64), jnp.float32),)


def test_entry_points_share_weights(tmp_path):
    w, fn, specs = weighted()
    m = nm.compile({"once": (fn, specs), "twice": (lambda x: fn(fn(x)), specs)})
    m.save(tmp_path / "m.vmfb")
    assert zipfile.ZipFile(tmp_path / "m.vmfb").getinfo(WEIGHTS_ENTRY).file_size < 2 * w.nbytes
    x = random(3, 64)
    assert_agrees(m.once(x), x @ w, "contraction")
    assert_agrees(m.twice(x), x @ w @ w, "contraction")


def test_weights_beside_the_file(tmp_path):
    w, fn, specs = weighted()
    weights = tmp_path / "weights.safetensors"
    m = nm.compile(fn, specs, options=nm.CompileOptions(parameters=str(weights)))
    x = random(3, 64)
    expected = m(x)
    assert_agrees(expected, x @ w, "contraction")
    m.save(tmp_path / "m.vmfb")
    assert weights.stat().st_size > w.nbytes
    assert WEIGHTS_ENTRY not in zipfile.ZipFile(tmp_path / "m.vmfb").namelist()
    assert np.array_equal(nm.load(tmp_path / "m.vmfb")(x), expected)
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "m.vmfb").rename(moved / "m.vmfb")
    weights.rename(moved / "weights.safetensors")
    assert np.array_equal(nm.load(moved / "m.vmfb")(x), expected)
    size = (moved / "weights.safetensors").stat().st_size
    (moved / "weights.safetensors").write_bytes(b"short")
    with pytest.raises(nm.LoadError, match="are not those of"):
        nm.load(moved / "m.vmfb")
    (moved / "weights.safetensors").write_bytes(b"\xff" * size)
    with pytest.raises(nm.LoadError, match=r"the weights in '.*weights\.safetensors' are malformed: "):
        nm.load(moved / "m.vmfb")
    (moved / "weights.safetensors").unlink()
    with pytest.raises(nm.LoadError, match="needs its weights 'weights.safetensors': expected beside it, or as"):
        nm.load(moved / "m.vmfb")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"opt_level": 4}, "opt_level must be 0, 1, 2 or 3, got 4"),
        ({"timeout": 0}, "timeout must be a positive number"),
        ({"parameters": "weights.bin"}, "must be a path that ends in .safetensors"),
    ],
)
def test_options_are_checked(options, text):
    with pytest.raises(nm.CompileError, match=text):
        nm.CompileOptions(**options)


def test_ir_of_each_stage():
    _, fn, specs = weighted()
    m = nm.compile(fn, specs)
    assert "jax.global_constant" in m.ir("stablehlo")
    assert "nimble.symbol" in m.ir("nimble")
    assert "main$shape" in m.ir("shapes")
    assert "linalg.matmul" in m.ir("linalg")
    assert "util.assume.int" in m.ir("iree")


def test_a_failure_of_the_iree_compiler_names_the_reproducer(monkeypatch):
    _, fn, specs = weighted()
    with pytest.raises(
        nm.CompileError, match=r"(?s)the IREE compiler failed.*no-such-flag.*to reproduce: .*iree-compile"
    ):
        nm.compile(fn, specs, options=nm.CompileOptions(iree_flags=("--no-such-flag",)))


def test_a_crash_of_the_iree_compiler_is_an_error(monkeypatch, tmp_path):
    fake = tmp_path / "iree-compile"
    fake.write_text("#!/bin/sh\nkill -SEGV $$\n")
    fake.chmod(0o755)
    monkeypatch.setattr(iree, "compiler_path", lambda: fake)
    _, fn, specs = weighted()
    with pytest.raises(nm.CompileError, match=r"crashed with SIGSEGV"):
        nm.compile(fn, specs)


def test_a_timeout_stops_the_iree_compiler(monkeypatch, tmp_path):
    fake = tmp_path / "iree-compile"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setattr(iree, "compiler_path", lambda: fake)
    _, fn, specs = weighted()
    with pytest.raises(nm.CompileError, match="did not finish within 0.2 s"):
        nm.compile(fn, specs, options=nm.CompileOptions(timeout=0.2))


def test_log_topics():
    code = (
        "import os; os.environ['NIMBLE_LOG']='passes,ir,iree,runtime'\n"
        "import numpy as np, nimble_mlir as nm\n"
        "nm.compile(lambda x: x + 1, (np.ones(3, np.float32),))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not result.stdout
    for text in ("nimble-infer-dims", "// stage linalg", "iree-compile llvm-cpu", "nimble_mlir.runtime: loaded"):
        assert text in result.stderr


def test_unknown_log_topic_warns():
    with pytest.warns(UserWarning, match="NIMBLE_LOG: unknown topic 'everything'"):
        configure("everything")


def test_functions_of_one_thread_and_of_several():
    small = nm.compile(lambda x: x + 1, (np.ones((3, 4), np.float32),))
    assert small.device.options.driver == "local-sync"
    (s,) = nm.dims("s")
    large = nm.compile(lambda x: x + 1, (nm.spec((s, 4), jnp.float32),))
    assert large.device.options.driver == "local-task"


def test_small_calls_of_a_function_of_any_size_run_in_the_calling_thread(tmp_path):
    """One module: its smallest sizes wake no worker threads, unless the user has chosen the device."""
    b, s = nm.dims("b, s")
    m = nm.compile(lambda x, w: jnp.tanh(x @ w), (nm.spec((b, s), jnp.float32), nm.spec((s, 64), jnp.float32)))
    m.save(tmp_path / "m.vmfb")
    work = m.signature.entries["main"].work
    assert work.symbols == {"b", "s"}
    drawn = np.random.default_rng(0)
    for module, mixed in ((m, True), (nm.load(tmp_path / "m.vmfb", device="local-task"), False)):
        entry = module.entry("main")
        for size in ((1, 1), (3, 4), (64, 384), (1, 5)):
            x, w = (drawn.standard_normal(shape, np.float32) for shape in (size, (size[1], 64)))
            assert_agrees(module(x, w), np.tanh(x @ w), "contraction")
            driver = entry._places[x.shape, w.shape].device.options.driver
            assert driver == ("local-sync" if mixed and size != (64, 384) else "local-task")
            flops = size[0] * size[1] * 64
            assert flops <= work.evaluate({"b": size[0], "s": size[1]}) <= 4 * flops + 1000


def test_work_of_loops_is_not_estimated():
    (s,) = nm.dims("s")
    m = nm.compile(lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y * 2, x), (nm.spec((s,), jnp.float32),))
    assert m.signature.entries["main"].work is None
    np.testing.assert_array_equal(m(np.ones(2, np.float32)), [8, 8])


def test_arguments_that_are_updated_in_place_stay_the_callers():
    (s,) = nm.dims("s", constraints=["s >= 2"])
    m = nm.compile(
        lambda x, y: (jax.lax.dynamic_update_slice(x, y, (1,)), x.sum()),
        (nm.spec((s,), jnp.float32), np.ones(1, np.float32)),
    )
    arguments = m.signature.entries["main"].arguments
    assert [argument.read_only for argument in arguments] == [False, True]
    x = np.zeros(40000, np.float32)
    updated, total = m(x, np.ones(1, np.float32))
    assert total == x.sum() == 0
    assert updated.sum() == 1


def test_arguments_that_a_kernel_updates_stay_the_callers():
    n, s = nm.dims("n, s")
    m = nm.compile(
        lambda x, i, u: x.at[i].add(u),
        (nm.spec((n,), jnp.float32), nm.spec((s,), jnp.int32), nm.spec((s,), jnp.float32)),
    )
    assert [argument.read_only for argument in m.signature.entries["main"].arguments] == [False, True, True]
    x = np.zeros(100_000, np.float32)
    for _ in range(2):
        assert m(x, np.arange(3, dtype=np.int32), np.ones(3, np.float32)).sum() == 3
        assert x.sum() == 0

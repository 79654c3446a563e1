"""The C++ library over IREE's C runtime: the numbers, shapes and errors of Python, altered files, threads, examples.

Skipped where there is no IREE runtime to build with (conftest.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from support.tolerances import assert_agrees

import nimble_mlir as nm
from cpp.conftest import ROOT, run

RNG = np.random.default_rng(0)
W = RNG.normal(size=(64, 32)).astype(np.float32)


def model(x):
    return jnp.tanh(x @ W), x.shape[0] + x.sum()


def mixed(ids, scale, flag, long):
    return {"ids": ids[:, ::2] + long, "scale": scale * 2, "flag": ~flag, "same": ids}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("modules")
    b, s = nm.dims("b, s", constraints=["s <= 16"])
    nm.compile(model, (nm.spec((b, 64), jnp.float32),)).save(folder / "model.vmfb")
    specs = (
        nm.spec((b, 2 * s), jnp.int32), nm.spec((s,), jnp.bfloat16), nm.spec((b, s), jnp.bool_), nm.spec((), jnp.int32),
    )  # fmt: skip
    nm.compile(mixed, specs).save(folder / "mixed.vmfb")
    nm.compile(model, (nm.spec((b, 64), jnp.float32),), target=["cuda", "llvm-cpu"]).save(folder / "two.vmfb")
    options = nm.CompileOptions(parameters=str(folder / "w.safetensors"))
    nm.compile(model, (nm.spec((b, 64), jnp.float32),), options=options).save(folder / "apart.vmfb")
    return SimpleNamespace(folder=folder)


def call(program, module: Path, driver: str, arrays, folder: Path) -> tuple[str, list[np.ndarray]]:
    """What test/cpp/call prints, and its results."""
    paths = []
    for number, array in enumerate(arrays):
        paths.append(folder / f"in{number}.npy")
        np.save(paths[-1], array)
    done = run(program("call"), module, driver, folder / "out", *paths)
    count = int(done.stdout.split()[0]) if done.returncode == 0 else 0
    return done.stdout.strip() + done.stderr, [np.load(folder / f"out{i}.npy") for i in range(count)]


@pytest.mark.parametrize("driver", ["local-sync", "local-task"])
@pytest.mark.parametrize("name", ["model", "two", "apart"])
def test_numbers_are_those_of_python(program, files, tmp_path, driver, name):
    path = files.folder / f"{name}.vmfb"
    module = nm.load(path, device=driver)
    for size in (1, 2, 7, 33, 300):
        x = RNG.normal(size=(size, 64)).astype(np.float32)
        text, results = call(program, path, driver, [x], tmp_path)
        assert text == f"2 results on {driver}"
        for ours, python in zip(results, module.call_flat([x]), strict=True):
            assert_agrees(ours, python, "exact")


@pytest.mark.parametrize(("b", "s"), [(1, 1), (3, 5), (2, 16)])
def test_dtypes_and_results_that_are_arguments(program, files, tmp_path, b, s):
    arrays = [
        RNG.integers(-9, 9, (b, 2 * s), dtype=np.int32),
        RNG.normal(size=s).astype(ml_dtypes.bfloat16),
        RNG.integers(0, 2, (b, s)).astype(np.bool_),
        np.int32(-7),
    ]
    expected = nm.load(files.folder / "mixed.vmfb").call_flat(arrays)
    text, results = call(program, files.folder / "mixed.vmfb", "local-sync", arrays, tmp_path)
    assert text == "4 results on local-sync"
    for ours, python in zip(results, expected, strict=True):
        assert ours.shape == python.shape
        assert ours.tobytes() == python.tobytes()


@pytest.mark.parametrize(
    "arrays",
    [
        [np.zeros((2, 6), np.int32), np.zeros(4, ml_dtypes.bfloat16), np.zeros((2, 3), np.bool_), np.int32(0)],
        [np.zeros((2, 7), np.int32), np.zeros(3, ml_dtypes.bfloat16), np.zeros((2, 3), np.bool_), np.int32(0)],
        [np.zeros((2, 34), np.int32), np.zeros(17, ml_dtypes.bfloat16), np.zeros((2, 17), np.bool_), np.int32(0)],
        [np.zeros((2, 6), np.int64), np.zeros(3, ml_dtypes.bfloat16), np.zeros((2, 3), np.bool_), np.int32(0)],
        [np.zeros((2, 6), np.int32), np.zeros(3, ml_dtypes.bfloat16), np.zeros(3, np.bool_), np.int32(0)],
        [np.zeros((2, 6), np.int32)],
    ],
)
def test_errors_are_those_of_python(program, files, tmp_path, arrays):
    with pytest.raises(nm.ShapeError) as error:
        nm.load(files.folder / "mixed.vmfb").call_flat(arrays)
    text, _ = call(program, files.folder / "mixed.vmfb", "local-sync", arrays, tmp_path)
    assert text == f"ShapeError: {error.value}"


def test_checks_of_the_run_are_shape_errors(program, tmp_path):
    path = tmp_path / "add.vmfb"
    nm.compile_stablehlo(
        "func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {\n"
        "  %0 = stablehlo.add %x, %y : tensor<?xf32>\n  return %0 : tensor<?xf32>\n}"
    ).save(path)
    arrays = [np.zeros(3, np.float32), np.zeros(4, np.float32)]
    with pytest.raises(nm.ShapeError, match="needs equal sizes") as error:
        nm.load(path, device="local-sync").call_flat(arrays)
    text, _ = call(program, path, "local-sync", arrays, tmp_path)
    assert text == f"ShapeError: {error.value}"


def test_files_and_devices_that_are_not_there(program, files, tmp_path):
    text, _ = call(program, tmp_path / "no.vmfb", "local-sync", [], tmp_path)
    assert text == f"LoadError: '{tmp_path}/no.vmfb' does not exist"
    path = files.folder / "model.vmfb"
    text, _ = call(program, path, "cuda", [], tmp_path)
    assert text == f"LoadError: '{path}' was compiled for llvm-cpu, but the device 'cuda' runs code for cuda"
    text, _ = call(program, files.folder / "two.vmfb", "cuda", [], tmp_path)
    assert text.startswith("LoadError: the device 'cuda' cannot be opened: ")
    moved = tmp_path / "apart.vmfb"
    moved.write_bytes((files.folder / "apart.vmfb").read_bytes())
    (tmp_path / "w.safetensors").write_bytes(b"short")
    text, _ = call(program, moved, "local-sync", [], tmp_path)
    assert text.startswith(
        f"LoadError: the weights '{tmp_path}/w.safetensors' are not those of '{moved}': 5 bytes instead of "
    )


def test_altered_files(program, files):
    done = run(program("fuzz"), files.folder / "model.vmfb", 3000, 7)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)


def test_threads(program, files):
    done = run(program("threads"), files.folder / "model.vmfb")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("driver", ["local-sync", "local-task"])
def test_arrays_that_stay_on_the_device(program, tmp_path, driver):
    c, n = nm.dims("c, n")
    vector = nm.spec((n,), jnp.float32)

    def write(cache, row, at):
        return jax.lax.dynamic_update_slice(cache, row[None], (at, 0)), row.sum()

    cached = (nm.spec((c, 4), jnp.float32), nm.spec((4,), jnp.float32), nm.spec((), jnp.int32))
    entries = {
        "write": (write, cached),
        "keep": (write, cached),
        "pair": (lambda x, y: (x + y, y), (vector, vector)),
        "pass": (lambda x: (x, x), (vector,)),
    }
    module = nm.compile(entries, donate_argnums={"write": 0, "pair": 0, "pass": 0})
    module.save(tmp_path / "state.vmfb")
    done = run(program("state"), tmp_path / "state.vmfb", driver)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{driver}: ")


def test_a_chat_updates_its_caches_in_place(program, tmp_path):
    c = nm.dims("c")[0]
    rows = nm.spec((c, 64), jnp.float32)

    def decode(keys, values, token, n):
        keys, values = (jax.lax.dynamic_update_slice(x, token[None] * k, (n, 0)) for x, k in ((keys, 2), (values, 3)))
        return keys, values, jnp.tanh(keys[n] + values[n])

    specs = (rows, rows, nm.spec((64,), jnp.float32), nm.spec((), jnp.int32))
    nm.compile(decode, specs, donate_argnums=(0, 1)).save(tmp_path / "chat.vmfb")
    done = run(program("chat"), tmp_path / "chat.vmfb", 20)  # the times are a benchmark's matter
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "capacity 100", "capacity 1000", "capacity 100000",
    ]  # fmt: skip


def first_numbers(line):
    return np.array([float(number) for number in line.split()], np.float32)


def test_examples_on_bert(program, tmp_path):
    """The whole of BERT's vocabulary and widths, one layer; inputs as in examples/cpp/inputs.hpp."""
    classify, path = program("classify"), tmp_path / "bert.vmfb"
    done = run(sys.executable, ROOT / "examples/bert.py", "--layers", 1, "--save", path)
    assert done.returncode == 0, done.stdout + done.stderr
    module = nm.load(path)
    expected = {}
    for length in (1, 8, 33):
        ids = np.arange(length, dtype=np.int32)[None]
        expected[length] = module.call_flat([ids, np.ones_like(ids)])[0].reshape(-1)[:4]
    done = run(classify, path, *expected)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[1:]
    assert len(lines) == len(expected)
    for line, values in zip(lines, expected.values(), strict=True):
        assert_agrees(first_numbers(line.partition("result ")[2]), values, "model")
    flags = [f"-DIREERuntime_DIR={os.environ['NIMBLE_IREE_RUNTIME_DIR']}", f"-DNIMBLE_EMBED={path}"]
    build = tmp_path / "build"
    for command in (("-S", ROOT, "-B", build, *flags), ("--build", build, "--target", "embed")):
        done = run("cmake", *command)
        assert done.returncode == 0, done.stdout + done.stderr
    path.unlink()  # its bytes are in the program
    for length, values in expected.items():
        done = run(build / "examples/cpp/embed", length)
        assert done.returncode == 0, done.stderr
        assert_agrees(first_numbers(done.stdout.partition(":")[2]), values, "model")


def test_examples(program, files):
    path = files.folder / "model.vmfb"
    done = run(program("classify"), path, 1, 5)
    assert done.returncode == 0, done.stderr
    printed = [float(number) for number in done.stdout.splitlines()[1].partition("result ")[2].split()]
    expected = nm.load(path)(np.full((1, 64), 0.5, np.float32))[0].reshape(-1)[:4]
    assert_agrees(np.array(printed, np.float32), np.round(expected, 6), "exact")
    done = run(program("server"), path, 3, 50)
    assert done.stdout.startswith("50 requests by 3 threads, 0 failed, "), done.stdout + done.stderr

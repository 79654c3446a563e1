"""nimble-compile, nimble-run, nimble-bench: sources, inputs, outputs, exit codes, what goes to stdout and what to stderr.

docs/cli.md, which the tests run too, has the usual ways; here is the rest.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

import nimble_mlir as nm
from nimble_mlir.cli import bench, compile, run
from nimble_mlir.cli.inputs import parse_spec, parse_value

MODEL = """
import jax.numpy as jnp
import numpy as np

def nested(params, x, *, scale):
    return {"y": jnp.tanh(x @ params["w"][0]) * scale, "n": params["w"][1] + 1}

def broken(x):
    raise RuntimeError("on purpose")

value = 3
"""
ADD = (
    "func.func @main(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {\n"
    "  %0 = stablehlo.add %x, %y : tensor<?x4xf32>\n  return %0 : tensor<?x4xf32>\n}\n"
)


def call(command, *arguments):
    """In this process: (exit code, stdout, stderr)."""
    result = CliRunner().invoke(command.main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("commands")
    (path / "models.py").write_text(MODEL)
    (path / "add.mlir").write_text(ADD)
    assert call(compile, path / "add.mlir", "-o", path / "add.vmfb", "-q") == (0, "", "")
    return path


def test_parts_of_structures_and_arrays_by_file(folder, tmp_path):
    w = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    np.savez(tmp_path / "all.npz", w=w, other=w)
    x = np.ones((3, 4), np.float32)
    np.save(tmp_path / "x.npy", x)
    code, out, err = call(
        compile, f"{folder}/models.py:nested", "--input", f"params['w'][0]=@{tmp_path}/all.npz:w",
        "--input", "params['w'][1]=b:i32", "--input", "x=b,4:f32", "--input", "scale=2.0", "-o", tmp_path / "m.vmfb",
    )  # fmt: skip
    assert (code, out) == (0, "")
    stages = [line.split()[-1] for line in err.splitlines()[:-1]]
    assert stages == ["capture", "nimble", "shapes", "linalg", "iree", "llvm-cpu", "file"]
    assert err.splitlines()[-1].startswith(f"nimble-compile: wrote '{tmp_path}/m.vmfb' (for llvm-cpu, ")
    module = nm.load(tmp_path / "m.vmfb")
    result = module({"w": [w, np.zeros(3, np.int32)]}, x, scale=2.0)
    assert result["y"].shape == (3, 2)
    arguments = [
        "--input", f"params['w'][0]=@{tmp_path}/all.npz:w", "--input", "params['w'][1]=3xi32=1,2,3",
        "--input", f"x=@{tmp_path}/x.npy", "--input", "scale=f32=2",
    ]  # fmt: skip
    code, out, err = call(run, tmp_path / "m.vmfb", *arguments, "-o", tmp_path / "out.npz")
    assert (code, out, err) == (0, "", f"nimble-run: wrote '{tmp_path}/out.npz' (2 arrays)\n")
    with np.load(tmp_path / "out.npz") as file:
        saved = dict(file)
    assert np.array_equal(saved["n"], [2, 3, 4])
    assert np.array_equal(saved["y"], result["y"])
    code, _, err = call(run, tmp_path / "m.vmfb", *arguments, "-o", tmp_path / "out.npy")
    assert code == 1
    assert err == f"nimble-run: error: '{tmp_path}/out.npy' holds one array, but there are 2 results: name it .npz\n"


def test_bytecode_and_exports(folder, tmp_path):
    (b,) = jax.export.symbolic_shape("b")
    exported = jax.export.export(jax.jit(jnp.cos))(jax.ShapeDtypeStruct((b,), jnp.float32))
    (tmp_path / "cos.mlirbc").write_bytes(exported.mlir_module_serialized)
    (tmp_path / "cos.jax").write_bytes(exported.serialize())
    for source in ("cos.mlirbc", "cos.jax"):
        code, out, _ = call(compile, tmp_path / source, "-q", "--compile-to", "nimble")
        assert code == 0
        assert "stablehlo.cosine" in out
    (tmp_path / "x.bin").write_bytes(b"something else")
    code, _, err = call(compile, tmp_path / "x.bin", "-q", "--compile-to", "nimble")
    assert code == 1
    assert "is neither StableHLO (.mlir, .mlirbc, .bc, .vhlo, .stablehlo) nor what jax.export" in err
    code, _, err = call(compile, folder / "add.mlir", "--input", "b:f32", "-o", "-")
    assert code == 2
    assert "--input, --constraint and --likely are for Python functions" in err


def test_the_vmfb_goes_to_stdout_and_timings_to_stderr(folder, tmp_path):
    command = [sys.executable, "-m", "nimble_mlir.cli.compile", folder / "add.mlir", "-o", "-", "--timing", "-q"]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "NIMBLE_CACHE": "off"})
    assert np.array_equal(
        nm.load(done.stdout)(np.ones((2, 4), np.float32), np.ones((2, 4), np.float32)), np.full((2, 4), 2)
    )
    timed = done.stderr.decode()
    for step in ("capture", "nimble-infer-dims", "iree-compile llvm-cpu", "write the file", "100.0%  total"):
        assert step in timed


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "nowhere.mlir",
            "'nowhere.mlir' is no file and names no function; expected FILE.mlir, or package.module:function",
        ),
        ("nowhere.py:f", "'nowhere.py' does not exist; expected FILE.py:function, or package.module:function"),
        (
            "no_such_package:f",
            "'no_such_package' cannot be imported: ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("models.py:absent", "'models.py' has no 'absent'; expected models.py:function"),
        ("models.py:value", "'models.py:value' is a int; expected a function"),
    ],
)
def test_sources_that_are_none(folder, monkeypatch, source, message):
    monkeypatch.chdir(folder)
    assert call(compile, source, "-q", "-o", "x.vmfb") == (1, "", f"nimble-compile: error: {message}\n")


def test_errors_of_the_function_are_one_line(folder):
    code, out, err = call(compile, f"{folder}/models.py:broken", "--input", "x=b:f32", "-q", "-o", "x.vmfb")
    assert (code, out) == (1, "")
    assert re.match(r"nimble-compile: error: \S*models\.py:\d+: JAX cannot trace 'broken'", err)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add.mlir"], "'-o FILE' says where to write the .vmfb ('-o -': to stdout)"),
        (
            ["models.py:nested", "-o", "x", "--input", "x=b,4"],
            "'x=b,4' has no dtype; expected [NAME=]SIZE,SIZE,…:DTYPE",
        ),
        (["models.py:nested", "-o", "x", "--likely", "s"], "'s' is not SYMBOL=N,N such as s=1,128"),
        (["models.py:nested", "-o", "x", "--input", "x=@no.npy"], "'no.npy' does not exist"),
    ],
)
def test_wrong_command_lines(folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    code, out, err = call(compile, *arguments)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--input", "2x4xf32"], 1, "missing argument '%y' (float32[d1, 4]): give it as --input %y=…"),
        (["--input", "q=2x4xf32"], 1, "no argument 'q'; 'main' takes"),
        (["--input", "2x4xf32"] * 3, 1, "3 inputs were given, but 'main' takes"),
        (["--input", "2x4xf32=1,2"], 2, "'2x4xf32=1,2' has 2 values; expected 1 or 8"),
        (["--input", "2x4xi8=300"], 2, "'2x4xi8=300' has a value that is no int8"),
        (["--input", "what"], 2, "'what' has the unknown dtype 'what' ("),
        (["--input", "1x[2"], 2, "'1x[2' is no input; expected [NAME=]@file.npy or [NAME=]1x8xi32=0"),
        (["-o", "x.txt"], 2, "'x.txt' ends neither in .npz nor in .npy"),
        (["--threads", "2", "--device", "local-sync"], 2, "--threads is for the device local-task, not for local-sync"),
        (["--entry", "f"], 1, "no entry point 'f'; this module has 'main'"),
    ],
)
def test_wrong_calls(folder, arguments, code, message):
    found, out, err = call(run, folder / "add.vmfb", *arguments)
    assert (found, out) == (code, "")
    names = nm.load(folder / "add.vmfb").signature.entries["main"].arguments
    expected = message.replace("%y", names[1].name).replace("float32[d1, 4]", str(names[1]))
    assert expected in " ".join(err.split())


def test_dtypes_of_inputs():
    assert parse_value("a=2xbf16=1.5").value.dtype == ml_dtypes.bfloat16
    assert parse_value("3xi1=1,0,1").value.tolist() == [True, False, True]
    assert parse_value("f32=nan").value.shape == ()
    assert parse_value("2x2xf64=[[1 2][3 4]]").value.tolist() == [[1, 2], [3, 4]]
    assert parse_value("i64=-9223372036854775808").value == np.iinfo(np.int64).min
    assert parse_value("complex<f32>=1+2j").value == 1 + 2j
    assert parse_value("x['a'][0]=u8=7").name == "x['a'][0]"
    spec = parse_spec("x=b,max(s, 4),2*s + 1:bf16")
    assert (spec.name, spec.dims, spec.dtype) == ("x", ("b", "max(s, 4)", "2*s + 1"), "bfloat16")
    assert parse_spec("n=3").value == 3


def test_describing_needs_no_device(tmp_path):
    (b,) = nm.dims("b")
    nm.compile(lambda x: x * 2, (nm.spec((b,), jnp.float32),), target=["cuda", "vulkan"]).save(tmp_path / "gpu.vmfb")
    code, out, err = call(run, tmp_path / "gpu.vmfb", "--describe")
    assert (code, err) == (0, "")
    assert "targets: cuda, vulkan\n" in out
    assert "targets/vulkan.vmfb" in out


def test_bench_in_json_and_its_errors(folder):
    entry = nm.load(folder / "add.vmfb").signature.entries["main"]
    first, second = (info.name for info in entry.symbols)
    # The op needs both to be equal, which the run checks: one of them as a fixed input of another size is an error.
    sizes = ["--sizes", f"{first}=2,{second}=2", "--sizes", f"{first}=3"]
    code, out, err = call(bench, folder / "add.vmfb", *sizes[:2], "--calls", 3, "--format", "json")
    (row,) = json.loads(out)
    assert (code, row["sizes"], row["calls"]) == (0, {first: 2, second: 2}, 3)
    assert 0 < row["min_us"] <= row["median_us"] <= row["p95_us"]
    assert err.splitlines()[-1].startswith("nimble-bench: 'main' on local-")
    code, _, err = call(bench, folder / "add.vmfb", *sizes, "--calls", 1)
    assert code == 1
    assert "needs equal sizes" in err
    for wrong, code, message in [
        (["--sizes", "q=1"], 1, "--sizes: no symbol 'q'; 'main' has "),
        (["--sizes", "s=1:2:3:4"], 2, "'s=1:2:3:4' is not SYMBOL=N or SYMBOL=START:STOP:STEP"),
        ([*sizes[:2], "--input", "q=f32=1"], 1, "--input: no argument 'q'; 'main' takes "),
        (["--sizes", "s"], 2, "'s' is not SYMBOL=N or SYMBOL=START:STOP:STEP"),
    ]:
        found, out, err = call(bench, folder / "add.vmfb", *wrong)
        assert (found, out) == (code, "")
        assert message in " ".join(err.split())


def test_an_export_without_the_package_that_reads_it(tmp_path, monkeypatch):
    def deserialize(data):
        raise ImportError("No module named 'flatbuffers'")

    (tmp_path / "f.jax").write_bytes(b"\x00\x01 an export")
    monkeypatch.setattr(jax.export, "deserialize", deserialize)
    code, _, err = call(compile, tmp_path / "f.jax", "-o", tmp_path / "f.vmfb")
    assert code == 1
    assert "needs the package flatbuffers: pip install flatbuffers" in " ".join(err.split())


def test_bench_of_sizes_that_the_constraints_refuse(tmp_path):
    s, t = nm.dims("s, t", constraints=["s <= t"])
    nm.compile(lambda x: x * 2, (nm.spec((s, t), np.float32),)).save(tmp_path / "m.vmfb")
    code, _, err = call(bench, tmp_path / "m.vmfb", "--sizes", "s=5,t=2")
    assert code == 1
    assert "--sizes: no combination satisfies t >= s" in " ".join(err.split())


@pytest.mark.parametrize("command", [compile, run, bench])
def test_help(command):
    code, out, err = call(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("Usage: ")
    assert "Exit codes: 0 " in out
    for option in command.main.params:
        assert option.param_type_name == "argument" or option.help, option.name
        assert option.param_type_name == "argument" or max(option.opts, key=len) in out


def test_the_cmake_folder():
    command = [sys.executable, "-m", "nimble_mlir"]
    found = subprocess.run([*command, "--cmake-dir"], capture_output=True, text=True, check=True).stdout.strip()
    assert (Path(found) / "nimble_mlirConfig.cmake").is_file()
    found = subprocess.run([*command, "--include-dir"], capture_output=True, text=True, check=True).stdout.strip()
    assert (Path(found) / "nimble" / "module.hpp").is_file()

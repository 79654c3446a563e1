"""What the compile cache finds a program by, and what it makes of a hit: no pass runs, and the file is the same."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from support.compiles import runs
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.capture import capture
from nimble_mlir.driver import cache_key, lowering
from nimble_mlir.driver.cache_key import WITHOUT_EFFECT, image_key
from nimble_mlir.driver.lowering import Snapshot

X = np.ones((3, 8), np.float32)
WEIGHTS = np.random.default_rng(0).normal(size=(8, 300)).astype(np.float32)
FLAGS = ("--iree-llvmcpu-target-cpu=generic",)

# Another value of each option that an image depends on.
OTHER_OPTIONS = {
    "target_cpu": "generic",
    "cuda_arch": "sm_90",
    "vulkan_target": "rdna3",
    "opt_level": 1,
    "iree_flags": ("--iree-opt-const-eval=false",),
}


def product(weights):
    weights = jnp.asarray(weights)

    def function(x):
        return jnp.tanh(x @ weights)

    return function


def specs():
    (b,) = nm.dims("b")
    return (nm.spec((b, 8), jnp.float32),)


def compiled(weights=WEIGHTS, **options):
    return nm.compile(product(weights), specs(), options=nm.CompileOptions(**options))


def snapshot(fn=None, name="main", example=None):
    example = specs() if example is None else example
    return Snapshot.of(capture({name: (fn or product(WEIGHTS), example, {})}))


def key(program=None, target="llvm-cpu", flags=FLAGS, **options):
    return image_key(program or snapshot(), target, nm.CompileOptions(**options), flags)


@pytest.fixture
def no_pass(monkeypatch):
    def refused(*arguments, **keywords):
        raise AssertionError("a pass runs")

    monkeypatch.setattr(lowering, "run_default", refused)


def test_a_hit_runs_no_pass(folder, no_pass, monkeypatch):
    with pytest.raises(AssertionError, match="a pass runs"):
        compiled()
    monkeypatch.undo()
    monkeypatch.setenv("NIMBLE_CACHE", "on")
    monkeypatch.setenv("NIMBLE_CACHE_DIR", str(folder))
    first = compiled()
    monkeypatch.setattr(lowering, "run_default", lambda *arguments, **keywords: pytest.fail("a pass runs"))
    again = compiled()
    assert_agrees(again(X), np.tanh(X @ WEIGHTS))
    assert again.signature == first.signature
    assert bytes(again.image) == bytes(first.image)


def test_the_ir_of_a_hit_is_made_when_it_is_asked_for(folder, monkeypatch):
    first, again = compiled(), compiled()
    made = []
    real = lowering.run_default
    monkeypatch.setattr(lowering, "run_default", lambda *args, **keywords: made.append(1) or real(*args, **keywords))
    stages = ("stablehlo", "nimble", "shapes", "linalg", "iree")
    assert [again.ir(stage) for stage in stages] == [first.ir(stage) for stage in stages]
    assert len(made) == 2  # once up to the stages that all targets share, once for the target
    with pytest.raises(nm.NimbleError, match="no IR of stage 'vhlo'"):
        again.ir("vhlo")
    with pytest.raises(nm.NimbleError, match="there is none"):
        compiled(keep_ir=False).ir("linalg")


def test_who_looks_at_the_passes_sees_them_run(folder, caplog):
    compiled()
    with caplog.at_level(logging.DEBUG, "nimble_mlir.passes"):
        count, _ = runs(compiled)
    assert count == 0
    assert "nimble-infer-dims" in caplog.text


def test_the_weights_are_no_part_of_it(folder):
    compiled()
    count, module = runs(lambda: compiled(WEIGHTS * 2))
    assert count == 0
    assert_agrees(module(X), np.tanh(X @ (WEIGHTS * 2)))
    count, module = runs(lambda: compiled(WEIGHTS[:, :299]))
    assert count == 1
    assert_agrees(module(X), np.tanh(X @ WEIGHTS[:, :299]))


def test_constants_that_stay_in_the_program_are_part_of_it():
    def add(amount):
        return lambda x: x + amount

    assert key(snapshot(add(1.0))) != key(snapshot(add(2.0)))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(nm.CompileOptions)])
def test_every_option_is_in_the_key_or_has_no_effect(field):
    program = snapshot()
    if field in WITHOUT_EFFECT:
        others = {"timeout": 60.0, "parameters": "w.safetensors", "keep_ir": False, "cache": False}
        assert key(program, **{field: others[field]}) == key(program)
    else:
        assert key(program, **{field: OTHER_OPTIONS[field]}) != key(program)


def test_target_and_flags_are_in_the_key(tmp_path):
    program = snapshot()
    keys = [
        key(program),
        key(program, target="vulkan"),
        key(program, flags=(*FLAGS, "--a=b")),
        key(program, flags=(*FLAGS, "--a", "b")),
        key(program, flags=("--a=b", *FLAGS)),
    ]
    assert len(set(keys)) == len(keys)
    spec = tmp_path / "spec.mlir"
    named = (f"--iree-codegen-tuning-spec-path={spec}",)
    keys = [key(program, flags=named)]
    for text in ("one", "another"):
        spec.write_text(text)
        keys.append(key(program, flags=named))
    assert len(set(keys)) == 3  # a file counts by what is in it
    assert key(program, flags=named) == keys[-1]


def test_versions_sources_and_cpu_are_in_the_key(monkeypatch):
    program, host = snapshot(), ("--iree-llvmcpu-target-cpu=host",)
    features = ("--iree-llvmcpu-target-cpu=generic", "--iree-llvmcpu-target-cpu-features=host")
    generic, on_host, by_features = key(program), key(program, flags=host), key(program, flags=features)
    with monkeypatch.context() as patch:
        patch.setattr(cache_key, "_cpu", lambda: "another CPU")
        assert key(program) == generic
        assert key(program, flags=host) != on_host
        assert key(program, flags=features) != by_features
    with monkeypatch.context() as patch:
        patch.setattr(cache_key, "_sources", lambda: b"others")
        assert key(program) != generic
    found = cache_key._versions()
    assert nm.__version__ in found
    assert any(text.startswith("3.13") for text in found)
    for position in range(len(found)):
        other = [*found[:position], "0", *found[position + 1 :]]
        with monkeypatch.context() as patch:
            patch.setattr(cache_key, "_versions", lambda other=other: other)
            assert key(program) != generic


def test_a_source_that_changes_changes_the_digest(monkeypatch):
    before = cache_key._sources.__wrapped__()
    changed = set()
    real = cache_key.Path.read_bytes
    for name in ("infer_dims.py", "symbols.py", "expr.py", "options.py", "entry.py", "mlir.py"):
        with monkeypatch.context() as patch:
            patch.setattr(cache_key.Path, "read_bytes", lambda path, name=name: real(path) + b"#" * (path.name == name))
            changed.add(cache_key._sources.__wrapped__())
    assert len(changed | {before}) == 7
    assert cache_key._sources.__wrapped__() == before


def test_the_signature_is_in_the_key():
    def function(x):
        return {"result": x * 2}

    def other(x):
        return {"double": x * 2}

    (b,) = nm.dims("b")
    (least,) = nm.dims("b", constraints=["b <= 7"])
    (likely,) = nm.dims("b", likely={"b": 3})
    programs = [snapshot(function), snapshot(function, name="other"), snapshot(other)]
    programs += [snapshot(function, example=(nm.spec((size, 8), jnp.float32),)) for size in (least, likely)]
    given = capture({"main": (function, (nm.spec((b, 8), jnp.float32),), {})})
    given.entries["main"] = dataclasses.replace(
        given.entries["main"],
        arguments=tuple(dataclasses.replace(each, donated=True) for each in given.entries["main"].arguments),
    )
    keys = [key(program) for program in (*programs, Snapshot.of(given))]
    assert len(set(keys)) == len(keys)
    assert key(snapshot(function)) == keys[0]


def moved(lines):
    """The function of a file in which it stands that many lines further down."""
    scope = {"jnp": jnp}
    exec(compile("\n" * lines + "def function(x):\n    return jnp.tanh(x) + 1\n", "model.py", "exec"), scope)
    return scope["function"]


def test_the_line_of_the_call_is_no_part_of_it_and_that_of_the_function_is(folder):
    function = moved(0)
    first, module = runs(lambda: nm.compile(function, specs()))
    second, again = runs(
        lambda: nm.compile(
            function,
            specs(),
        )
    )
    assert (first, second) == (1, 0)
    assert bytes(module.image) == bytes(again.image)
    alone = nm.compile(function, specs(), options=nm.CompileOptions(cache=False))
    assert bytes(alone.image) == bytes(module.image)
    # The file says where the function is: in its signature, in messages, for debuggers.
    count, further = runs(lambda: nm.compile(moved(5), specs()))
    assert count == 1
    assert module.signature.entries["function"].file_line == "model.py:1"
    assert further.signature.entries["function"].file_line == "model.py:6"


_SCRIPT = """
import hashlib, sys
import jax.numpy as jnp, numpy as np
import nimble_mlir as nm
from nimble_mlir.driver import iree
sys.path.insert(0, sys.argv[1])
from model import function
(b,) = nm.dims("b")
m = nm.compile(function, (nm.spec((b, 8), jnp.float32),))
print(iree.run_count(), hashlib.sha256(m.image).hexdigest())
"""


def test_another_process_finds_it(folder, tmp_path):
    (tmp_path / "model.py").write_text(
        "import jax.numpy as jnp\nimport numpy as np\nW = np.ones((8, 300), np.float32)\n\n"
        "def function(x):\n    return jnp.tanh(x @ jnp.asarray(W))\n"
    )
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path)]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(2)]
    assert [count for count, _ in said] == ["1", "0"]
    assert said[0][1] == said[1][1]


def test_what_a_hit_gives_outlives_the_entry(folder, tmp_path):
    compiled()
    module = compiled()
    nm.cache.clear()
    module.save(tmp_path / "m.vmfb")
    expected = np.tanh(X @ WEIGHTS)
    assert_agrees(module(X), expected)
    assert_agrees(nm.load(tmp_path / "m.vmfb")(X), expected)
    assert_agrees(pickle.loads(pickle.dumps(module))(X), expected)
    assert (tmp_path / "m.vmfb").read_bytes() == bytes(module.image)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_several_targets_are_found_one_by_one(folder):
    alone, _ = runs(compiled)
    count, module = runs(lambda: nm.compile(product(WEIGHTS), specs(), target=["cuda", "llvm-cpu"]))
    assert (alone, count) == (1, 1)
    count, again = runs(lambda: nm.compile(product(WEIGHTS), specs(), target=["cuda", "llvm-cpu"]))
    assert count == 0
    assert bytes(again.image) == bytes(module.image)
    assert_agrees(again(X), np.tanh(X @ WEIGHTS))


def test_stablehlo_is_found_again(folder):
    source = """
    func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
      %y = stablehlo.tanh %x : tensor<?x4xf32>
      return %y : tensor<?x4xf32>
    }"""
    first, module = runs(lambda: nm.compile_stablehlo(source))
    second, again = runs(lambda: nm.compile_stablehlo(source))
    assert (first, second) == (1, 0)
    assert bytes(module.image) == bytes(again.image)
    assert repr(again) == repr(module)
    assert_agrees(again(X[:, :4]), np.tanh(X[:, :4]))


def test_weights_beside_the_file_are_written_on_a_hit_too(folder, tmp_path):
    path = tmp_path / "w.safetensors"
    compiled(parameters=str(path))
    path.unlink()
    count, module = runs(lambda: compiled(parameters=str(path)))
    assert count == 0
    assert path.exists()
    assert_agrees(module(X), np.tanh(X @ WEIGHTS))


def test_an_array_that_is_written_to_later_is_the_one_that_was_captured():
    weights = WEIGHTS.copy()
    module = nm.compile(lambda x: jnp.tanh(x @ weights), specs())
    expected = module(X)
    weights[:] = 0
    assert np.array_equal(module(X), expected)
    assert np.array_equal(nm.load(bytes(module.image))(X), expected)
    assert_agrees(expected, np.tanh(X @ WEIGHTS))


def test_empty_and_scalar_weights_are_used_where_they_lie():
    nothing, one = jnp.zeros((0, 8), jnp.bfloat16), jnp.asarray(np.float32(3))
    module = nm.compile(lambda x: (jnp.concatenate([x.astype(jnp.bfloat16), nothing]), x * one), specs())
    for each in (module, nm.load(bytes(module.image))):
        joined, scaled = each(X)
        assert np.array_equal(joined.astype(np.float32), X)
        assert np.array_equal(scaled, X * 3)

"""A file says which CPU features its code needs, and they are compared before it runs."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import nimble_mlir as nm
from nimble_mlir.driver.cpu import needed_features
from nimble_mlir.runtime import cpu

MESSAGE = (
    r"was compiled for a CPU with avx512bw, avx512f, which this one does not have: compile it for one that is like this "
    r'one, CompileOptions\(target_cpu="x86-64-v3"\) say, or for any, target_cpu="generic"$'
)


def test_a_cpu_that_lacks_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = nm.CompileOptions(target_cpu="x86-64-v4")
    module = nm.compile(jnp.tanh, (nm.spec((3,), jnp.float32),), options=options)  # any machine can compile it
    module.save(tmp_path / "m.vmfb")
    here = frozenset(module.signature.cpu_features) - {"avx512f", "avx512bw"}
    monkeypatch.setattr(cpu, "host_features", lambda: here)
    with pytest.raises(nm.LoadError, match=f"^'.*m.vmfb' {MESSAGE}"):
        nm.load(tmp_path / "m.vmfb")


def test_code_for_the_host_runs_on_it(tmp_path: Path) -> None:
    module = nm.compile(jnp.tanh, (nm.spec((3,), jnp.float32),))
    module.save(tmp_path / "m.vmfb")
    loaded = nm.load(tmp_path / "m.vmfb")
    assert set(loaded.signature.cpu_features) <= cpu.host_features()
    assert np.isfinite(loaded(np.ones(3, np.float32))).all()


def test_what_is_needed() -> None:
    assert needed_features("vulkan", "x86-64-v4") == ()
    for name in ("generic", "x86-64", "neoverse-v2", "x86_64-unknown-linux-gnu:generic"):
        assert needed_features("llvm-cpu", name) == ()
    assert set(needed_features("llvm-cpu", "x86-64-v2")) < set(needed_features("llvm-cpu", "x86-64-v3"))
    for name in ("znver4", "icelake-server", "x86_64-unknown-linux-gnu:x86-64-v4"):
        assert needed_features("llvm-cpu", name) == needed_features("llvm-cpu", "x86-64-v4")
    for name in ("haswell", "znver2", "skylake"):
        assert "avx512f" not in needed_features("llvm-cpu", name)
        assert "avx2" in needed_features("llvm-cpu", name)


def test_a_system_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "host_features", frozenset)
    cpu.check_cpu(["avx512f"], "m.vmfb")

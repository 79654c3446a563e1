"""Programs of the registry on Vulkan: the numbers of jax.jit. llvmpipe (Debian's mesa-vulkan-drivers) is enough of a device.

CI runs a sample (`_SAMPLE`); `-m exhaustive` runs every program: those that have no lowering there yet, or that the IREE
compiler refuses for SPIR-V, are an error that says so and are counted as skipped.
"""

from __future__ import annotations

import gc
import importlib.util
import weakref
from pathlib import Path

import jax
import numpy as np
import pytest
from support.programs import PROGRAMS
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.passes.lowering import indexing_rules

from .test_programs import MODELS

VULKAN = nm.devices("vulkan")

pytestmark = pytest.mark.skipif(not VULKAN, reason="no Vulkan device: apt-get install mesa-vulkan-drivers libvulkan1")

# The models that stand for all (test_programs.py), elementwise ops, loops and branches.
_SAMPLE = (*MODELS, "broadcasts", "carries_that_change_places")
# The smallest sizes and the largest; with -m exhaustive also odd ones, and one symbol alone at its largest.
_COMBINATIONS = 2
_ON_DEMAND = 4


def check(name: str, combinations: int = _COMBINATIONS) -> None:
    program = PROGRAMS[name]
    module = nm.compile(program.function, program.example_args(), target="vulkan")
    (entry,) = module.signature.entries.values()
    assert module.device.options.driver == "vulkan"
    for sizes in program.sizes(entry, combinations):
        args = program.inputs(entry, sizes)
        try:
            assert_agrees(module(*args), jax.jit(program.function)(*args), program.kind)
        except AssertionError as error:
            raise AssertionError(f"{name} at {sizes}: {error}") from None


def test_the_device(record_property) -> None:
    """The property is for reports; the log of CI names the device at its end (.ci/run)."""
    record_property("vulkan", VULKAN[0].name)
    assert VULKAN[0].target == "vulkan"


@pytest.mark.parametrize("name", _SAMPLE)
def test_sample(name: str) -> None:
    check(name)


def test_bert(monkeypatch: pytest.MonkeyPatch) -> None:
    """One layer of BERT-base, with a smaller table of words."""
    spec = importlib.util.spec_from_file_location("bert", Path(__file__).parents[3] / "examples/bert.py")
    assert spec is not None
    bert = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bert)
    monkeypatch.setattr(bert, "VOCABULARY", 500)
    function = bert.make_bert(bert.make_params(1))
    module = nm.compile(function, bert.example_specs(), target="vulkan")
    for batch, length in ((1, 3), (2, 2)):  # a call takes seconds in software
        arrays = bert.make_batch(batch, length)
        assert_agrees(module(*arrays), jax.jit(function)(*arrays))


def test_powers() -> None:
    """They are computed in float64, whose exponential and logarithm SPIR-V lacks (lowering/double_functions.py)."""
    (n,) = nm.dims("n")
    x = nm.spec((n,), np.float32)
    module = nm.compile(lambda x, y: jax.numpy.power(x, y), (x, x), target="vulkan")
    rng = np.random.default_rng(0)
    bases = np.exp(rng.uniform(-100, 88, 5000)).astype(np.float32)
    special = np.array([0, 1e-42, 1e-30, 0.5, 1, 2, 3e38, np.inf, np.nan, -0.0, -2, -np.inf], np.float32)
    exponents = np.array([0, 1, -1, 0.5, 3, -2, 128, -149, np.inf, np.nan], np.float32)
    pairs = np.stack(np.meshgrid(special, exponents)).reshape(2, -1)
    bases, exponents = np.append(bases, pairs[0]), np.append(rng.uniform(-4, 4, 5000).astype(np.float32), pairs[1])
    with np.errstate(all="ignore"):
        expected = np.power(bases.astype(np.float64), exponents.astype(np.float64)).astype(np.float32)
    assert_agrees(module(bases, exponents), expected, "elementwise")


@pytest.mark.parametrize("function", [jax.numpy.sin, jax.numpy.cos, jax.numpy.tan])
def test_circular_functions_at_every_magnitude(function) -> None:
    """The driver may take (x + c) - c for x, which is how a sine rounds (lowering/double_functions.py)."""
    (n,) = nm.dims("n")
    module = nm.compile(lambda x: function(x), (nm.spec((n,), np.float32),), target="vulkan")
    rng = np.random.default_rng(0)
    x = np.exp2(rng.uniform(-20, 126, 4000)).astype(np.float32)
    x = np.concatenate([x, -x, rng.uniform(-88, 88, 4000).astype(np.float32), np.float32([0, -0.0, np.inf, -np.inf])])
    with np.errstate(all="ignore"):
        expected = getattr(np, function.__name__)(x.astype(np.float64)).astype(np.float32)
    assert_agrees(module(x), expected, "elementwise")


def test_gathers_apart_need_the_workaround(monkeypatch: pytest.MonkeyPatch) -> None:
    """IREE 3.13 fuses a gather with a reduction, and fails. Mended: lowering/indexing_rules.py need not keep them apart."""
    b, s = nm.dims("b, s")
    table = np.random.default_rng(0).normal(size=(100, 32)).astype(np.float32)

    def centred(ids):
        x = jax.numpy.asarray(table)[ids]
        return x - x.mean(-1, keepdims=True)

    monkeypatch.setattr(indexing_rules, "materialized", lambda ctx, value: value)
    with pytest.raises(nm.CompileError, match=r"failed to legalize operation 'memref.alloc'"):
        nm.compile(centred, (nm.spec((b, s), np.int32),), target="vulkan")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_program(name: str) -> None:
    try:
        check(name, _ON_DEMAND)
    except (nm.UnsupportedOpError, nm.CompileError) as error:
        pytest.skip(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def test_device_is_freed_with_its_last_module() -> None:
    (n,) = nm.dims("n")
    module = nm.compile(lambda x: x * 2, (nm.spec((n,), np.float32),), target="vulkan")
    device = weakref.ref(module.device)
    result = module(np.ones(3, np.float32))
    del module
    gc.collect()
    assert device() is None
    np.testing.assert_array_equal(result, np.full(3, 2, np.float32))


def test_an_op_that_is_a_kernel_is_an_error_that_says_so() -> None:
    (n,) = nm.dims("n")
    x = nm.spec((n,), np.float32)
    with pytest.raises(nm.UnsupportedOpError) as error:
        nm.compile(lambda x: jax.numpy.sort(x), (x,), target="vulkan")
    text = str(error.value)
    assert "'stablehlo.sort' is not supported for the target vulkan: it is a kernel of nimble's own" in text
    assert "compile the function for llvm-cpu, or leave the op out of it" in text
    assert "test_vulkan.py:" in text


def test_float64_is_an_error_where_the_gpu_lacks_it() -> None:
    with jax.enable_x64(True):
        (n,) = nm.dims("n")
        x = nm.spec((n,), np.float64)
        options = nm.CompileOptions(vulkan_target="adreno")
        with pytest.raises(nm.UnsupportedOpError, match=r"float64 is not supported by the Vulkan target 'adreno'"):
            nm.compile(lambda x: x * x, (x,), target="vulkan", options=options)


def test_copies_to_the_host_need_the_workaround() -> None:
    """IREE 3.13's own copy imports memory of numpy's, which Vulkan refuses. Mended: use it in runtime/arrays.py again."""
    import iree.runtime

    from nimble_mlir.runtime import get_device

    device = get_device("vulkan")
    x = np.arange(5, dtype=np.float32)
    view = device.allocator.allocate_buffer_copy(
        int(iree.runtime.MemoryType.DEVICE_LOCAL), int(iree.runtime.BufferUsage.DEFAULT), device.hal_device, x,
        int(iree.runtime.HalElementType.FLOAT_32),
    )  # fmt: skip
    array = iree.runtime.DeviceArray(device.hal_device, view)
    with pytest.raises(ValueError, match="minImportedHostPointerAlignment"):
        array.to_host()

"""Targets: files for one and for several, devices that are not there, CPUs to compile for, reproducible files."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.driver.options import PEELING, iree_flags

TARGETS = ["cuda", "vulkan", "llvm-cpu"]
WEIGHTS = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
HAS = {device.target for device in nm.devices()}
NEEDS_VULKAN = pytest.mark.skipif("vulkan" not in HAS, reason="no Vulkan device: apt-get install mesa-vulkan-drivers")


def model(x):
    return jnp.tanh(x @ WEIGHTS)


def compiled(target, **options):
    (b,) = nm.dims("b")
    return nm.compile(model, (nm.spec((b, 64), jnp.float32),), target=target, options=nm.CompileOptions(**options))


def check(module):
    for size in (1, 2, 7, 33):
        x = np.random.default_rng(size).normal(size=(size, 64)).astype(np.float32)
        assert_agrees(module(x), np.tanh(x @ WEIGHTS), "contraction")


@pytest.fixture(scope="module")
def container(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("targets") / "model.vmfb"
    compiled(TARGETS).save(path)
    return path


def test_one_file_holds_an_image_a_target_and_the_weights_once(container):
    with zipfile.ZipFile(container) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert [name for name in names if "/" in name] == ["targets/vulkan.vmfb", "targets/llvm-cpu.vmfb"]
    assert names.count("weights.safetensors") == 1
    # The first 256 bytes of the weights stand in the file once.
    assert container.read_bytes().count(WEIGHTS.tobytes()[:256]) == 1
    assert nm.load(container).targets == tuple(TARGETS)


@pytest.mark.parametrize("device", ["local-sync", "local-task", pytest.param("vulkan", marks=NEEDS_VULKAN)])
def test_the_image_is_picked_by_the_device(container, device):
    module = nm.load(container, device=device)
    assert module.device.options.driver == device
    assert module.signature.target == ("vulkan" if device == "vulkan" else "llvm-cpu")
    check(module)


def test_without_a_device_the_first_target_whose_device_is_there_is_taken(container):
    module = nm.load(container)
    assert module.signature.target == next(target for target in TARGETS if target in HAS)
    check(module)


def test_the_cpu_image_is_that_of_a_file_for_the_cpu_alone(container):
    """So the code that runs is the same, whatever else the file holds."""

    def code(data):
        archive = zipfile.ZipFile(data)
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".so")}

    alone = container.with_name("alone.vmfb")
    compiled("llvm-cpu").save(alone)
    image = container.with_name("image.vmfb")
    image.write_bytes(zipfile.ZipFile(container).read("targets/llvm-cpu.vmfb"))
    assert code(alone)
    assert code(alone) == code(image)


def test_the_same_input_gives_the_same_bytes(container, tmp_path):
    again = tmp_path / "again.vmfb"
    compiled(TARGETS).save(again)
    assert again.read_bytes() == container.read_bytes()


@pytest.mark.skipif("cuda" in HAS, reason="this machine has what the test needs to be absent")
def test_a_target_whose_device_is_not_here_is_compiled_and_saved(tmp_path):
    module = compiled("cuda", cuda_arch="sm_86")
    path = tmp_path / "cuda.vmfb"
    module.save(path)
    # PTX for the architecture that was asked for, with the entry of a dispatch.
    text = path.read_bytes().decode("latin-1")
    assert ".target sm_86" in text
    assert re.search(r"\.entry model_dispatch_0_matmul\w*_f32\(", text)
    assert module.output_shapes(np.zeros((3, 64), np.float32)) == (3, 32)
    assert repr(module) == "<nimble_mlir.Module 'model': 'model' for cuda, which is not here>"
    for use in (lambda: module(np.zeros((3, 64), np.float32)), lambda: module.device, lambda: nm.load(path)):
        with pytest.raises(nm.LoadError, match=r"^the device 'cuda' cannot be opened: "):
            use()


def test_a_device_that_runs_other_code(tmp_path):
    path = tmp_path / "cpu.vmfb"
    compiled("llvm-cpu").save(path)
    message = (
        f"'{path}' was compiled for llvm-cpu, but the device 'vulkan' runs code for vulkan: load it on local-task, or "
        f"compile it with target=['llvm-cpu', 'vulkan']"
    )
    with pytest.raises(nm.LoadError, match=f"^{re.escape(message)}$"):
        nm.load(path, device="vulkan")


@pytest.mark.parametrize("cpu", ["aarch64-linux-gnu", "neoverse-n1"])
def test_code_for_another_machine_is_saved_and_not_run(cpu, tmp_path):
    module = compiled("llvm-cpu", target_cpu=cpu)
    path = tmp_path / "arm.vmfb"
    module.save(path)
    (library,) = [name for name in zipfile.ZipFile(path).namelist() if name.endswith(".so")]
    assert library.endswith("arm_64.so")
    machine = zipfile.ZipFile(path).read(library)[18:20]
    assert machine == (183).to_bytes(2, "little")  # EM_AARCH64 of the ELF header
    with pytest.raises(nm.LoadError, match=r"^'model' cannot be started on local-"):
        module(np.zeros((3, 64), np.float32))


@pytest.mark.parametrize("cpu", ["generic", "x86-64-v3"])
def test_code_for_other_cpus_of_the_same_kind_runs(cpu):
    check(compiled("llvm-cpu", target_cpu=cpu))


@pytest.mark.parametrize(
    ("cpu", "flags"),
    [
        ("host", ["--iree-llvmcpu-target-cpu=host"]),
        ("znver4", ["--iree-llvmcpu-target-triple=x86_64-unknown-linux-gnu", "--iree-llvmcpu-target-cpu=znver4"]),
        (
            "cortex-a76",
            ["--iree-llvmcpu-target-triple=aarch64-unknown-linux-gnu", "--iree-llvmcpu-target-cpu=cortex-a76"],
        ),
        (
            "aarch64-linux-gnu:neoverse-v2",
            ["--iree-llvmcpu-target-triple=aarch64-linux-gnu", "--iree-llvmcpu-target-cpu=neoverse-v2"],
        ),
    ],
)
def test_cpu_names_as_flags(cpu, flags):
    found = iree_flags("llvm-cpu", nm.CompileOptions(target_cpu=cpu))
    assert [flag for flag in found if "-target-triple" in flag or "-target-cpu" in flag] == flags


@pytest.mark.parametrize(
    ("cpu", "peeled"),
    [
        ("x86-64-v3", True),
        ("x86_64-linux-gnu", True),
        ("znver4", False),
        ("x86-64-v4", False),
        ("aarch64-linux-gnu", False),
    ],
)
def test_loops_are_peeled_where_masked_stores_are_slow(cpu, peeled):
    assert (PEELING in iree_flags("llvm-cpu", nm.CompileOptions(target_cpu=cpu))) == peeled


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("tpu", "unknown target 'tpu'; the targets are llvm-cpu, vulkan, cuda"),
        (["llvm-cpu", "tpu"], "unknown target 'tpu'; the targets are llvm-cpu, vulkan, cuda"),
        ([], "no target is given; the targets are llvm-cpu, vulkan, cuda"),
        (["cuda", "cuda"], "a target is given twice: cuda, cuda"),
    ],
)
def test_targets_that_are_none(target, message):
    with pytest.raises(nm.CompileError, match=f"^{re.escape(message)}$"):
        compiled(target)


def test_a_pickled_module_is_its_file(container):
    module = pickle.loads(pickle.dumps(nm.load(container, device="local-sync")))
    assert module.device.options.driver == "local-sync"
    assert module.targets == tuple(TARGETS)
    check(module)


def test_devices_of_this_machine():
    found = nm.devices()
    assert [device.driver for device in found[:2]] == ["local-task", "local-sync"]
    assert nm.devices("local-sync") == found[1:2]
    assert str(found[1]) == "local-sync: CPU, the calling thread (target llvm-cpu)"
    with pytest.raises(nm.LoadError, match=r"^unknown driver 'tpu': choose from local-task, local-sync, vulkan, cuda$"):
        nm.devices("tpu")

"""Loading and saving: damaged and foreign files, versions, long signatures, devices."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import build, compile_mlir, make_entry
from runtime_programs import PROGRAMS, Program

from nimble_mlir.dims.signature import Signature
from nimble_mlir.errors import LoadError, NimbleError
from nimble_mlir.runtime import DeviceOptions, Module, get_device, load, open_module
from nimble_mlir.runtime.archive import installed_iree_version

A = np.ones((3, 4), np.float32)
Vmfb = Callable[[str], Path]

# How many altered files `test_fuzz` loads.
FUZZ = int(os.environ.get("NIMBLE_FUZZ", "1200"))


def fails(source: object, message: str, **options: object) -> None:
    with pytest.raises(LoadError, match=f"^{re.escape(message)}"):
        load(source, **options)  # type: ignore[arg-type]


def test_load_from_path_and_bytes(vmfb: Vmfb) -> None:
    path = vmfb("add")
    for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), memoryview(path.read_bytes())):
        for verify in (True, False):
            assert (load(source, verify=verify)(A, A) == 2).all()


def test_read_only_file(vmfb: Vmfb, tmp_path: Path) -> None:
    path = shutil.copy(vmfb("add"), tmp_path)
    os.chmod(path, 0o400)
    assert (load(path)(A, A) == 2).all()


def test_files_that_are_none(vmfb: Vmfb, tmp_path: Path) -> None:
    fails(tmp_path / "absent.vmfb", f"'{tmp_path / 'absent.vmfb'}' does not exist")
    fails(tmp_path, f"'{tmp_path}' cannot be read: Is a directory")
    empty = tmp_path / "empty.vmfb"
    empty.touch()
    fails(empty, f"'{empty}' is empty")
    fails(b"", "'bytes' is empty")
    fails(b"\x7fELF" + bytes(1000), "'bytes' is not a .vmfb file: it is no ZIP archive")
    archive = tmp_path / "other.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "text")
    fails(archive, f"'{archive}' is not a .vmfb file: the archive does not begin with VM bytecode")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("module.fb", b"\0" * 1000)
    fails(archive, f"'{archive}' is damaged: entry 'module.fb' has a wrong header")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("module.fb", b"\0" * 1000)
    fails(archive, f"'{archive}' was not compiled by nimble_mlir: it holds no nimble signature")
    with zipfile.ZipFile(archive, "w") as file:
        header = f'{{"nimble_schema":1,"nimble":"0.1.0","iree":"{installed_iree_version()}"'
        file.writestr("module.fb", header.encode() + b"\0" * 1000)
    fails(archive, f"the IREE runtime cannot read '{archive}': ")


def test_truncated_files(vmfb: Vmfb) -> None:
    data = vmfb("add").read_bytes()
    for size in [*range(1, 200, 13), *range(200, len(data), 499), len(data) - 1]:
        with pytest.raises(LoadError, match=r"^'bytes' is (damaged|not a .vmfb file)"):
            load(data[:size])
    fails(data[:-1], "'bytes' is damaged or incomplete: ")


def test_flipped_bits(vmfb: Vmfb) -> None:
    """Each is found, or it was in a byte without meaning (padding, a time) and the module computes the same."""
    data = bytearray(vmfb("add").read_bytes())
    with zipfile.ZipFile(vmfb("add")) as archive:
        first = archive.infolist()[0]
    random_ = random.Random(0)
    bits = random_.sample(range(8 * len(data)), 300) + random_.sample(range(8 * 30), 60)
    bits += random_.sample(range(8 * (len(data) - 300), 8 * len(data)), 300)  # the directory
    messages = []
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
        try:
            assert (load(data)(A, A) == 2).all()
        except LoadError as error:
            messages.append(str(error))
        data[bit // 8] ^= 1 << bit % 8
    assert len(messages) > len(bits) // 2
    assert all(re.match(r"'bytes' is (damaged|not a \.vmfb file)", message) for message in messages)
    data[first.file_size // 2] ^= 1
    fails(data, "'bytes' is damaged: entry 'module.fb' does not match its CRC-32")


def altered(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to three bits, bytes, runs or its length changed."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, length = rng.randrange(len(result)), rng.choice([1, 2, 4, 8, 64])
        match rng.randrange(6):
            case 0:
                result[at] ^= 1 << rng.randrange(8)
            case 1:
                result[at : at + length] = rng.randbytes(len(result[at : at + length]))
            case 2:
                result[at : at + length] = bytes(len(result[at : at + length]))
            case 3:
                del result[at : at + length]
            case 4:
                result[at:at] = rng.randbytes(length)
            case _:
                result = result[: at + 1]
    return bytes(result)


@pytest.mark.parametrize("seed", range(4))
def test_fuzz(vmfb: Vmfb, seed: int) -> None:
    data, rng = vmfb("add").read_bytes(), random.Random(seed)
    refused = 0
    for _ in range(FUZZ // 4):
        try:
            module = load(altered(data, rng))
        except LoadError:
            refused += 1
        else:
            assert (module(A, A) == 2).all()
    assert refused > FUZZ // 4 * 0.8


def test_entries_that_overlap(vmfb: Vmfb) -> None:
    """The directory says of the second entry that it begins where the first one does."""
    data = bytearray(vmfb("add").read_bytes())
    second = data.rindex(b"PK\x01\x02")  # its record in the central directory; the offset stands at byte 42
    data[second + 42 : second + 46] = bytes(4)
    with pytest.raises(LoadError, match=r"^'bytes' is damaged: entry '.*' overlaps the one before$"):
        load(data)


def test_signature_of_another_module(tmp_path: Path) -> None:
    program = PROGRAMS["add"]
    path = build(Program(program.mlir, ({**program.entries[0], "function": "other"},)), tmp_path, "other_function")
    fails(path, f"'{path}' has no function 'other' for its entry point 'add'")


def test_no_signature(tmp_path: Path) -> None:
    path = compile_mlir(
        "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }", tmp_path / "f.vmfb"
    )
    fails(path, f"'{path}' was not compiled by nimble_mlir: it holds no nimble signature")


def _signature_text(program: Program) -> str:
    entries = {entry["name"]: make_entry(**entry) for entry in program.entries}
    (name,) = entries
    return Signature(entries, "0.1.0", iree_version=installed_iree_version(), driver="local-sync").entry_json(name)


def test_other_versions(tmp_path: Path) -> None:
    path = build(PROGRAMS["add"], tmp_path, "future", iree_version="3.99.1")
    installed = installed_iree_version()
    fails(
        path,
        f"'{path}' needs the IREE runtime 3.99 (compiled with 3.99.1 by nimble_mlir 0.1.0), but {installed} is "
        f"installed: pip install 'iree-base-runtime==3.99.*', or compile the model again",
    )
    text = PROGRAMS["add"].mlir.replace("@add@", 'iree.reflection = {"nimble.signature" = "SIGNATURE"}')
    for signature, message in {
        f'{{"nimble_schema":9,"nimble":"2.0","iree":"{installed}"}}': "the module's signature has schema 9, but this "
        "nimble_mlir reads schema 1: it was compiled by nimble_mlir 2.0",
        f'{{"nimble_schema":1,"nimble":"2.0","iree":"{installed}"}}': "malformed signature in the module: KeyError",
        _signature_text(PROGRAMS["add"]).replace(
            '"kind":"array"', '"kind":"tree"'
        ): "malformed signature in the module: ValueError(\"unknown kind 'tree'\")",
        f'{{"nimble_schema":1,"nimble":"2.0","iree":"{installed}"': "malformed signature in the module: ",
    }.items():
        path = compile_mlir(text.replace("SIGNATURE", signature.replace('"', '\\"')), tmp_path / "other.vmfb")
        fails(path, message)


def test_long_signature(tmp_path: Path) -> None:
    count = 700
    names = [f"params['layer {i}']['weights of the attention']" for i in range(count)]
    arguments = "".join(f", %a{i}: tensor<?xf32>" for i in range(count))[2:]
    program = Program(
        f"func.func @f({arguments}) -> tensor<?xf32> attributes {{@f@}} {{ return %a699 : tensor<?xf32> }}",
        ({"name": "f", "arguments": dict.fromkeys(names, ("float32", ("n",))), "results": [("float32", ("n",))]},),
    )
    path = build(program, tmp_path, "long")
    assert path.stat().st_size > 100_000
    module = load(path)
    assert [argument.name for argument in module.signature.entries["f"].arguments] == names
    arrays = [np.full(3, i, np.float32) for i in range(count)]
    np.testing.assert_array_equal(module.call_flat(arrays)[0], [699] * 3)


def test_save(vmfb: Vmfb, tmp_path: Path) -> None:
    for source in (vmfb("add"), vmfb("add").read_bytes()):
        module = load(source)
        path = tmp_path / "saved.vmfb"
        path.write_bytes(b"something older")
        module.save(path)
        assert path.read_bytes() == vmfb("add").read_bytes()
        module.save(str(path))
        assert (load(path)(A, A) == 2).all()
    same_file = load(path)
    same_file.save(path)  # over the file that is mapped
    assert (same_file(A, A) == 2).all()
    with pytest.raises(FileNotFoundError):
        module.save(tmp_path / "absent" / "m.vmfb")
    assert os.listdir(tmp_path) == ["saved.vmfb"]


def test_ir(vmfb: Vmfb) -> None:
    path = vmfb("add")
    message = (
        f"'{path}' was loaded from a file, which holds no IR; it is kept only in the process that compiled the module "
        f"(dump it there, or lower the model again with nimble-opt)"
    )
    with pytest.raises(LoadError, match=f"^{re.escape(message)}$"):
        load(path).ir("linalg")
    module = open_module(path, ir_stages={"nimble": "text", "linalg": lambda: "made on demand"})
    assert module.ir("nimble") == "text"
    assert module.ir("linalg") == "made on demand"
    with pytest.raises(NimbleError, match=r"^no IR of stage 'x'; there is 'nimble', 'linalg'$"):
        module.ir("x")


def test_devices(vmfb: Vmfb) -> None:
    path = vmfb("tokens")
    x = np.ones((64, 4000), np.int32)
    assert load(path).device.options == DeviceOptions("local-sync")  # what the signature recommends
    for device in ("local-task", DeviceOptions(threads=1), DeviceOptions(threads=3, worker_stack_size=1 << 20)):
        module = load(path, device=device)
        assert module.device is load(path, device=device).device
        np.testing.assert_array_equal(module(x, x)[0], 2)
    assert get_device() is get_device("local-task") is get_device(DeviceOptions())


def test_thread_count_of_devices() -> None:
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("needs /proc")
    code = (
        "import os; from nimble_mlir.runtime import DeviceOptions, get_device\n"
        "def count(): return len(os.listdir('/proc/self/task'))\n"
        "counts = [count()]\n"
        "for n in (2, 7, 4): get_device(DeviceOptions(threads=n)); counts.append(count())\n"
        "print([b - a for a, b in zip(counts, counts[1:])])"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    two, seven, four = eval(result.stdout)
    assert seven - two == 5  # and the same number of service threads each
    assert four - two == 2


def test_device_messages(vmfb: Vmfb) -> None:
    with pytest.raises(LoadError, match=r"^unknown driver 'tpu': choose from local-task, local-sync, vulkan, cuda$"):
        load(vmfb("add"), device="tpu")
    with pytest.raises(ValueError, match=r"^threads is an option of local-task only, not of local-sync$"):
        DeviceOptions("local-sync", threads=2)
    with pytest.raises(ValueError, match=r"^threads must be at least 1, not 0$"):
        DeviceOptions(threads=0)
    with pytest.raises(ValueError, match=r"^worker_stack_size is an option of local-task only, not of cuda$"):
        DeviceOptions("cuda", worker_stack_size=1)
    if not shutil.which("nvidia-smi"):
        with pytest.raises(LoadError, match=r"^the device 'cuda' cannot be opened: "):
            get_device("cuda")


def test_target_without_a_driver(tmp_path: Path) -> None:
    path = build(PROGRAMS["add"], tmp_path, "rocm", target="rocm", driver=None)  # type: ignore[arg-type]
    fails(path, f"'{path}' was compiled for the target 'rocm', which has no device here")
    assert (load(path, device="local-sync")(A, A) == 2).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("driver", ["local-task", "local-sync"])
def test_fork(vmfb: Vmfb, driver: str) -> None:
    """In a subprocess, so that pytest's own threads are not forked."""
    code = f"""
import os, signal, numpy as np
from nimble_mlir.errors import NimbleError
from nimble_mlir.runtime import load
a = np.ones((3, 4), np.float32)
module = load({str(vmfb("add"))!r}, device={driver!r})
module(a, a)
if os.fork() == 0:
    signal.alarm(20)
    try:
        print((module(a, a) == 2).all(), flush=True)
    except NimbleError as error:
        print(error, flush=True)
    print((load({str(vmfb("add"))!r}, device={driver!r})(a, a) == 2).all(), flush=True)
    os._exit(0)
print(os.wait()[1], (module(a, a) == 2).all())
"""
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    refused = (
        "this module was loaded before fork(), which does not copy the threads of its local-task device: load it "
        "again in the child process, or start processes with 'spawn'"
    )
    first = refused if driver == "local-task" else "True"
    assert result.stdout.splitlines() == [first, "True", "0 True"]


def test_needs_neither_jax_nor_the_compiler(vmfb: Vmfb) -> None:
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jax", "jaxlib", "torch_mlir", "scipy") or name.startswith("iree.compiler"):
            raise ImportError("refused: " + name)
sys.meta_path.insert(0, Refuse())
import numpy as np
from nimble_mlir.runtime import load
a = np.ones((3, 4), np.float32)
m = load({str(vmfb("add"))!r})
print((m(a, b=a) == 2).all(), m.output_shapes(a, a), str(m.signature).splitlines()[0])
t = load({str(vmfb("structured"))!r}).params
print(t(dict(w=a[0], b=a[0]), None, pair=__import__("collections").namedtuple("P", "x none")(a[0], None)))
print(sorted(n for n in sys.modules if n.split(".")[0] in ("jax", "torch_mlir", "mlir") or n == "iree.compiler"))
"""
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd="/")
    first, second, third = result.stdout.splitlines()
    assert first == "True (3, 4) module for llvm-cpu (nimble_mlir 0.1.0, IREE 3.13.0)"
    assert second.startswith("{'diff': [array([0., 0., 0., 0.]")
    assert third == "[]"


def test_type(vmfb: Vmfb) -> None:
    assert isinstance(load(vmfb("add")), Module)
    assert repr(load(vmfb("add"))) == f"<nimble_mlir.Module '{vmfb('add')}': 'add' on local-sync>"

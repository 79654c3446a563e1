"""The compile cache: hits, keys, several writers, interrupted and damaged entries, bounds, folders that cannot be used."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest
from support.compiles import runs

import nimble_mlir as nm

X = np.ones((3, 4), np.float32)


def add(amount):
    def function(x):
        return x + amount

    return function


def compiled(amount=1.0, **options):
    (b,) = nm.dims("b")
    return nm.compile(add(amount), (nm.spec((b, 4), jnp.float32),), options=nm.CompileOptions(**options))


def test_the_second_compile_runs_no_compiler_and_gives_the_same_bytes(folder):
    first, module = runs(compiled)
    second, again = runs(compiled)
    assert (first, second) == (1, 0)
    assert bytes(module.image) == bytes(again.image)
    assert np.array_equal(again(X), X + 1)
    assert again.ir("linalg") == module.ir("linalg")
    (entry,) = nm.cache.entries()
    assert nm.cache.size() == entry.size == len(module.image)
    assert nm.cache.directory() == folder


@pytest.mark.parametrize("other", [{"amount": 2.0}, {"opt_level": 1}, {"target_cpu": "generic"}])
def test_another_program_or_flag_is_another_entry(folder, other):
    compiled()
    count, module = runs(lambda: compiled(**other))
    assert count == 1
    assert np.array_equal(module(X), X + other.get("amount", 1.0))
    assert len(nm.cache.entries()) == 2


def test_switching_it_off(folder, monkeypatch):
    compiled(cache=False)
    monkeypatch.setenv("NIMBLE_CACHE", "off")
    compiled()
    assert not folder.exists()


def test_a_damaged_entry_is_dropped_and_made_again(folder, caplog):
    compiled()
    (path,) = folder.glob("*.vmfb")
    data = bytearray(path.read_bytes())
    for altered in (data[:100], b"", bytes([*data[:500], data[500] ^ 1, *data[501:]])):
        path.write_bytes(altered)
        count, module = runs(compiled)
        assert count == 1
        assert np.array_equal(module(X), X + 1)
        assert path.read_bytes() == data
    assert "dropped from the compile cache" in caplog.text


def test_what_a_stopped_writer_left_is_no_entry_and_goes(folder):
    folder.mkdir()
    left = folder / "abc.tmp"
    left.write_bytes(b"half of an image")
    old = time.time() - 2 * 3600
    os.utime(left, (old, old))
    compiled()
    assert not left.exists()
    assert len(nm.cache.entries()) == 1


def test_it_is_bounded_and_the_entry_used_last_stays(folder, monkeypatch):
    first = compiled(1.0)
    monkeypatch.setenv("NIMBLE_CACHE_BYTES", str(2 * len(first.image) + 200))
    compiled(2.0)
    kept = {entry.key for entry in nm.cache.entries()}
    assert len(kept) == 2
    for path in folder.glob("*.vmfb"):
        os.utime(path, (1.0, 1.0))
    assert runs(lambda: compiled(1.0))[0] == 0  # used
    compiled(3.0)
    assert len(nm.cache.entries()) == 2
    assert runs(lambda: compiled(1.0))[0] == 0
    assert runs(lambda: compiled(2.0))[0] == 1
    monkeypatch.setenv("NIMBLE_CACHE_BYTES", "much")
    with pytest.raises(nm.CompileError, match=r"^NIMBLE_CACHE_BYTES must be a number of bytes, got 'much'$"):
        compiled(4.0)


def test_clear(folder):
    compiled()
    nm.cache.clear()
    assert nm.cache.entries() == []
    assert list(folder.iterdir()) == []
    assert runs(compiled)[0] == 1


def test_a_folder_that_cannot_be_used(folder, caplog):
    folder.write_bytes(b"a file, where a folder should be")
    with caplog.at_level(logging.WARNING, "nimble_mlir.iree"):
        count, module = runs(compiled)
    assert count == 1
    assert np.array_equal(module(X), X + 1)
    assert f"the compile cache '{folder}' cannot be used" in caplog.text


def test_a_folder_that_can_only_be_read_is_read(folder, caplog, monkeypatch):
    compiled()

    def refused(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(nm.cache.filelock, "FileLock", refused)
    monkeypatch.setattr(nm.cache.tempfile, "mkstemp", refused)
    monkeypatch.setattr(nm.cache.os, "utime", refused)
    with caplog.at_level(logging.WARNING, "nimble_mlir.iree"):
        count, module = runs(compiled)
        assert count == 0
        assert np.array_equal(module(X), X + 1)
        assert caplog.text == ""
        count, module = runs(lambda: compiled(2.0))
    assert count == 1
    assert np.array_equal(module(X), X + 2)
    assert f"the compile cache '{folder}' cannot be used: Permission denied" in caplog.text
    assert len(nm.cache.entries()) == 1


def test_a_folder_that_is_full(folder, caplog, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nm.cache.tempfile, "mkstemp", full)
    with caplog.at_level(logging.WARNING, "nimble_mlir.iree"):
        count, module = runs(compiled)
    assert count == 1
    assert np.array_equal(module(X), X + 1)
    assert f"the compile cache '{folder}' cannot be written: No space left on device" in caplog.text
    assert nm.cache.entries() == []


def _make_slowly(folder, made):
    os.environ.update(NIMBLE_CACHE="on", NIMBLE_CACHE_DIR=str(folder))
    import zipfile

    from nimble_mlir.driver import cache

    def make(output):
        made.append(os.getpid())
        time.sleep(0.3)
        with zipfile.ZipFile(output, "w") as archive:
            archive.writestr("module.fb", b"image")

    output = folder.parent / f"{os.getpid()}.vmfb"
    with cache.lookup("key", output) as found:
        if not found:
            make(output)
    with zipfile.ZipFile(output) as archive:
        assert archive.read("module.fb") == b"image"


def test_processes_that_compile_the_same_make_it_once(folder):
    with multiprocessing.get_context("spawn").Manager() as manager:
        made = manager.list()
        processes = [
            multiprocessing.get_context("spawn").Process(target=_make_slowly, args=(folder, made)) for _ in range(3)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        assert len(made) == 1


def test_an_error_of_the_compiler_is_the_callers_and_leaves_nothing(folder):
    with pytest.raises(nm.CompileError, match="no-such-flag"):
        compiled(iree_flags=("--no-such-flag",))
    assert nm.cache.entries() == []
    done = threading.Thread(target=compiled)  # the lock is free again
    done.start()
    done.join(120)
    assert len(nm.cache.entries()) == 1

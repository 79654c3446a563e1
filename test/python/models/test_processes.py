"""Nothing upstream ends the process: every op with each operand dynamic, in a child process; and two threads at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.tolerances import tolerance

HERE = Path(__file__).resolve().parent


def test_no_op_ends_the_process_at_any_dynamic_dimension() -> None:
    done = subprocess.run([sys.executable, str(HERE / "dynamic_operands.py")], capture_output=True, text=True,
                          check=False, timeout=600)  # fmt: skip
    last = (done.stdout.splitlines() or ["nothing"])[-1]
    assert done.returncode == 0, f"exit code {done.returncode} at {last}: {done.stderr[-1500:]}"
    assert int(last.split()[0]) > 150, "programs that were lowered"


_THREADS = """
import sys
import threading
import jax.numpy as jnp
import numpy as np
import nimble_mlir as nm

failures = []

def work(number):
    try:
        for turn in range(2):
            (s,) = nm.dims("s")
            module = nm.compile(lambda x: jnp.tanh(x * number) + jnp.arccos(x / 9), (nm.spec((s, 3), jnp.float32),))
            for size in (1, 4, 7):
                x = np.linspace(0, 1, 3 * size, dtype=np.float32).reshape(size, 3)
                np.testing.assert_allclose(module(x), np.tanh(x * number) + np.arccos(x / 9), rtol=float(sys.argv[1]))
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=work, args=(number,)) for number in (2, 3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
"""


def test_two_threads_compile_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _THREADS, str(tolerance("float32", "transcendental")[0])],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"

"""How many dispatches a recursion over trees takes, counted by IREE's profile as the module runs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import nimble_mlir as nm

TOOLS = Path(sys.executable).parent


def declared(dtype: Any) -> tuple[Any, Any, Any]:
    """A type of trees with elements of `dtype`, and two recursions over it; the second one hands arguments down."""

    @nm.adt
    class Tree:
        Leaf = nm.constructor(x=nm.spec((32,), dtype))
        Node = nm.constructor(left="Tree", right="Tree")

    weights = jnp.full((32, 32), 1 / 32, dtype)

    @nm.recursive
    def total(tree: Any) -> Any:
        return nm.match(
            tree, Leaf=lambda x: x, Node=lambda left, right: jnp.tanh((total(left) - 2 * total(right)) @ weights)
        )

    @nm.recursive
    def weighted(tree: Any, above: Any) -> Any:
        return nm.match(
            tree,
            Leaf=lambda x: x * above,
            Node=lambda left, right: jnp.tanh(weighted(left, above + 1) - weighted(right, above) @ weights),
        )

    return Tree, total, lambda tree: weighted(tree, jnp.ones(32, dtype))


def full(type_: Any, depth: int) -> Any:
    if depth == 0:
        return type_.Leaf(np.ones(32, type_.Leaf.fields[0].spec.dtype))
    return type_.Node(full(type_, depth - 1), full(type_, depth - 1))


def chain(type_: Any, depth: int) -> Any:
    tree = full(type_, 0)
    for _ in range(depth):
        tree = type_.Node(full(type_, 0), tree)
    return tree


def dispatches(module: nm.Module, arrays: list[np.ndarray], folder: Path) -> int:
    """How many dispatches one call executes."""
    path, profile = folder / "module.vmfb", folder / "profile.bin"
    module.save(path)
    with zipfile.ZipFile(path) as parts:
        weights = parts.extract("weights.safetensors", folder)
    inputs = []
    for number, array in enumerate(arrays):
        shape = "x".join(map(str, array.shape))
        text = "bf16" if array.dtype == jnp.bfloat16 else {"i": "i32", "f": "f32"}[array.dtype.kind]
        file = folder / f"input{number}.bin"
        file.write_bytes(np.ascontiguousarray(array).tobytes())
        inputs.append(f"--input={shape}x{text}=@{file}")
    run = [TOOLS / "iree-run-module", f"--module={path}", "--device=local-sync", "--function=total", *inputs]
    run += [f"--parameters=nimble={weights}", f"--device_profiling_output={profile}"]
    run += ["--device_profiling_mode=queue-events,host-execution"]
    subprocess.run(run, check=True, capture_output=True)
    report = subprocess.run([TOOLS / "iree-profile", "dispatch", profile], check=True, capture_output=True, text=True)
    found = re.search(r"host_dispatches: total=(\d+)", report.stdout)
    assert found is not None, report.stdout
    return int(found[1])


@pytest.mark.parametrize(("dtype", "hands_down"), [(jnp.float32, False), (jnp.bfloat16, False), (jnp.float32, True)])
def test_dispatches_do_not_grow_with_the_nodes(dtype: Any, hands_down: bool, tmp_path: Path) -> None:
    """In float32 the whole recursion is one dispatch, with arguments that go down two; kernels have no bfloat16, so there it
    goes level by level."""
    type_, *functions = declared(dtype)
    (b,) = nm.dims("b")
    module = nm.compile({"total": (functions[hands_down], (type_.spec(b),))})
    found = {
        (form.__name__, depth, count): dispatches(
            module, type_.pack([form(type_, depth) for _ in range(count)]), tmp_path
        )
        for form in (full, chain)
        for depth in (2, 4, 6)
        for count in (1, 5)
    }
    by_depth = {depth: {number for key, number in found.items() if key[1] == depth} for depth in (2, 4, 6)}
    assert all(len(numbers) == 1 for numbers in by_depth.values()), found
    two, four, six = (min(by_depth[depth]) for depth in (2, 4, 6))
    assert six - four == four - two
    assert (two == six) == (dtype == jnp.float32), found
    assert dtype != jnp.float32 or two < 8, found

"""Which part of the package may import which: the table of design.md, held for every import statement."""

import ast
import sys

import pytest
from project_files import imports, modules

# Each layer may import those to its right; capture and driver stand side by side and do not know each other.
_STACK = ("cli", "api", "capture", "driver", "passes", "dialects", "mlir", "dims", "errors")
_SIDE_BY_SIDE = {"capture", "driver"}

# The runtime stands apart. What compiles hands its result to it, and never the other way round.
ALLOWED = {
    layer: {other for other in _STACK[position:] if other == layer or not {layer, other} <= _SIDE_BY_SIDE}
    for position, layer in enumerate(_STACK)
}
ALLOWED["runtime"] = {"runtime", "dims", "errors"}
ALLOWED["log"] = {"log"}
for _layer in ALLOWED.keys() - {"dims", "errors"}:
    ALLOWED[_layer].add("log")
for _layer in ("cli", "api", "driver"):
    ALLOWED[_layer] |= {"runtime", "package"}  # "package" is nimble_mlir/__init__.py, for its __version__
ALLOWED["package"] = {"package", "api", "capture", "driver", "runtime", "dims", "errors", "log"}

# What a layer may import besides the standard library.
EXTERNAL: dict[str, set[str]] = {
    "package": set(),
    "cli": {"click", "ml_dtypes", "numpy", "rich"},
    "api": set(),
    "capture": {"jax", "jaxlib", "numpy"},
    "driver": {"filelock", "numpy", "platformdirs"},
    "passes": {"numpy"},
    "dialects": {"numpy", "ml_dtypes"},
    "mlir": {"torch_mlir"},
    "dims": set(),
    "errors": set(),
    "log": set(),
    "runtime": {"numpy", "ml_dtypes", "iree.runtime"},
}

MODULES = sorted(modules().items())


def layer_of(name: str) -> str:
    """The layer of a module of the package; a name that __init__.py re-exports belongs to the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "package"


def within(name: str, allowed: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in allowed)


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[module for module, _ in MODULES])
def test_imports_only_what_its_layer_may(module, path):
    layer = layer_of(module)
    wrong = []
    for name, line in imports(module, path):
        top = name.partition(".")[0]
        if top == "nimble_mlir":
            allowed = layer_of(name) in ALLOWED[layer] or name == "nimble_mlir"
        elif top in sys.stdlib_module_names:
            allowed = True
        else:
            # `from iree import runtime` names both "iree" and "iree.runtime".
            allowed = within(name, EXTERNAL[layer]) or any(entry.startswith(name + ".") for entry in EXTERNAL[layer])
        if not allowed:
            wrong.append(f"{path}:{line}: {layer} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_every_module_has_a_layer():
    own = {"nimble_mlir", "nimble_mlir.__main__"}
    unknown = [name for name, _ in MODULES if layer_of(name) == "package" and name not in own]
    assert not unknown, f"add the layer of {unknown} to ALLOWED and EXTERNAL"
    assert ALLOWED.keys() == EXTERNAL.keys()


def test_one_module_runs_the_iree_compiler():
    """It is found by the name of its Python package and run as a process."""
    seen = {"runs processes": set(), "names the compiler's package": set()}
    for module, path in MODULES:
        if any(within(name, {"subprocess"}) for name, _ in imports(module, path)):
            seen["runs processes"].add(module)
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.startswith("iree.compiler")
            ):
                seen["names the compiler's package"].add(module)
    assert set.union(*seen.values()) == {"nimble_mlir.driver.iree"}, seen


def test_the_rule_itself_sees_a_wrong_import(tmp_path):
    path = tmp_path / "entry.py"
    path.write_text("from ..passes import base\nfrom nimble_mlir import mlir\nimport iree.compiler as c\n")
    names = [name for name, _ in imports("nimble_mlir.runtime.entry", path)]
    assert "nimble_mlir.passes.base" in names
    assert [layer_of(name) for name in names if name.startswith("nimble_mlir.")] == ["passes", "passes", "mlir"]
    assert not within("iree.compiler", EXTERNAL["runtime"])

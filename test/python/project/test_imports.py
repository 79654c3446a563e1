"""What gets loaded when: importing the package is cheap, and running a compiled module needs no compiler."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from project_files import run_python
from support.tolerances import tolerance

import nimble_mlir as nm

_LOADED = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"

# Whatever is installed besides the runtime's needs is refused, as where it is not installed.
_ONLY_RUNTIME = """
import importlib.metadata, sys

REFUSED = importlib.metadata.packages_distributions().keys() - {"nimble_mlir", "numpy", "ml_dtypes", "iree"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("iree.compiler") or name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r} in an environment with only the runtime", name=name)

sys.meta_path.insert(0, Refuse())
"""

USE_MODULE = """
import sys
import numpy as np
import nimble_mlir as nm

module = nm.load(sys.argv[1])
for size in (1, 5):
    x = np.arange(3 * size, dtype=np.float32).reshape(size, 3)
    np.testing.assert_allclose(module(x), np.tanh(x) @ np.ones((3, 2), np.float32), rtol=float(sys.argv[2]))
assert module.output_shapes(x) == (5, 2), module.output_shapes(x)
try:
    module(np.ones((9, 3), np.float32))
except nm.ShapeError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def saved_module(tmp_path_factory):
    """A small module in a file: tanh of float32[b, 3] times a matrix of ones, b <= 8."""
    (b,) = nm.dims("b", constraints=["b <= 8"])
    path = tmp_path_factory.mktemp("saved") / "model.vmfb"
    weights = np.ones((3, 2), np.float32)
    nm.compile(lambda x: jnp.tanh(x) @ weights, (nm.spec((b, 3), jnp.float32),)).save(path)
    return path


def test_importing_the_package_imports_no_compiler(tmp_path):
    loaded = set(json.loads(run_python(f"import nimble_mlir; {_LOADED}", cwd=tmp_path)))
    assert "nimble_mlir" in loaded
    assert not loaded & {"jax", "jaxlib", "iree", "torch_mlir", "numpy", "click", "rich"}


def test_importing_the_runtime_imports_only_iree(tmp_path):
    loaded = set(json.loads(run_python(f"import nimble_mlir.runtime; {_LOADED}", cwd=tmp_path)))
    assert "iree" in loaded
    assert not loaded & {"jax", "jaxlib", "torch_mlir", "click", "rich"}


def test_a_module_runs_where_only_the_runtime_is_installed(saved_module, tmp_path):
    printed = run_python(
        _ONLY_RUNTIME + USE_MODULE, str(saved_module), str(tolerance("float32", "contraction")[0]), cwd=tmp_path
    )
    assert printed.strip() == "argument 'x' axis 0 is 9, but 'b' must be at most 8"


def test_what_the_blocker_refuses(tmp_path):
    code = (
        _ONLY_RUNTIME + "\nimport nimble_mlir as nm\ntry:\n    nm.compile\nexcept ImportError as e:\n    print(e.name)"
    )
    assert run_python(code, cwd=tmp_path).strip().partition(".")[0] in {"torch_mlir", "jax"}


def test_public_names_are_found_without_being_loaded():
    assert set(nm.__all__) <= set(dir(nm))
    for name in nm.__all__:
        text = getattr(nm, name).__doc__
        assert text, f"nimble_mlir.{name} has no docstring"
        assert f"see `nimble_mlir.{name}`" not in text.lower(), (
            f"the docstring of nimble_mlir.{name} says to read itself"
        )
    with pytest.raises(AttributeError, match="module 'nimble_mlir' has no attribute 'nothing'"):
        nm.nothing  # noqa: B018

"""The package as it is built and installed: its files, versions, dependencies, and a run-time-only environment."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from project_files import PACKAGES, ROOT, imports, modules, package_files, pyproject
from support.tolerances import tolerance
from test_imports import USE_MODULE, saved_module  # noqa: F401 - a fixture

import nimble_mlir as nm

# Import name → distribution, where they differ. jaxlib comes with jax, whose version says which.
_DISTRIBUTIONS = {"iree": "iree-base-runtime", "jaxlib": "jax", "torch_mlir": "torch-mlir"}
# Distributions that are run and not imported.
_NOT_IMPORTED = {"iree-base-compiler"}


def distribution_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def test_one_version():
    version = pyproject()["project"]["version"]
    assert nm.__version__ == version
    assert importlib.metadata.version("nimble-mlir") == version
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_installed_package_is_this_tree():
    """So that the tests test what they seem to: after a change, `make test` installs again."""
    stale = []
    for installed, path in package_files().items():
        package = max((name for name in PACKAGES if path.is_relative_to(PACKAGES[name])), key=len)
        spec = importlib.util.find_spec(package)
        assert spec is not None
        below = path.relative_to(PACKAGES[package])
        copies = [Path(folder) / below for folder in spec.submodule_search_locations or ()]
        copy = next((copy for copy in copies if copy.exists()), None)
        if copy is None or copy.read_bytes() != path.read_bytes():
            stale.append(installed)
    assert not stale, f"not installed as they are in the tree: {stale}; pip install '.[test]' again"


def test_dependencies_are_those_that_are_imported():
    imported = set()
    examples = {path.stem: path for path in (ROOT / "examples").glob("*.py")}
    own = {"nimble_mlir", *examples}  # an example may use another
    for module, path in [*modules().items(), *examples.items()]:
        tops = {name.partition(".")[0] for name, _ in imports(module, path)}
        imported |= {_DISTRIBUTIONS.get(top, top) for top in tops - sys.stdlib_module_names - own}
    declared = distribution_names(pyproject()["project"]["dependencies"])
    assert declared - _NOT_IMPORTED == imported


def test_every_dependency_is_documented():
    project = pyproject()
    requirements = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in project["project"]["optional-dependencies"].values():
        requirements += extra
    text = (ROOT / "docs" / "dependencies.md").read_text()
    assert {name for name in distribution_names(requirements) if f"`{name}`" not in text} == set()


def test_the_compiler_and_the_runtime_of_iree_are_of_one_version():
    pins = [line for line in pyproject()["project"]["dependencies"] if line.startswith("iree-base-")]
    assert len({pin.partition("==")[2] for pin in pins}) == 1, pins


@pytest.mark.slow
def test_built_and_run_with_only_the_runtime(saved_module, tmp_path):  # noqa: F811
    """sdist → wheel from the sdist → a fresh environment with the runtime's three needs and no compiler."""
    run(sys.executable, "-m", "build", "--quiet", "--outdir", tmp_path, ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    (wheel,) = tmp_path.glob("*.whl")
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CMakeLists.txt"} <= sources
    assert not {name for name in sources if name.startswith(("test/", "."))}
    with zipfile.ZipFile(wheel) as archive:
        installed = {
            name.removeprefix("nimble_mlir/") for name in archive.namelist() if name.startswith("nimble_mlir/")
        }
    assert installed == package_files().keys()

    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pins = [
        line for line in pyproject()["project"]["dependencies"] if re.match("numpy|ml_dtypes|iree-base-runtime", line)
    ]
    assert len(pins) == 3
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
    run(python, "-m", "pip", "install", "--quiet", *pins)
    bound = tolerance("float32", "contraction")[0]
    assert run(python, "-c", USE_MODULE, saved_module, bound).endswith("'b' must be at most 8\n")


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout

"""The documentation: its code runs, its examples of errors are what is raised, and its links lead somewhere.

```console blocks, of every page, are run by bash in one empty folder and what they print is compared, "..." being anything.
In README.md and the pages of `_RUN`, ```python blocks run in order, page by page, in one namespace and an empty folder;
```pycon blocks are run by doctest in the same namespace and compared.
"""

import ast
import doctest
import re

import pytest
from console_blocks import commands, run
from project_files import ROOT

import nimble_mlir as nm

_PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# The other pages have code for illustration, which must only be valid Python.
_RUN = {
    "README.md", "architecture.md", "data-dependent-sizes.md", "dynamic-loops.md", "dynamism.md", "errors.md", "limits.md",
    "recursion.md", "targets.md", "trees.md",
}  # fmt: skip
_BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def page_id(path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path):
    """(kind, code, number of the line it starts at) of each block."""
    text = path.read_text()
    return [(match[1], match[2], text.count("\n", 0, match.start(2))) for match in _BLOCK.finditer(text)]


@pytest.mark.parametrize("path", [path for path in _PAGES if path.name in _RUN], ids=page_id)
def test_code_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for kind, code, line in blocks(path):
        if kind == "python":
            # Empty lines before it, so that messages name the line of the page.
            exec(compile("\n" * line + code, str(path), "exec"), namespace)
        else:
            report: list[str] = []
            test = doctest.DocTestParser().get_doctest(code, namespace, path.name, str(path), line)
            assert test.examples, f"{path}:{line}: no >>> in a pycon block"
            runner = doctest.DocTestRunner(optionflags=_FLAGS)
            runner.run(test, out=report.append, clear_globs=False)
            namespace.update(test.globs)
            assert not runner.summarize(verbose=False).failed, "".join(report)


@pytest.mark.parametrize("path", [path for path in _PAGES if list(commands(path))], ids=page_id)
def test_commands_print_what_the_page_says(path, tmp_path):
    checker = doctest.OutputChecker()
    for command in commands(path):
        printed = run(command, tmp_path)
        assert checker.check_output(f"{command.output}\n", f"{printed}\n", _FLAGS), (
            f"{path}:{command.line}: {command.text}\n--- expected\n{command.output}\n--- printed\n{printed}"
        )


@pytest.mark.parametrize("path", _PAGES, ids=page_id)
def test_code_is_python(path):
    for kind, code, line in blocks(path):
        if kind == "python":
            ast.parse("\n" * line + code, str(path))


@pytest.mark.parametrize("path", _PAGES, ids=page_id)
def test_links_lead_somewhere(path):
    for target in _LINK.findall(path.read_text()):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        page = (path.parent / file) if file else path
        assert page.exists(), f"{path}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_readme():
    text = (ROOT / "README.md").read_text()
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"](docs/{page.name})" not in text] == []


def test_every_error_has_an_example():
    text = (ROOT / "docs" / "errors.md").read_text()
    errors = [name for name in nm.__all__ if isinstance(getattr(nm, name), type) and name.endswith("Error")]
    assert [name for name in errors if f"nimble_mlir.errors.{name}: " not in text] == []


def test_the_readme_names_the_supported_pythons():
    text = (ROOT / "README.md").read_text()
    pyproject = (ROOT / "pyproject.toml").read_text()
    for version in re.findall(r"Python :: (3\.\d+)", pyproject):
        assert version in text

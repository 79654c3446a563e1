"""What holds the passes, the dialect, the tables and their tests together: names, coverage, idempotence, locations."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from check_lines import misspelt_lines
from lit_files import TEST, LitFile, files_of_pass, lit_files, owner, run_line
from messages import error_fragments, is_named, message_fragments, words

from nimble_mlir import dialects
from nimble_mlir.cli import passdoc
from nimble_mlir.dialects import Nimble, new_context
from nimble_mlir.errors import NimbleError
from nimble_mlir.mlir import ir
from nimble_mlir.passes import lowering, shape_functions
from nimble_mlir.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from nimble_mlir.passes.registry import PASSES, pass_class

ROOT = TEST.parent

# To burn down: what has no test yet. An entry that got one must go; nothing may be added without a reason beside it.
LOWERING_RULES_WITHOUT_TEST: set[str] = set()
SHAPE_FUNCTIONS_WITHOUT_TEST: set[str] = set()
MESSAGES_WITHOUT_TEST: set[str] = set()

# Passes whose new ops may have unknown locations, with the reason.
WITHOUT_LOCATIONS: dict[str, str] = {}
# Passes that change their own output, with the reason.
NOT_IDEMPOTENT: dict[str, str] = {}


# Where a literal of a test goes on in the next line.
_BETWEEN_LITERALS = re.compile(r"[\"']\s*\n\s*[rf]*[\"']")


def _all_test_text() -> str:
    """All lit files and all tests in Python, but for this file with its lists."""
    paths = [*TEST.rglob("*.mlir"), *(path for path in TEST.rglob("*.py") if path != Path(__file__))]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.parametrize("name", PASSES)
def test_pass_name_file_class_and_lit_file_agree(name: str) -> None:
    module, _, cls = PASSES[name].partition(":")
    assert name == "nimble-" + module.replace("_", "-")
    assert cls == "".join(word.capitalize() for word in module.split("_"))
    assert (ROOT / "passes" / f"{module}.py").is_file()
    assert (ROOT / "test" / "passes" / f"{module}.mlir").is_file()
    assert pass_class(name).name == name


def test_each_pass_is_registered() -> None:
    defined = set()
    for path in (ROOT / "passes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "ModulePass" for base in node.bases):
                defined.add(f"{path.stem}:{node.name}")
    assert defined == set(PASSES.values())


def test_each_lit_file_of_a_pass_has_its_pass() -> None:
    files = [file for file in lit_files("passes") if file.path.parent == TEST / "passes"]
    assert [file.id for file in files if owner(file) is None] == []


@pytest.mark.parametrize("name", PASSES)
def test_pass_is_documented(name: str) -> None:
    cls = pass_class(name)
    summary, _, rest = inspect.cleandoc(cls.__doc__ or "").partition("\n")
    assert summary.endswith("."), "the first line is a sentence"
    assert rest.startswith("\n"), "an empty line follows the summary"
    before, arrow, after = rest.partition("==>")
    assert arrow, "the docstring shows IR before ==> after"
    assert before.strip()
    assert after.strip()


def test_pass_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "passes.md").read_text(encoding="utf-8")
    assert written == passdoc.reference(), "run `python -m nimble_mlir.cli.passdoc docs/passes.md`"


def test_default_pipeline_has_every_pass() -> None:
    text = ",".join(text for _, text in DEFAULT_PIPELINE)
    names = {step.name for step in parse_pipeline(text).steps}
    assert set(PASSES) <= names


def test_each_op_has_a_round_trip() -> None:
    text = "\n".join(file.text for file in lit_files("dialects") if "invalid" not in file.id)
    missing = [op.OPERATION_NAME for op in Nimble.operations if f'"{op.OPERATION_NAME}"(' not in text]
    assert missing == []


def test_each_op_is_exported() -> None:
    assert [op.__name__ for op in Nimble.operations if op.__name__ not in dialects.__all__] == []


def test_each_attribute_has_a_round_trip() -> None:
    text = "\n".join(file.text for file in lit_files("dialects") if "invalid" not in file.id)
    attributes = [getattr(dialects, name) for name in dialects.__all__]
    kinds = [one for one in attributes if isinstance(one, type) and issubclass(one, Nimble.Attribute)]
    assert kinds
    assert [one.attr_name for one in kinds if f"#{one.attr_name}<" not in text] == []


def test_each_type_has_a_round_trip() -> None:
    text = "\n".join(file.text for file in lit_files("dialects") if "invalid" not in file.id)
    types = [getattr(dialects, name) for name in dialects.__all__]
    kinds = [one for one in types if isinstance(one, type) and issubclass(one, Nimble.Type)]
    assert kinds
    assert [one.type_name for one in kinds if f"!{one.type_name}" not in text] == []


def _names_without_test(names: list[str]) -> set[str]:
    text = _all_test_text()
    missing = set()
    for name in names:
        word = name.removeprefix("custom_call:")
        if not re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", text):
            missing.add(name)
    return missing


def test_each_lowering_rule_occurs_in_a_test() -> None:
    assert _names_without_test(list(lowering.LOWERING_RULES)) == LOWERING_RULES_WITHOUT_TEST


def test_each_shape_function_occurs_in_a_test() -> None:
    assert _names_without_test(list(shape_functions.SHAPE_FUNCTIONS)) == SHAPE_FUNCTIONS_WITHOUT_TEST


def test_each_message_occurs_in_a_test() -> None:
    text = _all_test_text()
    missing = {}
    for path in [*(ROOT / "dialects").glob("*.py"), *(ROOT / "passes").rglob("*.py")]:
        for line, fragment in message_fragments(path):
            if fragment not in text:
                missing[fragment] = f"{path.relative_to(ROOT)}:{line}"
    assert {fragment: where for fragment, where in missing.items() if fragment not in MESSAGES_WITHOUT_TEST} == {}
    assert set(missing) == MESSAGES_WITHOUT_TEST, "these have a test now: take them from the list"


def test_each_error_of_the_package_is_named_in_a_test() -> None:
    """Outside of the passes, whose messages stand word for word in lit cases."""
    text = f" {words(re.sub(_BETWEEN_LITERALS, '', _all_test_text()))} "
    missing = {
        f"{path.relative_to(ROOT)}:{line}": fragment
        for folder in ("python", "runtime")
        for path in (ROOT / folder).rglob("*.py")
        for line, fragment in error_fragments(path)
        if not is_named(fragment, text)
    }
    assert missing == {}


@pytest.mark.parametrize("file", lit_files("."), ids=lambda file: file.id)
def test_no_misspelt_check_line(file: LitFile) -> None:
    assert file.run_lines, "a lit file has a RUN line"
    assert misspelt_lines(file.text, file.prefixes) == []
    if "expected-" in file.text:
        assert any("--verify-diagnostics" in line for line in file.run_lines)


@pytest.mark.parametrize(
    "line",
    [
        "// CHECK_NEXT: x",
        "// CHEKC: x",
        "// CHECK : x",
        "// CHECK x",
        "// CHECK-LABLE: x",
        "// CHECK-NEX: x",
        "// CHECK-COUNT: x",
        "// CHECK-COUNT-x: x",
        "// CHECKNEXT: x",
        "  // CHECK-DAG x",
        "  // CHECK-SAMe: x",
        "// Check: x",
        "// check-next: x",
        "// CHECK{LITERL}: x",
        "// OTHRE: x",
        "// OTHER-LABEL x",
        "// RUN %nimble-opt",
        "// RNU: %nimble-opt",
    ],
)
def test_misspelt_check_line_is_found(line: str) -> None:
    assert misspelt_lines(line, {"CHECK", "OTHER"}) == [(1, line)]


@pytest.mark.parametrize(
    "line",
    [
        "// CHECK: x",
        "  // CHECK-NEXT: x",
        "// CHECK-COUNT-2: x",
        "// CHECK{LITERAL}: [[",
        "// OTHER-LABEL: x",
        "//CHECK: x",
        "// RUN: %nimble-opt",
        "// Check that the sum is right: it is.",
        "// What JAX emits: a sum.",
        "// Others: the rest.",
        "%0 = stablehlo.add %x, %x : tensor<4xf32>",
    ],
)
def test_what_is_no_misspelt_check_line(line: str) -> None:
    assert misspelt_lines(line, {"CHECK", "OTHERS_HERE", "OTHER"} if "OTHER-" in line else {"CHECK"}) == []


def _cases() -> list:
    cases = []
    for name in PASSES:
        for file in files_of_pass(name):
            lines = [line for line in file.run_lines if any(step.startswith(name) for step in file.passes(line))]
            cases += [pytest.param(name, file, file.passes(line), id=f"{name}-{file.path.stem}") for line in lines[:1]]
    return cases


@pytest.mark.parametrize(("name", "file", "steps"), _cases())
def test_pass_is_idempotent_and_keeps_locations(name: str, file: LitFile, steps: list[str]) -> None:
    """Runs each input of the pass through it, and its output once more; what fails as expected is left out."""
    step = next(step for step in steps if step.startswith(name))
    first = parse_pipeline(",".join(steps[: steps.index(step) + 1]))
    again = parse_pipeline(step)
    outcomes = [_run_twice(module, first, again) for module in file.modules]
    ran = [outcome for outcome in outcomes if outcome is not None]
    changed = [(once, twice) for once, twice, _ in ran if once != twice]
    if name in NOT_IDEMPOTENT:
        assert changed, f"{name} is idempotent: take it from the list"
    else:
        assert changed == []
    unlocated = [op for _, _, ops in ran for op in ops]
    assert unlocated == [] or name in WITHOUT_LOCATIONS


def _run_twice(text: str, first, again) -> tuple[str, str, list[str]] | None:
    context = new_context()
    context.allow_unregistered_dialects = True
    with context:
        try:
            module = ir.Module.parse(text)
            first.run(module)
        except (NimbleError, ir.MLIRError):
            return None
        once, unlocated = str(module), _unlocated(module)
        again.run(module)
        return once, str(module), unlocated


def _unlocated(module: ir.Module) -> list[str]:
    found = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        # MLIR itself fills the bodies of linalg's named ops, without locations.
        parent = op.parent.name if op.parent is not None else ""
        in_named = parent.startswith("linalg.") and parent != "linalg.generic"
        if op.location == ir.Location.unknown() and not in_named:
            found.append(str(op))
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


@pytest.mark.parametrize("name", PASSES)
def test_a_test_fails_without_the_pass(name: str, monkeypatch, capsysbinary) -> None:
    """Empties the body of the pass: the lit file of its name then fails."""
    file = LitFile(TEST / "passes" / f"{PASSES[name].partition(':')[0]}.mlir")
    line = file.run_lines[0]

    def passes() -> bool:
        return run_line(file, line, lambda: capsysbinary.readouterr().out)

    assert passes(), "with the pass, the lit file passes"
    monkeypatch.setattr(pass_class(name), "run", lambda self, module: None)
    assert not passes()

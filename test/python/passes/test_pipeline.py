"""The textual pipeline: what it reads and prints, what it says of mistakes, and what happens around each pass."""

import io

import pytest

from nimble_mlir.dialects import new_context
from nimble_mlir.errors import CompileError
from nimble_mlir.mlir import ir
from nimble_mlir.passes.infer_dims import InferDims
from nimble_mlir.passes.pipeline import DEFAULT_PIPELINE, STAGES, Instrumentation, parse_pipeline, run_default

PROGRAM = """
func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = call @g(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
func.func private @g(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = stablehlo.sine %x : tensor<?xf32> loc("model.py":7:3)
  return %0 : tensor<?xf32>
}
"""


@pytest.fixture
def module():
    context = new_context()
    with context:
        yield ir.Module.parse(PROGRAM)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", "builtin.module()"),
        ("builtin.module()", "builtin.module()"),
        ("nimble-infer-dims", "builtin.module(nimble-infer-dims)"),
        ("builtin.module( nimble-infer-dims , cse )", "builtin.module(nimble-infer-dims,cse)"),
        (
            "nimble-infer-dims,func.func(cse,canonicalize),nimble-verify-level{level=nimble},canonicalize{max-iterations=3}",
            "builtin.module(nimble-infer-dims,func.func(cse,canonicalize),nimble-verify-level{level=nimble},"
            "canonicalize{max-iterations=3})",
        ),
        ("func.func(cse),func.func(canonicalize)", "builtin.module(func.func(cse,canonicalize))"),
        ("builtin.module(builtin.module(cse))", "builtin.module(builtin.module(cse))"),
        ("builtin.module(func.func(),cse)", "builtin.module(cse)"),
        (
            "canonicalize{  max-iterations=3   top-down=false }",
            "builtin.module(canonicalize{max-iterations=3 top-down=false})",
        ),
        ("nimble-verify-level{level='linalg'}", "builtin.module(nimble-verify-level{level='linalg'})"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    pipeline = parse_pipeline(text)
    assert str(pipeline) == canonical
    assert str(parse_pipeline(canonical)) == canonical
    assert parse_pipeline(canonical) == pipeline


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("nimble-infer-dim", 1, "unknown pass 'nimble-infer-dim'; did you mean 'nimble-infer-dims'?"),
        ("cse, canonicalise", 6, "unknown pass 'canonicalise'; did you mean 'canonicalize'?"),
        ("quite-another-thing", 1, "unknown pass 'quite-another-thing'"),
        ("func.func(nimble-infer-dims)", 11, "runs on the module and cannot be nested in 'func.func'"),
        ("builtin.module(cse", 19, "expected ',' or ')' to close 'builtin.module('"),
        ("cse)", 4, "expected ',' or the end, found ')'"),
        ("cse,", 5, "expected the name of a pass or an op, found the end"),
        ("cse,,cse", 5, "expected the name of a pass or an op, found ','"),
        ("canonicalize{max-iterations=3", 13, "'{' is not closed"),
        ("canonicalize{no-such-option=3}", 1, "pass 'canonicalize': no such option no-such-option"),
        ("nimble-infer-dims{level=nimble}", 19, "pass 'nimble-infer-dims' has no option 'level'; it has: none"),
        ("nimble-verify-level{levl=nimble}", 21, "pass 'nimble-verify-level' has no option 'levl'; it has: level"),
        ("nimble-verify-level{=}", 21, "cannot read options '='; they are written key=value, separated by spaces"),
    ],
)
def test_mistake(text: str, column: int, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        parse_pipeline(text)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"pass pipeline:1:{column}: ")
    assert message in first
    assert shown.strip() == text.strip()
    assert caret.index("^") - shown.index(text) == column - 1


def test_steps_are_instrumented(module) -> None:
    seen = []
    dump = io.StringIO()
    instrument = Instrumentation(
        before=lambda step, _: seen.append(f"before {step}"),
        after=lambda step, _: seen.append(f"after {step}"),
        print_after_all=dump,
    )
    parse_pipeline("nimble-inline-calls,func.func(cse)").run(module, instrument=instrument)
    assert seen == ["before nimble-inline-calls", "after nimble-inline-calls", "before cse", "after cse"]
    assert [name for name, _, _ in instrument.timings] == ["nimble-inline-calls", "cse"]
    assert dump.getvalue().startswith("// -----// IR Dump After nimble-inline-calls //----- //\nmodule {")
    assert "100.0%  Total" in instrument.timing_report()


def test_error_of_a_pass_names_it_and_keeps_its_location(module) -> None:
    with pytest.raises(CompileError) as caught:
        parse_pipeline("nimble-inline-calls,nimble-infer-dims").run(module)
    assert str(caught.value) == (
        "model.py:7: operand 0 of 'stablehlo.sine' has type tensor<?xf32> without dims [pass nimble-infer-dims]"
    )
    assert str(caught.value.location) == 'loc("model.py":7:3)'


def test_error_of_an_upstream_pass_names_it(module) -> None:
    with pytest.raises(CompileError) as caught:
        parse_pipeline("nimble-inline-calls,one-shot-bufferize").run(module)
    assert str(caught.value) == "model.py:7: op was not bufferized [pass one-shot-bufferize]"
    assert str(caught.value.location) == 'loc("model.py":7:3)'


def test_invalid_ir_names_the_pass_that_made_it(module, monkeypatch) -> None:
    def breaks(self, module: ir.Module) -> None:
        op = module.body.operations[1].entry_block.operations[0]
        op.results[0].set_type(ir.RankedTensorType.get([4, 4], ir.F32Type.get()))

    monkeypatch.setattr(InferDims, "run", breaks)
    pipeline = parse_pipeline("nimble-infer-dims")
    with pytest.raises(CompileError) as caught:
        pipeline.run(module)
    assert str(caught.value).startswith("model.py:7: 'stablehlo.sine' op ")
    assert str(caught.value).endswith("[invalid IR after pass nimble-infer-dims]")


def test_verification_can_be_left_out(module, monkeypatch) -> None:
    def breaks(self, module: ir.Module) -> None:
        module.body.operations[1].entry_block.operations[0].results[0].set_type(ir.F32Type.get())

    monkeypatch.setattr(InferDims, "run", breaks)
    parse_pipeline("nimble-infer-dims").run(module, instrument=Instrumentation(verify=False))
    with pytest.raises(ir.MLIRError):
        module.operation.verify()


def test_a_mistake_in_a_pass_keeps_its_type(module, monkeypatch) -> None:
    def fails(self, module: ir.Module) -> None:
        raise KeyError("s")

    monkeypatch.setattr(InferDims, "run", fails)
    with pytest.raises(KeyError) as caught:
        parse_pipeline("nimble-infer-dims").run(module)
    assert caught.value.__notes__ == ["in pass nimble-infer-dims"]


def test_default_pipeline_stage_by_stage(module) -> None:
    assert STAGES == ("nimble", "shapes", "linalg", "iree")
    seen = []
    run_default(module, until="shapes", on_stage=lambda stage, ir_module: seen.append((stage, str(ir_module))))
    assert [stage for stage, _ in seen] == ["nimble", "shapes"]
    assert "@f$shape" not in seen[0][1]
    assert "@f$shape" in seen[1][1]


def test_unknown_stage(module) -> None:
    with pytest.raises(CompileError, match="unknown stage 'vmfb'; the stages are nimble, shapes, linalg, iree"):
        run_default(module, until="vmfb")


def test_default_pipeline_is_canonical() -> None:
    for _, text in DEFAULT_PIPELINE:
        assert str(parse_pipeline(text)) == f"builtin.module({text})"

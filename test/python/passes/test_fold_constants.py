"""`nimble-fold-constants` against StableHLO's reference interpreter: what is folded has the interpreter's bits."""

import itertools
import random

import numpy as np
import pytest

from nimble_mlir.dialects import new_context
from nimble_mlir.mlir import ir, stablehlo
from nimble_mlir.passes.fold_constants import _RULES, FoldConstants

_INTEGERS = [f"{sign}i{width}" for sign in ("", "u") for width in (8, 16, 32, 64)]
_FLOATS = ["f16", "bf16", "f32", "f64"]
_BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum"]
_UNARY = ["abs", "negate", "sqrt"]
_PER_CASE = 12


def literals(dtype: str, rng: random.Random) -> str:
    if dtype == "i1":
        return rng.choice(["true", "false"])
    if dtype in _FLOATS:
        return rng.choice(["0.0", "-0.0", "1.0", "-1.5", "3.0e4", "1.0e-3", repr(rng.uniform(-9, 9))])
    width = int(dtype.lstrip("ui"))
    low, high = (0, (1 << width) - 1) if dtype.startswith("u") else (-(1 << width - 1), (1 << width - 1) - 1)
    return str(rng.choice([0, 1, low, high, rng.randint(low, high)]))


def cases() -> list[tuple[str, str, str]]:
    """(op, type of its operands, type of its result)."""
    found = [(op, dtype, dtype) for op in _BINARY + _UNARY for dtype in _FLOATS + _INTEGERS]
    found = [(op, a, b) for op, a, b in found if not (op in ("sqrt",) and a in _INTEGERS)]
    found = [(op, a, b) for op, a, b in found if not (op == "abs" and a.startswith("u"))]
    found += [("compare", dtype, "i1") for dtype in _FLOATS + _INTEGERS]
    kinds = [*_FLOATS, *_INTEGERS, "i1"]
    return found + [("convert", a, b) for a, b in itertools.product(kinds, kinds) if a != b]


def text(op: str, dtype: str, result: str, rng: random.Random) -> str:

    count = 1 if op in (*_UNARY, "convert") else 2
    lines = [f"%{i} = stablehlo.constant dense<{literals(dtype, rng)}> : tensor<{dtype}>" for i in range(count)]
    names = ", ".join(f"%{i}" for i in range(count))
    types = ", ".join([f"tensor<{dtype}>"] * count)
    attribute = ""
    if op == "compare":
        direction = rng.choice(["EQ", "NE", "LT", "LE", "GT", "GE"])
        attribute = f" {{comparison_direction = #stablehlo<comparison_direction {direction}>}}"
    lines.append(f'%r = "stablehlo.{op}"({names}){attribute} : ({types}) -> tensor<{result}>')
    body = "\n".join(lines)
    return f"func.func @main() -> tensor<{result}> {{\n{body}\nreturn %r : tensor<{result}>\n}}"


def bits(module: ir.Module) -> str:
    (value,) = stablehlo.eval_module(module, [])
    return str(value)


@pytest.mark.parametrize(("op", "dtype", "result"), cases())
def test_what_is_folded_is_what_the_interpreter_gives(op: str, dtype: str, result: str) -> None:
    rng = random.Random(f"{op}{dtype}{result}")
    folded = 0
    with new_context(), ir.Location.unknown():
        for _ in range(_PER_CASE):
            source = text(op, dtype, result, rng)
            module = ir.Module.parse(source)
            FoldConstants().run(module)
            module.operation.verify()
            if f"stablehlo.{op}" in str(module):
                continue
            folded += 1
            assert bits(module) == bits(ir.Module.parse(source)), source
    assert folded or (op == "divide" and dtype in _INTEGERS)


def test_select_takes_one_of_its_operands() -> None:
    with new_context(), ir.Location.unknown():
        for predicate, expected in (("true", "1.0"), ("false", "2.0")):
            module = ir.Module.parse(
                f"""func.func @main() -> tensor<f32> {{
                  %p = stablehlo.constant dense<{predicate}> : tensor<i1>
                  %a = stablehlo.constant dense<1.0> : tensor<f32>
                  %b = stablehlo.constant dense<2.0> : tensor<f32>
                  %r = stablehlo.select %p, %a, %b : tensor<i1>, tensor<f32>
                  return %r : tensor<f32>
                }}"""
            )
            FoldConstants().run(module)
            assert "stablehlo.select" not in str(module)
            assert bits(module) == str(ir.DenseElementsAttr.get(np.float32(expected)))


def test_each_rule_is_in_a_case() -> None:
    assert {f"stablehlo.{op}" for op, _, _ in cases()} | {"stablehlo.select"} == _RULES.keys()

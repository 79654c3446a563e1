"""Workarounds for bugs of other projects: each test shows the bug, and fails when it is gone and the workaround can go."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nimble_mlir.dialects import BroadcastInDimOp, CheckOp, new_context, opaque
from nimble_mlir.mlir import arith, ir


@pytest.fixture
def block():
    with new_context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            yield module


def test_ext_takes_false_attributes_for_missing_ones(block):
    """torch-mlir 20261001, dialects/ext.py, `process_attr`: `if attr:`. Worked around by dialects.core.opaque."""
    scalar = arith.constant(ir.IntegerType.get_signless(1), 1)
    kind = ir.StringAttr.get("kind")
    CheckOp(scalar, kind, ir.StringAttr.get("text"))
    operand = ir.Operation.create("tensor.empty", results=[ir.RankedTensorType.get([], ir.F32Type.get())]).result
    empty = ir.DenseI64ArrayAttr.get([])
    with pytest.raises(RuntimeError, match="invalid"):
        BroadcastInDimOp(operand, [], operand.type, empty)
    assert list(BroadcastInDimOp(operand, [], operand.type, opaque(empty)).broadcast_dimensions) == []


def test_dense_attributes_of_complex_numbers_cannot_be_read(block):
    """torch-mlir 20261001: no Python class for them. Worked around in passes/constants.py."""
    constant = ir.Operation.parse(
        "stablehlo.constant dense<(1.0, 2.0)> : tensor<2xcomplex<f32>>", source_name="constant"
    )
    with pytest.raises(TypeError, match="unknown element type"):
        constant.attributes["value"]


def test_bindings_look_for_dialect_modules_without_end():
    """LLVM 24 git: a dialect without Python module is searched for at every op. Worked around in nimble_mlir/mlir.py."""
    code = (
        "import sys\n"
        "from torch_mlir import ir\n"
        "from torch_mlir._mlir_libs import _stablehlo\n"
        "searches = []\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        searches.append(name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "context = ir.Context()\n"
        "_stablehlo.register_dialect(context)\n"
        "with context:\n"
        "    m = ir.Module.parse('func.func @f(%x: tensor<f32>) { ' + '%0 = stablehlo.add %x, %x : tensor<f32> '\n"
        "                        '%1 = stablehlo.add %x, %x : tensor<f32> return }')\n"
        "    for op in m.body.operations[0].regions[0].blocks[0].operations: op.operation.name\n"
        "print(searches.count('torch_mlir.dialects.stablehlo'))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) >= 2

"""The programs of the runtime's tests. `@name@` in the MLIR stands for the signature attribute of entry `name`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from nimble_mlir.dims import SymbolInfo
from nimble_mlir.dims.signature import CallTree
from nimble_mlir.dims.tree import LEAF, NONE, Tree


class Pair(NamedTuple):
    x: Any
    none: Any


class State:
    """Tests register it with JAX."""

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


@dataclass(frozen=True)
class Program:
    mlir: str
    entries: tuple[dict[str, Any], ...]


_ADD = """
func.func @add(%a: tensor<3x4xf32>, %b: tensor<3x4xf32>) -> tensor<3x4xf32> attributes {@add@} {
  %0 = arith.addf %a, %b : tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}
"""

# ids + mask, where both are [b, s], and the ids multiplied by 2.
_TOKENS = """
func.func @tokens(%ids: tensor<?x?xi32>, %mask: tensor<?x?xi32>) -> (tensor<?x?xi32>, tensor<?x?xi32>)
    attributes {@tokens@} {
  %0 = arith.addi %ids, %mask : tensor<?x?xi32>
  %1 = arith.addi %ids, %ids : tensor<?x?xi32>
  return %0, %1 : tensor<?x?xi32>, tensor<?x?xi32>
}
"""
_BS = (SymbolInfo("b", 0, 64), SymbolInfo("s", 0, 4096))

# dtype -> MLIR element type
DTYPES = {
    "bool": "i1",
    "int8": "i8",
    "uint8": "i8",
    "int16": "i16",
    "uint16": "i16",
    "int32": "i32",
    "uint32": "i32",
    "int64": "i64",
    "uint64": "i64",
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "complex<f32>",
    "complex128": "complex<f64>",
    "int4": "i8",  # as bytes, as passes/hold_narrow_elements.py has them
    "uint2": "i8",
    "float4_e2m1fn": "i8",
    "float8_e4m3fn": "i8",
    "float8_e8m0fnu": "i8",
}


def _echo(dtype: str, element: str) -> str:
    return f"""
func.func @echo_{dtype}(%x: tensor<?x?x{element}>) -> tensor<?x?x{element}> attributes {{@echo_{dtype}@}} {{
  return %x : tensor<?x?x{element}>
}}
func.func @transpose_{dtype}(%x: tensor<?x?x{element}>) -> tensor<?x?x{element}> attributes {{@transpose_{dtype}@}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = tensor.dim %x, %c0 : tensor<?x?x{element}>
  %n = tensor.dim %x, %c1 : tensor<?x?x{element}>
  %empty = tensor.empty(%n, %m) : tensor<?x?x{element}>
  %0 = linalg.transpose ins(%x : tensor<?x?x{element}>) outs(%empty : tensor<?x?x{element}>) permutation = [1, 0]
  return %0 : tensor<?x?x{element}>
}}
"""


def _echo_entries(dtype: str) -> tuple[dict[str, Any], ...]:
    symbols = (SymbolInfo("m", 0), SymbolInfo("n", 0))
    x = {"x": (dtype, ("m", "n"), "array", None, True)}
    return (
        {"name": f"echo_{dtype}", "arguments": x, "results": [(dtype, ("m", "n"))], "symbols": symbols},
        {"name": f"transpose_{dtype}", "arguments": x, "results": [(dtype, ("n", "m"))], "symbols": symbols},
    )


_FLOAT_N = {"x": ("float32", ("n",))}
_READ_ONLY_N = {"x": ("float32", ("n",), "array", None, True)}
_N = (SymbolInfo("n", 0),)

_MEMORY = """
func.func @twice(%x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) attributes {@twice@} {
  return %x, %x : tensor<?xf32>, tensor<?xf32>
}
func.func @increment(%x: tensor<?xf32>) -> tensor<?xf32> attributes {@increment@} {
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %0 = tensor.insert_slice %one into %x[0] [1] [1] : tensor<1xf32> into tensor<?xf32>
  return %0 : tensor<?xf32>
}
func.func @weights() -> tensor<16384xi32> attributes {@weights@} {
  %0 = util.unfoldable_constant dense<7> : tensor<16384xi32>
  return %0 : tensor<16384xi32>
}
func.func @constant() -> tensor<4xi32> attributes {@constant@} {
  %0 = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  return %0 : tensor<4xi32>
}
func.func @tail(%x: tensor<?xf32>) -> (tensor<8xf32>, tensor<?xf32>) attributes {@tail@} {
  %0 = tensor.extract_slice %x[8] [8] [1] : tensor<?xf32> to tensor<8xf32>
  return %0, %x : tensor<8xf32>, tensor<?xf32>
}
func.func @double(%x: tensor<f32>) -> tensor<f32> attributes {@double@} {
  %0 = arith.addf %x, %x : tensor<f32>
  return %0 : tensor<f32>
}
"""

_CHECKS = """
func.func @limited(%xs: tensor<?xf32>) -> tensor<?xf32> attributes {@limited@} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %x0 = tensor.extract %xs[%c0] : tensor<?xf32>
  %ok = arith.cmpf oge, %x0, %zero : f32
  cf.assert %ok, "[nimble.check bounds] 'xs[0]' must be >= 0; it is the start (model.py:12)"
  %0 = arith.addf %xs, %xs : tensor<?xf32>
  return %0 : tensor<?xf32>
}
func.func @broken(%xs: tensor<?xf32>) -> tensor<?xf32> attributes {@broken@} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %x0 = tensor.extract %xs[%c0] : tensor<?xf32>
  %ok = arith.cmpf oge, %x0, %zero : f32
  cf.assert %ok, "something else"
  %0 = arith.addf %xs, %xs : tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""
_XS = {"xs": ("float32", ("s",))}

# Structures: one function over three vectors, with different trees.
_STRUCTURED = "".join(
    f"""
func.func @{name}(%a: tensor<?xf32>, %b: tensor<?xf32>, %c: tensor<?xf32>)
    -> (tensor<?xf32>, tensor<?xf32>) attributes {{@{name}@}} {{
  %0 = arith.addf %a, %b : tensor<?xf32>
  %1 = arith.subf %a, %c : tensor<?xf32>
  return %1, %0 : tensor<?xf32>, tensor<?xf32>
}}
"""
    for name in ("params", "registered")
)
_PARAMS_IN = CallTree(
    positional=(
        ("params", Tree("dict", ("b", "w"), (LEAF, LEAF))),
        ("nothing", NONE),
    ),
    keyword=(("pair", Tree("namedtuple", ("x", "none"), (LEAF, NONE), "runtime_programs:Pair")),),
)
_PARAMS_OUT = Tree("dict", ("diff", "sum"), (Tree("list", children=(LEAF,)), LEAF))
_THREE = dict.fromkeys(("params['b']", "params['w']", "pair.x"), ("float32", ("n",)))
_REGISTERED = Tree("custom", children=(LEAF, LEAF), type="runtime_programs:State", note="PyTreeDef(CustomNode(State))")

_NUMBERS = """
func.func @power(%x: tensor<?xf32>, %n: tensor<i32>) -> tensor<?xi32> attributes {@power@} {
  %0 = tensor.extract %n[] : tensor<i32>
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?xf32>
  %empty = tensor.empty(%d) : tensor<?xi32>
  %1 = linalg.fill ins(%0 : i32) outs(%empty : tensor<?xi32>) -> tensor<?xi32>
  return %1 : tensor<?xi32>
}
func.func @half(%x: tensor<f32>) -> tensor<f32> attributes {@half@} {
  %h = arith.constant dense<0.5> : tensor<f32>
  %0 = arith.mulf %x, %h : tensor<f32>
  return %0 : tensor<f32>
}
func.func @negate(%x: tensor<i1>) -> tensor<i1> attributes {@negate@} {
  %t = arith.constant dense<true> : tensor<i1>
  %0 = arith.xori %x, %t : tensor<i1>
  return %0 : tensor<i1>
}
func.func @split(%key: tensor<?x2xi32>) -> tensor<?x2xi32> attributes {@split@} {
  %0 = arith.addi %key, %key : tensor<?x2xi32>
  return %0 : tensor<?x2xi32>
}
"""

# Sizes with arithmetic: y is [2*s + 1], the result [b*s] and one whose size depends on values.
_SIZES = """
func.func @sizes(%x: tensor<?x?xf32>, %y: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) attributes {@sizes@} {
  %0 = tensor.collapse_shape %x [[0, 1]] : tensor<?x?xf32> into tensor<?xf32>
  return %0, %y : tensor<?xf32>, tensor<?xf32>
}
func.func @counted(%x: tensor<?xf32>) -> tensor<?xf32> attributes {@counted@} { return %x : tensor<?xf32> }
"""

PROGRAMS: dict[str, Program] = {
    "add": Program(
        _ADD,
        (
            {
                "name": "add",
                "arguments": {"a": ("float32", (3, 4)), "b": ("float32", (3, 4))},
                "results": [("float32", (3, 4))],
            },
        ),
    ),
    "tokens": Program(
        _TOKENS,
        (
            {
                "name": "tokens",
                "arguments": {"ids": ("int32", ("b", "s")), "mask": ("int32", ("b", "s"))},
                "results": [("int32", ("b", "s"))] * 2,
                "symbols": _BS,
            },
        ),
    ),
    "types": Program(
        "".join(_echo(*item) for item in DTYPES.items()),
        tuple(entry for dtype in DTYPES for entry in _echo_entries(dtype)),
    ),
    "memory": Program(
        _MEMORY,
        (
            {"name": "twice", "arguments": _READ_ONLY_N, "results": [("float32", ("n",))] * 2, "symbols": _N},
            {"name": "increment", "arguments": _FLOAT_N, "results": [("float32", ("n",))], "symbols": _N},
            {"name": "weights", "arguments": {}, "results": [("int32", (16384,))]},
            {"name": "constant", "arguments": {}, "results": [("int32", (4,))]},
            {
                "name": "tail",
                "arguments": _READ_ONLY_N,
                "results": [("float32", (8,)), ("float32", ("n",))],
                "symbols": (SymbolInfo("n", 16),),
            },
            {"name": "double", "arguments": {"x": ("float32", ())}, "results": [("float32", ())]},
        ),
    ),
    "checks": Program(
        _CHECKS,
        tuple(
            {"name": name, "arguments": _XS, "results": [("float32", ("s",))], "symbols": (SymbolInfo("s"),)}
            for name in ("limited", "broken")
        ),
    ),
    "structured": Program(
        _STRUCTURED,
        (
            {
                "name": "params",
                "arguments": _THREE,
                "results": [("float32", ("n",))] * 2,
                "in_tree": _PARAMS_IN,
                "out_tree": _PARAMS_OUT,
                "symbols": _N,
            },
            {
                "name": "registered",
                "arguments": dict.fromkeys(("x", "state.a", "state.b"), ("float32", ("n",))),
                "results": [("float32", ("n",))] * 2,
                "in_tree": CallTree((("x", LEAF), ("state", _REGISTERED))),
                "out_tree": _REGISTERED,
                "symbols": _N,
            },
        ),
    ),
    "numbers": Program(
        _NUMBERS,
        (
            {
                "name": "power",
                "arguments": {"x": ("float32", ("n",)), "n": ("int32", (), "scalar")},
                "results": [("int32", ("n",))],
                "symbols": _N,
            },
            {"name": "half", "arguments": {"x": ("float32", (), "scalar")}, "results": [("float32", ())]},
            {"name": "negate", "arguments": {"x": ("bool", (), "scalar")}, "results": [("bool", ())]},
            {
                "name": "split",
                "arguments": {"key": ("uint32", ("b", 2), "key", "threefry2x32")},
                "results": [("uint32", ("b", 2), "key", "threefry2x32")],
                "symbols": (SymbolInfo("b"),),
            },
        ),
    ),
    "sizes": Program(
        _SIZES,
        (
            {
                "name": "sizes",
                "arguments": {"x": ("float32", ("b", "s")), "y": ("float32", ("2*s + 1",))},
                "results": [("float32", ("b*s",)), ("float32", ("2*s + 1",))],
                "symbols": (SymbolInfo("b", 1, 8), SymbolInfo("s")),
                "constraints": ("b*s <= 24",),
            },
            {
                "name": "counted",
                "arguments": _FLOAT_N,
                "results": [("float32", ("_n0",))],
                "symbols": (*_N, SymbolInfo("_n0", 0)),
            },
        ),
    ),
}

"""Pytrees and signatures: structure of arguments and results with and without JAX, and the JSON that holds them."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import make_entry
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_programs import PROGRAMS, Pair, State

from nimble_mlir.dims import SymbolInfo
from nimble_mlir.dims.signature import ArgumentSpec, CallTree, EntryPoint, Signature
from nimble_mlir.dims.tree import LEAF, NONE, CustomNodeError, Tree, flatten, unflatten
from nimble_mlir.errors import CaptureError, LoadError, ShapeError
from nimble_mlir.runtime import Module, load, open_module

Get = Callable[[str], Module]


def fails(call: Callable[..., Any], *args: Any, message: str, error: type = ShapeError, **kwargs: Any) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call(*args, **kwargs)


# --- trees ---------------------------------------------------------------------------------------------------------

Triple = collections.namedtuple("Triple", "x y z")
keys = st.text(max_size=3) | st.sampled_from(["w", "b", "layers"])
values = st.recursive(
    st.none() | st.integers(0, 9).map(float),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(st.integers(0, 5), inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3).map(collections.OrderedDict)
        | st.builds(Triple, inner, inner, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(values)
def test_trees_agree_with_jax(value: Any) -> None:
    tree_util = pytest.importorskip("jax").tree_util
    leaves, treedef = tree_util.tree_flatten(value)
    tree = Tree.from_treedef(treedef)
    assert tree.num_leaves == treedef.num_leaves
    assert flatten(tree, value, "x") == leaves
    rebuilt = unflatten(tree, leaves)
    assert tree_util.tree_structure(rebuilt) == treedef
    assert rebuilt == value
    assert Tree.from_json(json.loads(json.dumps(tree.to_json()))) == tree
    assert str(tree)


@settings(deadline=None)
@given(values, values)
def test_other_structures_are_refused_as_jax_does(value: Any, other: Any) -> None:
    tree_util = pytest.importorskip("jax").tree_util
    tree = Tree.from_treedef(tree_util.tree_structure(value))
    refusal = None
    try:
        assert len(flatten(tree, other, "x")) == tree.num_leaves
    except ShapeError as error:
        refusal = str(error)
    if refusal is not None:
        assert tree_util.tree_structure(other) != tree_util.tree_structure(value)
        assert "'x" in refusal


def test_structure_messages() -> None:
    params = Tree("dict", ("b", "w"), (LEAF, LEAF))
    fails(flatten, params, {"b": 1}, "params", message="missing key 'w' in argument 'params'")
    fails(flatten, params, {"b": 1, "w": 2, "foo": 3}, "params", message="unexpected key 'foo' in argument 'params'")
    message = "argument 'params': expected a dict with keys 'b', 'w', got list"
    fails(flatten, params, [1, 2], "params", message=message)
    fails(flatten, Tree("dict"), None, "p", message="argument 'p': expected an empty dict, got None")
    fails(flatten, NONE, 3, "p", message="argument 'p': expected None, got int")
    two = Tree("list", children=(LEAF, params))
    fails(flatten, two, (1, {}), "xs", message="argument 'xs': expected a list of 2 elements, got tuple")
    fails(flatten, two, [1], "xs", message="argument 'xs': expected a list of 2 elements, got 1 element")
    fails(flatten, two, [1, {"b": 1}], "xs", message="missing key 'w' in argument 'xs[1]'")
    nested = Tree("dict", ("a",), (Tree("namedtuple", ("x",), (NONE,), "m:P"),))
    fails(flatten, nested, {"a": 1}, "n", message="argument 'n['a']': expected a P(x), got int")
    one = collections.namedtuple("One", "x")
    fails(flatten, nested, {"a": one(3)}, "n", message="argument 'n['a'].x': expected None, got int")
    fails(
        flatten,
        Tree("tuple", children=(LEAF,)),
        [1],
        "t",
        message="argument 't': expected a tuple of 1 element, got list",
    )


def test_namedtuples_without_their_class() -> None:
    for name in ("absent_module:Gone", "runtime_programs:Absent", "runtime_programs:State"):
        value = unflatten(Tree("namedtuple", ("x", "y"), (LEAF, LEAF), name), [1, 2])
        assert value == (1, 2)
        assert (value.x, value.y) == (1, 2)
        assert type(value).__name__ == name.partition(":")[2]
    pair = Tree("namedtuple", ("x", "none"), (LEAF, NONE), "runtime_programs:Pair")
    assert type(unflatten(pair, [1])) is Pair
    other_fields = Tree("namedtuple", ("x", "more"), (LEAF, LEAF), "runtime_programs:Pair")
    assert type(unflatten(other_fields, [1, 2])) is not Pair


def test_unflatten_counts_leaves() -> None:
    with pytest.raises(ValueError, match="3 leaves were given for a structure of 2"):
        unflatten(Tree("tuple", children=(LEAF, LEAF)), [1, 2, 3])


def test_trees_that_cannot_be_described() -> None:
    tree_util = pytest.importorskip("jax").tree_util
    treedef = tree_util.tree_structure({(1, 2): 3})
    fails(Tree.from_treedef, treedef, message="dictionary key (1, 2) is not a str, int or bool", error=CaptureError)
    fails(Tree.from_json, {"set": []}, message="unknown pytree node 'set' in the signature", error=LoadError)
    for data in (3, {"list": 3}, {"dict": [1]}, {"list": [], "dict": []}, {"custom": ["a"]}, "x"):
        with pytest.raises(LoadError, match=r"^malformed pytree structure in the signature: "):
            Tree.from_json(data)


# --- signatures ----------------------------------------------------------------------------------------------------


def test_signatures_round_trip() -> None:
    entries = {e["name"]: make_entry(**e) for program in PROGRAMS.values() for e in program.entries}
    signature = Signature(entries, "0.1.0", "3.13.0", "llvm-cpu", "local-task")
    assert Signature.from_json(signature.to_json()) == signature
    assert Signature.from_json(*map(signature.entry_json, entries)) == signature
    assert signature.to_json().startswith('{"nimble_schema":1,"nimble":"0.1.0","iree":"3.13.0","target":"llvm-cpu"')
    assert signature.to_json().isascii()
    unicode = make_entry(
        "größe", {"x['ключ\"\\']": ("float32", ())}, [("float32", ())], in_tree=CallTree.of_arrays("x")
    )
    signature = Signature({"größe": unicode}, "0.1.0", "3.13.0")
    assert signature.to_json().isascii()
    assert Signature.from_json(signature.to_json()) == signature


def test_signature_text() -> None:
    entry = make_entry(
        "step",
        {"params['w']": ("bfloat16", ("d", 4)), "ids": ("int32", ("b", "2*s")), "key": ("uint32", (2,), "key", "rbg")},
        [("float32", ("b", "s"))],
        in_tree=CallTree((("params", Tree("dict", ("w",), (LEAF,))), ("ids", LEAF)), (("key", LEAF),)),
        symbols=(SymbolInfo("d", multiple_of=8), SymbolInfo("b", 0, 64), SymbolInfo("s", 2)),
        constraints=("b*s <= 4096",),
    )
    signature = Signature({"step": entry}, "0.1.0", "3.13.0")
    assert str(signature).splitlines() == [
        "module for llvm-cpu (nimble_mlir 0.1.0, IREE 3.13.0)",
        "step(params={'w': *}, ids=*, key=*) -> *    # step.py:1",
        "    params['w']: bfloat16[d, 4]",
        "    ids: int32[b, 2*s]",
        "    key: uint32[2] (key rbg)",
        "    -> [0]: float32[b, s]",
        "    where d is a multiple of 8, 0 <= b <= 64, s >= 2, b*s <= 4096",
    ]


def test_signature_messages() -> None:
    entries = {e["name"]: make_entry(**e) for e in PROGRAMS["memory"].entries}
    signature = Signature(entries, "0.1.0", "3.13.0")
    text = signature.entry_json("twice")
    fails(Signature.from_json, message="the module has no entry points", error=LoadError)
    message = "the module has two entry points called 'twice'"
    fails(Signature.from_json, text, text, message=message, error=LoadError)
    other = Signature(entries, "0.1.0", "3.14.0").entry_json("tail")
    message = "the entry points of the module disagree about versions or target"
    fails(Signature.from_json, text, other, message=message, error=LoadError)
    message = (
        "the module's signature has schema 2, but this nimble_mlir reads schema 1: it was compiled by nimble_mlir 0.1.0"
    )
    fails(Signature.from_json, text.replace(":1,", ":2,", 1), message=message, error=LoadError)
    for broken in (
        "",
        "[]",
        "{}",
        "3",
        text[:-1],
        text.replace('"arguments"', '"argument"'),
        text.replace('"n"', '"n +"'),
    ):
        with pytest.raises(LoadError, match=r"^malformed signature in the module: "):
            Signature.from_json(broken)
    with pytest.raises(ValueError, match=r"entry 'f': 1 arguments for a structure of 2 leaves"):
        EntryPoint("f", (ArgumentSpec("x", "float32", ()),), (), CallTree.of_arrays("x", "y"), NONE)


# --- calls ---------------------------------------------------------------------------------------------------------


def vector(value: float) -> np.ndarray:
    return np.full(3, value, np.float32)


def test_calls_with_structures(module: Get) -> None:
    params = module("structured").params
    weights = {"w": vector(5), "b": vector(2)}
    result = params(weights, None, pair=Pair(vector(1), None))
    assert list(result) == ["diff", "sum"]
    assert isinstance(result["diff"], list)
    np.testing.assert_array_equal(result["diff"], [vector(1)])
    np.testing.assert_array_equal(result["sum"], vector(7))
    assert params.output_shapes(weights, None, pair=Pair(vector(1), None)) == {"diff": [(3,)], "sum": (3,)}
    pair = Pair(vector(1), None)
    fails(params, weights, None, message="missing argument 'pair'")
    fails(params, weights, pair=pair, message="missing argument 'nothing'")
    fails(params, weights, 1, pair=pair, message="argument 'nothing': expected None, got int")
    message = "3 positional arguments were given, but 2 are expected ('params', 'nothing')"
    fails(params, weights, None, pair, message=message)
    message = "argument 'pair': expected a Pair(x, none), got tuple"
    fails(params, weights, None, pair=(vector(1), None), message=message)
    message = "argument 'params': expected a dict with keys 'b', 'w', got ndarray"
    fails(params, vector(1), None, pair=pair, message=message)
    bad = {"w": vector(5).astype(np.float64), "b": vector(2)}
    message = "argument 'params['w']' has dtype float64, but float32 is expected"
    fails(params, bad, None, pair=pair, message=message)
    bad = {"w": vector(5)[:2], "b": vector(2)}
    message = "argument 'params['w']' axis 0 is 2, but 'n' is 3 (argument 'params['b']' axis 0)"
    fails(params, bad, None, pair=pair, message=message)


@pytest.fixture(scope="module")
def tree_util() -> Any:
    tree_util = pytest.importorskip("jax").tree_util
    tree_util.register_pytree_node(State, lambda s: ((s.a, s.b), None), lambda _, children: State(*children))
    return tree_util


def test_types_registered_with_jax(vmfb: Callable[[str], Any], tree_util: Any) -> None:
    state = State(vector(2), vector(1))
    in_treedef = tree_util.tree_structure(((1, State(1, 1)), {}))
    out_treedef = tree_util.tree_structure(State(1, 1))
    module = open_module(vmfb("structured"), live_treedefs={"registered": (in_treedef, out_treedef)})
    for result in (module.registered(vector(5), state), module.registered(vector(5), state=state)):
        assert isinstance(result, State)
        np.testing.assert_array_equal(result.a, vector(4))
        np.testing.assert_array_equal(result.b, vector(7))
    shapes = module.registered.output_shapes(vector(5), state)
    assert (shapes.a, shapes.b) == ((3,), (3,))
    message = (
        "argument 'state': expected the structure PyTreeDef(CustomNode(State[None], [*, *])), got PyTreeDef([*, *])"
    )
    fails(module.registered, vector(5), [vector(2), vector(1)], message=message)
    assert Tree.from_treedef(out_treedef) == Tree(
        "custom", (), (LEAF, LEAF), "runtime_programs:State", str(out_treedef)
    )


def test_types_registered_with_jax_after_loading(vmfb: Callable[[str], Any]) -> None:
    registered = load(vmfb("structured")).registered
    message = (
        "the result holds a runtime_programs:State, a type registered with JAX that only the process which compiled "
        "the module can put together; Module.call_flat returns a flat list of arrays"
    )
    tree = registered.signature.out_tree
    fails(unflatten, tree, [1, 2], message=message, error=CustomNodeError)
    message = (
        "argument 'state' is a runtime_programs:State, a type registered with JAX that only the process which compiled "
        "the module can take apart; pass a flat list of arrays to Module.call_flat"
    )
    fails(registered, vector(5), State(1, 1), message=message, error=CustomNodeError)
    np.testing.assert_array_equal(registered.call_flat([vector(5), vector(2), vector(1)]), [vector(4), vector(7)])

"""The BERT of examples/bert.py as an ONNX model with free batch and length, and a session of onnxruntime for it.

The graph is written as exporters write it (a layer norm and a gelu op each), so that onnxruntime's own fusions apply.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


class _Graph:
    """Nodes and initializers in the making; every method returns the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def linear(self, x: str, p: dict[str, np.ndarray]) -> str:
        return self.op("Add", self.op("MatMul", x, self.constant(p["w"])), self.constant(p["b"]))

    def layer_norm(self, x: str, p: dict[str, np.ndarray]) -> str:
        scale, bias = self.constant(p["scale"]), self.constant(p["bias"])
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)


def _attention(graph: _Graph, x: str, bias: str, p: dict[str, Any], width: int, heads: int) -> str:
    split = graph.constant([0, 0, heads, width // heads], np.int64)

    def part(key: str, order: list[int]) -> str:
        return graph.op("Transpose", graph.op("Reshape", graph.linear(x, p[key]), split), perm=order)

    scores = graph.op("MatMul", part("query", [0, 2, 1, 3]), part("key", [0, 2, 3, 1]))
    scores = graph.op("Add", graph.op("Div", scores, graph.constant(np.sqrt(width // heads))), bias)
    mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), part("value", [0, 2, 1, 3]))
    mixed = graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
    return graph.linear(graph.op("Reshape", mixed, graph.constant([0, 0, width], np.int64)), p["output"])


def make_session(params: dict[str, Any], bert: ModuleType) -> onnxruntime.InferenceSession:
    """A session with inputs ids and mask, int32[b, s], and the hidden states of the last layer as its first output."""
    graph = _Graph()
    shape = graph.op("Shape", "ids")
    length = graph.op("Gather", shape, graph.constant(1, np.int64))
    places = graph.op("Range", graph.constant(0, np.int64), length, graph.constant(1, np.int64))
    x = graph.op(
        "Add",
        graph.op("Gather", graph.constant(params["words"]), "ids"),
        graph.op("Gather", graph.constant(params["positions"]), places),
    )
    x = graph.layer_norm(graph.op("Add", x, graph.constant(params["types"][0])), params["norm"])
    wide = graph.op("Unsqueeze", "mask", graph.constant([1, 2], np.int64))
    hidden = graph.op("Equal", wide, graph.constant(0, np.int32))
    bias = graph.op("Where", hidden, graph.constant(-1e9), graph.constant(0.0))
    for p in params["layers"]:
        attended = _attention(graph, x, bias, p, bert.WIDTH, bert.HEADS)
        x = graph.layer_norm(graph.op("Add", x, attended), p["norm1"])
        up = graph.op("Gelu", graph.linear(x, p["up"]))
        x = graph.layer_norm(graph.op("Add", x, graph.linear(up, p["down"])), p["norm2"])
    first = graph.op("Gather", x, graph.constant(0, np.int64), axis=1)
    pooled = graph.op("Tanh", graph.linear(first, params["pooler"]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT32, ["b", "s"]) for name in ("ids", "mask")]
    outputs = [
        helper.make_tensor_value_info(x, TensorProto.FLOAT, ["b", "s", bert.WIDTH]),
        helper.make_tensor_value_info(pooled, TensorProto.FLOAT, ["b", bert.WIDTH]),
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "bert", inputs, outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

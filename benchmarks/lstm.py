"""LSTM 300 → 512, batch 1, float32, at several lengths: one module against onnxruntime's LSTM node and jax.jit of lax.scan.

python benchmarks/lstm.py [--rounds 40]

The peers take turns in one run; JAX compiles each length before the clock starts. torch's nn.LSTM takes part where torch is
installed. Each uses 2 threads; here the loop is one kernel, which they share.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
from measure import example, interleaved, show
from onnx import TensorProto, helper, numpy_helper

import nimble_mlir as nm

lstm = example("lstm")


def onnx_session(params: Any, inputs: int, width: int, threads: int) -> onnxruntime.InferenceSession:
    """One LSTM node with the weights of examples/lstm.py: ONNX has a row for each gate, in the order i, o, f, c."""

    def gates(matrix: Any) -> np.ndarray:
        i, f, c, o = np.split(np.asarray(matrix), 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1).T[None]

    weights = {"W": gates(params["x"]), "R": gates(params["h"]), "B": np.zeros((1, 8 * width), np.float32)}
    node = helper.make_node("LSTM", ["x", "W", "R", "B"], ["y", "h", "c"], hidden_size=width)
    float_, shapes = TensorProto.FLOAT, {"y": ["s", 1, 1, width], "h": [1, 1, width], "c": [1, 1, width]}
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info("x", float_, ["s", 1, inputs])],
        [helper.make_tensor_value_info(name, float_, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def torch_lstm(params: Any, inputs: int, width: int) -> Callable[[np.ndarray], Any] | None:
    """torch's nn.LSTM with the same weights; None without torch."""
    # Else its threads spin for a fifth of a second, into the turn of whoever comes next.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(2)
    module = torch.nn.LSTM(inputs, width)
    with torch.no_grad():
        for name, value in {"weight_ih_l0": params["x"], "weight_hh_l0": params["h"]}.items():
            getattr(module, name).copy_(torch.from_numpy(np.asarray(value).T.copy()))
        for name in ("bias_ih_l0", "bias_hh_l0"):
            getattr(module, name).zero_()

    def call(xs: np.ndarray) -> Any:
        with torch.no_grad():
            return module(torch.from_numpy(xs))[0].numpy()

    return call


def host_waits(module: nm.Module) -> str:
    """How often the host waits for the device in an iteration, read off the program."""
    text = module.ir("linalg")
    outside = re.sub(r'"nimble\.kernel".*?nimble\.kernel_yield', "", text, flags=re.DOTALL)
    if "scf.for" not in outside and "scf.while" not in outside:
        return "0: the whole loop is one kernel"
    return f"{outside.count('tensor.extract ')} reads of the device in loops of the host"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=300)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    (params,) = all_params = lstm.make_params(1, args.inputs, args.width)
    (s,) = nm.dims("s")
    module = nm.compile(lambda xs: lstm.encode(all_params, xs), (nm.spec((s, 1, args.inputs), jnp.float32),))
    session = onnx_session(params, args.inputs, args.width, threads=2)
    jitted = jax.jit(lambda xs: lstm.encode(all_params, xs))
    torch_call = torch_lstm(params, args.inputs, args.width)
    rows = []
    for length in args.lengths:
        xs = np.random.default_rng(0).normal(size=(length, 1, args.inputs)).astype(np.float32)
        expected = session.run(None, {"x": xs})[0][:, 0]
        error = float(np.abs(module(xs)[0] - expected).max())
        calls: dict[str, Callable[[], Any]] = {
            "nimble": lambda xs=xs: module(xs),
            "onnxruntime": lambda xs=xs: session.run(None, {"x": xs}),
            "jax": lambda xs=xs: jax.block_until_ready(jitted(xs)),
        }
        if torch_call is not None:
            calls["torch"] = lambda xs=xs: torch_call(xs)
        # The pause lets the threads of onnxruntime stop spinning before another one is measured: that takes them over 5 ms.
        medians = {
            name: seconds / length * 1e6 for name, seconds in interleaved(calls, args.rounds, pause=0.03).items()
        }
        torch_text = f"{medians['torch']:.1f}" if "torch" in medians else "-"
        ours = medians["nimble"]
        rows.append(
            [
                str(length),
                f"{ours:.1f}",
                f"{medians['onnxruntime']:.1f}",
                f"{medians['jax']:.1f}",
                torch_text,
                f"{ours / medians['onnxruntime']:.2f}",
                f"{ours / medians['jax']:.2f}",
                f"{error:.0e}",
            ]
        )
    columns = ["length", "nimble", "onnxruntime", "jax.jit", "torch", "to ort", "to jax", "error"]
    show(f"LSTM {args.inputs} → {args.width}: µs a token, medians", columns, rows)
    print("waits of the host in an iteration:", host_waits(module))


if __name__ == "__main__":
    main()

"""One BERT module at several lengths against jax.jit, compiled for each length, and onnxruntime, where it is installed.

    python benchmarks/bert_lengths.py [--layers 12] [--batch 1] [--lengths 32 128 256] [--rounds 15]

All run the same weights in float32 on all cores. onnxruntime gets one model with free batch and length, and all of its
optimizations. Needs `pip install '.[bench]'`.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from measure import example, interleaved, show

import nimble_mlir as nm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 256])
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    bert = example("bert")
    params = bert.make_params(args.layers)
    session = None
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        from onnx_bert import make_session

        session = make_session(params, bert)
    fn = bert.make_bert(params)
    module = nm.compile(fn, bert.example_specs())
    rows = []
    for length in args.lengths:
        ids, mask = bert.make_batch(args.batch, length)
        jitted = jax.jit(fn).lower(ids, mask).compile()
        calls: dict[str, Callable[[], Any]] = {
            "nimble": lambda ids=ids, mask=mask: module(ids, mask)[0],
            "jax.jit": lambda jitted=jitted, ids=ids, mask=mask: jax.block_until_ready(jitted(ids, mask))[0],
        }
        if session is not None:
            calls["onnxruntime"] = lambda ids=ids, mask=mask: session.run(None, {"ids": ids, "mask": mask})[0]
        expected = np.asarray(calls["jax.jit"]())
        for name, call in calls.items():
            error = float(np.abs(np.asarray(call()) - expected).max())
            assert error < 5e-3, f"{name} differs from jax.jit by {error}"
        medians = interleaved(calls, args.rounds, pause=0.05)
        row = [str(length), f"{medians['nimble'] * 1e3:.1f}"]
        for name in ("jax.jit", "onnxruntime"):
            known = name in medians
            row += [f"{medians[name] * 1e3:.1f}", f"{medians['nimble'] / medians[name]:.2f}"] if known else ["", ""]
        rows.append(row)
    show(
        f"BERT-base, {args.layers} layers, batch {args.batch}, float32, median of {args.rounds}",
        ["length", "nimble ms", "jax.jit ms", "nimble/jax", "onnxruntime ms", "nimble/onnxruntime"],
        rows,
    )


if __name__ == "__main__":
    main()

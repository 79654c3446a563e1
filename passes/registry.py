"""The registry of nimble's passes: name → file and class, imported when asked for."""

from __future__ import annotations

from importlib import import_module

from nimble_mlir.errors import CompileError

from .base import ModulePass

__all__ = ["PASSES", "pass_class"]

# name: "nimble-x-y", file: x_y.py, class: XY; a test holds the three together.
PASSES: dict[str, str] = {
    "nimble-expand-windows": "expand_windows:ExpandWindows",
    "nimble-expand-approx-top-k": "expand_approx_top_k:ExpandApproxTopK",
    "nimble-raise-recursion": "raise_recursion:RaiseRecursion",
    "nimble-raise-calls": "raise_calls:RaiseCalls",
    "nimble-inline-calls": "inline_calls:InlineCalls",
    "nimble-linearize-recursion": "linearize_recursion:LinearizeRecursion",
    "nimble-batch-recursion": "batch_recursion:BatchRecursion",
    "nimble-explicit-stack": "explicit_stack:ExplicitStack",
    "nimble-erase-annotations": "erase_annotations:EraseAnnotations",
    "nimble-lower-lists": "lower_lists:LowerLists",
    "nimble-fold-constants": "fold_constants:FoldConstants",
    "nimble-simplify-loops": "simplify_loops:SimplifyLoops",
    "nimble-bind-symbols": "bind_symbols:BindSymbols",
    "nimble-infer-dims": "infer_dims:InferDims",
    "nimble-synthesize-shape-functions": "synthesize_shape_functions:SynthesizeShapeFunctions",
    "nimble-materialize-shapes": "materialize_shapes:MaterializeShapes",
    "nimble-hoist-from-loops": "hoist_from_loops:HoistFromLoops",
    "nimble-lower-control-flow": "lower_control_flow:LowerControlFlow",
    "nimble-reserve-capacity": "reserve_capacity:ReserveCapacity",
    "nimble-loops-to-kernels": "loops_to_kernels:LoopsToKernels",
    "nimble-carry-in-place": "carry_in_place:CarryInPlace",
    "nimble-legalize-to-linalg": "legalize_to_linalg:LegalizeToLinalg",
    "nimble-resolve-dims": "resolve_dims:ResolveDims",
    "nimble-erase-dims": "erase_dims:EraseDims",
    "nimble-hold-narrow-elements": "hold_narrow_elements:HoldNarrowElements",
    "nimble-fold-extracts": "fold_extracts:FoldExtracts",
    "nimble-share-kernels": "share_kernels:ShareKernels",
    "nimble-emit-iree": "emit_iree:EmitIree",
    "nimble-verify-level": "verify_level:VerifyLevel",
}


def pass_class(name: str) -> type[ModulePass]:
    """The class of the pass `name`; raises CompileError with the nearest name when there is none."""
    if name not in PASSES:
        from difflib import get_close_matches

        near = get_close_matches(name, PASSES, 1)
        raise CompileError(f"unknown pass '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    module, _, cls = PASSES[name].partition(":")
    return getattr(import_module(f"nimble_mlir.passes.{module}"), cls)

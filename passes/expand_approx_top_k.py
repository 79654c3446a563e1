"""`nimble-expand-approx-top-k`: approximate selections become exact ones, as XLA's on the CPU. In: stage stablehlo, before
calls are inlined. Out: the same without `custom_call @ApproxTopK`, that of symbolic k, and the comparators that only they
called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.mlir import ir

from .base import ModulePass, fail, functions
from .regions import copy_body, everything
from .shape_functions import custom_call_target

__all__ = ["ExpandApproxTopK"]

# Target → how many operands stand between the initial values and the shapes of the results: k where it is symbolic.
_TARGETS = {"ApproxTopK": 0, "stablehlo.dynamic_approx_top_k": 1}


@dataclass(frozen=True)
class ExpandApproxTopK(ModulePass):
    """A selection of JAX's `approx_max_k` or `approx_min_k` is a sort and a slice of its front.

      %0:2 = stablehlo.custom_call @ApproxTopK(%x, %iota, %init, %none, …) {called_computations = [@greater],
               mhlo.backend_config = {reduction_dim = 1, top_k = 3, …}}
    ==>
      %sorted:2 = "stablehlo.sort"(%x, %iota) ({ … }) {dimension = 1}
      %0 = stablehlo.slice %sorted#0 [0:4, 0:3]
    """

    name: ClassVar[str] = "nimble-expand-approx-top-k"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError where the comparator is not in the module."""
        by_name = {function.name.value: function for function in functions(module)}
        comparators: set[str] = set()
        for op in [op for function in by_name.values() for op in everything(function.operation)]:
            target = custom_call_target(op)
            if target in _TARGETS:
                (comparator,) = (ir.FlatSymbolRefAttr(name).value for name in op.attributes["called_computations"])
                if comparator not in by_name:
                    raise fail(op, f"custom call '{target}' calls a function that this module does not have")
                comparators.add(comparator)
                with ir.InsertionPoint(op), op.location:
                    _expand(op, by_name[comparator], _TARGETS[target])
        for name in comparators:
            by_name[name].operation.erase()


def _expand(op: Any, comparator: Any, between: int) -> None:
    count = len(op.results)
    operands, shapes = list(op.operands)[:count], list(op.operands)[2 * count + between :]
    config = ir.DictAttr(op.attributes["mhlo.backend_config"])
    axis = ir.IntegerAttr(config["reduction_dim"]).value
    sort = ir.Operation.create(
        "stablehlo.sort",
        results=[operand.type for operand in operands],
        operands=operands,
        attributes={"dimension": _i64(axis), "is_stable": ir.BoolAttr.get(True)},
        regions=1,
    )
    copy_body(comparator, sort.regions[0])
    for index, (before, value) in enumerate(zip(op.results, sort.results, strict=True)):
        before.replace_all_uses_with(_front(value, before.type, shapes[index] if shapes else None))
    op.erase()


def _front(value: ir.Value, type_: ir.Type, shape: ir.Value | None) -> ir.Value:
    """The elements of `value` at the lowest indices, as many as `type_` says, or `shape` where it is dynamic."""
    rank = type_.rank
    if type_.has_static_shape and value.type.has_static_shape:
        bounds = {"start_indices": [0] * rank, "limit_indices": list(type_.shape), "strides": [1] * rank}
        attributes = {name: ir.DenseI64ArrayAttr.get(values) for name, values in bounds.items()}
        return ir.Operation.create("stablehlo.slice", results=[type_], operands=[value], attributes=attributes).result
    limits = _vector(list(type_.shape), ir.IntegerType.get_signless(32)) if shape is None else shape
    element = ir.RankedTensorType(limits.type).element_type
    operands = [value, _vector([0] * rank, element), limits, _vector([1] * rank, element)]
    return ir.Operation.create("stablehlo.real_dynamic_slice", results=[type_], operands=operands).result


def _vector(values: Sequence[int], element: ir.Type) -> ir.Value:
    type_ = ir.RankedTensorType.get([len(values)], element)
    value = ir.DenseElementsAttr.get([ir.IntegerAttr.get(element, v) for v in values], type_)
    return ir.Operation.create("stablehlo.constant", results=[type_], attributes={"value": value}).result


def _i64(value: int) -> ir.Attribute:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)

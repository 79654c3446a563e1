"""Builders for the StableHLO ops that passes emit before sizes are known, at the insertion point.

Result types follow from the operands; a size that is dynamic stays so, and `nimble-infer-dims` says later what it is. All
integers that are made here are i32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.mlir import ir

__all__ = [
    "binary",
    "broadcast",
    "clamp",
    "compare",
    "concatenate",
    "constant",
    "custom_call",
    "dimension_size",
    "dynamic_reshape",
    "dynamic_slice",
    "dynamic_update_slice",
    "make",
    "real_dynamic_slice",
    "reshape",
    "select",
    "slice_in_dim",
    "tensor_of",
    "vector_of",
    "zeros",
]


def make(
    name: str,
    results: Sequence[ir.Type],
    operands: Sequence[ir.Value],
    attributes: Mapping[str, ir.Attribute] | None = None,
    regions: int = 0,
) -> Any:
    """The op `stablehlo.<name>`."""
    return ir.Operation.create(
        f"stablehlo.{name}", results=results, operands=operands, attributes=attributes, regions=regions
    )


def tensor_of(shape: Sequence[int], element: ir.Type) -> ir.RankedTensorType:
    """A tensor type without dims."""
    return ir.RankedTensorType.get(list(shape), element)


def _i32() -> ir.Type:
    return ir.IntegerType.get_signless(32)


def constant(value: int) -> ir.Value:
    """An i32 scalar."""
    type_ = tensor_of([], _i32())
    attribute = ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(_i32(), value))
    return make("constant", [type_], [], {"value": attribute}).result


def zeros(shape: Sequence[int], element: ir.Type) -> ir.Value:
    """Zeros of a static shape: false for booleans."""
    type_ = tensor_of(shape, element)
    if isinstance(element, ir.ComplexType):
        real = zeros(shape, element.element_type)
        return make("complex", [type_], [real, real]).result
    number = ir.IntegerAttr.get(element, 0) if isinstance(element, ir.IntegerType) else ir.FloatAttr.get(element, 0.0)
    return make("constant", [type_], [], {"value": ir.DenseElementsAttr.get_splat(type_, number)}).result


def dimension_size(value: ir.Value, axis: int) -> ir.Value:
    """A size of a tensor, as a scalar."""
    attributes = {"dimension": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), axis)}
    return make("get_dimension_size", [tensor_of([], _i32())], [value], attributes).result


def binary(name: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """An op of two operands of one type, which is the result's."""
    return make(name, [lhs.type], [lhs, rhs]).result


def compare(direction: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """A comparison of signed integers."""
    type_ = tensor_of(ir.RankedTensorType(lhs.type).shape, ir.IntegerType.get_signless(1))
    attributes = {
        "comparison_direction": ir.Attribute.parse(f"#stablehlo<comparison_direction {direction}>"),
        "compare_type": ir.Attribute.parse("#stablehlo<comparison_type SIGNED>"),
    }
    return make("compare", [type_], [lhs, rhs], attributes).result


def select(condition: ir.Value, yes: ir.Value, no: ir.Value) -> ir.Value:
    """One of two values of one type."""
    return make("select", [yes.type], [condition, yes, no]).result


def clamp(low: ir.Value, value: ir.Value, high: ir.Value) -> ir.Value:
    """The value, or the nearer of the two bounds."""
    return make("clamp", [value.type], [low, value, high]).result


def concatenate(values: Sequence[ir.Value], axis: int = 0) -> ir.Value:
    """The values one behind the other."""
    types = [ir.RankedTensorType(value.type) for value in values]
    shape = list(types[0].shape)
    sizes = [type_.shape[axis] for type_ in types]
    shape[axis] = DYNAMIC if DYNAMIC in sizes else sum(sizes)
    attributes = {"dimension": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), axis)}
    return make("concatenate", [tensor_of(shape, types[0].element_type)], values, attributes).result


def reshape(value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """The same elements in a static shape; the value itself where it has that."""
    type_ = ir.RankedTensorType(value.type)
    if list(type_.shape) == list(shape):
        return value
    assert prod(shape) == prod(type_.shape), (type_, shape)
    return make("reshape", [tensor_of(shape, type_.element_type)], [value]).result


def vector_of(scalars: Sequence[ir.Value]) -> ir.Value:
    """Scalars as a vector."""
    return concatenate([reshape(scalar, [1]) for scalar in scalars])


def dynamic_reshape(value: ir.Value, shape: Sequence[int], sizes: Sequence[ir.Value]) -> ir.Value:
    """The same elements in a shape whose sizes are the scalars `sizes`."""
    type_ = tensor_of(shape, ir.RankedTensorType(value.type).element_type)
    return make("dynamic_reshape", [type_], [value, vector_of(sizes)]).result


def broadcast(scalar: ir.Value, shape: Sequence[int], sizes: Sequence[ir.Value]) -> ir.Value:
    """A scalar in each place of a shape whose sizes are the scalars `sizes`."""
    type_ = tensor_of(shape, ir.RankedTensorType(scalar.type).element_type)
    attributes = {"broadcast_dimensions": ir.DenseI64ArrayAttr.get([])}
    return make("dynamic_broadcast_in_dim", [type_], [scalar, vector_of(sizes)], attributes).result


def slice_in_dim(vector: ir.Value, start: int, limit: int) -> ir.Value:
    """The elements of a vector from `start` up to `limit`; the vector itself where those are all."""
    type_ = ir.RankedTensorType(vector.type)
    if (start, limit) == (0, type_.shape[0]):
        return vector
    bounds = {"start_indices": start, "limit_indices": limit, "strides": 1}
    attributes = {name: ir.DenseI64ArrayAttr.get([number]) for name, number in bounds.items()}
    return make("slice", [tensor_of([limit - start], type_.element_type)], [vector], attributes).result


def dynamic_slice(value: ir.Value, starts: Sequence[ir.Value], shape: Sequence[int]) -> ir.Value:
    """A part of a static shape."""
    type_ = tensor_of(shape, ir.RankedTensorType(value.type).element_type)
    attributes = {"slice_sizes": ir.DenseI64ArrayAttr.get(list(shape))}
    return make("dynamic_slice", [type_], [value, *starts], attributes).result


def dynamic_update_slice(value: ir.Value, part: ir.Value, starts: Sequence[ir.Value]) -> ir.Value:
    """The value with `part` written to the place that begins at `starts`."""
    return make("dynamic_update_slice", [value.type], [value, part, *starts]).result


def real_dynamic_slice(
    value: ir.Value, shape: Sequence[int], starts: Sequence[ir.Value], limits: Sequence[ir.Value]
) -> ir.Value:
    """The part between the scalars `starts` and `limits`, of a shape that may be dynamic."""
    type_ = tensor_of(shape, ir.RankedTensorType(value.type).element_type)
    one = constant(1)
    operands = [value, *(vector_of(part) for part in (starts, limits, [one] * len(starts)))]
    return make("real_dynamic_slice", [type_], operands).result


def custom_call(
    target: str,
    results: Sequence[ir.Type],
    operands: Sequence[ir.Value],
    config: ir.DictAttr | None = None,
    **attributes: ir.Attribute,
) -> Any:
    """A custom call; `config` is what it says beside its operands."""
    named: dict[str, ir.Attribute] = {"call_target_name": ir.StringAttr.get(target), **attributes}
    if config is not None:
        named |= {"backend_config": config, "api_version": ir.IntegerAttr.get(_i32(), 4)}
    return make("custom_call", results, operands, named)

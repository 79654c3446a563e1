"""What lowering rules build with: empty tensors, generics, collapses and expansions, all with dims on their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dialects import dims_of, tensor_type
from nimble_mlir.dims import DimExpr, Proof, Scope
from nimble_mlir.mlir import arith, ir, linalg, tensor

from ..symbol_table import DimBuilder, constant_index

__all__ = ["LoweringContext", "constant_scalar", "element_type_of", "product"]

Dims = tuple[DimExpr, ...]
Groups = Sequence[Sequence[int]]


def product(dims: Sequence[DimExpr]) -> DimExpr:
    """The product of dims, 1 for none."""
    result = DimExpr.constant(1)
    for dim in dims:
        result = result * dim
    return result


def element_type_of(value: ir.Value) -> ir.Type:
    """The element type of a tensor."""
    return ir.RankedTensorType(value.type).element_type


def constant_scalar(type_: ir.Type, value: float | int) -> ir.Value:
    """A constant of an integer, index or float type."""
    return arith.constant(type_, value)


@dataclass
class LoweringContext:
    """The function's symbols, and builders that keep dims on the types."""

    scope: Scope
    sizes: DimBuilder

    def dims(self, value: ir.Value) -> Dims:
        """The dims of a tensor value."""
        dims = dims_of(value.type)
        assert dims is not None, f"{value} has no dims"
        return dims

    def same(self, lhs: DimExpr, rhs: DimExpr) -> bool:
        """Whether two dims are proved equal."""
        return self.scope.equal(lhs, rhs) is Proof.PROVED

    def empty(self, dims: Sequence[DimExpr], element_type: ir.Type) -> ir.Value:
        """`tensor.empty` of `dims`."""
        return ir.Operation.create(
            "tensor.empty", results=[tensor_type(dims, element_type)], operands=self.sizes.sizes(dims)
        ).result

    def generic(
        self,
        inputs: Sequence[ir.Value],
        maps: Sequence[ir.AffineMap],
        result: ir.RankedTensorType,
        body: Callable[..., ir.Value],
    ) -> ir.Value:
        """A `linalg.generic` with parallel loops over the result, whose `body` gets the inputs' scalars."""
        dims = dims_of(result)
        assert dims is not None
        rank = len(dims)
        out = self.empty(dims, result.element_type)
        indexing = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in (*maps, ir.AffineMap.get_identity(rank))])
        parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
        op = linalg.GenericOp([out.type], list(inputs), [out], indexing, ir.ArrayAttr.get([parallel] * rank))
        scalars = [element_type_of(value) for value in inputs]
        block = op.regions[0].blocks.append(*scalars, result.element_type)
        with ir.InsertionPoint(block):
            linalg.YieldOp([body(*block.arguments[: len(scalars)])])
        return op.results[0]

    def elementwise(
        self, inputs: Sequence[ir.Value], element_type: ir.Type, body: Callable[..., ir.Value]
    ) -> ir.Value:
        """A `linalg.generic` of inputs with the same dims."""
        dims = self.dims(inputs[0])
        identity = ir.AffineMap.get_identity(len(dims))
        return self.generic(inputs, [identity] * len(inputs), tensor_type(dims, element_type), body)

    def fill(self, dims: Sequence[DimExpr], scalar: ir.Value) -> ir.Value:
        """A tensor whose elements are `scalar`."""
        return linalg.fill(scalar, outs=[self.empty(dims, scalar.type)])

    def transpose(self, value: ir.Value, permutation: Sequence[int]) -> ir.Value:
        """Dimension i of the result is dimension `permutation[i]` of `value`."""
        source = value.owner
        if not isinstance(source, ir.Block) and source.operation.name == "linalg.transpose":
            inner = list(source.operation.attributes["permutation"])
            return self.transpose(source.operation.operands[0], [inner[axis] for axis in permutation])
        if list(permutation) == list(range(len(permutation))):
            return value
        dims = self.dims(value)
        out = self.empty([dims[axis] for axis in permutation], element_type_of(value))
        op = linalg.TransposeOp(
            result=[out.type], input=value, init=out, permutation=ir.DenseI64ArrayAttr.get(list(permutation))
        )
        linalg.fill_builtin_region(op.operation)
        return op.results[0]

    def collapse(self, value: ir.Value, groups: Groups) -> ir.Value:
        """Each group of adjacent dimensions becomes one; a dimension in no group must be a group of its own."""
        dims = self.dims(value)
        if all(len(group) == 1 for group in groups) and len(groups) == len(dims):
            return value
        type_ = tensor_type([product([dims[axis] for axis in group]) for group in groups], element_type_of(value))
        return tensor.CollapseShapeOp(type_, value, _reassociation(groups)).result

    def expand(self, value: ir.Value, groups: Groups, dims: Sequence[DimExpr]) -> ir.Value:
        """Dimension i of `value` becomes the dimensions `groups[i]` of a tensor with `dims`."""
        if all(len(group) == 1 for group in groups) and len(groups) == len(dims):
            return value
        type_ = tensor_type(dims, element_type_of(value))
        static = ir.DenseI64ArrayAttr.get(list(type_.shape))
        return tensor.ExpandShapeOp(type_, value, _reassociation(groups), self.sizes.sizes(dims), static).result

    def cast(self, value: ir.Value, dims: Sequence[DimExpr]) -> ir.Value:
        """The same tensor under dims that are equal to its own (proved or checked)."""
        type_ = tensor_type(dims, element_type_of(value))
        return value if type_ == value.type else tensor.cast(type_, value)


def _reassociation(groups: Groups) -> ir.ArrayAttr:
    i64 = ir.IntegerType.get_signless(64)
    return ir.ArrayAttr.get([ir.ArrayAttr.get([ir.IntegerAttr.get(i64, axis) for axis in group]) for group in groups])


def index_of(axis: int) -> ir.Value:
    """`linalg.index` of a loop."""
    return linalg.IndexOp(axis).result


def extract(value: ir.Value, indices: Sequence[ir.Value]) -> ir.Value:
    """`tensor.extract`."""
    return tensor.extract(value, list(indices))


def dimension_map(rank: int, axes: Sequence[int | None]) -> ir.AffineMap:
    """The affine map from `rank` loops to `axes`; None stands for the constant 0."""
    exprs = [ir.AffineConstantExpr.get(0) if axis is None else ir.AffineDimExpr.get(axis) for axis in axes]
    return ir.AffineMap.get(rank, 0, exprs)


def clamp_index(index: ir.Value, upper: ir.Value) -> ir.Value:
    """`index` clamped to 0 … upper."""
    return arith.maxsi(arith.minsi(index, upper), constant_index(0))


Rule = Callable[[LoweringContext, Any], Sequence[ir.Value]]

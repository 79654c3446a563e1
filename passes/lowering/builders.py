"""What lowering rules build with: empty tensors, generics, collapses and expansions, all with dims on their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dialects import dims_of, tensor_type
from nimble_mlir.dims import DimExpr, Proof, Scope
from nimble_mlir.mlir import arith, ir, linalg, tensor

from ..constants import is_narrow
from ..shape_functions.registry import product
from ..symbol_table import DimBuilder, constant_index

__all__ = [
    "LoweringContext",
    "clamp_index",
    "constant_of",
    "dimension_map",
    "element_type_of",
    "extract",
    "host_indices",
    "index_of",
    "merge_units",
    "product",
]

Dims = tuple[DimExpr, ...]
Groups = Sequence[Sequence[int]]


def element_type_of(value: ir.Value) -> ir.Type:
    """The element type of a tensor."""
    return ir.RankedTensorType(value.type).element_type


@dataclass
class LoweringContext:
    """The function's symbols, and builders that keep dims on the types. `target` is what IREE will compile for."""

    scope: Scope
    sizes: DimBuilder
    target: str = "llvm-cpu"

    @property
    def has_kernels(self) -> bool:
        """Whether kernels (`nimble.kernel`) can be compiled: IREE 3.13 makes code of our own dispatches for CPUs alone."""
        return self.target == "llvm-cpu"

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

    def reduction(
        self,
        inputs: Sequence[ir.Value],
        maps: Sequence[ir.AffineMap],
        starts: Sequence[ir.Value],
        reduced: int,
        body: Callable[..., Sequence[ir.Value]],
    ) -> list[ir.Value]:
        """A `linalg.generic` whose loops are the dims of `starts` (parallel) and then `reduced` reduction loops.

        `body` gets the inputs' scalars and the results so far, and returns the results; `starts` are their first values.
        """
        rank = starts[0].type.rank
        results = ir.AffineMap.get(rank + reduced, 0, [ir.AffineDimExpr.get(axis) for axis in range(rank)])
        kinds = ["parallel"] * rank + ["reduction"] * reduced
        return self._reduction(inputs, [*maps, *[results] * len(starts)], starts, kinds, body)

    def reduction_over(
        self,
        inputs: Sequence[ir.Value],
        starts: Sequence[ir.Value],
        reduced: Sequence[int],
        body: Callable[..., Sequence[ir.Value]],
    ) -> list[ir.Value]:
        """A `linalg.generic` whose loops are the dims of `inputs`, of which `reduced` are reduction loops."""
        rank = len(self.dims(inputs[0]))
        kept = [ir.AffineDimExpr.get(axis) for axis in range(rank) if axis not in reduced]
        maps = [ir.AffineMap.get_identity(rank)] * len(inputs) + [ir.AffineMap.get(rank, 0, kept)] * len(starts)
        kinds = ["reduction" if axis in reduced else "parallel" for axis in range(rank)]
        return self._reduction(inputs, maps, starts, kinds, body)

    def _reduction(
        self,
        inputs: Sequence[ir.Value],
        maps: Sequence[ir.AffineMap],
        starts: Sequence[ir.Value],
        kinds: Sequence[str],
        body: Callable[..., Sequence[ir.Value]],
    ) -> list[ir.Value]:
        indexing = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps])
        iterators = ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{kind}>") for kind in kinds])
        op = linalg.GenericOp([start.type for start in starts], list(inputs), list(starts), indexing, iterators)
        block = op.regions[0].blocks.append(*[element_type_of(value) for value in (*inputs, *starts)])
        with ir.InsertionPoint(block):
            linalg.YieldOp(list(body(*block.arguments)))
        return list(op.results)

    def elementwise(self, inputs: Sequence[ir.Value], element_type: ir.Type, body: Callable[..., ir.Value]) -> ir.Value:
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

    def reshape_by_size(self, value: ir.Value, dims: Sequence[DimExpr]) -> ir.Value:
        """`tensor.reshape`: any other shape with the same number of elements."""
        shape_type = ir.RankedTensorType.get([len(dims)], ir.IndexType.get())
        shape = tensor.from_elements(shape_type, self.sizes.values(dims))
        return tensor.reshape(tensor_type(dims, element_type_of(value)), value, shape)

    def cast(self, value: ir.Value, dims: Sequence[DimExpr]) -> ir.Value:
        """The same tensor under dims that are equal to its own (proved or checked)."""
        type_ = tensor_type(dims, element_type_of(value))
        return value if type_ == value.type else tensor.cast(type_, value)


def _reassociation(groups: Groups) -> ir.ArrayAttr:
    i64 = ir.IntegerType.get_signless(64)
    return ir.ArrayAttr.get([ir.ArrayAttr.get([ir.IntegerAttr.get(i64, axis) for axis in group]) for group in groups])


def merge_units(kept: list[bool]) -> list[list[int]]:
    """Groups of adjacent axes with one kept axis each; the others (of size 1) join a neighbour."""
    groups: list[list[int]] = []
    leading: list[int] = []
    for axis, keep in enumerate(kept):
        if keep:
            groups.append([*leading, axis])
            leading = []
        elif groups:
            groups[-1].append(axis)
        else:
            leading.append(axis)
    return groups


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


def constant_of(value: ir.Value) -> int | None:
    """The value of an `index` constant, None for other values."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "arith.constant":
        return None
    return ir.IntegerAttr(owner.attributes["value"]).value


def host_indices(value: ir.Value) -> list[ir.Value] | None:
    """The elements of a small integer tensor as `index` values where the host knows them without asking the device: what
    sizes and constants consist of at stage shapes. None otherwise."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    rule = _HOST_INDICES.get(owner.name)
    return rule(owner) if rule is not None else None


def _from_elements(op: Any) -> list[ir.Value]:
    index = ir.IndexType.get()
    return [operand if operand.type == index else arith.index_cast(index, operand) for operand in op.operands]


def _from_constant(op: Any) -> list[ir.Value] | None:
    value = op.attributes["value"]
    if not isinstance(value, ir.DenseIntElementsAttr) or is_narrow(value.type.element_type):
        return None
    count = len(value)
    elements = [value.get_splat_value().value] * count if value.is_splat else list(value)
    return [arith.constant(ir.IndexType.get(), int(element)) for element in elements]


def _same_elements(op: Any) -> list[ir.Value] | None:
    return host_indices(op.operands[0])


def _repeated(op: Any) -> list[ir.Value] | None:
    elements = host_indices(op.operands[0])
    type_ = ir.RankedTensorType(op.results[0].type)
    if elements is None or not type_.has_static_shape or type_.rank > 1:
        return None
    return elements * type_.shape[0] if len(elements) == 1 and type_.rank else elements


def _joined(op: Any) -> list[ir.Value] | None:
    parts = [host_indices(operand) for operand in op.operands]
    if any(part is None for part in parts) or ir.RankedTensorType(op.results[0].type).rank != 1:
        return None
    return [element for part in parts for element in part or ()]


_HOST_INDICES: dict[str, Callable[[Any], list[ir.Value] | None]] = {
    "stablehlo.broadcast_in_dim": _repeated,
    "stablehlo.concatenate": _joined,
    "stablehlo.constant": _from_constant,
    "stablehlo.reshape": _same_elements,
    "tensor.from_elements": _from_elements,
}

"""`nimble-infer-dims`: dims on every tensor type. In: bound entry functions. Out: stage nimble: every dynamic tensor has
`#nimble.dims`, falsely dynamic dimensions are static, undecided equalities are checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import is_dynamic, tensor_type
from nimble_mlir.dims import Constraint, DimExpr, Proof
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir

from .assertions import TARGET as ASSERTION
from .assertions import asserted
from .base import ModulePass, entry_functions, fail, location_text
from .control_flow_dims import EDGES, InferRegion, cast_operands
from .defined_sizes import said_of
from .regions import terminator
from .shape_functions import SHAPE_FUNCTIONS, Requirement, ShapeContext, custom_call_target
from .shape_values import ShapeValues
from .signature import read_signature, set_type
from .size_checks import check, state
from .symbol_table import DimBuilder, SymbolTable

__all__ = ["InferDims"]

_BARRIER = "stablehlo.optimization_barrier"  # its verifier wants the same types on both sides
_PREDICATES = {"==": 0, ">=": 5}  # arith.cmpi eq, sge


@dataclass(frozen=True)
class InferDims(ModulePass):
    """Infers the dims of every result through the registry of shape functions and writes them on the types.

      %0 = stablehlo.dynamic_reshape %x, %shape : (tensor<?x4xf32, #nimble.dims<[@s, 4]>>, …) -> tensor<?xf32>
    ==>
      %0 = stablehlo.dynamic_reshape %x, %shape : (…) -> tensor<?xf32, #nimble.dims<["4*s"]>>
    """

    name: ClassVar[str] = "nimble-infer-dims"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError for sizes that cannot be equal, UnsupportedOpError for an op without shape function."""
        for function in entry_functions(module):
            _Inference(function).run()


class _Inference:
    def __init__(self, function: Any) -> None:
        self.function = function
        self.table = SymbolTable(function)
        self.values = ShapeValues(self.table.scope)
        self.builder = DimBuilder(function.entry_block, self.table.values)
        self.checked: list[tuple[ir.Block, Constraint]] = []  # what is checked where it is needed

    def run(self) -> None:
        if "nimble.bound" in self.function.attributes:
            self._type_arguments()
        known = self.table.scope
        self._infer_block(self.function.entry_block)
        if self.table.scope is not known:
            # What later ops require is known of earlier ones, too, as it is checked before them.
            self._infer_block(self.function.entry_block)
        returned = terminator(self.function.entry_block)
        inputs = [argument.type for argument in self.function.entry_block.arguments]
        set_type(self.function, inputs, [operand.type for operand in returned.operands])

    def _type_arguments(self) -> None:
        for argument in read_signature(self.function).arguments:
            value = self.function.entry_block.arguments[argument.position]
            if isinstance(value.type, ir.RankedTensorType):
                value.set_type(tensor_type(argument.dims, value.type.element_type))

    def _infer_block(self, block: ir.Block) -> None:
        for op in list(block.operations):
            edges = EDGES.get(op.operation.name)
            if custom_call_target(op.operation) == ASSERTION:
                requirement = asserted(op.operation, self.values)
                if requirement is not None:
                    self._require(op.operation, requirement)
            elif edges is None:
                self._infer(op.operation)
            else:
                self._infer_control_flow(op.operation, edges)
            self.values.visit(op.operation)
            if op.operation.name == "nimble.symbol":
                self._rely_on(op.operation)

    def _rely_on(self, op: Any) -> None:
        """States what is known of a symbol where its definition says it."""
        for constraint in said_of(op, self.values):
            scope = self.table.scope
            prove = scope.equal if constraint.kind == "==" else scope.at_least
            if prove(constraint.lhs, constraint.rhs) is Proof.PROVED:
                continue
            with self.builder.insertion([constraint.lhs, constraint.rhs]), op.location:
                state(constraint, self.table.values)
            try:
                self.table.constrain(constraint)
            except ValueError as error:
                raise fail(op, f"the size '{op.attributes['symbol'].value}': {error}") from None
            self.values.scope = self.table.scope

    def _infer_control_flow(self, op: Any, edges: Callable[[ShapeContext, InferRegion], None]) -> None:
        context = ShapeContext(op, self.table.scope, self.values)

        def infer(block: ir.Block) -> None:
            self._infer_block(block)
            context.scope = self.table.scope

        edges(context, infer)
        # What is required of the edges holds of all iterations, and is checked before the first.
        for requirement in context.requirements:
            self._require(op, requirement)

    def _infer(self, op: Any) -> None:
        touches = any(is_dynamic(value.type) for value in (*op.results, *op.operands))
        if not touches or not any(isinstance(result.type, ir.RankedTensorType) for result in op.results):
            return
        target = custom_call_target(op)
        function = SHAPE_FUNCTIONS.get(f"custom_call:{target}" if target is not None else op.name)
        if function is None:
            name = f"custom call '{target}'" if target is not None else f"'{op.name}'"
            raise fail(op, f"{name} with dynamic sizes is not supported", UnsupportedOpError)
        context = ShapeContext(op, self.table.scope, self.values, self.builder.defined)
        inferred = [
            self._with_stated(context, result.type, dims)
            for result, dims in zip(op.results, function.infer(context), strict=True)
        ]
        for dims in inferred:
            context.not_negative(tuple(dims))
        for requirement in context.requirements:
            self._require(op, requirement)
        for result, dims in zip(op.results, inferred, strict=True):
            simplified = [self.table.scope.simplify(dim) for dim in dims]
            type_ = tensor_type(simplified, result.type.element_type)
            if type_ != result.type:
                result.set_type(type_)
        if op.name == _BARRIER:
            # Of dims that are equal, the result has the simpler ones.
            cast_operands(op, [result.type for result in op.results])

    def _with_stated(self, context: ShapeContext, type_: ir.RankedTensorType, dims: Sequence[DimExpr]) -> list[DimExpr]:
        """`dims`, or the sizes that the result's type states: where it does, they are required to be equal."""
        result = list(dims)
        for axis, dim in enumerate(dims):
            if not type_.is_dynamic_dim(axis):
                what = f"dimension {axis} of the result by its operands and by its type"
                result[axis] = context.equal(dim, DimExpr.constant(type_.get_dim_size(axis)), what)
        return result

    def _require(self, op: Any, requirement: Requirement) -> None:
        """Emits the check that `requirement` holds, where its sizes are known, and relies on it from here on.

        What a loop or a branch needs of a size that was defined before it, and that may be 0, is checked where it is
        needed, each time: a loop over nothing, or the other branch, is well without."""
        constraint, text = requirement.constraint, requirement.message
        if constraint.kind == ">=" and self.builder.is_defined_around(constraint.symbols, op.block):
            self._check_in_place(op, requirement)
            return
        with self.builder.insertion([constraint.lhs, constraint.rhs]) as (lhs, rhs), op.location:
            _check(op, requirement, lhs, rhs)
            state(constraint, self.table.values)
        try:
            self.table.constrain(constraint)
        except ValueError as error:
            raise fail(op, f"{text}: {error}") from None
        self.values.scope = self.table.scope

    def _check_in_place(self, op: Any, requirement: Requirement) -> None:
        known = (op.block, requirement.constraint)
        if known in self.checked:
            return
        self.checked.append(known)
        lhs, rhs = self.builder.values([requirement.constraint.lhs, requirement.constraint.rhs])
        with ir.InsertionPoint(op), op.location:
            _check(op, requirement, lhs, rhs)


def _check(op: Any, requirement: Requirement, lhs: ir.Value, rhs: ir.Value) -> None:
    where = location_text(op.location)
    holds = arith.cmpi(_PREDICATES[requirement.constraint.kind], lhs, rhs)
    check(holds, requirement.kind, f"{requirement.message} ({where})" if where else requirement.message)

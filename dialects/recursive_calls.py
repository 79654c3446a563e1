"""Recursive functions: private functions that call themselves and each other, until `nimble-explicit-stack` makes loops of
them.

    func.func private @f(%w: tensor<?x4xf32>, %n: tensor<i32>) -> tensor<f32>

All functions of a recursion begin with the same arguments, its *invariants*: each call has the same values there. A
`nimble.start_recursion` gives them; a `nimble.recursive_call` is a call within, and takes the other arguments only.

Arguments and results are tuples: the operands of a variadic group of a Python-defined op have one type (torch-mlir 20261001,
as in kernels.py), and those of a function have many.
"""

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = ["MakeNodeOp", "RecursiveCallOp", "StartRecursionOp"]

_MADE, _READ = "stablehlo.tuple", "stablehlo.get_tuple_element"


def _size(type_: ir.Type, what: str) -> int:
    if not isinstance(type_, ir.TupleType):
        raise VerifyError(f"has {what} of type {type_}, which is no tuple")
    return type_.num_types


def _check_tuples(arguments: ir.Value, results: ir.Value | None = None) -> int:
    """How many arguments there are. Raises VerifyError for tuples that are made or read by anything but their ops."""
    owner = arguments.owner
    count = _size(arguments.type, "arguments")
    if isinstance(owner, ir.Block) or owner.name != _MADE:
        raise VerifyError(f"has arguments that are not the result of '{_MADE}'")
    if results is not None:
        _size(results.type, "results")
        for use in results.uses:
            if use.owner.name != _READ:
                raise VerifyError(f"has results that '{use.owner.name}' uses; only '{_READ}' reads them")
    return count


class StartRecursionOp(Nimble.Operation, name="start_recursion"):
    """Calls a recursive function. The call fails where calls nest deeper than `max_depth`; `what` is the user's function.

    The first `invariants` arguments are the recursion's. Its results are the function's, and then what the functions have
    made by `nimble.make_node`: for each heap so many tables as `tables` says, with a row a node, and the number of nodes,
    which are the first rows of the tables.

    `%r = "nimble.start_recursion"(%args) {callee = @f, invariants = 1 : i64, max_depth = 1000 : i64, tables = [1],
      what = "f"} : (tuple<tensor<?x4xf32>, tensor<i32>>) -> tuple<tensor<f32>, tensor<?x3xi32>, tensor<i32>>`
    """

    arguments: ext.Operand[ir.TupleType]
    results_: ext.Result[ir.TupleType]
    callee: ir.FlatSymbolRefAttr
    invariants: ir.IntegerAttr
    max_depth: ir.IntegerAttr
    tables: ir.ArrayAttr
    what: ir.StringAttr

    @property
    def table_counts(self) -> list[int]:
        """How many tables each heap has. Raises VerifyError for what is no number."""
        for entry in self.tables:
            if not isinstance(entry, ir.IntegerAttr):
                raise VerifyError(f"has {entry} among its tables, which is no number of them")
        return [entry.value for entry in self.tables]

    @verifier
    def verify_invariants(self) -> None:
        count = _check_tuples(self.arguments, self.results_)
        if not 0 <= self.invariants.value <= count:
            raise VerifyError(f"has {self.invariants.value} invariants, but {count} arguments")
        if self.max_depth.value < 1:
            raise VerifyError(f"has the depth {self.max_depth.value}, but a call is one deep")
        tables = self.table_counts
        if min(tables, default=1) < 1 or sum(tables) + len(tables) > self.results_.type.num_types:
            raise VerifyError(f"has heaps of {tables} tables, but {self.results_.type.num_types} results")


class RecursiveCallOp(Nimble.Operation, name="recursive_call"):
    """A call within a recursive function: of itself, or of another one of the recursion.

    `%r = "nimble.recursive_call"(%args) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<f32>>`
    """

    arguments: ext.Operand[ir.TupleType]
    results_: ext.Result[ir.TupleType]
    callee: ir.FlatSymbolRefAttr

    @verifier
    def verify_invariants(self) -> None:
        _check_tuples(self.arguments, self.results_)


class MakeNodeOp(Nimble.Operation, name="make_node"):
    """Makes a node of a heap in a recursive function: a constructor and its fields. The first node is number 0.

    A row of the heap's tables is a node: for each element type the fields of that type side by side, behind the number of
    the constructor, an i32.

    `%node = "nimble.make_node"(%fields) {constructor = 1 : i64, heap = 0 : i64} : (tuple<tensor<4xf32>>) -> tensor<i32>`
    """

    fields: ext.Operand[ir.TupleType]
    node: ext.Result[ir.RankedTensorType]
    heap: ir.IntegerAttr
    constructor: ir.IntegerAttr

    @verifier
    def verify_invariants(self) -> None:
        _check_tuples(self.fields)
        for name in ("heap", "constructor"):
            number = self.operation.attributes[name].value
            if number < 0:
                raise VerifyError(f"has the {name} {number}")
        type_ = ir.RankedTensorType(self.node.type)
        element = type_.element_type
        if type_.rank != 0 or not isinstance(element, ir.IntegerType) or element.width != 32:
            raise VerifyError(f"has a node of type {type_}, which is no i32")

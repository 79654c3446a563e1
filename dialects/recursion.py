"""Algebraic data types, the match on a constructor, and functions that recurse on the parts of a value.

The ops in an arm of a match stand for any number of nodes of one constructor at once: each field is a tensor with a leading
dimension, a row a node, whose size is the arm's first argument. Rules that map ops over nodes would be a second `jax.vmap`;
so capture maps, and a pass only chooses how many nodes an arm computes together.

Several tensors are one operand, a builtin tuple: the elements of a variadic group of operands or results of a Python-defined
op have equal types (IRDL's constraints are variables; torch-mlir 20261001).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = [
    "Adt",
    "Constructor",
    "DatatypeOp",
    "Field",
    "MatchOp",
    "RecurOp",
    "RecursiveOp",
    "TreeOp",
    "constructors_of",
]


@dataclass(frozen=True)
class Field:
    """A field of a constructor: an array of the static `type`, or a value of the type itself where that is None."""

    name: str
    type: ir.RankedTensorType | None


@dataclass(frozen=True)
class Constructor:
    """A constructor of a data type."""

    name: str
    fields: tuple[Field, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the recursive fields."""
        return tuple(field.name for field in self.fields if field.type is None)


class Adt(Nimble.Type, name="adt"):
    """Values of a data type, one or a batch of them: `!nimble.adt<@Tree>`."""

    datatype: ir.FlatSymbolRefAttr

    @property
    def name(self) -> str:
        """The name of the data type."""
        return ir.FlatSymbolRefAttr(self.datatype).value


class DatatypeOp(Nimble.Operation, name="datatype"):
    """Declares an algebraic data type, in a module: its constructors, in order, each with its fields.

    `"nimble.datatype"() {sym_name = "Tree", constructors = [{name = "Leaf", fields = [{name = "x", type = tensor<3xf32>}]},
    {name = "Node", fields = [{name = "left"}, {name = "right"}]}]} : () -> ()`; a field without a type is a part.
    """

    sym_name: ir.StringAttr
    constructors: ir.ArrayAttr

    @verifier
    def verify_invariants(self) -> None:
        constructors = list(map(_constructor, self.constructors))
        if not constructors:
            raise VerifyError("has no constructors")
        for what, names in (
            ("constructors", [one.name for one in constructors]),
            *((f"fields of '{one.name}'", [field.name for field in one.fields]) for one in constructors),
        ):
            twice = sorted(name for name in set(names) if names.count(name) > 1)
            if twice:
                raise VerifyError(f"has two {what} with the name '{twice[0]}'")
        if all(one.parts for one in constructors):
            raise VerifyError("has parts in every constructor, so there is no finite value")


class TreeOp(Nimble.Operation, name="tree", traits=[ext.Pure]):
    """The values that cross as these arrays (docs/abi.md): roots, blocks, groups, and the fields of each constructor.

    `%t = "nimble.tree"(%arrays) : (tuple<tensor<?xi32>, tensor<?x2x3xi32>, …>) -> !nimble.adt<@Tree>`
    """

    arrays: ext.Operand[ir.TupleType]
    value: ext.Result[Adt]

    @verifier
    def verify_invariants(self) -> None:
        constructors = constructors_of(self, self.value.type)
        given = _elements(self.arrays.type)
        wanted = [("roots", 1, None), ("blocks", 3, None), ("groups", 4, None)]
        for one in constructors:
            for field in one.fields:
                wanted.append((f"{one.name}.{field.name}", 1 + (field.type.rank if field.type else 0), field.type))
        wanted += [(one.name, 1, None) for one in constructors if not one.fields]
        if len(given) != len(wanted):
            raise VerifyError(f"has {len(given)} arrays, but values of {self.value.type} cross as {len(wanted)}")
        for type_, (name, rank, like) in zip(given, wanted, strict=True):
            if type_.rank != rank or not (_is_i32(type_) if like is None else _rows_of(type_, like)):
                expected = f"i32 elements and rank {rank}" if like is None else f"rows of type {like}"
                raise VerifyError(f"has '{name}' of type {type_}, but it has {expected}")
        table = [len(constructors), 3]
        for name, type_ in (("blocks", given[1]), ("groups", given[2])):
            if list(type_.shape)[-2:] != table:
                raise VerifyError(f"has '{name}' of type {type_}, which does not end in the sizes {table}")


class RecursiveOp(Nimble.Operation, name="recursive", traits=[ir.NoTerminatorTrait]):
    """A recursive function of the roots of `value`: the rows of its results, one for each root.

    The body is a match: one `nimble.match` for each constructor, in their order. `arguments` are those of the calls on the
    roots, which all roots share; what each part of a value gets is said by the calls in the arms. What the function hands on
    as it is is no argument: arms use it from outside. `empty` are rows of the results that no node has yet, zeros: they say
    what a row is. `rows` is the symbol of how many nodes an arm computes.

    `%r = "nimble.recursive"(%t, %args, %empty) ({ "nimble.match"() … }) {function = "total", rows = "_n0"}
    : (!nimble.adt<@Tree>, tuple<tensor<1xf32>>, tuple<tensor<3xf32>>) -> tuple<tensor<?x3xf32>>`
    """

    value: ext.Operand[Adt]
    arguments: ext.Operand[ir.TupleType]
    empty: ext.Operand[ir.TupleType]
    result: ext.Result[ir.TupleType]
    function: ir.StringAttr
    rows: ir.StringAttr
    body: ext.Region

    @property
    def arms(self) -> list[Any]:
        """The arms of the match, one for each constructor."""
        return [op for block in self.body.blocks for op in block.operations]

    @verifier
    def verify_invariants(self) -> None:
        constructors = constructors_of(self, self.value.type)
        blocks = list(self.body.blocks)
        if len(blocks) != 1 or blocks[0].arguments:
            raise VerifyError("has a body that is not one block without arguments")
        ops = [op.operation for op in blocks[0].operations]
        strange = [op.name for op in ops if op.name != "nimble.match"]
        if strange:
            raise VerifyError(f"has '{strange[0]}' in its body, which holds one 'nimble.match' for each constructor")
        found = [
            str(op.attributes["constructor"]).strip('"') if "constructor" in op.attributes else "nothing" for op in ops
        ]
        names = [one.name for one in constructors]
        if found != names:
            raise VerifyError(f"matches {_listed(found)}, but the constructors are {_listed(names)}")
        _check_rows("results", _elements(self.operation.results[0].type), _elements(self.empty.type))


class MatchOp(Nimble.Operation, name="match"):
    """An arm of a match: what the function computes for nodes of one constructor, all at once.

    The block's arguments are how many nodes there are (an integer), the fields, and the arguments of the function, each with
    a row a node; parts are values of the data type, on which `nimble.recur` calls the function. `nimble.yield` gives the
    results, a tuple.

    `"nimble.match"() ({^bb0(%n: tensor<i32>, %left: !nimble.adt<@Tree>, %right: !nimble.adt<@Tree>, %a: tensor<?x1xf32>): …
    "nimble.yield"(%rows) : (tuple<tensor<?x3xf32>>) -> () }) {constructor = "Node"} : () -> ()`
    """

    constructor: ir.StringAttr
    body: ext.Region

    @verifier
    def verify_invariants(self) -> None:
        parent = self.operation.parent
        if parent is None or parent.name != "nimble.recursive":
            raise VerifyError("is not in the body of a 'nimble.recursive'")
        value, arguments, empty = parent.operands
        # The op around it has been verified: its arms are those of the constructors.
        (one,) = (each for each in constructors_of(self, value.type) if each.name == self.constructor.value)
        blocks = list(self.body.blocks)
        types = [argument.type for argument in blocks[0].arguments] if len(blocks) == 1 else []
        given = _elements(arguments.type)
        if len(types) != 1 + len(one.fields) + len(given):
            raise VerifyError(
                f"has a body that is not one block of {1 + len(one.fields) + len(given)} arguments: the number of nodes, "
                f"the fields of '{one.name}' and the arguments of the function"
            )
        if not isinstance(types[0], ir.RankedTensorType) or types[0].rank or not _is_integer(types[0]):
            raise VerifyError(f"takes the number of nodes as {types[0]}, which is no integer")
        for field, type_ in zip(one.fields, types[1:], strict=False):
            if field.type is None and type_ != value.type:
                raise VerifyError(f"takes the part '{field.name}' as {type_}, but it is of type {value.type}")
            if field.type is not None and not _rows_of(type_, field.type):
                raise VerifyError(f"takes the field '{field.name}' as {type_}, but its rows are of type {field.type}")
        _check_rows("arguments", types[1 + len(one.fields) :], given)
        last = list(blocks[0].operations)[-1:]
        if not last or last[0].operation.name != "nimble.yield":
            raise VerifyError("has a body that does not end in 'nimble.yield'")
        yielded = last[0].operation.operands[0].type
        if not isinstance(yielded, ir.TupleType):
            raise VerifyError(f"gives {yielded}, but results are a tuple")
        _check_rows("results", _elements(yielded), _elements(empty.type))


class RecurOp(Nimble.Operation, name="recur"):
    """The results of the function for a part of each node of an arm, called with these arguments, a row a node.

    `%r = "nimble.recur"(%left, %args) : (!nimble.adt<@Tree>, tuple<tensor<?x1xf32>>) -> tuple<tensor<?x3xf32>>`
    """

    part: ext.Operand[Adt]
    arguments: ext.Operand[ir.TupleType]
    result: ext.Result[ir.TupleType]

    @verifier
    def verify_invariants(self) -> None:
        parent = self.operation.parent
        if parent is None or parent.name != "nimble.match":
            raise VerifyError("is not in the body of a 'nimble.match'")
        if not isinstance(self.part.owner, ir.Block) or self.part.owner.owner != parent:
            raise VerifyError("calls the function on what is no part of the node")
        _, arguments, empty = parent.parent.operands
        _check_rows("arguments", _elements(self.arguments.type), _elements(arguments.type))
        _check_rows("results", _elements(self.operation.results[0].type), _elements(empty.type))


def constructors_of(op: Any, type_: ir.Type) -> tuple[Constructor, ...]:
    """The constructors of a data type, as the module around `op` declares it. Raises VerifyError where it does not."""
    module = op.operation
    while module.name != "builtin.module" and module.parent is not None:
        module = module.parent
    name = Adt(type_).name
    for region in module.regions:
        for block in region.blocks:
            for each in block.operations:
                attributes = each.operation.attributes
                if each.operation.name == "nimble.datatype" and ir.StringAttr(attributes["sym_name"]).value == name:
                    return tuple(map(_constructor, attributes["constructors"]))
    raise VerifyError(f"is about {type_}, which the module does not declare")


def _constructor(entry: ir.Attribute) -> Constructor:
    name = _entry(entry, "name", ir.StringAttr, "constructor").value
    fields = []
    for field in _entry(entry, "fields", ir.ArrayAttr, "constructor"):
        of_field = _entry(field, "name", ir.StringAttr, f"field of '{name}'").value
        type_ = None
        if "type" in field:
            type_ = _entry(field, "type", ir.TypeAttr, f"field of '{name}'").value
            if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
                raise VerifyError(f"has the field '{of_field}' of type {type_}, which is no tensor of fixed sizes")
        fields.append(Field(of_field, type_))
    return Constructor(name, tuple(fields))


def _entry(attribute: ir.Attribute, key: str, kind: Any, what: str) -> Any:
    found = attribute[key] if isinstance(attribute, ir.DictAttr) and key in attribute else None
    if not isinstance(found, kind):
        raise VerifyError(f"has a {what} without a proper '{key}': {attribute}")
    return found


def _elements(type_: ir.Type) -> list[Any]:
    """The types in a tuple. Raises VerifyError for one that is no ranked tensor."""
    tuple_ = ir.TupleType(type_)
    types = [tuple_.get_type(index) for index in range(tuple_.num_types)]
    for each in types:
        if not isinstance(each, ir.RankedTensorType):
            raise VerifyError(f"has {each} in a tuple, which holds ranked tensors")
    return types


def _check_rows(what: str, types: Sequence[Any], rows: Sequence[Any]) -> None:
    if len(types) != len(rows) or not all(_rows_of(type_, row) for type_, row in zip(types, rows, strict=False)):
        found, wanted = (", ".join(map(str, each)) for each in (types, rows))
        raise VerifyError(f"has {what} of types ({found}), which are no rows of types ({wanted})")


def _rows_of(type_: ir.Type, row: Any) -> bool:
    """Whether a tensor has rows of the type `row`; a size of which one side says nothing fits."""
    if not isinstance(type_, ir.RankedTensorType) or type_.element_type != row.element_type:
        return False
    if type_.rank != row.rank + 1:
        return False
    return all(
        type_.is_dynamic_dim(axis + 1)
        or row.is_dynamic_dim(axis)
        or type_.get_dim_size(axis + 1) == row.get_dim_size(axis)
        for axis in range(row.rank)
    )


def _is_integer(type_: ir.RankedTensorType) -> bool:
    return isinstance(type_.element_type, ir.IntegerType)


def _is_i32(type_: ir.RankedTensorType) -> bool:
    return _is_integer(type_) and type_.element_type.width == 32


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"

"""Lists of rows: values that grow by what is appended to them. They are gone before sizes are known (`nimble-lower-lists`).

`!nimble.list<tensor<4xf32>, {bound = 1000 : i64, capacity = 100 : i64}>`: the type of a row, and what is known of the number
of rows: there are never more than `bound`, and a loop begins with room for `capacity`. A list is a value, as a tensor is:
appending makes another one. Over the edges of control flow it goes as the tensor of its rows.
"""

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, opaque, verifier

__all__ = [
    "List",
    "ListAppendOp",
    "ListExtendOp",
    "ListFromOp",
    "ListGetOp",
    "ListLengthOp",
    "ListReserveOp",
    "ListStackOp",
]

_LIMITS = ("bound", "capacity")


class List(Nimble.Type, name="list"):
    """Rows of one type, and the limits of their number."""

    row: ir.TypeAttr
    limits: ir.DictAttr

    @classmethod
    def of(cls, rows: ir.RankedTensorType, limits: ir.DictAttr) -> "List":
        """The type of the lists whose rows, stacked, are a tensor of type `rows`."""
        row = ir.RankedTensorType.get(list(rows.shape)[1:], rows.element_type)
        return cls.get(opaque(ir.TypeAttr.get(row)), opaque(limits))

    @property
    def row_type(self) -> ir.RankedTensorType:
        """The type of a row. Raises VerifyError where it is no tensor."""
        type_ = ir.TypeAttr(self.row).value
        if not isinstance(type_, ir.RankedTensorType):
            raise VerifyError(f"has a list of {type_}, but its rows are tensors")
        return type_

    @property
    def numbers(self) -> dict[str, int]:
        """The limits by name. Raises VerifyError for what is no limit."""
        found = {}
        for entry in ir.DictAttr(self.limits):
            if entry.name not in _LIMITS:
                raise VerifyError(f"has a list with the limit '{entry.name}'; known are {', '.join(_LIMITS)}")
            if not isinstance(entry.attr, ir.IntegerAttr) or entry.attr.value < 0:
                raise VerifyError(f"has a list whose {entry.name} is {entry.attr}, but it is a number of rows")
            found[entry.name] = entry.attr.value
        return found


def _shape_of(type_: ir.RankedTensorType) -> tuple[list[int], ir.Type]:
    return list(type_.shape), type_.element_type


def _check_rows(list_: ir.Value, rows: ir.Value) -> None:
    """Raises VerifyError where the stacked rows of a list are not of type `rows`."""
    row, type_ = list_.type.row_type, ir.RankedTensorType(rows.type)
    shape, element = _shape_of(type_)
    if not shape or (shape[1:], element) != _shape_of(row):
        raise VerifyError(f"has rows of type {type_} for a list of {row}")
    list_.type.numbers  # noqa: B018 - raises where the limits are malformed


def _check_row(list_: ir.Value, row: ir.Value) -> None:
    if _shape_of(ir.RankedTensorType(row.type)) != _shape_of(list_.type.row_type):
        raise VerifyError(f"has a row of type {row.type} in a list of {list_.type.row_type}")


def _check_same(before: ir.Value, after: ir.Value) -> None:
    if before.type != after.type:
        raise VerifyError(f"makes a {after.type} of a {before.type}")


def _check_scalar(value: ir.Value, what: str) -> None:
    type_ = ir.RankedTensorType(value.type)
    element = type_.element_type
    if type_.rank != 0 or not isinstance(element, ir.IntegerType) or element.width != 32:
        raise VerifyError(f"has {what} of type {type_}, which is no i32")


class ListFromOp(Nimble.Operation, name="list_from", traits=[ext.Pure]):
    """The list of the rows of a tensor.

    `%l = "nimble.list_from"(%rows) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {}>`
    """

    rows: ext.Operand[ir.RankedTensorType]
    list: ext.Result[List]

    @verifier
    def verify_invariants(self) -> None:
        _check_rows(self.list, self.rows)


class ListAppendOp(Nimble.Operation, name="list_append"):
    """The list with one more row. The call fails where there are then more rows than the bound; `what` names the list.

    `%m = "nimble.list_append"(%l, %row) {what = "TensorList of float32[4]"} : (!nimble.list<…>, tensor<4xf32>) -> …`
    """

    list: ext.Operand[List]
    row: ext.Operand[ir.RankedTensorType]
    longer: ext.Result[List]
    what: ir.StringAttr

    @verifier
    def verify_invariants(self) -> None:
        _check_same(self.list, self.longer)
        _check_row(self.list, self.row)


class ListExtendOp(Nimble.Operation, name="list_extend"):
    """The list with the rows of a tensor behind its own; fails as `list_append` does.

    `%m = "nimble.list_extend"(%l, %rows) {what = "…"} : (!nimble.list<…>, tensor<?x4xf32>) -> …`
    """

    list: ext.Operand[List]
    rows: ext.Operand[ir.RankedTensorType]
    longer: ext.Result[List]
    what: ir.StringAttr

    @verifier
    def verify_invariants(self) -> None:
        _check_same(self.list, self.longer)
        _check_rows(self.list, self.rows)


class ListReserveOp(Nimble.Operation, name="list_reserve", traits=[ext.Pure]):
    """The same list, as a loop that may append to it begins with it: with room for its `capacity`.

    `%m = "nimble.list_reserve"(%l) : (!nimble.list<…>) -> !nimble.list<…>`
    """

    list: ext.Operand[List]
    same: ext.Result[List]

    @verifier
    def verify_invariants(self) -> None:
        _check_same(self.list, self.same)


class ListGetOp(Nimble.Operation, name="list_get", traits=[ext.Pure]):
    """A row: the last one is also row -1, and an index outside is clamped.

    `%r = "nimble.list_get"(%l, %i) : (!nimble.list<…>, tensor<i32>) -> tensor<4xf32>`
    """

    list: ext.Operand[List]
    index: ext.Operand[ir.RankedTensorType]
    row: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_scalar(self.index, "an index")
        _check_row(self.list, self.row)


class ListLengthOp(Nimble.Operation, name="list_length", traits=[ext.Pure]):
    """The number of rows.

    `%n = "nimble.list_length"(%l) : (!nimble.list<…>) -> tensor<i32>`
    """

    list: ext.Operand[List]
    length: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_scalar(self.length, "a length")


class ListStackOp(Nimble.Operation, name="list_stack", traits=[ext.Pure]):
    """All rows as one tensor.

    `%x = "nimble.list_stack"(%l) : (!nimble.list<…>) -> tensor<?x4xf32>`
    """

    list: ext.Operand[List]
    rows: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_rows(self.list, self.rows)

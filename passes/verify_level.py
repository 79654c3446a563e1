"""`nimble-verify-level`: checks what holds at a level of IR (docs: "Levels of IR"). In: any IR. Out: the same IR.

It runs in every compile, so it reads types rather than ops: each distinct type is looked at once a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import Dims, dims_of, is_dynamic
from nimble_mlir.dims import Proof
from nimble_mlir.errors import CompileError, NimbleError
from nimble_mlir.mlir import ir

from .base import ModulePass, fail, functions
from .regions import is_within
from .shape_functions.elementwise import BINARY, UNARY
from .signature import argument_attribute
from .symbol_table import SymbolTable

__all__ = ["LEVELS", "VerifyLevel"]


@dataclass(frozen=True)
class VerifyLevel(ModulePass):
    """Fails where the IR is not what the level `level` promises; changes nothing.

      %0 = stablehlo.add %x, %x : tensor<?xf32>
    ==> with level=nimble
      error: level 'nimble': every dynamic tensor has #nimble.dims, but result 0 of 'stablehlo.add' is tensor<?xf32>
    """

    name: ClassVar[str] = "nimble-verify-level"
    level: str = "nimble"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError for the first violation, with the op, what holds at the level, and the location."""
        if self.level not in LEVELS:
            raise CompileError(f"unknown level '{self.level}'; the levels are {', '.join(LEVELS)}")
        for check in LEVELS[self.level]:
            check(self.level, module)


def _violation(op: Any, level: str, holds: str, found: str) -> NimbleError:
    return fail(op, f"level '{level}': {holds}, but {found}")


def _bodies(module: ir.Module) -> Iterator[Any]:
    return (function for function in functions(module) if not function.is_external)


def _walk(operation: Any, visit: Callable[[Any], None]) -> None:
    """Calls `visit` on every op, outer ops first. (`Operation.walk` is far cheaper than iterating over blocks.)"""
    raised: list[NimbleError] = []

    def callback(op: Any) -> Any:
        try:
            visit(op)
        except NimbleError as error:  # `walk` would turn it into a RuntimeError
            raised.append(error)
            return ir.WalkResult.INTERRUPT
        return ir.WalkResult.ADVANCE

    operation.operation.walk(callback, ir.WalkOrder.PRE_ORDER)
    if raised:
        raise raised[0]


def _block_arguments(op: Any) -> Iterator[tuple[ir.Block, int, ir.Value]]:
    for region in op.regions:
        for block in region.blocks:
            for index, argument in enumerate(block.arguments):
                yield block, index, argument


def _check_types(level: str, module: ir.Module, holds: str, wrong: Callable[[ir.Type], str | None]) -> None:
    """Fails for the first type of which `wrong` says something."""
    verdicts: dict[ir.Type, str | None] = {}

    def check(op: Any, type_: ir.Type, what: str, index: int) -> None:
        if type_ not in verdicts:
            verdicts[type_] = wrong(type_)
        verdict = verdicts[type_]
        if verdict is not None:
            raise _violation(op, level, holds, f"{what} {index} of '{op.name}' {verdict}")

    def visit(op: Any) -> None:
        for index, result in enumerate(op.results):
            check(op, result.type, "result", index)
        if not op.regions:
            return
        for _, index, argument in _block_arguments(op):
            check(op, argument.type, "block argument", index)
        if op.name == "func.func":
            declared = ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value).results
            for index, type_ in enumerate(declared):
                check(op, type_, "declared result", index)

    _walk(module, visit)


# Level stablehlo.


def _dimension_variables_lead(level: str, module: ir.Module) -> None:
    for function in _bodies(module):
        others = 0
        for position, argument in enumerate(function.entry_block.arguments):
            if argument_attribute(function, position, "jax.global_constant") is None:
                others += 1
            elif others:
                raise _violation(
                    function, level, "dimension variables lead the arguments", f"argument {position} follows others"
                )
            elif str(argument.type) not in ("tensor<i32>", "tensor<i64>"):
                raise _violation(
                    function,
                    level,
                    "dimension variables are tensor<i32> or tensor<i64>",
                    f"argument {position} is {argument.type}",
                )


def _no_nimble_ops(level: str, module: ir.Module) -> None:
    def visit(op: Any) -> None:
        if op.name.startswith("nimble."):
            raise _violation(op, level, "there are no nimble ops", f"there is '{op.name}'")

    _walk(module, visit)


def _no_dims(level: str, module: ir.Module) -> None:
    def wrong(type_: ir.Type) -> str | None:
        encoded = isinstance(type_, ir.RankedTensorType) and type_.encoding is not None
        return f"is {type_}" if encoded and isinstance(type_.encoding, Dims) else None

    _check_types(level, module, "no type carries #nimble.dims", wrong)


# Levels nimble and shapes.


def _no_dimension_variables(level: str, module: ir.Module) -> None:
    for function in _bodies(module):
        for position in range(len(function.entry_block.arguments)):
            if argument_attribute(function, position, "jax.global_constant") is not None:
                raise _violation(
                    function, level, "there are no dimension-variable arguments", f"argument {position} is one"
                )


def _only_entry_functions(level: str, module: ir.Module) -> None:
    for function in _bodies(module):
        attributes = function.attributes
        if "sym_visibility" in attributes and attributes["sym_visibility"].value != "public":
            raise _violation(
                function, level, "private functions are inlined", f"'{function.name.value}' is private and has a body"
            )


def _every_dynamic_tensor_has_dims(level: str, module: ir.Module) -> None:
    _check_types(level, module, "every dynamic tensor has #nimble.dims and no static one has", _wrong_dims)


def _wrong_dims(type_: ir.Type) -> str | None:
    if not isinstance(type_, ir.RankedTensorType):
        return None
    encoding = type_.encoding
    if not isinstance(encoding, Dims):
        return f"is {type_}" if is_dynamic(type_) else None
    if not is_dynamic(type_):
        return f"is {type_}"
    try:
        dims = encoding.exprs
    except ValueError as error:
        return f"is {type_}: {error}"
    if len(dims) != type_.rank:
        return f"is {type_}, which states {len(dims)} dims at rank {type_.rank}"
    for axis, dim in enumerate(dims):
        size = None if type_.is_dynamic_dim(axis) else type_.get_dim_size(axis)
        if (dim.constant_value if dim.is_constant else None) != size:
            return f"is {type_}, whose dimension {axis} is '{dim}' in the dims"
    return None


def _symbols_are_declared(level: str, module: ir.Module) -> None:
    for function in _bodies(module):
        _Symbols(level, function).check()


class _Symbols:
    """Checks that each symbol of a function is declared once, before its uses, and where they can see it."""

    def __init__(self, level: str, function: Any) -> None:
        self.level = level
        self.function = function
        self.entry = function.entry_block
        self.declared: dict[str, Any] = {}  # name → its nimble.symbol op
        self.seen: set[str] = set()
        self.good: set[ir.Type] = set()  # types all of whose symbols are declared in the entry block

    def check(self) -> None:
        _walk(self.function, self._declare)
        _walk(self.function, self._visit)

    def _declare(self, op: Any) -> None:
        if op.name != "nimble.symbol":
            return
        name = op.attributes["symbol"].value
        if name in self.declared:
            raise _violation(op, self.level, "a symbol is declared once", f"'@{name}' is declared again")
        self.declared[name] = op

    def _visit(self, op: Any) -> None:
        if op.regions:
            for block, _, argument in _block_arguments(op):
                self._check_use(op, argument.type, block, of_argument=True)
        for result in op.results:
            type_ = result.type
            if type_ not in self.good:
                self._check_use(op, type_, op.block, of_argument=False)
        if op.name == "nimble.symbol":
            self.seen.add(op.attributes["symbol"].value)
        elif op.name == "nimble.constraint":
            self._check_constraint(op)

    def _check_use(self, op: Any, type_: ir.Type, block: ir.Block, *, of_argument: bool) -> None:
        in_entry = True
        for name in sorted(frozenset().union(*(dim.symbols for dim in dims_of(type_) or ()))):
            declaration = self.declared.get(name)
            if declaration is None:
                raise self._undeclared(op, name, type_, "no nimble.symbol declares it")
            if not is_within(block, declaration.block):
                raise self._undeclared(op, name, type_, "the region that declares it has ended")
            # The sizes of arguments of a block, or of an op's results, are where its symbols come from.
            arrives = (of_argument and declaration.block == block) or _reads_result(declaration, op)
            if name not in self.seen and not arrives:
                raise self._undeclared(op, name, type_, "its nimble.symbol comes later")
            in_entry = in_entry and declaration.block == self.entry
        if in_entry and not of_argument:
            self.good.add(type_)

    def _undeclared(self, op: Any, name: str, type_: ir.Type, why: str) -> NimbleError:
        holds = "each symbol in a type has its value from a nimble.symbol that dominates it"
        return _violation(op, self.level, holds, f"'{op.name}' has '@{name}' in {type_} and {why}")

    def _check_constraint(self, op: Any) -> None:
        for symbol, value in zip(op.attributes["symbols"], op.operands, strict=True):
            declaration = self.declared.get(symbol.value)
            if declaration is None or declaration.results[0] != value:
                raise _violation(
                    op,
                    self.level,
                    "constraints are about the values of symbols",
                    f"'@{symbol.value}' has another value",
                )


def _reads_result(declaration: Any, op: Any) -> bool:
    """Whether a symbol is the size of a result of `op`."""
    size = declaration.operands[0].owner
    read = None if isinstance(size, ir.Block) or size.name != "tensor.dim" else size.operands[0].owner
    return read is not None and not isinstance(read, ir.Block) and read.operation == op


_ELEMENTWISE = frozenset(f"stablehlo.{name}" for name in (*UNARY, *BINARY) if name != "bitcast_convert")


def _elementwise_dims_are_equal(level: str, module: ir.Module) -> None:
    for function in _bodies(module):
        _check_elementwise(level, function)


def _check_elementwise(level: str, function: Any) -> None:
    scope = SymbolTable(function).scope
    good: set[tuple[ir.Type, ...]] = set()

    def visit(op: Any) -> None:
        if op.name not in _ELEMENTWISE:
            return
        types = (op.results[0].type, *(operand.type for operand in op.operands))
        if types in good:
            return
        expected, *others = (dims_of(type_) for type_ in types)
        for index, dims in enumerate(others):
            for axis, (lhs, rhs) in enumerate(zip(expected or (), dims or (), strict=True)):
                if scope.equal(lhs, rhs) is not Proof.PROVED:
                    raise _violation(
                        op,
                        level,
                        "the dims of elementwise ops are proved or constrained to be equal",
                        f"dimension {axis} of '{op.name}' is '{lhs}' in the result and '{rhs}' in operand {index}",
                    )
        good.add(types)

    _walk(function, visit)


_SHAPE_IN_TENSOR = frozenset(
    [
        "nimble.dynamic_reduce_window",
        "stablehlo.dynamic_broadcast_in_dim",
        "stablehlo.dynamic_conv",
        "stablehlo.dynamic_gather",
        "stablehlo.dynamic_iota",
        "stablehlo.dynamic_pad",
        "stablehlo.dynamic_reshape",
        "stablehlo.get_dimension_size",
        "stablehlo.real_dynamic_slice",
        "stablehlo.set_dimension_size",
    ]
)


def _no_shape_in_a_tensor(level: str, module: ir.Module) -> None:
    def visit(op: Any) -> None:
        if op.name in _SHAPE_IN_TENSOR:
            raise _violation(op, level, "sizes are index values", f"'{op.name}' has them in tensors")

    _walk(module, visit)


# Levels linalg and iree.

# `ub.poison` is what canonicalization makes of an operand that nothing reads.
_LINALG_DIALECTS = frozenset(
    ["affine", "arith", "cf", "complex", "func", "linalg", "math", "scf", "tensor", "ub", "vector"]
)
_LINALG_ONLY = "there are only linalg, tensor, scf, arith, math, vector"
_NIMBLE_RUNTIME_OPS = frozenset(
    f"nimble.{name}"
    for name in """
    symbol constraint check constant tie_shape bind kernel kernel_yield unbind take_chunk await_chunks chunk_done
    scan yield export import view_size
    """.split()
)


def _only_ops(holds: str, dialects: Iterable[str], ops: Iterable[str]) -> Callable[[str, ir.Module], None]:
    allowed_dialects, allowed_ops = frozenset(dialects), frozenset(["builtin.module", *ops])

    def check(level: str, module: ir.Module) -> None:
        def visit(op: Any) -> None:
            name = op.name
            if name not in allowed_ops and name.partition(".")[0] not in allowed_dialects:
                raise _violation(op, level, holds, f"there is '{name}'")

        _walk(module, visit)

    return check


def _no_encoding(level: str, module: ir.Module) -> None:
    def wrong(type_: ir.Type) -> str | None:
        encoded = isinstance(type_, ir.RankedTensorType) and type_.encoding is not None
        return f"is {type_}" if encoded else None

    _check_types(level, module, "no tensor type has an encoding", wrong)


def _signless_integers(level: str, module: ir.Module) -> None:
    def wrong(type_: ir.Type) -> str | None:
        element = type_.element_type if isinstance(type_, ir.ShapedType) else type_
        signed = isinstance(element, ir.IntegerType) and not element.is_signless
        return f"is {type_}" if signed else None

    _check_types(level, module, "integers are signless", wrong)


_BOUND: tuple[Callable[[str, ir.Module], None], ...] = (
    _no_dimension_variables,
    _only_entry_functions,
    _every_dynamic_tensor_has_dims,
    _symbols_are_declared,
    _elementwise_dims_are_equal,
)

LEVELS: dict[str, tuple[Callable[[str, ir.Module], None], ...]] = {
    "stablehlo": (_dimension_variables_lead, _no_nimble_ops, _no_dims),
    "nimble": _BOUND,
    "shapes": (*_BOUND, _no_shape_in_a_tensor),
    "linalg": (
        _only_ops(f"{_LINALG_ONLY} and nimble's run-time ops", _LINALG_DIALECTS, _NIMBLE_RUNTIME_OPS),
        _no_encoding,
        _signless_integers,
    ),
    "iree": (
        _only_ops(
            f"{_LINALG_ONLY} and IREE's ops",
            _LINALG_DIALECTS | {"util", "flow", "hal", "iree_linalg_ext", "iree_tensor_ext"},
            (),
        ),
        _no_encoding,
        _signless_integers,
    ),
}

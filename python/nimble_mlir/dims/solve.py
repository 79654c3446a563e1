"""Solving the symbols of a signature from the sizes of arguments, and checking everything else about them.

In: for each argument axis the dimension declared for it. Out: a `Plan`, which turns the shapes of a call into symbol
values or into a ShapeError. Afterwards every size equals its declared dimension, and every value lies in its range and
satisfies the constraints of the scope (a constraint on a symbol that no argument mentions is not checked here).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nimble_mlir.dims.constraint import Constraint
from nimble_mlir.dims.expr import DimExpr
from nimble_mlir.dims.messages import explain, place_text
from nimble_mlir.dims.scope import Scope
from nimble_mlir.errors import CaptureError

__all__ = ["Check", "Plan", "SizeSource", "Step", "UnsolvableError", "argument_sources", "make_plan", "with_values"]

_ZERO = DimExpr.constant(0)
_ONE = DimExpr.constant(1)


class UnsolvableError(CaptureError):
    """No argument determines the symbols named in `symbols`."""

    def __init__(self, message: str, symbols: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.symbols = symbols


@dataclass(frozen=True)
class SizeSource:
    """The size of an argument's axis (both count from 0) is declared to be `dim`.

    A negative axis is an element of the argument: -1 of a scalar, -2 - k is element k of a vector (see `with_values`).
    """

    argument: int
    axis: int
    dim: DimExpr


def argument_sources(argument: int, dims: Sequence[DimExpr], values: Sequence[DimExpr]) -> list[SizeSource]:
    """The sources that one argument is: its axes, then its elements where they are sizes (`values`)."""
    sizes = [SizeSource(argument, axis, dim) for axis, dim in enumerate(dims)]
    first = -2 if dims else -1
    return sizes + [SizeSource(argument, first - element, value) for element, value in enumerate(values)]


def with_values(shape: Sequence[int], values: Sequence[int]) -> tuple[int, ...]:
    """The shape of an argument whose elements are sizes, as `Plan` takes it: element k stands where its axis says."""
    return (*shape, *reversed(values), 0) if shape else tuple(values)


@dataclass(frozen=True)
class Step:
    """Solves `symbol`: value = (size - rest) / coefficient, where both mention only symbols of earlier steps.

    `size` is that of the argument's axis; with a `constraint` there is no such axis (both are -1) and the size is 0.
    """

    symbol: str
    argument: int
    axis: int
    rest: DimExpr
    coefficient: DimExpr
    constraint: Constraint | None = None

    @property
    def dim(self) -> DimExpr:
        """coefficient*symbol + rest: the dimension as declared."""
        return self.coefficient * DimExpr.symbol(self.symbol) + self.rest


@dataclass(frozen=True)
class Check:
    """The size of the argument's axis must be `expected`, over solved symbols."""

    argument: int
    axis: int
    expected: DimExpr


@dataclass(frozen=True)
class Plan:
    """How the symbols are solved (`steps`, in order) and which other sizes must fit (`checks`)."""

    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    _compiled: tuple[Scope, Callable[[Sequence[Sequence[int]]], dict[str, int] | None]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def solve(self, shapes: Sequence[Sequence[int]], names: Sequence[str], scope: Scope) -> dict[str, int]:
        """The values of all solved symbols for the shapes of the arguments (their names are for messages).

        Raises ShapeError, whose text names the argument, its axis, the size and what was expected.
        """
        compiled = self._compiled
        if compiled is None or compiled[0] is not scope:
            compiled = (scope, _compile(self, scope))
            object.__setattr__(self, "_compiled", compiled)
        try:
            values = compiled[1](shapes)
        except (IndexError, ZeroDivisionError):
            values = None
        return explain(self, shapes, names, scope) if values is None else values

    def __reduce__(self) -> tuple[object, ...]:
        return Plan, (self.steps, self.checks)


def make_plan(sources: Sequence[SizeSource], scope: Scope, names: Sequence[str] | None = None) -> Plan:
    """Plan how to solve every symbol that `sources` mention; `names` are the arguments', for the message.

    Dimensions that are symbols come first, in order; then whatever is linear in one unsolved symbol, constant
    coefficients before others, sizes before equalities of the scope, until nothing is left. Raises UnsolvableError.
    """
    steps: list[Step] = []
    used: set[int] = set()
    solved: set[str] = set()
    for index, source in enumerate(sources):
        symbol = source.dim.as_symbol()
        if symbol is not None and symbol not in solved:
            steps.append(Step(symbol, source.argument, source.axis, _ZERO, _ONE))
            solved.add(symbol)
            used.add(index)
    wanted = dict.fromkeys(symbol for source in sources for symbol in sorted(source.dim.symbols))
    while not solved.issuperset(wanted):
        step = next(_solvable(sources, scope, solved), None)
        if step is None:
            unsolved = tuple(symbol for symbol in wanted if symbol not in solved)
            raise UnsolvableError(_unsolvable_message(unsolved, sources, names), unsolved)
        steps.append(step)
        solved.add(step.symbol)
        used.update(index for index, s in enumerate(sources) if step.constraint is None and _is_source_of(s, step))
    checks = tuple(Check(s.argument, s.axis, s.dim) for index, s in enumerate(sources) if index not in used)
    return Plan(tuple(steps), checks)


def _is_source_of(source: SizeSource, step: Step) -> bool:
    return (source.argument, source.axis) == (step.argument, step.axis) and source.dim == step.dim


def _solvable(sources: Sequence[SizeSource], scope: Scope, solved: set[str]) -> Iterator[Step]:
    """Steps that are possible with what is solved, the best first."""
    later: list[Step] = []
    for source in sources:
        split = _split_linear(source.dim, solved)
        if split is not None:
            step = Step(split[0], source.argument, source.axis, split[2], split[1])
            if step.coefficient.is_constant:
                yield step
            else:
                later.append(step)
    for constraint in scope.constraints:
        split = _split_linear(constraint.difference, solved) if constraint.kind == "==" else None
        if split is not None:
            step = Step(split[0], -1, -1, split[2], split[1], constraint)
            if step.coefficient.is_constant:
                yield step
            else:
                later.append(step)
    for symbol, info in scope.symbols.items():
        if symbol not in solved and info.min == info.max:
            exact = Constraint(DimExpr.symbol(symbol), "==", DimExpr.constant(info.min))
            yield Step(symbol, -1, -1, DimExpr.constant(-info.min), _ONE, exact)
    yield from later


def _split_linear(dim: DimExpr, solved: set[str]) -> tuple[str, DimExpr, DimExpr] | None:
    """(x, coefficient, rest) with dim == coefficient*x + rest for the only unsolved symbol x; None otherwise."""
    unsolved = dim.symbols - solved
    if len(unsolved) != 1:
        return None
    (symbol,) = unsolved
    rest = dim.substitute({symbol: 0}) if _is_polynomial_in(dim, symbol) else None
    if rest is None:
        return None
    coefficient = DimExpr.from_terms(
        {tuple(i for i in m if i[0] != symbol): c for c, m in dim.terms if any(a == symbol for a, _ in m)}
    )
    return symbol, coefficient, rest


def _is_polynomial_in(dim: DimExpr, symbol: str) -> bool:
    """Whether `symbol` occurs with power 1 only and in no call."""
    return all(
        power == 1 if atom == symbol else isinstance(atom, str) or symbol not in atom.symbols
        for _, monomial in dim.terms
        for atom, power in monomial
    )


def _unsolvable_message(unsolved: Sequence[str], sources: Sequence[SizeSource], names: Sequence[str] | None) -> str:
    def place(source: SizeSource) -> str:
        argument = str(source.argument) if names is None else f"'{names[source.argument]}'"
        return f"'{source.dim}' ({place_text(argument, source.axis)})"

    parts = []
    for symbol in unsolved:
        places = ", ".join(place(source) for source in sources if symbol in source.dim.symbols)
        parts.append(f"symbol '{symbol}' is not determined by any argument: it occurs only in {places}")
    return "; ".join(parts)


def _compile(plan: Plan, scope: Scope) -> Callable[[Sequence[Sequence[int]]], dict[str, int] | None]:
    """A function from shapes to symbol values, or to None where anything does not fit; it may raise IndexError too.

    It runs in each call of a compiled module, so it is straight-line Python code, made from the plan.
    """
    variables: dict[str, str] = {}
    lines: list[str] = []

    def require(condition: str) -> None:
        lines.append(f"if not ({condition}): return None")

    for step in plan.steps:
        value = f"v{len(variables)}"
        size = "0" if step.constraint is not None else f"shapes[{step.argument}][{step.axis}]"
        if step.rest != 0:
            size = f"{size} - ({_python(step.rest, variables)})"
        lines.append(f"{value} = {size}")
        if step.coefficient != 1:
            lines.append(f"c = {_python(step.coefficient, variables)}")
            require(f"c and {value} % c == 0")
            lines.append(f"{value} //= c")
        variables[step.symbol] = value
        info = scope.symbols.get(step.symbol)
        if info is not None:
            require(f"{value} >= {info.min}" if info.max is None else f"{info.min} <= {value} <= {info.max}")
            if info.multiple_of > 1:
                require(f"{value} % {info.multiple_of} == 0")
    for check in plan.checks:
        require(f"shapes[{check.argument}][{check.axis}] == {_python(check.expected, variables)}")
    for constraint in scope.constraints:
        if constraint.symbols <= variables.keys():
            lhs, rhs = _python(constraint.lhs, variables), _python(constraint.rhs, variables)
            require(f"{lhs} {constraint.kind} {rhs}")
    lines.append(f"return {{{', '.join(f'{name!r}: {value}' for name, value in variables.items())}}}")
    namespace: dict[str, Callable[[Sequence[Sequence[int]]], dict[str, int] | None]] = {}
    exec("def solve(shapes):\n    " + "\n    ".join(lines), {"min": min, "max": max}, namespace)
    return namespace["solve"]


def _python(expr: DimExpr, variables: dict[str, str]) -> str:
    """`expr` as Python source over `variables` (a symbol's own name may be a keyword)."""
    if not expr.terms:
        return "0"
    products: list[str] = []
    for coefficient, monomial in expr.terms:
        factors = [] if coefficient == 1 and monomial else [f"({coefficient})" if coefficient < 0 else str(coefficient)]
        for atom, power in monomial:
            if isinstance(atom, str):
                text = variables[atom]
            else:
                args = [_python(arg, variables) for arg in atom.args]
                text = _PYTHON[atom.op](args)
            factors += [text] * power
        products.append("*".join(factors))
    return " + ".join(products)


_PYTHON: dict[str, Callable[[list[str]], str]] = {
    "floordiv": lambda args: f"(({args[0]}) // ({args[1]}))",
    "mod": lambda args: f"(({args[0]}) % ({args[1]}))",
    "min": lambda args: f"min({', '.join(args)})",
    "max": lambda args: f"max({', '.join(args)})",
}

"""The text form of dimensions and of relations between them.

In: text such as "2*s + floordiv(t, 4)" or "b*s <= 4096". Out: canonical `DimExpr` values. A recursive-descent parser.
"""

from __future__ import annotations

import re

from nimble_mlir.dims.calls import FOLD, dim_max
from nimble_mlir.dims.expr import DimExpr

__all__ = ["DimSyntaxError", "parse_expr", "parse_relation"]

_TOKEN = re.compile(r"\s*(?:(?P<int>[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<op><=|>=|==|[-+*^(),<>])|(?P<bad>\S))")
_RELATIONS = ("<=", ">=", "==", "<", ">")
_ARITY = {"floordiv": 2, "mod": 2, "min": None, "max": None, "non_negative": 1}
_MAX_DEPTH = 100
_MAX_POWER = 64


class DimSyntaxError(ValueError):
    """A text is no dimension (or relation): `text` is the text, `position` the offset of the problem in it."""

    def __init__(self, problem: str, text: str, position: int) -> None:
        super().__init__(f"{problem} at position {position} of '{text}'")
        self.problem = problem
        self.text = text
        self.position = position

    def __reduce__(self) -> tuple[object, ...]:
        return DimSyntaxError, (self.problem, self.text, self.position)


def parse_expr(text: str) -> DimExpr:
    """Read one expression. Raises DimSyntaxError."""
    parser = _Parser(text)
    expr = parser.sum()
    parser.expect_end()
    return expr


def parse_relation(text: str) -> tuple[DimExpr, str, DimExpr]:
    """Read "lhs REL rhs" with REL one of <= >= == < >. Raises DimSyntaxError."""
    parser = _Parser(text)
    lhs = parser.sum()
    relation = parser.token
    if relation not in _RELATIONS:
        raise parser.error("expected one of <= >= == < >")
    parser.advance()
    rhs = parser.sum()
    parser.expect_end()
    return lhs, relation, rhs


class _Parser:
    """A text and the token at hand: `kind` is "int", "name", "op" or "end"."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.end = 0
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            self.kind, self.token, self.position = "end", "", len(self.text)
            return
        self.kind = match.lastgroup or "end"
        self.token = match.group(self.kind)
        self.position = match.start(self.kind)
        self.end = match.end()
        if self.kind == "bad":
            raise self.error(f"unexpected '{self.token}'")

    def error(self, problem: str) -> DimSyntaxError:
        return DimSyntaxError(problem, self.text, self.position)

    def accept(self, token: str) -> bool:
        if self.kind == "op" and self.token == token:
            self.advance()
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.error(f"expected '{token}'")

    def expect_end(self) -> None:
        if self.kind != "end":
            raise self.error(f"unexpected '{self.token}'")

    def sum(self) -> DimExpr:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.error("too deeply nested")
        total = self.product()
        while True:
            if self.accept("+"):
                total = total + self.product()
            elif self.accept("-"):
                total = total - self.product()
            else:
                self.depth -= 1
                return total

    def product(self) -> DimExpr:
        # A sign in front applies to the whole product, which is the same as applying it to the first factor.
        negative = False
        while self.kind == "op" and self.token in "+-":
            negative ^= self.token == "-"
            self.advance()
        total = self.power()
        while self.accept("*"):
            while self.kind == "op" and self.token in "+-":
                negative ^= self.token == "-"
                self.advance()
            total = total * self.power()
        return -total if negative else total

    def power(self) -> DimExpr:
        base = self.primary()
        while self.accept("^"):
            if self.kind != "int":
                raise self.error("expected an integer power")
            if len(self.token) > 4 or int(self.token) > _MAX_POWER:
                raise self.error(f"a power larger than {_MAX_POWER}")
            result = DimExpr.constant(1)
            for _ in range(int(self.token)):
                result = result * base
            base = result
            self.advance()
        return base

    def primary(self) -> DimExpr:
        if self.kind == "int":
            value = DimExpr.constant(int(self.token))
            self.advance()
            return value
        if self.kind == "name":
            return self.symbol_or_call()
        if self.accept("("):
            inner = self.sum()
            self.expect(")")
            return inner
        raise self.error("expected a number, a symbol or '('")

    def symbol_or_call(self) -> DimExpr:
        name, position = self.token, self.position
        self.advance()
        if not self.accept("("):
            return DimExpr.symbol(name)
        if name not in _ARITY:
            raise DimSyntaxError(f"unknown function '{name}' (known: {', '.join(_ARITY)})", self.text, position)
        args = [self.sum()]
        while self.accept(","):
            args.append(self.sum())
        self.expect(")")
        arity = _ARITY[name]
        if arity is not None and len(args) != arity:
            plural = "" if arity == 1 else "s"
            problem = f"{name} takes {arity} argument{plural}, not {len(args)},"
            raise DimSyntaxError(problem, self.text, position)
        if name == "non_negative":
            return dim_max(args[0], 0)
        try:
            return FOLD[name](*args)
        except ZeroDivisionError:
            raise DimSyntaxError("division by zero", self.text, position) from None

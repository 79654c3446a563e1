"""`--verify-diagnostics`: compares the diagnostics of a run with the `expected-…` comments of its input, as mlir-opt does.

In: the input's text and the diagnostics that were raised. Out: a line for each diagnostic that was expected and did not
come, or came and was not expected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Diagnostic", "Expected", "mismatches", "read_expected"]

# https://mlir.llvm.org/docs/Diagnostics/#sourcemgr-diagnostic-verifier-handler
_EXPECTED = re.compile(
    r"expected-(?P<kind>error|warning|note|remark)(?P<regex>-re)?\s*"
    r"(?:@(?P<where>[+-]\d+|above|below|unknown))?\s*\{\{(?P<text>.*)\}\}\s*$"
)
_MISSPELT = re.compile(r"//.*\bexpected-\w")


@dataclass(frozen=True)
class Diagnostic:
    """What was raised: `line` counts from 1; None where the location is unknown or in another file."""

    severity: str
    line: int | None
    message: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.message}"


@dataclass(frozen=True)
class Expected:
    """One `expected-…` comment; `line` is the line of the diagnostic, None for `@unknown`."""

    severity: str
    line: int | None
    text: str
    is_regex: bool
    comment_line: int

    def matches(self, diagnostic: Diagnostic) -> bool:
        """Whether `diagnostic` is the expected one: severity and line are equal, and the text occurs in its message."""
        if (self.severity, self.line) != (diagnostic.severity, diagnostic.line):
            return False
        if not self.is_regex:
            return self.text in diagnostic.message
        return re.search(_regex_of(self.text), diagnostic.message) is not None


def read_expected(text: str, first_line: int = 1) -> list[Expected]:
    """The expectations in `text`, whose first line has number `first_line`; raises ValueError for one that is malformed."""
    lines = text.splitlines()
    result = []
    for index, line in enumerate(lines):
        match = _EXPECTED.search(line)
        if match is None:
            if _MISSPELT.search(line):
                raise ValueError(f"line {first_line + index}: malformed expected diagnostic: {line.strip()}")
            continue
        target = _target(match["where"], index, lines)
        line_number = None if target is None else first_line + target
        kind, is_regex = match["kind"], match["regex"] is not None
        result.append(Expected(kind, line_number, match["text"], is_regex, first_line + index))
    return result


def mismatches(expected: Sequence[Expected], raised: Sequence[Diagnostic], file: str) -> list[str]:
    """A line for each diagnostic that was expected and not raised, or raised and not expected."""
    missing = list(expected)
    problems = []
    for diagnostic in raised:
        found = next((one for one in missing if one.matches(diagnostic)), None)
        if found is not None:
            missing.remove(found)
        else:
            problems.append(f"{diagnostic.where}: error: unexpected {diagnostic.severity}: {diagnostic.message}")
    problems += [
        f'{file}:{one.comment_line}:1: error: expected {one.severity} "{one.text}" was not produced' for one in missing
    ]
    return problems


def _target(where: str | None, index: int, lines: Sequence[str]) -> int | None:
    """The index of the line that a designator speaks of; `@above` and `@below` skip other expectations."""
    if where is None:
        return index
    if where == "unknown":
        return None
    if where in ("above", "below"):
        step = -1 if where == "above" else 1
        index += step
        while 0 <= index < len(lines) and _EXPECTED.search(lines[index]):
            index += step
        return index
    return index + int(where)


def _regex_of(text: str) -> str:
    """The regex of an `expected-…-re` text: what stands in {{…}} is a regex, the rest is literal."""
    parts = re.split(r"\{\{(.*?)\}\}", text)
    return "".join(part if position % 2 else re.escape(part) for position, part in enumerate(parts))

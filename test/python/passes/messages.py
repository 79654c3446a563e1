"""The messages that a pass or a verifier can raise, read from the sources: so that a test can ask for each of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# Calls that make an error, and which of their arguments hold its text.
_MAKERS = {"fail": (1,), "VerifyError": (0,), "CompileError": (0,), "_violation": (2, 3)}
_MIN_LENGTH = 8


# Errors that the rest of the package raises itself.
_ERRORS = dict.fromkeys(
    "CaptureError CompileError LoadError NimbleError ShapeError TypeError UnsupportedOpError ValueError".split(), (0,)
)


def error_fragments(path: Path) -> Iterator[tuple[int, str]]:
    """As `message_fragments`, of the errors that a file of the package outside of the passes raises."""
    return message_fragments(path, _ERRORS)


def words(text: str) -> str:
    """The words of a text without anything between them: a test may name a message by a regular expression."""
    return " ".join(re.findall("[a-z]+", text.lower()))


def is_named(fragment: str, text: str) -> bool:
    """Whether three words in a row of a message (all, of a shorter one) stand in `text`, which is one of `words`."""
    parts = words(fragment).split()
    runs = [" ".join(parts[start : start + 3]) for start in range(max(1, len(parts) - 2))]
    return any(f" {run} " in text for run in runs)


def message_fragments(path: Path, makers: dict[str, tuple[int, ...]] = _MAKERS) -> Iterator[tuple[int, str]]:
    """(line, text) for each message in a source file; the text is the longest constant part of the message."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef):
            continue
        assigned = {
            node.targets[0].id: node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(scope):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers):
                continue
            for position in makers[node.func.id]:
                if position < len(node.args):
                    fragment = _longest_constant(node.args[position], assigned)
                    if len(fragment) >= _MIN_LENGTH:
                        yield node.lineno, fragment


def _longest_constant(node: ast.expr, assigned: dict[str, ast.expr]) -> str:
    if isinstance(node, ast.Name) and node.id in assigned:
        node = assigned[node.id]
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return max(texts, key=len, default="").strip()

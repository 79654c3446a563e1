"""The messages that a pass or a verifier can raise, read from the sources: so that a test can ask for each of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Calls that make an error, and which of their arguments hold its text.
_MAKERS = {"fail": (1,), "VerifyError": (0,), "CompileError": (0,), "_violation": (2, 3)}
_MIN_LENGTH = 8


def message_fragments(path: Path) -> Iterator[tuple[int, str]]:
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
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS):
                continue
            for position in _MAKERS[node.func.id]:
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

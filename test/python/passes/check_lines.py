"""A lint of lit files: FileCheck passes silently over a misspelt directive, so each line that looks like one must be one."""

import re
from difflib import SequenceMatcher

# https://llvm.org/docs/CommandGuide/FileCheck.html
_SUFFIX = re.compile(r"(-(NEXT|SAME|NOT|DAG|LABEL|EMPTY|COUNT-\d+))?(\{LITERAL\})?:")
# The first word of a comment, with what joins it to a colon.
_WORD = re.compile(r"//+\s*(?P<word>[A-Za-z][\w-]*)(?P<rest>\s*[:{]?)")


def misspelt_lines(text: str, prefixes: set[str]) -> list[tuple[int, str]]:
    """(number, line) of each line of a lit file that looks like a directive of FileCheck or lit and is none."""
    known = {*prefixes, "RUN"}
    return [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if _looks_like_one(line, known) and not _is_one(line, known)
    ]


def _is_one(line: str, known: set[str]) -> bool:
    match = re.match(r"\s*//+ ?", line)
    if match is None:
        return False
    comment = line[match.end() :].lstrip()
    if comment.startswith("RUN:"):
        return True
    return any(comment.startswith(prefix) and _SUFFIX.match(comment, len(prefix)) for prefix in known)


def _looks_like_one(line: str, known: set[str]) -> bool:
    match = _WORD.search(line)
    if match is None:
        return False
    word, has_colon = match["word"], ":" in match["rest"]
    head = re.split(r"[-_]", word)[0]
    # Words of a sentence are no directives; "Check:" and "check-next:" may be meant as such.
    if not (head.isupper() or has_colon):
        return False
    return any(_alike(head.upper(), prefix) or _alike(word.upper(), prefix) for prefix in known)


def _alike(word: str, prefix: str) -> bool:
    swapped = sorted(word) == sorted(prefix)
    return swapped or word.startswith(prefix) or SequenceMatcher(None, word, prefix).ratio() >= 0.75

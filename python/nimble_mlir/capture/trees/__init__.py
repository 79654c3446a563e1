"""Trees: algebraic data types and functions that recurse on them."""

from .adt import adt, constructor, match
from .recursion import recursive

__all__ = ["adt", "constructor", "match", "recursive"]

"""Attributes by which passes tell those that come later what they know."""

from __future__ import annotations

__all__ = ["APART", "OWN"]

# On the `nimble.tie_shape` of a value that is a buffer of its own, such as one that meets others at an edge of control flow.
APART = "nimble.apart"

# On the `nimble.export` of a tensor that something else may hold: its view is of a copy.
OWN = "nimble.own"

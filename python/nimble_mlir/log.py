"""`NIMBLE_LOG=passes,ir,iree,runtime` selects what is logged to stderr; without it nothing is set up here.

The loggers are `nimble_mlir.passes` (passes and their times), `.ir` (the IR of each stage), `.iree` (runs of the IREE
compiler) and `.runtime` (loading and devices). Programs that configure logging themselves need no variable.
"""

from __future__ import annotations

import logging
import os
import warnings

__all__ = ["TOPICS", "configure"]

TOPICS = ("passes", "ir", "iree", "runtime")


def configure(topics: str | None = None) -> None:
    """Sends the selected loggers to stderr; `topics` defaults to the variable NIMBLE_LOG."""
    selected = [topic.strip() for topic in (topics or os.environ.get("NIMBLE_LOG", "")).split(",") if topic.strip()]
    for topic in selected:
        if topic not in TOPICS:
            warnings.warn(f"NIMBLE_LOG: unknown topic '{topic}'; known are {', '.join(TOPICS)}", stacklevel=2)
            continue
        logger = logging.getLogger(f"nimble_mlir.{topic}")
        logger.setLevel(logging.DEBUG)
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False

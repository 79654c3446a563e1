"""`nm.batch`: batches whose examples part ways in loops and branches.

batch.py traces the function for one example; uniformity.py finds what differs from example to example; interpret.py runs the
jaxpr over all examples, with the rules of loops.py, divided.py and branches.py for what they do at different times or not.
"""

from . import branches, loops  # their rules register with the interpreter
from .batch import batch

__all__ = ["batch", "branches", "loops"]

"""Work that the workgroups of one kernel share: each takes the next chunk that nobody has taken.

A workgroup may begin when others have done all there is, so none waits for one that has not begun: it waits for chunks that
others have taken, and whoever took one is at work on it. Chunks are numbered in the order in which they may run. Two
counters say how many are taken and how many are done: elements of one of the kernel's outputs, zero as the kernel begins.
"""

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = ["COUNTERS", "DONE", "TAKEN", "AwaitChunksOp", "ChunkDoneOp", "TakeChunkOp"]

# The elements of a tensor of counters, and which ones count: each lies in a cache line of its own.
COUNTERS, TAKEN, DONE = 32, 0, 16


def _verify(op: "AwaitChunksOp | ChunkDoneOp | TakeChunkOp") -> None:
    type_ = ir.RankedTensorType(op.counters.type)
    if type_.shape != [COUNTERS] or str(type_.element_type) != "i64":
        raise VerifyError(f"has counters of type {type_}, but they are tensor<{COUNTERS}xi64>")


class TakeChunkOp(Nimble.Operation, name="take_chunk"):
    """The number of the next chunk, which is this workgroup's from now on.

    `%n = "nimble.take_chunk"(%counters) : (tensor<32xi64>) -> i64`
    """

    counters: ext.Operand[ir.RankedTensorType]
    number: ext.Result[ir.IntegerType[64]]  # pyright: ignore[reportGeneralTypeIssues] - ext's notation

    @verifier
    def verify_invariants(self) -> None:
        _verify(self)


class ChunkDoneOp(Nimble.Operation, name="chunk_done"):
    """Tells the other workgroups that a chunk is done: what was written before is seen by who waits for it.

    `"nimble.chunk_done"(%counters) : (tensor<32xi64>) -> ()`
    """

    counters: ext.Operand[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _verify(self)


class AwaitChunksOp(Nimble.Operation, name="await_chunks"):
    """Waits until `count` chunks are done.

    `"nimble.await_chunks"(%counters, %count) : (tensor<32xi64>, i64) -> ()`
    """

    counters: ext.Operand[ir.RankedTensorType]
    count: ext.Operand[ir.IntegerType[64]]  # pyright: ignore[reportGeneralTypeIssues] - ext's notation

    @verifier
    def verify_invariants(self) -> None:
        _verify(self)

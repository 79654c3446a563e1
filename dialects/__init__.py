"""The nimble MLIR dialect, defined in Python over IRDL, and builders for the IREE ops that the last pass emits."""

from .buffer_views import BufferView, ExportOp, ImportOp, ViewSizeOp
from .chunks import COUNTERS, DONE, TAKEN, AwaitChunksOp, ChunkDoneOp, TakeChunkOp
from .constants import ConstantOp
from .core import (
    DYNAMIC,
    Dims,
    Nimble,
    VerifyError,
    attr_to_dim,
    dim_to_attr,
    dims_of,
    is_dynamic,
    new_context,
    opaque,
    tensor_type,
)
from .kernels import Binding, BindOp, KernelOp, KernelYieldOp, UnbindOp
from .selections import PARTS, CompressOp, CountOp, DefineSizeOp, NonzeroOp, NonzeroPaddedOp
from .shaped import BroadcastInDimOp, GatherOp, IotaOp, PadOp, ReshapeOp, SliceOp, TieShapeOp
from .symbols import CastOp, CheckOp, ConstraintOp, SymbolOp, bounds_to_attr, symbol_info
from .windows import DynamicReduceWindowOp, ReduceWindowOp, ScanOp, YieldOp

__all__ = [
    "COUNTERS",
    "DONE",
    "DYNAMIC",
    "PARTS",
    "TAKEN",
    "AwaitChunksOp",
    "BindOp",
    "Binding",
    "BroadcastInDimOp",
    "BufferView",
    "CastOp",
    "CheckOp",
    "ChunkDoneOp",
    "CompressOp",
    "ConstantOp",
    "ConstraintOp",
    "CountOp",
    "DefineSizeOp",
    "Dims",
    "DynamicReduceWindowOp",
    "ExportOp",
    "GatherOp",
    "ImportOp",
    "IotaOp",
    "KernelOp",
    "KernelYieldOp",
    "Nimble",
    "NonzeroOp",
    "NonzeroPaddedOp",
    "PadOp",
    "ReduceWindowOp",
    "ReshapeOp",
    "ScanOp",
    "SliceOp",
    "SymbolOp",
    "TakeChunkOp",
    "TieShapeOp",
    "UnbindOp",
    "VerifyError",
    "ViewSizeOp",
    "YieldOp",
    "attr_to_dim",
    "bounds_to_attr",
    "dim_to_attr",
    "dims_of",
    "is_dynamic",
    "new_context",
    "opaque",
    "symbol_info",
    "tensor_type",
]

"""The nimble MLIR dialect, defined in Python over IRDL, and builders for the IREE ops that the last pass emits."""

from .buffer_views import BufferView, ExportOp, ImportOp, ViewSizeOp
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
from .recursion import Adt, Constructor, DatatypeOp, Field, MatchOp, RecurOp, RecursiveOp, TreeOp, constructors_of
from .selections import PARTS, CompressOp, CountOp, DefineSizeOp, NonzeroOp, NonzeroPaddedOp
from .shaped import BroadcastInDimOp, GatherOp, IotaOp, PadOp, ReshapeOp, SliceOp, TieShapeOp
from .symbols import CastOp, CheckOp, ConstraintOp, SymbolOp, bounds_to_attr, symbol_info
from .windows import DynamicReduceWindowOp, ReduceWindowOp, ScanOp, YieldOp

__all__ = [
    "DYNAMIC",
    "PARTS",
    "Adt",
    "BindOp",
    "Binding",
    "BroadcastInDimOp",
    "BufferView",
    "CastOp",
    "CheckOp",
    "CompressOp",
    "ConstantOp",
    "ConstraintOp",
    "Constructor",
    "CountOp",
    "DatatypeOp",
    "DefineSizeOp",
    "Dims",
    "DynamicReduceWindowOp",
    "ExportOp",
    "Field",
    "GatherOp",
    "ImportOp",
    "IotaOp",
    "KernelOp",
    "KernelYieldOp",
    "MatchOp",
    "Nimble",
    "NonzeroOp",
    "NonzeroPaddedOp",
    "PadOp",
    "RecurOp",
    "RecursiveOp",
    "ReduceWindowOp",
    "ReshapeOp",
    "ScanOp",
    "SliceOp",
    "SymbolOp",
    "TieShapeOp",
    "TreeOp",
    "UnbindOp",
    "VerifyError",
    "ViewSizeOp",
    "YieldOp",
    "attr_to_dim",
    "bounds_to_attr",
    "constructors_of",
    "dim_to_attr",
    "dims_of",
    "is_dynamic",
    "new_context",
    "opaque",
    "symbol_info",
    "tensor_type",
]

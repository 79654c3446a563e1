"""Large constants: the IR holds their name and type only, so weights pass through no printer, parser or folder."""

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = ["ConstantOp"]


class ConstantOp(Nimble.Operation, name="constant", traits=[ext.Pure]):
    """The constant of the program that is called `key`; its elements travel beside the module.

    `%w = "nimble.constant"() {key = "constant0"} : () -> tensor<768x768xf32>`
    """

    result: ext.Result[ir.RankedTensorType]
    key: ir.StringAttr

    @verifier
    def verify_invariants(self) -> None:
        if not self.key.value:
            raise VerifyError("has an empty key")
        if not ir.RankedTensorType(self.result.type).has_static_shape:
            raise VerifyError(f"has type {self.result.type}, but a constant's shape is static")

"""Kernels: computations over whole tensors that run in one dispatch, with loops that read and write single elements.

What linalg cannot say, such as updates in order at computed positions (scatter) or a merge sort, is loops of scf over
tensors. On the host each `tensor.insert` would be a dispatch of its own; in a kernel it is a store.

The operands and results of a kernel are all of one type, `!nimble.binding`: the elements of a variadic group of operands or
results of a Python-defined op have equal types (IRDL's constraints are variables; torch-mlir 20261001).
"""

from collections.abc import Sequence

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = ["BindOp", "Binding", "KernelOp", "KernelYieldOp", "UnbindOp"]


class Binding(Nimble.Type, name="binding"):
    """A tensor with its dynamic sizes, as a kernel takes and gives it."""


class BindOp(Nimble.Operation, name="bind", traits=[ext.Pure]):
    """A tensor for a kernel, with one size for each of its dynamic dimensions.

    `%b = "nimble.bind"(%x, %n) : (tensor<?xf32>, index) -> !nimble.binding`
    """

    tensor: ext.Operand[ir.RankedTensorType]
    sizes: Sequence[ext.Operand[ir.IndexType]]
    binding: ext.Result[Binding]

    @verifier
    def verify_invariants(self) -> None:
        type_ = ir.RankedTensorType(self.tensor.type)
        dynamic = sum(type_.is_dynamic_dim(axis) for axis in range(type_.rank))
        if dynamic != len(self.sizes):
            raise VerifyError(f"has {len(self.sizes)} sizes, but its tensor has {dynamic} dynamic dimensions")


class KernelOp(Nimble.Operation, name="kernel", traits=[ext.Pure]):
    """Runs its body once in each of `workgroups` workgroups, in any order or at the same time.

    The block's arguments are the workgroup's number and the tensors behind `inputs` and `outputs`; it yields the outputs as
    they are afterwards. A workgroup writes only elements that no other one reads or writes. The body may use scalars from
    outside.

    `%r = "nimble.kernel"(%in, %out, %c1) ({^bb(%w: index, %x: tensor<…>, %y: tensor<…>): …}) : (…) -> !nimble.binding`
    """

    inputs: Sequence[ext.Operand[Binding]]
    outputs: Sequence[ext.Operand[Binding]]
    workgroups: ext.Operand[ir.IndexType]
    updated: Sequence[ext.Result[Binding]]
    body: ext.Region

    @verifier
    def verify_invariants(self) -> None:
        results = len(self.operation.results)
        if results != len(self.outputs):
            raise VerifyError(f"has {results} results, but {len(self.outputs)} outputs")
        blocks = list(self.body.blocks)
        expected = 1 + len(self.inputs) + len(self.outputs)
        if len(blocks) != 1 or len(blocks[0].arguments) != expected:
            raise VerifyError(f"has a body that is not one block of {expected} arguments: an index, inputs and outputs")
        for argument, value in zip(list(blocks[0].arguments)[1:], (*self.inputs, *self.outputs), strict=True):
            owner = value.owner
            if isinstance(owner, ir.Block) or owner.name != "nimble.bind":
                raise VerifyError("has an operand that is not the result of 'nimble.bind'")
            type_ = owner.operands[0].type
            if argument.type != type_:
                raise VerifyError(f"has a body that takes {argument.type} for a tensor of type {type_}")


class KernelYieldOp(Nimble.Operation, name="kernel_yield", traits=[ir.IsTerminatorTrait]):
    """Ends a kernel's body. Its operand, if any, is the list of outputs afterwards, made by `nimble.bind` in the body."""

    values: Sequence[ext.Operand[Binding]]


class UnbindOp(Nimble.Operation, name="unbind", traits=[ext.Pure]):
    """The tensor of a kernel's result.

    `%y = "nimble.unbind"(%b) : (!nimble.binding) -> tensor<?xf32>`
    """

    binding: ext.Operand[Binding]
    tensor: ext.Result[ir.RankedTensorType]

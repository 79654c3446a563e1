"""`nimble-lower-control-flow`: StableHLO's loops and branches become scf's. In: stage shapes. Out: the same without
`stablehlo.while`, `if` and `case`; counters, bounds and conditions that follow from sizes and counters are scalars on the
host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import TieShapeOp, dims_of, is_dynamic
from nimble_mlir.mlir import arith, ir, tensor

from .base import ModulePass, entry_functions
from .edge_buffers import edges
from .host_carries import host_carries
from .host_values import HostValues, as_tensor
from .lowering.signedness import is_unsigned, reinterpret, signless
from .marks import APART
from .regions import CONTROL_FLOW, statements, terminator
from .size_edges import Edge, arrive, state_view_sizes
from .symbol_table import DimBuilder, SymbolTable, constant_index

__all__ = ["Counter", "LowerControlFlow", "counter_of", "keep_apart"]

_EQ = 0  # arith.cmpi eq


@dataclass(frozen=True)
class LowerControlFlow(ModulePass):
    """Lowers a loop that counts to `scf.for`, other loops to `scf.while`, branches to `scf.if`.

    A counted loop has no condition on the device to wait for. In other loops the condition is read back from the device
    at each iteration.

      %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?xf32, #nimble.dims<[@s]>>
       cond { stablehlo.compare LT, %i, %n } do { … stablehlo.return (%i + 1), %next }
    ==>
      %0 = scf.for %k = %c0 to %n step %c1 iter_args(%c = %x) -> (tensor<?xf32, #nimble.dims<[@s]>>) {
        %i = tensor.from_elements (arith.index_cast %k) : tensor<i32>
        … scf.yield %next }
    """

    name: ClassVar[str] = "nimble-lower-control-flow"

    def run(self, module: ir.Module) -> None:
        """Never fails: what it has no form for stays as it is."""
        for function in entry_functions(module):
            _lower_block(function.entry_block, HostValues())
            sizes = DimBuilder(function.entry_block, SymbolTable(function).values)
            state_view_sizes(function, sizes)
            for op in statements(function):
                if op.name in CONTROL_FLOW:
                    keep_apart(op, sizes)


def keep_apart(op: Any, sizes: DimBuilder) -> None:
    """States the sizes of the tensors at the edges of the control flow `op`, and that each is a buffer of its own."""
    _tie_shapes(op, sizes)
    for edge, first in edges(op):
        _separate(edge, first, sizes)


def _lower_block(block: ir.Block, known: HostValues) -> None:
    for view in list(block.operations):
        op = view.operation
        lower = _LOWER.get(op.name)
        if lower is not None:
            with ir.InsertionPoint(op), op.location:
                op = lower(op, known)
        if op.name not in CONTROL_FLOW:
            known.visit(op)
            continue
        # Inner ops come after outer ones: what is counted outside is known on the host inside.
        for region in op.regions:
            for inner in region.blocks:
                _lower_block(inner, known)


def _while(op: Any, known: HostValues) -> Any:
    counter = counter_of(op)
    return _lower_while(op, known) if counter is None else _lower_for(op, counter, known)


def _tie_shapes(op: Any, sizes: DimBuilder) -> None:
    """States the sizes of what enters regions of `op` and of its results; IREE 3.13 does not find them where loops and
    branches are nested ("'tensor.dim' op unexpected during shape cleanup")."""
    for region in op.regions:
        for block in region.blocks:
            inside = [argument for argument in block.arguments if is_dynamic(argument.type)]
            for argument in inside:
                with ir.InsertionPoint.at_block_begin(block), op.location:
                    _tie(argument, sizes, terminator(block))
    for result in op.results:
        if is_dynamic(result.type):
            with ir.InsertionPoint.after(op), op.location:
                _tie(result, sizes)


def _separate(op: Any, first: int, sizes: DimBuilder) -> None:
    """Marks the operands from `first` on as buffers of their own, which they become in nimble-emit-iree."""
    for index in range(first, len(op.operands)):
        value = op.operands[index]
        dims = dims_of(value.type)
        owner = value.owner
        if dims is None or (not isinstance(owner, ir.Block) and APART in owner.attributes):
            continue
        with ir.InsertionPoint(op), op.location:
            apart = TieShapeOp(value, sizes.sizes(dims), value.type)
        apart.operation.attributes[APART] = ir.UnitAttr.get()
        op.operands[index] = apart.result


def _tie(value: ir.Value, sizes: DimBuilder, *exceptions: Any) -> None:
    if any(use.owner.operation.name == "nimble.tie_shape" for use in value.uses):
        return
    dims = dims_of(value.type)
    assert dims is not None, value
    tied = TieShapeOp(value, sizes.sizes(dims), value.type).result
    value.replace_all_uses_except(tied, [tied.owner.operation, *exceptions])


@dataclass(frozen=True)
class Counter:
    """A carry of a loop that counts up by one from its first value while it is less than `bound`."""

    index: int
    bound: ir.Value


def counter_of(op: Any) -> Counter | None:
    """The counter of a loop whose condition is that it is less than a bound that the loop does not change."""
    cond, body = (region.blocks[0] for region in op.regions)
    condition = terminator(cond).operands[0].owner
    if isinstance(condition, ir.Block) or condition.name != "stablehlo.compare":
        return None
    direction = str(condition.attributes["comparison_direction"]).split()[-1].rstrip(">")
    operands = list(condition.operands)
    if direction == "GT":
        operands.reverse()
    elif direction != "LT":
        return None
    value, bound = operands
    arguments = list(cond.arguments)
    if value not in arguments or not isinstance(value.type.element_type, ir.IntegerType):
        return None
    index = arguments.index(value)
    if _is_inside(bound, op) and _as_constant(bound) is None:
        return None
    step = terminator(body).operands[index].owner
    if isinstance(step, ir.Block) or step.name != "stablehlo.add":
        return None
    lhs, rhs = step.operands
    counter = body.arguments[index]
    increment = rhs if lhs == counter else lhs if rhs == counter else None
    return Counter(index, bound) if increment is not None and _as_constant(increment) == 1 else None


def _is_inside(value: ir.Value, op: Any) -> bool:
    """Whether `value` is defined inside of a region of `op`."""
    block: Any = value.owner if isinstance(value.owner, ir.Block) else value.owner.operation.block
    while block is not None:
        owner = block.owner.operation
        if owner == op:
            return True
        block = owner.block if owner.name != "func.func" else None
    return False


def _as_constant(value: ir.Value) -> int | None:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
        return None
    attribute = owner.attributes["value"]
    return attribute.get_splat_value().value if isinstance(attribute, ir.DenseIntElementsAttr) else None


def _scalar(value: ir.Value, known: HostValues) -> ir.Value:
    """The one element of an integer tensor as a signless scalar, read from the device where the host does not know it."""
    scalars = known.get(value)
    if scalars is not None:
        return scalars[0]
    constant = _as_constant(value)
    element = value.type.element_type
    if constant is not None:
        return arith.constant(signless(element), constant)
    return reinterpret(tensor.extract(value, []), signless(element))


def _read_once(value: ir.Value, known: HostValues) -> None:
    """Reads a scalar from the device where it is computed, so that no loop reads it again."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        point, location = ir.InsertionPoint.at_block_begin(owner), owner.owner.location
    else:
        point, location = ir.InsertionPoint.after(owner), owner.location
    with point, location:
        known.set(value, [_scalar(value, known)])


def _to_index(scalar: ir.Value, element: ir.Type) -> ir.Value:
    return (arith.index_castui if is_unsigned(element) else arith.index_cast)(ir.IndexType.get(), scalar)


def _lower_for(op: Any, counter: Counter, known: HostValues) -> Any:
    body = op.regions[1].blocks[0]
    element = op.results[counter.index].type.element_type
    first, bound = _scalar(op.operands[counter.index], known), _scalar(counter.bound, known)
    limits = [_to_index(scalar, element) for scalar in (first, bound)]
    others = [index for index in range(len(op.operands)) if index != counter.index]
    edge = Edge(op)
    loop = ir.Operation.create(
        "scf.for",
        results=[edge.types[index] for index in others],
        operands=[*limits, constant_index(1), *edge.leave([op.operands[index] for index in others], others)],
        regions=1,
    )
    block = _append_block(loop.regions[0], [ir.IndexType.get(), *[edge.types[index] for index in others]])
    with ir.InsertionPoint(block):
        cast = arith.index_castui if is_unsigned(element) else arith.index_cast
        count = cast(signless(element), block.arguments[0])
        tensor_count = as_tensor([count], op.results[counter.index].type)
    known.set(tensor_count, [count])
    arguments: list[ir.Value] = list(block.arguments)[1:]
    arguments.insert(counter.index, tensor_count)
    yielded = _move(body, block, arguments)
    with ir.InsertionPoint(block):
        ir.Operation.create("scf.yield", operands=edge.leave([yielded[index] for index in others], others))
    # The counter ends at the bound, or where it began if that is beyond it.
    largest = arith.maxui if is_unsigned(element) else arith.maxsi
    last = largest(first, bound)
    results = list(loop.results)
    final = as_tensor([last], op.results[counter.index].type)
    known.set(final, [last])
    results.insert(counter.index, final)
    return _replace(op, loop, results)


def _lower_while(op: Any, known: HostValues) -> Any:
    found = host_carries(op, known.knows)
    hosted = set(found.positions)
    for value in found.read:
        _read_once(value, known)
    edge = Edge(op)
    carries = range(len(op.results))
    elements = [op.results[index].type.element_type if index in hosted else None for index in carries]
    types = [edge.types[index] if index not in hosted else signless(elements[index]) for index in carries]

    def leave(values: Sequence[ir.Value]) -> list[ir.Value]:
        """What crosses an edge; the element of a tensor that the host knows is found when its block is lowered."""
        tensors = [index for index in carries if index not in hosted]
        left = iter(edge.leave([values[index] for index in tensors], tensors))
        return [_scalar(values[index], known) if index in hosted else next(left) for index in carries]

    def arrived(values: Sequence[ir.Value]) -> list[ir.Value]:
        tensors = []
        for index, value in enumerate(values):
            if index in hosted:
                tensors.append(as_tensor([value], op.results[index].type))
                known.set(tensors[-1], [value])
            else:
                tensors.append(value)
        return tensors

    loop = ir.Operation.create("scf.while", results=types, operands=leave(list(op.operands)), regions=2)
    cond, body = (region.blocks[0] for region in op.regions)
    before, after = (_append_block(region, types) for region in loop.regions)
    with ir.InsertionPoint(before):
        arguments = arrived(before.arguments)
    (condition,) = _move(cond, before, arguments)
    with ir.InsertionPoint(before):
        ir.Operation.create("scf.condition", operands=[tensor.extract(condition, []), *before.arguments])
    with ir.InsertionPoint(after):
        arguments = arrived(after.arguments)
    yielded = _move(body, after, arguments)
    with ir.InsertionPoint(after):
        ir.Operation.create("scf.yield", operands=leave(yielded))
    return _replace(op, loop, arrived(loop.results))


def _if(op: Any, known: HostValues) -> Any:
    edge = Edge(op)
    return _replace(op, _scf_if(edge, _scalar(op.operands[0], known), *_emitters(op, edge)))


def _case(op: Any, known: HostValues) -> Any:
    """A chain of `scf.if`; an index that is none of the branches' selects the last one, as the specification says.

    IREE 3.13 has no lowering for `scf.index_switch` with results of dynamic size ("'tensor.dim' op unexpected during
    shape cleanup").
    """
    index = _scalar(op.operands[0], known)
    edge = Edge(op)
    branches = _emitters(op, edge)

    def select(position: int) -> Any:
        def rest(block: ir.Block) -> None:
            with ir.InsertionPoint(block):
                ir.Operation.create("scf.yield", operands=list(select(position + 1).results))

        chosen = arith.cmpi(_EQ, index, arith.constant(index.type, position))
        last = position + 2 >= len(branches)
        return _scf_if(edge, chosen, branches[position], branches[-1] if last else rest)

    if len(branches) == 1:
        new = ir.Operation.create("scf.execute_region", results=edge.types, regions=1)
        branches[0](_append_block(new.regions[0], []))
        return _replace(op, new)
    return _replace(op, select(0))


Emit = Callable[[ir.Block], None]


def _emitters(op: Any, edge: Edge) -> list[Emit]:
    """For each branch a function that moves it into a block."""

    def emitter(source: ir.Block) -> Emit:
        def emit(block: ir.Block) -> None:
            yielded = _move(source, block, [])
            with ir.InsertionPoint(block):
                ir.Operation.create("scf.yield", operands=edge.leave(yielded))

        return emit

    return [emitter(region.blocks[0]) for region in op.regions]


def _scf_if(edge: Edge, condition: ir.Value, on_true: Emit, on_false: Emit) -> Any:
    new = ir.Operation.create("scf.if", results=edge.types, operands=[condition], regions=2)
    for emit, region in zip((on_true, on_false), new.regions, strict=True):
        emit(_append_block(region, []))
    return new


def _append_block(region: Any, types: Sequence[ir.Type]) -> ir.Block:
    location = ir.Location.current
    return region.blocks.append(*types, arg_locs=[location] * len(types))


def _move(source: ir.Block, target: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
    """Moves the ops of `source` to the end of `target`, which has `arguments` for its arguments; returns what it returns."""
    pairs = list(zip(source.arguments, arguments, strict=True))
    arrive(pairs, ir.InsertionPoint.at_block_begin(source), source.owner.location)
    returned = terminator(source)
    values = list(returned.operands)
    returned.erase()
    with ir.InsertionPoint(target):
        anchor = ir.Operation.create("scf.yield")
    for op in list(source.operations):
        op.operation.move_before(anchor)
    anchor.erase()
    return values


def _replace(op: Any, new: Any, results: Sequence[ir.Value] | None = None) -> Any:
    # `op` still stands behind `new`: what arrives from this goes behind `op`.
    pairs = list(zip(op.results, results if results is not None else new.results, strict=True))
    arrive(pairs, ir.InsertionPoint.after(op), op.location)
    op.erase()
    return new


_LOWER: dict[str, Callable[[Any, HostValues], Any]] = {
    "stablehlo.case": _case,
    "stablehlo.if": _if,
    "stablehlo.while": _while,
}

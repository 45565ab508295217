"""What ops cost: arithmetic and traffic, by their types. The one cost model of the project.

A flop is one scalar operation on one element: an addition and a `tanh` count the same, a product of matrices counts two
for each term. Traffic is what has to be read from memory and written to it, each operand once: a kernel keeps what is
inside of it in registers. Views, constants and scalars of the host cost nothing. Where dimensions are symbols, so are
the costs: `2*n*m`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from arignote.ir.canonical import digest_text
from arignote.ir.core import Func, Op, Region, Value, every_op, uses
from arignote.ir.opdef import OPS, semantic
from arignote.ir.placement import host_scalars, is_contiguous_view
from arignote.ir.text import attr_text, func_lines, located
from arignote.ir.types import Dim, DimLike, TensorType

#: Elementwise ops of about one instruction for each element.
LIGHT = frozenset(
    ("add", "sub", "mul", "neg", "abs", "sqr", "maximum", "minimum", "select", "cast", "copy", "and", "or", "xor",
     "invert", "eq", "neq", "lt", "le", "gt", "ge")
)  # fmt: skip
#: Ops that read of their first operand no more than they give.
_PARTIAL = ("slice", "gather")


@dataclass(frozen=True)
class Cost:
    """Scalar operations, and bytes read and written."""

    flops: DimLike = 0
    read: DimLike = 0
    written: DimLike = 0

    @property
    def bytes(self) -> DimLike:
        """The traffic in both directions."""
        return self.read + self.written

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.read + other.read, self.written + other.written)

    def times(self, count: DimLike) -> Cost:
        """The cost of doing it so often."""
        return Cost(count * self.flops, count * self.read, count * self.written)


@dataclass(frozen=True)
class Summary:
    """What a function costs in one call, and what it is made of.

    Attributes:
        ops: all of them, those inside regions included.
        kernels: different pieces of code that run on tensors: equal ones are compiled once.
        launches: how often one of them is started.
        transfers: how often a tensor moves between host and device.
    """

    ops: int
    cost: Cost
    kernels: int
    launches: DimLike
    transfers: DimLike


def nbytes(type: TensorType) -> DimLike:
    """The bytes of a tensor."""
    return type.itemsize * type.size


def trips(op: Op) -> DimLike:
    """How often the regions of `op` run."""
    rule = OPS[op.name].trips
    count: DimLike = 1 if rule is None else rule(*(v.type for v in op.operands), **semantic(op.attrs))
    return count


def is_free(op: Op, host: set[Value]) -> bool:
    """Whether no code runs on tensors for `op`: constants, views, scalars that the host computes."""
    return op.name == "const" or is_contiguous_view(op) or (bool(op.results) and all(r in host for r in op.results))


def is_loop(op: Op) -> bool:
    """Whether the regions of `op` hold code of their own (loops, branches), and not the insides of one kernel."""
    return bool(op.regions) and op.name != "fused"


def op_cost(op: Op, host: set[Value] | None = None) -> Cost:
    """The cost of one op, with its regions; `host` are the scalars of the host, which cost nothing."""
    if is_free(op, host or set()):
        return Cost()
    if is_loop(op):
        inside = sum((op_cost(o, host) for r in op.regions for o in r.ops), Cost())
        return inside.times(trips(op))
    written = _total(nbytes(r.type) for r in op.results)
    if op.regions:
        region = op.regions[0]
        inner = uses(region.ops)
        read = _total(_read_by(p, inner.get(p, [])) for p in region.params)
        flops = _total(op_flops(o) for o in region.ops)
        return Cost(flops, read, written)
    if op.name == "update_slice" and len(set(_places(op))) < len(_places(op)):  # in place
        return Cost(op_flops(op), nbytes(op.operands[1].type), nbytes(op.operands[1].type))
    operands = dict.fromkeys(op.operands)
    return Cost(op_flops(op), _total(_read_by(v, [op]) for v in operands), written)


def op_flops(op: Op) -> DimLike:
    """The arithmetic of one op without regions."""
    record = OPS[op.name]
    if record.flops is not None:
        count: DimLike = record.flops(*(v.type for v in op.operands), **semantic(op.attrs))
        return count
    if "elementwise" in record.traits:
        return op.results[0].type.size
    return op.operands[0].type.size if "reduction" in record.traits else 0


def summary(func: Func) -> Summary:
    """What a function costs."""
    host = host_scalars(func)
    kernels: set[object] = set()
    launches, transfers = _count(func.ops, host, kernels)
    cost = sum((op_cost(op, host) for op in func.ops), Cost())
    return Summary(sum(1 for _ in every_op(func.ops)), cost, len(kernels), launches, transfers)


def _count(ops: Iterable[Op], host: set[Value], kernels: set[object]) -> tuple[DimLike, DimLike]:
    launches: DimLike = 0
    transfers: DimLike = 0
    for op in ops:
        if op.name == "transfer":
            transfers = transfers + 1
        elif is_loop(op):
            count = trips(op)
            for region in op.regions:
                inner = _count(region.ops, host, kernels)
                launches, transfers = launches + count * inner[0], transfers + count * inner[1]
        elif not is_free(op, host):
            kernels.add(_code_key(op))
            launches = launches + 1
    return launches, transfers


def _code_key(op: Op) -> object:
    """Equal for ops that the same code computes, wherever their operands lie."""
    types = (tuple(v.type for v in op.operands), tuple(r.type for r in op.results))
    attrs = tuple((k, attr_text(a, digest_text)) for k, a in sorted(semantic(op.attrs).items()))
    return op.name, types, attrs, tuple(_region_key(r) for r in op.regions)


def _region_key(region: Region) -> object:
    numbers: dict[Value, int] = {p: i for i, p in enumerate(region.params)}
    keys = []
    for op in region.ops:
        keys.append((_code_key(op), tuple(numbers[v] for v in op.operands)))
        numbers.update((v, len(numbers) + i) for i, v in enumerate(op.results))
    return tuple(keys), tuple(numbers[v] for v in region.yields)


def _read_by(value: Value, users: list[Op]) -> DimLike:
    """Bytes that `users` read of `value`: all of it, or the parts that they pick."""
    picks = [op for op in users if op.name in _PARTIAL and op.operands[0] is value and value not in op.operands[1:]]
    if len(picks) == len(users):
        return _total(nbytes(op.result.type) for op in picks)
    return nbytes(value.type)


def _places(op: Op) -> list[str]:
    """The memory of the result and of the operand that it updates, where the plan has given them any."""
    source = op.operands[0].owner
    own = [str(m) for m in op.attrs.get("mem", ())[:1]]
    if source is not None and "mem" in source.attrs:
        own.append(str(source.attrs["mem"][op.operands[0].index]))
    return own


def _total(parts: Iterable[DimLike]) -> DimLike:
    total: DimLike = 0
    for part in parts:
        total = part + total
    return total


def annotated(func: Func, locs: bool = False) -> str:
    """The text of a function with costs as comments, behind the user's lines if asked for."""
    host = host_scalars(func)
    inside = {o for op in every_op(func.ops) if op.name == "fused" for o in op.regions[0].ops}

    def note(op: Op) -> str:
        cost = op_cost(op, host)
        parts = [located(op)] if locs else []
        if op in inside:  # in registers: no traffic of its own
            parts += [amount(cost.flops, "flop")] if cost.flops != 0 else []
        elif cost != Cost():
            parts.append(cost_text(cost))
        return "  // ".join(filter(None, parts))

    return "".join(line + "\n" for line in func_lines(func, note, head=summary_text(summary(func))))


def cost_text(cost: Cost) -> str:
    """`9.41 Mflop, reads 1.88 MB, writes 24 kB`."""
    flops = amount(cost.flops, "flop")
    return f"{flops}, reads {amount(cost.read, 'B')}, writes {amount(cost.written, 'B')}"


def summary_text(total: Summary) -> str:
    """`47 ops, 12 kernels, 12 launches, 0 transfers, 9.41 Mflop, ...`."""
    counts = f"{total.ops} ops, {total.kernels} kernels, {total.launches} launches, {total.transfers} transfers"
    return f"{counts}, {cost_text(total.cost)}"


def amount(value: DimLike, unit: str = "") -> str:
    """A count for people: `9.41 M`, `2.4 kB`; symbolic ones as they are."""
    if isinstance(value, Dim):
        return f"{value} {unit}".rstrip()
    for limit, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}{unit}"
    return f"{value} {unit}".rstrip()

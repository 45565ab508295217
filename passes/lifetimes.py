"""From where to where values of a planned function live, and how full the workspace is on the way."""

from __future__ import annotations

from dataclasses import dataclass

from arignote.ir.core import Func, Op, Value
from arignote.ir.cost import nbytes
from arignote.ir.placement import host_scalars, storage


@dataclass(frozen=True)
class Life:
    """A value in the workspace: its place, its size in bytes, and the numbers of the ops that begin and end its life.

    `kind` is `created`, or `inplace` where it lies over an operand that dies.
    """

    value: Value
    op: Op
    place: str
    offset: int
    size: int
    begin: int
    end: int
    kind: str


@dataclass(frozen=True)
class Occupancy:
    """The workspace of a planned function, in bytes.

    Attributes:
        arena: what was planned; blocks of symbolic sizes are not in it.
        peak: the largest number of bytes in use at once.
        total: the sum of all values, as if none shared its memory.
        lives: the values, in order.
        curve: bytes in use while each op runs.
    """

    arena: int
    peak: int
    total: int
    lives: tuple[Life, ...]
    curve: tuple[int, ...]


def occupancy(func: Func) -> Occupancy:
    """The workspace of a planned function; empty for one that is not planned."""
    host = host_scalars(func)
    last: dict[Value, int] = {}
    for i, op in enumerate(func.ops):
        for v in (*op.operands, *op.results):
            last[storage(v, host)] = i
    for s in func.states:
        if s.update is not None:
            last[storage(s.update, host)] = len(func.ops) - 1
    lives: list[Life] = []
    for i, op in enumerate(func.ops):
        for v, mem in zip(op.results, op.attrs.get("mem", ()), strict=False):
            if not str(mem).startswith("arena+"):
                continue
            size = nbytes(v.type)
            assert isinstance(size, int), "the arena holds what has a size"
            over = [x for x in op.operands if _place(x, host) == mem]
            lives.append(Life(v, op, str(mem), int(mem[6:]), size, i, last[v], "inplace" if over else "created"))
    curve = [0] * len(func.ops)
    for i in range(len(func.ops)):
        # What lies over an operand that dies in the same op is counted once.
        offsets = {x.offset: x.size for x in lives if x.begin <= i <= x.end}
        curve[i] = sum(offsets.values())
    total = sum(x.size for x in lives)
    return Occupancy(int(func.attrs.get("arena", 0)), max(curve, default=0), total, tuple(lives), tuple(curve))


def _place(v: Value, host: set[Value]) -> str | None:
    base = storage(v, host)
    if base.owner is None or "mem" not in base.owner.attrs:
        return None
    return str(base.owner.attrs["mem"][base.index])

"""Rows in pieces: the last axis of a kernel cut where the formula of an op changes.

A concatenation reads another operand from some column on, a rolled row begins anew, a part that is written over ends.
An op whose record has `cuts` says where, and between two cuts its code has no condition and reads runs of memory; so do
comparisons with the number of the column, such as those of an identity matrix.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.codegen.exprs import ZERO, add, i64, is_const
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Value
from arignote.ir.opdef import OPS, has_trait

if TYPE_CHECKING:
    from arignote.codegen.kernels import KernelEmitter

MOST = 8  # pieces, each of which has code of its own


def in_pieces(
    e: KernelEmitter, row: dict[int, Any], low: Any, size: Any, part: bool, run: Callable[[Any, Any], None]
) -> bool:
    """`run(low, size)` for each piece of a run of the last axis, if an op of the kernel has any, and whether it has.

    Args:
        row: the indices of the other axes.
        low, size: the run.
        part: whether it is less than the row.
    """
    last = len(e.domain) - 1
    for op in e.region.ops:
        if e.shapes[op.results[0]] != e.domain:
            continue
        cuts = _cuts(e, op, e.at({**row, last: ZERO}))
        if cuts is not None and len(cuts) < MOST:
            break
    else:
        return False
    end = add(low, size)
    bounds = [low, *(e.bind(_clamped(c, low, end), "cut") if part else c for c in cuts), end]
    for piece, (first, until) in enumerate(itertools.pairwise(bounds)):
        count = _difference(until, first)
        e.piece = (op.results[0], piece)
        run(first, count if is_const(count) else e.bind(count, "count"))
    e.piece = None
    return True


def _clamped(x: Any, low: Any, high: Any) -> Any:
    """An expression without names of its own: TVM puts bound integers into their uses, several times."""
    return tirx.min(tirx.max(x, low), high)


def _difference(a: Any, b: Any) -> Any:
    if is_const(a) and is_const(b):
        return i64(int(a.value) - int(b.value))
    return a if is_const(b, 0) else a - b


def _cuts(e: KernelEmitter, op: Op, idx: tuple[Any, ...]) -> list[Any] | None:
    """Where the formula of `op` changes in a row, in order; None where it does not."""
    rule: Any = OPS[op.name].cuts
    if rule is not None:
        places = e.lowered(lambda: rule(K, idx, *e.reads(op), **e.attrs_of(op)))
        return None if places is None else [p if is_const(p) else e.bind(p, "cut") for p in places]
    found = _compared(op, len(e.domain))
    if found is None:
        return None
    name, other = found
    at, n = e.value(other, e.operand_index(other, op.results[0], idx)), e.dim(e.domain[-1])
    return [e.bind(_clamped(add(at, i64(k)), ZERO, n), "cut") for k in COMPARISONS[name][0]]


#: Comparison of the column with a number -> the cuts, counted from this number on; what it is in each piece
COMPARISONS = {
    "eq": ((0, 1), (False, True, False)), "neq": ((0, 1), (True, False, True)), "lt": ((0,), (True, False)),
    "le": ((1,), (True, False)), "gt": ((1,), (False, True)), "ge": ((0,), (False, True)),
}  # fmt: skip
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def _compared(op: Op, rank: int) -> tuple[str, Value] | None:
    """The comparison of the column that `op` is, and with what; None if it is none, or with what differs in a row."""
    if op.name not in COMPARISONS:
        return None
    x, y = op.operands
    for name, column, other in ((op.name, x, y), (_MIRRORED.get(op.name, op.name), y, x)):
        made = column.owner
        if made is not None and made.name == "iota" and made.attrs["axis"] == rank - 1 and column.dtype == "i64":
            return (name, other) if other.dtype == "i64" and _is_per_row(other, rank) else None
    return None


def _is_per_row(v: Value, rank: int) -> bool:
    """Whether a value of a kernel is the same in all of a row."""
    if not v.ndim or v.shape[-1] == 1:
        return True
    op = v.owner
    if op is None:
        return False
    if op.name == "iota":
        return bool(op.attrs["axis"] != rank - 1)
    if op.name != "broadcast" and not has_trait(op.name, "elementwise"):
        return False
    return all(_is_per_row(x, rank) for x in op.operands[: 1 if op.name == "broadcast" else None])


def compared(op: Op, piece: int) -> Any:
    """What a comparison with the column is in a piece."""
    found = _compared(op, op.results[0].ndim)
    assert found is not None, f"{op.name} has no pieces"
    return tirx.const(COMPARISONS[found[0]][1][piece], "bool")

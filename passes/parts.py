"""Tensors that are computed or used in parts, such as the gates of a recurrent cell.

    add(update_slice(0, a), update_slice(0, b)) -> concatenate(a, b)
    slice(tanh(x + b)) -> tanh(slice(x) + slice(b)), where nothing but separate slices is used

Gradients of slices are tensors of zeros but for a part; their sums, and elementwise work on what is taken apart again,
would pass over memory once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value, uses
from arignote.ir.opdef import has_trait
from arignote.passes.base import Pass, rebuild_ops, with_operands
from arignote.passes.blocks import map_blocks

Block = tuple[list[Op], dict[Value, Value]]


@dataclass(frozen=True)
class Parts(Pass):
    """Join sums of separate parts, and compute by parts what is used by parts."""

    name: ClassVar[str] = "parts"

    def run(self, func: Func) -> Func:
        return map_blocks(map_blocks(func, _join), _cut)


# ---------------------------------------------------------------- sums of parts
@dataclass(frozen=True)
class _Part:
    """Where a tensor of zeros has a part: from `start` on along `axis`, all of the other axes."""

    value: Value
    axis: int
    start: int
    size: int


def _part(v: Value) -> _Part | None:
    op = v.owner
    if op is None or op.name != "update_slice" or len(op.operands) > 2 or not _is_zero(op.operands[0]):
        return None
    partial = [a for a, (n, d) in enumerate(zip(op.attrs["size"], v.shape, strict=True)) if n != d]
    if len(partial) != 1 or any(s != 1 for s in op.attrs["step"]):
        return None
    (axis,) = partial
    start, size = op.attrs["start"][axis], op.attrs["size"][axis]
    whole = all(s == 0 for a, s in enumerate(op.attrs["start"]) if a != axis)
    known = isinstance(start, int) and isinstance(size, int) and isinstance(v.shape[axis], int)
    return _Part(op.operands[1], axis, start, size) if whole and known else None


def _is_zero(v: Value) -> bool:
    while v.owner is not None and v.owner.name in ("broadcast", "reshape"):
        v = v.owner.operands[0]
    return v.owner is not None and v.owner.name == "const" and not v.owner.attrs["value"].any()


def _join(ops: list[Op], roots: Sequence[Value]) -> Block:
    count = _counts(ops, roots)
    inner = {v for op in ops if op.name == "add" for v in op.operands if _is_inner(v, op.result, count)}
    mapping: dict[Value, Value] = {}

    def visit(b: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if op.name != "add" or op.result in inner:
            return None
        leaves = [mapping.get(v, v) for v in _leaves(op, inner)]
        return _joined(b, op.result, leaves, count)

    return rebuild_ops(ops, mapping, visit), mapping


def _is_inner(v: Value, total: Value, count: dict[Value, int]) -> bool:
    """Whether a sum is only a part of the sum `total`."""
    return v.owner is not None and v.owner.name == "add" and count.get(v, 0) == 1 and v.type == total.type


def _leaves(op: Op, inner: set[Value]) -> list[Value]:
    out: list[Value] = []
    stack = list(reversed(op.operands))
    while stack:
        v = stack.pop()
        if v in inner and v.owner is not None:
            stack += reversed(v.owner.operands)
        else:
            out.append(v)
    return out


def _joined(b: Builder, total: Value, leaves: Sequence[Value], count: dict[Value, int]) -> Sequence[Value] | None:
    """The sum with its parts along one axis joined, if there are several."""
    found = [(v, p) for v in leaves if v.type == total.type and (p := _part(v)) is not None]
    for axis in range(total.ndim):
        parts = sorted((p for _, p in found if p.axis == axis), key=lambda p: p.start)
        apart = all(p.start + p.size <= q.start for p, q in pairwise(parts))
        if len(parts) < 2 or not apart:
            continue
        taken = {v for v, p in found if p.axis == axis}
        out = b.concatenate(*_filled(b, parts, total, axis), axis=axis)
        for v in leaves:
            if v not in taken:
                out = b.add(out, v)
        return [out]
    return None


def _filled(b: Builder, parts: Iterable[_Part], total: Value, axis: int) -> list[Value]:
    """The parts, with zeros in the gaps."""
    out: list[Value] = []
    at = 0

    def gap(size: int) -> None:
        if size:
            shape = (*total.shape[:axis], size, *total.shape[axis + 1 :])
            out.append(b.full(0, total.type.with_shape(shape)))

    for p in parts:
        gap(p.start - at)
        out.append(p.value)
        at = p.start + p.size
    end = total.shape[axis]
    assert isinstance(end, int)
    gap(end - at)
    return out


def _counts(ops: Iterable[Op], roots: Iterable[Value]) -> dict[Value, int]:
    """How often each value is used."""
    out: dict[Value, int] = {}
    for v in (*roots, *(v for op in ops for v in op.operands)):
        out[v] = out.get(v, 0) + 1
    return out


# ---------------------------------------------------------------- parts of elementwise work
def _cut(ops: list[Op], roots: Sequence[Value]) -> Block:
    """Elementwise ops of which separate slices are used become ops on slices, from the last op to the first."""
    kept = set(roots)
    users = uses(ops)
    work = list(ops)
    mapping: dict[Value, Value] = {}
    for op in reversed(ops):
        if not has_trait(op.name, "elementwise") or len(op.results) != 1 or op.result in kept:
            continue
        slices = users.get(op.result, [])
        if len(slices) < 2 or not _are_apart(op.result, slices):
            continue
        made: list[Op] = []
        b = Builder(made)
        for s in slices:
            b.loc = op.loc
            operands = [_sliced(b, x, op.result, s) for x in op.operands]
            new = b.emit(op.name, *operands, names=[s.result.name or op.result.name], **op.attrs)[0]
            mapping[s.result] = new
        at = work.index(op)
        gone = {op, *slices}
        work = [*work[:at], *made, *(o for o in work[at:] if o not in gone)]
        for o in made:
            for v in o.operands:
                users.setdefault(v, []).append(o)
        for v in op.operands:
            users[v] = [u for u in users[v] if u is not op]

    def final(v: Value) -> Value:
        while v in mapping:
            v = mapping[v]
        return v

    out: list[Op] = []
    for op in work:
        copy = with_operands(op, tuple(map(final, op.operands)))
        mapping.update((v, w) for v, w in zip(op.results, copy.results, strict=True) if v is not w)
        out.append(copy)
    return out, {v: final(v) for v in mapping}


def _are_apart(x: Value, users: Sequence[Op]) -> bool:
    """Whether all users are slices, of different places along one axis and whole along the others."""
    spans: list[tuple[int, int, int]] = []
    for op in users:
        if op.name != "slice" or op.operands != (x,):
            return False
        start, size, step = op.attrs["start"], op.attrs["size"], op.attrs["step"]
        partial = [a for a in range(x.ndim) if size[a] != x.shape[a]]
        if len(partial) != 1 or any(s != 1 for s in step):
            return False
        (a,) = partial
        if not (isinstance(start[a], int) and isinstance(size[a], int)) or any(
            s != 0 for i, s in enumerate(start) if i != a
        ):
            return False
        spans.append((a, start[a], start[a] + size[a]))
    spans.sort()
    return len({a for a, _, _ in spans}) == 1 and all(
        p[2] <= q[1] for p, q in pairwise(spans)
    )


def _sliced(b: Builder, x: Value, like: Value, s: Op) -> Value:
    """The part of an operand that a slice of the result `like` needs."""
    lead = like.ndim - x.ndim
    start, size = (s.attrs[key][lead:] for key in ("start", "size"))
    start = tuple(0 if d == 1 else at for d, at in zip(x.shape, start, strict=True))
    size = tuple(1 if d == 1 else n for d, n in zip(x.shape, size, strict=True))
    if size == x.shape:
        return x
    out: Value = b.slice(x, start=start, size=size, step=(1,) * x.ndim)
    return out

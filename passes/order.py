"""The order of the ops of a planned function: what has to come before what, and what had better come early."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from arignote.ir.bound import bound_dims
from arignote.ir.core import Func, Op, Value, uses
from arignote.ir.opdef import has_trait, is_ordered
from arignote.ir.placement import host_scalars, is_contiguous_view, storage
from arignote.passes.memory import nbytes


def may_fail(op: Op, early: set[Value]) -> bool:
    """Whether a call may end at `op`: it refuses values, reads or writes at indices, or needs a size that is not known
    before."""
    return any(True for _ in _decides(op, early))


def _decides(op: Op, early: set[Value]) -> Iterator[Value]:
    """The values that decide whether a call ends at `op`. Indices are looked at as soon as they are computed."""
    if op.name in ("gather", "scatter"):
        yield from op.operands[1 if op.name == "gather" else 2 :]
    elif op.name == "check_indices":
        yield from op.operands
    elif op.name == "fused":
        outer = dict(zip(op.regions[0].params, op.operands, strict=True))
        for inner in op.regions[0].ops:
            yield from (outer[v] for v in _decides(inner, set(inner.results)) if v in outer)
    else:
        late = op.name in ("check_index", "assume", "assert") and not all(r in early for r in op.results)
        unsized = any(scalar not in early for _, scalar in bound_dims(op))
        inside = any(may_fail(inner, early) for region in op.regions for inner in region.ops)
        if has_trait(op.name, "fallible") or late or unsized or inside:
            yield from op.operands


def before_failures(func: Func, early: set[Value]) -> set[Value]:
    """The values that something that may fail is decided by."""
    out: set[Value] = set()
    for op in reversed(func.ops):
        out.update(_decides(op, early))
        if not out.isdisjoint(op.results):
            out.update(op.operands)
    return out


def readers_of(func: Func, host: set[Value]) -> dict[Value, set[Op]]:
    """By memory, the ops that read it."""
    readers: dict[Value, set[Op]] = {}
    for op in func.ops:
        for v in op.operands:
            readers.setdefault(storage(v, host), set()).add(op)
    return readers


def other_readers(op: Op, old: Value, readers: Mapping[Value, set[Op]]) -> set[Op]:
    """What reads the memory of the state `old`, besides `op`."""
    return {r for r in readers.get(old, ()) if r is not op and not is_contiguous_view(r)}


class Order:
    """Which ops have to come before others, besides those that make their operands."""

    def __init__(self, func: Func) -> None:
        self.users = uses(func.ops)
        self.later: dict[Op, set[Op]] = {}
        for op, before in _effects_in_order(func).items():
            self._add(op, before)

    def _add(self, op: Op, before: Iterable[Op]) -> None:
        for b in before:
            self.later.setdefault(b, set()).add(op)

    def put_behind(self, op: Op, before: set[Op]) -> bool:
        """Demand that `op` comes behind all of `before`, if that is possible: they may not need what `op` makes."""
        seen, stack = {op}, [op]
        while stack:
            now = stack.pop()
            if now in before:
                return False
            for user in itertools.chain(self.later.get(now, ()), *(self.users.get(r, ()) for r in now.results)):
                if user not in seen:
                    seen.add(user)
                    stack.append(user)
        self._add(op, before)
        return True


def _effects_in_order(func: Func) -> dict[Op, set[Op]]:
    """What the world sees, each behind the one before it."""
    seen = [op for op in func.ops if is_ordered(op)]
    return {op: {before} for before, op in itertools.pairwise(seen)}


def _order(ops: list[Op], before: dict[Op, set[Op]]) -> list[Op] | None:
    """The ops in an order that respects operands and `before`, as close to the given one as can be; None if cyclic."""
    position = {op: n for n, op in enumerate(ops)}
    done: set[Op] = set()
    active: set[Op] = set()
    order: list[Op] = []
    for root in ops:
        stack: list[tuple[Op, bool]] = [(root, False)]
        while stack:
            op, finished = stack.pop()
            if finished:
                active.discard(op)
                if op not in done:
                    done.add(op)
                    order.append(op)
                continue
            if op in done:
                continue
            if op in active:
                return None
            active.add(op)
            stack.append((op, True))
            needs = [v.owner for v in op.operands if v.owner is not None]
            needs += sorted(before.get(op, ()), key=position.__getitem__)
            for n in reversed(needs):
                if n in active:
                    return None
                if n not in done:
                    stack.append((n, False))
    return order


def reordered(func: Func, in_place: dict[Value, str]) -> Func:
    """Writers of shared variables behind whatever may fail, so that an error leaves the state untouched; and what makes
    less than it reads as early as can be, so that what it reads can die."""
    host = host_scalars(func)
    readers = readers_of(func, host)
    states = {s.name: s.value for s in func.states}
    writers = {v.owner for v in in_place if v.owner is not None}
    before = _effects_in_order(func)
    for v in in_place:
        if v.owner is not None:
            before.setdefault(v.owner, set()).update(other_readers(v.owner, states[in_place[v]], readers))
    first = [op for op in func.ops if op not in writers] + [op for op in func.ops if op in writers]
    order = _order(first, before)
    assert order is not None, "an order was found when the updates were chosen"
    early = host_scalars(func, early=True)
    risky: set[Op] = set()
    for op in order:
        if op in writers:
            before.setdefault(op, set()).update(risky)
        elif may_fail(op, early):
            risky.add(op)
    return replace(func, ops=_shrinking_first(order, before, _shrinking(order, in_place, host)))


def _shrinking_first(order: list[Op], before: Mapping[Op, set[Op]], written: Mapping[Op, int]) -> list[Op]:
    """`order` with each op that `written` lists as soon as what it needs is done, those that write least first."""
    position = {op: i for i, op in enumerate(order)}
    left: dict[Op, int] = {}
    followers: dict[Op, list[Op]] = {}
    for op in order:
        needs = {v.owner for v in op.operands if v.owner is not None} | before.get(op, set())
        left[op] = len(needs)
        for n in needs:
            followers.setdefault(n, []).append(op)
    out: list[Op] = []
    done: set[Op] = set()
    for root in order:
        ready = [] if root in done else [(0, position[root], root)]
        while ready:
            op = heapq.heappop(ready)[-1]
            done.add(op)
            out.append(op)
            for follower in followers.get(op, []):
                left[follower] -= 1
                if not left[follower] and follower in written and follower not in done:
                    heapq.heappush(ready, (written[follower], position[follower], follower))
    return out


def _shrinking(ops: list[Op], in_place: Mapping[Value, str], host: set[Value]) -> dict[Op, int]:
    """The ops that take at most half as much of the workspace for their results as they read from there -> how much."""
    out: dict[Op, int] = {}
    for op in ops:
        read = sum(_least_bytes(v) for v in set(op.operands) if v not in host and storage(v, host).owner is not None)
        results = [] if is_contiguous_view(op) else [r for r in op.results if r not in in_place]
        written = sum(map(_least_bytes, results))
        if read and 2 * written <= read and not is_ordered(op) and all(r.type.static for r in results):
            out[op] = written
    return out


def _least_bytes(v: Value) -> int:
    """The bytes of a value; of those whose size is not known, 1."""
    size = nbytes(v.type)
    return size if isinstance(size, int) else 1

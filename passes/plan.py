"""Memory planning: where every value lives, what is computed in place, and in which order updates happen.

The plan is written on the ops as the annotation `mem`, one place per result, then one per workspace of a routine:

    arena+128      byte 128 of the workspace              out.0       the memory of the function's result 0
    slot.2         a workspace block of symbolic size     state.W     the memory of the shared variable W
    view           the memory of operand 0 (a reshape, a contiguous slice)
    host           a scalar that the host function computes
    const          constant data of the module

Values whose lives do not overlap share memory; a kernel writes over an operand that dies in it where every element is
read only for the element that replaces it; an update is computed straight into its shared variable when nothing reads
the old value afterwards (it is moved behind the last reader), and is copied there at the end otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.opdef import has_trait
from arignote.ir.placement import host_scalars, is_contiguous_view, scratch_types, storage
from arignote.ir.types import DimLike
from arignote.passes.base import Pass

ALIGN = 64


@dataclass(frozen=True)
class Plan(Pass):
    """Decide the memory of every value: workspace offsets, views, in-place results and updates."""

    name: ClassVar[str] = "plan"

    def run(self, func: Func) -> Func:
        if any("mem" in op.attrs for op in func.ops):
            return func
        func = _with_copies(func)
        in_place = _in_place_updates(func)
        func = _with_final_copies(func, in_place)
        func = _reordered(func, in_place)
        return _Planner(func, in_place).result()


def _owns_memory(value: Value, host: set[Value]) -> bool:
    """Whether a kernel writes `value` to memory that can be placed freely."""
    return value.owner is not None and value not in host and value.owner.name != "const" and (
        storage(value, host) is value
    )


def _copy(builder: Builder, value: Value) -> Value:
    param = Value(value.type, value.name)
    body: list[Op] = []
    (inner,) = Builder(body).emit("copy", param, names=[value.name])
    (out,) = builder.emit(
        "fused", value, regions=[Region([param], body, [inner])], kind="map", axes=(), names=[value.name]
    )
    return out


def _with_copies(func: Func) -> Func:
    """Give each result memory of its own, and each update whose value is not freshly computed a copy."""
    host = host_scalars(func)
    ops = list(func.ops)
    builder = Builder(ops)
    taken: set[Value] = set()
    results = []
    for r in func.results:
        if not _owns_memory(r, host) or r in taken:
            r = _copy(builder, r)
        taken.add(r)
        results.append(r)
    states = []
    for s in func.states:
        update = s.update
        if update is not None and update is not s.value:
            if not _owns_memory(update, host) or update in taken:
                update = _copy(builder, update)
            taken.add(update)
        states.append(replace(s, update=update))
    return replace(func, ops=ops, states=states, results=results)


def _writes_elementwise(op: Op, result: Value, operand: Value) -> bool:
    """Whether `op` may write `result` over `operand`: each element is read only for the one that replaces it."""
    if result.type.shape != operand.type.shape or result.type.itemsize != operand.type.itemsize:
        return False
    if op.name == "gemm":
        return bool(op.attrs["acc"]) and operand is op.operands[2] and operand not in op.operands[:2]
    if op.name in ("scatter", "update_slice"):
        return operand is op.operands[0] and operand not in op.operands[1:]
    if op.name != "fused":
        return False
    region = op.regions[0]
    out = region.yields[op.results.index(result)]
    params = [p for p, v in zip(region.params, op.operands, strict=True) if v is operand]
    if op.attrs["kind"] == "rows" and not _written_last(region, out):
        return False
    if op.attrs["kind"] == "cols" and any(p.shape != out.shape for p in params):
        return False
    for inner in region.ops:
        if any(p in inner.operands for p in params):
            if has_trait(inner.name, "index") and inner.name != "broadcast":
                return False
            if op.attrs["kind"] == "cols" and has_trait(inner.name, "reduction"):
                return False
            shape = inner.operands[0].shape if has_trait(inner.name, "reduction") else inner.results[0].shape
            if shape != operand.shape:
                return False
    return True


def _written_last(region: Region, out: Value) -> bool:
    """Whether a row's `out` is written in the last pass over the row: it depends on as many reductions as any value."""
    level: dict[Value, int] = {p: 0 for p in region.params}
    for op in region.ops:
        depth = max((level[v] for v in op.operands), default=0) + has_trait(op.name, "reduction")
        level.update((r, depth) for r in op.results)
    return level[out] == max(level.values())


def _may_fail(op: Op) -> bool:
    """Whether a call may end at `op`: it refuses values, or reads or writes at indices."""
    if has_trait(op.name, "fallible") or op.name in ("gather", "scatter", "check_indices"):
        return True
    return any(_may_fail(inner) for region in op.regions for inner in region.ops)


def _before_failures(func: Func) -> set[Value]:
    """The values that something that may fail is computed from."""
    out: set[Value] = set()
    for op in reversed(func.ops):
        if _may_fail(op) or not out.isdisjoint(op.results):
            out.update(op.operands)
    return out


def _in_place_updates(func: Func) -> dict[Value, str]:
    """Updated value -> the state whose memory it is computed into, where some order of the ops allows it, and nothing
    that may fail has to come after it."""
    host = host_scalars(func)
    early = _before_failures(func)
    readers: dict[Value, set[Op]] = {}
    for op in func.ops:
        for v in op.operands:
            readers.setdefault(storage(v, host), set()).add(op)
    results = {storage(r, host) for r in func.results}
    chosen: dict[Value, str] = {}
    edges: dict[Op, set[Op]] = {}  # op -> ops that must come before it, besides its operands
    for s in func.states:
        new = s.update
        if new is None or new is s.value or new.owner is None or new in results or new in chosen:
            continue
        op = new.owner
        if has_trait(op.name, "fallible") or new in early:
            continue  # where a call fails, the variable keeps its value
        others = {r for r in readers.get(s.value, set()) if r is not op and not is_contiguous_view(r)}
        reads_itself = any(storage(x, host) is s.value for x in op.operands)
        if reads_itself and not (s.value in op.operands and _writes_elementwise(op, new, s.value)):
            continue
        if reads_itself and any(storage(x, host) is s.value and x is not s.value for x in op.operands):
            continue
        trial = {**edges, op: edges.get(op, set()) | others}
        if _order(func.ops, trial) is not None:
            edges, chosen[new] = trial, s.name
    return chosen


def _order(ops: list[Op], before: dict[Op, set[Op]]) -> list[Op] | None:
    """The ops in an order that respects operands and `before`, as close to the given one as can be; None if cyclic."""
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
            needs += sorted(before.get(op, ()), key=ops.index)
            for n in reversed(needs):
                if n in active:
                    return None
                if n not in done:
                    stack.append((n, False))
    return order


def _with_final_copies(func: Func, in_place: dict[Value, str]) -> Func:
    """Copy to its shared variable every update that is computed elsewhere; the copies enter `in_place`."""
    ops = list(func.ops)
    states = []
    for s in func.states:
        if s.update is not None and s.update is not s.value and in_place.get(s.update) != s.name:
            s = replace(s, update=_copy(Builder(ops), s.update))
            assert s.update is not None
            in_place[s.update] = s.name
        states.append(s)
    return replace(func, ops=ops, states=states)


def _reordered(func: Func, in_place: dict[Value, str]) -> Func:
    """Writers of shared variables last, so that an error found by a check in between leaves the state untouched."""
    host = host_scalars(func)
    states = {s.value for s in func.states}
    writers = {v.owner for v in in_place if v.owner is not None}
    before: dict[Op, set[Op]] = {}
    for v in in_place:
        if v.owner is not None:
            old = next(s.value for s in func.states if s.update is v)
            before.setdefault(v.owner, set()).update(
                op for op in func.ops
                if op is not v.owner and any(storage(x, host) is old for x in op.operands) and old in states
                and not is_contiguous_view(op)
            )  # fmt: skip
    first = [op for op in func.ops if op not in writers] + [op for op in func.ops if op in writers]
    order = _order(first, before)
    assert order is not None, "an order was found when the updates were chosen"
    return replace(func, ops=order)


class _Planner:
    def __init__(self, func: Func, in_place: dict[Value, str]) -> None:
        self.func = func
        self.in_place = in_place
        self.host = host_scalars(func)
        self.place: dict[Value, str] = {}
        self.free: list[tuple[int, int]] = []  # (offset, size) of free runs of the arena, sorted
        self.size = 0
        self.sizes: dict[Value, int] = {}
        self.slots: list[DimLike] = []  # sizes in bytes of the symbolic blocks
        self.free_slots: dict[DimLike, list[int]] = {}

    def result(self) -> Func:
        func = self.func
        final = {r: f"out.{i}" for i, r in enumerate(func.results)}
        final.update((v, f"state.{name}") for v, name in self.in_place.items())
        last: dict[Value, int] = {}
        for i, op in enumerate(func.ops):
            for v in (*op.operands, *op.results):
                last[storage(v, self.host)] = i
        for s in func.states:
            if s.update is not None:
                last[storage(s.update, self.host)] = len(func.ops)
        ops: list[Op] = []
        mapping: dict[Value, Value] = {}
        for i, op in enumerate(func.ops):
            mem = tuple(self._place(op, r, i, last, final) for r in op.results) + self._scratch(op)
            dying = {storage(v, self.host) for v in (*op.operands, *op.results)}
            for v in sorted(dying, key=lambda v: self.place.get(v, "")):
                if last[v] == i:
                    self._release(v)
            new = Op(
                op.name, [mapping.get(v, v) for v in op.operands], {**op.attrs, "mem": mem},
                [r.type for r in op.results], op.regions, op.loc, [r.name for r in op.results],
            )  # fmt: skip
            mapping.update(zip(op.results, new.results, strict=True))
            ops.append(new)
        planned = func.with_ops(ops, mapping)
        attrs: dict[str, Any] = {**func.attrs, "arena": self.size, "stage": "planned"}
        if self.slots:
            attrs["slots"] = tuple(self.slots)
        return replace(planned, attrs=attrs)

    def _place(self, op: Op, r: Value, i: int, last: dict[Value, int], final: dict[Value, str]) -> str:
        if r in self.host:
            return "host"
        if op.name == "const":
            return "const"
        if is_contiguous_view(op):
            return "view"
        if r in final:
            self.place[r] = final[r]
            return final[r]
        for v in op.operands:
            own = self.place.get(v, "")
            dies = own.startswith(("arena", "slot")) and last[v] == i and v not in self._read_as_views(op)
            if dies and _writes_elementwise(op, r, v):
                self.place[r] = own
                self.sizes[r] = self.sizes.pop(v, 0)
                del self.place[v]
                return own
        self.place[r] = self._allocate(r)
        return self.place[r]

    def _scratch(self, op: Op) -> tuple[str, ...]:
        """Places that nothing else has while `op` runs."""
        used = [Value(t, "scratch") for t in scratch_types(op)]
        self.place.update((v, self._allocate(v)) for v in used)
        places = tuple(self.place[v] for v in used)
        for v in used:
            self._release(v)
        return places

    def _read_as_views(self, op: Op) -> set[Value]:
        """Operands that are read through a view as well: these cannot be overwritten."""
        return {storage(v, self.host) for v in op.operands if storage(v, self.host) is not v}

    def _allocate(self, v: Value) -> str:
        nbytes = v.type.size * v.type.itemsize
        if not isinstance(nbytes, int):
            free = self.free_slots.get(nbytes)
            if free:
                return f"slot.{free.pop()}"
            self.slots.append(nbytes)
            return f"slot.{len(self.slots) - 1}"
        size = -(-max(nbytes, 1) // ALIGN) * ALIGN
        self.sizes[v] = size
        best = min((f for f in self.free if f[1] >= size), key=lambda f: (f[1], f[0]), default=None)
        if best is None:
            offset = self.size
            if self.free and sum(self.free[-1]) == self.size:  # grow the last free run
                offset = self.free.pop()[0]
            self.size = offset + size
            return f"arena+{offset}"
        self.free.remove(best)
        if best[1] > size:
            self.free.append((best[0] + size, best[1] - size))
            self.free.sort()
        return f"arena+{best[0]}"

    def _release(self, v: Value) -> None:
        place = self.place.pop(v, "")
        if place.startswith("slot."):
            nbytes = v.type.size * v.type.itemsize
            self.free_slots.setdefault(nbytes, []).append(int(place[5:]))
        elif place.startswith("arena+"):
            runs = sorted([*self.free, (int(place[6:]), self.sizes.pop(v))])
            self.free = []
            for offset, size in runs:
                if self.free and sum(self.free[-1]) == offset:
                    self.free[-1] = (self.free[-1][0], self.free[-1][1] + size)
                else:
                    self.free.append((offset, size))

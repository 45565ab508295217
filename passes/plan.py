"""Memory planning: where every value lives, what is computed in place, and in which order updates happen.

The plan is written on the ops as the annotation `mem`, one place per result, then one per workspace of a routine:

    arena+128      byte 128 of the workspace              out.0       the memory of the function's result 0 (a result
                                                                      whose size kernels compute stays in a slot)
    slot.2         a workspace block of symbolic size     state.W     the memory of the shared variable W
    view           the memory of operand 0 (a reshape, a contiguous slice)
    yield.1        in a branch: the memory of the op's result 1
    row.0          in a loop: the row of stacked output 0 that the step makes; next.1: the next carried value 1
    later/arena+0  of a stacked output: one row behind arena+0, where the carried value before the first step lies
    host           a scalar that the host function computes
    const          constant data of the module

Values whose lives do not overlap share memory; a kernel writes over an operand that dies in it where every element is
read only for the element that replaces it; an update is computed straight into its shared variable when nothing reads
the old value afterwards (it is moved behind the last reader), and is copied there at the end otherwise. How loops carry
values is told in `arignote.passes.planloop`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.opdef import has_trait
from arignote.ir.placement import host_scalars, is_contiguous_view, late_results, scratch_types, storage
from arignote.passes.arena import Arena
from arignote.passes.base import Pass
from arignote.passes.memory import nbytes, owns_memory, writes_elementwise
from arignote.passes.order import Order, before_failures, may_fail, other_readers, readers_of, reordered
from arignote.passes.planloop import LoopPlan


@dataclass(frozen=True)
class Plan(Pass):
    """Decide the memory of every value: workspace offsets, views, in-place results and updates.

    Without `share`, every value gets memory of its own, and updates are copied to their variables at the end.
    """

    name: ClassVar[str] = "plan"
    share: bool = True

    def run(self, func: Func) -> Func:
        if any("mem" in op.attrs for op in func.ops):
            return func
        func = _with_copies(func)
        in_place = _in_place_updates(func) if self.share else {}
        func = _with_final_copies(func, in_place)
        func = reordered(func, in_place)
        return _Planner(func, in_place, self.share).result()


def _copy(builder: Builder, value: Value) -> Value:
    """A copy, which has the place of what makes the value; of the last op of the function where none does."""
    loc = value.owner.loc if value.owner is not None else next((o.loc for o in reversed(builder.ops or ())), None)
    param = Value(value.type, value.name)
    body: list[Op] = []
    (inner,) = Builder(body, loc).emit("copy", param, names=[value.name])
    (out,) = builder.emit(
        "fused", value, regions=[Region([param], body, [inner])], kind="map", axes=(), names=[value.name], loc=loc
    )
    return out


def _with_copies(func: Func) -> Func:
    """Give each result memory of its own, and each update whose value is not freshly computed a copy.

    A result that is all of a computed value in another shape is that value's memory."""
    host = host_scalars(func)
    late = late_results(func)
    ops = list(func.ops)
    builder = Builder(ops)
    taken: set[Value] = set()
    results = []
    for i, r in enumerate(func.results):
        whole = r if i in late else storage(r, host)
        if not owns_memory(whole, host) or whole in taken or whole.type.size != r.type.size:
            r = whole = _copy(builder, r)
        taken.add(whole)
        results.append(r)
    states = []
    for s in func.states:
        update = s.update
        if update is not None and update is not s.value:
            if not owns_memory(update, host) or update in taken:
                update = _copy(builder, update)
            taken.add(update)
        states.append(replace(s, update=update))
    return replace(func, ops=ops, states=states, results=results)


def _in_place_updates(func: Func) -> dict[Value, str]:
    """Updated value -> the state whose memory it is computed into, where some order of the ops allows it, and nothing
    that may fail has to come after it."""
    host = host_scalars(func)
    known = host_scalars(func, early=True)
    needed = before_failures(func, known)
    readers = readers_of(func, host)
    results = {storage(r, host) for r in func.results}
    roots = {storage(r, host) for r in func.roots()}
    chosen: dict[Value, str] = {}
    order = Order(func)
    for s in func.states:
        new = s.update
        if new is None or new is s.value or new.owner is None or new in results or new in chosen:
            continue
        op = new.owner
        if not needed.isdisjoint(op.results) or (op.name in ("scan", "ifelse") and may_fail(op, known)):
            continue  # where a call fails, the variable keeps its value
        if not _may_write(op, new, s.value, host):
            continue
        if not order.put_behind(op, other_readers(op, s.value, readers)):
            continue
        chosen[new] = s.name
        before = _intermediate(op, new, readers, roots, host)
        if before is None or before.owner is None or not needed.isdisjoint(before.owner.results):
            continue
        if not _may_write(before.owner, before, s.value, host):
            continue
        if order.put_behind(before.owner, other_readers(before.owner, s.value, readers)):
            chosen[before] = s.name
    return chosen


def _may_write(op: Op, new: Value, old: Value, host: set[Value]) -> bool:
    """Whether `op` may compute `new` in the memory of the state `old`, once all other readers of that are done."""
    if has_trait(op.name, "fallible"):
        return False  # where it fails, the variable keeps its value
    reads = [x for x in op.operands if storage(x, host) is old]
    return not reads or (all(x is old for x in reads) and writes_elementwise(op, new, old))


def _intermediate(
    op: Op, new: Value, readers: dict[Value, set[Op]], roots: set[Value], host: set[Value]
) -> Value | None:
    """What `op` writes `new` over, if nothing else reads it: an update in two steps, such as a product, to which rows
    are added, is computed in the shared variable from the first step on."""
    for v in op.operands:
        alone = readers.get(v) == {op} and v not in roots and storage(v, host) is v and v.owner is not None
        if alone and owns_memory(v, host) and writes_elementwise(op, new, v):
            return v
    return None


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


class _Planner:
    """Gives every value its place. Bodies of loops and branches are planned where they stand: what is free there is
    free for as long as they run."""

    def __init__(self, func: Func, in_place: dict[Value, str], share: bool = True) -> None:
        self.func = func
        self.share = share
        self.in_place = in_place
        self.host = host_scalars(func)
        self.place: dict[Value, str] = {}
        self.arena = Arena(share)

    def result(self) -> Func:
        func = self.func
        late = late_results(func)
        final = {self._storage(r): f"out.{i}" for i, r in enumerate(func.results) if i not in late}
        final.update((v, f"state.{name}") for v, name in self.in_place.items())
        mapping: dict[Value, Value] = {}
        kept = [s.update for s in func.states if s.update is not None]
        kept += [func.results[i] for i in late]
        ops = self.block(func.ops, kept, final, mapping)
        planned = func.with_ops(ops, mapping)
        attrs: dict[str, Any] = {**func.attrs, "arena": self.arena.size, "stage": "planned"}
        if self.arena.slots:
            attrs["slots"] = tuple(self.arena.slots)
        return replace(planned, attrs=attrs)

    def block(
        self, ops: Sequence[Op], kept: Iterable[Value], final: Mapping[Value, str], mapping: dict[Value, Value]
    ) -> list[Op]:
        """The ops with their places. `kept` values live to the end, those in `final` have places of their own."""
        last: dict[Value, int] = {}
        for i, op in enumerate(ops):
            for v in (*op.operands, *op.results):
                last[storage(v, self.host)] = i
        last.update((storage(v, self.host), len(ops)) for v in kept)
        out: list[Op] = []
        for i, op in enumerate(ops):
            dies = {v for v in map(self._storage, (*op.operands, *op.results)) if last[v] == i}
            mem, regions = self._places(op, dies, final)
            for v in sorted(dies, key=lambda v: self.place.get(v, "")):
                self.arena.release(self.place.pop(v, ""))
            new = Op(
                op.name, [mapping.get(v, v) for v in op.operands], {**op.attrs, "mem": mem},
                [r.type for r in op.results], regions, op.loc, [r.name for r in op.results],
            )  # fmt: skip
            mapping.update(zip(op.results, new.results, strict=True))
            out.append(new)
        for v in {self._storage(v) for v in kept}:
            self.arena.release(self.place.pop(v, ""))
        return out

    def _storage(self, v: Value) -> Value:
        return storage(v, self.host)

    def _places(
        self, op: Op, dies: set[Value], final: Mapping[Value, str]
    ) -> tuple[tuple[str, ...], Sequence[Region]]:
        """The places of results and workspace, and the planned regions."""
        if op.name == "scan":
            return LoopPlan(self, op, final).places()
        mem = tuple(self.put(op, r, dies, final) for r in op.results)
        if op.name == "ifelse":
            return mem, [self._branch(region) for region in op.regions]
        return mem + self._scratch(op), op.regions

    def put(self, op: Op, r: Value, dies: set[Value], final: Mapping[Value, str]) -> str:
        """The place of a result."""
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
            free = self.share and v in dies and self.arena.exclusive(own) and v not in self._read_as_views(op)
            if free and writes_elementwise(op, r, v):
                self.place[r] = own
                del self.place[v]
                return own
        self.place[r] = self.arena.allocate(nbytes(r.type))
        return self.place[r]

    def _branch(self, region: Region) -> Region:
        """A branch: what it yields is computed into the results of the op where it can be."""
        final: dict[Value, str] = {}
        for i, v in enumerate(region.yields):
            if owns_memory(v, self.host) and v not in region.params:
                final.setdefault(v, f"yield.{i}")
        mapping: dict[Value, Value] = {}
        ops = self.block(region.ops, region.yields, final, mapping)
        return Region(region.params, ops, [mapping.get(v, v) for v in region.yields])

    def _scratch(self, op: Op) -> tuple[str, ...]:
        """Places that nothing else has while `op` runs."""
        places = tuple(self.arena.allocate(nbytes(t)) for t in scratch_types(op))
        for place in places:
            self.arena.release(place)
        return places

    def _read_as_views(self, op: Op) -> set[Value]:
        """Operands that are read through a view as well: these cannot be overwritten."""
        return {self._storage(v) for v in op.operands if self._storage(v) is not v}

"""How loops carry values from step to step: part of the plan.

A `scan` has a place for each result and then one for each carried value:

    run/arena+0    a run of steps + 1 values, which the stacked outputs of this value are parts of
    last           the memory of the value after the loop: each step computes the next value over the old one
    twin/arena+0   two values, read and written in turn
    host           a cell of the host function

What the body yields is computed where it is needed: in the row of a stacked output (`row.0`), or as the next carried
value (`next.1`). What is not computed there (a value yielded twice, a parameter) is copied at the end of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arignote.ir.core import Op, Region, Value
from arignote.ir.loops import Carry, Loop
from arignote.ir.placement import is_contiguous_view, storage
from arignote.passes.arena import ALIGN
from arignote.passes.memory import nbytes, owns_memory, writes_elementwise

if TYPE_CHECKING:
    from arignote.passes.plan import _Planner


class LoopPlan:
    """The plan of one loop."""

    def __init__(self, planner: _Planner, op: Op, final: Mapping[Value, str]) -> None:
        self.planner, self.op, self.final = planner, op, final
        self.loop = Loop.read(op)
        self.host, self.arena = planner.host, planner.arena
        n = len(self.loop.carries)
        self.lasts, self.stacks = op.results[:n], op.results[n : n + len(self.loop.outs)]
        self.users: dict[Value, list[Op]] = {}
        for inner in self.loop.ops:
            for v in inner.operands:
                self.users.setdefault(storage(v, self.host), []).append(inner)

    def places(self) -> tuple[tuple[str, ...], list[Region]]:
        """The places of the op, and its planned body."""
        loop = self.loop
        inner: dict[Value, str] = {}  # what the body yields -> where it is computed
        carried = [self._run(c, inner) for c in loop.carries]
        for k, y in enumerate(loop.outs):
            if y not in inner and owns_memory(y, self.host):
                inner[y] = f"row.{k}"
        for j, c in enumerate(loop.carries):
            if carried[j] is None:
                carried[j] = self._carried(j, c, inner)
        mem = [self.planner.place[r] if r in self.planner.place else self._put(r) for r in self.op.results]
        mapping: dict[Value, Value] = {}
        ops = self.planner.block(loop.ops, loop.yields(), inner, mapping)
        body = Region(loop.params(), ops, [mapping.get(v, v) for v in loop.yields()])
        for place in carried:
            assert place is not None
            if place.startswith("twin/"):
                self.arena.release(place[5:])
        return (*mem, *(p for p in carried if p is not None)), [body]

    def _put(self, r: Value) -> str:
        if r in self.host:
            return "host"
        self.planner.place[r] = self.final.get(r) or self.arena.allocate(nbytes(r.type))
        return self.planner.place[r]

    def _run(self, carry: Carry, inner: dict[Value, str]) -> str | None:
        """`run/...` where the values of all steps are stacked anyway, in the workspace."""
        loop = self.loop
        if carry.param in self.host:
            return "host"
        ends = [k for k, y in enumerate(loop.outs) if y is carry.next and self.stacks[k] not in self.final]
        begins = [k for k, y in enumerate(loop.outs) if y is carry.param and self.stacks[k] not in self.final]
        ends = [k for k in ends if self.stacks[k] not in self.planner.place][:1]
        begins = [k for k in begins if self.stacks[k] not in self.planner.place][:1]
        if not ends and not begins:
            return None
        size = nbytes(carry.param.type)
        base = self.arena.allocate(size * (loop.steps + 1), holders=len(ends) + len(begins))
        for k in (*ends, *begins):
            later = (k in ends) != loop.reverse
            self.planner.place[self.stacks[k]] = f"later/{base}" if later else base
        if owns_memory(carry.next, self.host):
            inner.setdefault(carry.next, f"next.{loop.carries.index(carry)}")
        return f"run/{base}"

    def _carried(self, j: int, carry: Carry, inner: dict[Value, str]) -> str:
        own = carry.next not in inner and owns_memory(carry.next, self.host)
        if own and self._over(carry):
            inner[carry.next] = f"next.{j}"
            return "last"
        if own:
            inner[carry.next] = f"next.{j}"
        size = nbytes(carry.param.type)
        if isinstance(size, int):
            size = -(-size // ALIGN) * ALIGN
        return "twin/" + self.arena.allocate(size * 2)

    def _over(self, carry: Carry) -> bool:
        """Whether the next value is computed over the old one, which nothing reads afterwards."""
        made, p = carry.next.owner, carry.param
        if made is None or p not in made.operands or not writes_elementwise(made, carry.next, p):
            return False
        if any(storage(v, self.host) is p for v in made.operands if v is not p):
            return False
        yields = [v for v in self.loop.yields() if storage(v, self.host) is p]
        position = {op: i for i, op in enumerate(self.loop.ops)}
        readers = [op for op in self.users.get(p, []) if op is not made and not is_contiguous_view(op)]
        return not yields and all(position[op] < position[made] for op in readers)



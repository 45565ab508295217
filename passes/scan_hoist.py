"""Work taken out of loops: what is the same in every step, and products over all steps at once.

    before the loop    products of elements of sequences, such as the input projections of a recurrent net
    after the loop     outputs that no later step needs and that contain a product, such as output layers
    sums over steps    gradients of weights: one product of all steps instead of one per step

A loop without carried values is the same work for each element; it dissolves into ops on all of them where each of
its ops can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value
from arignote.ir.loops import Carry, Loop, copy_ops, needed_ops
from arignote.ir.opdef import has_trait
from arignote.passes.base import Pass
from arignote.passes.batching import Batch, Lifted, rule_for
from arignote.passes.blocks import map_blocks
from arignote.passes.sums import is_summable, summed
from arignote.passes.turned import absorbed

PRODUCTS = ("dot", "batched_dot")


@dataclass(frozen=True)
class ScanHoist(Pass):
    """Take out of loops what is the same in every step, products that can run on all steps at once, and sums over
    steps."""

    name: ClassVar[str] = "scan_hoist"

    def run(self, func: Func) -> Func:
        return map_blocks(func, _block)


def _block(ops: list[Op], roots: Sequence[Value]) -> tuple[list[Op], dict[Value, Value]]:
    if not any(op.name == "scan" for op in ops):
        return ops, {}
    used = set(roots) | {v for op in ops for v in op.operands}
    mapping: dict[Value, Value] = {}
    out: list[Op] = []
    for op in ops:
        operands = tuple(mapping.get(v, v) for v in op.operands)
        new: Sequence[Value] | None = None
        if op.name == "scan":
            new = _Hoist(Builder(out, loc=op.loc), op, operands, used).results()
        if new is None:
            if operands == op.operands:
                out.append(op)
                continue
            types, names = [r.type for r in op.results], [r.name for r in op.results]
            copy = Op(op.name, operands, op.attrs, types, op.regions, op.loc, names)
            out.append(copy)
            new = copy.results
        mapping.update((v, w) for v, w in zip(op.results, new, strict=True) if v is not w)
    return out, mapping


class _Hoist:
    """One loop, and what replaces its results."""

    def __init__(self, b: Builder, op: Op, operands: tuple[Value, ...], used: set[Value]) -> None:
        self.b, self.op, self.used = b, op, used
        self.loop = Loop.of(operands, op.regions[0], op.attrs)
        self.params = set(self.loop.params())
        self.changed = False
        self.late: dict[Carry | int, Value] = {}  # carried sums (-> the term of a step), outputs by number

    def results(self) -> list[Value] | None:
        """What replaces the results; None if the loop stays as it is."""
        loop, op = self.loop, self.op
        n, m = len(loop.carries), len(loop.outs)
        if any(has_trait(o.name, "effect") for o in loop.ops):
            return None
        self._invariants()
        if loop.stop is None:
            self.late = self._late()
            self._before()
        late = self.late
        if not self.changed and not late:
            return None
        carries = [c for c in loop.carries if c not in late]
        outs = [k for k in range(m) if k not in late]
        kept_outs = [loop.outs[k] for k in outs]
        exports = self._exports([*(c.next for c in carries), *kept_outs, *([loop.stop] if loop.stop else [])])
        kept = Loop(
            loop.steps, loop.ops, loop.seqs, carries, loop.invariants, kept_outs + exports,
            loop.index, loop.stop, loop.count, loop.reverse, loop.truncate, loop.checkpoint,
        )  # fmt: skip
        kept.ops = needed_ops(kept.ops, kept.yields())
        names = [c.init.name for c in carries] + [op.results[n + k].name for k in outs] + [v.name for v in exports]
        lasts, stacks = kept.emit(self.b, names) if kept.yields() else ([], [])
        found: list[Value] = list(op.results)
        for c, last in zip(carries, lasts, strict=True):
            found[loop.carries.index(c)] = last
        for k, stack in zip(outs, stacks, strict=False):
            found[n + k] = stack
        if loop.stop is not None:
            found[-1] = stacks[-1]
        known = self._outside()
        known.update((v, Lifted(s, True)) for v, s in zip(exports, stacks[len(outs) :], strict=False))
        batch = self._batch(known)
        for key, root in late.items():
            if isinstance(key, Carry):
                found[loop.carries.index(key)] = self.b.add(key.init, summed(batch, root))
            else:
                found[n + key] = batch.stack(batch.lift(root))
        return found

    # -- before the loop --------------------------------------------------------------------------------------------

    def _invariants(self) -> None:
        """Ops on invariants alone run once, before the loop."""
        loop = self.loop
        fixed = {p: x for x, p in loop.invariants}
        move: list[Op] = []
        free: list[Op] = []
        cheap: set[Value] = set()
        for op in loop.ops:
            if _is_free(op) or (op.name == "broadcast" and op.operands[0] in cheap):
                free.append(op)
                cheap.update(op.results)
            elif op.operands and not op.regions and all(v in fixed or v in cheap for v in op.operands):
                if _may_refuse(op) or (op.name == "transpose" and absorbed(loop, op.result)):
                    continue
                move.append(op)
                fixed.update((r, r) for r in op.results)
        if not move:
            return
        mapping = {p: x for x, p in loop.invariants}
        outer = [op for op in loop.ops if op in set(free) | set(move)]
        needed = needed_ops(outer, (r for o in move for r in o.results))
        copied = copy_ops(needed, mapping)
        assert self.b.ops is not None
        self.b.ops += copied
        inner: dict[Value, Value] = {}
        for op in move:
            for r in op.results:
                inner[r] = loop.invariant(mapping[r])
        self._substitute([op for op in loop.ops if op not in set(move)], inner)

    def _before(self) -> None:
        """Products that depend on sequences and invariants alone run on all steps at once."""
        loop = self.loop
        live = _reach(self._kept())
        given = {p for _, p in (*loop.seqs, *loop.invariants)} | {loop.index}
        ahead: set[Value] = set()  # can be computed before the loop
        rich: set[Value] = set()  # and contain a product
        for op in loop.ops:
            if live.isdisjoint(op.results):
                continue
            able = _is_free(op) or (
                rule_for(op) is not None and all(v in given or v in ahead for v in op.operands)
            )
            if not able or (op.name in PRODUCTS and not self._is_profitable(op)):
                continue
            ahead.update(op.results)
            if op.name in PRODUCTS or not rich.isdisjoint(op.operands):
                rich.update(op.results)
        if not loop.carries and all(op.results[0] in ahead for op in loop.ops if op.results):
            return  # dissolved as a whole
        ends = set(self._kept())
        for op in loop.ops:
            if not live.isdisjoint(op.results) and ahead.isdisjoint(op.results):
                ends.update(op.operands)
        roots = [v for op in loop.ops for v in op.results if v in rich and v in ends]
        if not roots:
            return
        batch = self._batch(self._outside())
        inner = {v: loop.seq(batch.stack(batch.lift(v)), v.name) for v in roots}
        self._substitute(loop.ops, inner, drop=set(roots))

    def _is_profitable(self, op: Op) -> bool:
        """Whether a product gains from running on all steps: the left operand varies, or both do."""
        loop = self.loop
        fixed = {p for _, p in loop.invariants}
        return op.operands[0] not in fixed

    # -- after the loop ---------------------------------------------------------------------------------------------

    def _late(self) -> dict[Carry | int, Value]:
        """Carried sums (-> the term of a step) and outputs (by number) that can be computed after the loop."""
        loop = self.loop
        out: dict[Carry | int, Value] = {}
        terms = {c: t for c in loop.carries if (t := self._term(c)) is not None}
        needed = _reach([*(c.next for c in loop.carries if c not in terms), *([loop.stop] if loop.stop else [])])
        sums = {c.param for c in terms}
        for c, term in terms.items():
            if is_summable(term) and self._liftable(term, needed, sums):
                out[c] = term
        whole = not loop.carries or len(out) == len(loop.carries)
        for k, y in enumerate(loop.outs):
            if self.op.results[len(loop.carries) + k] not in self.used:
                continue
            cone = self._cone(y, needed)
            rich = any(o.name in PRODUCTS and self._is_profitable(o) for o in cone)
            able = all(rule_for(o) is not None or _is_free(o) for o in cone)
            apart = y not in sums and sums.isdisjoint(v for o in cone for v in o.operands)
            if able and apart and (rich or (whole and cone)):
                out[k] = y
        return out

    def _term(self, c: Carry) -> Value | None:
        """`t` of a carried value that only becomes itself + t."""
        made = c.next.owner
        if made is None or made.name != "add" or made.result.type != c.param.type:
            return None
        others = [v for v in made.operands if v is not c.param]
        uses = sum(v is c.param for o in self.loop.ops for v in o.operands)
        yields = sum(v is c.param or v is c.next for v in self.loop.yields())
        read = sum(v is c.next for o in self.loop.ops for v in o.operands)
        if len(others) != 1 or uses != 1 or yields != 1 or read or others[0].type != c.param.type:
            return None
        return others[0]

    def _liftable(self, root: Value, needed: set[Value], sums: set[Value]) -> bool:
        cone = self._cone(root, needed)
        return bool(cone) and all(rule_for(o) is not None or _is_free(o) or o.name == "scatter" for o in cone) and (
            sums.isdisjoint(v for o in cone for v in o.operands)
        )

    def _cone(self, root: Value, needed: set[Value]) -> list[Op]:
        """The ops that `root` needs and nothing in the loop does."""
        made = {v: op for op in self.loop.ops for v in op.results}
        live: set[Op] = set()
        stack = [root]
        while stack:
            v = stack.pop()
            if v in needed or v not in made or made[v] in live:
                continue
            live.add(made[v])
            stack += made[v].operands
        return [op for op in self.loop.ops if op in live]

    def _kept(self) -> list[Value]:
        """What the body goes on to yield, and what runs afterwards needs of it."""
        loop = self.loop
        kept = [c.next for c in loop.carries if c not in self.late]
        kept += [y for k, y in enumerate(loop.outs) if k not in self.late] + ([loop.stop] if loop.stop else [])
        return kept + self._exports(kept)

    def _exports(self, kept: Sequence[Value]) -> list[Value]:
        """Values of the loop that what runs afterwards needs, and that are not at hand outside."""
        loop = self.loop
        needed = _reach(kept)
        given = {p for _, p in (*loop.seqs, *loop.invariants)} | {loop.index}
        out: dict[Value, None] = {}
        for root in self.late.values():
            cone = self._cone(root, needed)
            inside = {v for op in cone for v in op.results}
            for v in (*(v for op in cone for v in op.operands), root):
                if v not in inside and v not in given:
                    out[v] = None
        return list(out)

    # -- lifting ----------------------------------------------------------------------------------------------------

    def _outside(self) -> dict[Value, Lifted]:
        """What parameters stand for."""
        loop = self.loop
        known = {p: Lifted(x, True) for x, p in loop.seqs} | {p: Lifted(x, False) for x, p in loop.invariants}
        if loop.index is not None:
            known[loop.index] = Lifted(self.b.iota(shape=(loop.steps,), axis=0, dtype="i64"), True)
        return known

    def _batch(self, known: dict[Value, Lifted]) -> Batch:
        """Lifts ops of the body."""
        return Batch(self.b, self.loop.steps, known, self.loop.ops, self._symbol)

    def _symbol(self, symbol: str) -> Value:
        """The number of steps as a scalar."""
        loop = self.loop
        out: Value = loop.count if loop.count is not None else self.b.dim(loop.seqs[0][0], axis=0)
        return out

    def _substitute(self, ops: Sequence[Op], inner: dict[Value, Value], drop: Iterable[Value] = ()) -> None:
        loop = self.loop
        gone = set(drop)
        loop.ops = copy_ops([op for op in ops if gone.isdisjoint(op.results)], inner)
        for c in loop.carries:
            c.next = inner.get(c.next, c.next)
        loop.outs = [inner.get(y, y) for y in loop.outs]
        self.late = {key: inner.get(v, v) for key, v in self.late.items()}
        if loop.stop is not None:
            loop.stop = inner.get(loop.stop, loop.stop)
        self.changed = True


def _is_free(op: Op) -> bool:
    """Whether `op` depends on nothing."""
    return op.name in ("const", "iota") and not op.operands


def _may_refuse(op: Op) -> bool:
    """Whether `op` can fail: it must not where a loop would not have run it."""
    return has_trait(op.name, "fallible") or op.name in ("check_index", "check_indices", "gather", "scatter")


def _reach(roots: Iterable[Value]) -> set[Value]:
    """`roots` and all that they are computed from."""
    seen: set[Value] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        if v in seen:
            continue
        seen.add(v)
        if v.owner is not None:
            stack += v.owner.operands
    return seen

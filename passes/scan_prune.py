"""Loops without what nothing needs: outputs, carried values, parameters, copies."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.lastrows import taken_row
from arignote.ir.loops import Carry, Loop, copy_ops, needed_ops, stack_type
from arignote.ir.opdef import has_trait
from arignote.passes.base import Pass
from arignote.passes.blocks import map_blocks
from arignote.passes.cse import op_key
from arignote.passes.turned import absorbed


@dataclass(frozen=True)
class ScanPrune(Pass):
    """Drop from loops and branches what nothing needs, make one of equal carried values, and take for an invariant
    what stays the same from step to step.

    A loop of which only the last row of an output is read hands on that value alone.
    """

    name: ClassVar[str] = "scan_prune"

    def run(self, func: Func) -> Func:
        return map_blocks(func, _block)


def _block(ops: list[Op], roots: Sequence[Value]) -> tuple[list[Op], dict[Value, Value]]:
    if not any(op.name in ("scan", "ifelse") for op in ops):
        return ops, {}
    last_rows = _last_rows(ops)
    used = set(roots) | {v for op in ops if op not in last_rows for v in op.operands} | set(last_rows.values())
    mapping: dict[Value, Value] = {}
    out: list[Op] = []
    for op in ops:
        operands = tuple(mapping.get(v, v) for v in op.operands)
        b = Builder(out, loc=op.loc)
        new: Sequence[Value] | None = None
        if op in last_rows:
            new = [_row(b, op, operands, mapping.get(last_rows[op], last_rows[op]))]
        elif op.name == "scan":
            new = _Pruned(b, op, operands, used).results()
        elif op.name == "ifelse":
            new = _branches(b, op, operands, used)
        if new is None:
            copy = _with(op, operands)
            out.append(copy)
            new = copy.results
        mapping.update((v, w) for v, w in zip(op.results, new, strict=True) if v is not w)
    return out, mapping


def _with(op: Op, operands: tuple[Value, ...]) -> Op:
    if operands == op.operands:
        return op
    types, names = [r.type for r in op.results], [r.name for r in op.results]
    return Op(op.name, operands, op.attrs, types, op.regions, op.loc, names)


def _last_rows(ops: Sequence[Op]) -> dict[Op, Value]:
    """Slices that take from stacked outputs what a loop carries -> that value after the loop."""
    rows = ((op, taken_row(op)) for op in ops)
    return {op: v for op, v in rows if v is not None and v.type == op.result.type.with_shape(op.result.shape[1:])}


def _row(b: Builder, op: Op, operands: Sequence[Value], carried: Value) -> Value:
    """The row that a slice takes, made of the value carried; a computed index is still checked."""
    row: Value = b.reshape(carried, shape=op.result.shape)
    if len(operands) == 1:
        return row
    first = b.sub(operands[1], b.sub(b.dim(operands[0], axis=0), b.const(1, "i64")))
    out: Value = b.slice(row, first, start=op.attrs["start"], size=row.shape, step=(1,) * row.ndim, bound_start=(0,))
    return out


def _branches(b: Builder, op: Op, operands: tuple[Value, ...], used: set[Value]) -> list[Value] | None:
    """An `ifelse` without results that nothing reads, and without operands that no branch needs."""
    known = _constant(operands[0])
    if known is not None:
        region = op.regions[0 if known else 1]
        mapping = dict(zip(region.params, operands[1:], strict=True))
        assert b.ops is not None
        b.ops += copy_ops(region.ops, mapping)
        return [mapping[y] for y in region.yields]
    live = [i for i, r in enumerate(op.results) if r in used]
    needed: set[int] = set()
    for region in op.regions:
        ops = needed_ops(region.ops, [region.yields[i] for i in live], effects(region.ops))
        reads = {v for o in ops for v in o.operands} | {region.yields[i] for i in live}
        needed |= {i for i, p in enumerate(region.params) if p in reads}
    keep = sorted(needed)
    if len(live) == len(op.results) and len(keep) == len(operands) - 1:
        return None
    regions = []
    for region in op.regions:
        yields = [region.yields[i] for i in live]
        ops = needed_ops(region.ops, yields, effects(region.ops))
        regions.append(Region([region.params[i] for i in keep], ops, yields))
    names = [op.results[i].name for i in live]
    new = b.emit("ifelse", operands[0], *(operands[i + 1] for i in keep), regions=regions, names=names)
    found = dict(zip(live, new, strict=True))
    return [found.get(i, op.results[i]) for i in range(len(op.results))]


def _constant(v: Value) -> bool | None:
    return bool(v.owner.attrs["value"]) if v.owner is not None and v.owner.name == "const" else None


def effects(ops: Sequence[Op]) -> list[Op]:
    """The ops that are kept although nothing may use their results."""
    return [op for op in ops if has_trait(op.name, "effect") or any(effects(r.ops) for r in op.regions)]


class _Pruned:
    """One loop, and what replaces its results."""

    def __init__(self, b: Builder, op: Op, operands: tuple[Value, ...], used: set[Value]) -> None:
        self.b, self.op = b, op
        self.loop = Loop.of(operands, op.regions[0], op.attrs)
        n = len(self.loop.carries)
        self.lasts: list[Value | None] = [r if r in used else None for r in op.results[:n]]
        self.stacks = [r if r in used else None for r in op.results[n : n + len(self.loop.outs)]]
        self.changed = False
        self.same: dict[Value, Value] = {}  # parameters and values of the body -> what they equal
        self.replaced: dict[Value, Value] = {}  # results -> outer values
        self.views: dict[Value, Value] = {}  # results -> rows of another shape

    def results(self) -> list[Value] | None:
        """What replaces the results; None if the loop stays as it is."""
        loop, op = self.loop, self.op
        self._unite_carries()
        self._unchanging()
        self._constants()
        self._reshaped_outputs()
        self._duplicate_outputs()
        self._duplicate_parameters()
        self._drop_dead()
        if not self.changed:
            return None
        names = [*(c.init.name for c in loop.carries), *(v.name if v is not None else None for v in self.stacks)]
        new_lasts, new_stacks = loop.emit(self.b, names)
        found = dict(self.replaced)
        pairs = [*zip(self.lasts, new_lasts, strict=True), *zip(self.stacks, new_stacks, strict=False)]
        found.update((old, new) for old, new in pairs if old is not None)
        for old, new in pairs:
            if old is not None and old.name is not None:
                new.name = old.name
        if loop.stop is not None:
            found[op.results[-1]] = new_stacks[-1]
        for stack, rows in self.views.items():
            found[stack] = self.b.reshape(self._final(found, rows), shape=stack.shape)
        return [self._final(found, r) for r in op.results]

    def _final(self, found: dict[Value, Value], r: Value) -> Value:
        while r in found and found[r] is not r:
            r = found[r]
        return r

    def _substitute(self, mapping: dict[Value, Value]) -> None:
        """Replace values of the body."""
        loop = self.loop
        loop.ops = copy_ops(loop.ops, mapping)
        for c in loop.carries:
            c.next = mapping.get(c.next, c.next)
        loop.outs = [mapping.get(y, y) for y in loop.outs]
        if loop.stop is not None:
            loop.stop = mapping.get(loop.stop, loop.stop)
        self.changed = True

    # -- carried values ---------------------------------------------------------------------------------------------

    def _unite_carries(self) -> None:
        """Make one of carried values that begin equal and become equal (by refining classes until they hold)."""
        carries = self.loop.carries
        if len(carries) < 2:
            return
        classes: list[Hashable] = [self._initial(c) for c in carries]
        while True:
            numbers = self._numbered(classes)
            new: list[Hashable] = [(k, numbers[c.next]) for k, c in zip(classes, carries, strict=True)]
            if len(set(new)) == len(set(classes)):
                break
            classes = new
        first: dict[Hashable, int] = {}
        mapping: dict[Value, Value] = {}
        kept: list[Carry] = []
        lasts: list[Value | None] = []
        for c, key, last in zip(carries, classes, self.lasts, strict=True):
            if key not in first:
                first[key] = len(kept)
                kept.append(c)
                lasts.append(last)
                continue
            i = first[key]
            mapping[c.param] = kept[i].param
            if last is not None:
                mine = lasts[i]
                if mine is None:
                    lasts[i] = last
                else:
                    self.replaced[last] = mine
        if mapping:
            self.loop.carries, self.lasts = kept, lasts
            self._substitute(mapping)

    @staticmethod
    def _initial(c: Carry) -> Hashable:
        made = c.init.owner
        key: Hashable = c.init
        if made is not None and made.name in ("const", "broadcast") and len(made.operands) <= 1:
            inner = [op_key(v.owner, ()) for v in made.operands if v.owner is not None and v.owner.name == "const"]
            if len(inner) == len(made.operands):
                key = op_key(made, inner)
        return (key, c.param.type)

    def _numbered(self, classes: Sequence[Hashable]) -> dict[Value, int]:
        """Numbers that are equal for values of the body that are, if carried values of one class are."""
        loop = self.loop
        numbers: dict[Value, int] = {}
        keys: dict[Hashable, int] = {}

        def number(key: Hashable) -> int:
            return keys.setdefault(key, len(keys))

        for x, p in (*loop.seqs, *loop.invariants):
            numbers[p] = number(("outer", x, p.type))
        if loop.index is not None:
            numbers[loop.index] = number("index")
        for c, k in zip(loop.carries, classes, strict=True):
            numbers[c.param] = number(("carry", k))
        for op in loop.ops:
            key = op_key(op, [numbers[v] for v in op.operands])
            for i, r in enumerate(op.results):
                numbers[r] = number((key, i))
        return numbers

    def _unchanging(self) -> None:
        """Carried values that a step hands on as they are: invariants."""
        loop = self.loop
        for c in [c for c in loop.carries if c.next is c.param and c.init.type == c.param.type]:
            j = loop.carries.index(c)
            last = self.lasts.pop(j)
            loop.carries.pop(j)
            if last is not None:
                self.replaced[last] = c.init
            self._substitute({c.param: loop.invariant(c.init)})

    # -- parameters -------------------------------------------------------------------------------------------------

    def _constants(self) -> None:
        """Constants, and what is filled with one, are made in the body; so are elements of sequences of equal rows."""
        loop = self.loop
        made: list[Op] = []
        b = Builder(made, loc=self.op.loc)
        mapping: dict[Value, Value] = {}
        for x, p in list(loop.invariants):
            if (copy := _filled(b, x, p.shape)) is not None:
                mapping[p] = copy
                loop.invariants.remove((x, p))
            elif (whole := self._transposed(x, p)) is not None:
                mapping[p] = b.transpose(loop.invariant(whole), perm=(1, 0))
                loop.invariants.remove((x, p))
        for x, p in list(loop.seqs):
            if (copy := _filled(b, x, p.shape)) is not None:
                mapping[p] = copy
                loop.seqs.remove((x, p))
            elif (row := _equal_rows(x)) is not None:
                inner = loop.invariant(row)
                flat = inner
                if row.ndim == x.ndim:
                    flat = b.reshape(inner, shape=row.shape[1:])
                mapping[p] = flat if flat.type == p.type else b.broadcast(flat, shape=p.shape)
                loop.seqs.remove((x, p))
            elif p.dtype == "i64" and _counts(x):
                mapping[p] = loop.position()
                loop.seqs.remove((x, p))
        if mapping:
            self._substitute(mapping)
            loop.ops = [*made, *loop.ops]

    def _transposed(self, x: Value, p: Value) -> Value | None:
        """The matrix of which `x` is the transpose, where products take it as it lies."""
        made = x.owner
        return made.operands[0] if made is not None and made.name == "transpose" and absorbed(self.loop, p) else None

    def _duplicate_parameters(self) -> None:
        loop = self.loop
        mapping: dict[Value, Value] = {}
        for attr in ("seqs", "invariants"):
            first: dict[Value, Value] = {}
            kept = []
            for x, p in getattr(loop, attr):
                if x in first:
                    mapping[p] = first[x]
                else:
                    first[x] = p
                    kept.append((x, p))
            setattr(loop, attr, kept)
        if mapping:
            self._substitute(mapping)

    def _reshaped_outputs(self) -> None:
        """Rows are stacked as they are, and reshaped all at once: so they may be those of a carried value."""
        loop = self.loop
        for k, (y, s) in enumerate(zip(loop.outs, self.stacks, strict=True)):
            if s is not None and y.owner is not None and y.owner.name == "reshape" and len(y.owner.operands) == 1:
                (loop.outs[k],) = y.owner.operands
                self.views[s] = rows = Value(stack_type(loop.outs[k].type, loop.steps))
                self.stacks[k] = rows
                self.changed = True

    def _duplicate_outputs(self) -> None:
        loop = self.loop
        first: dict[Value, Value] = {}
        outs, stacks = [], []
        for y, s in zip(loop.outs, self.stacks, strict=True):
            if s is not None and y in first:
                self.replaced[s] = first[y]
                self.changed = True
                continue
            if s is not None:
                first[y] = s
            outs.append(y)
            stacks.append(s)
        loop.outs, self.stacks = outs, stacks

    def _drop_dead(self) -> None:
        loop = self.loop
        before = len(loop.ops), len(loop.carries), len(loop.seqs), len(loop.invariants), len(loop.outs)
        alive = [(y, s) for y, s in zip(loop.outs, self.stacks, strict=True) if s is not None]
        loop.outs, self.stacks = [y for y, _ in alive], [s for _, s in alive]
        live = {c.param for c, last in zip(loop.carries, self.lasts, strict=True) if last is not None}
        while True:
            roots = [*loop.outs, *(c.next for c in loop.carries if c.param in live)]
            roots += [] if loop.stop is None else [loop.stop]
            ops = needed_ops(loop.ops, roots, effects(loop.ops))
            reads = {v for op in ops for v in op.operands} | set(roots)
            new = live | {c.param for c in loop.carries if c.param in reads}
            if new == live:
                break
            live = new
        loop.ops = ops
        pairs = [(c, last) for c, last in zip(loop.carries, self.lasts, strict=True) if c.param in live]
        loop.carries, self.lasts = [c for c, _ in pairs], [last for _, last in pairs]
        invariants = [(x, p) for x, p in loop.invariants if p in reads]
        seqs = [(x, p) for x, p in loop.seqs if p in reads]
        if not seqs and loop.seqs and not isinstance(loop.steps, int) and loop.count is None:
            seqs = loop.seqs[:1]  # it says how many steps there are
        loop.invariants, loop.seqs = invariants, seqs
        if loop.index is not None and loop.index not in reads:
            loop.index = None
            self.changed = True
        after = len(loop.ops), len(loop.carries), len(loop.seqs), len(loop.invariants), len(loop.outs)
        self.changed = self.changed or before != after


def _filled(b: Builder, x: Value, shape: tuple[Any, ...]) -> Value | None:
    """`x`, which is filled with one constant, in another shape; None if it is not, or if its shape is computed."""
    made = x.owner
    if made is not None and made.name == "broadcast" and len(made.operands) == 1:
        made = made.operands[0].owner
    if made is None or made.name != "const" or made.result.ndim:
        return None
    (number,) = b.emit("const", value=made.attrs["value"])
    return b.broadcast(number, shape=shape) if shape else number


def _equal_rows(x: Value) -> Value | None:
    """What is stretched along the first axis to make `x`."""
    made = x.owner
    if made is None or made.name != "broadcast" or len(made.operands) > 1:
        return None
    (row,) = made.operands
    return row if row.ndim < x.ndim or (row.shape[0] == 1 and x.shape[0] != 1) else None


def _counts(x: Value) -> bool:
    """Whether `x` is 0, 1, 2, ..."""
    return x.owner is not None and x.owner.name == "iota" and x.ndim == 1

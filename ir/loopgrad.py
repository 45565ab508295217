"""The gradient of a loop: a loop in the other direction, and one that provides it with values.

The loop back needs values of the forward steps. Those that are expensive are stacked by a second forward loop, a
replay, which the pass `scan_merge` makes one with the first; cheap ones are computed again; with `checkpoint` all of a
step is. After A. Griewank, A. Walther, *Evaluating Derivatives* (SIAM, 2008), chapters 3, 4 and 12.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from arignote.ir.bound import bound_symbols, symbols_of
from arignote.ir.core import Op, Value
from arignote.ir.loops import Carry, Loop, copy_ops, element_type, needed_ops, rebuilt_regions, stack_type
from arignote.ir.opdef import has_trait
from arignote.ir.symbols import subs_attr
from arignote.ir.types import DimLike, dim_symbols, is_differentiable

#: Elementwise ops whose results are kept instead of being computed again.
EXPENSIVE = frozenset(
    """exp exp2 expm1 log log2 log10 log1p tanh sigmoid softplus sin cos tan arcsin arccos arctan arctan2 sinh cosh
    arcsinh arccosh arctanh erf erfc pow div sqrt mod floordiv random_bits
    gamma gammaln polygamma erfinv erfcinv erfcx j0 j1 i0 i1 xlogx xlogy""".split()  # noqa: SIM905  # a list of words
)
CHEAP = frozenset(("const", "iota", "broadcast", "reshape", "slice"))


def is_cheap(op: Op) -> bool:
    """Whether the results of `op` cost less to compute again than to keep."""
    return op.name in CHEAP or (has_trait(op.name, "elementwise") and op.name not in EXPENSIVE)


def active_values(loop: Loop, start: Iterable[Value]) -> set[Value]:
    """The values of the body that depend differentiably on the parameters `start`, from one step to the next."""
    active = {p for p in start if is_differentiable(p.dtype)}
    while True:
        size = len(active)
        for op in loop.ops:
            if not active.isdisjoint(op.operands):
                active.update(r for r in op.results if is_differentiable(r.dtype))
        active.update(c.param for c in loop.carries if c.next in active)
        if len(active) == size:
            return active


class Backward:
    """Makes the loop back of `loop`, whose op has `results`. `b` is the builder of gradients of `arignote.passes`."""

    def __init__(self, b: Any, loop: Loop, results: Sequence[Value]) -> None:
        self.b, self.loop = b, loop
        self.executed = results[-1] if loop.stop is not None else None
        self.made = {v for op in loop.ops for v in op.results}
        self.window = _Window(b, loop, self.executed)

    def gradients(self, cts: Sequence[Value | None], wanted: Sequence[int]) -> tuple[Value | None, ...]:
        """A cotangent for each operand in `wanted`, None for the others, from those of the results."""
        loop, b = self.loop, self.b
        outer = [*loop.seqs, *((c.init, c.param) for c in loop.carries), *loop.invariants]
        active = active_values(loop, (outer[i][1] for i in wanted if i < len(outer)))
        n = len(loop.carries)
        carries = [(c, ct) for c, ct in zip(loop.carries, cts[:n], strict=True) if c.param in active]
        inner = b.inside(dict(s for op in loop.ops for s in bound_symbols(op)))
        back = Loop(self.window.steps, count=self.window.count, reverse=not loop.reverse)
        seeds: list[tuple[Value, Value]] = []
        for c, ct in carries:
            start = ct if ct is not None else b.full(0, c.init.type)
            seeds.append((c.next, back.carry(start, _d(c.param)).param))
        for y, g in zip(loop.outs, cts[n:], strict=False):
            if g is not None and y in active:
                seeds.append((y, back.seq(self.window.part(g), _d(y))))
        wrt = [p for _, p in outer if p in active]
        found = dict(zip(wrt, inner.backward(loop.ops, seeds, wrt), strict=True))
        inner.loc = b.loc  # what adds up is of the loop as a whole

        def gradient(p: Value) -> Value:
            ct: Value = found[p] if found[p] is not None else inner.full(0, p.type)
            return ct

        for carry, (c, _) in zip(back.carries, carries, strict=True):
            carry.next = gradient(c.param)
        summed = [(v, p) for v, p in loop.invariants if found.get(p) is not None]
        for v, p in summed:
            total = back.carry(b.full(0, v.type), _d(p))
            total.next = inner.add(total.param, gradient(p))
        rows = [p for _, p in loop.seqs if p in active]
        back.outs = [gradient(p) for p in rows]
        self._close(inner.ops, back)
        lasts, stacks = back.emit(b, [c.param.name for c in back.carries])
        out = dict(zip(rows, map(self.window.whole, stacks), strict=True))
        m = len(carries)
        out.update((c.param, self.window.start(last)) for (c, _), last in zip(carries, lasts[:m], strict=True))
        out.update((p, last) for (_, p), last in zip(summed, lasts[m:], strict=True))
        return (*(out.get(p) for _, p in outer), *([] if loop.count is None else [None]))

    def _close(self, made: list[Op], back: Loop) -> None:
        """Give the body of `back`, of the ops `made`, all that it refers to as parameters."""
        loop = self.loop
        new = needed_ops(made, back.yields())
        own = {v for op in new for v in op.results} | set(back.params())
        used = dict.fromkeys([*(v for op in new for v in op.operands), *back.yields()])
        plan = _Replay(loop, [v for v in used if v in self.made or v in loop.params()])
        mapping = {v: Value(v.type, v.name) for v in plan.saved}
        if plan.saved:
            replay = Loop(
                loop.steps, loop.ops, list(loop.seqs), [Carry(c.init, c.param, c.next) for c in loop.carries],
                list(loop.invariants), list(plan.saved), loop.index, loop.stop, loop.count, loop.reverse,
            )  # fmt: skip
            _, stacks = replay.emit(self.b)
            for v, stack in zip(plan.saved, stacks, strict=False):
                rows = self.window.part(stack)
                mapping[v] = Value(element_type(rows.type), v.name)
                back.seqs.append((rows, mapping[v]))
        for x, p in loop.seqs:
            if p in plan.params:
                mapping[p] = back.seq(self.window.part(x), p.name)
        for x, p in loop.invariants:
            if p in plan.params:
                mapping[p] = back.invariant(x)
        if loop.index in plan.params:
            assert loop.index is not None
            mapping[loop.index] = self.window.index(back)
        for v in used:
            if v not in own and v not in mapping and v not in self.made:
                mapping[v] = back.invariant(v)
        back.ops = [*self.window.prologue, *self._copies([*plan.again, *new], mapping)]
        for c in back.carries:
            c.next = mapping.get(c.next, c.next)
        back.outs = [mapping.get(v, v) for v in back.outs]

    def _copies(self, ops: Sequence[Op], mapping: dict[Value, Value]) -> list[Op]:
        """`ops` once more, on operands looked up in `mapping`, which grows. Sizes that the forward body computes are
        symbols of their own here."""
        scalars = _sizes(self.loop)
        if not scalars:
            return copy_ops(ops, mapping)
        made: list[Op] = []
        b = self.b.inside({}, made)
        env: dict[str, DimLike] = {}
        for op in ops:
            operands = [mapping.get(v, v) for v in op.operands]
            for symbol in sorted(symbols_of(op) & scalars.keys() - env.keys()):
                env[symbol] = b.symbol(mapping[scalars[symbol]])
            attrs = {k: subs_attr(a, env) for k, a in op.attrs.items()}
            names = [r.name for r in op.results]
            new = b.emit(op.name, *operands, regions=rebuilt_regions(op, operands, env), names=names, **attrs)
            mapping.update(zip(op.results, new, strict=True))
        return made


def _sizes(loop: Loop) -> dict[str, Value]:
    """The sizes that the body computes, with their scalars; those that an invariant gives are the same outside."""
    fixed = {p for _, p in loop.invariants}
    return {s: v for op in loop.ops for s, v in bound_symbols(op) if v not in fixed}


def _d(v: Value) -> str | None:
    return None if v.name is None else f"d.{v.name}"


class _Replay:
    """Which values of the forward steps are `saved`, which ops run `again`, and which `params` these and the loop back
    need."""

    def __init__(self, loop: Loop, used: Sequence[Value]) -> None:
        self.free = {p for _, p in (*loop.seqs, *loop.invariants)}
        self.free |= set() if loop.index is None else {loop.index}
        carried = {c.param for c in loop.carries}
        self.checkpoint = loop.checkpoint
        self.sizes = set(_sizes(loop))
        self.saved: dict[Value, None] = {v: None for v in used if v in carried or not self._again(v)}
        for v in used:
            if v not in self.saved and not self._possible(v):
                if self.checkpoint:
                    self.saved.update(dict.fromkeys(self._carried(v, carried)))
                else:
                    self._save(v)
        roots = [v for v in used if v not in self.saved]
        stop = {*self.saved, *self.free}
        self.again = _between(loop.ops, roots, stop)
        self.params = {v for v in (*used, *(v for op in self.again for v in op.operands)) if v in self.free}

    def _again(self, v: Value) -> bool:
        return v in self.free or (v.owner is not None and (self.checkpoint or is_cheap(v.owner) or self._varies(v)))

    def _varies(self, v: Value) -> bool:
        """Whether the size of `v` is computed in the body: such values cannot be stacked."""
        return bool(self.sizes) and not self.sizes.isdisjoint(dim_symbols(v.shape))

    def _save(self, v: Value) -> None:
        """Keep `v`, or what it is computed from."""
        if not self._varies(v):
            self.saved[v] = None
            return
        assert v.owner is not None
        for x in v.owner.operands:
            if not self._possible(x):
                self._save(x)

    def _possible(self, v: Value) -> bool:
        """Whether `v` can be computed from what is at hand, by cheap ops."""
        stack, seen = [v], {v}
        while stack:
            x = stack.pop()
            if x in self.free or x in self.saved:
                continue
            if x.owner is None or not self._again(x):
                return False
            new = [o for o in x.owner.operands if o not in seen]
            stack += new
            seen.update(new)
        return True

    def _carried(self, v: Value, carried: set[Value]) -> Iterable[Value]:
        """The carried values that `v` depends on."""
        stack, seen = [v], {v}
        while stack:
            x = stack.pop()
            if x in carried:
                yield x
            elif x.owner is not None and x not in self.saved:
                new = [o for o in x.owner.operands if o not in seen]
                stack += new
                seen.update(new)


def _between(ops: Sequence[Op], roots: Iterable[Value], stop: set[Value]) -> list[Op]:
    """The ops that `roots` need, up to the values in `stop`."""
    wanted = {v for v in roots if v not in stop}
    out = []
    for op in reversed(ops):
        if not wanted.isdisjoint(op.results):
            out.append(op)
            wanted.update(v for v in op.operands if v not in stop)
    return out[::-1]


class _Window:
    """The steps that gradients go through: all, or the last ones of those that were run."""

    def __init__(self, b: Any, loop: Loop, executed: Value | None) -> None:
        self.b, self.loop, k = b, loop, loop.truncate
        self.steps: DimLike = loop.steps
        self.count = loop.count
        self.first: DimLike | Value = 0
        self.reached: Value | bool = True  # whether they include the first step
        self.prologue: list[Op] = []
        self.parts: dict[Value, Value] = {}
        if executed is None and not k:
            return
        if executed is None and isinstance(loop.steps, int):
            self.steps = min(k, loop.steps)
            self.first = 0 if loop.reverse else loop.steps - self.steps
            self.reached = self.steps == loop.steps
            return
        total = self._total()
        done = total if executed is None else executed
        self.count = b.minimum(done, b.const(k, "i64")) if k else done
        self.steps = b.symbol(self.count)
        self.first = b.sub(total, done) if loop.reverse else b.sub(done, self.count)
        if k:
            self.reached = b.le(done, b.const(k, "i64"))

    def _total(self) -> Value:
        loop = self.loop
        if loop.count is not None:
            out: Value = loop.count
        elif isinstance(loop.steps, int):
            out = self.b.const(loop.steps, "i64")
        else:
            out = self.b.dim(loop.seqs[0][0], axis=0)
        return out

    def _place(self, x: Value) -> tuple[tuple[Value, ...], dict[str, Any]]:
        first, bound = (self.first, {}) if not isinstance(self.first, Value) else (0, {"bound_start": (0,)})
        rest = (0,) * (x.ndim - 1)
        place = {"start": (first, *rest), "size": (self.steps, *x.shape[1:]), "step": (1,) * x.ndim, **bound}
        return (self.first,) if isinstance(self.first, Value) else (), place

    def part(self, x: Value) -> Value:
        """The rows of those steps."""
        if self.steps == self.loop.steps:
            return x
        if x not in self.parts:
            starts, place = self._place(x)
            sizes: tuple[Value, ...] = ()
            if isinstance(self.first, Value):
                assert self.count is not None
                place["bound_size"], sizes = (0,), (self.count,)
            self.parts[x] = self.b.slice(x, *starts, *sizes, **place)
        return self.parts[x]

    def whole(self, rows: Value) -> Value:
        """Rows of all steps, 0 for those that gradients do not go through."""
        if self.steps == self.loop.steps:
            return rows
        type = stack_type(element_type(rows.type), self.loop.steps)
        starts, place = self._place(rows)
        out: Value = self.b.update_slice(self.b.full(0, type), rows, *starts, **place, mode="set")
        return out

    def start(self, last: Value) -> Value:
        """The gradient of an initial value: 0 where the first step is not among them."""
        if self.reached is True:
            return last
        zeros: Value = self.b.full(0, last.type)
        if self.reached is False:
            return zeros
        out: Value = self.b.select(self.reached, last, zeros)
        return out

    def index(self, back: Loop) -> Value:
        """The position among all steps, in the body of `back`."""
        position = back.position()
        if isinstance(self.first, int) and self.first == 0:
            return position
        ops: list[Op] = []
        b = self.b.inside({}, ops)
        first = back.invariant(self.first) if isinstance(self.first, Value) else b.const(self.first, "i64")
        out: Value = b.add(position, first)
        self.prologue = ops
        return out



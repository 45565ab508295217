"""Values that later kernels compute again instead of reading them.

A training step keeps values from its forward part for its gradients. Fusion stores whatever a later kernel reads: the
centred values of a normalisation, twice them, and which of its results are above zero, all of which follow from the one
input that could be kept instead. This pass chooses, kernel by kernel, the lightest set of values from which all that
later kernels read can be computed: a minimum cut of the kernel's graph. What is in memory until then anyway weighs
nothing. Later kernels take over the ops behind the cut; only cheap ones, whose arithmetic costs less than the traffic
that it saves. T. Chen et al., "Training deep nets with sublinear memory cost", 2016, drop values in the same way;
the cut is that of H. He and S. Yu, "Transcending runtime-memory tradeoffs in checkpointing by being fusion aware",
2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value, uses
from arignote.ir.cost import LIGHT
from arignote.ir.diag import Loc
from arignote.ir.opdef import has_trait
from arignote.ir.ops.fused import row_shapes
from arignote.ir.placement import host_scalars, storage
from arignote.ir.types import DimLike
from arignote.passes.base import Pass, with_operands
from arignote.passes.cut import minimum_cut
from arignote.passes.fuse import is_free
from arignote.passes.memory import nbytes

#: Ops that cost no more than the traffic of their results.
CHEAP = LIGHT | {"div", "broadcast", "iota", "concatenate"}
INFINITE = float("inf")
#: What a byte weighs that is written or read, beside one that is kept.
TRAFFIC = 2.0**-6


@dataclass(frozen=True)
class Recompute(Pass):
    """Let kernels compute cheap values again from what is kept anyway, instead of keeping these values for them.

    Requires kernels (`fuse`); functions without any stay as they are.
    """

    name: ClassVar[str] = "recompute"
    max: int = 96  # ops in one kernel

    def run(self, func: Func) -> Func:
        return _Recomputation(func, self.max).result()


@dataclass
class _Choice:
    """What is decided about a kernel: results that are not stored, and the values of its region that are."""

    dropped: set[Value]
    cut: set[Value]
    copied: set[Value]  # parameters of the region that change before they are read again
    kept: dict[Value, Value] = field(default_factory=dict)  # value of the region -> where it is found in the function


class _Recomputation:
    def __init__(self, func: Func, max_ops: int) -> None:
        self.func, self.max_ops = func, max_ops
        self.host = host_scalars(func)
        self.users = uses(func.ops)
        self.position = {op: i for i, op in enumerate(func.ops)}
        self.roots = {storage(r, self.host) for r in func.roots()}
        self.changing = {s.value for s in func.states if s.update is not None and s.update is not s.value}
        self.sizes = {op: len(op.regions[0].ops) for op in func.ops if op.name == "fused"}
        self.last: dict[Value, int] = {storage(v, self.host): len(func.ops) for v in (*func.inputs(), *func.results)}
        for i, op in enumerate(func.ops):
            for v in op.operands:
                s = storage(v, self.host)
                self.last[s] = max(self.last.get(s, 0), i)
        self.choices: dict[Op, _Choice] = {}

    def result(self) -> Func:
        for op in self.func.ops:
            if op.name == "fused" and op.attrs["kind"] != "conv":
                self._choose(op)
        return self._rewritten() if self.choices else self.func

    # -- choice -----------------------------------------------------------------------------------------------------

    def _choose(self, op: Op) -> None:
        """Decide what of `op` is stored."""
        region, space = op.regions[0], _space(op)
        flexible = [
            (r, y) for r, y in zip(op.results, region.yields, strict=True)
            if y.owner is not None and y.shape == space and self._read_in_kernels(r)
        ]  # fmt: skip
        readers = {user for r, _ in flexible for user in self.users[r]}
        traffic = TRAFFIC * len(readers)
        before = sum(_weight(y) * (1 + TRAFFIC + traffic) for y in dict.fromkeys(y for _, y in flexible))
        if not flexible or before == INFINITE:
            return
        until = max(self.position[user] for user in readers)
        weights: dict[Value, float] = {}
        copied: set[Value] = set()
        outer = dict(zip(region.params, op.operands, strict=True))
        stored = {y: r for r, y in zip(op.results, region.yields, strict=True)}
        for p, v in outer.items():
            keep, copy = self._keeping(v, op, until)
            weights[p] = keep + traffic * _weight(v)
            if copy:
                copied.add(p)
        edges: dict[Value, list[Value]] = {}
        sources = list(region.params)
        flexible_yields = {y for _, y in flexible}
        storable = (space, *_row_shapes(op))
        for inner in region.ops:
            for v in inner.results:
                weights[v] = _weight(v) * (1 + TRAFFIC + traffic) if v.shape in storable else INFINITE
                if v in stored and v not in flexible_yields:
                    weights[v] = _weight(v) * (traffic if self._lives(stored[v], until) else 1 + traffic)
                if is_free(inner):
                    weights[v] = INFINITE
                elif v.shape != space or inner.name not in CHEAP:
                    sources.append(v)
                for x in inner.operands:
                    edges.setdefault(x, []).append(v)
        after, cut = minimum_cut(edges, weights, sources, flexible_yields)
        if after >= before:
            return
        choice = _Choice({r for r, y in flexible if y not in cut}, set(cut), copied & set(cut))
        added = len(_cone([y for _, y in flexible], choice.cut))
        if any(self.sizes[user] + added > self.max_ops for user in readers):
            return
        for user in readers:
            self.sizes[user] += added
        for v in cut:
            kept = outer.get(v, stored.get(v))
            if kept is not None and v not in copied:
                s = storage(kept, self.host)
                self.last[s] = max(self.last.get(s, 0), until)
        self.choices[op] = choice

    def _read_in_kernels(self, r: Value) -> bool:
        """Whether nothing but kernels over the space of `r` reads it, each element for its own."""
        users = self.users.get(r, [])
        kernels = all(user.name == "fused" and user.attrs["kind"] != "conv" for user in users)
        return bool(users) and kernels and storage(r, self.host) not in self.roots and all(
            _space(user) == r.shape and _reads_its_own(user, r) for user in users
        )

    def _lives(self, v: Value, until: int) -> bool:
        return self.last.get(storage(v, self.host), -1) >= until

    def _keeping(self, v: Value, op: Op, until: int) -> tuple[float, bool]:
        """What it takes to read the operand `v` of `op` once more in the end, and whether as a copy."""
        if v in self.host:
            return 0.0, False
        source = storage(v, self.host)
        if source.owner in self.choices and source in self.choices[source.owner].dropped:
            return INFINITE, False
        if source in self.changing:
            return (_weight(v), True) if v.shape in _row_shapes(op) else (INFINITE, False)
        if self._lives(v, until):
            return 0.0, False
        return _weight(source), False

    # -- rewriting --------------------------------------------------------------------------------------------------

    def _rewritten(self) -> Func:
        ops: list[Op] = []
        mapping: dict[Value, Value] = {}
        for op in self.func.ops:
            dropped = any(v.owner in self.choices and v in self.choices[v.owner].dropped for v in op.operands)
            if op in self.choices or dropped:
                self._kernel(op, Builder(ops, op.loc), mapping)
                continue
            new = with_operands(op, tuple(mapping.get(v, v) for v in op.operands))
            mapping.update((v, w) for v, w in zip(op.results, new.results, strict=True) if v is not w)
            ops.append(new)
        return self.func.with_ops(ops, mapping)

    def _kernel(self, op: Op, builder: Builder, mapping: dict[Value, Value]) -> None:
        """`op` with what it computes again inside, and without what nothing reads any more."""
        body = _Body(mapping)
        region = op.regions[0]
        known: dict[Value, Value] = {}
        for p, v in zip(region.params, op.operands, strict=True):
            choice = self.choices.get(v.owner) if v.owner is not None else None
            if choice is not None and v in choice.dropped:
                assert v.owner is not None
                known[p] = body.again(choice, v.owner.regions[0].yields[v.index])
            else:
                known[p] = body.read(v, p.name)
        for inner in region.ops:
            body.copy(inner, known)
        choice = self.choices.get(op)
        dropped = choice.dropped if choice is not None else set()
        outputs = [(r, y) for r, y in zip(op.results, region.yields, strict=True) if r not in dropped]
        wanted = [known[y] for _, y in outputs]
        kept: list[Value] = []
        if choice is not None:
            yields = {y for _, y in outputs}
            outer = dict(zip(region.params, op.operands, strict=True))
            choice.kept = {p: v for p, v in outer.items() if p in choice.cut and p not in choice.copied}
            choice.kept |= {y: r for r, y in outputs if y in choice.cut}
            kept = [v for v in (*region.params, *(x for o in region.ops for x in o.results))
                    if v in choice.cut and v not in choice.kept and v not in yields]  # fmt: skip
            wanted += [body.copied(known[v], op.loc) if v in choice.copied else known[v] for v in kept]
        if not wanted:
            return
        ops = _needed(body.ops, wanted)
        params = [p for p in body.params if any(p in o.operands for o in ops) or p in wanted]
        new = builder.emit(
            "fused", *(body.operands[p] for p in params), regions=[Region(params, ops, wanted)], loc=op.loc,
            names=[v.name for v in (*(r for r, _ in outputs), *kept)], **{k: a for k, a in op.attrs.items()},
        )  # fmt: skip
        mapping.update(zip((r for r, _ in outputs), new, strict=False))
        if choice is not None:
            choice.kept.update(zip(kept, new[len(outputs) :], strict=True))


class _Body:
    """The region of a kernel in the making."""

    def __init__(self, mapping: Mapping[Value, Value]) -> None:
        self.mapping = mapping
        self.ops: list[Op] = []
        self.params: list[Value] = []
        self.operands: dict[Value, Value] = {}
        self._read: dict[Value, Value] = {}
        self._again: dict[Value, Value] = {}

    def read(self, v: Value, name: str | None) -> Value:
        """The parameter for the value `v` of the function."""
        v = self.mapping.get(v, v)
        if v not in self._read:
            self._read[v] = param = Value(v.type, name)
            self.params.append(param)
            self.operands[param] = v
        return self._read[v]

    def copy(self, op: Op, known: dict[Value, Value]) -> None:
        """`op`, on what its operands have become."""
        new = Op(
            op.name, [known[v] for v in op.operands], op.attrs, [r.type for r in op.results], op.regions, op.loc,
            [r.name for r in op.results],
        )  # fmt: skip
        self.ops.append(new)
        known.update(zip(op.results, new.results, strict=True))

    def copied(self, v: Value, loc: Loc | None) -> Value:
        return Builder(self.ops, loc).emit("copy", v, names=[v.name])[0]

    def again(self, choice: _Choice, wanted: Value) -> Value:
        """A value of another kernel's region, from what that kernel keeps."""
        for op in _cone([wanted], choice.cut):
            if not all(r in self._again for r in op.results):
                for v in op.operands:
                    self._found(choice, v)
                self.copy(op, self._again)
        return self._found(choice, wanted)

    def _found(self, choice: _Choice, v: Value) -> Value:
        if v not in self._again:
            self._again[v] = self.read(choice.kept[v], v.name)
        return self._again[v]


def _cone(wanted: Sequence[Value], cut: set[Value]) -> list[Op]:
    """The ops of a region that compute `wanted` from the values of `cut`, in order."""
    order: list[Op] = []
    done: set[Op] = set()
    stack: list[tuple[Op | None, bool]] = [(v.owner, False) for v in reversed(wanted) if v not in cut]
    while stack:
        op, finished = stack.pop()
        if op is None or op in done:
            continue
        if finished:
            done.add(op)
            order.append(op)
            continue
        stack.append((op, True))
        stack += [(v.owner, False) for v in reversed(op.operands) if v not in cut]
    return order


def _needed(ops: Sequence[Op], wanted: Sequence[Value]) -> list[Op]:
    """The ops of a region that `wanted` depends on."""
    live = set(wanted)
    out = []
    for op in reversed(ops):
        if not live.isdisjoint(op.results):
            live.update(op.operands)
            out.append(op)
    return out[::-1]


def _space(op: Op) -> tuple[DimLike, ...] | None:
    """The iteration space of a kernel."""
    region = op.regions[0]
    for inner in region.ops:
        if has_trait(inner.name, "reduction") and op.attrs["axes"]:
            return inner.operands[0].shape
    if any(inner.name == "join" for inner in region.ops):
        return None
    return region.yields[0].shape


def _row_shapes(op: Op) -> tuple[tuple[DimLike, ...], ...]:
    """The shapes of values per row of a kernel with reductions."""
    axes, space = op.attrs["axes"], _space(op)
    return row_shapes(space, axes) if axes and space is not None else ()


def _reads_its_own(op: Op, v: Value) -> bool:
    """Whether the kernel reads of the operand `v` each element only where it is at."""
    region = op.regions[0]
    params = {p for p, x in zip(region.params, op.operands, strict=True) if x is v}
    users = [inner for inner in region.ops if not params.isdisjoint(inner.operands)]
    alone = all(has_trait(inner.name, "elementwise") or has_trait(inner.name, "reduction") for inner in users)
    return alone and params.isdisjoint(region.yields)


def _weight(v: Value) -> float:
    """The bytes of a value; those of unknown size weigh infinitely much."""
    size = nbytes(v.type)
    return float(size) if isinstance(size, int) else INFINITE



"""Ops of one step as ops on all steps at once, with a new first axis.

`Batch.value` gives for a value of a loop's body what it is outside: the same in every step, or stacked. What has no
rule stays in the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.opdef import has_trait
from arignote.ir.types import DimLike, prod_dims


@dataclass(frozen=True)
class Lifted:
    """A value of the body, outside: `stacked` along a new first axis, or the same in every step."""

    value: Value
    stacked: bool


class Batch:
    """Lifts values of a body; `known` has the parameters and whatever else is at hand."""

    def __init__(
        self, b: Builder, steps: DimLike, known: Mapping[Value, Lifted], body: Sequence[Op],
        symbol: Callable[[str], Value],
    ) -> None:  # fmt: skip
        self.b, self.steps, self.body, self.symbol = b, steps, body, symbol
        self.known = dict(known)

    def lift(self, v: Value) -> Lifted:
        """A value of the body, outside.

        Raises:
            LookupError: an op that it needs has no rule.
        """
        if v not in self.known:
            for op in _between(self.body, v, self.known):
                self._op(op)
        return self.known[v]

    def _op(self, op: Op) -> None:
        self.b.loc = op.loc
        operands = [self.known[v] for v in op.operands]
        if not any(x.stacked for x in operands):
            values, names = [x.value for x in operands], [r.name for r in op.results]
            results = self.b.emit(op.name, *values, regions=op.regions, names=names, **op.attrs)
            self.known.update((r, Lifted(v, False)) for r, v in zip(op.results, results, strict=True))
            return
        rule = rule_for(op)
        if rule is None:
            raise LookupError(f"{op.name} does not run on all steps at once")
        value = rule(self, op, operands)
        if value.name is None:
            value.name = op.result.name
        self.known[op.result] = Lifted(value, True)

    def stack(self, x: Lifted) -> Value:
        """The value of all steps."""
        if x.stacked:
            return x.value
        one = self.b.reshape(x.value, shape=(1, *x.value.shape))
        out: Value = self.b.broadcast(one, shape=(self.steps, *x.value.shape))
        return out

    def padded(self, x: Lifted, rank: int) -> Value:
        """A value that broadcasts against stacked ones of `rank` dimensions (in a step)."""
        missing = rank - (x.value.ndim - x.stacked)
        if not x.stacked or not missing:
            return x.value
        first, *rest = x.value.shape
        out: Value = self.b.reshape(x.value, shape=(first, *(1,) * missing, *rest))
        return out


def _between(body: Sequence[Op], root: Value, known: Mapping[Value, Lifted]) -> list[Op]:
    """The ops of `body` that `root` needs besides what is known."""
    wanted = {root}
    out = []
    for op in reversed(body):
        if not wanted.isdisjoint(op.results):
            out.append(op)
            wanted.update(v for v in op.operands if v not in known)
    return out[::-1]


Rule = Callable[[Batch, Op, list[Lifted]], Value]


def rule_for(op: Op) -> Rule | None:
    """How `op` runs on all steps at once; None if it does not."""
    if op.regions or len(op.results) != 1:
        return None
    if any(k.startswith("bound") for k in op.attrs):
        return BOUND[op.name] if op.name in BOUND and _is_element(op) else None
    if op.name == "check_index":
        return _check_index if _constant(op.operands[1]) is not None else None
    if has_trait(op.name, "elementwise"):
        return _elementwise
    if has_trait(op.name, "reduction"):
        return _reduction
    return RULES.get(op.name)


def _elementwise(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    rank = op.result.ndim
    return batch.b.emit(op.name, *(batch.padded(x, rank) for x in xs), **op.attrs)[0]


def _reduction(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    axes = tuple(a + 1 for a in op.attrs["axes"])
    return batch.b.emit(op.name, xs[0].value, **{**op.attrs, "axes": axes})[0]


def _axis(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    return batch.b.emit(op.name, xs[0].value, **{**op.attrs, "axis": op.attrs["axis"] + 1})[0]


def _axes(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    axes = tuple(a + 1 for a in op.attrs["axes"])
    return batch.b.emit(op.name, xs[0].value, axes=axes)[0]


def _broadcast(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    shape = op.attrs["shape"]
    out: Value = batch.b.broadcast(batch.padded(xs[0], len(shape)), shape=(batch.steps, *shape))
    return out


def _reshape(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    out: Value = batch.b.reshape(xs[0].value, shape=(batch.steps, *op.attrs["shape"]))
    return out


def _transpose(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    out: Value = batch.b.transpose(xs[0].value, perm=(0, *(p + 1 for p in op.attrs["perm"])))
    return out


def _dot(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    b, (x, y) = batch.b, xs
    out: Value
    if x.stacked and y.stacked:
        out = b.batched_dot(x.value, y.value)
    elif x.stacked:
        t, m, k = x.value.shape
        flat = b.dot(b.reshape(x.value, shape=(t * m, k)), y.value)
        out = b.reshape(flat, shape=(t, m, y.value.shape[1]))
    else:
        out = b.batched_dot(batch.stack(x), y.value)
    return out


def _batched_dot(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    b = batch.b
    flat = [b.reshape(v, shape=(v.shape[0] * v.shape[1], *v.shape[2:])) for v in map(batch.stack, xs)]
    out: Value = b.reshape(b.batched_dot(*flat), shape=(batch.steps, *op.result.shape))
    return out


def _gather(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    b, (x, *indices) = batch.b, xs
    rank = max(i.value.ndim - i.stacked for i in indices)
    padded = [batch.padded(i, rank) for i in indices]
    out: Value
    if x.stacked:
        steps = b.iota(shape=(batch.steps,), axis=0, dtype="i64")
        out = b.gather(x.value, b.reshape(steps, shape=(batch.steps, *(1,) * rank)), *padded)
    else:
        out = b.gather(x.value, *padded)
    return out


def _concatenate(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    out: Value = batch.b.concatenate(*map(batch.stack, xs), axis=op.attrs["axis"] + 1)
    return out


def _slice(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    attrs = _shifted(batch, op)
    out: Value = batch.b.slice(xs[0].value, **attrs)
    return out


def _update_slice(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    attrs = {**_shifted(batch, op), "mode": op.attrs["mode"]}
    out: Value = batch.b.update_slice(batch.stack(xs[0]), batch.stack(xs[1]), **attrs)
    return out


def _shifted(batch: Batch, op: Op) -> dict[str, Any]:
    first = {"start": 0, "size": batch.steps, "step": 1}
    return {key: (value, *op.attrs[key]) for key, value in first.items()}


def _is_element(op: Op) -> bool:
    """Whether the axes whose place is computed have one element there; those beside what is written are whole."""
    axes, size = op.attrs.get("bound_start", ()), op.attrs["size"]
    if op.attrs.get("bound_size") or any(size[a] != 1 for a in axes):
        return False
    place = zip(op.attrs["start"], size, op.attrs["step"], op.operands[0].shape, strict=True)
    return op.name == "slice" or all(n == 1 or (first, n, step) == (0, dim, 1) for first, n, step, dim in place)


def _constant(v: Value) -> int | None:
    return int(v.owner.attrs["value"]) if v.owner is not None and v.owner.name == "const" else None


def _check_index(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    size = _constant(op.operands[1])
    out: Value = batch.b.check_indices(batch.stack(xs[0]), size=size, axis=op.attrs.get("axis") or 0)
    return out


def _read_element(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    """A slice of one element on the axes whose start is computed: indexing with the starts of all steps."""
    b, (x, *starts), axes = batch.b, xs, op.attrs["bound_start"]
    whole = op.operands[0].shape
    off = int(x.stacked)
    place = {k: list(op.attrs[k]) for k in ("start", "size", "step")}
    for a in axes:
        place["start"][a], place["size"][a], place["step"][a] = 0, whole[a], 1
    attrs = {k: tuple(v) for k, v in place.items()}
    if x.stacked:
        attrs = {k: (v, *attrs[k]) for k, v in {"start": 0, "size": batch.steps, "step": 1}.items()}
    others = [a for a in range(len(whole)) if a not in axes]
    order = (*range(off), *(a + off for a in (*axes, *others)))
    source = b.transpose(b.slice(x.value, **attrs), perm=order)
    indices = [batch.stack(s) for s in starts]
    if x.stacked:
        indices.insert(0, b.iota(shape=(batch.steps,), axis=0, dtype="i64"))
    out: Value = b.reshape(b.gather(source, *indices), shape=(batch.steps, *op.result.shape))
    return out


def _write_element(batch: Batch, op: Op, xs: list[Lifted]) -> Value:
    """An element set or added to in every step: chosen by comparing its place with the starts of all steps."""
    b, (x, v, *starts) = batch.b, xs
    shape, rank = op.result.shape, op.result.ndim
    here = None
    for a in range(rank):
        if op.attrs["size"][a] == 1 and shape[a] != 1:
            bound = op.attrs["bound_start"]
            start = starts[bound.index(a)] if a in bound else Lifted(b.const(op.attrs["start"][a], "i64"), False)
            places = b.iota(shape=shape[a : a + 1] + (1,) * (rank - 1 - a), axis=0, dtype="i64")
            hit = b.eq(places, batch.padded(start, rank))
            here = hit if here is None else b.emit("and", here, hit)[0]
    new = batch.padded(v, rank)
    old = batch.padded(x, rank)
    if op.attrs["mode"] == "add":
        new = b.add(old, new)
    chosen = new if here is None else b.select(here, new, old)
    out: Value = b.broadcast(chosen, shape=(batch.steps, *shape))
    return out


RULES: dict[str, Rule] = {
    "softmax": _axis, "log_softmax": _axis, "logsumexp": _axes, "broadcast": _broadcast, "reshape": _reshape,
    "transpose": _transpose, "dot": _dot, "batched_dot": _batched_dot, "gather": _gather, "concatenate": _concatenate,
    "slice": _slice, "update_slice": _update_slice,
}  # fmt: skip
BOUND: dict[str, Rule] = {"slice": _read_element, "update_slice": _write_element}


def flattened(b: Builder, x: Value, axes: int) -> Value:
    """`x` with its first `axes` axes as one."""
    size = prod_dims(x.shape[:axes])
    out: Value = b.reshape(x, shape=(size, *x.shape[axes:]))
    return out

"""Sums over the steps of a loop, without the terms: the sum of products is one product."""

from __future__ import annotations

from arignote.ir.core import Op, Value
from arignote.ir.opdef import has_trait
from arignote.passes.batching import Batch, flattened

LINEAR = frozenset(("neg", "transpose", "reshape", "broadcast", "slice"))


def is_summable(term: Value) -> bool:
    """Whether the sum of `term` over all steps is better taken at once."""
    op = term.owner
    if op is None or any(k.startswith("bound") for k in op.attrs):
        return False
    if op.name == "scatter":
        return op.attrs["mode"] == "add" and _is_zero(op.operands[0])
    if op.name in LINEAR or op.name == "update_slice":
        return is_summable(op.operands[op.name == "update_slice"])
    if op.name == "add":
        return all(map(is_summable, op.operands))
    return op.name in ("dot", "sum") or has_trait(op.name, "elementwise")


def _is_zero(v: Value) -> bool:
    """Whether `v` is filled with 0."""
    op = v.owner
    if op is not None and op.name == "broadcast":
        op = op.operands[0].owner
    return op is not None and op.name == "const" and not op.attrs["value"].any()


def summed(batch: Batch, v: Value) -> Value:
    """The sum of `v` over all steps."""
    b, op = batch.b, v.owner
    out: Value | None = None
    if v not in batch.known and op is not None:
        out = _by_op(batch, op)
    if out is not None:
        return out
    x = batch.lift(v)
    if x.stacked:
        out = b.sum(x.value, axes=(0,))
    else:
        count = b.cast(b.size(batch.steps, batch.symbol), dtype=v.dtype)
        out = b.mul(x.value, count)
    return out


def _by_op(batch: Batch, op: Op) -> Value | None:
    b, out = batch.b, op.result
    found: Value | None = None
    if op.name == "dot":
        found = _product(batch, op)
    elif op.name == "sum" and batch.lift(op.operands[0]).stacked:
        x = batch.lift(op.operands[0])
        found = b.sum(x.value, axes=(0, *(a + 1 for a in op.attrs["axes"])))
    elif op.name in LINEAR:
        found = b.emit(op.name, summed(batch, op.operands[0]), **op.attrs)[0]
    elif op.name == "add" and all(v.type == out.type for v in op.operands):
        found = b.add(*(summed(batch, v) for v in op.operands))
    elif op.name == "mul":
        found = _scaled(batch, op)
    elif op.name == "scatter":
        _, v, *indices = op.operands
        rank = max(i.ndim for i in indices)
        places = [batch.padded(batch.lift(i), rank) for i in indices]
        rows = batch.stack(batch.lift(v))
        if any(batch.lift(i).stacked for i in indices):
            found = b.scatter(b.full(0, out.type), rows, *places, mode="add")
        else:
            found = b.scatter(b.full(0, out.type), summed(batch, v), *places, mode="add")
    elif op.name == "update_slice" and _is_zero(op.operands[0]):
        found = b.update_slice(b.full(0, out.type), summed(batch, op.operands[1]), **op.attrs)
    return found


def _product(batch: Batch, op: Op) -> Value:
    """sum(x_t . y_t) = [x_1 ... x_T] . [y_1; ...; y_T]."""
    b, (x, y) = batch.b, op.operands
    made = x.owner
    turned = made is not None and made.name == "transpose" and x not in batch.known
    left = batch.lift(made.operands[0] if turned and made is not None else x)
    right = batch.lift(y)
    out: Value
    if not right.stacked:
        out = b.dot(summed(batch, x), right.value)
    elif not left.stacked:
        out = b.dot(batch.lift(x).value, summed(batch, y))
    elif turned:
        out = b.dot(b.transpose(flattened(b, left.value, 2), perm=(1, 0)), flattened(b, right.value, 2))
    else:
        t, m, k = left.value.shape
        rows = b.reshape(b.transpose(left.value, perm=(1, 0, 2)), shape=(m, t * k))
        out = b.dot(rows, flattened(b, right.value, 2))
    return out


def _scaled(batch: Batch, op: Op) -> Value | None:
    """sum(w x_t) = w sum(x_t)."""
    for x, y in (op.operands, op.operands[::-1]):
        w = batch.lift(y)
        if not w.stacked and batch.lift(x).stacked and x.type == op.result.type:
            out: Value = batch.b.mul(summed(batch, x), w.value)
            return out
    return None

"""Numerical stabilisation: the same mathematics, without overflow, cancellation or 0 * inf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.core import Func, Op, Value
from arignote.ir.types import is_float
from arignote.passes.base import Pass
from arignote.passes.rewrite import Rewriter, Table, rewrite

#: The rules. `derive` (grad.py) applies them to the forward graph before it differentiates: the
#: gradient of log(softmax(x)) is finite only if it is not taken one op at a time.
STABILIZE = Table()

#: Ops that only move, repeat or pick elements of their first operand: f(move(x)) is move(f(x)).
MOVES = ("reshape", "transpose", "slice", "gather", "broadcast")


def negated(b: Rewriter, x: Value) -> Value:
    """-x, without a double negation."""
    op = b.match(x, "neg")
    return op.operands[0] if op is not None else b.neg(x)


def plus_one(b: Rewriter, value: Value) -> Value | None:
    """x, if `value` is 1 + x in either order."""
    op = b.match(value, "add")
    if op is None:
        return None
    x, y = op.operands
    return y if b.is_uniform(x, 1) else x if b.is_uniform(y, 1) else None


def exp_operand(b: Rewriter, value: Value | None) -> Value | None:
    """x, if `value` is exp(x)."""
    op = None if value is None else b.match(value, "exp")
    return None if op is None else op.operands[0]


def keeps_dim(value: Value, whole: Value, axis: int) -> bool:
    """Whether `value` has the shape of `whole` reduced over `axis` with the axis kept, and so
    broadcasts along it."""
    kept = (*whole.shape[:axis], 1, *whole.shape[axis + 1 :])
    while len(kept) > value.ndim and kept[0] == 1:
        kept = kept[1:]
    return value.shape == kept


def has_stable_log(b: Rewriter, value: Value) -> bool:
    """Whether log(value) has a better form than the log of a computed value."""
    op = b.match(value, "softmax", "sigmoid", "exp", "sum", "select", *MOVES)
    if op is None:
        return False
    if op.name == "sum":
        return exp_operand(b, op.operands[0]) is not None
    if op.name == "select":
        arms = op.operands[1:]
        constants = [(c := b.uniform(arm)) is not None and c > 0 for arm in arms]
        stable = [has_stable_log(b, arm) for arm in arms]
        return any(stable) and all(c or s for c, s in zip(constants, stable, strict=True))
    if op.name in MOVES:
        return has_stable_log(b, op.operands[0])
    return True


@STABILIZE("log")
def log_of(b: Rewriter, op: Op) -> Value | None:
    """log of softmax, sigmoid, exp, sum(exp), and of these moved about or selected from."""
    x = op.operands[0]
    if not is_float(x.dtype) or not has_stable_log(b, x):
        return None
    inner = x.owner
    assert inner is not None
    y = inner.operands[0]
    match inner.name:
        case "softmax":
            return b.log_softmax(y, **inner.attrs)
        case "sigmoid":
            return b.neg(b.softplus(negated(b, y)))
        case "exp":
            return y
        case "sum":
            return b.logsumexp(y.owner.operands[0], **inner.attrs) if y.owner is not None else None
        case "select":
            c, p, q = inner.operands
            return b.select(c, b.log(p), b.log(q))
        case _:
            return b.emit(inner.name, b.log(y), *inner.operands[1:], **inner.attrs)[0]


@STABILIZE("log")
def log_of_one_plus(b: Rewriter, op: Op) -> Value | None:
    """log(1 + x) -> log1p(x), log(1 - x) -> log1p(-x)."""
    x = op.operands[0]
    if not is_float(x.dtype):
        return None
    y = plus_one(b, x)
    if y is not None:
        return b.log1p(y)
    sub = b.match(x, "sub")
    if sub is not None and b.is_uniform(sub.operands[0], 1):
        return b.log1p(negated(b, sub.operands[1]))
    return None


@STABILIZE("log1p")
def log1p_of(b: Rewriter, op: Op) -> Value | None:
    """log1p(exp(x)) -> softplus(x), log1p(-sigmoid(x)) -> -softplus(x)."""
    x = op.operands[0]
    y = exp_operand(b, x)
    if y is not None and is_float(x.dtype):
        return b.softplus(y)
    neg = b.match(x, "neg")
    sigmoid = None if neg is None else b.match(neg.operands[0], "sigmoid")
    return None if sigmoid is None else b.neg(b.softplus(sigmoid.operands[0]))


@STABILIZE("sub")
def one_minus_sigmoid(b: Rewriter, op: Op) -> Value | None:
    """1 - sigmoid(x) -> sigmoid(-x)."""
    one, y = op.operands
    sigmoid = b.match(y, "sigmoid")
    if sigmoid is None or not b.is_uniform(one, 1):
        return None
    return b.sigmoid(negated(b, sigmoid.operands[0]))


@STABILIZE("add")
def minus_sigmoid_plus_one(b: Rewriter, op: Op) -> Value | None:
    """-sigmoid(x) + 1 -> sigmoid(-x)."""
    y = plus_one(b, op.result)
    neg = None if y is None else b.match(y, "neg")
    sigmoid = None if neg is None else b.match(neg.operands[0], "sigmoid")
    return None if sigmoid is None else b.sigmoid(negated(b, sigmoid.operands[0]))


@STABILIZE("sub", "add")
def exp_minus_one(b: Rewriter, op: Op) -> Value | None:
    """exp(x) - 1 -> expm1(x)."""
    x, y = op.operands
    if not is_float(x.dtype):
        return None
    if op.name == "add" and exp_operand(b, x) is None:
        x, y = y, x
    inner = exp_operand(b, x)
    if inner is None or not b.is_uniform(y, 1 if op.name == "sub" else -1):
        return None
    return b.expm1(inner)


@STABILIZE("div")
def softmax_by_hand(b: Rewriter, op: Op) -> Value | None:
    """exp(x) / sum(exp(x)) over one axis -> softmax(x)."""
    numerator, denominator = op.operands
    x = exp_operand(b, numerator)
    if x is None or not is_float(x.dtype):
        return None
    stretch = b.match(denominator, "broadcast")
    if stretch is not None and denominator.shape == numerator.shape:
        denominator = stretch.operands[0]
    shaped = b.match(denominator, "reshape", "broadcast")
    total = b.match(denominator if shaped is None else shaped.operands[0], "sum")
    if total is None or len(total.attrs["axes"]) != 1 or not b.same(total.operands[0], numerator):
        return None
    (axis,) = total.attrs["axes"]
    return b.softmax(x, axis=axis) if keeps_dim(denominator, x, axis) else None


@STABILIZE("div")
def sigmoid_by_hand(b: Rewriter, op: Op) -> Value | None:
    """1 / (1 + exp(x)) -> sigmoid(-x); exp(x) / (1 + exp(x)) -> sigmoid(x)."""
    numerator, denominator = op.operands
    x = exp_operand(b, plus_one(b, denominator))
    if x is None or not is_float(x.dtype):
        return None
    if b.is_uniform(numerator, 1):
        return b.sigmoid(negated(b, x))
    y = exp_operand(b, numerator)
    return b.sigmoid(x) if y is not None and b.same(x, y) else None


@dataclass(frozen=True)
class Stabilize(Pass):
    """Replace expressions that overflow or cancel by ones that do not: log(softmax(x)), log(1 +
    exp(x)), ..."""

    name: ClassVar[str] = "stabilize"

    def run(self, func: Func) -> Func:
        return rewrite(func, STABILIZE, self.name)

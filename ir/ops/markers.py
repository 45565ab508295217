"""Identities that say how gradients pass: programs clip, scale, stop and replace them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value, toposort
from arignote.ir.diag import IRError, require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples
from arignote.ir.types import TensorType, is_differentiable


def evaluate_same(x: Array, **attrs: Any) -> Array:
    """eval of the identity."""
    return np.array(x)


def lower_same(k: Any, x: Any, **attrs: Any) -> Any:
    """lower of the identity."""
    return x


def operand(b: Builder, op: Op) -> Value | None:
    """fold: once gradients are derived, the operand."""
    return op.operands[0]


def samples_of(**attrs: Any) -> Any:
    """Samples of a marker with these attributes."""

    def samples() -> Samples:
        x = np.random.default_rng(0).normal(size=(2, 3))
        return [((y,), attrs) for y in (x, np.asarray(1.5), np.zeros((0, 2)))]

    return samples


@defop
class grad_clip:
    """grad_clip(x: T[...]) {low, high} -> T[...]: x; its gradient is what comes back, not below `low` nor above
    `high`. (C1) low <= high."""

    traits = ("elementwise", "marker")
    eval = evaluate_same
    lower = lower_same
    fold = operand
    samples = samples_of(low=-1.0, high=1.0)

    @staticmethod
    def infer(x: TensorType, *, low: float, high: float) -> TensorType:
        require(low <= high, f"the lower bound {low} is above the upper bound {high} (C1)")
        return x

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, low: float, high: float) -> Grads:
        if not is_differentiable(x.dtype):
            return (None,)
        return (b.minimum(b.maximum(ct, b.like(low, ct)), b.like(high, ct)),)


@defop
class grad_scale:
    """grad_scale(x: T[...]) {factor} -> T[...]: x; its gradient is `factor` times what comes back."""

    traits = ("elementwise", "marker")
    eval = evaluate_same
    lower = lower_same
    fold = operand
    samples = samples_of(factor=-1.0)

    @staticmethod
    def infer(x: TensorType, *, factor: float) -> TensorType:
        return x

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, factor: float) -> Grads:
        return (b.mul(ct, b.like(factor, ct)) if is_differentiable(x.dtype) else None,)


@defop
class stop_gradient:
    """stop_gradient(x: T[...]) {connected=false} -> T[...]: x, through which no gradient passes: there is none, or, if
    `connected`, it is 0."""

    traits = ("elementwise", "marker")
    eval = evaluate_same
    lower = lower_same
    fold = operand
    samples = samples_of()

    @staticmethod
    def infer(x: TensorType, *, connected: bool = False) -> TensorType:
        return x

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, connected: bool = False) -> Grads:
        return (b.full(0, x.type) if connected and is_differentiable(x.dtype) else None,)


class Rule(str):
    """The name of a rule for `with_gradient`, with the rule itself:
    pull_back(cts, ys, xs) -> one gradient or None per x; a ct is None where none comes back.

    Attributes:
        op: what made `ys` out of `xs` where no other gradients could be derived: an op that runs in Python.
        push_forward: (tangents or None, xs) -> one tangent or None per y; where there is none for such an op, the
            transpose of `pull_back` is.
    """

    pull_back: Any = None
    op: Any = None
    push_forward: Any = None


def _adopt(ops: list[Op], grads: Iterable[Value | None], given: set[Value]) -> None:
    """Add to the body of a loop those floating ops of a rule that depend on what the rule was given."""
    own, inside = set(ops), set(given)
    for op in toposort([g for g in grads if isinstance(g, Value)], given):
        if not inside.isdisjoint(op.operands) or op in own:
            inside.update(op.results)
            if op not in own:
                ops.append(op)


@defop
class with_gradient:
    """with_gradient(*ys: Ti[...], *xs: Uj[...]) {count, rule} -> *Ti[...]: the first `count` operands, whose gradients
    go to the others instead, as `rule` says. Recorded programs have it; functions that are compiled do not.
    (C1) 1 to all operands."""

    traits = ("library", "marker")
    lower = None

    @staticmethod
    def infer(*operands: TensorType, count: int, rule: str) -> tuple[TensorType, ...]:
        require(0 < count <= len(operands), f"gives {count} of {len(operands)} operands (C1)")
        return operands[:count]

    @staticmethod
    def eval(*operands: Array, count: int, rule: str) -> tuple[Array, ...]:
        return tuple(np.array(x) for x in operands[:count])

    @staticmethod
    def vjp(b: Builder, ct: Any, out: Any, *operands: Value, count: int, rule: str) -> Grads:
        if not isinstance(rule, Rule):
            raise IRError(f"the rule {rule!r} is no part of the text of a program")
        cts = ct if isinstance(ct, tuple) else (ct,)
        grads = rule.pull_back(cts, operands[:count], operands[count:])
        if b.ops is not None:
            _adopt(b.ops, grads, {*operands, *(c for c in cts if c is not None)})
        return (*(None,) * count, *grads)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x, y = r.normal(size=(2, 3)), r.normal(size=(3,))
        return [((x, y), {"count": 1, "rule": "r"}), ((x, y, x), {"count": 2, "rule": "r"})]

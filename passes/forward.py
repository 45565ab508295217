"""Forward mode: derivatives along a direction.

An op's record has its pullback, which is linear in the cotangent. Pulling tangents back through that linear map gives
the pushforward, so that no op needs a second rule: J v is the derivative of u -> <J^T u, v>. What the pullback computes
on the way is dropped; for most ops the expression that is left is the one that a rule by hand would have given.

The transposition of linear maps as a way to one mode from the other: R. Frostig, M. Johnson, D. Maclaurin, A. Paszke,
A. Radul, *Decomposing reverse-mode automatic differentiation* (2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arignote.ir.bound import bound_symbols
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value, toposort
from arignote.ir.loops import copy_ops
from arignote.ir.opdef import has_trait
from arignote.ir.types import is_differentiable
from arignote.passes.grad import GradBuilder, NewSymbol, numbered, pull_back


def push_forward(
    outputs: Sequence[Value], tangents: Mapping[Value, Value], symbol: NewSymbol | None = None
) -> list[Value | None]:
    """The derivatives of `outputs` along `tangents` (input or intermediate value -> its tangent), as floating values;
    None for an output that does not depend on them.

    Raises:
        NotDifferentiableError: an op in between has no gradient.
    """
    order = toposort(outputs, tangents)
    scalars = {s: v for op in order for s, v in bound_symbols(op)}
    b = GradBuilder(scalars, symbol or numbered(order))
    found: dict[Value, Value] = dict(tangents)
    for op in order:
        moving = [i for i, v in enumerate(op.operands) if v in found and is_differentiable(v.dtype)]
        if moving and op.name != "stop_gradient":
            b.loc = op.loc
            for r, t in zip(op.results, _pushed(b, op, moving, found), strict=True):
                if t is not None:
                    found[r] = t if t.type == r.type else _stretched(b, t, r)
    return [found.get(v) for v in outputs]


def _pushed(b: GradBuilder, op: Op, moving: Sequence[int], found: Mapping[Value, Value]) -> list[Value | None]:
    """The tangents of the results of `op`."""
    rule = op.attrs.get("rule") if op.name == "with_gradient" else None
    opaque = getattr(rule, "op", None) is not None  # nothing moves its first operands, which are made in Python
    if has_trait(op.name, "marker") and not opaque:
        # A marker gives its operands; how gradients pass is for reverse mode.
        return [found.get(v) for v in op.operands[: len(op.results)]]
    if opaque and rule.push_forward is not None:  # type: ignore[union-attr]
        xs = op.operands[len(op.results) :]
        pushed: list[Value | None] = rule.push_forward([found.get(v) for v in xs], xs)  # type: ignore[union-attr]
        return pushed
    cts = [Value(r.type, "u") if is_differentiable(r.dtype) else None for r in op.results]
    if all(ct is None for ct in cts):
        return [None] * len(op.results)
    made: list[Op] = []
    work = b.inside({}, made)
    parts = pull_back(work, op, cts, moving)
    seeds = [(parts[i], found[op.operands[i]]) for i in moving if i in parts]
    wanted = [ct for ct in cts if ct is not None]
    floating = b.floating()
    pulled = floating.backward(made, seeds, wanted) if seeds else [None] * len(wanted)
    given = {*op.operands, *op.results, *(t for _, t in seeds)}
    known = iter(_at_zero(floating, pulled, wanted, given))
    return [None if ct is None else next(known) for ct in cts]


def _at_zero(
    b: Builder, values: Sequence[Value | None], params: Sequence[Value], given: set[Value]
) -> list[Value | None]:
    """`values` with zeros for the parameters `u` that are left in them: the derivative of a linear map is the same
    everywhere, though not every pullback is written so that one can see it."""
    ops = toposort([v for v in values if v is not None], given)
    if not any(v in params for op in ops for v in op.operands):
        return list(values)
    mapping = {p: b.full(0, p.type) for p in params}
    copy_ops(ops, mapping)
    return [None if v is None else mapping.get(v, v) for v in values]


def _stretched(b: Builder, tangent: Value, like: Value) -> Value:
    """`tangent` in the shape of the result: it is narrower where only a narrow operand moves."""
    out: Value = b.broadcast(tangent, shape=like.shape)
    return out

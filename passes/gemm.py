"""Matrix products as BLAS has them: alpha * op(a) @ op(b) + beta * c, with transposes for
nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from arignote.ir.core import Func, Op, Value
from arignote.ir.types import is_float
from arignote.passes.base import Pass
from arignote.passes.rewrite import Rewriter, Table, merge_rules, rewrite

GEMM = Table()


@dataclass(frozen=True)
class Product:
    """The operands and attributes of a `dot` or `gemm`."""

    a: Value
    b: Value
    c: Value | None = None
    scale: Value | None = None
    ta: bool = False
    tb: bool = False
    alpha: float = 1.0
    beta: float = 1.0

    def emit(self, b: Rewriter) -> Value:
        """The `gemm` op."""
        extra = [v for v in (self.c, self.scale) if v is not None]
        return b.gemm(
            self.a, self.b, *extra,
            ta=self.ta, tb=self.tb, alpha=self.alpha, beta=self.beta,
            acc=self.c is not None, scaled=self.scale is not None,
        )  # fmt: skip

    def times(self, factor: float) -> Product | None:
        """The product scaled by a constant."""
        alpha, beta = self.alpha * factor, self.beta * factor
        if not math.isfinite(alpha) or not math.isfinite(beta):
            return None
        return replace(self, alpha=alpha, beta=1.0 if self.c is None else beta)


def product(b: Rewriter, value: Value, once: bool = True) -> Product | None:
    """The matrix product that made `value`, if nothing else needs it (or `once` is false)."""
    op = b.match(value, "dot", "gemm")
    if op is None or not is_float(value.dtype) or (once and not b.single_use(value)):
        return None
    if op.name == "dot":
        return Product(op.operands[0], op.operands[1])
    left, right, *extra = op.operands
    c = extra.pop(0) if op.attrs.get("acc") else None
    scale = extra.pop(0) if op.attrs.get("scaled") else None
    flags = {k: op.attrs[k] for k in ("ta", "tb", "alpha", "beta") if k in op.attrs}
    return Product(left, right, c, scale, **flags)


def _transposed(b: Rewriter, value: Value) -> Value | None:
    op = b.match(value, "transpose")
    return op.operands[0] if op is not None and op.attrs["perm"] == (1, 0) else None


@GEMM("dot", "gemm")
def transposed_operands(b: Rewriter, op: Op) -> Value | None:
    """transpose(a) @ b -> gemm(a, b) {ta}; likewise b."""
    p = product(b, op.result, once=False)
    if p is None:
        return None
    left, right = _transposed(b, p.a), _transposed(b, p.b)
    if left is None and right is None:
        return None
    if left is not None:
        p = replace(p, a=left, ta=not p.ta)
    if right is not None:
        p = replace(p, b=right, tb=not p.tb)
    return p.emit(b)


@GEMM("transpose")
def transposed_product(b: Rewriter, op: Op) -> Value | None:
    """transpose(a @ b) -> transpose(b) @ transpose(a)."""
    p = product(b, op.operands[0])
    if p is None or p.c is not None or op.attrs["perm"] != (1, 0):
        return None
    return replace(p, a=p.b, b=p.a, ta=not p.tb, tb=not p.ta).emit(b)


@GEMM("neg")
def negated_product(b: Rewriter, op: Op) -> Value | None:
    """-(a @ b) -> gemm {alpha=-1}."""
    p = product(b, op.operands[0])
    p = None if p is None else p.times(-1.0)
    return None if p is None else p.emit(b)


@GEMM("mul", "div")
def scaled_product(b: Rewriter, op: Op) -> Value | None:
    """(a @ b) * s and (a @ b) / c, for a scalar s or a constant c."""
    x, y = op.operands
    if op.name == "mul" and product(b, x) is None:
        x, y = y, x
    p = product(b, x)
    if p is None or y.ndim:
        return None
    c = b.uniform(y)
    if c is None:
        if op.name == "div" or p.scale is not None or p.c is not None:
            return None
        return replace(p, scale=y).emit(b)
    if op.name == "div":
        if c == 0:
            return None
        c = 1.0 / c
    scaled = p.times(float(c))
    return None if scaled is None else scaled.emit(b)


def _multiple(b: Rewriter, value: Value) -> tuple[Value, float]:
    """(x, c) if `value` is c * x used once, or else (value, 1)."""
    op = b.match(value, "mul", "neg")
    if op is None or not b.single_use(value) or op.operands[0].type != value.type:
        return value, 1.0
    if op.name == "neg":
        return op.operands[0], -1.0
    c = b.uniform(op.operands[1])
    return (value, 1.0) if c is None else (op.operands[0], float(c))


def _accumulate(b: Rewriter, op: Op, updated: Value | None) -> Value | None:
    """c + a @ b, c - a @ b, a @ b - c, also with a constant multiple of c.

    Only where c is overwritten: the state `updated` by the op, or another product that nothing else
    needs. Otherwise c would be copied first; the kernel that uses the sum reads it for less.
    """
    for i, x in enumerate(op.operands):
        y = op.operands[1 - i]
        p = product(b, x)
        if p is None or p.c is not None or y.type != x.type or y is x:
            continue
        c, beta = _multiple(b, y)
        made = b.match(c, "dot", "gemm")
        if c is not updated and (made is None or not b.single_use(c)):
            continue
        alpha = p.alpha
        if op.name == "sub":
            alpha, beta = (alpha, -beta) if i == 0 else (-alpha, beta)
        return replace(p, c=c, alpha=alpha, beta=beta).emit(b)
    return None


@dataclass(frozen=True)
class Gemm(Pass):
    """Absorb transposes, scalar factors and addends into matrix products."""

    name: ClassVar[str] = "gemm"

    def run(self, func: Func) -> Func:
        updates: dict[Value, Value] = {}
        for s in func.states:
            new = s.update
            while new is not None:
                updates[new] = s.value
                rows = new.owner is not None and new.owner.name == "scatter"  # added to what is updated otherwise
                new = new.owner.operands[0] if rows and new.owner is not None else None

        def accumulate(b: Rewriter, op: Op) -> Value | None:
            """The sum of a product and the state that the sum is the update of, or a product."""
            current = b.current if b.depth == 1 else None  # deeper, `op` is not what it becomes
            return _accumulate(b, op, updates.get(current.result) if current else None)

        table = merge_rules(GEMM, {"add": [accumulate], "sub": [accumulate]})
        out = rewrite(func, table, self.name)
        if out is not func and func.attrs.get("stage") in ("recorded", "grad"):
            attrs = {k: v for k, v in out.attrs.items() if k != "stage"}  # `decompose` sets one
            out = replace(out, attrs=attrs)
        return out

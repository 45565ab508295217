"""Gradients: reverse mode on the graph, by the rules in the op records.

`derive` works on floating graphs (what the DSL records), so gradients are expressions like any
other: users build on them, differentiate them again, and the optimiser sees forward and backward as
one function.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from arignote.ir.bound import bound_symbols
from arignote.ir.builder import Builder, describe
from arignote.ir.core import Func, Op, Region, Value, toposort
from arignote.ir.diag import Diagnostic, IRError, Loc
from arignote.ir.lastrows import taken_row
from arignote.ir.opdef import opdef
from arignote.ir.types import Dim, DimLike, dim_symbols, is_complex, is_differentiable
from arignote.passes.base import Pass
from arignote.passes.rewrite import rewrite_ops
from arignote.passes.stabilize import STABILIZE


class GradientError(IRError, TypeError, ValueError):
    """A gradient that does not exist as asked for: a cost that is no scalar, a variable of
    integers."""


class DisconnectedInputError(GradientError):
    """The cost does not depend on a variable that its gradient is asked for."""


class NotDifferentiableError(GradientError):
    """An op between the variable and the cost has no gradient."""


#: Ops of complex results whose rules treat real and imaginary parts by themselves.
SPLIT = ("complex", "conj", "cast")

#: Makes a dimension whose value is a scalar i64[].
NewSymbol = Callable[[Value], DimLike]


class GradBuilder(Builder):
    """Makes floating ops; dimensions that an op of the forward graph bound at run time are bound
    again.

    The gradient of `x[:k]` fills shapes of k elements. Those ops take k as an operand, so that they
    do not depend on the op that first bound the dimension, which may be optimised away.
    """

    def __init__(
        self, scalars: Mapping[str, Value], symbol: NewSymbol, ops: list[Op] | None = None
    ) -> None:
        super().__init__(ops)
        self.scalars = dict(scalars)
        self._symbol = symbol

    def emit(
        self,
        name: str,
        *operands: Value,
        regions: Iterable[Region] = (),
        loc: Loc | None = None,
        names: Sequence[str | None] = (),
        **attrs: Any,
    ) -> tuple[Value, ...]:
        """As `Builder.emit`."""
        if self.scalars and name in ("broadcast", "reshape", "iota", "csr_dot_t") and not attrs.get("bound"):
            places = [
                i
                for i, d in enumerate(attrs["shape"])
                if isinstance(d, Dim) and d.symbols() & self.scalars.keys()
            ]
            if places and all(attrs["shape"][i].symbols() <= self.scalars.keys() for i in places):
                operands = (
                    *operands,
                    *(self.size(attrs["shape"][i], self.scalars.__getitem__) for i in places),
                )
                attrs["bound"] = tuple(places)
        return super().emit(name, *operands, regions=regions, loc=loc, names=names, **attrs)

    def symbol(self, scalar: Value) -> DimLike:
        """A new dimension of the size `scalar`."""
        dim = self._symbol(scalar)
        if isinstance(dim, Dim):
            self.scalars[str(dim)] = scalar
        return dim

    def inside(self, scalars: Mapping[str, Value], ops: list[Op] | None = None) -> GradBuilder:
        """A builder for the body of a loop, which lists its ops."""
        b = GradBuilder({**self.scalars, **scalars}, self._symbol, [] if ops is None else ops)
        b.loc = self.loc
        return b

    def floating(self) -> GradBuilder:
        """A builder of floating ops that knows what this one knows."""
        b = GradBuilder(self.scalars, self._symbol)
        b.loc = self.loc
        return b

    def backward(
        self,
        ops: Sequence[Op],
        seeds: Iterable[tuple[Value, Value]],
        wrt: Sequence[Value],
        constant: Collection[Value] = (),
        totals: dict[Value, Value] | None = None,
    ) -> list[Value | None]:
        """The cotangents of `wrt`, inputs or results of `ops`, from pairs of a value and its cotangent.

        Args: constant: values that nothing passes through. totals: cotangents that are given; those
        that are found are added.
        """
        totals = {} if totals is None else totals
        active = set(wrt)
        for op in ops:
            if not active.isdisjoint(op.operands):
                active.update(r for r in op.results if is_differentiable(r.dtype) and r not in constant)
        pending: dict[Value, list[Value]] = {}
        reached = set(totals)
        fixed = {*wrt, *constant, *totals}
        for v, ct in seeds:
            pending.setdefault(v, []).append(ct)
            reached.add(v)
        here = self.loc
        for op in reversed(ops):
            if reached.isdisjoint(op.results):
                continue
            self.loc = op.loc
            open_ = [r for r in op.results if r in active and r not in constant]
            if not open_ or not (flow := _flow(op, active)):
                continue
            cts = [_total(self, r, pending, totals) if r in open_ else None for r in op.results]
            if cts[0] is not None and (row := self._carried(op, fixed)) is not None:
                pending.setdefault(row, []).append(self.reshape(cts[0], shape=row.shape))
                reached.add(row)
                continue
            passed = pull_back(self, op, cts, flow) if any(ct is not None for ct in cts) else dict[int, Value]()
            # What a program says to be disconnected is; other ops without a cotangent to give are flat.
            reached.update(op.operands[i] for i in (passed if op.name == "with_gradient" else flow))
            for i, part in passed.items():
                pending.setdefault(op.operands[i], []).append(part)
        out: list[Value | None] = []
        for v in wrt:
            self.loc = here if v.owner is None else v.owner.loc
            total = _total(self, v, pending, totals)
            if total is None and v in reached:
                total = _named(self.full(0, v.type), v)  # reached only through steps, such as floor: flat
            out.append(total)
        self.loc = here
        return out

    @staticmethod
    def _carried(op: Op, fixed: Collection[Value]) -> Value | None:
        """What a loop carries, where `op` takes that from the rows that it stacks: so the gradient needs no rows of
        zeros. `fixed` values keep their gradients."""
        via: list[Value] = []
        row = taken_row(op, via)
        return row if row is not None and not any(v in fixed for v in via) else None


def _check(cost: Value | None, wrt: Sequence[Value], known: Mapping[Value, Value]) -> None:
    if cost is None and not known:
        raise GradientError("a gradient needs a cost or known gradients")
    if cost is not None and cost.ndim:
        name = cost.name or "it"
        message = f"cost must be a scalar, but {name} is {cost.type}; take its sum or mean"
        raise GradientError(_at(cost, message))
    if cost is not None and is_complex(cost.dtype):
        raise GradientError(_at(cost, f"cost must be a real number, but it is {cost.type}; take its real part or abs"))
    if cost is not None and not is_differentiable(cost.dtype):
        message = f"cost must be a floating-point number, but it is {cost.type}"
        raise GradientError(_at(cost, message))
    for v in (*wrt, *known):
        if not is_differentiable(v.dtype):
            message = f"no gradient with respect to {_label(v)}, whose values are discrete"
            raise GradientError(_at(v, message))
    for v, ct in known.items():
        if ct.dtype != v.dtype or ct.ndim != v.ndim:
            raise GradientError(_at(v, f"the known gradient of {v} has another type, {ct.type}"))


def _label(v: Value) -> str:
    return f"{v.name or 'a variable'}: {v.type}"


def _at(v: Value, message: str) -> Diagnostic:
    return Diagnostic(message, loc=None if v.owner is None else v.owner.loc)


def _stabilised(
    roots: Sequence[Value], wrt: Sequence[Value], opaque: frozenset[Value]
) -> list[Value]:
    """`roots`, with what lies between `wrt` and them stabilised. `opaque` values keep their
    identity."""
    order = toposort(roots)
    depends = set(wrt)
    keep: set[Op] = set()
    for op in order:
        if depends.isdisjoint(op.operands):
            keep.add(op)
            continue
        depends.update(op.results)
        if not opaque.isdisjoint(op.results):
            keep.add(op)
    _, mapping = rewrite_ops(order, STABILIZE, roots, opaque, "stabilize", keep)
    return [mapping.get(v, v) for v in roots]


def derive(
    cost: Value | None,
    wrt: Sequence[Value],
    consider_constant: Iterable[Value] = (),
    known: Mapping[Value, Value] | None = None,
    disconnected: str = "raise",
    symbol: NewSymbol | None = None,
) -> list[Value | None]:
    """The gradients of `cost` with respect to each of `wrt`, as floating values of their types.

    Args: cost: a floating-point scalar; None if only `known` gradients are pulled back. wrt:
            floating-point values, inputs or intermediate ones. consider_constant: values that no
            gradient passes through. known: gradients with respect to intermediate values, taken as
            given instead of derived. disconnected: what happens where the cost does not depend on a
            variable: "raise"; "warn" or "ignore", and its gradient is None. symbol: makes the
            dimensions that gradients of loops need.

    Raises:
        GradientError: the cost is no floating-point scalar, or a variable is not floating-point.
        DisconnectedInputError: the cost does not depend on a variable.
        NotDifferentiableError: an op in between has no gradient.
    """
    if disconnected not in ("raise", "warn", "ignore"):
        raise ValueError(
            f'disconnected is {disconnected!r}; it must be "raise", "warn" or "ignore"'
        )
    known = dict(known or {})
    constant = set(consider_constant)
    _check(cost, wrt, known)
    roots = [*known] if cost is None else [cost, *known]
    opaque = frozenset({*wrt, *constant, *known})
    roots = _stabilised(roots, wrt, opaque)
    order = toposort(roots)

    b = GradBuilder({s: v for op in order for s, v in bound_symbols(op)}, symbol or numbered(order))
    seeds = []
    if cost is not None:
        b.loc = None if cost.owner is None else cost.owner.loc
        seeds.append((roots[0], b.const(1.0, cost.dtype)))
    totals = {v: _named(ct, v) for v, ct in known.items()}
    out = b.backward(order, seeds, wrt, constant, totals)
    for v, total in zip(wrt, out, strict=True):
        if total is None and disconnected != "ignore":
            message = f"the cost does not depend differentiably on {_label(v)}"
            if disconnected == "raise":
                raise DisconnectedInputError(_at(v, message))
            warnings.warn(message, stacklevel=2)
    return out


def numbered(ops: Iterable[Op]) -> NewSymbol:
    """Symbols by number that `ops` do not mention."""
    taken = {s for op in ops for v in (*op.operands, *op.results) for s in dim_symbols(v.shape)}
    numbers = itertools.count()
    return lambda scalar: Dim.symbol(next(s for n in numbers if (s := f"w{n}") not in taken))


def _flow(op: Op, active: Collection[Value]) -> list[int]:
    """The operands of `op` that gradients flow to."""
    if op.name == "stop_gradient" and not op.attrs.get("connected"):
        return []
    first = op.attrs["count"] if op.name == "with_gradient" else 0
    return [i for i, v in enumerate(op.operands) if i >= first and v in active]


def _total(
    b: Builder, v: Value, pending: dict[Value, list[Value]], totals: dict[Value, Value]
) -> Value | None:
    """The sum of the contributions to the gradient of `v`, which are complete when its op is
    reached."""
    if v in totals:
        return totals[v]
    parts = pending.pop(v, [])
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = b.add(total, part)
    totals[v] = _named(total, v)
    return total


def _named(gradient: Value, v: Value) -> Value:
    if gradient.name is None and v.name is not None and gradient.owner is not None:
        gradient.name = "d." + v.name
    return gradient


def pull_back(
    b: GradBuilder, op: Op, cts: list[Value | None], flow: Sequence[int]
) -> dict[int, Value]:
    """The cotangents of the operands at `flow` from those of the results."""
    record = opdef(op.name)
    if record.vjp is None:
        raise NotDifferentiableError(
            describe(op.name, op.operands, "this op has no gradient", op.loc)
        )
    for i in flow:
        if i in record.fixed:
            message = f"this op has no gradient with respect to {record.fixed[i]}"
            raise NotDifferentiableError(describe(op.name, op.operands, message, op.loc))
    single = len(op.results) == 1
    ct: Any = cts[0] if single else tuple(cts)
    result: Any = op.result if single else op.results
    extra: dict[str, Any] = {}
    if "region" in record.traits:
        extra = {"regions": op.regions, "wanted": flow}
    # Of a function of complex numbers that has a derivative f', the cotangent is ct conj(f'), and rules give ct f'.
    mirrored = is_complex(op.results[0].dtype) and not extra and op.name not in SPLIT
    if mirrored:
        ct = tuple(c if c is None else b.conj(c) for c in ct) if isinstance(ct, tuple) else b.conj(ct)
    parts = record.vjp(b, ct, result, *op.operands, **op.attrs, **extra)
    out = {}
    for i in flow:
        part, operand = parts[i], op.operands[i]
        if part is None:
            continue
        part = b.conj(part) if mirrored else part
        if "elementwise" in record.traits:
            part = b.sum_to(part, operand.shape)
        if part.dtype != operand.dtype or part.ndim != operand.ndim:
            raise IRError(
                f"{op.name}: the gradient of operand {i}, {operand.type}, came out as {part.type}"
            )
        out[i] = part
    return out


@dataclass(frozen=True)
class Grad(Pass):
    """Append the gradients of result `cost` with respect to the inputs named in `wrt` (all floating
    ones if empty)."""

    name: ClassVar[str] = "grad"

    wrt: tuple[str, ...] = ()
    cost: int = 0

    def run(self, func: Func) -> Func:
        named = {v.name: v for v in func.params} | {"@" + s.name: s.value for s in func.states}
        wrt = [v for v in func.inputs() if is_differentiable(v.dtype)]
        if self.wrt:
            for name in self.wrt:
                if name not in named and "@" + name not in named:
                    has = ", ".join(str(n) for n in named)
                    raise IRError(f"@{func.name} has no input called {name}; it has {has}")
            wrt = [named[n] if n in named else named["@" + n] for n in self.wrt]
        if not 0 <= self.cost < len(func.results):
            raise IRError(
                f"@{func.name} has {len(func.results)} results; there is no result {self.cost}"
            )
        gradients = derive(func.results[self.cost], wrt)
        found = [g for g in gradients if g is not None]
        have = set(func.ops)
        ops = func.ops + [op for op in toposort(found, stop=func.inputs()) if op not in have]
        return replace(func, ops=ops, results=[*func.results, *found])

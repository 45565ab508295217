"""Shape specialisation: dimensions that were symbols become numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from arignote.ir.bound import bound_positions
from arignote.ir.builder import describe, make_op
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.diag import Diagnostic, IRError, TypeInferenceError
from arignote.ir.loops import is_scalar_code, param_types
from arignote.ir.opdef import has_trait
from arignote.ir.symbols import subs_attr
from arignote.ir.types import Dim, DimLike, same_dim
from arignote.passes.base import Pass, with_operands
from arignote.passes.extents import Known, extent


class _Specializer:
    """Rebuilds ops under `env`, which grows as run-time dimensions turn out to be known."""

    def __init__(self, env: Mapping[str, DimLike]) -> None:
        self.env = dict(env)
        self.known: dict[Value, Known] = {}

    def value(self, v: Value) -> Value:
        """A parameter or state with its symbols replaced."""
        type = v.type.subs(self.env)
        return v if type == v.type else Value(type, v.name)

    def values(self, values: Iterable[Value], mapping: dict[Value, Value]) -> list[Value]:
        """Parameters with their symbols replaced, entered into `mapping`."""
        out = []
        for v in values:
            mapping[v] = self.value(v)
            out.append(mapping[v])
        return out

    def regions(
        self, op: Op, attrs: Mapping[str, Any], operands: Sequence[Value]
    ) -> tuple[Region, ...]:
        """The regions of `op` on its new operands (without scalars), with symbols replaced."""
        if is_scalar_code(op):
            return op.regions
        types = param_types(op.name, [v.type for v in operands], attrs) if op.regions else []
        # The last parameters are operands: all but position, elements and carried values of a loop.
        first = attrs.get("seqs", 0) + attrs.get("carry", 0) + attrs.get("index", False)
        out = []
        for region in op.regions:
            params = [
                p if p.type == t else Value(t, p.name)
                for p, t in zip(region.params, types, strict=True)
            ]
            for p, v in zip(reversed(params[first:]), reversed(operands), strict=False):
                if v in self.known:
                    self.known[p] = self.known[v]
            mapping = dict(zip(region.params, params, strict=True))
            ops = self.ops(region.ops, mapping)
            if params == region.params and ops == region.ops:
                out.append(region)
            else:
                out.append(Region(params, ops, [mapping.get(v, v) for v in region.yields]))
        return tuple(out)

    def ops(self, ops: Sequence[Op], mapping: dict[Value, Value]) -> list[Op]:
        """Ops with their symbols replaced and their types inferred anew."""
        out: list[Op] = []
        for op in ops:
            new = self.op(op, tuple(mapping.get(v, v) for v in op.operands), out)
            mapping.update(zip(op.results, new.results, strict=True))
            number = extent(new, new.operands, self.known)
            if number is not None:
                self.known[new.result] = number
            out.append(new)
        return out

    def op(self, op: Op, operands: tuple[Value, ...], before: list[Op]) -> Op:
        """`op` on specialised operands; what is assumed for it is appended to `before`."""
        attrs = {k: subs_attr(a, self.env) for k, a in op.attrs.items()}
        attrs, tensors, scalars = self.resolve(op, attrs, operands, before)
        operands = (*tensors, *scalars)
        regions = self.regions(op, attrs, tensors)
        types_same = all(v.type == w.type for v, w in zip(operands, op.operands, strict=False))
        if (
            len(operands) == len(op.operands)
            and types_same
            and _same(attrs, op.attrs)
            and regions == op.regions
        ):
            return with_operands(op, operands)
        new = make_op(op.name, operands, attrs, regions, op.loc, [r.name for r in op.results])
        if has_trait(op.name, "elementwise"):
            before += _stretching(op, new)
        return new

    def resolve(
        self, op: Op, attrs: dict[str, Any], operands: tuple[Value, ...], before: list[Op]
    ) -> tuple[dict[str, Any], tuple[Value, ...], list[Value]]:
        """Write dimensions that scalar operands give into the attributes, where the scalars are
        known. Returns the attributes, the tensors, and the scalars that are left."""
        places = bound_positions(op)
        tensors, scalars = (
            operands[: len(operands) - len(places)],
            operands[len(operands) - len(places) :],
        )
        left: list[Value] = []
        for (attr, listing, position, _), scalar in zip(places, scalars, strict=True):
            number = self.known.get(scalar)
            dim = attrs[attr][position]
            if number is None and attr != "start" and isinstance(dim, int):
                # A size that was specialised to: compiled code checks it before it changes anything.
                before.append(make_op("assume", (scalar,), {"value": dim}, (), op.loc))
                number = self.known[scalar] = dim
            if number is None or isinstance(number, bool):
                left.append(scalar)
                continue
            if attr != "start":
                if (symbol := symbol_of(dim)) is not None:
                    self.env[symbol] = number
                elif not same_dim(dim, number):
                    message = (
                        f"{attr}[{position}] is specialised to {dim}, "
                        f"but the operand that gives it is {number}"
                    )
                    raise TypeInferenceError(describe(op.name, operands, message, op.loc))
                elif dim != number:
                    left.append(scalar)  # still to be compared at the call
                    continue
            items = list(attrs[attr])
            items[position] = number
            attrs[attr] = tuple(items)
            attrs[listing] = tuple(i for i in attrs[listing] if i != position)
            if not attrs[listing]:
                del attrs[listing]
        if places:
            attrs = {k: subs_attr(a, self.env) for k, a in attrs.items()}
        return attrs, tensors, left


def symbol_of(dim: DimLike) -> str | None:
    """The name of the symbol that `dim` is; None for numbers and other polynomials."""
    if not isinstance(dim, Dim) or len(dim.symbols()) != 1:
        return None
    (name,) = dim.symbols()
    return name if dim == Dim.symbol(name) else None


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        a[k] is b[k] or (not hasattr(a[k], "dtype") and a[k] == b[k]) for k in a
    )


def _stretching(old: Op, new: Op) -> list[Op]:
    """Only a dimension that is 1 in the recorded type may stretch; one that merely turns out to be
    1 may not.

    The gradients that were derived take it for a full dimension, so stretching it would be wrong,
    not just unusual. Where only the call knows what it would stretch to, this is assumed to be 1:
    returns the ops that say so.
    """
    result = new.result.shape
    assumed: list[Op] = []
    for i, (before, after) in enumerate(zip(old.operands, new.operands, strict=True)):
        for axis in range(1, after.ndim + 1):
            size = result[-axis]
            if not isinstance(before.shape[-axis], Dim) or after.shape[-axis] != 1 or size == 1:
                continue
            if isinstance(size, Dim):
                other = next(v for v in new.operands if v.ndim >= axis and v.shape[-axis] == size)
                dim = make_op("dim", (other,), {"axis": other.ndim - axis}, (), new.loc)
                assumed += [dim, make_op("assume", (dim.result,), {"value": 1}, (), new.loc)]
                continue
            name = after.name or f"operand {i}"
            message = (
                f"axis {after.ndim - axis} of {name} is 1 but would have to stretch to "
                f"{size}; only dimensions that are declared broadcastable stretch, "
                f"and {name} was declared {before.type}. Declare it with T.row, T.col, "
                "broadcastable=..., or use T.addbroadcast"
            )
            raise TypeInferenceError(describe(new.name, new.operands, message, new.loc))
    return assumed


@dataclass(frozen=True)
class Specialize(Pass):
    """Replace dimension symbols by numbers or other symbols, and write in what that makes known:
    `specialize{n=32}`.

    Also without `dims`: sizes given by scalar operands become dimensions where the scalars are
    known (`x[1:]`).
    """

    name: ClassVar[str] = "specialize"

    dims: tuple[tuple[str, DimLike], ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Every option is a dimension."""
        dims = []
        for symbol, size in options.items():
            if (
                isinstance(size, bool)
                or not isinstance(size, (int, str))
                or (isinstance(size, int) and size < 0)
            ):
                raise IRError(f"specialize: {symbol}={size} is neither a size nor another symbol")
            dims.append((symbol, size if isinstance(size, int) else Dim.symbol(size)))
        return cls(tuple(dims))

    def options(self) -> dict[str, Any]:
        """The dimensions."""
        return dict(self.dims)

    def run(self, func: Func) -> Func:
        work = _Specializer(dict(self.dims))
        mapping: dict[Value, Value] = {}
        params = work.values(func.params, mapping)
        work.values((s.value for s in func.states), mapping)
        ops = work.ops(func.ops, mapping)
        if (
            ops == func.ops
            and params == func.params
            and all(mapping[s.value] is s.value for s in func.states)
        ):
            return func
        states = [
            replace(
                s,
                value=mapping[s.value],
                update=None if s.update is None else mapping.get(s.update, s.update),
            )
            for s in func.states
        ]
        for s in states:
            if s.update is not None and not all(map(same_dim, s.update.shape, s.value.shape)):
                loc = None if s.update.owner is None else s.update.owner.loc
                message = (
                    f"the update of @{s.name}: {s.value.type} has another shape, {s.update.type}"
                )
                raise TypeInferenceError(Diagnostic(message, loc=loc))
        out = replace(func, params=params, ops=ops, states=states)
        out.results = [mapping.get(v, v) for v in func.results]
        return out

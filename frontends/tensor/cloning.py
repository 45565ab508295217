"""`clone`: a recorded graph once more, with some of its variables replaced.

Types are inferred anew, so a replacement may know more about its shape than what it replaces, and
dimensions that came from a replaced variable come from its replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.blocks import op_symbols, source_of
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.graph import Axis, Leaf, Symbol, Variable, cast_value, wrap
from arignote.frontends.tensor.shapes import as_dim
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.ir.bound import BOUND, bound_positions
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.loops import rebuilt_regions
from arignote.ir.symbols import subs_attr
from arignote.ir.types import Dim, DimLike

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def clone(
    output: Any,
    replace: Any = None,
    strict: bool = True,
    share_inputs: bool = True,
) -> Any:
    """A copy of `output` in which some variables are replaced.

    Args:
        output: a variable, or a list, tuple or dict of them; the result has the same form.
        replace: a dict of variables and their replacements, or pairs. A replacement may depend on what
            it replaces, which stays as it is there.
        strict: replacements must have the types of what they replace; otherwise they are cast to its dtype, and may
            be broadcastable where it is not, or the other way round.
        share_inputs: use the very inputs of `output`; otherwise inputs (shared variables excepted)
            are copied too.

    Raises:
        TypeError: something to replace is no variable; or, if `strict`, types differ.
    """
    pairs = _pairs(replace)
    for old, new in pairs.items():
        if strict:
            check_same_type(old, new)
    names = list(output) if isinstance(output, Mapping) else None
    single = isinstance(output, Variable)
    outputs = [output] if single else list(output.values() if names is not None else output)
    found = copied(outputs, pairs, share_inputs)
    if single:
        return found[0]
    if names is not None:
        return dict(zip(names, found, strict=True))
    return tuple(found) if isinstance(output, tuple) else found


def copied(
    outputs: Sequence[Variable], pairs: Mapping[Variable, Variable], share_inputs: bool = True
) -> list[TensorVariable]:
    """Copies of `outputs` with variables replaced, by others of the same rank."""
    work = _Cloner({k.value_: cast_value(v.value_, k.value_.dtype) for k, v in pairs.items()}, share_inputs)
    return [wrap(work.copy(v.value_)) for v in outputs]


def check_same_type(old: Variable, new: Variable) -> None:
    """Refuse a replacement of another dtype, rank, or without a broadcastable dimension.

    Raises:
        TypeError: it has another type.
    """
    kept = old.ndim == new.ndim and all(
        b or not a for a, b in zip(old.broadcastable, new.broadcastable, strict=True)
    )
    if old.dtype != new.dtype or not kept:
        want, have = wrap(old.value_).type, wrap(new.value_).type
        raise TypeError(
            f"Cannot convert Type {have} (of Variable {label(new)}) into Type {want}. You can try to "
            f"manually convert {label(new)} into a {want}."
        )


def _pairs(replace: Any) -> dict[Variable, Variable]:
    items = replace.items() if isinstance(replace, Mapping) else replace or ()
    out: dict[Variable, Variable] = {}
    for old, new in items:
        if not isinstance(old, Variable):
            raise TypeError(f"clone replaces variables, but {old!r} is none")
        value = new if isinstance(new, Variable) else wrap(old.value_).type.filter(new)
        out[old] = as_tensor_variable(value)
    return out


class _Cloner:
    def __init__(self, replaced: Mapping[Value, Value], share_inputs: bool) -> None:
        self.values = dict(replaced)
        self.env: dict[str, DimLike] = {}
        self.share_inputs = share_inputs
        self.b = Builder()

    def copy(self, root: Value) -> Value:
        """The copy of `root`; iterative, as graphs may be deep."""
        stack = [root]
        while stack:
            value = stack[-1]
            if value in self.values:
                stack.pop()
                continue
            op = value.owner
            needs = [] if op is None else [*op.operands, *map(source_of, self._symbols(op))]
            missing = [v for v in needs if v not in self.values]
            if missing:
                stack += reversed(missing)
            elif op is None:
                self.values[value] = self._leaf(value)
            else:
                self._op(op)
        return self.values[root]

    def _leaf(self, value: Value) -> Value:
        variable = value.variable if isinstance(value, Leaf) else None
        if self.share_inputs or isinstance(variable, SharedVariable):
            return value
        return wrap(value).clone().value_

    def _symbols(self, op: Op) -> list[Symbol]:
        return [s for s in op_symbols(op) if s not in self.env]

    def _op(self, op: Op) -> None:
        if op.name == "const":
            self.values[op.result] = op.result
            return
        for symbol in self._symbols(op):
            self.env[symbol] = self._dim(symbol)
        attrs: dict[str, Any] = {k: subs_attr(a, self.env) for k, a in op.attrs.items()}
        operands = [self.values[v] for v in op.operands]
        places = bound_positions(op)
        if places:
            count = len(operands) - len(places)
            operands = [*operands[:count], *_still_bound(op, operands[count:], attrs)]
        if op.name == "update_slice":  # sizes are those of what is written
            attrs["size"] = operands[1].shape
        self.b.loc = op.loc
        names = [r.name for r in op.results]
        regions = rebuilt_regions(op, operands, self.env)
        new = self.b.emit(op.name, *operands, regions=regions, names=names, **attrs)
        self.values.update(zip(op.results, new, strict=True))

    def _dim(self, symbol: Symbol) -> DimLike:
        source = self.values[source_of(symbol)]
        if isinstance(symbol.origin, Axis):
            size: DimLike = source.shape[symbol.origin.axis]
            return size
        dim = as_dim(source)
        if dim is not None:
            return dim
        return Dim.symbol(symbol if source is symbol.origin else Symbol.fresh(source))


def _still_bound(op: Op, scalars: list[Value], attrs: dict[str, Any]) -> list[Value]:
    """The scalars of dimensions that still are symbols of their own; listings in `attrs` follow."""
    kept: list[Value] = []
    for _, listing in BOUND[op.name]:
        attrs.pop(listing, None)
    for (attr, listing, position, _), scalar in zip(bound_positions(op), scalars, strict=True):
        dim = attrs[attr][position]
        own = isinstance(dim, Dim) and any(
            isinstance(s, Symbol) and s.origin is scalar and dim == Dim.symbol(s) for s in dim.symbols()
        )
        if attr == "start" or own:
            attrs[listing] = (*attrs.get(listing, ()), position)
            kept.append(scalar)
    return kept

"""Dimension symbols: which of them shapes determine, and their values at a call.

A symbol is *bound* by the first shape that determines it: `n` in `f32[n,784]`, or `2*n+1` once `n`
is the only unknown in it. The verifier asks which symbols the types of the inputs bind; the
interpreter binds the numbers.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping

from arignote.ir.literals import KEYWORDS
from arignote.ir.types import Dim, DimLike, TensorType, dim_symbols, subs_dim


def attr_dims(value: object) -> Iterable[Dim]:
    """The symbolic dimensions inside an attribute."""
    if isinstance(value, Dim):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from attr_dims(item)


def subs_attr(value: object, env: Mapping[str, DimLike]) -> object:
    """An attribute with its symbols replaced."""
    if isinstance(value, Dim):
        return value.subs(env)
    if isinstance(value, tuple):
        return tuple(subs_attr(item, env) for item in value)
    return value


def unknown(dim: DimLike, known: Iterable[str]) -> tuple[str, int] | None:
    """The one symbol of `dim` not in `known`, and its coefficient, if `dim` determines it."""
    if not isinstance(dim, Dim):
        return None
    missing = dim.symbols().difference(known)
    if len(missing) != 1:
        return None
    (symbol,) = missing
    found = None
    for monomial, coefficient in dim.terms:
        if any(s == symbol for s, _ in monomial):
            if monomial != ((symbol, 1),) or found is not None:
                return None
            found = coefficient
    return None if found is None else (symbol, found)


def bound_by(types: Iterable[TensorType], known: Iterable[str] = ()) -> set[str]:
    """The symbols that the shapes of values of `types` determine, and those in `known`."""
    bound = set(known)
    pending = [d for t in types for d in t.shape if isinstance(d, Dim)]
    while pending:
        left = []
        for dim in pending:
            if (found := unknown(dim, bound)) is not None:
                bound.add(found[0])
            elif not dim.symbols() <= bound:
                left.append(dim)
        if len(left) == len(pending):
            break
        pending = left
    return bound


class Symbols:
    """Values of symbols, and where each was learnt, so that a conflict names both places."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self._where: dict[str, str] = {}

    def copy(self) -> Symbols:
        """The same values, to be extended on their own."""
        other = Symbols()
        other.values = dict(self.values)
        other._where = dict(self._where)
        return other

    def bind(
        self, shapes: Iterable[tuple[str, tuple[DimLike, ...], tuple[int, ...]]]
    ) -> str | None:
        """Learn from (label, shape in the type, actual shape) triples; the first conflict."""
        pending = [
            (label, dim, size)
            for label, dims, sizes in shapes
            for dim, size in zip(dims, sizes, strict=True)
        ]
        while pending:
            left = []
            for label, dim, size in pending:
                value = subs_dim(dim, self.values)
                if isinstance(value, int):
                    if value != size:
                        return self._conflict(label, dim, value, size)
                elif (found := unknown(value, ())) is not None:
                    symbol, coefficient = found
                    rest = value - coefficient * Dim.symbol(symbol)
                    assert isinstance(rest, int), "the only symbol was taken away"
                    solution, remainder = divmod(size - rest, coefficient)
                    if remainder or solution < 0:
                        return f"dimension {dim} cannot be {size}, as it is in {label}"
                    self.values[symbol] = solution
                    self._where[symbol] = label
                else:
                    left.append((label, dim, size))
            if len(left) == len(pending):
                label, dim, _ = left[0]
                names = ", ".join(dim_symbols([dim]))
                return f"dimension {dim} of {label} does not determine {names}"
            pending = left
        return None

    def _conflict(self, label: str, dim: DimLike, value: int, size: int) -> str:
        if isinstance(dim, int):
            return f"a dimension of {label} is {size} where its type has {dim}"
        known = [f"{s} is {self.values[s]} in {self._where[s]}" for s in sorted(dim.symbols())]
        if dim == Dim.symbol(next(iter(dim.symbols()))):
            return f"dimension {dim} is {value} in {self._where[str(dim)]} but {size} in {label}"
        return (
            f"dimension {dim} is {size} in {label} but should be {value}, as {' and '.join(known)}"
        )


def type_problem(type: TensorType) -> str | None:
    """What is wrong with the dimensions of a type, such as one made from bad attributes."""
    for dim in type.shape:
        if isinstance(dim, Dim):
            reserved = sorted(dim.symbols() & KEYWORDS.keys())
            if reserved:
                return f"{reserved[0]} is a keyword and cannot name a dimension"
        elif builtins.type(dim) is not int:
            return f"the dimension {dim!r} is not an int or a Dim"
        elif dim < 0:
            return f"a dimension cannot be negative: {dim}"
    return None

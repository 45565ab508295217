"""Integer scalars as dimensions: what `n - 1` or `minimum(3, n)` computes, as far as it is known
before a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from arignote.ir.core import Op, Value
from arignote.ir.opdef import OPS, has_trait
from arignote.ir.types import Dim, DimLike, div_dim, is_integer

#: A number, a truth value, or a polynomial over dimensions.
Known = int | bool | Dim


def at_least(x: DimLike, y: DimLike) -> bool | None:
    """Whether x >= y whatever the dimensions are, none of which is negative; None if it depends."""
    gap = x - y
    if not isinstance(gap, Dim):
        return gap >= 0
    constant = next((c for m, c in gap.terms if not m), 0)
    others = [c for m, c in gap.terms if m]
    if constant >= 0 and all(c > 0 for c in others):
        return True
    return False if constant < 0 and all(c < 0 for c in others) else None


def _larger(x: DimLike, y: DimLike) -> DimLike | None:
    return x if at_least(x, y) else y if at_least(y, x) else None


def _smaller(x: DimLike, y: DimLike) -> DimLike | None:
    return y if at_least(x, y) else x if at_least(y, x) else None


def _not(known: bool | None) -> bool | None:
    return None if known is None else not known


_RULES: dict[str, Callable[[DimLike, DimLike], Known | None]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "floordiv": lambda x, y: div_dim(x, y) if isinstance(y, int) and y > 0 else None,
    "maximum": _larger,
    "minimum": _smaller,
    "ge": at_least,
    "le": lambda x, y: at_least(y, x),
    "gt": lambda x, y: _not(at_least(y, x)),
    "lt": lambda x, y: _not(at_least(x, y)),
    "eq": lambda x, y: True if x == y else None,
    "neq": lambda x, y: False if x == y else None,
}


def extent(op: Op, operands: Sequence[Value], known: dict[Value, Known]) -> Known | None:
    """The value of the 0-d integer or truth value that `op` makes on `operands`, or None."""
    if (
        len(op.results) != 1
        or op.result.ndim
        or not (is_integer(op.result.dtype) or op.result.dtype == "bool")
    ):
        return None
    if op.name == "const":
        item: int | bool = op.attrs["value"].item()
        return item
    if op.name == "dim":
        size: DimLike = operands[0].shape[op.attrs["axis"]]
        return size
    if not (has_trait(op.name, "elementwise") or has_trait(op.name, "host")):
        return None
    values = [known.get(v) for v in operands]
    if op.name == "select" and isinstance(values[0], bool):
        return values[1] if values[0] else values[2]
    if op.name == "select" and values[1] is not None and values[1] == values[2]:
        return values[1]
    if any(v is None for v in values):
        return None
    if not any(isinstance(v, Dim) for v in values):
        return _evaluate(op, operands, values)
    x = values[0]
    assert x is not None
    if op.name == "cast" and op.result.dtype == "i64":
        return x
    if op.name == "neg" and isinstance(x, Dim):
        return -x
    rule = _RULES.get(op.name)
    y = values[1] if len(values) == 2 else None
    return None if rule is None or y is None else rule(x, y)


def _evaluate(op: Op, operands: Sequence[Value], values: Sequence[Known | None]) -> Known | None:
    try:
        arrays = [np.array(v, v2.type.numpy_dtype) for v, v2 in zip(values, operands, strict=True)]
        out: int | bool = np.asarray(OPS[op.name].eval(*arrays, **op.attrs)).item()
    except (ArithmeticError, IndexError, ValueError):
        return None  # left to fail where it is run
    return out

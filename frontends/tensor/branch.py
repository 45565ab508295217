"""`ifelse`: a choice of which only one side is computed."""

from __future__ import annotations

from typing import Any

from arignote.frontends.tensor.convert import as_tensor_variable, label, to_bool
from arignote.frontends.tensor.graph import cast_value, constant_of, wrap
from arignote.frontends.tensor.loc import pinned, user_loc
from arignote.ir.builder import Builder
from arignote.ir.core import Region, Value
from arignote.ir.types import promote


def ifelse(condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
    """`then_branch` where the scalar `condition` holds, else `else_branch`; what only the other one needs is not
    computed.

    Args:
        condition: a scalar; anything but 0 holds.
        then_branch, else_branch: variables of one type, or lists of them.

    Raises:
        TypeError: the condition is no scalar, or the branches differ in number or type.
    """
    title = f"ifelse {name!r}" if name else "ifelse"
    c = as_tensor_variable(condition)
    if c.ndim:
        raise TypeError(f"{title}: the condition must be a scalar, but {label(c)} is {c.type}")
    several = isinstance(then_branch, (list, tuple))
    then, other = (_as_list(x) for x in (then_branch, else_branch))
    if several != isinstance(else_branch, (list, tuple)) or len(then) != len(other):
        raise TypeError(f"{title}: the branches have {len(then)} and {len(other)} values")
    pairs = [_alike(a, b, f"{title}: value {i}") for i, (a, b) in enumerate(zip(then, other, strict=True))]
    n = len(pairs)
    operands = [*(a for a, _ in pairs), *(b for _, b in pairs)]
    regions = []
    for first in (0, n):
        params = [Value(v.type, v.name) for v in operands]
        regions.append(Region(params, [], params[first : first + n]))
    with pinned(title):
        b = Builder(loc=user_loc())
    results = b.emit("ifelse", to_bool(c.value_), *operands, regions=regions, names=[name] if n == 1 else [])
    out = [wrap(r) for r in results]
    return (type(then_branch)(out) if several else out[0]) if out else out


def _as_list(x: Any) -> list[Any]:
    return [as_tensor_variable(v) for v in (x if isinstance(x, (list, tuple)) else [x])]


def _alike(a: Any, b: Any, what: str) -> tuple[Value, Value]:
    """Two values of one type; a constant takes the dtype of the other one if that holds it."""
    x, y = a.value_, b.value_
    if x.dtype != y.dtype:
        if constant_of(y) is not None and promote(x.dtype, y.dtype) == x.dtype:
            y = cast_value(y, x.dtype)
        elif constant_of(x) is not None and promote(x.dtype, y.dtype) == y.dtype:
            x = cast_value(x, y.dtype)
    if x.dtype != y.dtype or x.ndim != y.ndim:
        raise TypeError(
            f"{what}: the two branches must have identical types, but {label(a)} is {a.type} and {label(b)} is {b.type}"
        )
    return x, y

"""Indexing, as in NumPy: ints, slices, None, Ellipsis, and integer arrays; symbolic or not.

An index becomes a plan (`plans`), which reads; run backwards it is `set_subtensor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import arange
from arignote.frontends.tensor.graph import cast_value, const, constant_of, wrap
from arignote.frontends.tensor.masks import mask_index
from arignote.frontends.tensor.plans import Plan, as_value
from arignote.frontends.tensor.shapes import dim_of, dimshuffle
from arignote.ir.core import Value
from arignote.ir.types import is_float, is_integer, promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


# ---------------------------------------------------------------- from the user's index
def make_plan(x: TensorVariable, index: Any) -> Plan:
    """The plan of `x[index]`.

    Raises:
        IndexError: too many indices, or one that is known to be out of bounds.
        TypeError: something that is no index.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    items = _normal_items(x, items)
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    used = sum(1 for i in items if i is not None and i is not Ellipsis)
    if used > x.ndim:
        raise IndexError(
            f"too many indices for {label(x)}: it has {x.ndim} dimensions, got {used} indices"
        )
    at = dots[0] if dots else len(items)
    items = items[:at] + [slice(None)] * (x.ndim - used) + items[at + 1 :]
    advanced = any(isinstance(i, Value) and i.ndim for i in items)
    plan = Plan(x.value_)
    axis = 0
    for item in items:
        if item is None:
            plan.items.append(None)
            continue
        if isinstance(item, slice):
            plan.axis_slice(axis, item)
            plan.items.append(axis)
        elif isinstance(item, int) and not advanced:
            plan.axis_index(axis, item)
        elif isinstance(item, Value) and not advanced:
            plan.axis_index(axis, cast_value(item, "i64"))
        else:  # among arrays an integer is an array without dimensions
            plan.axis_whole(axis)
            plan.items.append((axis, as_value(item)))
        axis += 1
    return plan


def _normal_items(x: TensorVariable, items: Sequence[Any]) -> list[Any]:
    """The index with masks as the places where they are true."""
    out: list[Any] = []
    for n, item in enumerate(items):
        normal = _normal(item)
        if not (len(normal) == 1 and isinstance(normal[0], Value) and normal[0].dtype == "bool"):
            out += normal
            continue
        mask = wrap(normal[0])
        behind = sum(_axes(i) for i in items[n + 1 :])
        before = sum(i is not None and i is not Ellipsis for i in out)
        first = before if not any(i is Ellipsis for i in out) else x.ndim - behind - mask.ndim
        if not mask.ndim or not 0 <= first <= x.ndim - mask.ndim:
            raise IndexError(f"the mask {label(mask)} has {mask.ndim} dimensions, and does not fit {label(x)}")
        out += mask_index(mask, [dim_of(x.value_, first + a) for a in range(mask.ndim)])
    return out


def _axes(item: Any) -> int:
    """How many axes an element of an index takes."""
    if item is None or item is Ellipsis:
        return 0
    dtype, ndim = getattr(item, "dtype", None), getattr(item, "ndim", 1)
    return int(ndim) if str(dtype) == "bool" else 1


def _normal(item: Any) -> list[Any]:
    """An element of an index as ints, slices, None, Ellipsis, integer values, or a symbolic mask."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return [item]
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return [int(item)]
    if isinstance(item, (bool, np.bool_)):
        raise TypeError("a bool is no index; use T.switch to choose")
    if isinstance(item, (list, tuple)) and any(i is None or isinstance(i, slice) for i in item):
        raise TypeError(f"{item!r} is no index: give slices in a tuple")
    variable = as_tensor_variable(item)
    value = variable.value_
    array = constant_of(value)
    if array is not None and array.dtype == bool:
        return [const(places) for places in np.nonzero(array)]
    if array is not None and array.size == 0 and not is_integer(value.dtype):
        return [const(array.astype(np.int64))]
    if value.dtype == "bool":
        return [value]
    if not is_integer(value.dtype):
        raise TypeError(f"indices must be integers, but {label(variable)} is {variable.type}")
    if array is not None and array.ndim == 0:
        return [int(array)]
    return [value]


def along_axis(places: TensorVariable, axis: int) -> tuple[Any, ...]:
    """The index that reads x[..., places[..., j, ...], ...]: `places` for `axis`, the own position for the others."""
    out: list[Any] = []
    for a in range(places.ndim):
        own = (0 if i == a else "x" for i in range(places.ndim))
        out.append(places if a == axis else dimshuffle(arange(places.shape[a]), *own))
    return tuple(out)


# ---------------------------------------------------------------- set_subtensor
def _write(x: Any, y: Any, mode: str, name: str) -> TensorVariable:
    variable = as_tensor_variable(x)
    plan: Plan | None = getattr(variable, "plan", None)
    if plan is None:
        raise TypeError(
            f"{name} takes an indexed variable, such as {name}(x[1:3], y), not {label(variable)}"
        )
    v = as_tensor_variable(y).value_
    target = plan.x.dtype
    same = any(kind(target) and kind(v.dtype) for kind in (is_float, is_integer))  # NumPy's and Theano's rule
    if promote(target, v.dtype) != target and not same:
        verb = "increment" if mode == "add" else "set"
        raise TypeError(
            f"Trying to {verb} a {as_tensor_variable(x).dtype} subtensor with a "
            f"{as_tensor_variable(y).dtype} value; cast the value first."
        )
    return wrap(plan.write(cast_value(v, target), mode))


def set_subtensor(
    x: Any, y: Any, inplace: bool = False, tolerate_inplace_aliasing: bool = False
) -> TensorVariable:
    """The base of `x`, an indexed variable such as `a[1:3]`, with these places set to `y`."""
    return _write(x, y, "set", "set_subtensor")


def inc_subtensor(
    x: Any,
    y: Any,
    inplace: bool = False,
    set_instead_of_inc: bool = False,
    tolerate_inplace_aliasing: bool = False,
) -> TensorVariable:
    """The base of `x`, an indexed variable such as `a[idx]`, with `y` added to these places.

    Places that occur several times are added to several times.
    """
    return _write(x, y, "set" if set_instead_of_inc else "add", "inc_subtensor")

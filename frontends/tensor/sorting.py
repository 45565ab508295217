"""Sorting, selection of the largest, search in what is sorted, and order statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction, shapes
from arignote.frontends.tensor.convert import as_tensor_variable, floating, label, scalar_int, unify
from arignote.frontends.tensor.graph import Variable, cast_value, const, emit, wrap
from arignote.frontends.tensor.indexing import along_axis
from arignote.frontends.tensor.joining import stack
from arignote.frontends.tensor.reduction import one_axis
from arignote.frontends.tensor.shapes import as_variable, dim_of
from arignote.ir.types import is_float, is_integer

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "argpartition",
    "argsort",
    "argtopk",
    "digitize",
    "median",
    "partition",
    "percentile",
    "quantile",
    "searchsorted",
    "sort",
    "topk",
    "topk_and_argtopk",
]


def _known_axis(axis: Any, x: Variable, what: str) -> int:
    if isinstance(axis, Variable):
        axis = scalar_int(axis, "axis")
    if not isinstance(axis, (int, np.integer)):
        raise TypeError(f"{what}: axis must be known, not symbolic")
    return one_axis(int(axis), x, what)


def _ordered(op: str, a: Any, axis: Any) -> TensorVariable:
    variable = as_tensor_variable(a)
    if axis is None:
        variable, axis = shapes.flatten(variable), 0
    return wrap(emit(op, variable.value_, axis=_known_axis(axis, variable, op)))


def sort(a: Any, axis: Any = -1, kind: str = "quicksort", order: Any = None) -> TensorVariable:
    """`a` in ascending order along `axis` (None: flattened), NaN last.

    Args:
        kind: ignored: the sort is stable whatever it says.
        order: of the fields of records, which there are not.
    """
    _no_order("sort", order)
    return _ordered("sort", a, axis)


def argsort(a: Any, axis: Any = -1, kind: str = "quicksort", order: Any = None) -> TensorVariable:
    """The positions (int64) of the elements in ascending order along `axis` (None: flattened), NaN last; equal elements
    stay in their order. `kind` and `order` as for `sort`."""
    _no_order("argsort", order)
    return _ordered("argsort", a, axis)


def _no_order(what: str, order: Any) -> None:
    if order is not None:
        raise ValueError(f"{what}: order={order!r}: tensors have no fields to order by")


# ---------------------------------------------------------------- the largest
def _best(ordered: TensorVariable, kth: Any, axis: int) -> TensorVariable:
    """Of what is sorted along `axis` the last `kth`, or, where that is negative, the first -kth."""
    number = scalar_int(kth, "kth")
    lead = (slice(None),) * axis
    if isinstance(number, int):
        if number == 0:
            raise ValueError("topk: kth cannot be 0")
        size = ordered.value_.shape[axis]
        if isinstance(size, int) and abs(number) > size:
            raise ValueError(f"topk: kth={number} of an axis of {size} elements")
        return ordered[(*lead, slice(-number, None) if number > 0 else slice(None, -number))]
    k = as_variable(number)
    n = as_variable(dim_of(ordered.value_, axis))
    return ordered[(*lead, slice(ew.switch(ew.gt(k, 0), n - k, 0), ew.switch(ew.gt(k, 0), n, -k)))]


def topk_and_argtopk(
    x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: Any = "int64"
) -> list[TensorVariable]:
    """[topk, argtopk]."""
    variable = as_tensor_variable(x)
    places = argtopk(variable, kth, axis, sorted, idx_dtype)
    if axis is None:
        return [shapes.flatten(variable)[places], places]
    return [variable[along_axis(places, _known_axis(axis, variable, "topk"))], places]


def topk(x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: Any = "int64") -> TensorVariable:
    """The `kth` largest elements along `axis` (None: flattened), ascending; NaN counts as largest.

    Args:
        kth: how many, not 0; the smallest -kth where it is negative.
        sorted: whether the order matters; it is ascending either way.
        idx_dtype: of the positions, where these are asked for.
    """
    variable = as_tensor_variable(x)
    if axis is None:
        variable, axis = shapes.flatten(variable), 0
    where = _known_axis(axis, variable, "topk")
    return _best(sort(variable, where), kth, where)


def argtopk(x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: Any = "int64") -> TensorVariable:
    """The positions of `topk`."""
    variable = as_tensor_variable(x)
    if axis is None:
        variable, axis = shapes.flatten(variable), 0
    where = _known_axis(axis, variable, "argtopk")
    return ew.cast(_best(argsort(variable, where), kth, where), idx_dtype)


def _check_kth(x: TensorVariable, kth: Any, axis: Any, what: str) -> None:
    size = shapes.flatten(x).value_.shape[0] if axis is None else x.value_.shape[_known_axis(axis, x, what)]
    for k in np.atleast_1d(kth).tolist() if not isinstance(kth, Variable) else ():
        if isinstance(size, int) and not -size <= k < size:
            raise ValueError(f"{what}: kth={k} of an axis of {size} elements")


def partition(a: Any, kth: Any, axis: Any = -1) -> TensorVariable:
    """`a` with element `kth` in its sorted place along `axis`, what is less before it: the whole is sorted."""
    variable = as_tensor_variable(a)
    _check_kth(variable, kth, axis, "partition")
    return sort(variable, axis)


def argpartition(a: Any, kth: Any, axis: Any = -1) -> TensorVariable:
    """The positions of `partition`."""
    variable = as_tensor_variable(a)
    _check_kth(variable, kth, axis, "argpartition")
    return argsort(variable, axis)


# ---------------------------------------------------------------- search
def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> TensorVariable:
    """Where the elements of `v` belong in the ascending vector `x` (int64), as `numpy.searchsorted`.

    Args:
        side: "left": before equal elements; "right": behind them.
        sorter: positions that sort `x`, where it is not ascending itself.
    """
    vector, values = as_tensor_variable(x), as_tensor_variable(v)
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side {side!r} is neither 'left' nor 'right'")
    if vector.ndim != 1:
        raise ValueError(f"searchsorted takes a vector, but {label(vector)} is {vector.type}")
    if sorter is not None:
        order = as_tensor_variable(sorter)
        if order.ndim != 1 or not is_integer(order.value_.dtype):
            raise TypeError(f"searchsorted: sorter must be an integer vector, but {label(order)} is {order.type}")
        vector = vector[order]
    a, b = unify(vector.value_, values.value_)
    return wrap(emit("searchsorted", a, b, right=side == "right"))


def digitize(x: Any, bins: Any, right: bool = False) -> TensorVariable:
    """The number of the bin of each element: i where bins[i - 1] <= x < bins[i], or < x <= if `right`, for ascending
    `bins`."""
    return searchsorted(bins, x, side="left" if right else "right")


# ---------------------------------------------------------------- order statistics
def quantile(a: Any, q: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The `q`-quantile over `axis` (all), 0 <= q <= 1, between neighbours by a straight line; NaN where there is any.

    Of a vector of `q` one after the other along a new first axis, as `numpy.quantile`.
    """
    variable = as_tensor_variable(a)
    axes = reduction.axes_of(axis, variable, "quantile")
    if not axes:
        raise ValueError(f"quantile of {label(variable)}, which has no dimensions")
    fractions = np.asarray(q, float)
    if fractions.ndim > 1 or not ((fractions >= 0) & (fractions <= 1)).all():
        raise ValueError(f"quantile: q must be a number or a list of numbers of 0 to 1, not {q!r}")
    others = [d for d in range(variable.ndim) if d not in axes]
    rows = shapes.flatten(shapes.dimshuffle(variable, *others, *axes), len(others) + 1)
    ordered = sort(wrap(floating(rows.value_)))
    if keepdims:
        shape = reduction.kept_shape(variable.value_, axes)
        parts = [wrap(emit("reshape", _at(ordered, float(f)).value_, shape=shape)) for f in fractions.reshape(-1)]
    else:
        parts = [_at(ordered, float(f)) for f in fractions.reshape(-1)]
    if not fractions.ndim:
        return parts[0]
    return stack(parts)


def _at(ordered: TensorVariable, fraction: float) -> TensorVariable:
    """The elements at a fraction of the way along the last axis."""
    dtype = ordered.value_.dtype
    last = ew.sub(as_variable(dim_of(ordered.value_, ordered.ndim - 1)), 1)
    place = ew.mul(ew.cast(last, "float64"), fraction)
    low = ew.cast(ew.floor(place), "int64")
    high = ew.minimum(ew.add(low, 1), last)
    weight = wrap(cast_value(ew.sub(place, ew.floor(place)).value_, dtype))
    below, above = ordered[..., low], ordered[..., high]
    out = ew.switch(ew.gt(weight, 0), ew.add(below, ew.mul(ew.sub(above, below), weight)), below)
    if not is_float(dtype):
        return out
    return ew.switch(ew.isnan(ordered[..., -1]), wrap(const(np.nan, dtype)), out)


def percentile(a: Any, q: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """`quantile` of q / 100."""
    return quantile(a, np.asarray(q, float) / 100, axis, keepdims)


def median(a: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The middle over `axis` (all), of an even number of elements the mean of the two; NaN where there is any."""
    return quantile(a, 0.5, axis, keepdims)

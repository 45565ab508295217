"""Repeating, rolling and reordering tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import joining, reduction, shapes
from arignote.frontends.tensor.convert import as_tensor_variable, label, scalar_int
from arignote.frontends.tensor.creation import arange
from arignote.frontends.tensor.cumulative import cumsum
from arignote.frontends.tensor.graph import const, constant_of, emit, wrap
from arignote.frontends.tensor.indexing import set_subtensor
from arignote.frontends.tensor.reduction import one_axis
from arignote.frontends.tensor.shapes import Sizes, sizes_of
from arignote.frontends.tensor.sorting import searchsorted
from arignote.ir.core import Value
from arignote.ir.types import is_integer, prod_dims

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "atleast_nd",
    "flip",
    "horizontal_stack",
    "inverse_permutation",
    "moveaxis",
    "permute_row_elements",
    "repeat",
    "roll",
    "rollaxis",
    "tile",
    "vertical_stack",
]


def _spread(value: Value, counts: Sequence[int | Value | None], inside: bool) -> TensorVariable:
    """`value` with each axis as often as `counts` say (None: once): the whole axis, or, if `inside`, each element."""
    apart: list[Any] = []
    sizes: list[Any] = []
    for d, count in zip(value.shape, counts, strict=True):
        if count is None:
            apart.append(d)
            sizes.append(d)
            continue
        pair = [(d, d), (1, count)]
        for one, many in pair if inside else pair[::-1]:
            apart.append(one)
            sizes.append(many)
    if len(apart) == value.ndim:
        return wrap(value)
    lifted = emit("reshape", value, shape=tuple(apart))
    dims = Sizes([shapes.dim_value(s) if not isinstance(s, (int, Value)) else s for s in sizes])
    stretched = emit("broadcast", lifted, *dims.operands, **dims.attrs())
    left = iter(stretched.shape)
    out = [next(left) if count is None else prod_dims((next(left), next(left))) for count in counts]
    return wrap(emit("reshape", stretched, shape=tuple(out)))


def tile(x: Any, reps: Any, ndim: int | None = None) -> TensorVariable:
    """`x` repeated as a whole along each axis, as `numpy.tile`.

    Args:
        reps: a number, a list of them, or a symbolic vector, for the last axes.
        ndim: the number of dimensions of the result, which the length of `reps` tells otherwise.

    Raises:
        ValueError: `ndim` is less than the dimensions of `x` or the length of `reps`.
    """
    variable = as_tensor_variable(x)
    counts = sizes_of(reps, "reps", ndim)
    rank = max(len(counts), variable.ndim) if ndim is None else ndim
    if rank < max(len(counts), variable.ndim):
        raise ValueError(f"tile: ndim={ndim} is less than the {max(len(counts), variable.ndim)} dimensions that it has")
    value = shapes.pad_to(variable, rank).value_
    counts = [*[1] * (rank - len(counts)), *counts]
    if any(isinstance(c, int) and c < 0 for c in counts):
        raise ValueError(f"tile: negative repetitions in {tuple(counts)}")
    return _spread(value, [None if isinstance(c, int) and c == 1 else c for c in counts], inside=False)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> TensorVariable:
    """Each element of `axis` (of the flattened `x`) several times, as `numpy.repeat`.

    Args:
        repeats: how often: a number for all, or a vector with one for each element. The length of the result is the
            sum of a vector, which compiled code must find from constants, shapes and arguments.
    """
    variable = as_tensor_variable(x)
    if axis is None:
        variable, axis = shapes.flatten(variable), 0
    axis = one_axis(axis, variable, "repeat")
    times = as_tensor_variable(repeats)
    if not is_integer(times.value_.dtype):
        raise TypeError(f"repeat: repeats must be integers, but {label(times)} is {times.type}")
    if times.ndim > 1:
        raise ValueError(f"repeat: repeats must be a number or a vector, but {label(times)} is {times.type}")
    known = constant_of(times.value_)
    if known is not None and (known < 0).any():
        raise ValueError(f"repeat: repeats must not be negative, got {known.tolist()}")
    if times.ndim == 0 or times.broadcastable[0]:
        count = scalar_int(times if times.ndim == 0 else times[0], "repeats")
        return _spread(variable.value_, [count if a == axis else None for a in range(variable.ndim)], inside=True)
    ends = cumsum(ew.cast(times, "int64"))
    total = reduction.sum(times) if known is None else int(known.sum())
    places = searchsorted(ends, arange(total), side="right")
    return variable[(*(slice(None),) * axis, places)]


def roll(x: Any, shift: Any, axis: int | None = None) -> TensorVariable:
    """The elements moved by `shift` along `axis` (in the flattened `x`); what leaves at the end comes in in front."""
    variable = as_tensor_variable(x)
    if axis is None:
        flat = roll(shapes.flatten(variable), shift, 0)
        return wrap(emit("reshape", flat.value_, shape=variable.value_.shape))
    by = scalar_int(shift, "shift")
    distance = const(by, "i64") if isinstance(by, int) else by
    return wrap(emit("roll", variable.value_, distance, axis=one_axis(axis, variable, "roll")))


def flip(x: Any, axis: Any = None) -> TensorVariable:
    """The elements along `axis` (all) in reverse order."""
    variable = as_tensor_variable(x)
    axes = reduction.axes_of(axis, variable, "flip")
    return variable[tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(variable.ndim))]


# ---------------------------------------------------------------- axes
def rollaxis(x: Any, axis: int, start: int = 0) -> TensorVariable:
    """`x` with `axis` moved before the axis `start`, as `numpy.rollaxis`."""
    variable = as_tensor_variable(x)
    moved = one_axis(axis, variable, "rollaxis")
    target = start + variable.ndim if start < 0 else start
    if not 0 <= target <= variable.ndim:
        raise ValueError(f"rollaxis: start={start} of {label(variable)} with {variable.ndim} dimensions")
    order = [a for a in range(variable.ndim) if a != moved]
    order.insert(target - (moved < target), moved)
    return shapes.dimshuffle(variable, *order)


def moveaxis(x: Any, source: Any, destination: Any) -> TensorVariable:
    """`x` with the axes `source` moved to `destination`, as `numpy.moveaxis`."""
    variable = as_tensor_variable(x)
    given, wanted = ([int(a) for a in np.atleast_1d(axes)] for axes in (source, destination))
    if len(given) != len(wanted):
        raise ValueError(f"moveaxis: {len(given)} axes are to go to {len(wanted)} places")
    first = [one_axis(a, variable, "moveaxis") for a in given]
    last = [one_axis(a, variable, "moveaxis") for a in wanted]
    if len(set(first)) < len(first) or len(set(last)) < len(last):
        raise ValueError(f"moveaxis: an axis is given twice in {tuple(given)} or {tuple(wanted)}")
    order = [a for a in range(variable.ndim) if a not in first]
    for target, moved in sorted(zip(last, first, strict=True)):
        order.insert(target, moved)
    return shapes.dimshuffle(variable, *order)


def atleast_nd(x: Any, n: int = 1, left: bool = True) -> TensorVariable:
    """`x` with dimensions 1 added, in front or at the end, until it has `n`."""
    variable = as_tensor_variable(x)
    missing = max(n - variable.ndim, 0)
    return shapes.shape_padleft(variable, missing) if left else shapes.shape_padright(variable, missing)


def atleast_1d(x: Any) -> TensorVariable:
    """`x`, of a scalar a vector."""
    return atleast_nd(x, 1)


def atleast_2d(x: Any) -> TensorVariable:
    """`x`, of a vector a matrix with one row."""
    return atleast_nd(x, 2)


def atleast_3d(x: Any) -> TensorVariable:
    """`x` with three dimensions at least, as `numpy.atleast_3d`: a vector lies along the second one."""
    variable = as_tensor_variable(x)
    if variable.ndim == 1:
        return shapes.dimshuffle(variable, "x", 0, "x")
    return atleast_nd(atleast_2d(variable), 3, left=False)


def _stacked(arrays: tuple[Any, ...], axis: int, what: str) -> TensorVariable:
    variables = [as_tensor_variable(a) for a in arrays]
    if len(variables) < 2:
        raise ValueError(f"{what} takes two or more matrices")
    for v in variables:
        if v.ndim != 2:
            raise ValueError(f"{what} takes matrices, but {label(v)} is {v.type}")
    return joining.concatenate(variables, axis)


def horizontal_stack(*args: Any) -> TensorVariable:
    """Matrices beside each other."""
    return _stacked(args, 1, "horizontal_stack")


def vertical_stack(*args: Any) -> TensorVariable:
    """Matrices below each other."""
    return _stacked(args, 0, "vertical_stack")


# ---------------------------------------------------------------- permutations
def _own_row(x: TensorVariable) -> tuple[Any, ...]:
    """For each axis but the last, its positions, as index arrays of the whole."""
    return tuple(
        shapes.dimshuffle(arange(x.shape[a]), *(0 if i == a else "x" for i in range(x.ndim))) for a in range(x.ndim - 1)
    )


def inverse_permutation(perm: Any) -> TensorVariable:
    """The permutation that undoes `perm`, a vector; of a matrix that of each row."""
    p = as_tensor_variable(perm)
    if p.ndim not in (1, 2) or not is_integer(p.value_.dtype):
        raise TypeError(f"inverse_permutation takes a vector or matrix of integers, but {label(p)} is {p.type}")
    empty = ew.cast(p, p.dtype) * 0
    return set_subtensor(empty[(*_own_row(p), p)], ew.cast(arange(p.shape[-1]), p.dtype))


def permute_row_elements(x: Any, y: Any, inverse: Any = 0) -> TensorVariable:
    """The elements along the last axis of `x` in the order of `y`: x[..., y[...]], row by row; or back, if `inverse`.

    `x` and `y` broadcast but for their last axes.
    """
    variable, order = as_tensor_variable(x), as_tensor_variable(y)
    if not isinstance(inverse, (int, np.integer)):
        raise TypeError("permute_row_elements: inverse must be known, not symbolic")
    if not is_integer(order.value_.dtype):
        raise TypeError(f"permute_row_elements: an order must be integers, but {label(order)} is {order.type}")
    if inverse:
        order = inverse_permutation(order)
    rank = max(variable.ndim, order.ndim)
    variable, order = shapes.pad_to(variable, rank), shapes.pad_to(order, rank)
    rows: list[Any] = []
    for a, own in enumerate(_own_row(order)):
        here, there = variable.value_.shape[a], order.value_.shape[a]
        if here == 1:
            rows.append(0)
        else:
            rows.append(own if there != 1 else _own_row(variable)[a])
    return variable[(*rows, order)]

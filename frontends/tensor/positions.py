"""Choosing elements by integers, and integers that say where elements are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import joining, reduction, shapes
from arignote.frontends.tensor.asserting import Assert
from arignote.frontends.tensor.convert import as_tensor_variable, label, scalar_int
from arignote.frontends.tensor.creation import arange, zeros
from arignote.frontends.tensor.diagonals import above
from arignote.frontends.tensor.graph import Variable, cast_value, constant_of, wrap
from arignote.frontends.tensor.indexing import inc_subtensor
from arignote.frontends.tensor.reduction import one_axis
from arignote.frontends.tensor.shapes import Sizes, as_variable, dim_of, sizes_of
from arignote.ir.types import broadcast_shapes, is_integer, promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "bincount",
    "choose",
    "compress",
    "fill_diagonal",
    "fill_diagonal_offset",
    "ravel_multi_index",
    "take",
    "to_one_hot",
    "unravel_index",
]

_MODES = ("raise", "wrap", "clip")


def _integers(x: Any, what: str) -> TensorVariable:
    variable = as_tensor_variable(x)
    if not is_integer(variable.value_.dtype):
        raise TypeError(f"{what} must be integers, but {label(variable)} is {variable.type}")
    return variable


def _within(index: TensorVariable, size: Any, mode: str, what: str, negative: bool = False) -> TensorVariable:
    """`index` brought to 0 .. size-1 as `mode` says; "raise" asserts that it is, or, if `negative`, that it is -size or
    more."""
    if mode not in _MODES:
        raise ValueError(f"{what}: mode {mode!r} is not one of {', '.join(map(repr, _MODES))}")
    wide = ew.cast(index, "int64")
    if mode == "clip":
        return ew.minimum(ew.maximum(wide, 0), ew.sub(size, 1))
    if mode == "wrap":
        return ew.mod(wide, size)
    low = ew.neg(as_tensor_variable(size)) if negative else 0
    inside = ew.and_(ew.ge(wide, low), ew.lt(wide, size))
    return Assert(f"{what}: an index is out of bounds")(wide, inside)


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> TensorVariable:
    """The elements of `a` at `indices` along `axis` (None: of the flattened tensor).

    Args:
        mode: what becomes of indices that are out of bounds: "raise": an IndexError at the call; "wrap": they count
            on from the other end; "clip": they stand for the nearest.
    """
    variable = as_tensor_variable(a)
    index = as_tensor_variable(np.asarray(indices) if isinstance(indices, (list, tuple)) and not any(
        isinstance(i, Variable) for i in indices) else indices)  # fmt: skip
    if axis is None:
        variable, axis = shapes.flatten(variable), 0
    axis = one_axis(axis, variable, "take")
    if mode != "raise":
        index = _within(_integers(index, "indices of take"), as_variable(dim_of(variable.value_, axis)), mode, "take")
    return variable[(*(slice(None),) * axis, index)]


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> TensorVariable:
    """Element by element choices[a], where `a` and each of the choices broadcast, as `numpy.choose`.

    Args:
        a: integers.
        choices: a list of tensors, or a tensor whose first axis counts them.
        mode: what becomes of numbers that stand for no choice: "raise": an AssertionError at the call; "wrap" and
            "clip" as for `take`.
    """
    if out is not None:
        raise ValueError("choose: out is not supported: variables are not written to")
    which = _integers(a, "choose: the numbers of choices")
    if isinstance(choices, (list, tuple)):
        options = [as_tensor_variable(c) for c in choices]
        if not options:
            raise ValueError("choose needs a choice")
        which = _within(which, len(options), mode, "choose")
        found = options[-1]
        for number in reversed(range(len(options) - 1)):
            found = ew.switch(ew.eq(which, number), options[number], found)
        return found
    table = as_tensor_variable(choices)
    if table.ndim == 0:
        raise ValueError(f"choose takes a list or a tensor of choices, but {label(table)} is a scalar")
    value = table.value_
    which = _within(which, as_variable(dim_of(value, 0)), mode, "choose")
    shape = broadcast_shapes([which.value_.shape, value.shape[1:]])
    index = [which]
    for axis in range(1, table.ndim):
        place = len(shape) - table.ndim + axis
        one = isinstance(d := value.shape[axis], int) and d == 1
        own = as_tensor_variable(0) if one else arange(as_variable(dim_of(value, axis)))
        index.append(own if one else shapes.dimshuffle(own, *(0 if i == place else "x" for i in range(len(shape)))))
    return table[tuple(index)]


def compress(condition: Any, x: Any, axis: int | None = None) -> TensorVariable:
    """The elements of `axis` (None: of the flattened `x`) for which `condition`, a vector, is not 0.

    Raises:
        TypeError: `condition` is symbolic: how many elements there are would be known only at the call.
    """
    chosen = as_tensor_variable(condition)
    array = constant_of(chosen.value_)
    if array is None:
        raise TypeError(
            f"compress: the condition {label(chosen)} is symbolic, so the size of the result is not known; give a "
            "constant, or use T.switch"
        )
    if array.ndim != 1:
        raise ValueError(f"compress takes a vector of conditions, not {chosen.type}")
    return take(x, np.flatnonzero(array), axis)


# ---------------------------------------------------------------- diagonals
def fill_diagonal(a: Any, val: Any) -> TensorVariable:
    """`a` with the scalar `val` on its main diagonal; of more than two dimensions all must be equal."""
    x = as_tensor_variable(a)
    if x.ndim < 2:
        raise TypeError(f"fill_diagonal takes two dimensions or more, but {label(x)} is {x.type}")
    if x.ndim == 2:
        return fill_diagonal_offset(x, val, 0)
    if len({d for d in x.value_.shape if isinstance(d, int)}) > 1:
        raise ValueError(f"fill_diagonal: the dimensions of {label(x)} differ: {x.value_.shape}")
    number = _same_dtype(x, val, "fill_diagonal")
    shape = [as_variable(dim_of(x.value_, a)) for a in range(x.ndim)]
    equal = [ew.eq(n, shape[0]) for n in shape[1:] if n is not shape[0]]
    x = Assert("fill_diagonal: the dimensions differ")(x, *equal)
    own = [shapes.dimshuffle(arange(n), *(0 if i == a else "x" for i in range(x.ndim))) for a, n in enumerate(shape)]
    hit = ew.eq(own[0], own[1])
    for other in own[2:]:
        hit = ew.and_(hit, ew.eq(own[0], other))
    return ew.switch(hit, number, x)


def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> TensorVariable:
    """The matrix `a` with the scalar `val` on its diagonal `offset`, which may be symbolic."""
    x = as_tensor_variable(a)
    if x.ndim != 2:
        raise TypeError(f"fill_diagonal_offset takes a matrix, but {label(x)} is {x.type}")
    rows, columns = above(Sizes([dim_of(x.value_, 0), dim_of(x.value_, 1)]), offset)
    return ew.switch(ew.eq(rows, columns), _same_dtype(x, val, "fill_diagonal_offset"), x)


def _same_dtype(x: TensorVariable, val: Any, what: str) -> TensorVariable:
    number = as_tensor_variable(val)
    if number.ndim:
        raise TypeError(f"{what}: the value must be a scalar, but {label(number)} is {number.type}")
    if promote(x.value_.dtype, number.value_.dtype) != x.value_.dtype:
        raise TypeError(f"{what}: a value of {number.dtype} does not fit into {label(x)}, which is {x.type}")
    return wrap(cast_value(number.value_, x.value_.dtype))


# ---------------------------------------------------------------- positions
def _row_major(dims: Sequence[Any], order: str, what: str) -> list[Any]:
    if order not in ("C", "F"):
        raise ValueError(f"{what}: order {order!r} is neither 'C' nor 'F'")
    return list(dims) if order == "C" else list(dims)[::-1]


def _dims(dims: Any, ndim: int | None, what: str) -> list[TensorVariable]:
    found = sizes_of(dims, "dims", ndim)
    if not found:
        raise ValueError(f"{what}: dims must not be empty")
    return [as_variable(d) for d in found]


def unravel_index(indices: Any, dims: Any, order: str = "C", ndim: int | None = None) -> tuple[TensorVariable, ...]:
    """The places in a tensor of shape `dims` of elements at `indices` of the flattened tensor: an int64 tensor for each
    axis.

    Args:
        order: "C": the last axis changes fastest; "F": the first.
        ndim: the number of axes, where `dims` is a vector of unknown length.

    A call with an index that the tensor has not raises AssertionError.
    """
    rest = _integers(indices, "unravel_index: indices")
    sizes = _row_major(_dims(dims, ndim, "unravel_index"), order, "unravel_index")
    rest = _within(rest, ew.mul(*sizes), "raise", "unravel_index")
    out = []
    for size in reversed(sizes[1:]):
        out.append(ew.mod(rest, size))
        rest = ew.int_div(rest, size)
    return tuple(_row_major([rest, *out[::-1]], order, "unravel_index"))


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> TensorVariable:
    """The indices (int64) into the flattened tensor of shape `dims` of the places `multi_index`, one tensor per axis.

    Args:
        mode: what becomes of places out of bounds: "raise" (an AssertionError at the call), "wrap" or "clip"; or one
            for each axis.
        order: "C": the last axis changes fastest; "F": the first.
    """
    places = [_integers(i, "ravel_multi_index: indices") for i in multi_index]
    sizes = _dims(dims, len(places), "ravel_multi_index")
    if len(sizes) != len(places):
        raise ValueError(f"ravel_multi_index: {len(places)} indices for {len(sizes)} dimensions")
    modes = [mode] * len(places) if isinstance(mode, str) else list(mode)
    if len(modes) != len(places):
        raise ValueError(f"ravel_multi_index: {len(modes)} modes for {len(places)} dimensions")
    inside = [_within(p, n, m, "ravel_multi_index") for p, n, m in zip(places, sizes, modes, strict=True)]
    total, *others = _row_major(inside, order, "ravel_multi_index")
    for place, size in zip(others, _row_major(sizes, order, "ravel_multi_index")[1:], strict=True):
        total = ew.add(ew.mul(total, size), place)
    return as_tensor_variable(total)


# ---------------------------------------------------------------- counting
def bincount(x: Any, weights: Any = None, minlength: Any = None, assert_nonneg: bool = False) -> TensorVariable:
    """How often each of 0, 1, 2, ... occurs in the vector `x`, or the sum of its `weights`, as `numpy.bincount`.

    Args:
        minlength: the least length of the result. It is max(x) + 1 otherwise, which compiled code must find from
            constants, shapes and arguments.
        assert_nonneg: check at the call that no element is negative. If one is, an IndexError says so anyway, or it
            counts from the end.
    """
    numbers = _integers(x, "bincount: what is counted")
    if numbers.ndim != 1:
        raise TypeError(f"bincount takes a vector, but {label(numbers)} is {numbers.type}")
    if assert_nonneg:
        numbers = Assert("bincount: a number is negative")(numbers, ew.ge(numbers, 0))
    known = constant_of(numbers.value_)
    if known is not None:
        if known.size and known.min() < 0:
            raise ValueError(f"bincount: {int(known.min())} is negative")
        length: Any = int(known.max()) + 1 if known.size else 0
    else:
        length = ew.add(reduction.max(joining.concatenate([ew.cast(numbers, "int64"), [-1]])), 1)
    if minlength is not None:
        least = scalar_int(minlength, "minlength")
        plain = isinstance(least, int) and isinstance(length, int)
        length = max(length, least) if plain else ew.maximum(length, as_variable(least))
    values = as_tensor_variable(1 if weights is None else weights)
    dtype = "int64" if weights is None else values.dtype
    return inc_subtensor(zeros((length,), dtype)[numbers], ew.cast(values, dtype))


def to_one_hot(y: Any, nb_class: Any, dtype: Any = None) -> TensorVariable:
    """A matrix with a row for each element of the integer vector `y`: 1 in the column of that number, else 0.

    Args:
        nb_class: the number of columns, which may be symbolic. An element that is no column leaves a row of zeros.
        dtype: `floatX` by default.
    """
    numbers = _integers(y, "to_one_hot: classes")
    if numbers.ndim != 1:
        raise TypeError(f"to_one_hot takes a vector, but {label(numbers)} is {numbers.type}")
    columns = shapes.dimshuffle(arange(as_variable(scalar_int(nb_class, "nb_class"))), "x", 0)
    hit = ew.eq(ew.cast(shapes.dimshuffle(numbers, 0, "x"), "int64"), columns)
    return ew.cast(hit, "floatX" if dtype is None else dtype)



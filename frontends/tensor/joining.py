"""Putting tensors together: concatenate, stack, and cutting them apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable, label, scalar_int, unify
from arignote.frontends.tensor.graph import const, emit, wrap
from arignote.frontends.tensor.shapes import shape_padaxis
from arignote.ir.types import is_integer

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def _axis(axis: Any, ndim: int, what: str) -> int:
    number = scalar_int(axis, "axis")
    if not isinstance(number, int):
        raise TypeError(f"{what}: axis must be known, not symbolic")
    if not -ndim <= number < ndim:
        raise IndexError(f"{what}: axis {number} of tensors with {ndim} dimensions")
    return number + ndim if number < 0 else number


def concatenate(tensor_list: Sequence[Any], axis: Any = 0) -> TensorVariable:
    """The tensors one after the other along `axis`."""
    if not isinstance(tensor_list, (list, tuple)):
        raise TypeError(
            "concatenate takes a list or tuple of tensors; for the slices of one tensor use reshape"
        )
    variables = [as_tensor_variable(t) for t in tensor_list]
    if not variables:
        raise ValueError("concatenate needs at least one tensor")
    ranks = {v.ndim for v in variables}
    if ranks == {0}:
        raise TypeError("concatenate cannot join scalars; use stack")
    if len(ranks) > 1:
        kinds = ", ".join(f"{label(v)} has {v.ndim}" for v in variables)
        raise TypeError(f"concatenate: the tensors differ in their number of dimensions: {kinds}")
    where = _axis(axis, variables[0].ndim, "concatenate")
    if len(variables) == 1:
        return variables[0]
    values = unify(*(v.value_ for v in variables))
    return wrap(emit("concatenate", *values, axis=where))


def join(axis: Any, *tensors: Any) -> TensorVariable:
    """`concatenate` with the axis first."""
    return concatenate(list(tensors), axis)


def stack(*tensors: Any, axis: Any = 0) -> TensorVariable:
    """The tensors along a new dimension, at `axis`; takes a list, or the tensors themselves."""
    if tensors and isinstance(tensors[0], (list, tuple)):
        if len(tensors) > 2:
            raise TypeError("stack takes a list of tensors and an axis")
        axis = tensors[1] if len(tensors) == 2 else axis
        tensors = tuple(tensors[0])
    if not tensors:
        raise ValueError("stack needs at least one tensor")
    variables = [as_tensor_variable(t) for t in tensors]
    if len({v.ndim for v in variables}) > 1:
        kinds = ", ".join(f"{label(v)} has {v.ndim}" for v in variables)
        raise TypeError(f"stack: the tensors differ in their number of dimensions: {kinds}")
    where = _axis(axis, variables[0].ndim + 1, "stack")
    values = unify(*(v.value_ for v in variables))
    rows = [shape_padaxis(wrap(v), where) for v in values]
    return concatenate(rows, where) if len(rows) > 1 else rows[0]


def stacklists(arg: Any) -> TensorVariable:
    """Nested lists of tensors as one tensor, with a dimension per level."""
    if isinstance(arg, (list, tuple)):
        return stack([stacklists(a) for a in arg])
    return as_tensor_variable(arg)


def split(x: Any, splits_size: Any, n_splits: int, axis: int = 0) -> list[TensorVariable]:
    """`x` cut along `axis` into `n_splits` parts of the given sizes."""
    from arignote.frontends.tensor.elementwise import add

    variable = as_tensor_variable(x)
    where = _axis(axis, variable.ndim, "split")
    sizes: Any = splits_size
    if not isinstance(sizes, (list, tuple)):
        vector = as_tensor_variable(splits_size)
        if vector.ndim != 1 or not is_integer(vector.value_.dtype):
            raise TypeError(f"split: sizes must be an integer vector, not {vector.type}")
        sizes = [vector[i] for i in range(n_splits)]
    if len(sizes) != n_splits:
        raise ValueError(f"split: {len(sizes)} sizes for {n_splits} parts")
    parts = []
    start: Any = 0
    before = (slice(None),) * where
    for size in sizes:
        plain = isinstance(start, int) and isinstance(size, int)
        stop = start + size if plain else add(start, size)
        parts.append(variable[(*before, slice(start, stop))])
        start = stop
    return parts


def stack_sizes(sizes: Sequence[Any]) -> Any:
    """The value of an int64 vector with the given elements: numbers and scalars."""
    if all(isinstance(s, int) for s in sizes):
        return const(list(sizes), "i64")
    parts = [
        const([s], "i64") if isinstance(s, int) else emit("reshape", s, shape=(1,)) for s in sizes
    ]
    return parts[0] if len(parts) == 1 else emit("concatenate", *parts, axis=0)

"""Shapes: reading them, and changing them.

`x.shape` is a vector of integers, but its elements are known as dimensions: `T.zeros((x.shape[0],
5))` is recorded with the very dimension of `x`. A size that is not a polynomial of dimensions
(`T.arange(n)`) gets a fresh symbol that the op binds to a scalar operand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor.convert import as_tensor_variable, label, scalar_int, value_of
from arignote.frontends.tensor.graph import (
    Symbol,
    Variable,
    cast_value,
    const,
    constant_of,
    emit,
    make_shape,
    wrap,
)
from arignote.ir.core import Value
from arignote.ir.types import Dim, DimLike, div_dim, is_integer, prod_dims

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

_ARITHMETIC = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}


def as_dim(value: Value, depth: int = 16) -> DimLike | None:
    """The dimension that an integer scalar computes, if it is a polynomial of dimensions."""
    array = constant_of(value)
    if array is not None:
        return int(array) if array.ndim == 0 else None
    op = value.owner
    if op is None or depth == 0:
        return None
    if op.name == "dim":
        size: DimLike = op.operands[0].shape[op.attrs["axis"]]
        return size
    if op.name == "cast" and is_integer(op.operands[0].dtype) and value.dtype == "i64":
        return as_dim(op.operands[0], depth - 1)
    if op.name in _ARITHMETIC and value.dtype == "i64" and value.ndim == 0:
        a, b = (as_dim(v, depth - 1) for v in op.operands)
        return None if a is None or b is None else _ARITHMETIC[op.name](a, b)
    return None


def dim_of(x: Value, axis: int) -> int | Value:
    """The size of an axis: a number where it is known, else a scalar."""
    size = x.shape[axis]
    return size if isinstance(size, int) else emit("dim", x, axis=axis)


class Sizes:
    """A shape given by the user, for the attributes of an op: dimensions, and bound operands."""

    def __init__(self, sizes: Iterable[int | Value]) -> None:
        self.shape: tuple[DimLike, ...] = ()
        self.bound: tuple[int, ...] = ()
        self.operands: list[Value] = []
        for axis, size in enumerate(sizes):
            dim = size if isinstance(size, int) else as_dim(size)
            if dim is None:
                assert isinstance(size, Value)
                dim = Dim.symbol(Symbol.fresh(size))
                self.bound += (axis,)
                self.operands.append(size)
            elif isinstance(dim, int) and dim < 0:
                raise ValueError(f"a dimension cannot be negative: {dim}")
            self.shape += (dim,)

    def attrs(self) -> dict[str, Any]:
        """`shape`, and `bound` where something is."""
        return {"shape": self.shape} | ({"bound": self.bound} if self.bound else {})


def sizes_of(shape: Any, what: str = "shape") -> list[int | Value]:
    """The elements of a shape: of an int, a scalar, a sequence of them, or a symbolic vector."""
    if isinstance(shape, (int, np.integer)):
        return [int(shape)]
    if isinstance(shape, np.ndarray):
        if not is_integer_array(shape) or shape.ndim > 1:
            raise TypeError(f"{what} must be integers, not {shape!r}")
        return [int(s) for s in np.atleast_1d(shape)]
    if isinstance(shape, Variable):
        if shape.sizes is not None:
            return list(shape.sizes)
        if shape.ndim == 0:
            return [scalar_int(shape, what)]
        return vector_elements(shape, what)
    if not isinstance(shape, Iterable):
        raise TypeError(f"{what} must be integers or a symbolic integer vector, not {shape!r}")
    return [scalar_int(s, f"each element of {what}") for s in shape]


def is_integer_array(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array holds integers (an empty one may hold anything)."""
    return array.dtype.kind in "iu" or array.size == 0


def vector_elements(vector: Variable, what: str) -> list[int | Value]:
    """The elements of a symbolic vector of known length, those of `concatenate` seen through."""
    value = vector.value_
    if value.ndim != 1 or not is_integer(value.dtype):
        raise TypeError(f"{what} must be an integer vector, not {label(vector)}")
    array = constant_of(value)
    if array is not None:
        return [int(a) for a in array]
    op = value.owner
    if op is not None and op.name == "concatenate":
        return [e for v in op.operands for e in vector_elements(wrap(v), what)]
    if op is not None and op.name == "cast" and value.dtype == "i64":
        return vector_elements(wrap(op.operands[0]), what)
    if op is not None and op.name == "reshape" and value.shape == (1,) and not op.operands[0].ndim:
        return [scalar_int(wrap(op.operands[0]), what)]
    size = value.shape[0]
    if not isinstance(size, int):
        raise ValueError(
            f"the length of {what} ({label(vector)}) is not known, so neither is the number of "
            "dimensions; give a tuple of scalars"
        )
    wide = cast_value(value, "i64")
    return [
        emit("reshape", emit("slice", wide, start=(i,), size=(1,), step=(1,)), shape=())
        for i in range(size)
    ]


def as_variable(size: int | Value) -> TensorVariable:
    """A size as an int64 scalar."""
    return wrap(const(size, "i64") if isinstance(size, int) else size)


def shape(x: Any) -> TensorVariable:
    """The shape of `x`: an int64 vector whose elements are known as dimensions."""
    variable = as_tensor_variable(x)
    value = variable.value_
    return make_shape([dim_of(value, a) for a in range(value.ndim)])


def shape_padleft(x: Any, n_ones: int = 1) -> TensorVariable:
    """`x` with `n_ones` new broadcastable dimensions in front."""
    variable = as_tensor_variable(x)
    return dimshuffle(variable, *("x",) * n_ones, *range(variable.ndim))


def shape_padright(x: Any, n_ones: int = 1) -> TensorVariable:
    """`x` with `n_ones` new broadcastable dimensions at the end."""
    variable = as_tensor_variable(x)
    return dimshuffle(variable, *range(variable.ndim), *("x",) * n_ones)


def shape_padaxis(x: Any, axis: int) -> TensorVariable:
    """`x` with a new broadcastable dimension at `axis`."""
    variable = as_tensor_variable(x)
    axis = axis + variable.ndim + 1 if axis < 0 else axis
    order: list[Any] = list(range(variable.ndim))
    return dimshuffle(variable, *order[:axis], "x", *order[axis:])


def pad_to(x: TensorVariable, ndim: int) -> TensorVariable:
    """`x` with dimensions 1 in front, up to `ndim`."""
    if x.ndim > ndim:
        raise ValueError(f"ndim={ndim}, but {label(x)} has {x.ndim} dimensions")
    return shape_padleft(x, ndim - x.ndim)


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> TensorVariable:
    """`x` with its elements, in C order, in another shape; one size may be -1.

    Args:
        newshape: ints, symbolic scalars, or a symbolic vector.
        ndim: the number of dimensions, where `newshape` is a vector of unknown length.
    """
    value = value_of(x)
    if ndim is not None and isinstance(newshape, Variable) and newshape.ndim == 1:
        sizes: list[int | Value] = first_elements(newshape, ndim)
    else:
        sizes = sizes_of(newshape, "newshape")
    if ndim is not None and len(sizes) != ndim:
        raise ValueError(f"reshape: ndim={ndim}, but newshape has {len(sizes)} elements")
    return wrap(reshape_value(value, sizes))


def first_elements(vector: Variable, count: int) -> list[int | Value]:
    """The elements of a symbolic vector that has `count` of them."""
    value = vector.value_
    if vector.sizes is not None or isinstance(value.shape[0], int):
        return sizes_of(vector)
    wide = cast_value(value, "i64")
    return [
        emit("reshape", emit("slice", wide, start=(i,), size=(1,), step=(1,)), shape=())
        for i in range(count)
    ]


def reshape_value(value: Value, sizes: Sequence[int | Value]) -> Value:
    """reshape, of an IR value."""
    free = [i for i, s in enumerate(sizes) if isinstance(s, int) and s == -1]
    if len(free) > 1:
        raise ValueError(f"reshape: only one size can be -1, got {len(free)} in {tuple(sizes)}")
    if any(isinstance(s, int) and s < -1 for s in sizes):
        raise ValueError(f"reshape: sizes must be -1 or more, got {tuple(sizes)}")
    items = list(sizes)
    if free:
        items[free[0]] = _remaining(value, [s for s in sizes if s is not sizes[free[0]]])
    target = Sizes(items)
    if target.shape == value.shape and not target.bound:
        return value
    return emit("reshape", value, *target.operands, **target.attrs())


def _remaining(value: Value, others: Sequence[int | Value]) -> int | Value:
    """The size that -1 stands for."""
    dims = [s if isinstance(s, int) else as_dim(s) for s in others]
    total: DimLike = prod_dims(value.shape)
    if all(d is not None for d in dims):
        known: DimLike = prod_dims([d for d in dims if d is not None])
        if isinstance(known, int) and known == 0:
            return 0
        exact = div_dim(total, known)
        if isinstance(exact, int):
            return exact
        if isinstance(total, int) and isinstance(known, int):
            raise ValueError(f"reshape: {total} elements do not divide into {known}")
        if exact is not None:
            return dim_value(exact)
    size = dim_value(total)
    rest: Value = const(1, "i64")
    for s in others:
        rest = emit("mul", rest, const(s, "i64") if isinstance(s, int) else s)
    return emit("floordiv", size, rest)


def dim_value(dim: DimLike) -> Value:
    """An int64 scalar that computes a dimension from the values that its symbols come from."""
    if isinstance(dim, int):
        return const(dim, "i64")
    total: Value | None = None
    for monomial, coefficient in dim.terms:
        term: Value | None = None if coefficient == 1 and monomial else const(coefficient, "i64")
        for symbol, power in monomial:
            for _ in range(power):
                factor = symbol_value(symbol)
                term = factor if term is None else emit("mul", term, factor)
        assert term is not None
        total = term if total is None else emit("add", total, term)
    assert total is not None
    return total


def symbol_value(symbol: str) -> Value:
    """The scalar that a recorded symbol stands for."""
    assert isinstance(symbol, Symbol), symbol
    origin = symbol.origin
    return origin if isinstance(origin, Value) else emit("dim", origin.value, axis=origin.axis)


def flatten(x: Any, ndim: int | None = None, outdim: int | None = None) -> TensorVariable:
    """`x` with its last dimensions merged, so that `ndim` (1) are left. `outdim` is the old name."""
    value = value_of(x)
    count = ndim if ndim is not None else 1 if outdim is None else outdim
    if not 1 <= count <= max(value.ndim, 1):
        raise ValueError(f"flatten: ndim={count} of a tensor with {value.ndim} dimensions")
    if value.ndim == count:
        return wrap(value)
    shape = (*value.shape[: count - 1], prod_dims(value.shape[count - 1 :]))
    return wrap(emit("reshape", value, shape=shape))


def dimshuffle(x: Any, *pattern: Any) -> TensorVariable:
    """Permute dimensions, insert broadcastable ones (`"x"`), and drop broadcastable ones.

    `dimshuffle(m, 1, 0)` transposes, `dimshuffle(v, "x", 0)` makes a row.
    """
    variable = as_tensor_variable(x)
    if len(pattern) == 1 and isinstance(pattern[0], (list, tuple)):
        pattern = tuple(pattern[0])
    value = variable.value_
    order: list[int] = []
    for p in pattern:
        if isinstance(p, str) and p == "x":
            continue
        if isinstance(p, (bool, str)) or not isinstance(p, (int, np.integer)):
            raise TypeError(f"dimshuffle takes dimensions and 'x', not {p!r}")
        axis = int(p) + value.ndim if p < 0 else int(p)
        if not 0 <= axis < value.ndim:
            raise ValueError(f"dimshuffle: {label(variable)} has no dimension {p}: {variable.type}")
        if axis in order:
            raise ValueError(f"dimshuffle: dimension {p} is given twice in {pattern}")
        order.append(axis)
    dropped = [a for a in range(value.ndim) if a not in order]
    for axis in dropped:
        if not variable.broadcastable[axis]:
            raise ValueError(
                f"dimshuffle: cannot drop dimension {axis} of {label(variable)}, which is not "
                f"known to be 1: {variable.type}"
            )
    perm = (*order, *dropped)
    if perm != tuple(range(value.ndim)):
        value = emit("transpose", value, perm=perm)
    kept = iter(value.shape[: len(order)])
    target = tuple(1 if isinstance(p, str) else next(kept) for p in pattern)
    if target != value.shape:
        value = emit("reshape", value, shape=target)
    return wrap(value)


def transpose(x: Any, axes: Sequence[int] | None = None) -> TensorVariable:
    """The dimensions in reverse, or in the order of `axes`."""
    variable = as_tensor_variable(x)
    if axes is None:
        axes = range(variable.ndim)[::-1]
    if len(axes) != variable.ndim:
        raise ValueError(f"transpose: {len(axes)} axes for {variable.ndim} dimensions")
    return dimshuffle(variable, *axes)


def swapaxes(x: Any, axis1: int, axis2: int) -> TensorVariable:
    """`x` with two dimensions exchanged."""
    variable = as_tensor_variable(x)
    order = list(range(variable.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return dimshuffle(variable, *order)


def squeeze(x: Any) -> TensorVariable:
    """`x` without its broadcastable dimensions."""
    variable = as_tensor_variable(x)
    return dimshuffle(variable, *(a for a, b in enumerate(variable.broadcastable) if not b))


def addbroadcast(x: Any, *axes: int) -> TensorVariable:
    """`x` with dimensions declared to be 1, which is checked at the call."""
    value = value_of(x)
    shape = tuple(1 if a in _positive(axes, value.ndim) else d for a, d in enumerate(value.shape))
    return wrap(value if shape == value.shape else emit("reshape", value, shape=shape))


def unbroadcast(x: Any, *axes: int) -> TensorVariable:
    """`x` with the given dimensions no longer broadcastable. Kept for old programs.

    Types here say what a dimension is, not what it may do, so a dimension 1 stays 1: shared
    variables take updates whose dimensions are 1 as they are.
    """
    value = value_of(x)
    _positive(axes, value.ndim)
    return wrap(value)


def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> TensorVariable:
    """`addbroadcast` of the dimensions for which `broadcastable` is true."""
    return addbroadcast(x, *(a for a, b in enumerate(broadcastable) if b))


def _positive(axes: Iterable[int], ndim: int) -> list[int]:
    out = [a + ndim if a < 0 else a for a in axes]
    if any(not 0 <= a < ndim for a in out):
        raise ValueError(f"axes {tuple(axes)} of a tensor with {ndim} dimensions")
    return out

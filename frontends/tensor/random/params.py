"""Sizes and parameters of draws: what they may be, and how they broadcast."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.graph import Variable, constant_of, emit, ir_dtype, wrap
from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.shapes import Sizes, sizes_of
from arignote.ir.diag import Diagnostic
from arignote.ir.types import DTYPES, DimLike, broadcast_shapes, is_float, is_integer, promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def refuse(message: str) -> ValueError:
    """The error of a parameter that cannot be, with the user's line."""
    return ValueError(str(Diagnostic(message, loc=user_loc())))


def known(x: Any) -> np.ndarray[Any, Any] | None:
    """The values of a parameter, where they are known now."""
    return constant_of(as_tensor_variable(x).value_)


def check(name: str, x: Any, rule: str, holds: Any) -> TensorVariable:
    """A parameter as a variable.

    Raises:
        ValueError: it is known, and `holds` is not true of all of it (as it is not of NaN).
    """
    variable = as_tensor_variable(x)
    values = known(variable)
    if values is not None and not bool(np.all(holds(values))):
        bad = values[~np.asarray(holds(values))].flat[0]
        raise refuse(f"{name} must be {rule}, not {bad}")
    return variable


def positive(name: str, x: Any) -> TensorVariable:
    """A parameter above 0."""
    return check(name, x, "positive", lambda v: v > 0)


def not_negative(name: str, x: Any) -> TensorVariable:
    """A parameter of 0 or more."""
    return check(name, x, "0 or more", lambda v: v >= 0)


def probability(name: str, x: Any) -> TensorVariable:
    """A parameter in [0, 1]."""
    return check(name, x, "within 0 and 1", lambda v: (v >= 0) & (v <= 1))


def distribution(name: str, x: Any) -> TensorVariable:
    """Probabilities along the last axis.

    Raises:
        ValueError: they are known, and negative, or do not sum to 1 (to float32's precision).
    """
    variable = not_negative(name, x)
    if not variable.ndim:
        raise refuse(f"{name} must have a dimension of probabilities, not {label(variable)}")
    values = known(variable)
    if values is not None:
        totals = values.sum(axis=-1, dtype=np.float64)
        wrong = np.abs(totals - 1) > 1e-5
        if np.any(wrong):
            raise refuse(f"{name} must sum to 1, not to {totals[wrong].flat[0]:.7g}")
    return variable


def float_dtype(name: str, dtype: Any, *params: Any) -> str:
    """The dtype (IR name) of a draw of floats: as asked for, or that of the parameters, `floatX` at least.

    Raises:
        TypeError: another kind of dtype is asked for.
    """
    if dtype is None:
        return promote(ir_dtype(config.floatX), *(as_tensor_variable(p).value_.dtype for p in params))
    out = ir_dtype(dtype)
    if not is_float(out):
        raise TypeError(f"{name} draws floating-point numbers, but dtype={DTYPES[out]}")
    return out


def draw_sizes(size: Any, ndim: int | None, *params: Any) -> Sizes:
    """The shape of a draw: `size`, or that to which the parameters broadcast.

    Args:
        size: None, an integer, a sequence of integers and integer scalars, or an integer vector.
        ndim: the number of dimensions, for a vector of unknown length; otherwise it is checked.

    Raises:
        ValueError: `ndim` and `size` do not agree, or no size is given and parameters do not broadcast.
    """
    if size is None:
        sizes = of_shape(broadcast_shapes(as_tensor_variable(p).value_.shape for p in params))
    elif ndim is not None and isinstance(size, Variable) and size.ndim == 1:
        sizes = Sizes(sizes_of(size, "size", ndim))
    else:
        sizes = Sizes(sizes_of(size, "size"))
    if ndim is not None and ndim != len(sizes.shape):
        raise refuse(f"ndim={ndim}, but the size has {len(sizes.shape)} dimensions")
    return sizes


def of_shape(shape: Iterable[DimLike]) -> Sizes:
    """The sizes of what has that shape."""
    sizes = Sizes([])
    sizes.shape = tuple(shape)
    return sizes


def joined(*parts: Sizes) -> Sizes:
    """The dimensions of several, one after the other."""
    out = Sizes([])
    for part in parts:
        out.bound += tuple(axis + len(out.shape) for axis in part.bound)
        out.operands += part.operands
        out.shape += part.shape
    return out


def fitted(x: Any, sizes: Sizes) -> TensorVariable:
    """A parameter in the shape of a draw, unless it is a scalar.

    Raises:
        ValueError: it does not broadcast to that shape.
    """
    variable = as_tensor_variable(x)
    value = variable.value_
    if not value.ndim or value.shape == sizes.shape:
        return variable
    if value.ndim > len(sizes.shape):
        raise refuse(f"{label(variable)} has {value.ndim} dimensions, but the size has {len(sizes.shape)}")
    return wrap(emit("broadcast", value, *sizes.operands, **sizes.attrs()))


def integers(name: str, x: Any) -> TensorVariable:
    """A parameter of integers.

    Raises:
        TypeError: it has another dtype.
    """
    variable = as_tensor_variable(x)
    if not is_integer(variable.value_.dtype):
        raise TypeError(f"{name} must be integers, but {label(variable)} is {variable.type}")
    return variable


def integer_dtype(name: str, dtype: Any) -> str:
    """The dtype (IR name) of whole numbers: an integer or floating-point dtype, or bool.

    Raises:
        TypeError: another kind.
    """
    out = ir_dtype(dtype)
    if not (is_integer(out) or is_float(out) or out == "bool"):
        raise TypeError(f"{name} draws whole numbers, but dtype={DTYPES[out]}")
    return out

"""Where elements are not zero, and what is chosen by masks: sizes that depend on values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable, label, to_bool
from arignote.frontends.tensor.graph import cast_value, emit, emit_all, wrap
from arignote.frontends.tensor.shapes import Sizes, dim_of
from arignote.ir.core import Value

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["flatnonzero", "nonzero", "nonzero_values"]


def places_of_true(mask: Value) -> tuple[Value, ...]:
    """For each axis of a bool tensor an i64 vector: where it is true."""
    count = emit("sum", cast_value(mask, "i64"), axes=tuple(range(mask.ndim)))
    sizes = Sizes([count])
    return emit_all("nonzero", mask, *sizes.operands, **sizes.attrs())


def mask_index(mask: TensorVariable, dims: Sequence[int | Value]) -> tuple[Value, ...]:
    """The index arrays that stand for a bool tensor among indices; `dims` are the sizes of the axes that it indexes.

    Raises:
        IndexError: its shape is known not to be that of the axes; otherwise the call checks it.
    """
    value = mask.value_
    for axis, want in enumerate(dims):
        have = dim_of(value, axis)
        if isinstance(have, int) and isinstance(want, int):
            if have != want:
                raise IndexError(
                    f"the mask {label(mask)} has {have} elements along its axis {axis}, where {want} are indexed"
                )
            continue
        a, b = (emit("const", value=d) if isinstance(d, int) else d for d in (have, want))
        fits = emit("eq", a, b)
        value = emit("assert", value, fits, message=f"the mask {label(mask)} has another shape than what it indexes")
    return places_of_true(value)


def _variable(a: Any, what: str) -> TensorVariable:
    x = as_tensor_variable(a)
    if not x.ndim:
        raise ValueError(f"{what} takes a tensor with axes, but {label(x)} is a scalar")
    return x


def nonzero(a: Any, return_matrix: bool = False) -> Any:
    """The places of the elements that are not zero, in C order.

    Args:
        a: a tensor with one axis at least.
        return_matrix: return one int64 matrix with a row for each axis, instead of a tuple of vectors.

    Raises:
        ValueError: `a` is a scalar.
    """
    x = _variable(a, "nonzero")
    found = tuple(wrap(v) for v in places_of_true(to_bool(x.value_)))
    if return_matrix:
        rows = [emit("reshape", v.value_, shape=(1, v.value_.shape[0])) for v in found]
        return wrap(rows[0] if len(rows) == 1 else emit("concatenate", *rows, axis=0))
    return found


def flatnonzero(a: Any) -> TensorVariable:
    """The places of the elements of the flattened `a` that are not zero: an int64 vector."""
    x = as_tensor_variable(a)
    out: TensorVariable = nonzero(x.flatten())[0]
    return out


def nonzero_values(a: Any) -> TensorVariable:
    """The elements of `a` that are not zero: a vector."""
    x = _variable(a, "nonzero_values")
    out: TensorVariable = x.flatten()[flatnonzero(x)]
    return out

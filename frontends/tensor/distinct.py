"""The different values of a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.creation import ones_like, zeros_like
from arignote.frontends.tensor.cumulative import cumsum, diff
from arignote.frontends.tensor.indexing import set_subtensor
from arignote.frontends.tensor.joining import concatenate
from arignote.frontends.tensor.masks import flatnonzero
from arignote.frontends.tensor.sorting import argsort
from arignote.ir.types import is_float

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["Unique", "unique"]


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: None = None
) -> Any:
    """The different elements of the flattened `ar`, in ascending order, NaN once and last, as NumPy gives them.

    Args:
        return_index: also return where each of them occurs first.
        return_inverse: also return, for each element of the flattened `ar`, which of them it is.
        return_counts: also return how often each of them occurs.
        axis: None; different rows are not supported.

    Returns:
        A vector; or a list of it and the int64 vectors that were asked for.

    Raises:
        NotImplementedError: `axis` is given.
    """
    if axis is not None:
        raise NotImplementedError(f"unique along an axis is not supported (axis={axis!r}); it takes all elements")
    x: TensorVariable = as_tensor_variable(ar).flatten()
    order = argsort(x)
    ordered = x[order]
    left, right = ordered[:-1], ordered[1:]
    differs = ew.neq(right, left)
    if is_float(x.value_.dtype):
        differs = ew.and_(differs, ew.invert(ew.and_(ew.isnan(right), ew.isnan(left))))
    first = concatenate([ones_like(ordered[:1], dtype="bool"), differs])
    places = flatnonzero(first)
    out = [ordered[places]]
    if return_index:
        out.append(order[places])
    if return_inverse:
        ranks = ew.sub(cumsum(ew.cast(first, "int64")), 1)
        out.append(set_subtensor(zeros_like(order)[order], ranks))
    if return_counts:
        out.append(diff(concatenate([places, x.shape[:1]])))
    return out if len(out) > 1 else out[0]


class Unique:
    """Theano's op by this name: `Unique(return_index, return_inverse, return_counts)(x)`."""

    def __init__(
        self, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: None = None
    ) -> None:
        self.options: dict[str, Any] = {
            "return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts,
            "axis": axis,
        }  # fmt: skip

    def __call__(self, x: Any) -> Any:
        """The different elements of `x`."""
        return unique(x, **self.options)

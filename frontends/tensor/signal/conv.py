"""Convolution of images without channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.nnet import abstract_conv

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["conv2d"]


def conv2d(
    input: Any, filters: Any, image_shape: Any = None, filter_shape: Any = None, border_mode: str = "valid",
    subsample: Any = (1, 1), **options: Any,
) -> TensorVariable:  # fmt: skip
    """The convolution of each image with each filter.

    Args:
        input: an image [rows, columns], or several [N, rows, columns].
        filters: a filter [rows, columns], or several [K, rows, columns].
        image_shape, filter_shape: their shapes, as far as they are known.
        border_mode: `valid` or `full`.

    Returns:
        [N, K, rows, columns], without N or K where there is one image or filter, given as a matrix.
    """
    x, w = as_tensor_variable(input), as_tensor_variable(filters)
    for v, what in ((x, "input"), (w, "filters")):
        if v.ndim not in (2, 3):
            raise TypeError(f"signal.conv.conv2d: {what} must have 2 or 3 dimensions, but {label(v)} is {v.type}")
    if border_mode not in ("valid", "full"):
        raise ValueError(f"signal.conv.conv2d: border_mode {border_mode!r} is neither 'valid' nor 'full'")

    def channelled(v: TensorVariable) -> TensorVariable:
        return v.dimshuffle("x", "x", 0, 1) if v.ndim == 2 else v.dimshuffle(0, "x", 1, 2)

    def shape(given: Any, v: TensorVariable) -> Any:
        return None if given is None else (1, 1, *given) if v.ndim == 2 else (given[0], 1, *given[1:])

    y = abstract_conv.conv2d(
        channelled(x), channelled(w), shape(image_shape, x), shape(filter_shape, w), border_mode, subsample
    )
    kept = [axis for axis, v in enumerate((x, w)) if v.ndim == 3]
    return y.dimshuffle(*kept, 2, 3)

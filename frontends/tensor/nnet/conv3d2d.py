"""Theano's convolution of videos whose time comes before the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.nnet import abstract_conv

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["conv3d"]


def conv3d(
    signals: Any, filters: Any, signals_shape: Any = None, filters_shape: Any = None, border_mode: Any = "valid"
) -> TensorVariable:
    """The convolution [N, time, K, rows, columns] of videos [N, time, C, rows, columns] with filters [K, time, C, rows,
    columns]; `border_mode` is `valid`, `full` or `half`, or one of these for each axis."""
    video, kernel = as_tensor_variable(signals), as_tensor_variable(filters)
    x, w = (v.dimshuffle(0, 2, 1, 3, 4) for v in (video, kernel))

    def swapped(shape: Any) -> Any:
        return None if shape is None else [shape[i] for i in (0, 2, 1, 3, 4)]

    y = abstract_conv.conv3d(x, w, swapped(signals_shape), swapped(filters_shape), border_mode)
    return y.dimshuffle(0, 2, 1, 3, 4)

"""Theano's first convolution of volumes, whose axes are in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.nnet import abstract_conv

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["conv3D"]


def conv3D(V: Any, W: Any, b: Any, d: Any) -> TensorVariable:
    """The correlation [N, rows, columns, time, K] of videos V [N, rows, columns, time, C] with filters W [K, rows,
    columns, time, C], which are not turned around, plus the bias b [K]; `d` are the three strides."""
    video, filters, bias = map(as_tensor_variable, (V, W, b))
    x, w = (v.dimshuffle(0, 4, 1, 2, 3) for v in (video, filters))
    y = abstract_conv.conv3d(x, w, subsample=tuple(d), filter_flip=False)
    return y.dimshuffle(0, 2, 3, 4, 1) + bias

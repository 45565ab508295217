"""Images made larger by linear interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import joining
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import arange
from arignote.frontends.tensor.loc import composite
from arignote.frontends.tensor.nnet.geometry import Geometry

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["bilinear_kernel_1D", "bilinear_kernel_2D", "bilinear_upsampling"]


def bilinear_kernel_1D(ratio: int, normalize: bool = True) -> TensorVariable:
    """The vector 1, 2, ..., ratio, ..., 2, 1, divided by `ratio` if normalised, whose transposed convolution
    interpolates linearly."""
    half = ew.cast(arange(1, ratio + 1), "floatX")
    kernel = joining.concatenate([half, half[-2::-1]])
    return kernel / ew.cast(ratio, "floatX") if normalize else kernel


def bilinear_kernel_2D(ratio: int, normalize: bool = True) -> TensorVariable:
    """The outer product of `bilinear_kernel_1D` with itself."""
    kernel = bilinear_kernel_1D(ratio, normalize)
    return kernel.dimshuffle(0, "x") * kernel.dimshuffle("x", 0)


@composite
def bilinear_upsampling(
    input: Any, ratio: int | None = None, frac_ratio: Any = None, batch_size: Any = None,
    num_input_channels: Any = None, use_1D_kernel: bool = True,
) -> TensorVariable:  # fmt: skip
    """Images [N, C, rows, columns] `ratio` times as large along both axes, by linear interpolation; edges are
    continued.

    J. Long, E. Shelhamer and T. Darrell, *Fully convolutional networks for semantic segmentation* (2015), section 3.3.
    """
    if frac_ratio is not None:
        raise NotImplementedError("bilinear_upsampling: frac_ratio (a ratio that is no integer) is not supported")
    if not isinstance(ratio, (int, np.integer)) or ratio < 1:
        raise ValueError(f"bilinear_upsampling: ratio must be an integer of at least 1, not {ratio!r}")
    x = as_tensor_variable(input)
    if x.ndim != 4:
        raise TypeError(f"bilinear_upsampling takes a 4-dimensional tensor, but {label(x)} is {x.type}")
    rows, columns = x.shape[2], x.shape[3]
    flat = x.reshape((-1, 1, rows, columns))
    flat = joining.concatenate([flat[:, :, :1], flat, flat[:, :, -1:]], axis=2)
    flat = joining.concatenate([flat[:, :, :, :1], flat, flat[:, :, :, -1:]], axis=3)
    pad = 2 * ratio - (ratio - 1) // 2 - 1
    kernel = ew.cast(bilinear_kernel_1D(ratio), flat.dtype)

    def interpolate(y: Any, filters: Any, shape: Any, border: Any, subsample: Any) -> TensorVariable:
        geometry = Geometry("bilinear_upsampling", 2, border, subsample, True, (1, 1), 1, False)
        return geometry.inputs(y, filters, (None, 1, *shape), None)

    if use_1D_kernel:
        column = kernel.dimshuffle("x", "x", 0, "x")
        flat = interpolate(flat, column, (rows * ratio, columns + 2), (pad, 0), (ratio, 1))
        row = kernel.dimshuffle("x", "x", "x", 0)
        flat = interpolate(flat, row, (rows * ratio, columns * ratio), (0, pad), (1, ratio))
    else:
        both = (kernel.dimshuffle(0, "x") * kernel.dimshuffle("x", 0)).dimshuffle("x", "x", 0, 1)
        flat = interpolate(flat, both, (rows * ratio, columns * ratio), (pad, pad), (ratio, ratio))
    return flat.reshape((x.shape[0], x.shape[1], rows * ratio, columns * ratio))

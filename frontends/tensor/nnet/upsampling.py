"""Images made larger by linear interpolation."""

from __future__ import annotations

import math
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

    Args:
        frac_ratio: in place of `ratio`: (numerator, denominator) for both axes, or one such pair for each. Of images
            that are `numerator` times as large every row, and column, at a multiple of the denominator remains.
        batch_size, num_input_channels: accepted, and not needed.
        use_1D_kernel: interpolate along one axis after the other.

    J. Long, E. Shelhamer and T. Darrell, *Fully convolutional networks for semantic segmentation* (2015), section 3.3.

    Raises:
        ValueError: both ratios or none; numbers that are no integers of at least 1.
        TypeError: `input` has another rank.
    """
    x = as_tensor_variable(input)
    if x.ndim != 4:
        raise TypeError(f"bilinear_upsampling takes a 4-dimensional tensor, but {label(x)} is {x.type}")
    if (ratio is None) == (frac_ratio is None):
        raise ValueError("bilinear_upsampling: give one of ratio and frac_ratio")
    if frac_ratio is None:
        if not isinstance(ratio, (int, np.integer)) or ratio < 1:
            raise ValueError(f"bilinear_upsampling: ratio must be an integer of at least 1, not {ratio!r}")
        ratio = int(ratio)
        return _upsampled(x, (ratio, ratio), use_1D_kernel)
    (up, down), (across, back) = _fractions(frac_ratio)
    return _upsampled(x, (up, across), use_1D_kernel)[:, :, ::down, ::back]


def _fractions(given: Any) -> list[tuple[int, int]]:
    """(numerator, denominator) of the rows and of the columns, without common factors."""
    pairs = list(given) if isinstance(given, (tuple, list)) else []
    if not any(isinstance(p, (tuple, list)) for p in pairs):
        pairs = [pairs, pairs]
    whole = [tuple(p) if isinstance(p, (tuple, list)) else () for p in pairs]
    if len(whole) != 2 or not all(len(p) == 2 and all(isinstance(n, int) and n >= 1 for n in p) for p in whole):
        raise ValueError(
            "bilinear_upsampling: frac_ratio must be (numerator, denominator), or two of these, of integers of at "
            f"least 1, not {given!r}"
        )
    return [(p // math.gcd(p, q), q // math.gcd(p, q)) for p, q in whole]


def _upsampled(x: TensorVariable, ratios: tuple[int, int], use_1D_kernel: bool) -> TensorVariable:
    """Images as many times as large along each axis."""
    rows, columns = x.shape[2], x.shape[3]
    flat = x.reshape((-1, 1, rows, columns))
    flat = joining.concatenate([flat[:, :, :1], flat, flat[:, :, -1:]], axis=2)
    flat = joining.concatenate([flat[:, :, :, :1], flat, flat[:, :, :, -1:]], axis=3)
    (up, across), (tall, wide) = ratios, (rows * ratios[0], columns * ratios[1])
    top, left = (2 * r - (r - 1) // 2 - 1 for r in ratios)
    down, right = (ew.cast(bilinear_kernel_1D(r), flat.dtype) for r in ratios)

    def interpolate(y: Any, filters: Any, shape: Any, border: Any, subsample: Any) -> TensorVariable:
        geometry = Geometry("bilinear_upsampling", 2, border, subsample, True, (1, 1), 1, False)
        return geometry.inputs(y, filters, (None, 1, *shape), None)

    if use_1D_kernel:
        flat = interpolate(flat, down.dimshuffle("x", "x", 0, "x"), (tall, columns + 2), (top, 0), (up, 1))
        flat = interpolate(flat, right.dimshuffle("x", "x", "x", 0), (tall, wide), (0, left), (1, across))
    else:
        both = (down.dimshuffle(0, "x") * right.dimshuffle("x", 0)).dimshuffle("x", "x", 0, 1)
        flat = interpolate(flat, both, (tall, wide), (top, left), ratios)
    return flat.reshape((x.shape[0], x.shape[1], tall, wide))

"""Sampling of images at any points, with gradients: spatial transformers.

M. Jaderberg et al., "Spatial transformer networks", 2015. Everything is made of elementwise operations and of
rows taken by number, so both gradients are derived like any others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import arange, ones_like
from arignote.frontends.tensor.joining import stack
from arignote.frontends.tensor.linear import batched_dot
from arignote.frontends.tensor.loc import composite
from arignote.ir.types import is_float

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["affine_grid", "bilinear_sampling", "spatial_transformer"]

BORDERS = ("nearest", "zeros")


@composite
def affine_grid(theta: Any, height: Any, width: Any, align_corners: bool = True) -> TensorVariable:
    """The points that a transformed image of `height` x `width` shows.

    Args:
        theta: matrices [n, 2, 3], or their elements [n, 6]: a point (x, y) of the result shows theta @ (x, y, 1).
        height, width: of the result, integers or scalars.
        align_corners: coordinates run from -1 to 1 between the centres of the outermost pixels (as in cuDNN and
            Lasagne), or, where False, between the outer edges of these.

    Returns:
        (x, y) as a tensor [n, 2, height, width], x to the right and y downwards, for `bilinear_sampling`.

    Raises:
        TypeError: `theta` has other dimensions, or is no float.
    """
    matrices = as_tensor_variable(theta)
    if matrices.ndim not in (2, 3) or not is_float(matrices.value_.dtype):
        raise TypeError(f"affine_grid takes floats [n, 2, 3] or [n, 6], not {label(matrices)}: {matrices.type}")
    matrices = matrices.reshape((-1, 2, 3))
    n, dtype = matrices.shape[0], matrices.dtype
    h, w = as_tensor_variable(height), as_tensor_variable(width)
    y, x = (_line(size, dtype, align_corners) for size in (h, w))
    zero = np.zeros((), dtype)
    columns = (x.dimshuffle("x", 0) + zero * y.dimshuffle(0, "x")).flatten()
    rows = (zero * x.dimshuffle("x", 0) + y.dimshuffle(0, "x")).flatten()
    points = stack([columns, rows, ones_like(rows)])
    every = points.dimshuffle("x", 0, 1) + np.zeros((), dtype) * matrices[:, 0, 0].dimshuffle(0, "x", "x")
    return batched_dot(matrices, every).reshape((n, 2, h, w))


def _line(size: Any, dtype: str, align_corners: bool) -> TensorVariable:
    """`size` coordinates of pixels; a single pixel lies in the middle."""
    one = np.ones((), dtype)
    count = ew.cast(size, dtype)
    number = ew.cast(arange(size), dtype)
    if align_corners:
        return (2 * number - (count - one)) / ew.maximum(count - one, one)
    return (2 * number + one) / count - one


@composite
def bilinear_sampling(
    img: Any, grid: Any, border_mode: str = "nearest", align_corners: bool = True
) -> TensorVariable:
    """Images at the points of a grid, interpolated between the four pixels around each.

    Args:
        img: floats [n, c, h, w].
        grid: floats [n, 2, H, W] of (x, y), as `affine_grid` gives.
        border_mode: outside of an image its outermost pixels go on ("nearest"), or there is nothing ("zeros").
        align_corners: what -1 and 1 mean, as in `affine_grid`.

    Returns:
        A tensor [n, c, H, W]. Both arguments have gradients; that of the grid is the slope between pixels, and 0
        where "nearest" continues the border.

    Raises:
        TypeError: arguments of other dimensions or dtypes.
        ValueError: another border mode.
    """
    image, points = as_tensor_variable(img), as_tensor_variable(grid)
    for what, v in (("images", image), ("grids", points)):
        if v.ndim != 4 or not is_float(v.value_.dtype):
            raise TypeError(f"bilinear_sampling takes {what} as floats of 4 dimensions, not {label(v)}: {v.type}")
    if border_mode not in BORDERS:
        raise ValueError(f"bilinear_sampling: border_mode is one of {', '.join(BORDERS)}, not {border_mode!r}")
    n, channels, h, w = (image.shape[i] for i in range(4))
    size = points.shape[2], points.shape[3]
    dtype = points.dtype
    x, y = (_pixels(points[:, i], extent, align_corners) for i, extent in ((0, w), (1, h)))
    if border_mode == "nearest":
        x, y = (ew.clip(v, np.zeros((), dtype), ew.cast(extent - 1, dtype)) for v, extent in ((x, w), (y, h)))
    left, top = ew.floor(x), ew.floor(y)
    u, v = x - left, y - top
    # Channels last: the four pixels of a point are rows, each taken by one number.
    pixels = image.dimshuffle(0, 2, 3, 1).reshape((n * h * w, channels))
    first = (arange(n) * (h * w)).dimshuffle(0, "x", "x")

    def corner(row: Any, column: Any, weight: Any) -> Any:
        i, j = (
            ew.clip(ew.cast(k, "int64"), np.int64(0), ew.cast(extent - 1, "int64")) for k, extent in
            ((row, h), (column, w))
        )  # fmt: skip
        if border_mode == "zeros":
            inside = ew.and_(ew.and_(ew.ge(row, 0), ew.lt(row, ew.cast(h, dtype))),
                             ew.and_(ew.ge(column, 0), ew.lt(column, ew.cast(w, dtype))))  # fmt: skip
            weight = ew.switch(inside, weight, np.zeros((), dtype))
        taken = pixels[(first + i * w + j).flatten()]
        return taken * weight.flatten().dimshuffle(0, "x")

    sampled = (
        corner(top, left, (1 - v) * (1 - u))
        + corner(top, left + 1, (1 - v) * u)
        + corner(top + 1, left, v * (1 - u))
        + corner(top + 1, left + 1, v * u)
    )
    result: TensorVariable = sampled.reshape((n, *size, channels)).dimshuffle(0, 3, 1, 2)
    return result


def _pixels(coordinate: Any, extent: Any, align_corners: bool) -> Any:
    """Numbers of pixels, with fractions, from coordinates in -1 .. 1."""
    half = np.asarray(0.5, coordinate.dtype)
    count = ew.cast(extent, coordinate.dtype)
    if align_corners:
        return (coordinate + 1) * half * (count - 1)
    return ((coordinate + 1) * count - 1) * half


@composite
def spatial_transformer(
    img: Any, theta: Any, scale_width: float = 1, scale_height: float = 1, border_mode: str = "nearest"
) -> TensorVariable:
    """Images seen through affine transformations.

    Args:
        img: floats [n, c, h, w].
        theta: matrices [n, 2, 3] or [n, 6], see `affine_grid`; [[1, 0, 0], [0, 1, 0]] is the whole image.
        scale_width, scale_height: the size of the result as a share of the image's, rounded down.
        border_mode: see `bilinear_sampling`.

    Returns:
        A tensor [n, c, int(h * scale_height), int(w * scale_width)].
    """
    image = as_tensor_variable(img)
    if image.ndim != 4:
        raise TypeError(f"spatial_transformer takes images [n, c, h, w], not {label(image)}: {image.type}")
    if scale_width <= 0 or scale_height <= 0:
        raise ValueError(f"spatial_transformer: scales are above 0, not {scale_width}, {scale_height}")
    height, width = (
        _scaled(image.value_.type.shape[axis], image.shape[axis], scale)
        for axis, scale in ((2, scale_height), (3, scale_width))
    )
    return bilinear_sampling(image, affine_grid(theta, height, width), border_mode)


def _scaled(known: Any, size: Any, scale: float) -> Any:
    # A hair more: 28 * (1 / 7) is 4, though floats say a little less.
    if isinstance(known, int):
        return int(known * scale + 1e-9)
    return ew.cast(ew.floor(ew.cast(size, "float64") * scale + 1e-9), "int64")

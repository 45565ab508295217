"""Patches of images as rows of a matrix, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.asserting import Assert
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import arange, zeros
from arignote.frontends.tensor.indexing import set_subtensor
from arignote.frontends.tensor.loc import composite
from arignote.frontends.tensor.shapes import sizes_of

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["images2neibs", "neibs2images"]

MODES = ("valid", "ignore_borders", "wrap_centered", "half", "full")


def _pair(value: Any, what: str) -> tuple[int, int]:
    numbers = sizes_of(value, what, 2)
    if len(numbers) != 2 or not all(isinstance(v, int) and v >= 1 for v in numbers):
        raise ValueError(f"{what} must be two integers of at least 1, not {value!r}")
    return numbers[0], numbers[1]  # type: ignore[return-value]


@composite
def images2neibs(ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid") -> TensorVariable:
    """Each patch of `neib_shape` of images [N, C, rows, columns] as a row.

    Args:
        neib_step: from patch to patch; None: as large as these.
        mode: `valid`: patches cover the images, which is checked; `ignore_borders`: what does not fill a patch is left
            out; `wrap_centered`: a patch around each place (odd sizes), images being continued periodically; `half`,
            `full`: as `valid`, with zeros around: half a patch, or all of it but one.

    Returns:
        A matrix [N * C * patches, elements of a patch]; rows in the order of images, channels, places.
    """
    x = as_tensor_variable(ten4)
    if x.ndim != 4:
        raise TypeError(f"images2neibs takes a 4-dimensional tensor, but {label(x)} is {x.type}")
    if mode not in MODES:
        raise ValueError(f"images2neibs: mode {mode!r} is none of {', '.join(MODES)}")
    window = _pair(neib_shape, "images2neibs: neib_shape")
    step = window if neib_step is None else _pair(neib_step, "images2neibs: neib_step")
    if mode == "wrap_centered" and not all(n % 2 for n in window):
        raise TypeError(f"images2neibs: mode wrap_centered takes patches of odd sizes, not {window}")
    if mode in ("half", "full"):
        pads = [n // 2 if mode == "half" else n - 1 for n in window]
        x = _padded(x, pads)
    indices = [_places(x, axis, n, by, mode) for axis, n, by in zip((2, 3), window, step, strict=True)]
    rows, columns = indices[0].dimshuffle(0, "x", 1, "x"), indices[1].dimshuffle("x", 0, "x", 1)
    patches = x[:, :, rows, columns]
    return patches.reshape((-1, window[0] * window[1]))


def _padded(x: TensorVariable, pads: list[int]) -> TensorVariable:
    """Zeros around the last two axes."""
    n, c, rows, columns = (x.shape[a] for a in range(4))
    out = zeros((n, c, rows + 2 * pads[0], columns + 2 * pads[1]), dtype=x.dtype)
    return set_subtensor(out[:, :, pads[0] : pads[0] + rows, pads[1] : pads[1] + columns], x)


def _places(x: TensorVariable, axis: int, window: int, step: int, mode: str) -> TensorVariable:
    """The indices [patch, place in it] along an axis."""
    size = x.shape[axis]
    if mode == "wrap_centered":
        count = (size + step - 1) // step
        first = arange(count) * step - window // 2
        return ew.mod(first.dimshuffle(0, "x") + np.arange(window), size)
    if mode != "ignore_borders":
        known = x.value_.shape[axis]
        message = f"images2neibs: mode {mode}: (size - {window}) of axis {axis} is no multiple of {step}"
        if isinstance(known, int):
            if known < window or (known - window) % step:
                raise ValueError(f"{message}: the size is {known}")
        else:
            size = Assert(message)(size, ew.ge(size, window), ew.eq(ew.mod(size - window, step), 0))
    count = (size - window) // step + 1
    return (arange(count) * step).dimshuffle(0, "x") + np.arange(window)


@composite
def neibs2images(neibs: Any, neib_shape: Any, original_shape: Any, mode: str = "valid") -> TensorVariable:
    """Images of `original_shape` [N, C, rows, columns] from patches side by side, as `images2neibs` gives them; with
    `ignore_borders` what no patch covers is zero."""
    x = as_tensor_variable(neibs)
    if x.ndim != 2:
        raise TypeError(f"neibs2images takes a matrix, but {label(x)} is {x.type}")
    if mode not in ("valid", "ignore_borders"):
        raise ValueError(f"neibs2images: mode {mode!r} is neither 'valid' nor 'ignore_borders'")
    height, width = _pair(neib_shape, "neibs2images: neib_shape")
    shape = original_shape if hasattr(original_shape, "ndim") else list(original_shape)
    n, c, rows, columns = (shape[i] for i in range(4))
    down, across = rows // height, columns // width
    patches = x.reshape((n, c, down, across, height, width)).dimshuffle(0, 1, 2, 4, 3, 5)
    if mode == "valid":
        return patches.reshape((n, c, rows, columns))
    image = patches.reshape((n, c, down * height, across * width))
    out = zeros((n, c, rows, columns), dtype=x.dtype)
    return set_subtensor(out[:, :, : down * height, : across * width], image)

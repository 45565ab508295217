"""Affine transformations of images on the CPU: for augmentation and for generated data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def affine(images: Images, matrices: NDArray[Any], out: tuple[int, int], *, edge: bool = False) -> Images:
    """Sample images at transformed points, bilinearly.

    - `images`: float32[n, c, h, w];
    - `matrices`: floats [n, 2, 3]: image i's output point (x, y) shows its input at
      `matrices[i] @ (x, y, 1)`. Both are in pixels from the centre, x to the right, y downwards;
    - `out`: (height, width) of the results;
    - `edge`: continue the outermost pixels outside of the images, where otherwise is 0.

    Returns float32[n, c, *out].
    """
    n, channels, h, w = images.shape
    if matrices.shape != (n, 2, 3):
        raise ValueError(f"affine takes a matrix [2, 3] for each of {n} images, not {list(matrices.shape)}")
    rows, columns = np.mgrid[: out[0], : out[1]].reshape(2, -1) - (np.reshape(out, (2, 1)) - 1) / 2
    points = np.stack([columns, rows, np.ones_like(rows)])
    x, y = np.moveaxis(matrices @ points, 1, 0) + np.reshape([(w - 1) / 2, (h - 1) / 2], (2, 1, 1))
    left, top = np.floor(x), np.floor(y)
    u, v = (x - left).astype(np.float32), (y - top).astype(np.float32)
    image = np.arange(n)[:, None]
    sampled = np.zeros((n, out[0] * out[1], channels), np.float32)
    pixels = images.transpose(0, 2, 3, 1)  # the channels of a point are taken together
    for i, j, weight in (
        (top, left, (1 - v) * (1 - u)),
        (top, left + 1, (1 - v) * u),
        (top + 1, left, v * (1 - u)),
        (top + 1, left + 1, v * u),
    ):
        row, column = (np.clip(k, 0, size - 1).astype(np.intp) for k, size in ((i, h), (j, w)))
        if not edge:
            weight = np.where((i >= 0) & (i < h) & (j >= 0) & (j < w), weight, np.float32(0))
        sampled += weight[:, :, None] * pixels[image, row, column]
    return np.ascontiguousarray(sampled.transpose(0, 2, 1).reshape(n, channels, *out))

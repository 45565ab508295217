"""Pictures of images: filters, samples, crops, as PNG files. See `curves` for how they are drawn."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.models.training.curves import new_figure, write_figure

Array = NDArray[Any]

MOST = 100  # images in a picture, by default
LETTER = 0.085  # inches of the title
COLUMNS = 12  # of an image and its maps


def images_picture(
    images: Array,
    path: str | os.PathLike[str],
    *,
    title: str,
    each: bool = False,
    columns: int | None = None,
    names: Sequence[str] = (),
    most: int = MOST,
) -> Path:
    """Draw images side by side, the first `most` of them.

    - `images`: floats [n, h, w] or [n, c, h, w]; three channels are colours, and of any other number each
      is an image of its own;
    - `each`: scale every image by itself, as filters are looked at; otherwise 0 is black and 1 white;
    - `columns`: in a row; `names`: above the images.

    Returns the path written. Raises ValueError for other shapes, ImportError without matplotlib.
    """
    tiles = _tiles(images)[:most]
    if not len(tiles):
        raise ValueError("there are no images to draw")
    if each:
        low = tiles.min(axis=(1, 2, 3), keepdims=True)
        spread = tiles.max(axis=(1, 2, 3), keepdims=True) - low
        tiles = (tiles - low) / np.where(spread > 0, spread, 1)
    columns = min(len(tiles), columns or math.ceil(math.sqrt(len(tiles))))
    rows = math.ceil(len(tiles) / columns)
    figure = new_figure(max(LETTER * len(title), 0.9 * columns), 0.6 + (1.1 if names else 0.9) * rows)
    figure.suptitle(title, fontsize=10)
    places = np.reshape(figure.subplots(rows, columns), -1)
    for axes in places:
        axes.set_axis_off()
    for number, (axes, tile) in enumerate(zip(places, np.clip(tiles, 0, 1), strict=False)):
        axes.imshow(tile if tile.shape[-1] == 3 else tile[..., 0], cmap="gray", vmin=0, vmax=1)
        if number < len(names):
            axes.set_title(names[number], fontsize=8)
    return write_figure(figure, path)


def maps_picture(images: Array, maps: Sequence[Array], path: str | os.PathLike[str], *, title: str) -> Path:
    """Draw a row for each image and each of its sets of feature maps: the image, and the first maps of the set.

    - `images`: floats [n, c, h, w]; `maps`: of several layers, each [n, k, rows, columns], which are stretched to the
      size of the images.

    Returns the path written. Raises as `images_picture`.
    """
    n, channels, h, w = images.shape
    tiles = []
    for i in range(n):
        for one in maps:
            shown = one[i, : COLUMNS - 1]
            stretched = shown[:, np.arange(h) * shown.shape[1] // h][:, :, np.arange(w) * shown.shape[2] // w]
            rest = np.zeros((COLUMNS - 1 - len(shown), channels, h, w), images.dtype)
            tiles += [images[i : i + 1], np.repeat(stretched[:, None], channels, axis=1), rest]
    return images_picture(
        np.concatenate(tiles), path, title=title, each=True, columns=COLUMNS, most=COLUMNS * n * len(maps)
    )


def _tiles(images: Array) -> Array:
    """[n, h, w, 1 or 3], with the channels last."""
    if images.ndim not in (3, 4):
        raise ValueError(f"images are [n, h, w] or [n, c, h, w], not {list(images.shape)}")
    if images.ndim == 4 and images.shape[1] == 3:
        return np.moveaxis(images, 1, -1)
    return images.reshape(-1, *images.shape[-2:], 1)

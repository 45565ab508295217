"""Images for `arignote predict`: pictures and arrays in files, as rows of pixels."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.models.data import DataError

Images = NDArray[np.float32]

ARRAYS = (".npy",)
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".tif", ".tiff", ".webp")


def read_images(path: Path, shape: tuple[int, ...]) -> Images:
    """The images of a file as float32[n, pixels] in [0, 1], for `shape` (height, width) or (3, height, width).

    - `.npy`: one image or several, as rows or of that shape; floats in [0, 1] as they are, bytes
      divided by 256;
    - pictures: resized; made grey and, if dark strokes are on light ground, inverted, unless `shape`
      has colours.

    Raises `DataError` for files that cannot be read or hold something else.
    """
    if not path.is_file():
        raise DataError(path, expected="a file", found="none", remedy="Check the path.")
    if path.suffix.lower() in ARRAYS:
        return _from_array(path, shape)
    return _from_picture(path, shape)


def _from_array(path: Path, shape: tuple[int, ...]) -> Images:
    pixels = math.prod(shape)
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            path,
            expected="an array saved by numpy.save",
            found=f"damage or another format ({error})",
            remedy="Save the array again.",
        ) from error
    single = array.shape in ((pixels,), shape)
    many = array.ndim > 1 and array.shape[1:] in ((pixels,), shape)
    if not (single or many) or array.dtype.kind not in "biuf":
        raise DataError(
            path,
            expected=f"numbers of shape [{pixels}], [n, {pixels}], {list(shape)} or {['n', *shape]}".replace("'", ""),
            found=f"{array.dtype}{list(array.shape)}",
            remedy="Bring the images to the model's size.",
        )
    values = array.reshape(-1, pixels).astype(np.float32)
    if array.dtype == np.uint8:
        values /= 256
    if not np.isfinite(values).all() or values.min(initial=0) < 0 or values.max(initial=0) > 1:
        raise DataError(
            path,
            expected="values in [0, 1], or bytes",
            found=f"values from {values.min():g} to {values.max():g}",
            remedy="Scale the images.",
        )
    return values


def _from_picture(path: Path, shape: tuple[int, ...]) -> Images:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise DataError(
            path,
            expected="Pillow, which reads pictures",
            found=f"an import error ({error})",
            remedy="Install it with: pip install 'arignote[models]', or give an .npy file.",
        ) from error
    height, width = shape[-2:]
    colour = len(shape) == 3
    try:
        with Image.open(path) as picture:
            # Transparent parts are paper, not ink.
            flat = Image.new("RGBA", picture.size, "white")
            flat.alpha_composite(picture.convert("RGBA"))
            mode = "RGB" if colour else "L"
            resized = flat.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(
            path,
            expected="a picture (" + ", ".join(PICTURES) + ") or an array (.npy)",
            found=f"something else ({error})",
            remedy="Convert it to PNG.",
        ) from error
    values = (np.asarray(resized, dtype=np.float32) / 256).astype(np.float32)
    if colour:
        return np.ascontiguousarray(values.transpose(2, 0, 1)).reshape(1, -1)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if border.mean() > 0.5:
        values = (255 / 256 - values).astype(np.float32)
    return values.reshape(1, -1)

"""CamVid (G. Brostow, J. Fauqueur, R. Cipolla, 2009): street scenes with the class of every pixel.

The layout is that of the SegNet tutorial: `train.txt` and `test.txt` list pairs of pictures, relative to the folder, an
image and its labels (0 to 10, and 11 for void). Pictures of 360x480 are halved, and cut into four squares of 128x128 at
their corners. The last tenth of the training pictures validates.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arignote.models.data.dataset import Dataset, Pair
from arignote.models.data.errors import DataError
from arignote.models.data.files import AGAIN, read
from arignote.models.data.source import find_folder

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist", "void",
)  # fmt: skip
VOID = 11
SIDE = 128
VALID_FRACTION = 10  # one in ten training pictures


def load_camvid(data: str | os.PathLike[str] | None = None, *, label_dtype: DTypeLike = np.int32) -> Dataset:
    """CamVid: images float32[n, 49152] in [0, 1) of 3x128x128, labels [n, 16384], one for each pixel, void ones 11.

    Raises `DataError` when files are missing or damaged, or hold something else.
    """
    folder = find_folder("camvid", ("train.txt",), data)
    train, test = _listed(folder, "train.txt"), _listed(folder, "test.txt")
    n_valid = max(1, len(train) // VALID_FRACTION)
    return Dataset(
        name="camvid",
        train=_squares(train[:-n_valid]),
        valid=_squares(train[-n_valid:]),
        test=_squares(test),
        n_classes=len(CLASSES),
        image_shape=(3, SIDE, SIDE),
        source=str(folder),
        classes=CLASSES,
        void=VOID,
    ).with_labels(label_dtype)


def _listed(folder: Path, name: str) -> list[tuple[Path, Path]]:
    """The pairs of a list, at least two."""
    lines = [line.split() for line in read(folder / name).decode("utf-8", "replace").splitlines() if line.strip()]
    if len(lines) < 2 or any(len(line) != 2 for line in lines):
        raise DataError(
            folder / name, expected="lines of two names, an image and its labels", found=f"{lines[:1]}", remedy=AGAIN
        )
    return [(folder / image, folder / labels) for image, labels in lines]


def _squares(pairs: list[tuple[Path, Path]]) -> Pair:
    images, labels = [], []
    for image_file, label_file in pairs:
        image, label = _picture(image_file, "RGB"), _picture(label_file, None)
        if image.shape[:2] != label.shape or min(label.shape) < 2 * SIDE or label.max() > VOID:
            found = f"{list(image.shape)} and {list(label.shape)}, labels up to {label.max()}"
            expected = f"an image and labels of one size of at least {2 * SIDE}, labels up to {VOID}"
            raise DataError(label_file, expected=expected, found=found, remedy=AGAIN)
        h, w = (n // 2 for n in label.shape)
        half = image[: 2 * h, : 2 * w].reshape(h, 2, w, 2, 3).mean(axis=(1, 3), dtype=np.float32) / 256
        for i, j in ((0, 0), (0, w - SIDE), (h - SIDE, 0), (h - SIDE, w - SIDE)):
            images.append(half[i : i + SIDE, j : j + SIDE].transpose(2, 0, 1).reshape(-1))
            labels.append(label[::2, ::2][i : i + SIDE, j : j + SIDE].reshape(-1))
    return Pair(np.ascontiguousarray(np.stack(images), np.float32), np.stack(labels).astype(np.int64))


def _picture(path: Path, mode: str | None) -> NDArray[np.uint8]:
    """uint8[h, w, 3], or uint8[h, w] of labels as they are stored."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise DataError(
            path, expected="Pillow, which reads pictures", found=f"an import error ({error})",
            remedy="Install it with: pip install 'arignote[models]'.",
        ) from error  # fmt: skip
    try:
        with Image.open(path) as picture:
            array = np.asarray(picture if mode is None else picture.convert(mode))
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(path, expected="a picture", found=f"something else ({error})", remedy=AGAIN) from error
    if array.dtype != np.uint8 or array.ndim != (2 if mode is None else 3):
        raise DataError(path, expected="a byte for each pixel", found=f"{array.dtype}{list(array.shape)}", remedy=AGAIN)
    return array

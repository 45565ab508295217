"""CIFAR-10 (A. Krizhevsky, 2009): colour images of ten classes, in the layout of its Python version.

The files `data_batch_1` .. `data_batch_5` (or fewer: whatever `data_batch_*` there is) and
`test_batch`, each plain or gzipped, are pickled dictionaries: `data` holds uint8[n, 3072], a row
being the red, the green and the blue plane of 32x32, and `labels` n numbers. `batches.meta`, where
it exists, names the classes. The last tenth of the training images validates.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arignote.models.data import pickles
from arignote.models.data.dataset import Dataset, Pair
from arignote.models.data.errors import DataError
from arignote.models.data.files import AGAIN, existing, read
from arignote.models.data.source import find_folder

IMAGE_SHAPE = (3, 32, 32)
N_CLASSES = 10
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = ("test_batch", "test_batch.gz")
VALID_FRACTION = 10  # one in ten training images

_PIXELS = 3 * 32 * 32


def load_cifar10(data: str | os.PathLike[str] | None = None, *, label_dtype: DTypeLike = np.int32) -> Dataset:
    """CIFAR-10: images float32[n, 3072] in [0, 1) (bytes / 256), labels 0..9, in stored order.

    - `data`: the folder with the files, or its parent; see `source` for the default;
    - `label_dtype`: int32 (default) or int64.

    Raises `DataError` when files are missing or damaged, or hold something else.
    """
    folder = find_folder("cifar10", FILES, data)
    test = existing(folder, *FILES)
    batches = sorted(path for path in folder.glob("data_batch_*") if path.is_file())
    if not batches or test is None:
        raise DataError(
            folder,
            expected="data_batch_1 .. data_batch_5 (plain or .gz) beside test_batch",
            found="no data_batch_*",
            remedy="Add the missing files.",
        )
    images, labels = (np.concatenate(arrays) for arrays in zip(*map(_batch, batches), strict=True))
    n_valid = len(images) // VALID_FRACTION
    n_train = len(images) - n_valid
    return Dataset(
        name="cifar10",
        train=_pair(images[:n_train], labels[:n_train]),
        valid=_pair(images[n_train:], labels[n_train:]),
        test=_pair(*_batch(test)),
        n_classes=N_CLASSES,
        image_shape=IMAGE_SHAPE,
        source=str(folder),
        classes=_classes(folder),
    ).with_labels(label_dtype)


def _pair(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Pair:
    pixels = images.astype(np.float32)
    pixels /= 256
    return Pair(pixels, labels)


def _batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8[n, 3072] and labels int64[n] of one file."""
    value = _dictionary(path)
    images, labels = value.get("data"), value.get("labels")
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape[1:] == (_PIXELS,)):
        found = f"{images.dtype}{list(images.shape)}" if isinstance(images, np.ndarray) else f"{type(images).__name__}"
        raise DataError(path, expected=f"'data' of uint8[n, {_PIXELS}]", found=found, remedy=AGAIN)
    if not (isinstance(labels, list) and all(type(label) is int for label in labels) and len(labels) == len(images)):
        found = f"{len(labels)} entries" if isinstance(labels, list) else f"{type(labels).__name__}"
        raise DataError(path, expected=f"'labels', a list of {len(images)} integers", found=found, remedy=AGAIN)
    return images, np.array(labels, dtype=np.int64)


def _classes(folder: Path) -> tuple[str, ...]:
    """The names of the classes, by label: those that `batches.meta` states, or the usual ones."""
    path = existing(folder, "batches.meta", "batches.meta.gz")
    if path is None:
        return CLASSES
    names = _dictionary(path).get("label_names")
    if not (isinstance(names, list) and len(names) == N_CLASSES and all(isinstance(n, str | bytes) for n in names)):
        raise DataError(path, expected=f"'label_names', {N_CLASSES} names", found=f"{names!r:.80}", remedy=AGAIN)
    return tuple(name if isinstance(name, str) else name.decode("latin1") for name in names)


def _dictionary(path: Path) -> dict[str, Any]:
    """What the file holds; names are bytes or strings, depending on who wrote it."""
    value = pickles.load(read(path), path)
    if not isinstance(value, dict):
        raise DataError(path, expected="a pickled dictionary", found=f"a {type(value).__name__}", remedy=AGAIN)
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): entry for key, entry in value.items()}

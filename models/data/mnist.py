"""MNIST, from either of its two usual forms.

- the four idx files of LeCun, Cortes and Burges, as they are or gzipped: a big-endian header
  (magic number, then one int32 per dimension) followed by the bytes;
- `mnist.pkl.gz` of the deeplearning.net tutorials: three pairs of float32 images and labels.

Both give the same arrays: the first 50,000 training images train and the last 10,000 validate,
in stored order, and a pixel is its byte / 256 (so in [0, 1), as in the pickle).
"""

import math
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

SIZES = (50_000, 10_000, 10_000)
IMAGE_SHAPE = (28, 28)
N_CLASSES = 10

_PICKLES = ("mnist.pkl.gz", "mnist.pkl")
_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FILES = (*_PICKLES, *_IDX, *(name + ".gz" for name in _IDX))


def load_mnist(
    data: str | os.PathLike[str] | None = None,
    *,
    label_dtype: DTypeLike = np.int32,
    sizes: tuple[int, int, int] = SIZES,
) -> Dataset:
    """MNIST: images float32[n, 784] in [0, 1), labels 0..9, in stored order.

    - `data`: the folder with the files, or its parent; see `source` for the default;
    - `label_dtype`: int32 (default) or int64;
    - `sizes`: numbers of training, validation and test images that the files must hold.

    The idx files are preferred where all four exist: they are smaller and plain data.
    Raises `DataError` when files are missing, damaged or of other sizes.
    """
    folder = find_folder("mnist", FILES, data)
    idx = [existing(folder, name, name + ".gz") for name in _IDX]
    pickled = existing(folder, *_PICKLES)
    if all(idx) or pickled is None:
        missing = [name for name, path in zip(_IDX, idx, strict=True) if path is None]
        if missing:
            raise DataError(
                folder,
                expected=f"the four files {', '.join(_IDX)} (plain or .gz), or mnist.pkl.gz",
                found=f"all but {', '.join(missing)}",
                remedy="Add the missing files.",
            )
        dataset = _from_idx(folder, [path for path in idx if path is not None], sizes)
    else:
        dataset = _from_pickle(pickled, sizes)
    return dataset.with_labels(label_dtype)


def read_idx(path: Path, shape: tuple[int | None, ...]) -> NDArray[np.uint8]:
    """The unsigned bytes of an idx file (plain, or gzipped where named .gz), as uint8[*shape].

    `None` in `shape` stands for any length. Raises `DataError` for another magic number, other
    dimensions, or a length that does not fit them.
    """
    data = read(path)
    # Magic number: two zero bytes, the type (8: unsigned byte), the number of dimensions.
    magic = bytes([0, 0, 8, len(shape)])
    header = 4 + 4 * len(shape)
    if data[:4] != magic or len(data) < header:
        raise DataError(
            path,
            expected=f"an idx file of bytes in {len(shape)} dimensions (magic {magic.hex()})",
            found=f"a file of {len(data)} bytes that starts with {data[:4].hex() or 'nothing'}",
            remedy="Check that the images' and the labels' files were not swapped. " + AGAIN,
        )
    stated = tuple(int(n) for n in np.frombuffer(data, dtype=">i4", count=len(shape), offset=4))
    if any(want not in (None, have) for want, have in zip(shape, stated, strict=True)):
        raise DataError(
            path,
            expected=f"shape {['any' if n is None else n for n in shape]}",
            found=f"shape {list(stated)}",
            remedy="This is another data set.",
        )
    if len(data) - header != math.prod(stated):
        raise DataError(
            path,
            expected=f"{math.prod(stated)} bytes for shape {list(stated)}",
            found=f"{len(data) - header} bytes",
            remedy=AGAIN,
        )
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(stated)


def _from_idx(folder: Path, paths: list[Path], sizes: tuple[int, int, int]) -> Dataset:
    n_train, n_valid, n_test = sizes
    parts = []
    for images_path, labels_path, n in (
        (paths[0], paths[1], n_train + n_valid),
        (paths[2], paths[3], n_test),
    ):
        images = read_idx(images_path, (n, *IMAGE_SHAPE))
        labels = read_idx(labels_path, (n,))
        if labels.max(initial=0) >= N_CLASSES:
            raise DataError(
                labels_path,
                expected=f"labels in 0..{N_CLASSES - 1}",
                found=f"{labels.max()} at position {labels.argmax()}",
                remedy=AGAIN,
            )
        pixels = images.reshape(n, -1).astype(np.float32)
        pixels /= 256
        parts.append(Pair(pixels, labels.astype(np.int64)))
    (x, y), test = parts
    return Dataset(
        name="mnist",
        train=Pair(x[:n_train], y[:n_train]),
        valid=Pair(x[n_train:], y[n_train:]),
        test=test,
        n_classes=N_CLASSES,
        image_shape=IMAGE_SHAPE,
        source=str(folder),
    )


def _from_pickle(path: Path, sizes: tuple[int, int, int]) -> Dataset:
    value = pickles.load(read(path), path)
    pairs = [_pair(part) for part in value] if isinstance(value, tuple | list) else []
    found = [None if pair is None else len(pair.x) for pair in pairs]
    if found != list(sizes):
        raise DataError(
            path,
            expected=f"three pairs of images and labels of lengths {list(sizes)}",
            found=f"lengths {found}" if pairs else f"a {type(value).__name__}",
            remedy="This is another data set.",
        )
    train, valid, test = (pair for pair in pairs if pair is not None)
    return Dataset(
        name="mnist",
        train=train,
        valid=valid,
        test=test,
        n_classes=N_CLASSES,
        image_shape=IMAGE_SHAPE,
        source=str(path),
    )


def _pair(part: Any) -> Pair | None:
    """A part of the pickle as a `Pair`, or None if it is not one. `Dataset` checks the values."""
    if not (isinstance(part, tuple | list) and len(part) == 2):
        return None
    x, y = part
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.ndim and y.ndim):
        return None
    return Pair(np.ascontiguousarray(x), y)

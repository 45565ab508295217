"""Data sets as NumPy arrays.

`load_dataset(name)` is the entry: `mnist`, `cifar10` and `camvid` read files (see `source` for where from),
`digits`, `shapes` and `scenes` need none, and `auto` takes MNIST where it is found and digits otherwise.
Loaders validate what they read and raise `DataError`, which names the file, what was expected, what
was found, and what to do. `make_cluttered` makes large images of several digits from either set of
digits, which a `Stream` makes without end; `augment` changes images. `Pipeline` and `Drawing` prepare minibatches
ahead of the training step.
"""

import os

import numpy as np
from numpy.typing import DTypeLike

from arignote.models.data.camvid import load_camvid
from arignote.models.data.cifar10 import load_cifar10
from arignote.models.data.cluttered import Canvas, make_cluttered
from arignote.models.data.dataset import Dataset, Pair, Stream
from arignote.models.data.digits import load_digits
from arignote.models.data.errors import DataError
from arignote.models.data.mnist import FILES, load_mnist
from arignote.models.data.pipeline import Drawing, Feed, Pipeline, PipelineError
from arignote.models.data.scenes import load_scenes
from arignote.models.data.shapes import load_shapes
from arignote.models.data.source import ENVIRONMENT_VARIABLE, find_folder

NAMES = ("auto", "mnist", "digits", "cifar10", "shapes", "camvid", "scenes")

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "NAMES",
    "Canvas",
    "DataError",
    "Dataset",
    "Drawing",
    "Feed",
    "Pair",
    "Pipeline",
    "PipelineError",
    "Stream",
    "find_folder",
    "load_camvid",
    "load_cifar10",
    "load_dataset",
    "load_digits",
    "load_mnist",
    "load_scenes",
    "load_shapes",
    "make_cluttered",
]

_EMBEDDED = {"digits": load_digits, "shapes": load_shapes, "scenes": load_scenes}
_FILED = {"cifar10": load_cifar10, "camvid": load_camvid}


def load_dataset(
    name: str = "auto",
    data: str | os.PathLike[str] | None = None,
    *,
    label_dtype: DTypeLike = np.int32,
) -> Dataset:
    """The data set `name` of `NAMES`; `data` is the folder (or its parent) for those with files.

    With `auto`, MNIST is meant whenever `data` or `ARIGNOTE_DATA` is given: then, and whenever its
    files exist but are damaged, errors are reported and not covered up by the other data set.
    Raises `DataError` as the loaders do, and for unknown names.
    """
    if name in _EMBEDDED:
        return _EMBEDDED[name](label_dtype=label_dtype)
    if name in _FILED:
        return _FILED[name](data, label_dtype=label_dtype)
    if name == "mnist" or (name == "auto" and _mnist_is_meant(data)):
        return load_mnist(data, label_dtype=label_dtype)
    if name == "auto":
        return load_digits(label_dtype=label_dtype)
    raise DataError(
        f"data set {name!r}",
        expected=f"one of {', '.join(NAMES)}",
        found="an unknown name",
        remedy="Choose one of these.",
    )


def _mnist_is_meant(data: str | os.PathLike[str] | None) -> bool:
    if data is not None or os.environ.get(ENVIRONMENT_VARIABLE):
        return True
    try:
        find_folder("mnist", FILES)
    except DataError:
        return False
    return True

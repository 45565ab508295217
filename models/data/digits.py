"""The embedded data set: the 1797 handwritten digits that scikit-learn ships, at MNIST's size.

They are 8x8 images with values 0..16, originally from the UCI repository ("Optical Recognition of
Handwritten Digits", E. Alpaydin and C. Kaynak, 1998). Enlarged to 28x28 they fit every MNIST model
as it is, with no file and no download.
"""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arignote.models.data.dataset import Dataset, Pair
from arignote.models.data.errors import DataError

# Multiples of 20, so that a minibatch of 5, 10 or 20 leaves no rest. 17 images remain unused.
SIZES = (1300, 240, 240)
IMAGE_SHAPE = (28, 28)
N_CLASSES = 10

_PERMUTATION_SEED = 2017


def load_digits(*, label_dtype: DTypeLike = np.int32) -> Dataset:
    """Digits: images float32[n, 784] in [0, 1), labels 0..9; 1300 + 240 + 240 images.

    The order is a fixed permutation (the stored one goes through writers one by one, so that
    parts of it would not resemble each other). `label_dtype` is int32 (default) or int64.
    Raises `DataError` when scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(
            "data set 'digits'",
            expected="scikit-learn, which contains it",
            found=f"an import error ({error})",
            remedy="Install it with: pip install 'arignote[models]'",
        ) from error
    images, labels = datasets.load_digits(return_X_y=True)
    # RandomState and not a Generator: its streams are guaranteed never to change.
    order = np.random.RandomState(_PERMUTATION_SEED).permutation(len(labels))
    x, y = enlarge(images[order].reshape(-1, 8, 8)), labels[order].astype(np.int64)
    ends = np.cumsum(SIZES)
    parts = [
        Pair(x[end - size : end], y[end - size : end])
        for size, end in zip(SIZES, ends, strict=True)
    ]
    dataset = Dataset(
        name="digits",
        train=parts[0],
        valid=parts[1],
        test=parts[2],
        n_classes=N_CLASSES,
        image_shape=IMAGE_SHAPE,
        source="scikit-learn's digits, enlarged to 28x28",
    )
    return dataset.with_labels(label_dtype)


def enlarge(images: NDArray[np.float64]) -> NDArray[np.float32]:
    """Images [n, 8, 8] with values 0..16 as float32[n, 784] in [0, 255/256].

    Bilinear interpolation between pixel centres; the border continues the outermost pixels.
    """
    weights = _interpolation(images.shape[1], IMAGE_SHAPE[0])
    large = np.einsum("ip,npq,jq->nij", weights, images, weights, optimize=True)
    # 16 becomes 255/256: white has MNIST's value.
    scaled = large * (255 / 256 / 16)
    return np.ascontiguousarray(scaled.reshape(len(images), -1), dtype=np.float32)


def _interpolation(small: int, large: int) -> NDArray[np.float64]:
    """The matrix [large, small] that interpolates linearly; its rows sum to 1."""
    centres = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(small)))
    return weights

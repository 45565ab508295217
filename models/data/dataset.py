"""A classification data set in memory: three parts of (x, y) pairs."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arignote.models.data.errors import DataError

LABEL_DTYPES = (np.dtype(np.int32), np.dtype(np.int64))


class Pair(NamedTuple):
    """Examples and their labels.

    `x` is float32[n, features], C-contiguous; `y` is int32[n] or int64[n], or
    [n, m] where each example has m labels.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]

    def __repr__(self) -> str:
        return f"Pair(x: float32{list(self.x.shape)}, y: {self.y.dtype}{list(self.y.shape)})"


class Stream(NamedTuple):
    """Training examples without end.

    - `epoch`: how many count as an epoch;
    - `draw(n, random)`: `n` new ones; the random state decides which.
    """

    epoch: int
    draw: Callable[[int, np.random.RandomState], Pair]


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test examples of a classification task, validated on creation.

    - `name`: short name, as on the command line;
    - `train`, `valid`, `test`: `Pair`s in their stored order;
    - `n_classes`: labels are 0 .. n_classes - 1;
    - `image_shape`: of one row of `x`: (height, width), or (channels, height, width);
    - `source`: where the data came from: a path, or a description;
    - `classes`: their names, where they have any;
    - `void`: the label of what is neither learned nor judged, where there is one;
    - `stream`: where training examples are made anew in each epoch; `train` is then a sample of such.

    Raises `DataError` when an array breaks one of these rules.
    """

    name: str
    train: Pair
    valid: Pair
    test: Pair
    n_classes: int
    image_shape: tuple[int, ...]
    source: str
    classes: tuple[str, ...] = ()
    void: int | None = None
    stream: Stream | None = None

    @property
    def epoch(self) -> int:
        """Training examples in an epoch."""
        return len(self.train.x) if self.stream is None else self.stream.epoch

    def __post_init__(self) -> None:
        for part in ("train", "valid", "test"):
            self._check(part, *getattr(self, part))

    def _check(self, part: str, x: NDArray[np.float32], y: NDArray[Any]) -> None:
        def require(ok: bool, expected: str, found: str) -> None:
            if not ok:
                raise DataError(
                    self.source,
                    expected=f"{part} {expected}",
                    found=found,
                    remedy=f"The data set {self.name!r} is damaged or of another kind.",
                )

        features = math.prod(self.image_shape)
        require(
            x.ndim == 2 and x.shape[1] == features and len(x) > 0,
            f"images of shape [n, {features}] with n > 0",
            f"shape {list(x.shape)}",
        )
        require(
            x.dtype == np.float32 and x.flags.c_contiguous,
            "images as C-contiguous float32",
            f"{x.dtype}" + ("" if x.flags.c_contiguous else ", not C-contiguous"),
        )
        require(
            y.dtype in LABEL_DTYPES and y.ndim in (1, 2) and len(y) == len(x) and y.size > 0,
            f"labels of type int32 or int64 and shape [{len(x)}], or [{len(x)}, m]",
            f"{y.dtype}{list(y.shape)}",
        )
        outside = np.argwhere((y < 0) | (y >= self.n_classes))
        require(
            outside.size == 0,
            f"labels in 0..{self.n_classes - 1}",
            f"{y[tuple(outside[0])]} at position {', '.join(map(str, outside[0]))}" if outside.size else "",
        )
        require(
            bool(np.isfinite(x).all()), "finite images", "infinities or NaNs among their values"
        )

    def with_labels(self, dtype: DTypeLike) -> "Dataset":
        """The same data with labels of `dtype` (int32 or int64); images are shared, not copied."""
        if np.dtype(dtype) not in LABEL_DTYPES:
            raise TypeError(f"labels are int32 or int64, not {np.dtype(dtype)}")

        def converted(pair: Pair) -> Pair:
            return Pair(pair.x, pair.y.astype(dtype, copy=False))

        return dataclasses.replace(
            self,
            train=converted(self.train),
            valid=converted(self.valid),
            test=converted(self.test),
        )

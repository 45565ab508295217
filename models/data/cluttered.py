"""Distorted digits on a large canvas with clutter, one or several in an image (chapter 6).

After M. Jaderberg et al., "Spatial transformer networks" (2015), and S. K. Sønderby et al.,
"Recurrent spatial transformer networks" (2015): digits are rotated and scaled and put into the
image from left to right, each within 45 degrees of the direction of the one before; pieces of
other digits are scattered over it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arignote.models.data.dataset import Dataset, Pair
from arignote.models.data.errors import DataError
from arignote.models.data.warp import affine

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Canvas:
    """How images are made.

    - `size`: height and width in pixels; `digits`: in each image;
    - `clutter`: pieces of digits; `piece`: their height and width;
    - `rotation`: the largest angle in degrees; `scale`: the range of the digits' factor.
    """

    size: int = 100
    digits: int = 1
    clutter: int = 8
    piece: int = 8
    rotation: float = 30.0
    scale: tuple[float, float] = (0.8, 1.2)

    def __post_init__(self) -> None:
        if self.digits < 1 or self.clutter < 0 or self.piece < 1:
            raise ValueError(f"a canvas has at least one digit, and no negative number of pieces: {self}")

    def image(self, pictures: Image, others: Image, random: np.random.RandomState) -> Image:
        """One image float32[size, size] from digits [digits, h, w] and images to cut pieces from."""
        h, w = pictures.shape[1:]
        if self.size < max(h, w * self.digits) or self.piece > min(h, w):
            raise ValueError(f"{self.digits} digits of {h}x{w} and pieces of {self.piece} do not fit {self}")
        canvas: Image = np.zeros((self.size, self.size), np.float32)
        # The places are drawn for digits of the stored size; an enlarged one may lose some of its margin.
        x = random.randint(0, self.size - w * self.digits + 1)
        y = random.randint(0, self.size - h + 1)
        for picture in self._distorted(pictures, random):
            _put(canvas, picture, y, x)
            x += w
            y = int(np.clip(y + random.randint(-w, w + 1), 0, self.size - h))
        for number in random.randint(0, len(others), self.clutter):
            i, j = random.randint(0, [h - self.piece + 1, w - self.piece + 1])
            row, column = random.randint(0, self.size - self.piece + 1, 2)
            _put(canvas, others[number, i : i + self.piece, j : j + self.piece], row, column)
        return canvas

    def _distorted(self, pictures: Image, random: np.random.RandomState) -> Image:
        n, h, w = pictures.shape
        angle = np.deg2rad(random.uniform(-self.rotation, self.rotation, n))
        inverse = 1 / random.uniform(*self.scale, n)
        matrices = np.zeros((n, 2, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angle) * inverse
        matrices[:, 0, 1] = np.sin(angle) * inverse
        matrices[:, 1, 0] = -matrices[:, 0, 1]
        return affine(pictures[:, None], matrices, (h, w))[:, 0]


def _put(canvas: Image, picture: Image, row: int, column: int) -> None:
    """The lighter of what is there and the picture."""
    h, w = picture.shape
    part = canvas[row : row + h, column : column + w]
    np.maximum(part, picture, out=part)


def make_cluttered(
    base: Dataset,
    canvas: Canvas,
    sizes: tuple[int, int, int],
    *,
    seed: int = 0,
    label_dtype: DTypeLike = np.int32,
) -> Dataset:
    """Images float32[n, size * size] of the digits of each part of `base`.

    Labels are [n] for one digit in an image, and [n, digits], from left to right, for several. The
    same seed makes the same images; the first `k` of `n` do not depend on `n`.
    """
    if len(base.image_shape) != 2:
        raise DataError(
            base.source,
            expected="grey images of digits",
            found=f"images of shape {list(base.image_shape)}",
            remedy="Make cluttered images from mnist or digits.",
        )
    parts = [
        _part(base, part, canvas, n, [seed, number])
        for number, (part, n) in enumerate(zip((base.train, base.valid, base.test), sizes, strict=True))
    ]
    return Dataset(
        name=f"cluttered {base.name}",
        train=parts[0],
        valid=parts[1],
        test=parts[2],
        n_classes=base.n_classes,
        image_shape=(canvas.size, canvas.size),
        source=f"generated from {base.source}",
    ).with_labels(label_dtype)


def _part(base: Dataset, part: Pair, canvas: Canvas, n: int, seed: list[int]) -> Pair:
    digits = part.x.reshape(-1, *base.image_shape)
    images = np.empty((n, canvas.size**2), np.float32)
    chosen = np.empty((n, canvas.digits), np.intp)
    for i in range(n):
        # RandomState and not a Generator: its streams are guaranteed never to change.
        random = np.random.RandomState([*seed, i])
        chosen[i] = random.randint(0, len(digits), canvas.digits)
        images[i] = canvas.image(digits[chosen[i]], digits, random).reshape(-1)
    labels = part.y[chosen].astype(np.int64)
    return Pair(images, labels[:, 0].copy() if canvas.digits == 1 else labels)

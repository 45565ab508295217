"""Distorted digits on a large canvas with clutter, one or several in an image (chapter 6).

After M. Jaderberg et al., "Spatial transformer networks" (2015), and S. K. Sønderby et al.,
"Recurrent spatial transformer networks" (2015): digits are rotated and scaled and put into the
image from left to right, each within 45 degrees of the direction of the one before; pieces of
other digits are scattered over it.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from arignote.models.data.dataset import Dataset, Pair, Stream
from arignote.models.data.errors import DataError
from arignote.models.data.warp import affine

Image = NDArray[np.float32]
BLOCK = 100  # images that one random state makes


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

    def draw(self, base: Pair, shape: tuple[int, int], n: int, random: np.random.RandomState) -> Pair:
        """`n` images, float32[n, size * size], of digits of `base`, whose images have that shape, and their labels."""
        h, w = shape
        stored = base.x.reshape(-1, h, w)
        chosen = random.randint(0, len(stored), (n, self.digits))
        canvas, _ = self.place(stored[chosen], stored, random)
        labels = base.y[chosen].astype(np.int32)
        return Pair(canvas.reshape(n, -1), labels[:, 0].copy() if self.digits == 1 else labels)

    def place(self, digits: Image, others: Image, random: np.random.RandomState) -> tuple[Image, NDArray[np.int64]]:
        """Images float32[n, size, size] with these digits, float32[n, digits, h, w], among pieces of `others`,
        float32[m, h, w]; and the upper left corners of the digits, int64[n, digits, 2], as row and column."""
        n, count, h, w = digits.shape
        if self.size < max(h, w * count) or self.piece > min(h, w):
            raise ValueError(f"{count} digits of {h}x{w} and pieces of {self.piece} do not fit {self}")
        canvas: Image = np.zeros((n, self.size, self.size), np.float32)
        # The places are drawn for digits of the stored size; an enlarged one may lose some of its margin.
        x = random.randint(0, self.size - w * count + 1, n)
        y = random.randint(0, self.size - h + 1, n)
        corners = []
        for number in range(count):
            for i, picture in enumerate(self._distorted(digits[:, number], random)):
                _put(canvas[i], picture, y[i], x[i])
            corners.append(np.stack([y, x], axis=1))
            x = x + w
            y = np.clip(y + random.randint(-w, w + 1, n), 0, self.size - h)
        cut = n, self.clutter
        pieces = random.randint(0, len(others), cut)
        rows, columns = (random.randint(0, length - self.piece + 1, cut) for length in (h, w))
        places = random.randint(0, self.size - self.piece + 1, (*cut, 2))
        for i, k in np.ndindex(cut):
            row, column = rows[i, k], columns[i, k]
            _put(canvas[i], others[pieces[i, k], row : row + self.piece, column : column + self.piece], *places[i, k])
        return canvas, np.stack(corners, axis=1)

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
    base: Dataset, canvas: Canvas, sizes: tuple[int, int, int], *, seed: int = 0, epoch: int | None = None
) -> Dataset:
    """Images float32[n, size * size] of the digits of each part of `base`.

    Labels are int32[n] for one digit in an image, and [n, digits], from left to right, for several. The
    same seed makes the same images; the first `k` of `n` do not depend on `n`. With `epoch`, so many
    training images are made anew in each epoch, and the first of `sizes` are a sample of such.
    """
    if len(base.image_shape) != 2:
        raise DataError(
            base.source,
            expected="grey images of digits",
            found=f"images of shape {list(base.image_shape)}",
            remedy="Make cluttered images from mnist or digits.",
        )
    h, w = base.image_shape
    parts = [
        _part(canvas, part, (h, w), n, [seed, number])
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
        stream=None if epoch is None else Stream(epoch, partial(canvas.draw, base.train, (h, w))),
    )


def _part(canvas: Canvas, base: Pair, shape: tuple[int, int], n: int, seed: list[int]) -> Pair:
    # RandomState and not a Generator: its streams are guaranteed never to change.
    blocks = [canvas.draw(base, shape, BLOCK, np.random.RandomState([*seed, start])) for start in range(0, n, BLOCK)]
    x, y = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    return Pair(np.ascontiguousarray(x[:n]), y[:n])

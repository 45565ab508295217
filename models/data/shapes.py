"""Generated colour images of ten geometric shapes: a stand-in for CIFAR-10 that needs no files.

Each image has one shape of random size, place, angle and colour on a ground of another colour, with
noise. A shape is the set of points where a signed distance is negative, in units of pixels, so that
its edge is smooth (J. C. Hart, "Sphere tracing", 1996, uses such distances for the same reason).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arignote.models.data.dataset import Dataset, Pair

Floats = NDArray[np.float64]

SIZES = (1000, 200, 200)
IMAGE_SHAPE = (3, 32, 32)
NOISE = 0.04  # standard deviation of the noise, of a range of 1


def _box(u: Floats, v: Floats, a: float, b: float) -> Floats:
    distance: Floats = np.maximum(np.abs(u) - a, np.abs(v) - b)
    return distance


def _triangle(u: Floats, v: Floats) -> Floats:
    """Equilateral, with its centre at the origin."""
    edge = np.abs(u) * (np.sqrt(3) / 2) + v / 2
    distance: Floats = np.maximum(edge, -v) - 0.5
    return distance


#: Distances, negative inside, of points (u, v) to each shape of about unit radius.
SHAPES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "disc": lambda u, v: np.hypot(u, v) - 0.85,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.7) - 0.18,
    "square": lambda u, v: _box(u, v, 0.75, 0.75),
    "frame": lambda u, v: np.abs(_box(u, v, 0.65, 0.65)) - 0.16,
    "triangle": _triangle,
    "bar": lambda u, v: _box(u, v, 1.0, 0.25),
    "cross": lambda u, v: np.minimum(_box(u, v, 1.0, 0.25), _box(u, v, 0.25, 1.0)),
    "bars": lambda u, v: np.minimum(_box(u, v - 0.55, 1.0, 0.22), _box(u, v + 0.55, 1.0, 0.22)),
    "moon": lambda u, v: np.maximum(np.hypot(u, v) - 0.95, 0.8 - np.hypot(u - 0.55, v)),
    "corner": lambda u, v: np.minimum(_box(u + 0.55, v, 0.25, 0.8), _box(u, v - 0.55, 0.8, 0.25)),
}  # fmt: skip
CLASSES = tuple(SHAPES)


def load_shapes(*, label_dtype: DTypeLike = np.int32) -> Dataset:
    """Shapes: images float32[n, 3072] in [0, 1) of 3x32x32, labels 0..9; 1000 + 200 + 200 images.

    The same images at every call; every class is equally frequent in each part.
    """
    parts = [Pair(*_part(n, seed)) for seed, n in enumerate(SIZES)]
    return Dataset(
        name="shapes",
        train=parts[0],
        valid=parts[1],
        test=parts[2],
        n_classes=len(CLASSES),
        image_shape=IMAGE_SHAPE,
        source="generated shapes",
        classes=CLASSES,
    ).with_labels(label_dtype)


def _part(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    # RandomState and not a Generator: its streams are guaranteed never to change.
    random = np.random.RandomState([2017, seed])
    labels = random.permutation(np.arange(n) % len(CLASSES)).astype(np.int64)
    images = [draw_shape(CLASSES[label], random, IMAGE_SHAPE[1]).reshape(-1) for label in labels]
    return np.ascontiguousarray(np.stack(images), np.float32), labels


def draw_shape(name: str, random: np.random.RandomState, size: int) -> NDArray[np.float32]:
    """An image float32[3, size, size] in [0, 1) with the shape `name` of `SHAPES` anywhere in it."""
    cover = cover_of(name, random, size)
    ground, ink = random.uniform(0, 1, (2, 3, 1, 1))
    while np.abs(ground - ink).max() < 0.4:
        ink = random.uniform(0, 1, (3, 1, 1))
    image = ground + cover * (ink - ground) + random.normal(0, NOISE, (3, size, size))
    pixels: NDArray[np.float32] = np.clip(image, 0, 255 / 256).astype(np.float32)
    return pixels


def cover_of(name: str, random: np.random.RandomState, size: int) -> Floats:
    """How much of each pixel a shape covers that lies anywhere: [size, size] in [0, 1]."""
    radius = random.uniform(0.2, 0.4) * size
    y, x = random.uniform(0.75 * radius, size - 0.75 * radius, 2)
    angle = random.uniform(-np.pi / 8, np.pi / 8)
    rows, columns = np.mgrid[:size, :size] + 0.5 - np.reshape([y, x], (2, 1, 1))
    u = (np.cos(angle) * columns + np.sin(angle) * rows) / radius
    v = (np.cos(angle) * rows - np.sin(angle) * columns) / radius
    cover: Floats = np.clip(0.5 - SHAPES[name](u, v) * radius, 0, 1)
    return cover

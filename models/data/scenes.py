"""Generated scenes for segmentation: one to three geometric shapes on a ground, and the class of every pixel."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arignote.models.data.dataset import Dataset, Pair
from arignote.models.data.shapes import IMAGE_SHAPE, NOISE, cover_of

SIZES = (600, 120, 120)
MOST = 3  # shapes in a scene
CLASSES = ("disc", "frame", "triangle", "bar", "cross")  # some of `shapes`, which differ even where they overlap


def load_scenes(*, label_dtype: DTypeLike = np.int32) -> Dataset:
    """Scenes: images float32[n, 3072] in [0, 1) of 3x32x32, labels [n, 1024], one for each pixel; 600 + 120 + 120.

    Label 0 is the ground, k the kth of the shapes; of shapes that overlap the last is seen. The same scenes at every
    call.
    """
    parts = [_part(n, seed) for seed, n in enumerate(SIZES)]
    return Dataset(
        name="scenes",
        train=parts[0],
        valid=parts[1],
        test=parts[2],
        n_classes=len(CLASSES) + 1,
        image_shape=IMAGE_SHAPE,
        source="generated scenes of shapes",
        classes=("ground", *CLASSES),
    ).with_labels(label_dtype)


def _part(n: int, seed: int) -> Pair:
    size = IMAGE_SHAPE[1]
    images, labels = np.empty((n, 3 * size * size), np.float32), np.empty((n, size * size), np.int64)
    for i in range(n):
        # RandomState and not a Generator: its streams are guaranteed never to change.
        image, classes = draw_scene(np.random.RandomState([2017, 8, seed, i]), size)
        images[i], labels[i] = image.reshape(-1), classes.reshape(-1)
    return Pair(images, labels)


def draw_scene(random: np.random.RandomState, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """An image float32[3, size, size] in [0, 1) and the label of each pixel, int64[size, size]."""
    ground = random.uniform(0, 1, (3, 1, 1))
    image = np.broadcast_to(ground, (3, size, size))
    labels = np.zeros((size, size), np.int64)
    for kind in random.randint(0, len(CLASSES), random.randint(1, MOST + 1)):
        cover = cover_of(CLASSES[kind], random, size)
        ink = random.uniform(0, 1, (3, 1, 1))
        while np.abs(ground - ink).max() < 0.4:
            ink = random.uniform(0, 1, (3, 1, 1))
        image = image + cover * (ink - image)
        labels[cover > 0.5] = kind + 1
    noisy = image + random.normal(0, NOISE, image.shape)
    return np.clip(noisy, 0, 255 / 256).astype(np.float32), labels

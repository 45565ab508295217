"""Augmentation of images (chapter 7): random changes that leave the class as it is.

A transformation takes images float32[n, c, h, w] in [0, 1] and a random state, and returns new
images. Those of colour are the ones of "fb.resnet.torch" (S. Gross and M. Wilber, 2016), and the
lighting is that of A. Krizhevsky et al., "ImageNet classification with deep convolutional neural
networks" (2012). They do not clip: a network takes values a little outside of [0, 1] as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arignote.models.data.warp import affine

Images = NDArray[np.float32]
Random = np.random.RandomState
Transformation = Callable[[Images, Random], Images]

#: Weights of red, green and blue in the brightness (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Scale:
    """Enlarge or shrink by a factor of the range, about the centre; the size stays."""

    lowest: float = 0.8
    highest: float = 1.25

    def __post_init__(self) -> None:
        if not 0 < self.lowest <= self.highest:
            raise ValueError(f"Scale takes a range of positive factors, not {self.lowest} .. {self.highest}")

    def __call__(self, images: Images, random: Random) -> Images:
        """Bilinear; outside of an image its edge goes on."""
        # Uniform in the logarithm: half the size is as likely as double the size.
        factors = np.exp(random.uniform(np.log(self.lowest), np.log(self.highest), len(images)))
        return affine(images, np.eye(2, 3) / factors[:, None, None], _size(images), edge=True)


@dataclass(frozen=True)
class Crop:
    """A random part of the size of the image, after `padding` pixels of 0 on each side."""

    padding: int = 4

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"Crop takes a number of pixels, not {self.padding}")

    def __call__(self, images: Images, random: Random) -> Images:
        """Another part for each image."""
        p, (h, w) = self.padding, _size(images)
        padded = np.pad(images, ((0, 0), (0, 0), (p, p), (p, p)))
        result = np.empty_like(images)
        for i, (y, x) in enumerate(random.randint(0, 2 * p + 1, (len(images), 2))):
            result[i] = padded[i, :, y : y + h, x : x + w]
        return result


@dataclass(frozen=True)
class Flip:
    """Exchange left and right."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"Flip takes a probability, not {self.probability}")

    def __call__(self, images: Images, random: Random) -> Images:
        """Each image by itself."""
        flip = random.uniform(size=(len(images), 1, 1, 1)) < self.probability
        return np.where(flip, images[..., ::-1], images)


@dataclass(frozen=True)
class Rotation:
    """Turn about the centre by up to `degrees` in either direction."""

    degrees: float = 15.0

    def __call__(self, images: Images, random: Random) -> Images:
        """Bilinear; outside of an image its edge goes on."""
        angle = np.deg2rad(random.uniform(-self.degrees, self.degrees, len(images)))
        matrices = np.zeros((len(images), 2, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angle)
        matrices[:, 0, 1] = np.sin(angle)
        matrices[:, 1, 0] = -matrices[:, 0, 1]
        return affine(images, matrices, _size(images), edge=True)


@dataclass(frozen=True)
class Lighting:
    """Add to each pixel of an image the same colour, drawn along the principal axes of all colours.

    - `deviation`: standard deviation of the weight of each axis;
    - `values`, `vectors`: variances [3] and axes [3, 3] (its columns), as `principal_colours` gives.
    """

    values: tuple[float, ...]
    vectors: tuple[tuple[float, ...], ...]
    deviation: float = 0.1

    def __call__(self, images: Images, random: Random) -> Images:
        """One colour for an image."""
        _require_colour("Lighting", images)
        weights = random.normal(0, self.deviation, (len(images), 3)) * np.asarray(self.values)
        colours = weights @ np.asarray(self.vectors).T
        lit: Images = images + colours[:, :, None, None].astype(np.float32)
        return lit


def principal_colours(images: Images) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """`values` and `vectors` of `Lighting` for images float32[n, 3, h, w]: of their pixels' covariance."""
    _require_colour("principal_colours", images)
    pixels = images.transpose(1, 0, 2, 3).reshape(3, -1).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(pixels))
    return tuple(map(float, values)), tuple(tuple(map(float, row)) for row in vectors)


@dataclass(frozen=True)
class Brightness:
    """Blend with black: multiply by 1 - strength .. 1 + strength."""

    strength: float = 0.4

    def __call__(self, images: Images, random: Random) -> Images:
        """One factor for an image."""
        return np.multiply(images, _factors(images, random, self.strength))


@dataclass(frozen=True)
class Saturation:
    """Blend with the grey image: further from it or nearer to it."""

    strength: float = 0.4

    def __call__(self, images: Images, random: Random) -> Images:
        """One factor for an image."""
        return _blend(images, grey(images), _factors(images, random, self.strength))


@dataclass(frozen=True)
class Contrast:
    """Blend with the image's mean brightness."""

    strength: float = 0.4

    def __call__(self, images: Images, random: Random) -> Images:
        """One factor for an image."""
        mean = grey(images).mean(axis=(1, 2, 3), keepdims=True)
        return _blend(images, mean, _factors(images, random, self.strength))


@dataclass(frozen=True)
class RandomOrder:
    """All of `parts`, in another order for each minibatch."""

    parts: tuple[Transformation, ...]

    def __call__(self, images: Images, random: Random) -> Images:
        """One after the other."""
        for number in random.permutation(len(self.parts)):
            images = self.parts[number](images, random)
        return images


@dataclass(frozen=True)
class Compose:
    """All of `parts`, in order."""

    parts: tuple[Transformation, ...]

    def __call__(self, images: Images, random: Random) -> Images:
        """One after the other."""
        for part in self.parts:
            images = part(images, random)
        return images


def book_augmentation(images: Images) -> Compose:
    """All of chapter 7 for colour images like `images`, float32[n, 3, h, w]."""
    values, vectors = principal_colours(images)
    colours = RandomOrder((Brightness(), Contrast(), Saturation()))
    return Compose((Scale(), Rotation(), Crop(), Flip(), colours, Lighting(values, vectors)))


def small_augmentation() -> Compose:
    """What residual networks are trained with on CIFAR-10 (K. He et al., 2015): crop and flip."""
    return Compose((Crop(), Flip()))


def grey(images: Images) -> Images:
    """The brightness [n, 1, h, w] of images with one or three channels."""
    if images.shape[1] == 1:
        return images
    _require_colour("grey", images)
    luma: Images = np.einsum("c,nchw->nhw", LUMA, images)[:, None]
    return luma


def _blend(images: Images, other: Images, factors: Images) -> Images:
    blend: Images = other + factors * (images - other)
    return blend


def _factors(images: Images, random: Random, strength: float) -> Images:
    factors: Images = random.uniform(1 - strength, 1 + strength, (len(images), 1, 1, 1)).astype(np.float32)
    return factors


def _size(images: Images) -> tuple[int, int]:
    return images.shape[2], images.shape[3]


def _require_colour(what: str, images: Images) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"{what} takes images [n, 3, h, w], not {list(images.shape)}")

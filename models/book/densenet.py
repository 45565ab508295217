"""Densely connected networks (chapter 7), and the variant that normalises every feature once."""

from dataclasses import dataclass
from typing import ClassVar

from arignote import layers as L
from arignote.models.data import Dataset
from arignote.models.data.augment import Transformation, small_augmentation
from arignote.models.layered import MomentumModel
from arignote.models.model import SettingError

HE = L.HeNormal(gain="relu", kernel=True)


@dataclass(frozen=True)
class DenseNet(MomentumModel):
    """Densely connected network: every layer of a block reads all before it

    The default is the book's DenseNet-40 with a growth of 12. G. Huang et al., "Densely connected convolutional
    networks", 2016.
    """

    name: ClassVar[str] = "densenet"
    chapter: ClassVar[int] = 7
    quality: ClassVar[str] = "CIFAR-10: trains; 1.0 million parameters"
    embedded: ClassVar[str] = "shapes"
    files: ClassVar[str] = "cifar10"
    image_shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    book_batch: ClassVar[int] = 64
    book_epochs: ClassVar[int] = 300
    small_epochs: ClassVar[int] = 2

    depth: int = 40
    """Layers with weights: 3 * blocks' layers + 4."""
    growth: int = 12
    """Features that a layer adds."""
    filters: int = 16
    """Filters of the first convolution."""
    dropout: float | None = None
    """Share of features that are dropped in training, 0.2 in the book where images are not augmented."""
    augment: bool = False
    """Train on random crops and mirror images."""
    rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth < 7 or (self.depth - 4) % 3:
            raise SettingError(f"{self.name}: depth is 4 more than a multiple of 3, such as 40, not {self.depth}")

    def augmentation(self, data: Dataset) -> Transformation | None:
        return small_augmentation() if self.augment else None

    def build(self, images: L.Layer, n_classes: int) -> L.Layer:
        net: L.Layer = L.Conv2D(images, self.filters, 3, border="half", W=HE, b=None)
        for block in range(3):
            if block:
                net = self._dropped(self._conv(_activated(net), _channels(net), 1))
                net = L.Pool2D(net, 2, mode="average_inc_pad")
            for _ in range((self.depth - 4) // 3):
                net = L.Concat([net, self._dropped(self._conv(_activated(net), self.growth, 3))], axis=1)
        return L.Dense(L.GlobalPool(_activated(net)), n_classes, "softmax", W=L.HeNormal())

    def _conv(self, below: L.Layer, filters: int, size: int) -> L.Layer:
        return L.Conv2D(below, filters, size, border="half", W=HE, b=None)

    def _dropped(self, below: L.Layer) -> L.Layer:
        return below if self.dropout is None else L.Dropout(below, self.dropout)


@dataclass(frozen=True)
class DenseNetFast(DenseNet):
    """Densely connected network whose features are normalised once, and scaled wherever they are read

    The statistics of a feature are the same for all its readers; only scale and shift differ.
    """

    name: ClassVar[str] = "densenet_fast"

    def build(self, images: L.Layer, n_classes: int) -> L.Layer:
        net = _normalised(L.Conv2D(images, self.filters, 3, border="half", W=HE, b=None))
        for block in range(3):
            if block:
                net = self._dropped(self._conv(_scaled(net), _channels(net), 1))
                net = _normalised(L.Pool2D(net, 2, mode="average_inc_pad"))
            for _ in range((self.depth - 4) // 3):
                net = L.Concat([net, _normalised(self._dropped(self._conv(_scaled(net), self.growth, 3)))], axis=1)
        return L.Dense(L.GlobalPool(_scaled(net)), n_classes, "softmax", W=L.HeNormal())


def _channels(below: L.Layer) -> int:
    channels = below.output_shape[1]
    assert channels is not None, "convolutions know their channels"
    return channels


def _activated(below: L.Layer) -> L.Layer:
    return L.Nonlinearity(L.BatchNorm(below), "relu")


def _normalised(below: L.Layer) -> L.Layer:
    return L.BatchNorm(below, beta=None, gamma=None)


def _scaled(below: L.Layer) -> L.Layer:
    return L.Nonlinearity(L.Bias(L.Scale(below, axis=1), axis=1), "relu")

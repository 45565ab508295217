"""The deep convolutional generative adversarial network of digits (chapter 12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.models.gan import GanModel, Networks
from arignote.models.model import SettingError

SMALL = L.Normal(0.02)


@dataclass(frozen=True)
class Dcgan(GanModel):
    """Adversarial networks of convolutions that draw a digit of a given class

    The book's sizes: 110-1024-6272 and transposed convolutions 64@5x5, 1@5x5; convolutions 64@5x5, 128@5x5 and 1024-1;
    the class goes into every layer. A. Radford, L. Metz, S. Chintala, "Unsupervised representation learning with deep
    convolutional generative adversarial networks", 2015.
    """

    name: ClassVar[str] = "dcgan"
    chapter: ClassVar[int] = 12
    quality: ClassVar[str] = "MNIST: recognisable digits of the class that was asked for"

    filters: int = 64
    """Filters of the layers next to the image; those behind have twice as many."""
    units: int = 1024
    """Units of each dense layer."""
    slope: float = 0.2
    """Of the discriminator's rectifiers where they are negative."""

    def networks(self, shape: tuple[int, int, int], n_classes: int, seed: int, dtype: str) -> Networks:
        channels, size, _ = shape
        if size % 4:
            raise SettingError(f"{self.name}: takes images of 4, 8, 12, ... rows, not of {size}")
        with ar.change_flags(floatX=dtype), L.seeded(seed):
            noise = L.Input((None, self.noise), name="noise")
            classes = L.Input((None, n_classes), name="classes")
            images = L.Input((None, *shape), name="images")
            return Networks(
                noise, images, classes,
                self._generator(noise, classes, channels, size // 4), self._discriminator(images, classes),
            )  # fmt: skip

    def _generator(self, noise: L.Layer, classes: L.Layer, channels: int, size: int) -> L.Layer:
        maps = 2 * self.filters
        net = self._dense(Labelled([noise, classes]), self.units, "relu")
        net = self._dense(Labelled([net, classes]), maps * size**2, "relu")
        net = Labelled([L.Reshape(net, ([0], maps, size, size)), classes])
        net = L.Nonlinearity(L.BatchNorm(_doubled(net, self.filters, None)), "relu")
        return L.Nonlinearity(_doubled(Labelled([net, classes]), channels, None), "sigmoid")

    def _discriminator(self, images: L.Layer, classes: L.Layer) -> L.Layer:
        net: L.Layer = L.Nonlinearity(_halved(Labelled([images, classes]), self.filters), self._leaky)
        net = _halved(Labelled([net, classes]), 2 * self.filters)
        net = L.Flatten(L.Nonlinearity(L.BatchNorm(net), self._leaky))
        net = self._dense(Labelled([net, classes]), self.units, self._leaky)
        return L.Dense(Labelled([net, classes]), 1, "sigmoid", W=SMALL, b=None)

    def _leaky(self, x: Any) -> Any:
        return T.nnet.relu(x, np.asarray(self.slope, x.dtype))  # a Python number would make it float64

    def _dense(self, below: L.Layer, units: int, nonlinearity: Any) -> L.Layer:
        return L.Nonlinearity(L.BatchNorm(L.Dense(below, units, W=SMALL, b=None)), nonlinearity)


def _doubled(below: L.Layer, filters: int, b: Any) -> L.Layer:
    """Maps of twice the height and width."""
    return L.TransposedConv2D(below, filters, 5, stride=2, crop=2, extra=1, W=SMALL, b=b)


def _halved(below: L.Layer, filters: int) -> L.Layer:
    """Maps of half the height and width."""
    return L.Conv2D(below, filters, 5, stride=2, border=2, W=SMALL, b=None)


@L.layer
class Labelled(L.Layer):
    """[x (batch, n, ...), classes (batch, k)] -> (batch, n + k, ...): each class is one more feature, or map."""

    def shape_for(self, x: Sequence[int | None], classes: Sequence[int | None]) -> tuple[int | None, ...]:
        return (x[0], self.known(tuple(x), 1) + self.known(tuple(classes), 1), *x[2:])

    def output_for(self, x: Any, classes: Any, run: L.Run) -> Any:
        if x.ndim == 2:
            return T.concatenate([x, classes], axis=1)
        maps = classes.dimshuffle(0, 1, "x", "x") * T.ones((1, 1, *self.incoming[0].output_shape[2:]), x.dtype)
        return T.concatenate([x, maps], axis=1)

"""Classifiers of images that are written as layers: what they share.

    @dataclass(frozen=True)
    class Small(LayerModel):
        "One convolution"

        name: ClassVar[str] = "small"
        ...

        def build(self, images: L.Layer, n_classes: int) -> L.Layer:
            return L.Dense(L.Flatten(L.Conv2D(images, 8, 5, nonlinearity="relu")), n_classes, "softmax")
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.models.model import Model, Network, SettingError
from arignote.models.training import pictures

if TYPE_CHECKING:
    from arignote.models.classifier import Trainer
    from arignote.models.task import Painter


@dataclass(frozen=True)
class LayerModel(Model):
    """A classifier of square images, (batch, channels, size, size), of one channel or three."""

    @abstractmethod
    def build(self, images: L.Layer, n_classes: int) -> L.Layer:
        """The layers behind `images`; their output is (batch, n_classes), or (batch * labels, n_classes)."""

    def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
        shape = image_shape(n_in)
        with ar.change_flags(floatX=dtype), L.seeded(seed):
            images = L.Input((None, *shape), name="images")
            output = self.build(images, n_classes)

        def run(x: Any, updates: dict[Any, Any] | None) -> Any:
            x = T.reshape(x, (x.shape[0], *shape))
            return L.get_output(output, {images: x}, deterministic=updates is None, updates=updates)

        return Network(
            parameters=L.named_params(output),
            probabilities=lambda x: run(x, None),
            training=run,
            trained=list(L.named_params(output, trainable=True)),
            layers=output,
        )

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """The filters of the first convolution."""
        layers = L.get_all_layers(trainer.classifier.network.layers)
        first = next((layer for layer in layers if isinstance(layer, L.Conv2D)), None)
        if first is None:
            return {}
        title = f"{self.name}: filters of the first convolution"
        return {
            "filters.png": lambda path: pictures.images_picture(first.W.get_value(), path, title=title, each=True)
        }


@dataclass(frozen=True)
class MomentumModel(LayerModel):
    """Nesterov's momentum with weight decay, and a rate that is divided by 10 after a half and three quarters."""

    momentum: float = 0.9
    """Share of the last step that is kept."""
    decay: float = 1e-4
    """Weight decay, of weights and not of biases."""

    def updates(self, cost: Any, parameters: Sequence[Any], rate: Any) -> dict[Any, Any]:
        gradients = T.grad(cost, list(parameters))
        decayed = [g + np.asarray(self.decay, p.dtype) * p if p.ndim > 1 else g
                   for p, g in zip(parameters, gradients, strict=True)]  # fmt: skip
        return dict(ar.optim.nesterov(decayed, list(parameters), rate, self.momentum))

    def rate_at(self, epoch: int, epochs: int) -> float:
        drops = sum(epoch >= math.floor(part * epochs) for part in (0.5, 0.75) if epochs > 1)
        return float(self.rate / 10**drops)


def image_shape(n_in: int) -> tuple[int, int, int]:
    """(channels, size, size) of images of so many numbers. Raises `SettingError` for images that are not square."""
    for channels in (1, 3):
        size = math.isqrt(n_in // channels)
        if channels * size * size == n_in:
            return channels, size, size
    raise SettingError(f"images of {n_in} numbers are not square, with one channel or three")

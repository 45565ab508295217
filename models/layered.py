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
from collections.abc import Callable, Mapping, Sequence
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


SHOWN = 3  # images of which feature maps are drawn


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
        """The filters of the first convolution, and test images with what the first and the last one make of them."""
        layers = L.get_all_layers(trainer.classifier.network.layers)
        convolutions = [layer for layer in layers if isinstance(layer, L.Conv2D)]
        if not convolutions:
            return {}
        ends = list(dict.fromkeys((convolutions[0], convolutions[-1])))
        images = next(layer for layer in layers if isinstance(layer, L.Input))

        def maps(x: Any) -> list[Any]:
            variable = T.tensor4("x", dtype=trainer.classifier.dtype)
            outputs = L.get_output(ends, {images: variable}, deterministic=True)
            return ar.function([variable], outputs, name="maps", mode=trainer.classifier.mode)(x)  # type: ignore[no-any-return]

        return convolution_pictures(self, trainer, lambda: convolutions[0].W.get_value(), maps)


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


def convolution_pictures(
    model: Model, trainer: "Trainer", filters: Callable[[], Any], maps: Callable[[Any], Sequence[Any]]
) -> "Mapping[str, Painter]":
    """Pictures of a network of convolutions.

    - `filters`: those of the first one, (filters, channels, rows, columns);
    - `maps`: from images (batch, channels, size, size) to feature maps of some layers, each (batch or a multiple of it,
      maps, rows, columns).
    """

    def drawn(path: Any) -> None:
        x = trainer.data.test.x[:SHOWN]
        x = x.reshape(len(x), *image_shape(x.shape[1])).astype(trainer.classifier.dtype)
        found = [made.reshape(len(x), -1, *made.shape[2:]) for made in maps(x)]
        title = f"{model.name}: images, and their first maps of the first convolution and of the last one"
        pictures.maps_picture(x, found, path, title=title)

    title = f"{model.name}: filters of the first convolution"
    return {
        "filters.png": lambda path: pictures.images_picture(filters(), path, title=title, each=True),
        "maps.png": drawn,
    }


def image_shape(n_in: int) -> tuple[int, int, int]:
    """(channels, size, size) of images of so many numbers. Raises `SettingError` for images that are not square."""
    for channels in (1, 3):
        size = math.isqrt(n_in // channels)
        if channels * size * size == n_in:
            return channels, size, size
    raise SettingError(f"images of {n_in} numbers are not square, with one channel or three")

"""Spatial transformer networks (chapter 6): one digit in a cluttered image, and three of them in turn."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote import optim
from arignote.models.book.mnist_cnn import digits_network, features
from arignote.models.data import Canvas, Dataset, make_cluttered
from arignote.models.layered import LayerModel, image_shape
from arignote.models.training import pictures

if TYPE_CHECKING:
    from arignote.models.classifier import Trainer
    from arignote.models.task import Painter

IDENTITY = L.Constant(0), np.array([1, 0, 0, 0, 1, 0], np.float64)
THETA = ("theta.W", "theta.b")  # the parameters that it is made with
LARGE = 10_000  # images of digits from which the full number is made
FEWEST = 200  # images for validation, and for tests
SHOWN = 10  # images in the picture of crops


@dataclass(frozen=True)
class TransformerModel(LayerModel):
    """What both have in common."""

    image_shape: ClassVar[tuple[int, ...]] = (100, 100)
    book_batch: ClassVar[int] = 100
    book_epochs: ClassVar[int] = 60
    small_epochs: ClassVar[int] = 3

    size: int = 100
    """Height and width of the images that are made."""
    images: int = 20_000
    """Training images that are made, of small data a tenth of it; a tenth as many validate, and test, 200 at least."""
    clutter: int = 8
    """Pieces of other digits in an image."""
    filters: int = 32
    """Filters of 5x5 in each convolution."""
    hidden: int = 256
    """Units of dense and recurrent layers."""
    downsample: int = 3
    """How many times smaller than the image its part is that the classifier sees."""
    dropout: float = 0.5
    """Share of units that are dropped in training, before each dense layer of the classifier."""
    rate: float = 0.0005
    locate: float = 0.1
    """The share of the rate with which the layer of the transformations learns: faster, and the window leaves the
    image before anything has been learned from it."""

    def prepared(self, data: Dataset) -> Dataset:
        images = self.images if len(data.train.x) >= LARGE else max(1, self.images // 10)
        rest = max(FEWEST, images // 10)
        canvas = Canvas(size=self.size, digits=self.n_labels, clutter=self.clutter)
        return make_cluttered(data, canvas, (images, rest, rest))

    def updates(self, cost: Any, parameters: Sequence[Any], rate: Any) -> dict[Any, Any]:
        clipped = optim.clip_norm(T.grad(cost, list(parameters)), 5.0)
        updates: dict[Any, Any] = {}
        for slow, factor in ((False, 1.0), (True, self.locate)):
            pairs = [(g, p) for g, p in zip(clipped, parameters, strict=True) if (p.name in THETA) == slow]
            gradients, variables = zip(*pairs, strict=True)
            updates |= optim.adam(list(gradients), list(variables), rate * np.asarray(factor, clipped[0].dtype))
        return updates

    @abstractmethod
    def crops(self, images: L.Layer) -> L.Layer:
        """What the classifier sees: (batch * labels, channels, size / downsample, size / downsample)."""

    def build(self, images: L.Layer, n_classes: int) -> L.Layer:
        return digits_network(self.crops(images), n_classes, self.filters, self.hidden, self.dropout)

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """Test images, and below each what is seen of it."""
        classifier, data = trainer.classifier, trainer.data

        def crops(path: Any) -> None:
            network = L.get_all_layers(classifier.network.layers)
            seen = next(layer for layer in network if isinstance(layer, L.Transformer))
            images = next(layer for layer in network if isinstance(layer, L.Input))
            x = data.test.x[:SHOWN].reshape(-1, *image_shape(data.test.x.shape[1]))
            variable = T.tensor4("x", dtype=classifier.dtype)
            output = L.get_output(seen, {images: variable}, deterministic=True)
            parts = ar.function([variable], output, name="crops", mode=classifier.mode)(x.astype(classifier.dtype))
            parts = parts.reshape(len(x), -1, *parts.shape[2:])
            enlarged = [np.kron(parts[:, k], np.ones((self.downsample,) * 2)) for k in range(parts.shape[1])]
            tiles = np.stack([x[:, 0], *(_framed(part, x.shape[2:]) for part in enlarged)])
            title = f"{self.name}: images, and what the classifier sees of them"
            pictures.images_picture(tiles.reshape(-1, *x.shape[2:]), path, title=title, columns=len(x))

        return {**super().pictures(trainer), "crops.png": crops}


def _framed(images: Any, size: Sequence[int]) -> Any:
    """Images of another size in the corner of black ones of that size."""
    framed = np.zeros((len(images), *size), images.dtype)
    h, w = (min(a, b) for a, b in zip(images.shape[1:], size, strict=True))
    framed[:, :h, :w] = images[:, :h, :w]
    return framed


@dataclass(frozen=True)
class Stn(TransformerModel):
    """Spatial transformer: a network finds the digit in an image of 100x100, another reads it

    M. Jaderberg et al., "Spatial transformer networks", 2015.
    """

    name: ClassVar[str] = "stn"
    chapter: ClassVar[int] = 6
    quality: ClassVar[str] = "cluttered MNIST: accuracy 96.9 %"

    def crops(self, images: L.Layer) -> L.Layer:
        where = L.Dense(features(L.Pool2D(images, 2), self.filters), self.hidden, "relu", W=L.HeUniform(gain="relu"))
        theta = L.Dense(where, 6, W=IDENTITY[0], b=IDENTITY[1], name="theta")
        return L.Transformer([images, theta], self.downsample)


@dataclass(frozen=True)
class Rstn(TransformerModel):
    """Recurrent spatial transformer: a recurrent network finds three digits in turn, another reads them

    S. K. Sønderby et al., "Recurrent spatial transformer networks", 2015.
    """

    name: ClassVar[str] = "rstn"
    chapter: ClassVar[int] = 6
    quality: ClassVar[str] = "three digits of cluttered MNIST: accuracy of digits 0.895 at epoch 4, 0.98 at 53"
    n_labels: ClassVar[int] = 3

    def crops(self, images: L.Layer) -> L.Layer:
        seen = L.Dense(features(L.Pool2D(images, 2), self.filters), self.hidden, "relu", W=L.HeUniform(gain="relu"))
        steps = L.GRU(_repeated(L.Dimshuffle(seen, (0, "x", 1)), self.n_labels), self.hidden, return_sequences=True)
        theta = L.Dense(steps, 6, W=IDENTITY[0], b=IDENTITY[1], name="theta")
        channels, height, width = images.output_shape[1:]
        each = _repeated(L.Dimshuffle(images, (0, "x", 1, 2, 3)), self.n_labels)
        copies = L.Reshape(each, (-1, channels, height, width))
        return L.Transformer([copies, L.Reshape(theta, (-1, 6))], self.downsample)


def _repeated(below: L.Layer, times: int) -> L.Layer:
    """(batch, 1, ...) -> (batch, times, ...)."""
    return L.Concat([below] * times, axis=1)

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

WHERE, SHAPE = "where", "where_shape"  # what names of the localising network's parameters begin with
SEEN = "seen"  # the layer of what the classifier sees
LARGE = 10_000  # images of digits from which the full number is made
FEWEST = 200  # images for validation, and for tests
SHOWN = 10  # images in the picture of crops


@dataclass(frozen=True)
class TransformerModel(LayerModel):
    """What both have in common."""

    image_shape: ClassVar[tuple[int, ...]] = (100, 100)
    book_batch: ClassVar[int] = 100
    book_epochs: ClassVar[int] = 40
    small_epochs: ClassVar[int] = 3

    size: int = 100
    """Height and width of the images that are made."""
    images: int = 50_000
    """Training images of an epoch, of small data a tenth of it, each made anew: of stored ones a network of this size
    learns the clutter by heart. A tenth as many, made once, validate, and test, 200 at least."""
    clutter: int = 8
    """Pieces of other digits in an image."""
    filters: int = 32
    """Filters of 5x5 in each convolution."""
    hidden: int = 256
    """Units of dense and recurrent layers."""
    downsample: int = 3
    """How many times smaller than the image its part is that the classifier sees."""
    samples: int = 2
    """Points in each direction whose mean is a pixel of that part: with one, what lies between points that are three
    pixels apart is not seen, and gradients of transformations are noisier."""
    zoom: float = 0.6
    """The share of the image that is seen at first, from its middle, in height and width: of the whole of it, digits
    are read wherever they are, and it takes long until one is looked for."""
    coarse: int = 3
    """How many times smaller the image is that the localising network sees."""
    dropout: float = 0.0
    """Share of units that are dropped in training, before each dense layer of the classifier."""
    rate: float = 0.001
    """Learning rate of Adam in the first half of all epochs; in the second one it falls to 0, in a straight line."""
    locate: float = 0.1
    """The share of the rate with which the localising network learns: faster, and the window leaves the image before
    anything has been learned from it; its last layer alone, and the features under that change too fast for it."""
    reshape: float = 0.03
    """The share of the localising network's rate with which scale and rotation learn: as fast as places, and it widens
    the window until the digit need not be looked for."""

    def prepared(self, data: Dataset) -> Dataset:
        images = self.images if len(data.train.x) >= LARGE else max(1, self.images // 10)
        rest = max(FEWEST, images // 10)
        canvas = Canvas(size=self.size, digits=self.n_labels, clutter=self.clutter)
        return make_cluttered(data, canvas, (rest, rest, rest), epoch=images)

    def updates(self, cost: Any, parameters: Sequence[Any], rate: Any) -> dict[Any, Any]:
        clipped = optim.clip_norm(T.grad(cost, list(parameters)), 5.0)
        shares = [self.share(p.name) for p in parameters]
        updates: dict[Any, Any] = {}
        for share in dict.fromkeys(shares):
            pairs = [(g, p) for g, p, s in zip(clipped, parameters, shares, strict=True) if s == share]
            gradients, variables = zip(*pairs, strict=True)
            updates |= optim.adam(list(gradients), list(variables), rate * np.asarray(share, clipped[0].dtype))
        return updates

    def share(self, name: str) -> float:
        """The share of the rate with which the parameter of that name learns."""
        return self.locate * (self.reshape if name.startswith(SHAPE) else 1) if name.startswith(WHERE) else 1.0

    def rate_at(self, epoch: int, epochs: int) -> float:
        return self.rate * min(1.0, 2 * (1 - epoch / epochs))

    def localised(self, images: L.Layer, below: L.Layer) -> L.Layer:
        """The images through the transformations that are made of `below`, (batch, features)."""
        shape = L.Dense(below, 4, W=L.Constant(0), b=self.zoom * np.eye(2).reshape(-1))
        place = L.Dense(below, 2, W=L.Constant(0))
        matrix = L.Concat([L.Reshape(shape, (-1, 2, 2)), L.Reshape(place, (-1, 2, 1))], axis=2)
        theta = L.Reshape(matrix, (-1, 6))
        for number, layer in enumerate(layer for layer in L.get_all_layers(theta) if layer.params):
            layer.named(SHAPE if layer is shape else f"{WHERE}{number + 1}")
        points = L.Transformer([images, theta], self.downsample / self.samples)
        return L.Pool2D(points, self.samples, mode="average_exc_pad", name=SEEN)

    def features(self, images: L.Layer) -> L.Layer:
        """What the transformations are made of, (batch, hidden)."""
        below = features(L.Pool2D(images, self.coarse), self.filters)
        return L.Dense(below, self.hidden, "relu", W=L.HeUniform(gain="relu"))

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
            seen = next(layer for layer in network if layer.name == SEEN)
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
        return self.localised(images, self.features(images))


@dataclass(frozen=True)
class Rstn(TransformerModel):
    """Recurrent spatial transformer: a recurrent network finds three digits in turn, another reads them

    S. K. Sønderby et al., "Recurrent spatial transformer networks", 2015.
    """

    name: ClassVar[str] = "rstn"
    chapter: ClassVar[int] = 6
    quality: ClassVar[str] = "three digits of cluttered MNIST: accuracy of digits 0.895 at epoch 4, 0.98 at 53"
    n_labels: ClassVar[int] = 3
    book_batch: ClassVar[int] = 40

    locate: float = 0.3
    """The share of the rate with which the localising network learns: with all of it, windows move too far from step
    to step for the classifier to learn from them."""

    def crops(self, images: L.Layer) -> L.Layer:
        seen = _repeated(L.Dimshuffle(self.features(images), (0, "x", 1)), self.n_labels)
        steps = L.GRU(seen, self.hidden, return_sequences=True)
        # What all steps have in common would move all windows at once, further than what tells them apart.
        below = L.BatchNorm(L.Reshape(steps, (-1, self.hidden)), beta=None, gamma=None)
        channels, height, width = images.output_shape[1:]
        each = _repeated(L.Dimshuffle(images, (0, "x", 1, 2, 3)), self.n_labels)
        return self.localised(L.Reshape(each, (-1, channels, height, width)), below)


def _repeated(below: L.Layer, times: int) -> L.Layer:
    """(batch, 1, ...) -> (batch, times, ...)."""
    return L.Concat([below] * times, axis=1)

"""The convolutional network, the book's third model (chapter 2), after Y. LeCun and others (1998), and with dropout."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt, prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote.frontends.tensor.random import RandomStreams
from arignote.frontends.tensor.signal.pool import pool_2d
from arignote.models.layered import convolution_pictures
from arignote.models.model import Model, Network, SettingError

if TYPE_CHECKING:
    from arignote.models.classifier import Trainer
    from arignote.models.task import Painter

#: What becomes of the units before a dense layer.
Thinning = Callable[[Any], Any]


@dataclass(frozen=True)
class Cnn(Model):
    """Convolutional network: 20@5x5, pool 2x2, 50@5x5, pool 2x2, 500 tanh, 10"""

    name: ClassVar[str] = "cnn"
    chapter: ClassVar[int] = 2
    quality: ClassVar[str] = "MNIST: validation error 1.55 % at epoch 24"

    filters: int = 20
    """Filters of the first convolution."""
    more_filters: int = 50
    """Filters of the second convolution."""
    window: int = 5
    """Rows and columns of a filter."""
    hidden: int = 500
    """Units of the hidden layer."""
    rate: float = 0.1

    def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
        """p = softmax(tanh(flat W2 + b2) W3 + b3), flat = pool(pool(image * W0) * W1).

        W0, W1 and W2 are uniform after Glorot and Bengio (2010), everything else zero. Raises
        `SettingError` for images that are no squares, or too small for the two layers.
        """
        side = isqrt(n_in)
        small = ((side - self.window + 1) // 2 - self.window + 1) // 2
        if side * side != n_in or small < 1:
            raise SettingError(
                f"{self.name}: takes square images of at least {3 * self.window + 1} rows for "
                f"window={self.window}, not images of {n_in} pixels"
            )
        # RandomState and not a Generator: its streams are guaranteed never to change.
        random = np.random.RandomState(seed)

        def glorot(name: str, *shape: int) -> Any:
            high = np.sqrt(6 / (sum(shape[:2]) * prod(shape[2:])))
            return ar.shared(random.uniform(-high, high, shape).astype(dtype), name=name)

        def zeros(name: str, *shape: int) -> Any:
            return ar.shared(np.zeros(shape, dtype), name=name)

        W0 = glorot("W0", self.filters, 1, self.window, self.window)
        W1 = glorot("W1", self.more_filters, self.filters, self.window, self.window)
        W2, b2 = glorot("W2", self.more_filters * small**2, self.hidden), zeros("b2", self.hidden)
        W3, b3 = zeros("W3", self.hidden, n_classes), zeros("b3", n_classes)

        def probabilities(x: Any, thinned: Thinning = lambda units: units) -> Any:
            _, maps = convolved(x.reshape((x.shape[0], 1, side, side)), W0, W1)
            second = pool_2d(maps, (2, 2), ignore_border=True)
            hidden = T.tanh(T.dot(thinned(second.flatten(2)), W2) + b2)
            return T.nnet.softmax(T.dot(thinned(hidden), W3) + b3)

        parameters = {"W0": W0, "W1": W1, "W2": W2, "b2": b2, "W3": W3, "b3": b3}
        thinned = self.thinning(seed)
        if thinned is None:
            return Network(parameters, probabilities)
        return Network(parameters, probabilities, lambda x, updates: probabilities(x, thinned))

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """The filters of the first convolution, and test images with what both make of them."""
        classifier = trainer.classifier
        W0, W1 = (classifier.network.parameters[name] for name in ("W0", "W1"))

        def maps(x: Any) -> Any:
            images = T.tensor4("images", dtype=classifier.dtype)
            return ar.function([images], convolved(images, W0, W1), name="maps", mode=classifier.mode)(x)

        return {**super().pictures(trainer), **convolution_pictures(self, trainer, lambda: W0.get_value(), maps)}

    def thinning(self, seed: int) -> Thinning | None:
        """What is done in training to the units before each dense layer; None: nothing."""
        return None


def convolved(images: Any, W0: Any, W1: Any) -> list[Any]:
    """The maps of both convolutions, with maxima of 2x2 in between; `images` are (batch, 1, size, size)."""
    first = T.nnet.conv2d(images, W0)
    return [first, T.nnet.conv2d(pool_2d(first, (2, 2), ignore_border=True), W1)]


@dataclass(frozen=True)
class CnnDropout(Cnn):
    """Convolutional network with dropout before each dense layer

    G. Hinton et al., "Improving neural networks by preventing co-adaptation of feature detectors", 2012.
    """

    name: ClassVar[str] = "cnn_dropout"
    quality: ClassVar[str] = "MNIST: validation error 1.5 % at epoch 24, 1.08 % at best"

    rate: float = 0.2
    """Learning rate, twice that of `cnn`: dropped units learn nothing."""
    dropout: float = 0.5
    """Share of units that are dropped in training; the others are divided by what is left."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dropout >= 1:
            raise SettingError(f"{self.name}: dropout is a share below 1, not {self.dropout}")

    def thinning(self, seed: int) -> Thinning:
        streams = RandomStreams(seed)
        keep = 1 - self.dropout

        def thinned(units: Any) -> Any:
            return units * (streams.binomial(units.shape, p=keep, dtype=units.dtype) / np.asarray(keep, units.dtype))

        return thinned

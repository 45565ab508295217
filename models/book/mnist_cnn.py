"""The convolutional network of chapter 6, which the models that locate digits use as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from arignote import layers as L
from arignote import optim
from arignote.models.layered import LayerModel

HE = L.HeUniform(gain="relu", kernel=True)


@dataclass(frozen=True)
class MnistCnn(LayerModel):
    """Convolutional network of layers: two convolutions of 32 filters with pooling, 256-10, dropout"""

    name: ClassVar[str] = "mnist_cnn"
    chapter: ClassVar[int] = 6
    quality: ClassVar[str] = "MNIST: accuracy above 99 %"
    book_batch: ClassVar[int] = 500
    book_epochs: ClassVar[int] = 25
    small_epochs: ClassVar[int] = 10

    filters: int = 32
    """Filters of 5x5 in each convolution."""
    hidden: int = 256
    """Units of the dense layer."""
    dropout: float = 0.5
    """Share of units that are dropped in training, before each dense layer."""
    momentum: float = 0.9
    """Share of the last step that is kept."""
    rate: float = 0.05
    """Learning rate of Nesterov's momentum."""

    def build(self, images: L.Layer, n_classes: int) -> L.Layer:
        return digits_network(images, n_classes, self.filters, self.hidden, self.dropout)

    def updates(self, cost: Any, parameters: Sequence[Any], rate: Any) -> dict[Any, Any]:
        return dict(optim.nesterov(cost, list(parameters), rate, self.momentum))


def features(images: L.Layer, filters: int) -> L.Layer:
    """Two convolutions of 5x5 with rectifiers, a maximum over 2x2 behind each: (batch, features)."""
    net = images
    for _ in range(2):
        net = L.Pool2D(L.Conv2D(net, filters, 5, nonlinearity="relu", W=HE), 2)
    return L.Flatten(net)


def digits_network(images: L.Layer, n_classes: int, filters: int, hidden: int, dropout: float) -> L.Layer:
    """Probabilities (batch, n_classes) of digits."""
    net = L.Dense(L.Dropout(features(images, filters), dropout), hidden, "relu", W=L.HeUniform(gain="relu"))
    return L.Dense(L.Dropout(net, dropout), n_classes, "softmax")

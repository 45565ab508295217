"""What a trained network looks at (chapter 8): the network of chapter 6, and pictures of three methods.

`arignote.models.insight` has the methods, for any network of layers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote import layers as L
from arignote.models.book.mnist_cnn import MnistCnn
from arignote.models.classifier import Classifier
from arignote.models.insight import RECTIFIERS, Dream, attributions, projections
from arignote.models.training import pictures

if TYPE_CHECKING:
    from arignote.models.classifier import Trainer
    from arignote.models.task import Painter

SHOWN = 10  # images in a picture
STRONGEST = 9  # maps of which a projection is shown


@dataclass(frozen=True)
class GuidedBackprop(MnistCnn):
    """What the score of a class depends on in an image: gradients under three rules of rectifiers

    J. Springenberg et al., "Striving for simplicity: the all convolutional net", 2014.
    """

    name: ClassVar[str] = "guided_backprop"
    chapter: ClassVar[int] = 8
    quality: ClassVar[str] = "pictures: the strokes that decide"

    def functions(self, classifier: Classifier) -> Mapping[str, Callable[[], Any]]:
        network = classifier.network.layers
        return {rule: partial(attributions, network, rule, classifier.mode) for rule in RECTIFIERS}

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """Test images, and below each the three gradients of its highest score."""

        def drawn(path: Any) -> None:
            images = shown(trainer)
            rows = [images, *(make()(images) for make in self.functions(trainer.classifier).values())]
            title = f"{self.name}: images; gradients plain, of the deconvnet, guided"
            pictures.images_picture(np.concatenate(rows), path, title=title, each=True, columns=len(images))

        return {**super().pictures(trainer), "attributions.png": drawn}


@dataclass(frozen=True)
class Deconvnet(MnistCnn):
    """What the maps of the last convolution react to: their maxima brought back to the image

    M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", 2013.
    """

    name: ClassVar[str] = "deconvnet"
    chapter: ClassVar[int] = 8
    quality: ClassVar[str] = "pictures: parts of strokes; transposed convolutions to 1e-6"

    def functions(self, classifier: Classifier) -> Mapping[str, Callable[[], Any]]:
        layers = L.get_all_layers(classifier.network.layers)
        last = [layer for layer in layers if isinstance(layer, L.Pool2D)][-1]
        return {"projections": lambda: projections(last, classifier.mode)}

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """Test images, and beside each the projections of the maps that are strongest in it."""

        def drawn(path: Any) -> None:
            images = shown(trainer)
            values, projected = self.functions(trainer.classifier)["projections"]()(images)
            best = np.argsort(-values, axis=1)[:, :STRONGEST]
            rows = [np.concatenate([image[None], maps[chosen]])
                    for image, maps, chosen in zip(images, projected, best, strict=True)]  # fmt: skip
            title = f"{self.name}: images, and what their strongest maps react to"
            columns = 1 + best.shape[1]
            pictures.images_picture(np.concatenate(rows), path, title=title, each=True, columns=columns)

        return {**super().pictures(trainer), "projections.png": drawn}


@dataclass(frozen=True)
class Inceptionism(MnistCnn):
    """Images that the network takes for each class most of all, by gradient ascent from noise

    A. Mordvintsev, C. Olah, M. Tyka, "Inceptionism: going deeper into neural networks", 2015.
    """

    name: ClassVar[str] = "inceptionism"
    chapter: ClassVar[int] = 8
    quality: ClassVar[str] = "pictures: each is taken for its class"

    steps: int = 60
    """Steps of gradient ascent."""

    def dream(self, classifier: Classifier) -> Dream:
        """Gradient ascent on the scores of classes."""
        return Dream(classifier.network.layers, mode=classifier.mode)

    def functions(self, classifier: Classifier) -> Mapping[str, Callable[[], Any]]:
        return {"dream": lambda: self.dream(classifier).step}

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """An image for each class, and what noise and test images become when the second convolution is encouraged."""

        def classes(path: Any) -> None:
            dream = self.dream(trainer.classifier)
            n = trainer.data.n_classes
            images, _ = dream.run(self._noise(n, shown(trainer).shape[1:]), np.arange(n), self.steps)
            labels, p = trainer.classifier.classify(images.reshape(len(images), -1))
            names = [f"{label} ({row[label]:.2f})" for label, row in zip(labels, p, strict=True)]
            title = f"{self.name}: images of highest score, and what they are taken for"
            pictures.images_picture(images, path, title=title, columns=len(images), names=names)

        def features(path: Any) -> None:
            network = trainer.classifier.network.layers
            last = [layer for layer in L.get_all_layers(network) if isinstance(layer, L.Conv2D)][-1]
            dream = Dream(network, layer=last, mode=trainer.classifier.mode)
            images = shown(trainer)
            begun = np.concatenate([images, self._noise(len(images), images.shape[1:])])
            after, _ = dream.run(begun, np.zeros(len(begun)), self.steps)
            rows = np.stack([images, after[: len(images)], after[len(images) :]]).reshape(-1, *images.shape[1:])
            title = f"{self.name}: images, and what they and noise become where features are strengthened"
            pictures.images_picture(rows, path, title=title, columns=len(images))

        return {**super().pictures(trainer), "classes.png": classes, "features.png": features}

    def _noise(self, n: int, shape: Sequence[int]) -> NDArray[Any]:
        return np.random.RandomState(0).uniform(0, 0.2, (n, *shape))


def shown(trainer: "Trainer") -> NDArray[Any]:
    """The first test images, (n, channels, size, size)."""
    layers = L.get_all_layers(trainer.classifier.network.layers)
    shape = next(layer for layer in layers if isinstance(layer, L.Input)).output_shape[1:]
    images = trainer.data.test.x[:SHOWN]
    return images.reshape(len(images), *map(int, shape)).astype(trainer.classifier.dtype)  # type: ignore[arg-type]

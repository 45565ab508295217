"""A classifier swept over images of any size: its dense layers as convolutions (chapter 6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.frontends.layers.activations import softmax
from arignote.models.book.mnist_cnn import MnistCnn
from arignote.models.classifier import Classifier
from arignote.models.data import Canvas, make_cluttered
from arignote.models.training import pictures

if TYPE_CHECKING:
    from arignote.models.classifier import Trainer
    from arignote.models.task import Painter

SHOWN = 6  # images in the picture
DIGITS = 3  # in each of them


@dataclass(frozen=True)
class FcnSweep(MnistCnn):
    """A classifier of digits that slides over images of any size in one pass, dense layers as convolutions

    P. Sermanet et al., "OverFeat", 2013; J. Long, E. Shelhamer, T. Darrell, "Fully convolutional networks for semantic
    segmentation", 2014.
    """

    name: ClassVar[str] = "fcn_sweep"
    quality: ClassVar[str] = "MNIST: equal to the classifier at every window, 1e-5"

    size: int = 84
    """Height and width of the images that are swept in the picture."""

    def functions(self, classifier: Classifier) -> Mapping[str, Callable[[], Any]]:
        def sweep() -> Any:
            x = T.tensor4("images", dtype=classifier.dtype)
            return ar.function([x], swept(classifier.network.layers, x), name="sweep", mode=classifier.mode)

        return {"sweep": sweep}

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """Images of several digits, and beside each the probability of each of its digits at every window."""

        def drawn(path: Any) -> None:
            base = trainer.data
            canvas = Canvas(size=self.size, digits=DIGITS, clutter=0)
            data = make_cluttered(base, canvas, (1, 1, SHOWN))
            images = data.test.x.reshape(-1, 1, self.size, self.size)
            maps = self.functions(trainer.classifier)["sweep"]()(images.astype(trainer.classifier.dtype))
            window = self.size - base.image_shape[-1]
            enlarged = np.zeros((len(images), DIGITS, self.size, self.size), np.float32)
            at = base.image_shape[-1] // 2
            rows = np.arange(window) * maps.shape[2] // window
            for image, labels, found in zip(enlarged, data.test.y, maps, strict=True):
                image[:, at : at + window, at : at + window] = found[labels][:, rows][:, :, rows]
            tiles = np.concatenate([images, enlarged], axis=1).reshape(-1, self.size, self.size)
            title = f"{self.name}: images, and where each of their digits is likely"
            pictures.images_picture(tiles, path, title=title, columns=1 + DIGITS)

        return {**super().pictures(trainer), "sweep.png": drawn}


def swept(network: L.Layer, images: Any) -> Any:
    """Probabilities (batch, classes, rows, columns) of every window of images (batch, channels, height, width).

    Windows have the size of the network's images, and lie as far apart as the strides of its layers together.

    Raises:
        ValueError: the network is no chain of convolutions without padding, maxima or means, and then dense layers:
            only of such ones a window does not depend on what is around it.
    """
    layers = L.get_all_layers(network)
    for before, layer in pairwise(layers):
        if len(layer.incoming) != 1 or layer.incoming[0] is not before:
            raise ValueError(layer.message("only a chain of layers can be swept"))
    sizes = layers[0].output_shape[1:]
    x = images
    for layer in layers[1:]:
        if isinstance(layer, L.Flatten):
            continue
        if isinstance(layer, L.Dense):
            # The window of the first dense layer is all that it saw; behind it is one number for each unit.
            filters = layer.W.T.reshape((layer.units, *sizes))
            y = T.nnet.conv2d(x, filters, filter_flip=False)
            y = y if layer.b is None else y + layer.b.dimshuffle("x", 0, "x", "x")
            x = T.nnet.softmax(y, axis=1) if layer.function is softmax else layer.function(y)
            sizes = (layer.units, 1, 1)
        elif isinstance(layer, (L.Dropout, L.Nonlinearity)) or _local(layer):
            x = layer.output_for(x, L.Run(deterministic=True))
            sizes = layer.output_shape[1:] if len(layer.output_shape) == 4 else sizes
        else:
            raise ValueError(layer.message("it depends on more than a window, or is of a kind that cannot be swept"))
    return x


def _local(layer: L.Layer) -> bool:
    """Whether it is a convolution or pooling without padding."""
    if isinstance(layer, L.Conv2D):
        return layer.border in ("valid", 0, (0, 0))
    return isinstance(layer, L.Pool2D) and layer.pad == (0, 0) and layer.ignore_border

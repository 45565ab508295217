"""SegNet (chapter 8): the class of every pixel, by an encoder and a decoder that shares its maxima's places."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote import layers as L
from arignote.models.data import Dataset
from arignote.models.layered import MomentumModel, image_shape
from arignote.models.model import SettingError
from arignote.models.training import pictures

if TYPE_CHECKING:
    from arignote.models.classifier import Trainer
    from arignote.models.task import Painter

HE = L.HeNormal(gain="relu", kernel=True)
SHOWN = 8  # images in the picture of masks


@dataclass(frozen=True)
class SegNet(MomentumModel):
    """Segmentation: four convolutions with maxima, four with maxima put back where they were

    The default is the paper's smaller network, SegNet-Basic. V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet: a deep
    convolutional encoder-decoder architecture for image segmentation", 2015.
    """

    name: ClassVar[str] = "segnet"
    chapter: ClassVar[int] = 8
    quality: ClassVar[str] = "pixel accuracy above that of the most frequent class (test: scenes 76.1 %, CamVid 27.5 %)"
    embedded: ClassVar[str] = "scenes"
    files: ClassVar[str] = "camvid"
    image_shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    n_labels: ClassVar[int] = 32 * 32
    book_batch: ClassVar[int] = 12
    book_epochs: ClassVar[int] = 15
    small_epochs: ClassVar[int] = 30

    filters: int = 64
    """Filters of each convolution."""
    window: int = 7
    """Rows and columns of a filter; an odd number."""
    stages: int = 4
    """Convolutions with maxima, and as many back."""
    rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 2 == 0:
            raise SettingError(f"{self.name}: window is an odd number, not {self.window}")

    def build(self, images: L.Layer, n_classes: int) -> L.Layer:
        size = images.output_shape[2]
        if size is None or size % 2**self.stages:
            raise SettingError(f"{self.name}: stages={self.stages} need images of {2**self.stages} n rows, not {size}")
        net, before = images, []
        for _ in range(self.stages):
            before.append(L.Nonlinearity(self._normal(net), "relu"))
            net = L.Pool2D(before[-1], 2)
        for maps in reversed(before):
            net = self._normal(L.Unpool2D([net, maps], 2))
        scores = L.Conv2D(net, n_classes, 1, W=L.HeNormal(kernel=True))
        pixels = L.Reshape(L.Dimshuffle(scores, (0, 2, 3, 1)), (-1, n_classes))
        return L.Nonlinearity(pixels, "softmax")

    def _normal(self, below: L.Layer) -> L.Layer:
        return L.BatchNorm(L.Conv2D(below, self.filters, self.window, border="half", W=HE, b=None))

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """Test images, the classes of their pixels as they are labelled, and as they are predicted."""
        data = trainer.data

        def masks(path: Any) -> None:
            x, y = data.test.x[:SHOWN], data.test.y[:SHOWN]
            labels, _ = trainer.classifier.classify(x, len(x))
            shape = image_shape(x.shape[1])
            rows = [x.reshape(len(x), *shape), *(coloured(v.reshape(len(x), *shape[1:]), data) for v in (y, labels))]
            title = f"{self.name} on {data.name}: images, labels, predictions"
            pictures.images_picture(np.concatenate(rows), path, title=title, columns=len(x))

        return {**super().pictures(trainer), "masks.png": masks}


def coloured(labels: NDArray[Any], data: Dataset) -> NDArray[np.float32]:
    """Labels [n, h, w] as colours [n, 3, h, w]: one for each class, far apart; void is black."""
    turn = np.arange(data.n_classes) * 0.618034  # the golden ratio: neighbours are far apart on the circle of hues
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * (turn[:, None] + np.arange(3) / 3))
    if data.void is not None:
        wave[data.void] = 0
    colours: NDArray[np.float32] = np.moveaxis(wave.astype(np.float32)[labels], -1, 1)
    return colours

"""Residual networks (chapter 7): plain, wide, with bottlenecks, of any depth, with stochastic depth."""

from dataclasses import dataclass
from typing import ClassVar

from arignote import layers as L
from arignote.models.data import Dataset
from arignote.models.data.augment import Transformation, small_augmentation
from arignote.models.layered import MomentumModel
from arignote.models.model import SettingError

HE = L.HeNormal(gain="relu", kernel=True)


@dataclass(frozen=True)
class ResNet(MomentumModel):
    """Residual network with pre-activation: 6 n + 2 layers, or 9 n + 2 with bottlenecks

    The book's sizes on CIFAR-10: n=18 filters=16 (ResNet-110), the same with bottleneck=true (ResNet-164), n=18
    filters=16 width=4 (wide). K. He et al., "Identity mappings in deep residual networks", 2016; S. Zagoruyko,
    N. Komodakis, "Wide residual networks", 2016; G. Huang et al., "Deep networks with stochastic depth", 2016.
    """

    name: ClassVar[str] = "resnet"
    chapter: ClassVar[int] = 7
    quality: ClassVar[str] = "MNIST: accuracy 98 % with n=1 and 8 filters; CIFAR-10: n=18 filters=16 trains"
    book_batch: ClassVar[int] = 128
    book_epochs: ClassVar[int] = 20
    small_epochs: ClassVar[int] = 15

    n: int = 1
    """Blocks in each of the three stages."""
    filters: int = 8
    """Filters of the first convolution; the stages have as many, twice and four times as many, times the width."""
    width: int = 1
    """Factor of the filters in the blocks."""
    bottleneck: bool = False
    """Blocks of 1x1, 3x3 and 1x1 with a quarter of the filters inside, and four times as many outside."""
    survival: float = 1.0
    """How probable it is that the last block is there in a training step; falls linearly from 1 over the blocks."""
    augment: bool = False
    """Train on random crops and mirror images."""
    rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.survival > 1:
            raise SettingError(f"resnet: survival is a probability, not {self.survival}")

    def augmentation(self, data: Dataset) -> Transformation | None:
        return small_augmentation() if self.augment else None

    def build(self, images: L.Layer, n_classes: int) -> L.Layer:
        net = self._conv(images, self.filters, 3)
        for stage in range(3):
            outer = self.filters * self.width * 2**stage * (4 if self.bottleneck else 1)
            for block in range(self.n):
                number = stage * self.n + block + 1
                survival = 1 - number / (3 * self.n) * (1 - self.survival)
                # A stage begins at half the size, and with other filters than the last; the first perhaps too.
                stride = 2 if stage and not block else 1
                net = self._block(net, outer, stride, survival)
        return L.Dense(L.GlobalPool(_activated(net)), n_classes, "softmax", W=L.HeNormal())

    def _block(self, below: L.Layer, filters: int, stride: int, survival: float) -> L.Layer:
        before = _activated(below)
        if self.bottleneck:
            net = self._conv(before, filters // 4, 1, stride)
            net = self._conv(_activated(net), filters // 4, 3)
            net = self._conv(_activated(net), filters, 1)
        else:
            net = self._conv(before, filters, 3, stride)
            net = self._conv(_activated(net), filters, 3)
        if survival < 1:
            net = L.Dropout(net, 1 - survival, rescale=False, shared_axes=(0, 1, 2, 3))
        same = stride == 1 and below.output_shape[1] == filters
        return L.ElemwiseSum([net, below if same else self._conv(before, filters, 1, stride)])

    def _conv(self, below: L.Layer, filters: int, size: int, stride: int = 1) -> L.Layer:
        return L.Conv2D(below, filters, size, stride, border="half", W=HE, b=None)


def _activated(below: L.Layer) -> L.Layer:
    return L.Nonlinearity(L.BatchNorm(below), "relu")

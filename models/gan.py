"""Generative adversarial networks of labelled images (chapter 12), and their training.

I. Goodfellow et al., "Generative adversarial nets", 2014; conditional on labels after M. Mirza, S. Osindero, 2014.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.frontends.tensor.positions import to_one_hot
from arignote.frontends.tensor.random import RandomStreams
from arignote.models.data import Dataset
from arignote.models.imagetask import blank_images, load
from arignote.models.layered import image_shape
from arignote.models.likeness import discrepancy, nearest_labels
from arignote.models.model import ModelBase, SettingError
from arignote.models.task import Painter, Task, VariableTask
from arignote.models.training import History, Record, pictures

Array = NDArray[Any]

COMPARED = 1000  # at most so many samples, and images, when the model is judged
SMALL_SET = 10_000  # training images of a set that is read more often
VARIANTS = 10  # of each class in the picture of samples


class Networks(NamedTuple):
    """Both networks, and the inputs of theirs that are given.

    - `generator`: images (batch, channels, size, size) in [0, 1] from `noise` (batch, noise) and `classes`;
    - `discriminator`: how probable it is that `images` with `classes` are real, (batch, 1);
    - `classes`: float (batch, n_classes), one in each row is 1.
    """

    noise: L.Layer
    images: L.Layer
    classes: L.Layer
    generator: L.Layer
    discriminator: L.Layer


@dataclass(frozen=True)
class GanModel(ModelBase):
    """A generator and a discriminator, with Adam for both."""

    book_epochs: ClassVar[int] = 20
    small_epochs: ClassVar[int] = 60

    batch: int = 128
    """Images in a minibatch, as many real as generated."""
    noise: int = 100
    """Random numbers that an image is made from, uniform in [-1, 1)."""
    turns: int = 2
    """Updates of the discriminator for each of the generator."""
    rate: float = 2e-4
    """Learning rate of both."""
    momentum: float = 0.5
    """Adam's decay of the mean of gradients."""

    @abstractmethod
    def networks(self, shape: tuple[int, int, int], n_classes: int, seed: int, dtype: str) -> Networks:
        """Newly initialised networks for images of (channels, size, size); `seed` decides all random weights.

        Raises `SettingError` for images that do not fit.
        """

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> Task:
        return GanTask(self, load(data), seed=seed, mode=mode)

    def blank(self, *, seed: int = 0) -> Task:
        return GanTask(self, blank_images(self.batch), seed=seed)


class GanTask(VariableTask):
    """Generator and discriminator with real images.

    - `train(i)`: one update of the discriminator on minibatch `i` and as many generated images of the same
      classes; its mean cross-entropy before it;
    - `generator(i)`: one update of the generator for the classes of minibatch `i`; its cost before it;
    - `sample(z, y)`: images float[n, channels, size, size] from noise [n, noise] and labels int32[n]; batch
      normalisation uses the running statistics of the generator's updates.

    The model is judged by samples of the classes of the validation images: `loss` is their discrepancy from those,
    `error` the share of them whose nearest training image has another label.

    Raises `SettingError` for minibatches larger than the training set.
    """

    by_loss = True

    def __init__(
        self, model: GanModel, data: Dataset, *, seed: int, dtype: str = "float32", mode: Any = None
    ) -> None:
        self.model, self.data, self.data_name = model, data, data.name
        self.seed, self.dtype, self.mode = seed, dtype, mode
        self.shape = image_shape(data.train.x.shape[1])
        self.batch, self.n_batches = model.batch, len(data.train.x) // model.batch
        if not self.n_batches:
            raise SettingError(
                f"{model.name}: batch={model.batch}, but {data.name} has {len(data.train.x)} training images only"
            )
        self.epochs = model.book_epochs if len(data.train.x) >= SMALL_SET else model.small_epochs
        self.interval = self.n_batches
        self.networks = model.networks(self.shape, data.n_classes, seed, dtype)
        nets = {"generator": self.networks.generator, "discriminator": self.networks.discriminator}
        self.parameters = {f"{who}.{name}": p for who, net in nets.items() for name, p in L.named_params(net).items()}
        self._streams = RandomStreams(seed)
        self._images = ar.shared(data.train.x.astype(dtype, copy=False), name="images")
        self._labels = ar.shared(data.train.y.astype(np.int32, copy=False), name="labels")

    def discriminator_cost(self, images: Any, y: Any, z: Any) -> Any:
        """Mean cross-entropy of telling real images (batch, pixels) from those drawn from `z`, both of classes `y`."""
        real = self._judged(images, y)
        fake = self._judged(T.consider_constant(self._drawn(y, z, {})), y)
        return -T.mean(T.log(real)) - T.mean(T.log(1 - fake))

    def generator_cost(self, y: Any, z: Any, statistics: dict[Any, Any]) -> Any:
        """Mean cross-entropy of taking what is drawn from `z` for real; statistics of the batch go into the dict."""
        return -T.mean(T.log(self._judged(self._drawn(y, z, statistics), y)))

    @cached_property
    def train(self) -> Any:
        images, y = self._inputs()
        cost = self.discriminator_cost(images, y, self._noise(y))
        return self._function("train", images, y, cost, self.networks.discriminator, {})

    @cached_property
    def generator(self) -> Any:
        images, y = self._inputs()
        statistics: dict[Any, Any] = {}
        cost = self.generator_cost(y, self._noise(y), statistics)
        return self._function("generator", images, y, cost, self.networks.generator, statistics)

    @cached_property
    def sample(self) -> Any:
        z, y = T.matrix("z", dtype=self.dtype), T.vector("y", dtype="int32")
        inputs = {self.networks.noise: z, self.networks.classes: self._one_hot(y)}
        images = L.get_output(self.networks.generator, inputs, deterministic=True)
        return ar.function([z, y], images, name="sample", mode=self.mode)

    def _inputs(self) -> tuple[Any, Any]:
        return T.matrix("images", dtype=self.dtype), T.vector("y", dtype="int32")

    def _one_hot(self, y: Any) -> Any:
        return to_one_hot(y, self.data.n_classes, self.dtype)

    def _noise(self, y: Any) -> Any:
        return self._streams.uniform((y.shape[0], self.model.noise), -1, 1, ndim=2, dtype=self.dtype)

    def _drawn(self, y: Any, z: Any, statistics: dict[Any, Any]) -> Any:
        inputs = {self.networks.noise: z, self.networks.classes: self._one_hot(y)}
        return L.get_output(self.networks.generator, inputs, updates=statistics)

    def _judged(self, images: Any, y: Any) -> Any:
        images = images.reshape((images.shape[0], *self.shape))
        inputs = {self.networks.images: images, self.networks.classes: self._one_hot(y)}
        # What is learned is how the images of one minibatch differ from those of another, by their own statistics.
        return L.get_output(self.networks.discriminator, inputs, updates={})

    def _function(self, name: str, x: Any, y: Any, cost: Any, network: L.Layer, updates: dict[Any, Any]) -> Any:
        trained = L.get_all_params(network, trainable=True)
        steps = ar.optim.adam(cost, trained, self.model.rate, self.model.momentum)
        index = T.scalar("index", dtype="int64")
        rows = slice(index * self.batch, (index + 1) * self.batch)
        givens = {y: self._labels[rows]} | ({x: self._images[rows]} if name == "train" else {})
        return ar.function([index], cost, updates=updates | dict(steps), givens=givens, name=name, mode=self.mode)

    # ------------------------------------------------------------ training
    def step(self, minibatch: int) -> float:
        loss = float(self.train(minibatch))
        if (minibatch + 1) % self.model.turns == 0:
            self.generator(minibatch)
        return loss

    def measured(self, part: str) -> tuple[float, float]:
        images = getattr(self.data, part)
        return self.judge(images.x, images.y)

    def judge(self, images: Array, labels: Array) -> tuple[float, float]:
        """Discrepancy of samples from real images [n, pixels], and the share of samples that look like another class.

        The same noise at every call.
        """
        real, y = images[:COMPARED], labels[:COMPARED]
        drawn = self.samples(y, np.random.RandomState(self.seed)).reshape(len(y), -1)
        near = nearest_labels(drawn, self.data.train.x[:SMALL_SET], self.data.train.y[:SMALL_SET])
        return discrepancy(drawn, real), float(np.mean(near != y))

    def samples(self, labels: Sequence[int] | Array, random: np.random.RandomState) -> Array:
        """Images float[n, channels, size, size] of the classes `labels`."""
        z = random.uniform(-1, 1, (len(labels), self.model.noise)).astype(self.dtype)
        images: Array = np.asarray(self.sample(z, np.asarray(labels, np.int32)))
        return images

    def variables(self) -> Mapping[str, Any]:
        return {**self.parameters, **self._state}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of `snapshot`; parameters alone can be set too."""
        for name, parameter in self.parameters.items():
            parameter.set_value(np.asarray(arrays[name]))
        for name, variable in self._state.items():
            if name in arrays:
                variable.set_value(np.asarray(arrays[name]))

    @cached_property
    def _state(self) -> dict[str, Any]:
        known = {id(v) for v in (*self.parameters.values(), self._images, self._labels)}
        found = {id(v): v for f in (self.train, self.generator) for v in f.get_shared() if id(v) not in known}
        return {f"state.{number}.{v.name or 'value'}": v for number, v in enumerate(found.values())}

    # ------------------------------------------------------------ what commands show
    def functions(self) -> Mapping[str, Callable[[], Any]]:
        return {"train": lambda: self.train, "generator": lambda: self.generator, "sample": lambda: self.sample}

    def about(self) -> str:
        counts = (L.count_params(net, trainable=True) for net in (self.networks.generator, self.networks.discriminator))
        generator, discriminator = counts
        return f"{len(self.data.train.x)} training images; {generator:,} + {discriminator:,} parameters"

    def notes(self) -> Mapping[str, Any]:
        return {"n_classes": self.data.n_classes, "image_shape": list(self.data.image_shape)}

    def line(self, record: Record) -> str:
        return (
            f"epoch {record.epoch}, minibatch {record.minibatch}/{self.n_batches}, discriminator's loss "
            f"{record.train_loss:.4f}, discrepancy {record.valid_loss:.4f}, "
            f"samples like another class {100 * record.valid_error:.2f} %"
        )

    def verdict(self, best: Record) -> str:
        assert best.test_loss is not None and best.test_error is not None, "the best validation is followed by a test"
        return (
            f"least discrepancy {best.valid_loss:.4f} at epoch {best.epoch}; of test images {best.test_loss:.4f}, "
            f"samples like another class {100 * best.test_error:.2f} %"
        )

    def pictures(self, history: History) -> Mapping[str, Painter]:
        title = f"{self.model.name} on {self.data.name}"

        def samples(path: Path) -> None:
            labels = np.repeat(np.arange(self.data.n_classes), VARIANTS)
            images = self.samples(labels, np.random.RandomState(self.seed))
            pictures.images_picture(images, path, title=f"{title}: samples, a class in each row", columns=VARIANTS)

        return {
            **super().pictures(history),
            "samples.png": samples,
        }

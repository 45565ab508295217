"""Co-localisation (chapter 6): where in images is what they have in common? Nobody says where, or what it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.frontends.tensor.nnet.sampling import spatial_transformer
from arignote.models.book.mnist_cnn import MnistCnn, features
from arignote.models.classifier import make_trainer
from arignote.models.data import Canvas, Dataset, Drawing, Feed, Pair, Stream
from arignote.models.imagetask import blank_images, load
from arignote.models.model import ModelBase, SettingError
from arignote.models.task import Painter, VariableTask
from arignote.models.training import History, Record, Schedule, Steps, pictures, train

Array = NDArray[Any]

SHOWN = 10  # images in the picture
FOUND = 0.5  # intersection over union from which on a digit is found, as in the paper
SMALL = 10_000  # training images of digits from which the full number is made


class Found(NamedTuple):
    """What the localiser does on a part of the data: the mean loss, and of crops and digits the mean intersection over
    union, and the share of those for which it is below a half."""

    loss: float
    overlap: float
    missed: float


@dataclass(frozen=True)
class Colocalize(ModelBase):
    """Unsupervised co-localisation: crops of images with the same digit are to be alike, and unlike random crops

    Of the images of a minibatch it is only known that all show the same thing. A network places a crop of fixed size in
    each; the cost is the mean over pairs of images n, m of

        max(0, |e(crop of n) - e(crop of m)|^2 - |e(crop of n) - e(random crop of n)|^2 + margin),

    where e is the last hidden layer of a classifier of digits, divided by its length. The classifier is trained before,
    on digits alone, and stays as it is. After M. Jaderberg et al., "Spatial transformer networks", 2015, appendix A.2.
    """

    name: ClassVar[str] = "colocalize"
    chapter: ClassVar[int] = 6
    quality: ClassVar[str] = (
        "cluttered MNIST: 95 % of crops share more than half of their union with the digit's place; mean share 0.8"
    )

    batch: int = 50
    """Images in a minibatch."""
    images: int = 20_000
    """Training images of an epoch, of small data a tenth of it, each made anew. A twentieth as many validate, and
    test, one minibatch for each class at least."""
    size: int = 84
    """Height and width of the images that are made, each with one digit."""
    clutter: int = 4
    """Pieces of other digits in an image."""
    filters: int = 32
    """Filters of 5x5 in each convolution of both networks."""
    hidden: int = 256
    """Units of the dense layer of both networks."""
    coarse: int = 2
    """How many times smaller the image is that the localising network sees."""
    margin: float = 1.0
    """How much more than other crops a random crop must differ."""
    encoder_epochs: int = 3
    """Passes over the digits to train the classifier with; of small data ten times as many."""
    room: int = 4
    """Pixels by which these digits are moved at most: of digits that are always in the middle, crops that are a few
    pixels away from them look like nothing."""
    rate: float = 0.0005
    """Adam's learning rate in the first epoch; it falls to 0 in a straight line."""

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> "ColocalizeTask":
        task = ColocalizeTask(self, load(data), seed=seed, mode=mode)
        task.train_encoder()
        return task

    def blank(self, *, seed: int = 0) -> "ColocalizeTask":
        return ColocalizeTask(self, blank_images(MnistCnn.book_batch), seed=seed)


class ColocalizeTask(VariableTask):
    """Localiser and encoder with minibatches of one class each.

    - `train(images, free)`: one update of the localiser on images float[batch, size, size] of one class; its loss
      before. `free`, float[batch, 2] within -1 and 1, is where the random crops are;
    - `judge(images, free)`: the loss, and the centres of the crops, float[batch, 2]: x and y, the image from -1 to 1.

    Raises `SettingError` for images that are not grey, or larger than those to be made.
    """

    by_loss = True

    def __init__(
        self, model: Colocalize, data: Dataset, *, seed: int, dtype: str = "float32", mode: Any = None
    ) -> None:
        self.model, self.data, self.data_name = model, data, data.name
        self.seed, self.dtype, self.mode = seed, dtype, mode
        if len(data.image_shape) != 2 or model.size <= data.image_shape[0]:
            raise SettingError(
                f"{model.name}: size={model.size} is for grey images that are smaller, not for those of "
                f"{'x'.join(map(str, data.image_shape))}"
            )
        self.side = data.image_shape[0]
        # Coordinates run from -1 to 1 between the centres of the outermost pixels.
        self.scale = (self.side - 1) / (model.size - 1)
        self.canvas = Canvas(size=model.size, clutter=model.clutter)
        self.small = len(data.train.x) < SMALL
        images = max(model.batch, model.images // 10 if self.small else model.images)
        self.batch, self.n_batches, self.epochs = model.batch, images // model.batch, 30 if self.small else 8
        self.interval = self.n_batches
        classifier = MnistCnn(filters=model.filters, hidden=model.hidden)
        moved = replace(data, stream=Stream(len(data.train.x), self.moved))
        self.encoder = make_trainer(classifier, moved, seed=seed, dtype=dtype, mode=mode)
        with ar.change_flags(floatX=dtype), L.seeded(seed):
            self.input = L.Input((None, 1, model.size, model.size), name="images")
            below = features(L.Pool2D(self.input, model.coarse), model.filters)
            below = L.Dense(below, model.hidden, "relu", W=L.HeUniform(gain="relu"))
            self.localiser = L.Dense(L.BatchNorm(below, beta=None, gamma=None), 2, "tanh", W=L.Constant(0))
        own = {f"localiser.{name}": p for name, p in L.named_params(self.localiser).items()}
        encoder = self.encoder.classifier.network.parameters
        self.parameters = own | {f"encoder.{name}": p for name, p in encoder.items()}
        self.feed = Feed(Drawing(Stream(images, self.drawn(data.train)), model.batch, seed=seed))
        self.rounds = max(1, images // (20 * data.n_classes * model.batch))
        self.rate = ar.shared(np.asarray(model.rate, dtype), name="rate")
        self._epoch = 0

    # ------------------------------------------------------------ data
    def drawn(self, base: Pair) -> Callable[[int, np.random.RandomState], Pair]:
        """What draws images float32[n, size, size] of one class, and the upper left corners of their digits,
        int[n, 2]."""
        digits = base.x.reshape(-1, self.side, self.side)
        of_class = [np.flatnonzero(base.y == label) for label in np.unique(base.y)]

        def draw(n: int, random: np.random.RandomState) -> Pair:
            own = of_class[random.randint(len(of_class))]
            images, corners = self.canvas.place(digits[random.choice(own, n)][:, None], digits, random)
            return Pair(images, corners[:, 0])

        return draw

    def moved(self, n: int, random: np.random.RandomState) -> Pair:
        """Training digits for the encoder, float32[n, side * side], distorted like those of the images, and moved."""
        base, room = self.data.train, self.model.room
        chosen = random.randint(0, len(base.x), n)
        digits = base.x[chosen].reshape(n, 1, self.side, self.side)
        images, _ = replace(self.canvas, size=self.side + 2 * room, clutter=0).place(digits, digits[:, 0], random)
        inner = images[:, room : room + self.side, room : room + self.side]
        return Pair(np.ascontiguousarray(inner.reshape(n, -1)), base.y[chosen])

    def made(self, part: str) -> list[Pair]:
        """The minibatches of a part, which are always the same: validation, or test."""
        draw = self.drawn(getattr(self.data, part))
        number = ("valid", "test").index(part)
        n = self.rounds * self.data.n_classes
        return [draw(self.batch, np.random.RandomState([self.seed, number, i])) for i in range(n)]

    @cached_property
    def valid(self) -> list[Pair]:
        return self.made("valid")

    @cached_property
    def test(self) -> list[Pair]:
        return self.made("test")

    def free(self, *numbers: int) -> Array:
        """Where random crops are, float[batch, 2] within -1 and 1; the numbers decide."""
        return np.random.RandomState([self.seed, *numbers]).uniform(-1, 1, (self.batch, 2)).astype(self.dtype)

    def train_encoder(self) -> None:
        """Train the classifier whose last hidden layer tells crops apart."""
        epochs = self.model.encoder_epochs * (10 if self.small else 1)
        train(self.encoder.steps, Schedule(epochs, self.encoder.n_batches["train"]))

    # ------------------------------------------------------------ expressions
    def centres(self, images: Any, updates: dict[Any, Any] | None = None) -> Any:
        """The centres of the crops, (batch, 2), so that all crops lie within the image.

        In training, with `updates`, features are normalised by the minibatch.
        """
        inputs = {self.input: images.dimshuffle(0, "x", 1, 2)}
        free = L.get_output(self.localiser, inputs, deterministic=updates is None, updates=updates)
        return free * np.asarray(1 - self.scale, self.dtype)

    def crops(self, images: Any, centres: Any) -> Any:
        """(batch, 1, side, side) of images (batch, size, size)."""
        zero = T.zeros_like(centres[:, 0])
        scale = zero + np.asarray(self.scale, self.dtype)
        theta = T.stack([scale, zero, centres[:, 0], zero, scale, centres[:, 1]], axis=1)
        # The number of points is rounded down.
        share = (self.side + 0.5) / self.model.size
        return spatial_transformer(images.dimshuffle(0, "x", 1, 2), theta, share, share)

    def embedded(self, crops: Any) -> Any:
        """The encoder's last hidden layer, (batch, hidden), of length 1."""
        layers = L.get_all_layers(self.encoder.classifier.network.layers)
        last = [layer for layer in layers if isinstance(layer, L.Dense)][-2]
        found = L.get_output(last, {layers[0]: crops}, deterministic=True)
        return found / T.sqrt(T.sum(found**2, axis=1, keepdims=True) + np.asarray(1e-6, self.dtype))

    def loss(self, images: Any, centres: Any, free: Any) -> Any:
        """The mean hinge over pairs of images, and as many random crops.

        A crop is drawn towards the others, but not they towards it. If they were, one that lies on nothing would draw
        all others there, where all are alike: after 300 minibatches they overlap with digits by 0.02.
        """
        own = self.embedded(self.crops(images, centres))
        other = T.consider_constant(own)
        random = self.embedded(self.crops(images, free * np.asarray(1 - self.scale, self.dtype)))
        pairs = 2 - 2 * T.dot(own, other.T)
        apart = 2 - 2 * T.sum(own * random, axis=1, keepdims=True)
        hinge = T.maximum(pairs - apart + np.asarray(self.model.margin, self.dtype), 0)
        different = 1 - np.eye(self.batch, dtype=self.dtype)
        return T.sum(hinge * different) / np.asarray(different.sum(), self.dtype)

    # ------------------------------------------------------------ functions
    @cached_property
    def train(self) -> Any:
        images, free = self._inputs()
        updates: dict[Any, Any] = {}
        cost = self.loss(images, self.centres(images, updates), free)
        updates |= ar.optim.adam(cost, L.get_all_params(self.localiser, trainable=True), self.rate)
        return ar.function([images, free], cost, updates=updates, name="train", mode=self.mode)

    @cached_property
    def judge(self) -> Any:
        images, free = self._inputs()
        centres = self.centres(images)
        return ar.function([images, free], [self.loss(images, centres, free), centres], name="judge", mode=self.mode)

    def _inputs(self) -> tuple[Any, Any]:
        images = T.TensorType(self.dtype, shape=(self.batch, self.model.size, self.model.size))("images")
        return images, T.TensorType(self.dtype, shape=(self.batch, 2))("free")

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        return {"train": lambda: self.train, "judge": lambda: self.judge}

    # ------------------------------------------------------------ training
    @property
    def steps(self) -> Steps:
        return replace(super().steps, epoch=self._at_epoch)

    def _at_epoch(self, epoch: int, epochs: int) -> None:
        self._epoch = epoch
        self.rate.set_value(np.asarray(self.model.rate * (1 - epoch / epochs), self.dtype))

    def step(self, minibatch: int) -> float:
        images, _ = self.feed(self._epoch, minibatch)
        free = self.free(2, self._epoch, minibatch)
        return float(self.train(images.astype(self.dtype, copy=False), free))

    def measured(self, part: str) -> tuple[float, float]:
        found = self.found(part)
        return found.loss, found.missed

    def found(self, part: str) -> Found:
        """What the localiser does on the validation or test images."""
        losses, overlaps = [], []
        for number, (images, corners) in enumerate(getattr(self, part)):
            loss, centres = self.judge(images.astype(self.dtype, copy=False), self.free(3, number))
            losses.append(float(loss))
            overlaps.append(overlap(self.corners(centres), corners, self.side))
        found = np.concatenate(overlaps)
        return Found(float(np.mean(losses)), float(found.mean()), float(np.mean(found < FOUND)))

    def corners(self, centres: Array) -> Array:
        """The upper left corners of crops in pixels, [n, 2] as row and column."""
        found: Array = (centres[:, ::-1] + 1) / 2 * (self.model.size - 1) - (self.side - 1) / 2
        return found

    def variables(self) -> Mapping[str, Any]:
        known = {id(p) for p in (*self.parameters.values(), self.rate)}
        means = [v for v in self.train.get_shared() if id(v) not in known]
        return {**self.parameters, **{f"state.{number}": v for number, v in enumerate(means)}}

    def notes(self) -> Mapping[str, Any]:
        return {"image_shape": list(self.data.image_shape), "n_classes": self.data.n_classes}

    # ------------------------------------------------------------ what is shown
    def about(self) -> str:
        n = self.rounds * self.data.n_classes * self.batch
        _, error = self.encoder.steps.test()
        return (
            f"{self.n_batches * self.batch} training (new ones in each epoch), {n} validation, {n} test images; "
            f"the encoder tells {100 * (1 - float(error)):.2f} % of test digits"
        )

    def line(self, record: Record) -> str:
        return (
            f"epoch {record.epoch}, minibatch {record.minibatch}/{self.n_batches}, training loss "
            f"{record.train_loss:.4f}, validation loss {record.valid_loss:.4f}, "
            f"digits found {100 * (1 - record.valid_error):.1f} %"
        )

    def verdict(self, best: Record) -> str:
        assert best.test_loss is not None and best.test_error is not None, "the best validation is followed by a test"
        return (
            f"least loss {best.valid_loss:.4f} at epoch {best.epoch}; of test images {best.test_loss:.4f}, "
            f"digits found {100 * (1 - best.test_error):.1f} %, "
            f"mean intersection over union {self.found('test').overlap:.3f}"
        )

    def pictures(self, history: History) -> Mapping[str, Painter]:
        def crops(path: Path) -> None:
            shown = []
            for number, (images, _) in enumerate(self.test[:SHOWN]):
                _, centres = self.judge(images.astype(self.dtype, copy=False), self.free(3, number))
                shown += [framed(images[i], self.corners(centres)[i], self.side) for i in range(min(2, self.batch))]
            title = f"{self.model.name} on {self.data_name}: crops of test images"
            pictures.images_picture(np.stack(shown), path, title=title, columns=SHOWN)

        return {**super().pictures(history), "crops.png": crops}


def overlap(first: Array, second: Array, side: int) -> Array:
    """Intersection over union, [n], of squares with that side whose upper left corners are [n, 2]."""
    shared = np.maximum(side - np.abs(first - second), 0).prod(axis=1)
    found: Array = shared / (2 * side**2 - shared)
    return found


def framed(image: Array, corner: Array, side: int) -> Array:
    """An image with the frame of a square crop."""
    low = np.clip(np.round(corner).astype(int), 0, len(image) - side)
    high = low + side - 1
    out = image.copy()
    out[[low[0], high[0]], low[1] : high[1] + 1] = 1
    out[low[0] : high[0] + 1, [low[1], high[1]]] = 1
    return out

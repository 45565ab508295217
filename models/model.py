"""What a model is: a frozen dataclass whose fields are its hyper-parameters.

A model states its network; `arignote.models.classifier` makes the training, validation, test and
prediction functions from it. One file in `models/book/` per model is all that a new one takes:

    @dataclass(frozen=True)
    class LogReg(Model):
        "Softmax regression"

        name: ClassVar[str] = "logreg"
        chapter: ClassVar[int] = 2
        quality: ClassVar[str] = "MNIST: validation error 8.16 % at epoch 24"

        rate: float = 0.13

        def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
            W = ar.shared(np.zeros((n_in, n_classes), dtype), name="W")
            return Network({"W": W}, lambda x: T.nnet.softmax(T.dot(x, W)))
"""

import dataclasses
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import arignote.tensor as T

if typing.TYPE_CHECKING:
    from arignote.models.classifier import Classifier, Trainer
    from arignote.models.data import Dataset
    from arignote.models.data.augment import Transformation
    from arignote.models.task import Painter, Task

BOOK_BATCH = 600
SMALL_BATCH = 20  # for sets with too few examples for the book's minibatches
MAY_BE_ZERO = ("dropout", "momentum", "decay")  # settings that switch something off
FEWEST_BATCHES = 50  # an epoch of fewer minibatches is "too few"


class SettingError(ValueError):
    """A hyper-parameter that the model does not have, or a value that it cannot take."""


@dataclass(frozen=True)
class Network:
    """A network with parameters.

    - `parameters`: shared variables by name, in order;
    - `probabilities(x)`: from images [n, inputs] to class probabilities [n, classes], both
      symbolic and of the network's dtype. Where an image has m labels, [n * m, classes];
    - `training(x, updates)`: the same in training, where that differs (dropout, statistics of batches);
      what is to be updated is put into the dict;
    - `trained`: the names of the parameters that gradients change; None: all;
    - `layers`: the last of its layers, where it is made of such.
    """

    parameters: Mapping[str, Any]
    probabilities: Callable[[Any], Any]
    training: Callable[[Any, dict[Any, Any]], Any] | None = None
    trained: Sequence[str] | None = None
    layers: Any = None


@dataclass(frozen=True)
class ModelBase(ABC):
    """A model of any kind and its hyper-parameters (its fields); equal sizes and seed make equal networks.

    Subclasses state as class variables:

    - `name`: as on the command line;
    - `chapter`: of C. Bourez, *Deep Learning with Theano* (2017);
    - `quality`: what training on the data set of the book must reach.

    The first line of a subclass's docstring is its summary.
    """

    name: ClassVar[str]
    chapter: ClassVar[int]
    quality: ClassVar[str]

    @abstractmethod
    def task(self, data: str | None, *, seed: int, mode: Any = None) -> "Task":
        """The model with the data that `--data` names (None: the embedded ones), ready to be trained.

        Raises `DataError` and `SettingError` as loaders and settings do.
        """

    @abstractmethod
    def blank(self, *, seed: int = 0) -> "Task":
        """The model with made-up data of the book's sizes, to look at what is compiled."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and not isinstance(value, bool) and value < 1:
                raise SettingError(f"{self.name}: {field.name} must be at least 1, not {value}")
            if field.name in MAY_BE_ZERO and value == 0:
                continue
            if isinstance(value, float) and not 0 < value < float("inf"):
                raise SettingError(f"{self.name}: {field.name} must be positive, not {value}")

    @classmethod
    def summary(cls) -> str:
        """One line for listings."""
        return (cls.__doc__ or cls.name).strip().splitlines()[0].rstrip(".")

    @classmethod
    def settings(cls) -> dict[str, Any]:
        """The hyper-parameters and their defaults."""
        return {field.name: field.default for field in dataclasses.fields(cls)}

    @classmethod
    def with_settings(cls, settings: Sequence[str]) -> Self:
        """The model with settings given as text, `["hidden=300", "rate=0.1"]`.

        Raises `SettingError` for names it does not have and values of another type.
        """
        kinds = typing.get_type_hints(cls)
        values: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals or name not in cls.settings():
                raise SettingError(
                    f"{cls.name} has no setting {setting!r}; it has "
                    + ", ".join(f"{key}={value}" for key, value in cls.settings().items())
                )
            values[name] = _parse(cls.name, name, text, kinds[name])
        return cls(**values)


@dataclass(frozen=True)
class Model(ModelBase):
    """A classifier of images.

    Class variables: `embedded` and `files` name the data sets (of `load_dataset`) that it is trained on
    by default and for a folder of files; `image_shape` and `n_labels` are those of its images in the
    book; `book_batch`, `book_epochs` and `small_epochs` how long it is trained, on small data sets too.
    """

    embedded: ClassVar[str] = "digits"
    files: ClassVar[str] = "mnist"
    image_shape: ClassVar[tuple[int, ...]] = (28, 28)
    n_labels: ClassVar[int] = 1
    book_batch: ClassVar[int] = BOOK_BATCH
    book_epochs: ClassVar[int] = 1000
    small_epochs: ClassVar[int] = 100

    batch: int | None = None
    """Examples in a minibatch; None: the book's (600, where it says no other), or at most 20 for small data sets."""
    rate: float = 0.1
    """Learning rate of gradient descent."""

    @abstractmethod
    def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
        """A newly initialised network; `seed` decides all random weights."""

    def updates(self, cost: Any, parameters: Sequence[Any], rate: Any) -> dict[Any, Any]:
        """One step of training: gradient descent, unless a model says otherwise."""
        return {p: p - rate * g for p, g in zip(parameters, T.grad(cost, parameters), strict=True)}

    def rate_at(self, epoch: int, epochs: int) -> float:
        """The learning rate in an epoch, from 0, of so many; models that change it say so."""
        return self.rate

    def prepared(self, data: "Dataset") -> "Dataset":
        """The data set that it is trained on, made from the one that was named; it may be that one."""
        return data

    def augmentation(self, data: "Dataset") -> "Transformation | None":
        """How training images are changed; None: they are used as stored, in the stored order."""
        return None

    def functions(self, classifier: "Classifier") -> "Mapping[str, Callable[[], Any]]":
        """What makes each function that the model has besides those of every classifier, by name."""
        return {}

    def pictures(self, trainer: "Trainer") -> "Mapping[str, Painter]":
        """What to draw after training beside learning curves and confusion matrix."""
        return {}

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> "Task":
        from arignote.models.imagetask import ImageTask, load

        base = load(data, self.embedded, self.files)
        return ImageTask(self, self.prepared(base), seed=seed, mode=mode, name=base.name)

    def blank(self, *, seed: int = 0) -> "Task":
        from arignote.models.imagetask import ImageTask, blank_images

        batch = self.batch or self.book_batch
        data = blank_images(batch, self.image_shape, self.n_labels)
        return ImageTask(dataclasses.replace(self, batch=batch), data, seed=seed)

    def batch_for(self, data: "Dataset") -> int:
        """Examples in a minibatch of this data set. Raises `SettingError` where they do not fit."""
        batch = self.batch
        if batch is None:
            large = data.epoch >= FEWEST_BATCHES * self.book_batch
            batch = self.book_batch if large else min(self.book_batch, SMALL_BATCH)
        fewest = min(data.epoch, len(data.valid.x), len(data.test.x))
        if batch > fewest:
            raise SettingError(
                f"{self.name}: batch={batch}, but a part of {data.name} has {fewest} examples only"
            )
        return batch


def _parse(model: str, name: str, text: str, kind: Any) -> Any:
    """A value from its text, by the field's annotation."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if text.lower() == "none" and type(None) in options:
        return None
    for option in options:
        if option is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if option in (int, float, str):
            try:
                return option(text)
            except ValueError:
                continue
    expected = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    expected = expected.replace("NoneType", "none")
    raise SettingError(f"{model}: {name} is of type {expected}, which {text!r} is not")

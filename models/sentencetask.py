"""Classifiers of sentences and their data, as the commands use them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arignote.frontends.layers import Model as Network
from arignote.models.data.sentiment import SentimentData, Texts, Vocabulary, Words, tokenise
from arignote.models.model import SettingError
from arignote.models.task import Painter, VariableTask
from arignote.models.training import CheckpointError, History, curves
from arignote.models.training import checkpoint as checkpoints

if TYPE_CHECKING:
    from arignote.models.book.bilstm_sentiment import BilstmSentiment

Array = NDArray[Any]


class SentenceTask(VariableTask):
    """A classifier of sentences, padded in front to the longest one of the training set, and sentences.

    - `training`: the training sentences as `arrays`, shuffled once, by the seed.

    Raises `SettingError` for minibatches that are larger than the training set.
    """

    def __init__(self, model: "BilstmSentiment", data: SentimentData, *, seed: int, mode: Any = None) -> None:
        self.model, self.data, self.data_name = model, data, data.name
        self.batch = model.batch
        self.n_batches = len(data.train.x) // self.batch
        if not self.n_batches:
            raise SettingError(f"{model.name}: batch={self.batch}, but {data.name} has {len(data.train.x)} texts only")
        self.epochs, self.interval = model.book_epochs, self.n_batches
        self.length = max(1, *(len(text) for text in data.train.x))
        self.vocabulary = Vocabulary.of(data.train.x, model.vocabulary)
        self.network = model.network(len(data.classes), seed, mode)
        order = np.random.RandomState(seed).permutation(len(data.train.x))
        x, y = self.arrays(data.train)
        self.training = x[order], y[order]

    def arrays(self, texts: Texts) -> tuple[Array, Array]:
        """Texts as word numbers int32[n, length], and their classes int32[n]."""
        return self.vocabulary.numbers(texts.x, self.length), texts.y

    def step(self, minibatch: int) -> float:
        rows = slice(minibatch * self.batch, (minibatch + 1) * self.batch)
        x, y = self.training
        return self.network.train_on_batch(x[rows], y[rows])["loss"]

    def measured(self, part: str) -> tuple[float, float]:
        logs = self.network.evaluate(*self.arrays(getattr(self.data, part)), batch=100)
        return logs["loss"], 1 - logs["accuracy"]

    def variables(self) -> Mapping[str, Any]:
        return self.network.variables()

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        steps = self.network.steps
        assert steps is not None, "the model compiles its network"
        return {
            "train": lambda: steps.train_function,
            "test": lambda: steps.test_function,
            "predict": lambda: self.network.predict_function,
        }

    def about(self) -> str:
        train, valid, test = (len(part.x) for part in (self.data.train, self.data.valid, self.data.test))
        return (
            f"{train} training, {valid} validation, {test} test texts, {len(self.vocabulary)} words, "
            f"at most {self.length} in a text, {self.network.count_params():,} parameters"
        )

    def weights(self) -> Mapping[str, Array]:
        return self.network.get_weights()

    def notes(self) -> Mapping[str, Any]:
        return {"classes": list(self.data.classes), "words": list(self.vocabulary.words), "length": self.length}

    def pictures(self, history: History) -> Mapping[str, Painter]:
        title = f"{self.model.name} on {self.data.name}"
        names = self.data.classes

        def confusion(path: Path) -> None:
            x, y = self.arrays(self.data.test)
            matrix = curves.confusion_matrix(y, self.network.predict(x, batch=100).argmax(axis=1), len(names))
            curves.confusion_picture(matrix, path, title=f"{title}: test set", class_names=names)

        return {
            **super().pictures(history),
            "confusion.png": confusion,
        }


class TrainedSentences:
    """A trained classifier of sentences.

    - `classes`: the names of its classes; `data`: what it was trained on.
    """

    def __init__(self, model: "type[BilstmSentiment]", path: Path, mode: Any = None) -> None:
        """Read the weights that `arignote train` wrote. Raises `CheckpointError` for other files."""
        found = checkpoints.load(path, model=model.name)
        about = found.progress
        try:
            settings = [f"{key}={value}" for key, value in about["settings"].items()]
            self.classes, self.data = tuple(map(str, about["classes"])), str(about["data"])
            self.vocabulary, self.length = Vocabulary(map(str, about["words"])), int(about["length"])
            self.network: Network = model.with_settings(settings).network(len(self.classes), 0, mode)
            self.network.set_weights(dict(found.parameters))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                path,
                f"does not describe a trained model ({error!r})",
                "Use the weights.npz that `arignote train` wrote, not a run's checkpoint.",
            ) from error

    def probabilities(self, texts: Sequence[Words]) -> Array:
        """Of each class, [n, classes], for texts as words."""
        found: Array = self.network.predict(self.vocabulary.numbers(texts, self.length), batch=100)
        return found

    @staticmethod
    def words(text: str) -> Words:
        """The words of a text."""
        return tokenise(text)

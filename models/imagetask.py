"""Classifiers of images and their data, as the commands use them."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arignote.models.classifier import make_trainer
from arignote.models.data import NAMES, Dataset, Pair, load_dataset
from arignote.models.model import BOOK_BATCH, Model
from arignote.models.task import Array, Painter, Task
from arignote.models.training import History, Steps, curves

BOOK_INTERVAL = 1000
VALIDATIONS = 20  # at most about so many in a run


class ImageTask(Task):
    """A classifier of images, and images; `name` is that of the data set they were made from, if it is another.

    Raises `SettingError` for minibatches that are larger than a part of the data.
    """

    def __init__(self, model: Model, data: Dataset, *, seed: int, mode: Any = None, name: str | None = None) -> None:
        self.model, self.data, self.data_name = model, data, name or data.name
        self.trainer = make_trainer(model, data, seed=seed, mode=mode)
        self.batch, self.n_batches = self.trainer.batch, self.trainer.n_batches["train"]
        book = self.batch == model.book_batch
        self.epochs = model.book_epochs if book else model.small_epochs
        # The book's first models are validated every 1000 minibatches.
        self.interval = BOOK_INTERVAL if self.batch == BOOK_BATCH else _interval(self.epochs) * self.n_batches

    @property
    def steps(self) -> Steps:
        return self.trainer.steps

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        trainer = self.trainer
        return {
            "train": lambda: trainer.train,
            "valid": lambda: trainer.valid,
            "test": lambda: trainer.test,
            "predict": lambda: trainer.classifier.predict,
            **self.model.functions(trainer.classifier),
        }

    def about(self) -> str:
        valid, test = len(self.data.valid.x), len(self.data.test.x)
        anew = "" if self.data.stream is None else " (new ones in each epoch)"
        return f"{self.data.epoch} training{anew}, {valid} validation, {test} test images"

    def weights(self) -> Mapping[str, Array]:
        return self.trainer.classifier.snapshot()

    def notes(self) -> Mapping[str, Any]:
        return {
            "n_in": int(self.data.train.x.shape[1]),
            "n_classes": self.data.n_classes,
            "image_shape": list(self.data.image_shape),
        }

    def pictures(self, history: History) -> Mapping[str, Painter]:
        title = f"{self.model.name} on {self.data.name}"

        def confusion(path: Path) -> None:
            labels, _ = self.trainer.classifier.classify(self.data.test.x)
            true = self.data.test.y.reshape(-1)
            judged = slice(None) if self.data.void is None else true != self.data.void
            matrix = curves.confusion_matrix(true[judged], labels[judged], self.data.n_classes)
            curves.confusion_picture(matrix, path, title=f"{title}: test set")

        return {
            **super().pictures(history),
            "confusion.png": confusion,
            **self.model.pictures(self.trainer),
        }


def _interval(epochs: int) -> int:
    """Epochs from one validation to the next."""
    return max(1, epochs // VALIDATIONS)


def load(data: str | None, embedded: str = "digits", files: str = "mnist") -> Dataset:
    """The data set that `--data` names: one of `NAMES`, `embedded` for None, or a folder that holds `files`."""
    if data is None:
        return load_dataset(embedded)
    return load_dataset(data) if data in NAMES else load_dataset(files, data)


def blank_images(batch: int, image_shape: tuple[int, ...] = (28, 28), n_labels: int = 1) -> Dataset:
    """Stand-ins, some minibatches of them: what is compiled does not depend on their values."""
    n = 4 * batch

    def part() -> Pair:
        labels = np.zeros(n if n_labels == 1 else (n, n_labels), np.int32)
        return Pair(np.zeros((n, math.prod(image_shape)), np.float32), labels)

    return Dataset("blank", part(), part(), part(), 10, image_shape, "blank images")

"""Classifiers of images and their data, as the commands use them."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arignote.models.classifier import make_trainer
from arignote.models.data import Dataset, Pair, load_dataset
from arignote.models.model import BOOK_BATCH, Model
from arignote.models.task import Painter, Task
from arignote.models.training import Checkpoint, History, Steps, curves
from arignote.models.training import checkpoint as checkpoints

BOOK_EPOCHS, BOOK_INTERVAL = 1000, 1000
SMALL_EPOCHS = 100
EPOCHS_PER_VALIDATION = 5  # for minibatches other than the book's


class ImageTask(Task):
    """A classifier of images, and images.

    Raises `SettingError` for minibatches that are larger than a part of the data.
    """

    def __init__(self, model: Model, data: Dataset, *, seed: int, mode: Any = None) -> None:
        self.model, self.data, self.data_name = model, data, data.name
        self.trainer = make_trainer(model, data, seed=seed, mode=mode)
        self.batch, self.n_batches = self.trainer.batch, self.trainer.n_batches["train"]
        book = self.batch == BOOK_BATCH
        self.epochs = BOOK_EPOCHS if book else SMALL_EPOCHS
        self.interval = BOOK_INTERVAL if book else EPOCHS_PER_VALIDATION * self.n_batches

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
        }

    def about(self) -> str:
        train, valid, test = (len(part.x) for part in (self.data.train, self.data.valid, self.data.test))
        return f"{train} training, {valid} validation, {test} test images"

    def save(self, path: Path, history: History) -> None:
        best = history.best
        progress = {
            "settings": dataclasses.asdict(self.model),
            "n_in": int(self.data.train.x.shape[1]),
            "n_classes": self.data.n_classes,
            "image_shape": list(self.data.image_shape),
            "data": self.data.name,
            "valid_error": best.valid_error if best else None,
            "test_error": best.test_error if best else None,
        }
        parameters = self.trainer.classifier.snapshot()
        checkpoints.save(path, Checkpoint(self.model.name, parameters, progress=progress))

    def pictures(self, history: History) -> Mapping[str, Painter]:
        title = f"{self.model.name} on {self.data.name}"

        def confusion(path: Path) -> None:
            labels, _ = self.trainer.classifier.classify(self.data.test.x)
            matrix = curves.confusion_matrix(self.data.test.y, labels, self.data.n_classes)
            curves.confusion_picture(matrix, path, title=f"{title}: test set")

        return {
            "learning_curves.png": lambda path: curves.learning_curves(
                history.records, self.n_batches, path, title=title
            ),
            "confusion.png": confusion,
        }


def load(data: str | None) -> Dataset:
    """The data set that `--data` names: `digits` (None), `mnist`, or a folder that holds MNIST."""
    if data is None or data == "digits":
        return load_dataset("digits")
    return load_dataset("mnist", None if data == "mnist" else data)


def blank_images(batch: int) -> Dataset:
    """Stand-ins, some minibatches of them: what is compiled does not depend on their values."""
    n = 4 * batch

    def part() -> Pair:
        return Pair(np.zeros((n, 784), np.float32), np.zeros(n, np.int32))

    return Dataset("blank", part(), part(), part(), 10, (28, 28), "blank images")

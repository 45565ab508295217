"""A model with its data: what `arignote train` needs of any kind of model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.frontends.optim import Halving
from arignote.models.training import Checkpoint, History, Record, Steps, curves
from arignote.models.training import checkpoint as checkpoints

Array = NDArray[Any]

#: Draws a picture into a file.
Painter = Callable[[Path], object]


class Task(ABC):
    """A model and data, ready to be trained.

    - `model`, `data_name`: the model, and the name of the data set;
    - `batch`, `n_batches`: examples in a minibatch, minibatches in an epoch;
    - `epochs`, `interval`: by default, how long to train, and minibatches from one validation to the next;
    - `by_loss`: models are judged by their validation loss, not by their validation error.
    """

    model: Any
    data_name: str
    batch: int
    n_batches: int
    epochs: int
    interval: int
    by_loss: bool = False

    @property
    @abstractmethod
    def steps(self) -> Steps:
        """What the training loop needs."""

    @abstractmethod
    def functions(self) -> Mapping[str, Callable[[], Any]]:
        """What makes each compiled function, by name, the training function first."""

    @abstractmethod
    def about(self) -> str:
        """The sizes of the data, as a line."""

    @abstractmethod
    def weights(self) -> Mapping[str, Array]:
        """The current parameters, by name."""

    @abstractmethod
    def notes(self) -> Mapping[str, Any]:
        """What is needed to use the parameters, besides the model's settings: numbers, texts and lists of these."""

    def save(self, path: Path, history: History) -> None:
        """Write the current parameters with everything needed to use them, and how good the best ones are."""
        best, judged = history.best, "loss" if self.by_loss else "error"
        progress = {"settings": asdict(self.model), "data": self.data_name, **self.notes()}
        for part in ("valid", "test"):
            progress[f"{part}_{judged}"] = getattr(best, f"{part}_{judged}") if best else None
        checkpoints.save(path, Checkpoint(self.model.name, dict(self.weights()), progress=progress))

    def pictures(self, history: History) -> Mapping[str, Painter]:
        """What to draw after training, by file name: learning curves. Painters raise ImportError without matplotlib."""
        draw = curves.loss_curves if self.by_loss else curves.learning_curves
        title = f"{self.model.name} on {self.data_name}"
        return {"learning_curves.png": lambda path: draw(history.records, self.n_batches, path, title=title)}

    def line(self, record: Record) -> str:
        """A validation as the book prints it."""
        return (
            f"epoch {record.epoch}, minibatch {record.minibatch}/{self.n_batches}, "
            f"validation error {100 * record.valid_error:.2f} %, loss {record.valid_loss:.7f}"
        )

    def verdict(self, best: Record) -> str:
        """The best validation."""
        assert best.test_error is not None, "the best validation is always followed by a test"
        return (
            f"best validation error {100 * best.valid_error:.2f} % at epoch {best.epoch}, "
            f"test error {100 * best.test_error:.2f} %"
        )


class VariableTask(Task):
    """A task that says which shared variables its training changes: all the loop wants of it follows.

    - `train(i)`: one update on minibatch `i`, and the loss before;
    - `parameters`: the shared variables that are learned, by name;
    - `halving`: what lowers the learning rate, if anything does.

    Where `train` takes something else than a number, `step` is overridden; where the parameters lie elsewhere,
    `weights`.
    """

    train: Any
    parameters: Mapping[str, Any]
    halving: Halving | None = None

    @abstractmethod
    def measured(self, part: str) -> tuple[float, float]:
        """Loss and error of a part of the data: `valid` or `test`."""

    @abstractmethod
    def variables(self) -> Mapping[str, Any]:
        """All shared variables that an update changes, by name: parameters, states, random states, momenta."""

    def step(self, minibatch: int) -> float:
        """One update on a minibatch, and the loss before."""
        return float(self.train(minibatch))

    @property
    def steps(self) -> Steps:
        return Steps(
            train=self.step,
            validate=lambda: self.measured("valid"),
            test=lambda: self.measured("test"),
            snapshot=self.snapshot,
            restore=self.restore,
            end_epoch=None if self.halving is None else self.halving.report,
        )

    def snapshot(self) -> dict[str, Array]:
        """Copies of all that an update, or the end of an epoch, changes, by name."""
        found = {name: variable.get_value() for name, variable in self.variables().items()}
        if self.halving is not None:
            found |= {"rate": self.halving.rate.get_value(), "last_loss": np.array(self.halving.last)}
        return found

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of `snapshot`."""
        for name, variable in self.variables().items():
            variable.set_value(np.asarray(arrays[name]))
        if self.halving is not None:
            self.halving.rate.set_value(np.asarray(arrays["rate"]))
            self.halving.last = float(arrays["last_loss"])

    def weights(self) -> Mapping[str, Array]:
        return {name: parameter.get_value() for name, parameter in self.parameters.items()}

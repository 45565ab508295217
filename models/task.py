"""A model with its data: what `arignote train` needs of any kind of model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arignote.models.training import History, Record, Steps, curves

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
    def save(self, path: Path, history: History) -> None:
        """Write the current parameters with everything needed to use them."""

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

"""What a training run is told, remembers and reports: plain records."""

import dataclasses
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

from arignote.models.training.checkpoint import Arrays


@dataclass(frozen=True)
class Schedule:
    """How long to train and how often to look.

    - `n_epochs`, `n_batches`: passes over the training set, minibatches in each;
    - `interval`: validate after every iteration that is a multiple of it, 0 included;
    - `patience`: stop early when that many iterations have passed since the validation error last
      fell below `threshold` times the lowest one before; None trains to the end;
    - `by_loss`: models are judged by their validation loss, not by their validation error.

    Raises ValueError for numbers that make no sense.
    """

    n_epochs: int
    n_batches: int
    interval: int = 1000
    patience: int | None = None
    threshold: float = 0.995
    by_loss: bool = False

    def __post_init__(self) -> None:
        for name in ("n_epochs", "n_batches", "interval"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, not {self.patience}")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must be in (0, 1], not {self.threshold}")

    @property
    def n_iterations(self) -> int:
        """Iterations of the whole run."""
        return self.n_epochs * self.n_batches


@dataclass(frozen=True)
class Steps:
    """The model, as the loop sees it. Losses are means over examples, errors are fractions.

    - `train(minibatch)`: one update on a minibatch (0-based index); its loss before the update.
      It must leave the parameters unchanged if it raises;
    - `validate()`, `test()`: (loss, error) on all of the validation and test minibatches;
    - `end_epoch(loss)`: is told the mean loss of the updates of every epoch, such as to lower the learning rate;
    - `snapshot()`: everything an update (or the end of an epoch) changes, by name: parameters, momenta, random states;
    - `restore(arrays)`: the inverse of `snapshot`;
    - `epoch(number, epochs)`, where given, is told before each step which epoch it belongs to, from 0, and
      how many there are: for learning rates that change and minibatches that are prepared.
    """

    train: Callable[[int], SupportsFloat]
    validate: Callable[[], tuple[SupportsFloat, SupportsFloat]]
    test: Callable[[], tuple[SupportsFloat, SupportsFloat]]
    snapshot: Callable[[], Arrays]
    restore: Callable[[Arrays], None]
    end_epoch: Callable[[float], object] | None = None
    epoch: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class Record:
    """One validation.

    - `epoch` (from 0) and `minibatch` (from 1, as the book prints it) of the last training step,
      `iteration` = epoch * n_batches + minibatch - 1;
    - `train_loss`: mean over the steps since the previous record;
    - `valid_loss`, `valid_error`: over the validation set; errors are fractions in [0, 1];
    - `test_loss`, `test_error`: over the test set, where this was the best model so far, else None;
    - `seconds`: training time up to here, in seconds, pauses between runs not counted.
    """

    epoch: int
    minibatch: int
    iteration: int
    train_loss: float
    valid_loss: float
    valid_error: float
    test_loss: float | None
    test_error: float | None
    seconds: float

    @property
    def is_best(self) -> bool:
        """Whether no earlier validation was as good."""
        return self.test_error is not None


@dataclass
class TrainState:
    """Where a run stands, between two steps: enough to go on exactly.

    - `iteration`: steps done so far;
    - `validation_due`: the last step is to be followed by a validation that has not happened yet;
    - `loss_sum`, `loss_count`: of the training losses since the last record;
    - `epoch_sum`, `epoch_count`: of the training losses since the epoch began;
    - `patience_error`, `patience_iteration`: the validation error (or loss) that early stopping compares
      with, and the steps done when it was reached;
    - `seconds`: training time so far.
    """

    iteration: int = 0
    validation_due: bool = False
    loss_sum: float = 0.0
    loss_count: int = 0
    epoch_sum: float = 0.0
    epoch_count: int = 0
    patience_error: float = float("inf")
    patience_iteration: int = 0
    seconds: float = 0.0


class Stop(enum.StrEnum):
    """Why a run ended."""

    FINISHED = "finished"
    PATIENCE = "patience"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


@dataclass
class History:
    """The course of a run: its records, its best parameters and why it ended (None: it has not)."""

    records: list[Record] = field(default_factory=list)
    best_parameters: Arrays = field(default_factory=dict)
    stop: Stop | None = None

    @property
    def best(self) -> Record | None:
        """The record of the best validation, the earliest of equals."""
        return next((record for record in reversed(self.records) if record.is_best), None)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run."""
        return self.stop is Stop.INTERRUPTED

    def records_as_json(self) -> list[dict[str, Any]]:
        """The records as JSON values."""
        return [dataclasses.asdict(record) for record in self.records]

    @staticmethod
    def records_from_json(values: list[Mapping[str, Any]]) -> list[Record]:
        """The inverse of `records_as_json`. Raises TypeError for other fields."""
        return [Record(**value) for value in values]


class EventKind(enum.StrEnum):
    """What an `Event` reports."""

    STARTED = "started"
    STEP = "step"
    VALIDATED = "validated"
    SAVED = "saved"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Event:
    """Something that a reporter may show.

    - `iteration`: steps done; `n_iterations`: steps of the whole schedule;
    - `epoch`, `minibatch`: of the last step, 0-based and 1-based as in `Record`;
    - `loss`: of the last step (`STEP` only); `record`: `VALIDATED` only; `stop`: `STOPPED` only.
    """

    kind: EventKind
    iteration: int
    n_iterations: int
    epoch: int
    minibatch: int
    loss: float | None = None
    record: Record | None = None
    stop: Stop | None = None


Reporter = Callable[[Event], None]

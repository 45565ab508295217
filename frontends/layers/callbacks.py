"""What happens between the epochs of `Model.fit`: histories, early stopping, best weights, learning rates, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from arignote.frontends.layers.init import Array

if TYPE_CHECKING:
    from arignote.frontends.layers.model import Model

#: Losses and metrics by name; those of validation begin with `valid_`.
Logs = Mapping[str, float]


class Callback:
    """Is told what `fit` does; subclasses define what they need. `self.model` is set before all else."""

    model: Model

    def on_train_begin(self, epochs: int, batches: int | None) -> None:
        """Before the first epoch; `batches` in each, where that is known."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Before an epoch, counted from 0."""

    def on_batch_end(self, batch: int, logs: Logs) -> None:
        """After an update; `logs` of this minibatch."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation; `logs` are means over the epoch."""

    def on_train_end(self) -> None:
        """After the last epoch, and when training ends by an error or Ctrl-C."""


class History(Callback):
    """The logs of all epochs: `history["valid_loss"]` is a list, `epochs` their numbers, `seconds` their times."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.seconds: list[float] = []
        self.logs: dict[str, list[float]] = {}
        self._started = 0.0

    def __getitem__(self, name: str) -> list[float]:
        return self.logs[name]

    def on_epoch_begin(self, epoch: int) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.epochs.append(epoch)
        self.seconds.append(time.perf_counter() - self._started)
        for name, value in logs.items():
            self.logs.setdefault(name, []).append(value)


class _Watching(Callback):
    """Compares one number from epoch to epoch.

    - `monitor`: its name in the logs;
    - `least`: what counts as better: by more than this;
    - `highest`: larger is better; by default for names that end in accuracy.
    """

    def __init__(self, monitor: str = "valid_loss", least: float = 0.0, highest: bool | None = None) -> None:
        self.monitor, self.least = monitor, least
        self.sign = -1 if (monitor.endswith("accuracy") if highest is None else highest) else 1

    def on_train_begin(self, epochs: int, batches: int | None) -> None:
        self.best = math.inf

    def better(self, logs: Logs) -> bool:
        """Whether an epoch is better than all before. Raises ValueError where the number is missing."""
        if self.monitor not in logs:
            raise ValueError(f"{type(self).__name__}: there is no {self.monitor!r}; there are {', '.join(logs)}")
        value = self.sign * logs[self.monitor]
        if not value < self.best - self.least:
            return False
        self.best = value
        return True


class EarlyStopping(_Watching):
    """Ends training after `patience` epochs without a better one, and then restores the weights of the best epoch."""

    def __init__(
        self, monitor: str = "valid_loss", patience: int = 3, least: float = 0.0, highest: bool | None = None,
        restore_best: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(monitor, least, highest)
        self.patience, self.restore_best = patience, restore_best
        self.stopped_epoch: int | None = None

    def on_train_begin(self, epochs: int, batches: int | None) -> None:
        super().on_train_begin(epochs, batches)
        self.waited, self.stopped_epoch = 0, None
        self._weights: dict[str, Array] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.better(logs):
            self.waited = 0
            self._weights = self.model.get_weights() if self.restore_best else {}
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self) -> None:
        if self._weights:
            self.model.set_weights(self._weights)


class BestWeights(_Watching):
    """Restores the weights of the best epoch at the end; with a path, saves the model there whenever it is best."""

    def __init__(
        self, path: str | Path | None = None, monitor: str = "valid_loss", least: float = 0.0,
        highest: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(monitor, least, highest)
        self.path = path
        self.epoch: int | None = None

    def on_train_begin(self, epochs: int, batches: int | None) -> None:
        super().on_train_begin(epochs, batches)
        self._weights: dict[str, Array] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.better(logs):
            self.epoch, self._weights = epoch, self.model.get_weights()
            if self.path is not None:
                self.model.save(self.path)

    def on_train_end(self) -> None:
        if self._weights:
            self.model.set_weights(self._weights)


class LearningRateSchedule(Callback):
    """Sets the learning rate before each epoch: `schedule(epoch, rate)` from its number and the rate so far."""

    def __init__(self, schedule: Callable[[int, float], float]) -> None:
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int) -> None:
        self.model.set_learning_rate(self.schedule(epoch, self.model.get_learning_rate()))


class ReduceLearningRate(_Watching):
    """Multiplies the learning rate by `factor` after `patience` epochs without a better one, down to `lowest`."""

    def __init__(
        self, monitor: str = "valid_loss", factor: float = 0.5, patience: int = 1, lowest: float = 0.0,
        least: float = 0.0, highest: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(monitor, least, highest)
        if not 0 < factor < 1:
            raise ValueError(f"factor must be above 0 and below 1, not {factor}")
        self.factor, self.patience, self.lowest = factor, patience, lowest

    def on_train_begin(self, epochs: int, batches: int | None) -> None:
        super().on_train_begin(epochs, batches)
        self.waited = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.waited = 0 if self.better(logs) else self.waited + 1
        if self.waited >= self.patience:
            self.waited = 0
            self.model.set_learning_rate(max(self.lowest, self.factor * self.model.get_learning_rate()))


class ResetStates(Callback):
    """Sets sticky states to 0 before each epoch."""

    def on_epoch_begin(self, epoch: int) -> None:
        self.model.reset_states()


class Display(Callback):
    """A line for each epoch; on a terminal, below it, how far the epoch is."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self.bar: Progress | None = None

    def on_train_begin(self, epochs: int, batches: int | None) -> None:
        self.epochs, self.batches = epochs, batches
        if self.console.is_terminal:
            texts = TextColumn("{task.description}"), TextColumn("{task.fields[loss]}")
            columns = texts[0], BarColumn(), MofNCompleteColumn(), texts[1], TimeRemainingColumn()
            # An update costs as much as a small step: ten a second are enough.
            self.bar = Progress(*columns, console=self.console, transient=True, refresh_per_second=10)
            self.bar.start()
            self.task = self.bar.add_task("", total=batches, loss="")

    def on_epoch_begin(self, epoch: int) -> None:
        self.started = time.perf_counter()
        if self.bar is not None:
            self.bar.reset(self.task, description=f"epoch {epoch + 1}/{self.epochs}", loss="")

    def on_batch_end(self, batch: int, logs: Logs) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=batch + 1, loss=f"loss {logs['loss']:.4f}")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        values = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
        line = f"epoch {epoch + 1}/{self.epochs}: {values} ({time.perf_counter() - self.started:.1f} s)"
        self.console.print(line, highlight=False, soft_wrap=True)

    def on_train_end(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def told(callbacks: Sequence[Callback], what: str, *details: Any) -> None:
    """Call a method of all callbacks."""
    for callback in callbacks:
        getattr(callback, what)(*details)

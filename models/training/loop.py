"""The book's training loop, for any model.

Minibatches are taken in stored order. Iterations are numbered from 0 (iteration = epoch * n_batches
+ minibatch index) and a validation follows each whose number is a multiple of the interval. With
the book's 83 minibatches and interval 1000 these are (epoch, 1-based minibatch) = (0, 1), (12, 5),
(24, 9), (36, 13), (48, 17), (60, 21), ...: its log shows them all but the second. The model with
the lowest validation error is kept, and tested at the moment it is found.

Additions to the book's: a last validation after the last step, early stopping, a stop when the
loss is no longer finite, and checkpoints from which a run goes on exactly as if never interrupted.
"""

import contextlib
import dataclasses
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from arignote.models.training import checkpoint as checkpoints
from arignote.models.training.checkpoint import Arrays, Checkpoint, CheckpointError
from arignote.models.training.history import (
    Event,
    EventKind,
    History,
    Record,
    Reporter,
    Schedule,
    Steps,
    Stop,
    TrainState,
)


def train(
    steps: Steps,
    schedule: Schedule,
    *,
    model: str = "model",
    path: str | os.PathLike[str] | None = None,
    resume: bool = False,
    report: Reporter | None = None,
) -> History:
    """Train until the schedule ends, patience runs out, the loss diverges, or Ctrl-C.

    - `path`: where to keep a checkpoint: after every validation, and when the run ends (but not
      when it diverged: the last good one stays); None keeps none;
    - `resume`: go on from `path` if there is a checkpoint;
    - `report`: is called with every `Event`.

    Ctrl-C ends the run after the current step, with a checkpoint; a second one does not wait for
    the step. Returns the history; the model keeps its last parameters, and `best_parameters` are
    the best. Raises `CheckpointError` when the checkpoint cannot be written, or cannot be resumed
    (damaged, of another model, or made with another number of minibatches per epoch).
    """
    if resume and path is None:
        raise ValueError("resume needs the path of a checkpoint")
    return _Run(steps, schedule, model, path, report or (lambda _: None)).run(resume)


class _Run:
    """One call of `train`."""

    def __init__(
        self,
        steps: Steps,
        schedule: Schedule,
        model: str,
        path: str | os.PathLike[str] | None,
        report: Reporter,
    ) -> None:
        self.steps = steps
        self.schedule = schedule
        self.model = model
        self.path = path
        self.report = report
        self.state = TrainState()
        self.history = History()
        self.stop_requested = False

    def run(self, resume: bool) -> History:
        if resume and self.path is not None and os.path.exists(self.path):
            self._resume(self.path)
        self._tell(EventKind.STARTED)
        with self._deferred_interrupt():
            try:
                stop = self._steps_until_stop()
            except KeyboardInterrupt:
                # Not deferred: a second Ctrl-C, or not in the main thread. The step that it hit
                # has not happened (see `Steps.train`), and the state still says so.
                stop = Stop.INTERRUPTED
            self.history.stop = stop
            if stop is not Stop.DIVERGED:
                self._save()
        self._tell(EventKind.STOPPED, stop=stop)
        return self.history

    def _steps_until_stop(self) -> Stop:
        state, schedule = self.state, self.schedule
        while True:
            # Everything that decides how to go on is in the state, so that a resumed run enters
            # this loop where the interrupted one left it.
            if self.stop_requested:
                return Stop.INTERRUPTED
            if state.validation_due:
                self._validate()
            if (
                schedule.patience is not None
                and state.iteration - state.patience_iteration >= schedule.patience
            ):
                return Stop.PATIENCE
            if state.iteration >= schedule.n_iterations:
                return Stop.FINISHED
            started = time.perf_counter()
            epoch, minibatch = divmod(state.iteration, schedule.n_batches)
            if self.steps.epoch is not None:
                self.steps.epoch(epoch, schedule.n_epochs)
            loss = float(self.steps.train(minibatch))
            state.seconds += time.perf_counter() - started
            if not math.isfinite(loss):
                self._tell(EventKind.STEP, loss=loss)
                return Stop.DIVERGED
            state.loss_sum += loss
            state.loss_count += 1
            state.epoch_sum += loss
            state.epoch_count += 1
            state.validation_due = (
                state.iteration % schedule.interval == 0
                or state.iteration + 1 == schedule.n_iterations
            )
            state.iteration += 1
            if state.iteration % schedule.n_batches == 0:
                if self.steps.end_epoch is not None:
                    self.steps.end_epoch(state.epoch_sum / state.epoch_count)
                state.epoch_sum, state.epoch_count = 0.0, 0
            self._tell(EventKind.STEP, loss=loss)

    def _validate(self) -> None:
        state, history = self.state, self.history
        valid_loss, valid_error = map(float, self.steps.validate())
        best, by_loss = history.best, self.schedule.by_loss
        score = valid_loss if by_loss else valid_error
        tested: tuple[float, float] | None = None
        best_parameters = history.best_parameters
        if best is None or score < (best.valid_loss if by_loss else best.valid_error):
            test_loss, test_error = map(float, self.steps.test())
            tested = test_loss, test_error
            best_parameters = _copy(self.steps.snapshot())
        epoch, minibatch = self._position()
        record = Record(
            epoch=epoch,
            minibatch=minibatch,
            iteration=state.iteration - 1,
            train_loss=state.loss_sum / state.loss_count,
            valid_loss=valid_loss,
            valid_error=valid_error,
            test_loss=tested[0] if tested else None,
            test_error=tested[1] if tested else None,
            seconds=state.seconds,
        )
        # Only now does anything change: an interrupt above leaves the validation due.
        history.records.append(record)
        history.best_parameters = best_parameters
        if score < state.patience_error * self.schedule.threshold:
            state.patience_error = score
            state.patience_iteration = state.iteration
        state.loss_sum, state.loss_count, state.validation_due = 0.0, 0, False
        self._tell(EventKind.VALIDATED, record=record)
        if state.iteration < self.schedule.n_iterations:  # the last one is saved at the end
            self._save()

    def _save(self) -> None:
        if self.path is None:
            return
        progress = {
            "n_batches": self.schedule.n_batches,
            "state": dataclasses.asdict(self.state),
            "records": self.history.records_as_json(),
        }
        checkpoints.save(
            self.path,
            Checkpoint(self.model, self.steps.snapshot(), self.history.best_parameters, progress),
        )
        self._tell(EventKind.SAVED)

    def _resume(self, path: str | os.PathLike[str]) -> None:
        saved = checkpoints.load(path, model=self.model, like=self.steps.snapshot())
        try:
            n_batches = saved.progress["n_batches"]
            self.state = TrainState(**saved.progress["state"])
            records = History.records_from_json(saved.progress["records"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                path, f"does not say how far training got ({error!r})", "Train again."
            ) from error
        if n_batches != self.schedule.n_batches:
            raise CheckpointError(
                path,
                f"was made with {n_batches} minibatches per epoch, not {self.schedule.n_batches}",
                "Use the same data and minibatch size.",
            )
        self.history = History(records=records, best_parameters=_copy(saved.best))
        self.steps.restore(saved.parameters)

    def _position(self) -> tuple[int, int]:
        """Epoch (from 0) and minibatch (from 1) of the last step; (0, 0) before the first."""
        if not self.state.iteration:
            return 0, 0
        epoch, index = divmod(self.state.iteration - 1, self.schedule.n_batches)
        return epoch, index + 1

    def _tell(self, kind: EventKind, **details: Any) -> None:
        epoch, minibatch = self._position()
        n = self.schedule.n_iterations
        self.report(Event(kind, self.state.iteration, n, epoch, minibatch, **details))

    @contextlib.contextmanager
    def _deferred_interrupt(self) -> Iterator[None]:
        """Let the first Ctrl-C only ask for a stop; the next one interrupts as usual."""
        # Signal handlers belong to the main thread. A handler that is not Python's default one is
        # the embedding program's decision, and stays.
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return

        def request_stop(_signal: int, _frame: FrameType | None) -> None:
            self.stop_requested = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        signal.signal(signal.SIGINT, request_stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _copy(arrays: Arrays) -> Arrays:
    """Copies that later updates in place cannot change."""
    return {name: np.array(array) for name, array in arrays.items()}

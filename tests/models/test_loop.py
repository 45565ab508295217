"""The training loop: the book's schedule, and exact continuation whatever interrupts it."""

import dataclasses
import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arignote.models.training import (
    CheckpointError,
    Event,
    EventKind,
    History,
    Schedule,
    Steps,
    Stop,
    train,
)
from tests.models.numpy_reference import Perceptron

N_BATCHES, BATCH = 5, 8


class Task:
    """A small real training problem; `calls` counts what the loop asks for."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self.x = random.normal(size=(N_BATCHES * BATCH + 60, 6)).astype(np.float32)
        self.y = (self.x @ random.normal(size=(6, 3))).argmax(axis=1)
        self.model = Perceptron((6, 4, 3), seed=2)
        self.calls: dict[str, int] = {"train": 0, "validate": 0, "test": 0}
        self.steps = Steps(
            self.train, self.validate, self.test, self.model.parameters, self.model.restore
        )

    def train(self, minibatch: int) -> float:
        self.calls["train"] += 1
        rows = slice(minibatch * BATCH, (minibatch + 1) * BATCH)
        return self.model.train_step(self.x[rows], self.y[rows], 0.3)

    def validate(self) -> tuple[float, float]:
        self.calls["validate"] += 1
        return self._evaluate(slice(-60, -30))

    def test(self) -> tuple[float, float]:
        self.calls["test"] += 1
        return self._evaluate(slice(-30, None))

    def _evaluate(self, rows: slice) -> tuple[float, float]:
        x, y = self.x[rows], self.y[rows]
        return self.model.loss(x, y), self.model.error(x, y)


class Scripted:
    """A 'model' with given validation errors; its only parameter counts the updates."""

    def __init__(self, errors: list[float], losses: dict[int, float] | None = None) -> None:
        self.errors = iter(errors)
        self.losses = losses or {}
        self.updates = np.zeros((), np.int64)
        self.minibatches: list[int] = []

    def train(self, minibatch: int) -> float:
        self.minibatches.append(minibatch)
        self.updates += 1
        return self.losses.get(int(self.updates) - 1, float(self.updates))

    def steps(self) -> Steps:
        return Steps(
            train=self.train,
            validate=lambda: (1.0, next(self.errors)),
            test=lambda: (2.0, float(self.updates)),
            snapshot=lambda: {"updates": self.updates},
            restore=self.restore,
        )

    def restore(self, arrays: Any) -> None:
        self.updates[...] = arrays["updates"]


def same_course(a: History, b: History) -> None:
    def without_time(history: History) -> list[dict[str, Any]]:
        return [{**record, "seconds": None} for record in history.records_as_json()]

    assert without_time(a) == without_time(b)
    assert a.best_parameters.keys() == b.best_parameters.keys()
    for name, array in a.best_parameters.items():
        np.testing.assert_array_equal(array, b.best_parameters[name])


def test_positions_of_the_book() -> None:
    model = Scripted([0.5] * 10)
    history = train(model.steps(), Schedule(n_epochs=61, n_batches=83))
    positions = [(record.epoch, record.minibatch) for record in history.records]
    assert positions == [(0, 1), (12, 5), (24, 9), (36, 13), (48, 17), (60, 21), (60, 83)]
    assert [r.iteration for r in history.records[:3]] == [0, 1000, 2000]
    assert model.minibatches == [*range(83)] * 61


def test_last_step_is_validated_once() -> None:
    # The last iteration, 10, is a multiple of the interval already.
    history = train(Scripted([0.5] * 9).steps(), Schedule(n_epochs=11, n_batches=1, interval=10))
    assert [r.iteration for r in history.records] == [0, 10]


def test_training_loss_is_the_mean_since_the_last_record() -> None:
    history = train(Scripted([0.5] * 9).steps(), Schedule(n_epochs=3, n_batches=3, interval=4))
    # Losses are 1, 2, 3, ...; validations follow iterations 0, 4 and 8.
    assert [r.train_loss for r in history.records] == [1.0, np.mean([2, 3, 4, 5]), 7.5]


def test_best_model_is_kept_and_tested_when_found() -> None:
    model = Scripted([0.9, 0.5, 0.7, 0.5, 0.6, 0.6])
    history = train(model.steps(), Schedule(n_epochs=5, n_batches=2, interval=2))
    assert [r.iteration for r in history.records] == [0, 2, 4, 6, 8, 9]
    assert [r.is_best for r in history.records] == [True, True, False, False, False, False]
    assert history.best is not None
    assert history.best.iteration == 2
    assert history.best.test_error == 3.0
    # A copy of that moment, although the model has changed in place since.
    assert history.best_parameters["updates"] == 3
    assert model.updates == 10


def test_epochs_end_with_their_mean_loss() -> None:
    told: list[float] = []
    steps = dataclasses.replace(Scripted([0.5] * 9).steps(), end_epoch=told.append)
    train(steps, Schedule(n_epochs=3, n_batches=2, interval=4))
    assert told == [1.5, 3.5, 5.5]  # losses are 1, 2, 3, ...


def test_models_can_be_judged_by_their_loss() -> None:
    results = iter([(3.0, 0.1), (2.0, 0.5), (2.5, 0.0), (2.0, 0.0)])
    steps = dataclasses.replace(Scripted([0.5] * 9).steps(), validate=lambda: next(results))
    history = train(steps, Schedule(n_epochs=3, n_batches=2, interval=2, by_loss=True))
    assert [r.is_best for r in history.records] == [True, True, False, False]
    assert history.best is not None and history.best.valid_loss == 2.0


def test_patience() -> None:
    errors = [0.9, 0.5, 0.499, 0.498, 0.497, 0.4, 0.4, 0.4, 0.4, 0.4]
    schedule = Schedule(n_epochs=100, n_batches=1, interval=10, patience=30, threshold=0.99)
    history = train(Scripted(errors).steps(), schedule)
    # 0.5 at iteration 10 (11 steps) is the last improvement by 1 %: 0.499 to 0.497 are not.
    assert history.stop is Stop.PATIENCE
    assert [r.iteration for r in history.records] == [0, 10, 20, 30, 40]
    assert history.best is not None
    assert history.best.valid_error == 0.497


def test_divergence_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    model = Scripted([0.5] * 10, losses={7: math.nan})
    schedule = Schedule(n_epochs=4, n_batches=5, interval=5)
    history = train(model.steps(), schedule, path=path)
    assert history.stop is Stop.DIVERGED
    assert model.updates == 8
    train(model.steps(), Schedule(n_epochs=1, n_batches=5), path=path, resume=True)
    assert model.updates == 6


@pytest.mark.parametrize("interval", [1, 3, 7])
@pytest.mark.parametrize("steps_before", [1, 4, 7, 15, 22])
def test_resumed_equals_uninterrupted(tmp_path: Path, interval: int, steps_before: int) -> None:
    schedule = Schedule(n_epochs=6, n_batches=N_BATCHES, interval=interval)
    whole, parts = Task(), Task()
    expected = train(whole.steps, schedule)

    def stop_after(event: Event) -> None:
        if event.kind is EventKind.STEP and event.iteration == steps_before:
            raise KeyboardInterrupt

    path = tmp_path / "run.npz"
    interrupted = train(parts.steps, schedule, path=path, report=stop_after)
    assert interrupted.interrupted
    assert parts.calls["train"] == steps_before

    fresh = Task()
    history = train(fresh.steps, schedule, path=path, resume=True)
    assert history.stop is Stop.FINISHED
    assert fresh.calls["train"] == schedule.n_iterations - steps_before
    same_course(history, expected)
    for name, array in whole.model.parameters().items():
        np.testing.assert_array_equal(fresh.model.parameters()[name], array)


@pytest.mark.parametrize("where", ["train", "validate", "test"])
def test_interrupt_inside_a_callable(tmp_path: Path, where: str) -> None:
    schedule = Schedule(n_epochs=6, n_batches=N_BATCHES, interval=4)
    expected = train(Task().steps, schedule)
    task, path = Task(), tmp_path / "run.npz"
    inner = getattr(task.steps, where)
    limit = {"train": 10, "validate": 2, "test": 1}[where]

    def interrupted(*arguments: int) -> Any:
        if task.calls[where] == limit:
            raise KeyboardInterrupt
        return inner(*arguments)

    steps = Steps(**{**vars(task.steps), where: interrupted})
    history = train(steps, schedule, path=path)
    assert history.interrupted
    same_course(train(Task().steps, schedule, path=path, resume=True), expected)


def test_ctrl_c_finishes_the_step_and_saves(tmp_path: Path) -> None:
    task, path = Task(), tmp_path / "run.npz"
    schedule = Schedule(n_epochs=6, n_batches=N_BATCHES, interval=4)
    before = signal.getsignal(signal.SIGINT)

    def train_and_interrupt(minibatch: int) -> float:
        if task.calls["train"] == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return task.train(minibatch)

    steps = Steps(**{**vars(task.steps), "train": train_and_interrupt})
    history = train(steps, schedule, path=path)
    assert history.interrupted
    assert task.calls["train"] == 8, "the step that Ctrl-C fell into is completed"
    assert signal.getsignal(signal.SIGINT) is before
    same_course(
        train(Task().steps, schedule, path=path, resume=True), train(Task().steps, schedule)
    )


def test_second_ctrl_c_does_not_wait_for_the_step(tmp_path: Path) -> None:
    model, path = Scripted([0.5] * 9), tmp_path / "run.npz"

    def endless(minibatch: int) -> float:
        if model.updates == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("not reached")
        return model.train(minibatch)

    steps = Steps(**{**vars(model.steps()), "train": endless})
    assert train(steps, Schedule(n_epochs=4, n_batches=5), path=path).interrupted
    model.updates[...] = 0
    train(model.steps(), Schedule(n_epochs=1, n_batches=5), path=path, resume=True)
    assert model.updates == 5


def test_other_threads_and_handlers_are_left_alone() -> None:
    histories: list[History] = []
    thread = threading.Thread(
        target=lambda: histories.append(
            train(Scripted([0.5] * 9).steps(), Schedule(n_epochs=1, n_batches=2))
        )
    )
    thread.start()
    thread.join()
    assert histories[0].stop is Stop.FINISHED

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        train(Scripted([0.5] * 9).steps(), Schedule(n_epochs=1, n_batches=2))
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_more_epochs_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    model = Scripted([0.5] * 9)
    train(model.steps(), Schedule(n_epochs=2, n_batches=5), path=path)
    again = Scripted([0.4] * 9)
    history = train(again.steps(), Schedule(n_epochs=3, n_batches=5), path=path, resume=True)
    assert again.minibatches == [0, 1, 2, 3, 4]
    assert [r.iteration for r in history.records] == [0, 9, 14]


def test_resume_without_checkpoint_starts(tmp_path: Path) -> None:
    model = Scripted([0.5] * 9)
    schedule = Schedule(n_epochs=1, n_batches=5)
    train(model.steps(), schedule, path=tmp_path / "new.npz", resume=True)
    assert model.updates == 5
    with pytest.raises(ValueError, match="needs the path"):
        train(model.steps(), schedule, resume=True)


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    train(Scripted([0.5] * 9).steps(), Schedule(n_epochs=1, n_batches=5), path=path, model="a")

    def resume(n_batches: int, model: str, steps: Steps) -> None:
        train(steps, Schedule(1, n_batches), path=path, resume=True, model=model)

    with pytest.raises(CheckpointError, match="5 minibatches per epoch, not 6"):
        resume(6, "a", Scripted([]).steps())
    with pytest.raises(CheckpointError, match="of the model 'a', not of 'b'"):
        resume(5, "b", Scripted([]).steps())
    with pytest.raises(CheckpointError, match="W0 is missing"):
        resume(5, "a", Task().steps)


def test_unwritable_checkpoint_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        train(Task().steps, Schedule(1, N_BATCHES), path=tmp_path / "file" / "run.npz")


def test_events() -> None:
    events: list[Event] = []
    train(Scripted([0.5] * 9).steps(), Schedule(2, 2, interval=3), report=events.append)
    assert [(e.kind.value, e.iteration, e.epoch, e.minibatch) for e in events] == [
        ("started", 0, 0, 0),
        ("step", 1, 0, 1),
        ("validated", 1, 0, 1),
        ("step", 2, 0, 2),
        ("step", 3, 1, 1),
        ("step", 4, 1, 2),
        ("validated", 4, 1, 2),
        ("stopped", 4, 1, 2),
    ]
    assert [e.loss for e in events if e.kind is EventKind.STEP] == [1.0, 2.0, 3.0, 4.0]
    assert all(e.n_iterations == 4 for e in events)
    assert events[-1].stop is Stop.FINISHED


@pytest.mark.parametrize(
    "numbers",
    [
        {"n_epochs": 0},
        {"n_batches": 0},
        {"interval": 0},
        {"patience": 0},
        {"threshold": 0.0},
        {"threshold": 1.5},
    ],
)
def test_schedules_that_make_no_sense(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(numbers))} must be"):
        Schedule(**{"n_epochs": 1, "n_batches": 1, **numbers})

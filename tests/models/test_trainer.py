"""What models may ask of the trainer: changed images and rates, rules with momenta, several labels for an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import arignote.tensor as T
from arignote import optim
from arignote.models.book.logreg import LogReg
from arignote.models.classifier import Trainer, make_trainer
from arignote.models.data import Dataset, Pair
from arignote.models.data.augment import Brightness, Transformation
from arignote.models.model import Network
from arignote.models.training import Event, EventKind, Schedule, train

RANDOM = np.random.RandomState(0)


@dataclass(frozen=True)
class Changing(LogReg):
    """Softmax regression on images of changing brightness, with momentum and a rate that falls"""

    name: ClassVar[str] = "changing"

    rate: float = 0.5

    def updates(self, cost: Any, parameters: Sequence[Any], rate: Any) -> dict[Any, Any]:
        return dict(optim.momentum(cost, parameters, rate))

    def rate_at(self, epoch: int, epochs: int) -> float:
        return self.rate / (1 + epoch)

    def augmentation(self, data: Dataset) -> Transformation:
        return Brightness(0.5)


def data(n: int = 26, labels: int = 1) -> Dataset:
    def part(n: int) -> Pair:
        x = RANDOM.uniform(0, 1, (n, 12)).astype(np.float32)
        return Pair(x, RANDOM.randint(0, 3, (n, labels) if labels > 1 else n).astype(np.int32))

    return Dataset("small", part(n), part(8), part(8), 3, (3, 4), "random numbers")


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    images = data()

    def trained(trainer: Trainer, epochs: int, *, resume: bool = False, path: Path | None = None) -> list[float]:
        losses = []

        def report(event: Event) -> None:
            if event.kind is EventKind.STEP and event.loss is not None:
                losses.append(event.loss)

        train(trainer.steps, Schedule(epochs, 5, interval=3), path=path, resume=resume, report=report)
        return losses

    def fresh() -> Trainer:
        return make_trainer(Changing(batch=5), images, seed=4)

    whole = trained(fresh(), 3)
    first = trained(fresh(), 1, path=tmp_path / "run.npz")
    rest = trained(fresh(), 3, resume=True, path=tmp_path / "run.npz")
    assert whole == first + rest and len(whole) == 15
    # Another seed: other images.
    assert trained(make_trainer(Changing(batch=5), images, seed=5), 1) != first


def test_the_step_is_that_of_the_rule_on_the_changed_images() -> None:
    images = data()
    trainer = make_trainer(Changing(batch=5), images, seed=4, dtype="float64")
    steps = trainer.steps
    assert steps.epoch is not None and trainer.feed is not None
    W, b, velocity = np.zeros((12, 3)), np.zeros(3), [np.zeros((12, 3)), np.zeros(3)]
    for epoch in range(2):
        for index in range(5):
            steps.epoch(epoch, 2)
            loss = steps.train(index)
            x, y = trainer.feed.pipeline.minibatch(epoch, index)
            logits = x.astype(float) @ W + b
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            np.testing.assert_allclose(float(loss), -np.log(p[np.arange(5), y]).mean(), rtol=1e-10)
            delta = (p - np.eye(3)[y]) / 5
            for v, p_, g in zip(velocity, (W, b), (x.T @ delta, delta.sum(0)), strict=True):
                v *= 0.9
                v -= 0.5 / (1 + epoch) * g
                p_ += v
    np.testing.assert_allclose(trainer.snapshot()["W0"], W, rtol=1e-10)


@dataclass(frozen=True)
class Pairs(LogReg):
    """Two labels for each image, from its two halves"""

    name: ClassVar[str] = "pairs"

    def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
        half = super().network(n_in // 2, n_classes, seed, dtype)
        return Network(half.parameters, lambda x: half.probabilities(T.reshape(x, (2 * x.shape[0], n_in // 2))))


def test_several_labels_for_an_image() -> None:
    images = data(labels=2)
    trainer = make_trainer(Pairs(batch=4), images, seed=0, dtype="float64")
    trainer.restore({"W0": RANDOM.normal(size=(6, 3)), "b0": np.zeros(3)})
    labels, p = trainer.classifier.classify(images.valid.x)
    assert labels.shape == (16,) and p.shape == (16, 3)
    truth = images.valid.y.reshape(-1)
    loss, error = map(float, trainer.steps.validate())
    np.testing.assert_allclose(loss, -np.log(p[np.arange(16), truth]).mean(), rtol=1e-10)
    assert error == np.mean(labels != truth)

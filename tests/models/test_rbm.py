"""Restricted Boltzmann machines: energies and gradients against sums over all configurations, chains, training."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import arignote as ar
import arignote.tensor as T
from arignote.frontends.cli.main import main
from arignote.frontends.tensor.random import RandomStreams
from arignote.models.boltzmann import BoltzmannTask, Machine
from arignote.models.book.rbm import Rbm
from arignote.models.data import Dataset
from arignote.models.data.dataset import Pair
from arignote.models.model import SettingError
from arignote.models.training import Schedule, train

VISIBLE, HIDDEN = 4, 3


def bits(n: int) -> Any:
    return np.array(list(product([0.0, 1.0], repeat=n)))


def machine() -> tuple[Machine, dict[str, Any]]:
    """A small machine with parameters that are not special, and these."""
    made, rng = Machine(VISIBLE, HIDDEN, seed=0, dtype="float64"), np.random.default_rng(1)
    for p in made.parameters.values():
        p.set_value(rng.normal(size=p.get_value().shape))
    return made, {name: p.get_value() for name, p in made.parameters.items()}


def energies(p: dict[str, Any], v: Any) -> Any:
    """E(v, h) for each of the v, and all h."""
    h = bits(HIDDEN)
    return -(v @ p["b"])[:, None] - (h @ p["c"])[None] - v @ p["W"] @ h.T


def log_probabilities(p: dict[str, Any]) -> Any:
    """log p(v) of all v, by summing over everything."""
    weights = np.exp(-energies(p, bits(VISIBLE))).sum(1)
    return np.log(weights / weights.sum())


def digits(n: int = 60) -> Dataset:
    """Images of 2 x 2 pixels: mostly one of two patterns."""
    rng = np.random.RandomState(0)
    x = np.array([[1, 1, 0, 0], [0, 1, 1, 0]], np.float32)[rng.randint(0, 2, n)]
    x = np.where(rng.uniform(size=x.shape) < 0.05, 1 - x, x).astype(np.float32)
    part = Pair(x, np.zeros(n, np.int32))
    return Dataset("patterns", part, part, part, 10, (2, 2), "a test")


def test_energies_and_conditionals_are_sums_over_configurations() -> None:
    rbm, p = machine()
    v, h = T.matrix("v", dtype="float64"), T.matrix("h", dtype="float64")
    f = ar.function([v, h], [rbm.free_energy(v), rbm.up(v), rbm.down(h)])
    free, up, down = f(bits(VISIBLE), bits(HIDDEN))
    joint = np.exp(-energies(p, bits(VISIBLE)))
    np.testing.assert_allclose(free, -np.log(joint.sum(1)), rtol=1e-12)
    np.testing.assert_allclose(up, joint @ bits(HIDDEN) / joint.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(down, joint.T @ bits(VISIBLE) / joint.sum(0)[:, None], rtol=1e-12)


def test_the_pseudo_likelihood() -> None:
    """Its mean over all choices of units is the sum of the conditional probabilities' logarithms."""
    rbm, p = machine()
    v, pixels = T.matrix("v", dtype="float64"), T.vector("pixels", dtype="int64")
    f = ar.function([v, pixels], rbm.pseudo_likelihood(v, pixels))
    x = bits(VISIBLE)[[3, 6, 13]]
    found = np.mean([f(x, np.full(len(x), i)) for i in range(VISIBLE)])
    logs = dict(zip(map(tuple, bits(VISIBLE)), log_probabilities(p), strict=True))
    want = 0.0
    for row in x:
        for i in range(VISIBLE):
            other = row.copy()
            other[i] = 1 - other[i]
            want += logs[tuple(row)] - np.logaddexp(logs[tuple(row)], logs[tuple(other)])
    np.testing.assert_allclose(found, want / len(x), rtol=1e-12)


def test_chains_visit_configurations_as_often_as_is_right() -> None:
    rbm, p = machine()
    h, k = T.matrix("h", dtype="float64"), T.scalar("k", dtype="int64")
    v, _, updates = rbm.gibbs(h, k, RandomStreams(5))
    f = ar.function([h, k], v, updates=updates)
    n = 4000
    drawn = f(np.zeros((n, HIDDEN)), 60)
    counts = np.bincount(drawn.astype(int) @ (2 ** np.arange(VISIBLE)[::-1]), minlength=2**VISIBLE)
    expected = n * np.exp(log_probabilities(p))
    assert ((counts - expected) ** 2 / expected).sum() < 38, "chi-squared of 15 degrees of freedom, 0.1 %"
    assert (f(np.zeros((n, HIDDEN)), 1) != drawn).any()


@pytest.mark.parametrize("persistent", [True, False])
def test_updates_are_differences_of_statistics(persistent: bool) -> None:
    """W changes by rate (v h of images - v h of the chains' ends), b and c likewise."""
    task = BoltzmannTask(Rbm(batch=5, hidden=HIDDEN, k=2, persistent=persistent), digits(), seed=0, dtype="float64")
    ends: list[Any] = []
    gibbs = task.machine.gibbs

    def watched(h: Any, k: Any, streams: Any) -> Any:
        v, last, updates = gibbs(h, k, streams)
        ends.append(ar.shared(np.zeros((5, VISIBLE)), name="ends"))
        updates[ends[0]] = v
        return v, last, updates

    task.machine.gibbs = watched  # type: ignore[method-assign]
    before = {name: p.get_value() for name, p in task.machine.parameters.items()}
    task.train(1)
    x, v = task.images["train"][5:10], ends[0].get_value()
    assert set(np.unique(v)) <= {0.0, 1.0}

    def up(v: Any) -> Any:
        return 1 / (1 + np.exp(-(v @ before["W"] + before["c"])))

    changes = {"W": x.T @ up(x) - v.T @ up(v), "b": (x - v).sum(0), "c": (up(x) - up(v)).sum(0)}
    for name, change in changes.items():
        np.testing.assert_allclose(
            task.machine.parameters[name].get_value(), before[name] + 0.1 * change / 5, rtol=1e-12, atol=1e-15
        )
    assert task.chains.get_value().any() == persistent
    assert task.pixel.get_value() == 5 % VISIBLE


@pytest.mark.parametrize("persistent", [True, False])
def test_training_raises_the_likelihood_and_runs_resume(persistent: bool, tmp_path: Path) -> None:
    def run(epochs: int, name: str, resume: bool) -> BoltzmannTask:
        task = BoltzmannTask(Rbm(batch=6, hidden=HIDDEN, k=3, persistent=persistent), digits(), seed=3)
        schedule = Schedule(epochs, task.n_batches, interval=50, by_loss=True)
        train(task.steps, schedule, path=tmp_path / name, resume=resume)
        return task

    def likelihood(task: BoltzmannTask) -> float:
        logs = log_probabilities({name: p.get_value() for name, p in task.machine.parameters.items()})
        return float(logs[task.images["train"].astype(int) @ (2 ** np.arange(VISIBLE)[::-1])].mean())

    short, whole = run(1, "parts", False), run(20, "whole", False)
    assert likelihood(whole) > likelihood(short) + 0.5
    assert likelihood(whole) > VISIBLE * np.log(0.5) + 1
    assert abs(whole.gap()) < 1e-5, "validation images are the training images"
    again = run(20, "parts", True)
    for name, value in whole.snapshot().items():
        np.testing.assert_array_equal(again.snapshot()[name], value, err_msg=name)


def test_the_command_trains_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("arignote.models.boltzmann.APART", 5)
    options = ["--epochs", "1", "--set", "hidden=20", "--set", "k=1"]
    result = CliRunner().invoke(main, ["train", "rbm", *options])
    assert result.exit_code == 0, result.output
    assert "data: digits, 1300 training, 240 validation, 240 test images" in result.output
    assert "best validation pseudo-likelihood" in result.output
    pictures = {"filters.png", "learning_curves.png", "samples.png"}
    assert {p.name for p in Path("runs/rbm").glob("*.png")} == pictures
    other = CliRunner().invoke(main, ["predict", "rbm"])
    assert other.exit_code == 1 and "rbm" in other.output
    with pytest.raises(SettingError, match="rbm: batch=5000, but digits has 1300 images"):
        Rbm(batch=5000).task(None, seed=0)

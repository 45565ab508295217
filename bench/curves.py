"""Learning curves of a model beside PyTorch's, from the same initial values on the same minibatches.

Both libraries round differently, so that curves part after some steps; how far, the losses of the first steps and the
validations tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.twins import twin

FIRST = 20
"""Losses of so many steps, to begin with, are kept."""
STYLES = {"arignote": ("#1f6fb4", "-"), "torch": ("#c4472d", "--")}


def measure(
    name: str,
    data: str | None,
    *,
    epochs: int,
    validations: int,
    seed: int,
    log: Callable[[str], None],
    settings: tuple[str, ...] = (),
    steps: int | None = None,
) -> dict[str, Any]:
    """Train the model `name` both ways: the record that is kept.

    Args:
        data, settings: as for `arignote train`.
        validations: in each epoch.
        steps: end after so many.

    Raises `bench.twins.NoTwinError` for models that are not written for PyTorch.
    """
    from arignote.models import registry

    task: Any = registry.find(name).with_settings(settings).task(data, seed=seed)
    log(f"{name} on {task.data_name}: {task.about()}")
    peer, mine = twin(task), task.steps
    total = min(epochs * task.n_batches, steps or epochs * task.n_batches)
    interval = max(1, min(task.n_batches, total) // validations)
    seconds, sums = {"arignote": 0.0, "torch": 0.0}, np.zeros(2)
    first: list[tuple[float, float]] = []
    rows: list[dict[str, Any]] = []
    epoch_sum, since = np.zeros(2), 0
    for step in range(total):
        epoch, minibatch = divmod(step, task.n_batches)
        if mine.epoch is not None:
            mine.epoch(epoch, epochs)
        begun = time.perf_counter()
        ours = float(mine.train(minibatch))
        turned = time.perf_counter()
        theirs = peer.train(epoch, epochs, minibatch)
        if step:  # the first step compiles
            seconds["arignote"] += turned - begun
            seconds["torch"] += time.perf_counter() - turned
        losses = np.array([ours, theirs])
        sums, epoch_sum, since = sums + losses, epoch_sum + losses, since + 1
        if step < FIRST:
            first.append((ours, theirs))
        if minibatch + 1 == task.n_batches:
            mean = epoch_sum / task.n_batches
            if mine.end_epoch is not None:
                mine.end_epoch(float(mean[0]))
            peer.end_epoch(float(mean[1]))
            epoch_sum = np.zeros(2)
        if (step + 1) % interval == 0 or step + 1 == total:
            found = mine.validate(), peer.validate()
            rows.append({
                "step": step + 1,
                "epoch": (step + 1) / task.n_batches,
                **{which: {"train_loss": float(sums[i] / since), "valid_loss": found[i][0], "valid_error": found[i][1]}
                   for i, which in enumerate(seconds)},
            })  # fmt: skip
            log(_line(rows[-1]))
            sums, since = np.zeros(2), 0
    log(", ".join(f"{which}: {s:.1f} s of training" for which, s in seconds.items()))
    return {
        "model": name, "data": task.data_name, "settings": asdict(task.model), "parameters": _count(task),
        "by_loss": task.by_loss, "first": first, "validations": rows, "seconds": seconds,
    }  # fmt: skip


def _line(row: Mapping[str, Any]) -> str:
    parts = [
        f"{which} loss {row[which]['train_loss']:.5f}, validation {row[which]['valid_loss']:.5f}, "
        f"error {100 * row[which]['valid_error']:.2f} %"
        for which in STYLES
    ]
    return f"epoch {row['epoch']:.2f}: " + "; ".join(parts)


def _count(task: Any) -> int:
    """Numbers that training changes, as far as they are parameters."""
    from arignote.models.imagetask import ImageTask
    from arignote.models.language import LanguageTask

    if isinstance(task, ImageTask):
        network = task.trainer.classifier.network
        names = network.trained or list(network.parameters)
        return sum(network.parameters[name].get_value().size for name in names)
    parameters = task.language.parameters if isinstance(task, LanguageTask) else task.parameters
    return sum(p.get_value().size for p in parameters.values())


def picture(result: Mapping[str, Any], path: Path) -> None:
    """Training and validation curves of both libraries as PNG. Raises ImportError without matplotlib."""
    from arignote.models.training.curves import new_figure, write_figure

    figure = new_figure(9.5, 4.2)
    figure.suptitle(f"{result['model']} on {result['data']}", fontweight="bold")
    rows, by_loss = result["validations"], result["by_loss"]
    last = ("valid_loss", "validation perplexity") if by_loss else ("valid_error", "validation error (%)")
    for axes, (key, label) in zip(figure.subplots(1, 2), (("train_loss", "training loss"), last), strict=True):
        for which, (colour, line) in STYLES.items():
            values = np.array([row[which][key] for row in rows])
            if key == "valid_error":
                values = 100 * values
            elif key == "valid_loss":
                values = np.exp(values)
            axes.plot([row["epoch"] for row in rows], values, line, color=colour, label=which, marker="o", markersize=3)
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(color="#dde2e7", linewidth=0.8)
        axes.legend(frameon=False)
    write_figure(figure, path)

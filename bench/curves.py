"""Learning curves of a model beside PyTorch's, from the same initial values on the same minibatches.

Both libraries round differently, so that curves part after some steps; how far, the losses of the first steps and the
validations tell.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.twins import twin

FIRST = 20
"""Losses of so many steps, to begin with, are kept."""
POINTS = 50
"""Of the curve of training losses: each is a mean over as many steps."""
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
    minutes: float = math.inf,
) -> dict[str, Any]:
    """Train the model `name` both ways: the record that is kept.

    Args:
        data, settings: as for `arignote train`.
        validations: in each epoch, or in all steps if they are fewer; 0: none, where validation takes too long.
        steps: end after so many.
        minutes: begin no step after so many of training.

    Raises `bench.twins.NoTwinError` for models that are not written for PyTorch.
    """
    from arignote.models import registry

    task: Any = registry.find(name).with_settings(settings).task(data, seed=seed)
    log(f"{name} on {task.data_name}: {task.about()}")
    peer, mine = twin(task), task.steps
    total = min(epochs * task.n_batches, steps or epochs * task.n_batches)
    interval = max(1, min(task.n_batches, total) // validations) if validations else total + 1
    every = max(1, total // POINTS)
    clocks = {which: _Clock() for which in STYLES}
    losses: list[tuple[float, float]] = []
    rows: list[dict[str, Any]] = []
    done = 0
    for step in range(total):
        epoch, minibatch = divmod(step, task.n_batches)
        if mine.epoch is not None:
            mine.epoch(epoch, epochs)
        ours = clocks["arignote"].run(mine.train, minibatch)
        theirs = clocks["torch"].run(peer.train, epoch, epochs, minibatch)
        losses.append((ours, theirs))
        last = step + 1 == total or sum(clock.wall for clock in clocks.values()) > 60 * minutes
        if (step + 1) % every == 0:
            log(f"step {step + 1}: losses {ours:.5f}, {theirs:.5f}")
        if minibatch + 1 == task.n_batches:
            mean = np.mean(losses[-task.n_batches :], axis=0)
            if mine.end_epoch is not None:
                mine.end_epoch(float(mean[0]))
            peer.end_epoch(float(mean[1]))
        if validations and (last or ((step + 1) % interval == 0 and total - step > interval / 2)):
            found, trained = (mine.validate(), peer.validate()), np.mean(losses[done:], axis=0)
            rows.append({
                "step": step + 1,
                "epoch": (step + 1) / task.n_batches,
                **{which: {"train_loss": float(trained[i]), "valid_loss": found[i][0], "valid_error": found[i][1]}
                   for i, which in enumerate(STYLES)},
            })  # fmt: skip
            log(_line(rows[-1]))
            done = step + 1
        if last:
            break
    log(", ".join(f"{which}: {clock.wall:.1f} s of training" for which, clock in clocks.items()))
    whole = len(losses) // every * every
    means = np.mean(np.reshape(losses[:whole], (-1, every, 2)), axis=1)
    return {
        "model": name, "data": task.data_name, "settings": asdict(task.model), "parameters": _count(task),
        "by_loss": task.by_loss, "steps": len(losses), "epochs": len(losses) / task.n_batches, "first": losses[:FIRST],
        "training": {"every": every, **{which: means[:, i].tolist() for i, which in enumerate(STYLES)}},
        "validations": rows, "seconds": {which: clock.wall for which, clock in clocks.items()},
        "cpu_seconds": {which: clock.cpu for which, clock in clocks.items()},
    }  # fmt: skip


class _Clock:
    """Sums of the time that calls take, without the first of them, which compiles.

    Processor time tells more than time on the wall where other work shares the machine.
    """

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._first = True

    def run(self, call: Callable[..., float], *arguments: int) -> float:
        wall, cpu = time.perf_counter(), time.process_time()
        result = float(call(*arguments))
        if not self._first:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
        self._first = False
        return result


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
    from arignote.models.sentencetask import SentenceTask

    if isinstance(task, ImageTask):
        network = task.trainer.classifier.network
        names = network.trained or list(network.parameters)
        return sum(network.parameters[name].get_value().size for name in names)
    if isinstance(task, SentenceTask):
        return task.network.count_params()
    parameters = task.language.parameters if isinstance(task, LanguageTask) else task.parameters
    return sum(p.get_value().size for p in parameters.values())


def picture(result: Mapping[str, Any], path: Path) -> None:
    """Training and validation curves of both libraries as PNG. Raises ImportError without matplotlib."""
    from arignote.models.training.curves import new_figure, write_figure

    figure = new_figure(9.5 if result["validations"] else 5.5, 4.0)
    figure.suptitle(f"{result['model']} on {result['data']}", fontweight="bold")
    trained = result["training"]
    epochs = result["epochs"] / result["steps"] * trained["every"]
    rows, by_loss = result["validations"], result["by_loss"]
    last = ("valid_loss", "validation perplexity") if by_loss else ("valid_error", "validation error (%)")
    panels = figure.subplots(1, 2 if rows else 1, squeeze=False)[0]
    for which, (colour, line) in STYLES.items():
        at = epochs * np.arange(1, len(trained[which]) + 1)
        panels[0].plot(at, trained[which], line, color=colour, label=which)
        if rows:
            values = np.array([row[which][last[0]] for row in rows])
            values = np.exp(values) if by_loss else 100 * values
            panels[1].plot([row["epoch"] for row in rows], values, line, color=colour, label=which, marker="o",
                           markersize=3)  # fmt: skip
    for axes, label in zip(panels, ("training loss", last[1]), strict=False):
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(color="#dde2e7", linewidth=0.8)
        axes.legend(frameon=False)
    write_figure(figure, path, dpi=80)

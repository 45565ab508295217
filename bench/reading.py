"""How often what a generator draws of a class is read as that class, by a classifier trained on real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality import NoRunError
from bench.table import rows

SECTION = """
## What generators draw

`python -m bench reading GENERATOR CLASSIFIER` lets a classifier, trained on real images, read what a generator draws of
each class; *read*: the share of the images that are taken for the class that was asked for.

"""


def measure(generator: Path, classifier: Path, *, count: int, seed: int) -> dict[str, Any]:
    """The shares of `count` images of each class; both folders are those that `arignote train` wrote.

    Raises `NoRunError` for folders that hold no such run, and the models' own `CheckpointError` for damaged files.
    """
    from arignote.models import registry
    from arignote.models.commands.folder import RunFolder
    from arignote.models.commands.predict import load_classifier
    from arignote.models.gan import GanModel, GanTask
    from arignote.models.training import checkpoint

    runs = [RunFolder(path) for path in (generator, classifier)]
    drawn, read = (run.read_record() for run in runs)
    if drawn is None or read is None or not issubclass(registry.find(drawn.model), GanModel):
        raise NoRunError(f"{generator.name} and {classifier.name} are no runs of a generator and of a classifier")
    model = registry.find(drawn.model).with_settings([f"{key}={value}" for key, value in drawn.settings.items()])
    task = model.task(drawn.data_option, seed=drawn.seed)
    assert isinstance(task, GanTask)
    task.restore(checkpoint.load(runs[0].weights, model=drawn.model).parameters)
    labels = np.repeat(np.arange(task.data.n_classes), count)
    images = task.samples(labels, np.random.RandomState(seed))
    network = load_classifier(read.model, runs[1].weights, None)[1]
    found, _ = network.classify(images.reshape(len(images), -1))
    real, _ = network.classify(task.data.test.x)
    shares = (found == labels).reshape(-1, count).mean(axis=1)
    return {
        "model": drawn.model,
        "data": drawn.data,
        "classifier": read.model,
        "real": float(np.mean(real == task.data.test.y)),
        "count": count,
        "share": float(shares.mean()),
        "shares": [float(share) for share in shares],
    }


def page(reports: Sequence[Mapping[str, Any]]) -> str:
    """One row for each generator and data set, from its newest result."""
    newest = {
        (result["model"], result["data"]): result
        for one in sorted(reports, key=lambda r: str(r["date"]))
        for result in one["results"]
    }
    if not newest:
        return ""
    body = [
        [
            f"`{r['model']}`", r["data"], f"{100 * r['share']:.1f} %", f"{100 * min(r['shares']):.1f} %",
            str(len(r["shares"]) * r["count"]), f"`{r['classifier']}`", f"{100 * r['real']:.2f} %",
        ]
        for r in newest.values()
    ]  # fmt: skip
    header = ["generator", "data", "read", "least of a class", "images", "classifier", "real test images read"]
    return SECTION + rows(header, body) + "\n"

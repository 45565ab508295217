"""What trained models reach: runs of `arignote train` kept as results, and the table of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.table import rows

SIGNIFICANT = 6
"""Digits of losses and errors that are kept."""


PREFACE = """# What the models reach

`python -m bench quality FOLDER` keeps what a run of `arignote train` reached; this page has the newest run of each
model on each data set. A row is that of the best validation, and of the test that followed it; *time* is that of all
training steps, whatever else the machine did. All validations are in `results/train-*.json`, with the commit at which
the run was kept.

"""


class NoRunError(ValueError):
    """A folder that holds no run."""


def record(folder: Path) -> dict[str, Any]:
    """The run in a folder that `arignote train --out` wrote.

    Raises `NoRunError` for other folders, and the models' own `CheckpointError` for damaged files.
    """
    from arignote.models.commands.folder import RunFolder
    from arignote.models.training import checkpoint

    run = RunFolder(folder)
    started = run.read_record()
    if started is None:
        raise NoRunError(f"{folder.name} holds no run: `arignote train NAME --out FOLDER` makes one")
    records = checkpoint.load(run.checkpoint, model=started.model).progress["records"]
    if not records:
        raise NoRunError(f"the run in {folder.name} ended before its first validation")
    return {
        "model": started.model,
        "data": started.data,
        "command": command(started),
        "settings": started.settings,
        "seed": started.seed,
        "epochs": started.epochs,
        "seconds": records[-1]["seconds"],
        "records": [{name: _short(value) for name, value in one.items()} for one in records],
    }


def versions() -> dict[str, str]:
    """Versions of what computed."""
    import arignote

    return {"arignote": arignote.__version__, "apache-tvm": metadata.version("apache-tvm")}


def command(started: Any) -> str:
    """How to make the run again."""
    from arignote.models import registry

    usual = registry.find(started.model)()
    words = ["arignote", "train", started.model]
    if started.data_option is not None:
        option = started.data_option
        words += ["--data", Path(option).name if "/" in option else option]
    words += ["--epochs", str(started.epochs), "--validate-every", str(started.interval)]
    if started.seed:
        words += ["--seed", str(started.seed)]
    for name, value in started.settings.items():
        if value != getattr(usual, name):
            words += ["--set", f"{name}={value}"]
    return " ".join(words)


def _short(value: Any) -> Any:
    return float(f"{value:.{SIGNIFICANT}g}") if isinstance(value, float) else value


def best(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record of the best validation: the last one that was tested."""
    return next(one for one in reversed(records) if one["test_error"] is not None)


def page(reports: Sequence[Mapping[str, Any]]) -> str:
    """One row for each model and data set, from its newest run, and the commands below."""
    from arignote.models import registry

    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in sorted(reports, key=lambda r: str(r["date"])):
        for result in one["results"]:
            newest[result["model"], result["data"]] = result
    order = list(registry.models())
    found = sorted(newest.values(), key=lambda r: (order.index(r["model"]), r["data"]))
    body = []
    for result in found:
        top, model = best(result["records"]), registry.find(result["model"])
        cells = [f"{100 * top[name]:.2f} %" for name in ("valid_error", "test_error")]
        losses = [_loss(top[name]) for name in ("valid_loss", "test_loss")]
        body.append([
            f"`{result['model']}`", result["data"], str(top["epoch"]), *cells, *losses,
            f"{result['seconds']:.0f} s", model.quality,
        ])  # fmt: skip
    header = ["model", "data", "epoch", "validation error", "test error", "validation loss", "test loss", "time"]
    commands = "\n".join(result["command"] for result in found)
    return rows([*header, "goal"], body) + f"\n\n```\n{commands}\n```"


def _loss(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1e4 and math.isfinite(value) else f"{value:.3g}"

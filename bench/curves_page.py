"""The page of learning curves, from result files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench import report
from bench.curves import FIRST, STYLES
from bench.environment import SEED
from bench.table import rows

BOOK_WORDS = {
    "stacked_rnn": (326, 4806), "stacked_lstm": (None, 1445), "rhn": (None, 420),
}  # fmt: skip
"""Words per second that the book gives for chapter 10: of a CPU, of a GPU."""
BOOK_PARAMETERS = {"stacked_rnn": "15.2 M", "stacked_lstm": "35.9 M", "rhn": "84.2 M", "bilstm_sentiment": "10,084,967"}

INTRODUCTION = """# Learning curves beside PyTorch's

Written by `python -m bench curves-table` from the newest result of each model in `results/`. Both libraries begin with
the same values and take the same minibatches, in turn, on one thread of {cpu}. Training ended
after the steps given, which need not be an epoch. *Seconds*: processor time of all training steps but the first.
Rounding differs, so that curves part; *first losses* is the largest relative difference in the first {first} steps.
Validations of models that are trained on single sentences go up and down: compare the best of them too. Without
validations, the training perplexity is that of the last tenth of the steps. Models of chapter 10 are trained without
dropout here, whose masks would differ.
"""


def newest(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Of each model with its settings and data set the newest report, with its file, in the order of names."""
    found: dict[tuple[str, str], tuple[Path, dict[str, Any]]] = {}
    for path in folder.glob("curves-*.json"):
        one = report.load(path)
        result = one["results"][0]
        key = (named(one), result["data"])
        if key not in found or str(found[key][1]["date"]) < str(one["date"]):
            found[key] = path, one
    return [found[key] for key in sorted(found)]


def named(one: Mapping[str, Any]) -> str:
    """The model of a report, with what was set and another seed; dropout, always off, is not said."""
    words = one["command"]
    settings = [after for word, after in pairwise(words) if word == "--set" and not after.startswith("drop_")]
    seed = [] if one["seed"] == SEED else [f"seed {one['seed']}"]
    return ", ".join([one["results"][0]["model"], *settings, *seed])


def judged(result: Mapping[str, Any]) -> tuple[str, dict[str, float], dict[str, float]]:
    """What is measured, in both libraries what they ended with, and the best validation."""
    if not result["validations"]:
        losses = {which: result["training"][which] for which in STYLES}
        tail = max(1, len(losses["torch"]) // 10)
        return "training perplexity", {which: float(np.exp(np.mean(v[-tail:]))) for which, v in losses.items()}, {}
    key = "valid_loss" if result["by_loss"] else "valid_error"
    values = {which: [float(row[which][key]) for row in result["validations"]] for which in STYLES}
    what = "perplexity" if result["by_loss"] else "accuracy, %"
    last, best = (
        {which: math.exp(v[i]) if result["by_loss"] else 100 * (1 - v[i]) for which, v in found.items()}
        for found, i in ((values, -1), ({which: sorted(v) for which, v in values.items()}, 0))
    )
    return f"validation {what}", last, best


def render(reports: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The page, from names of pictures with their reports."""
    ends, words, pictures = [], [], []
    for picture, one in reports:
        result = one["results"][0]
        what, last, best = judged(result)
        cpu, first = result["cpu_seconds"], np.array(result["first"])
        apart = float(np.abs(first[:, 0] / first[:, 1] - 1).max())
        ends.append([
            named(one), result["data"], f"{result['parameters']:,}", BOOK_PARAMETERS.get(result["model"], ""),
            f"{result['steps']} ({result['epochs']:.2f})", f"{apart:.0e}", what,
            *(f"{last[which]:.2f}" for which in STYLES), *(f"{best[which]:.2f}" if best else "" for which in STYLES),
            *(f"{cpu[which]:.0f}" for which in STYLES),
        ])  # fmt: skip
        settings = result["settings"]
        if "drop_words" in settings:
            read = (result["steps"] - 1) * settings["batch"] * settings["steps"]
            book = (f"{n:,}" if n else "" for n in BOOK_WORDS.get(result["model"], (None, None)))
            words.append([named(one), *(f"{read / cpu[which]:.0f}" for which in STYLES), *book])
        pictures.append(f"![{named(one)} on {result['data']}](results/{picture})")
    parts = [
        INTRODUCTION.strip().format(cpu=reports[0][1]["machine"]["cpu"], first=FIRST),
        rows(["model", "data", "parameters", "the book's", "steps (epochs)", "first losses", "measured", "at the end",
              "PyTorch's", "best", "PyTorch's", "seconds", "PyTorch's"], ends),
    ]  # fmt: skip
    if words:
        heading = "**Words per second in chapter 10**: one thread here; the book's on its CPU and its GPU"
        parts += [heading, rows(["model", "Arignote", "PyTorch", "book, CPU", "book, GPU"], words)]
    return "\n\n".join([*parts, *pictures]) + "\n"


def followed(folder: Path) -> str:
    """What `follow` found of word vectors: of each model and data set the newest; "" if nothing."""
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for path in folder.glob("follow-*.json"):
        one = report.load(path)
        for result in one["results"]:
            key, date = (result["model"], result["data"]), str(one["date"])
            if key not in found or found[key][0] < date:
                seconds = (f"{result['seconds'][which]:.0f}" for which in STYLES)
                found[key] = date, [*key, f"{result['at'][-1] + 1}", f"{result['worst']:.0e}", *seconds]
    if not found:
        return ""
    head = "**Word vectors** (`follow`): the largest relative difference of the losses compared; seconds by the clock"
    header = ["model", "data", "steps", "difference", "seconds", "PyTorch's"]
    return f"\n{head}\n\n{rows(header, [found[key][1] for key in sorted(found)])}\n"


def write(folder: Path, page: Path) -> int:
    """Write the page; the number of models in it. Raises `SchemaError` for files that are no results."""
    found = newest(folder)
    if found:
        text = render([(path.with_suffix(".png").name, one) for path, one in found])
        page.write_text(text + followed(folder), encoding="utf-8")
    return len(found)

"""Pictures of a training run: learning curves and confusion matrices, as PNG files.

Drawn with matplotlib's objects on its Agg canvas, so no display is needed and no global state
(`pyplot`) is touched. matplotlib comes with the extra `models`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arignote.models.training.history import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRAIN, _VALID, _ERROR, _GRID = "#7a8794", "#1f6fb4", "#c4472d", "#dde2e7"


def learning_curves(
    records: Sequence[Record], n_batches: int, path: str | os.PathLike[str], *, title: str
) -> Path:
    """Draw training and validation loss, and validation error in percent, against epochs.

    `n_batches` is the number of minibatches per epoch. The best validation is marked. Returns the
    path written. Raises ValueError when there are no records, ImportError without matplotlib.
    """
    if not records:
        raise ValueError("no records to draw: the run ended before its first validation")
    epochs = [(record.iteration + 1) / n_batches for record in records]
    figure = new_figure(9.5, 4.2)
    figure.suptitle(title, fontweight="bold")
    losses, errors = figure.subplots(1, 2)
    marker = "o" if len(records) <= 40 else None
    style: dict[str, Any] = {"marker": marker, "markersize": 3.5, "linewidth": 1.6}

    losses.plot(epochs, [r.train_loss for r in records], color=_TRAIN, label="training", **style)
    losses.plot(epochs, [r.valid_loss for r in records], color=_VALID, label="validation", **style)
    losses.set(xlabel="epoch", ylabel="loss (mean negative log-likelihood)")
    losses.legend(frameon=False)

    percent = [100 * record.valid_error for record in records]
    errors.plot(epochs, percent, color=_ERROR, label="validation", **style)
    best = int(np.argmin(percent))
    errors.plot(epochs[best], percent[best], "*", color=_ERROR, markersize=13)
    errors.annotate(
        f"best {percent[best]:.2f} %",
        (epochs[best], percent[best]),
        xytext=(0, 11),
        textcoords="offset points",
        ha="right" if epochs[best] > np.mean([epochs[0], epochs[-1]]) else "left",
        color=_ERROR,
    )
    errors.set(xlabel="epoch", ylabel="validation error (%)")
    errors.set_ylim(bottom=0)
    for axes in (losses, errors):
        axes.grid(color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return write_figure(figure, path)


def loss_curves(
    records: Sequence[Record], n_batches: int, path: str | os.PathLike[str], *, title: str
) -> Path:
    """Draw training and validation loss against epochs. Returns, and raises, as `learning_curves`."""
    if not records:
        raise ValueError("no records to draw: the run ended before its first validation")
    epochs = [(record.iteration + 1) / n_batches for record in records]
    figure = new_figure(6.5, 4.2)
    axes = figure.subplots()
    axes.plot(epochs, [r.train_loss for r in records], color=_TRAIN, label="training", marker="o")
    axes.plot(epochs, [r.valid_loss for r in records], color=_VALID, label="validation", marker="o")
    axes.set(xlabel="epoch", ylabel="loss", title=title)
    axes.legend(frameon=False)
    axes.grid(color=_GRID, linewidth=0.8)
    return write_figure(figure, path)


def labelled_points(
    places: NDArray[Any], labels: Sequence[str], path: str | os.PathLike[str], *, title: str
) -> Path:
    """Draw points float[n, 2] with their labels. Returns the path written; ImportError without matplotlib."""
    figure = new_figure(14, 14)
    axes = figure.subplots()
    axes.scatter(places[:, 0], places[:, 1], s=4, color=_VALID)
    for (x, y), text in zip(places, labels, strict=True):
        axes.annotate(text, (x, y), xytext=(2, 2), textcoords="offset points", fontsize=6)
    axes.set_title(title)
    axes.set_axis_off()
    return write_figure(figure, path)


def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, n_classes: int
) -> NDArray[np.int64]:
    """Counts int64[n_classes, n_classes]: row = true class, column = predicted class.

    `labels` and `predictions` are integers[n] in 0 .. n_classes - 1; raises ValueError otherwise.
    """
    true, predicted = np.asarray(labels), np.asarray(predictions)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(
            f"labels and predictions are vectors of one length, not {list(true.shape)} and "
            f"{list(predicted.shape)}"
        )
    for name, values in (("labels", true), ("predictions", predicted)):
        if values.size and (
            values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= n_classes
        ):
            raise ValueError(f"{name} are integers in 0..{n_classes - 1}")
    flat = true.astype(np.int64) * n_classes + predicted.astype(np.int64)
    return np.bincount(flat, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def confusion_picture(
    matrix: NDArray[np.int64],
    path: str | os.PathLike[str],
    *,
    title: str,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Draw a confusion matrix with its counts; cells are shaded by their share of their row.

    `matrix` is int64[n, n] as from `confusion_matrix`; `class_names` are 0 .. n-1 by default.
    Returns the path written. Raises ValueError for other shapes, ImportError without matplotlib.
    """
    n = len(matrix)
    names = [str(i) for i in range(n)] if class_names is None else list(class_names)
    if matrix.shape != (n, n) or n == 0 or len(names) != n:
        raise ValueError(f"a square matrix with a name per row, not {list(matrix.shape)}")
    totals = matrix.sum(axis=1, keepdims=True)
    share = matrix / np.maximum(totals, 1)
    accuracy = np.trace(matrix) / max(1, matrix.sum())

    figure = new_figure(1.8 + 0.52 * n, 1.5 + 0.52 * n)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(n, n):
        if count := matrix[row, column]:
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if share[row, column] > 0.5 else "#24303b",
            )
    axes.set_xticks(range(n), names)
    axes.set_yticks(range(n), names)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(f"{title}\naccuracy {100 * accuracy:.2f} % of {matrix.sum()}", fontsize=11)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    return write_figure(figure, path)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of that size in inches, on a canvas that needs no display."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'arignote[models]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: "Figure", path: str | os.PathLike[str], *, dpi: int = 144) -> Path:
    """Save as PNG, with `dpi` dots to an inch; the folder is made if necessary."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=dpi)
    return path

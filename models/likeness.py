"""How much generated images are like real ones: measures that need no network."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def squared_distances(x: Array, y: Array) -> NDArray[np.float64]:
    """Between all rows of x [n, d] and y [m, d]: float64[n, m]."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    found = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * (x @ y.T)
    distances: NDArray[np.float64] = np.maximum(found, 0)
    return distances


def discrepancy(x: Array, y: Array) -> float:
    """The maximum mean discrepancy of two samples, x [n, d] and y [m, d], with a Gaussian kernel: 0 for equal ones.

    The kernel's width is the median distance between rows of y. A. Gretton et al., "A kernel two-sample test", 2012,
    equation 5.
    """
    within = squared_distances(y, y)
    others = within[~np.eye(len(y), dtype=bool)]
    width = float(np.median(others)) if others.size else 1.0
    means = [np.exp(-d / width).mean() for d in (squared_distances(x, x), within, squared_distances(x, y))]
    return float(np.sqrt(max(0.0, means[0] + means[1] - 2 * means[2])))


def nearest_labels(x: Array, known: Array, labels: Array) -> Array:
    """Of each row of x [n, d], the label of the nearest of the rows `known` [m, d], which have labels [m]."""
    nearest: Array = labels[squared_distances(x, known).argmin(axis=1)]
    return nearest

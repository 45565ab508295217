"""Products with sparse matrices against SciPy.

    ARIGNOTE_NUM_THREADS=1 python -m bench.sparse

A matrix of 10000 by 10000 with 20 elements in a row, in both formats, times dense ones of 1 to 500 columns; the sum and
the product of two such matrices with 5 elements in a row. Prints the median milliseconds of interleaved rounds, of the
processor's time of the calling thread, and the largest difference, relative to the largest element.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

import arignote as ar
from arignote import sparse
from arignote.codegen.target import default_threads

ROUNDS, SIZE = 15, 10_000
COLUMNS = (1, 10, 64, 500)


def matrix(format: str, share: float, seed: int) -> Any:
    """A random float32 matrix of SIZE by SIZE."""
    return scipy.sparse.random(SIZE, SIZE, share, format, np.float32, seed)


def medians(runs: list[Callable[[], Any]]) -> list[float]:
    """Milliseconds of each."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for found, run in zip(times, runs, strict=True):
            start = time.thread_time()
            run()
            found.append(1e3 * (time.thread_time() - start))
    return [statistics.median(t) for t in times]


def report(label: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    """A line of the table."""
    found, want = ours(), theirs()
    error = abs(found - want).max() / abs(want).max()
    ours()  # compiled for these sizes now
    mine, other = medians([ours, theirs])
    print(f"{label:24} {mine:8.2f} {other:8.2f}  {mine / other:5.2f}  {error:.0e}", flush=True)


def main() -> None:
    """Measure all."""
    print(f"{default_threads()} threads, ms: arignote, SciPy {scipy.__version__}; ratio; difference")
    rng = np.random.default_rng(0)
    for format in ("csr", "csc"):
        a = matrix(format, 0.002, 1)
        shared = ar.shared(a)
        for columns in COLUMNS:
            dense = rng.normal(size=(SIZE, columns)).astype(np.float32)
            f = ar.function([], sparse.dot(shared, ar.shared(dense)))
            report(f"{format} times {columns} columns", f, lambda a=a, d=dense: a @ d)  # type: ignore[misc]
    x, y = (sparse.csr_matrix(name, "float32") for name in "xy")
    a, b = matrix("csr", 0.0005, 2), matrix("csr", 0.0005, 3)
    total, product = ar.function([x, y], sparse.add(x, y)), ar.function([x, y], sparse.true_dot(x, y))
    report("csr plus csr", lambda: total(a, b), lambda: a + b)
    report("csr times csr", lambda: product(a, b), lambda: a @ b)


if __name__ == "__main__":
    main()

"""What this machine can do: sgemm rate and the bandwidth of its caches and its memory.

Run as ``python -m bench.roofline --threads N`` it measures inside a process whose libraries were
given that many threads; ``measure`` starts such processes. The kernels are OpenBLAS's, called
through ctypes where the package scipy-openblas32 is installed, and NumPy's otherwise.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.environment import ROOT, caches, child_environment, scrub
from bench.workloads import Workload

GEMM_SIZES = (256, 512, 1024, 2048)
Floats = NDArray[np.float32]


class Kernels(ABC):
    """The two kernels that the limits are measured with."""

    how: dict[str, str]

    @abstractmethod
    def gemm(self, a: Floats, b: Floats, c: Floats) -> None:
        """c = a b, square and in row order."""

    @abstractmethod
    def axpy(self, x: Floats, y: Floats) -> None:
        """y += s x: two arrays read and one written, none of it write-allocated."""


class OpenBlas(Kernels):
    """OpenBLAS through ctypes."""

    how = {
        "sgemm": "cblas_sgemm of scipy-openblas32 through ctypes, square, best size",
        "bandwidth": "cblas_saxpy of scipy-openblas32 through ctypes, 12 bytes an element "
        "(two reads, one write), cost of an empty call subtracted",
    }

    def __init__(self) -> None:
        package: Any = importlib.import_module("scipy_openblas32")
        folder = Path(str(package.get_lib_dir()))
        (path,) = [p for p in folder.iterdir() if p.name.startswith("libscipy_openblas")]
        library = ctypes.CDLL(str(path))
        self._gemm, self._axpy = library.scipy_cblas_sgemm, library.scipy_cblas_saxpy
        real, whole, data = ctypes.c_float, ctypes.c_int, ctypes.c_void_p
        self._gemm.argtypes = [whole] * 6 + [real, data, whole, data, whole, real, data, whole]
        self._axpy.argtypes = [whole, real, data, whole, data, whole]
        self._gemm.restype = self._axpy.restype = None

    def gemm(self, a: Floats, b: Floats, c: Floats) -> None:
        """cblas_sgemm, row order, nothing transposed."""
        n, row_order, plain = len(a), 101, 111
        pa, pb, pc = (m.ctypes.data for m in (a, b, c))
        self._gemm(row_order, plain, plain, n, n, n, 1.0, pa, n, pb, n, 0.0, pc, n)

    def axpy(self, x: Floats, y: Floats) -> None:
        """cblas_saxpy with a factor so small that any number of repetitions stays finite."""
        self._axpy(len(x), 1e-6, x.ctypes.data, 1, y.ctypes.data, 1)


class Numpy(Kernels):
    """NumPy; an addition is split over threads, since a NumPy loop uses only one."""

    how = {
        "sgemm": "numpy.matmul with NumPy's own BLAS, square, best size",
        "bandwidth": "numpy.add(y, x, out=y) split over Python threads, 12 bytes an element "
        "(two reads, one write), cost of an empty call subtracted",
    }

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def gemm(self, a: Floats, b: Floats, c: Floats) -> None:
        """numpy.matmul."""
        np.matmul(a, b, out=c)

    def axpy(self, x: Floats, y: Floats) -> None:
        """An addition in place, one slice a thread."""
        if self._threads == 1:
            np.add(y, x, out=y)
            return
        cuts = np.linspace(0, len(x), self._threads + 1).astype(int)
        parts = [slice(a, b) for a, b in zip(cuts, cuts[1:], strict=False)]
        list(self._pool.map(lambda s: np.add(y[s], x[s], out=y[s]), parts))


def kernels(threads: int) -> Kernels:
    """OpenBLAS where it can be loaded, else NumPy."""
    if importlib.util.find_spec("scipy_openblas32") is not None:
        try:
            return OpenBlas()
        except (OSError, AttributeError, ValueError):
            pass
    return Numpy(threads)


def best_time(run: Callable[[], None], seconds: float, rounds: int = 5) -> tuple[float, float]:
    """Median and minimum time of ``run`` over a few rounds that together take ``seconds``."""
    run()
    start = time.perf_counter()
    run()
    inner = max(1, int(seconds / rounds / max(time.perf_counter() - start, 1e-7)))
    times: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(inner):
            run()
        times.append((time.perf_counter() - start) / inner)
    return statistics.median(times), min(times)


def working_sets(threads: int) -> dict[str, int]:
    """Bytes of both arrays together: half a cache, or four times the last one for memory."""
    size = caches()
    return {
        "L2": size["L2"] // 2 * threads,
        "L3": size["L3"] // 2,
        "DRAM": max(4 * size["L3"], 256 << 20),
    }


def probe(threads: int, seconds: float) -> dict[str, Any]:
    """Measure inside this process; ``seconds`` is the time given to each single figure."""
    use = kernels(threads)
    rng = np.random.default_rng(0)
    rates: dict[str, dict[str, float]] = {}
    for n in GEMM_SIZES:
        a, b = (rng.random((n, n), dtype=np.float32) for _ in range(2))
        c = np.empty((n, n), np.float32)
        median, least = best_time(partial(use.gemm, a, b, c), seconds)
        rates[str(n)] = {"median_gflops": 2e-9 * n**3 / median, "best_gflops": 2e-9 * n**3 / least}
    empty = np.zeros(0, np.float32)
    _, call = best_time(lambda: use.axpy(empty, empty), min(seconds, 0.05))
    bandwidth: dict[str, dict[str, float]] = {}
    for level, size in working_sets(threads).items():
        x, y = np.ones(size // 8, np.float32), np.ones(size // 8, np.float32)
        median, least = best_time(partial(use.axpy, x, y), seconds)
        moved = 12e-9 * len(x)
        bandwidth[level] = {
            "median_gbytes": moved / max(median - call, 1e-9),
            "best_gbytes": moved / max(least - call, 1e-9),
            "working_set_bytes": float(size),
        }
    return {
        "threads": threads,
        "how": use.how,
        "sgemm": rates,
        "sgemm_gflops": max(r["median_gflops"] for r in rates.values()),
        "fma_peak_gflops": max(r["best_gflops"] for r in rates.values()),
        "bandwidth": bandwidth,
    }


def measure(threads: Sequence[int], seconds: float = 0.4) -> list[dict[str, Any]]:
    """The limits at each thread count, each measured in a process of its own."""
    limits: list[dict[str, Any]] = []
    for count in threads:
        command = [sys.executable, "-m", "bench.roofline"]
        command += ["--threads", str(count), "--seconds", str(seconds)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=child_environment(count),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(scrub(f"the limits could not be measured: {last}"))
        limits.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return limits


def floor(workload: Workload | Mapping[str, Any], limit: Mapping[str, Any]) -> float:
    """The least time of a step in seconds, by arithmetic or by traffic, whichever is larger.

    Traffic that stays cached is charged at the rate of the smallest measured level that holds
    it; what fits L1 is charged as L2, which is the smallest level a call can be timed at.
    """
    plain = workload.describe() if isinstance(workload, Workload) else workload
    bandwidth = limit["bandwidth"]
    resident, streamed = float(plain["resident_bytes"]), float(plain["streamed_bytes"])
    level = "DRAM"
    for name in ("L3", "L2"):
        # The sets that were measured fill half of a cache.
        if name in bandwidth and resident <= 2 * bandwidth[name]["working_set_bytes"]:
            level = name
    arithmetic = float(plain["flops"]) / (1e9 * float(limit["fma_peak_gflops"]))
    traffic = streamed / (1e9 * float(bandwidth["DRAM"]["best_gbytes"]))
    traffic += resident / (1e9 * float(bandwidth[level]["best_gbytes"]))
    return max(arithmetic, traffic)


def main() -> None:
    """Measure in this process and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.4)
    options = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(probe(options.threads, options.seconds)), file=replies, flush=True)


if __name__ == "__main__":
    main()

"""What this machine can do: sgemm rate and the bandwidth of its caches and its memory.

``measure`` starts processes of ``python -m bench.roofline``: one with all the threads for the
products, and one single-threaded process a thread for the bandwidth, which start each level
together and whose rates are summed. The kernels are OpenBLAS's, called through ctypes where the
package scipy-openblas32 is installed, and NumPy's otherwise. Variables that force a library to use
the kernels of another processor are left out: the limits are the machine's.
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
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.environment import OVERRIDES, ROOT, caches, child_environment
from bench.workloads import Workload

GEMM_SIZES = (256, 512, 1024, 2048)
Floats = NDArray[np.float32]


class Kernels(ABC):
    """The two kernels that the limits are measured with."""

    how: ClassVar[dict[str, str]]
    core: str | None = None

    @abstractmethod
    def gemm(self, a: Floats, b: Floats, c: Floats) -> None:
        """c = a b, square and in row order."""

    @abstractmethod
    def axpy(self, x: Floats, y: Floats) -> Callable[[], None]:
        """A prepared y += s x: two arrays read and one written, none of it write-allocated."""


class OpenBlas(Kernels):
    """OpenBLAS through ctypes."""

    how: ClassVar[dict[str, str]] = {
        "sgemm": "cblas_sgemm of scipy-openblas32 through ctypes, square, best size",
        "bandwidth": "cblas_saxpy of scipy-openblas32 through ctypes, 12 bytes an element (two "
        "reads, one write), cost of an empty call subtracted, one process a thread",
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
        library.scipy_openblas_get_corename.restype = ctypes.c_char_p
        self.core = bytes(library.scipy_openblas_get_corename()).decode()

    def gemm(self, a: Floats, b: Floats, c: Floats) -> None:
        """cblas_sgemm, row order, nothing transposed."""
        n, row_order, plain = len(a), 101, 111
        pa, pb, pc = (m.ctypes.data for m in (a, b, c))
        self._gemm(row_order, plain, plain, n, n, n, 1.0, pa, n, pb, n, 0.0, pc, n)

    def axpy(self, x: Floats, y: Floats) -> Callable[[], None]:
        """cblas_saxpy with a factor so small that any number of repetitions stays finite."""
        pointers = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data)
        size, one = ctypes.c_int(len(x)), ctypes.c_int(1)
        return partial(self._axpy, size, ctypes.c_float(1e-6), pointers[0], one, pointers[1], one)


class Numpy(Kernels):
    """NumPy with its own BLAS."""

    how: ClassVar[dict[str, str]] = {
        "sgemm": "numpy.matmul with NumPy's own BLAS, square, best size",
        "bandwidth": "numpy.add(y, x, out=y), 12 bytes an element (two reads, one write), cost of "
        "an empty call subtracted, one process a thread",
    }

    def gemm(self, a: Floats, b: Floats, c: Floats) -> None:
        """numpy.matmul."""
        np.matmul(a, b, out=c)

    def axpy(self, x: Floats, y: Floats) -> Callable[[], None]:
        """An addition in place."""
        return partial(np.add, y, x, y)


def kernels() -> Kernels:
    """OpenBLAS where it can be loaded, else NumPy."""
    if importlib.util.find_spec("scipy_openblas32") is not None:
        with suppress(OSError, AttributeError, ValueError):
            return OpenBlas()
    return Numpy()


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
    """Bytes of both arrays of one process: half its share of a cache, or far more for memory."""
    size = caches()
    return {
        "L2": size["L2"] // 2,
        "L3": size["L3"] // 2 // threads,
        "DRAM": max(4 * size["L3"], 256 << 20) // threads,
    }


def gemm_rates(seconds: float) -> dict[str, Any]:
    """Rates of square products in this process; ``seconds`` is spent on each size."""
    use = kernels()
    rng = np.random.default_rng(0)
    rates: dict[str, dict[str, float]] = {}
    for n in GEMM_SIZES:
        a, b = (rng.random((n, n), dtype=np.float32) for _ in range(2))
        c = np.empty((n, n), np.float32)
        median, least = best_time(partial(use.gemm, a, b, c), seconds)
        rates[str(n)] = {"median_gflops": 2e-9 * n**3 / median, "best_gflops": 2e-9 * n**3 / least}
    return {
        "how": use.how,
        "core": use.core,
        "sgemm": rates,
        "sgemm_gflops": max(r["median_gflops"] for r in rates.values()),
        "fma_peak_gflops": max(r["best_gflops"] for r in rates.values()),
    }


def bandwidths(threads: int, seconds: float, replies: IO[str]) -> None:
    """One process's rate at each level; a line on standard input starts each measurement."""
    use = kernels()
    for size in working_sets(threads).values():
        x, y = np.ones(size // 8, np.float32), np.ones(size // 8, np.float32)
        _, call = best_time(use.axpy(x[:0], y[:0]), min(seconds, 0.05))
        print("ready", file=replies, flush=True)
        sys.stdin.readline()
        median, least = best_time(use.axpy(x, y), seconds)
        moved = 12e-9 * len(x)
        rates = [moved / max(median - call, 1e-9), moved / max(least - call, 1e-9)]
        print(json.dumps(rates), file=replies, flush=True)


def _start(part: str, threads: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.roofline", "--part", part]
    command += ["--threads", str(threads), "--seconds", str(seconds)]
    env = child_environment(threads if part == "gemm" else 1)
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={name: value for name, value in env.items() if name not in OVERRIDES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the limits could not be measured: exit status {process.wait()}")
    return line


def measure(threads: Sequence[int], seconds: float = 0.4) -> list[dict[str, Any]]:
    """The limits at each thread count; ``seconds`` is the time given to each single figure."""
    limits: list[dict[str, Any]] = []
    for count in threads:
        with _start("gemm", count, seconds) as process:
            limit: dict[str, Any] = {"threads": count, **json.loads(_line(process))}
        bandwidth: dict[str, dict[str, float]] = {}
        with ExitStack() as stack:
            team = [stack.enter_context(_start("bandwidth", count, seconds)) for _ in range(count)]
            for level, size in working_sets(count).items():
                for process in team:
                    _line(process)
                for process in team:
                    assert process.stdin is not None
                    process.stdin.write("go\n")
                    process.stdin.flush()
                rates = [json.loads(_line(process)) for process in team]
                bandwidth[level] = {
                    "median_gbytes": sum(float(rate[0]) for rate in rates),
                    "best_gbytes": sum(float(rate[1]) for rate in rates),
                    "working_set_bytes": float(size * count),
                }
        limits.append({**limit, "bandwidth": bandwidth})
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
    parser.add_argument("--part", choices=("gemm", "bandwidth"), required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if options.part == "gemm":
        print(json.dumps(gemm_rates(options.seconds)), file=replies, flush=True)
    else:
        bandwidths(options.threads, options.seconds, replies)


if __name__ == "__main__":
    main()

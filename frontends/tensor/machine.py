"""What this machine can do, for rooflines: its rate of arithmetic and the bandwidth of its caches and its memory.

Measured once, in half a second, and kept beside the compiled code; `arignote bench roofline` measures with more care.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

import numpy as np

from arignote.codegen.cache import cache_folder
from arignote.codegen.target import Target, cpu_target
from arignote.ir.core import Op
from arignote.ir.cost import Cost, nbytes

#: Bytes that a measurement of bandwidth moves back and forth; what fits half of it runs at its rate.
WORKING_SETS = (1 << 18, 1 << 22, 1 << 28)


@dataclass(frozen=True)
class Limits:
    """The most f32 and f64 operations per nanosecond, and bytes per nanosecond for working sets up to some size."""

    threads: int
    f32: float
    f64: float
    bandwidth: tuple[tuple[int, float], ...]

    def floor(self, cost: Cost, double: bool) -> float | None:
        """The least time in nanoseconds; None where sizes are symbols."""
        if not isinstance(cost.flops, int) or not isinstance(cost.bytes, int):
            return None
        moved = cost.bytes
        rate = next((rate for size, rate in self.bandwidth if moved <= size), self.bandwidth[-1][1])
        return max(cost.flops / (self.f64 if double else self.f32), moved / rate)

    def share(self, cost: Cost, ns: float, op: Op) -> float | None:
        """The least time as a share of the measured one; None where it is not known."""
        floor = self.floor(cost, any(r.dtype == "f64" for r in op.results))
        return None if floor is None or not ns or nbytes(op.results[0].type) == 0 else floor / ns

    def __str__(self) -> str:
        rates = ", ".join(f"{rate:.0f} GB/s to {size >> 20 or 1} MB" for size, rate in self.bandwidth)
        return f"{self.threads} threads: {self.f32:.0f} Gflop/s (f32), {rates}"


@functools.cache
def limits() -> Limits:
    """The limits of this machine, from the cache or measured now."""
    target = cpu_target()
    path = cache_folder() / f"peaks-{target.key()}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        bandwidth = tuple((int(size), float(rate)) for size, rate in kept["bandwidth"])
        return Limits(kept["threads"], kept["f32"], kept["f64"], bandwidth)
    found = _measure(target)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(asdict(found)), encoding="utf-8")
        os.replace(temporary, path)
    return found


def _measure(target: Target) -> Limits:
    threads = target.threads
    with ThreadPoolExecutor(threads) as pool:
        return Limits(
            threads,
            _arithmetic("f32", target),
            _arithmetic("f64", target),
            tuple((size, _bandwidth(pool, threads, size)) for size in WORKING_SETS),
        )


def _arithmetic(dtype: str, target: Target) -> float:
    """Of all threads; of one where that is more: two may share the units of one core."""
    from arignote.codegen.peak import Peak  # builds code: TVM's compiler is imported only to measure

    return max(Peak(dtype, replace(target, threads=n)).rate(0.1) for n in {1, target.threads})


def _bandwidth(pool: ThreadPoolExecutor, threads: int, size: int) -> float:
    """y += x: two arrays are read and one is written."""
    n = size // 8 // threads
    pairs = [(np.ones(n, np.float32), np.ones(n, np.float32)) for _ in range(threads)]
    rounds = max(1, (1 << 22) // size)

    def one(pair: tuple[np.ndarray, np.ndarray]) -> None:
        x, y = pair
        for _ in range(rounds):
            np.add(x, y, out=y)

    return threads * rounds * 12 * n / _best(lambda: list(pool.map(one, pairs)))


def _best(run: Callable[[], object], seconds: float = 0.06) -> float:
    """The least time of a run, in nanoseconds."""
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        run()
        best = min(best, time.perf_counter_ns() - start)
    return best

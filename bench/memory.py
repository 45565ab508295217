"""Memory of a step: the most that a process holds during it, less what it held before the workload was built.

In a fresh process with full caches, so that no compiler is in it, which has run a small workload of the same family, so
that what a library loads at its first use does not count, whenever that is: parameters, copies of data, and what a step
needs. Linux only: the peak is the kernel's, of pages that are really there.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.compile_time import once
from bench.workloads import Workload


def resident() -> int:
    """Bytes that this process holds now."""
    return _status("VmRSS")


def peak() -> int:
    """The most bytes that it held since `reset`."""
    return _status("VmHWM")


def reset() -> None:
    """Begin to look for the peak anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the system does not tell {field}")


def measure(
    workload: Workload, names: Sequence[str], *, threads: int, seed: int, log: Callable[[str], None],
    python: str | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:  # fmt: skip
    """Of every peer, in the second of two processes that share their caches."""
    result: dict[str, Any] = {
        **workload.describe(), "threads": threads, "peers": {}, "missing": {}, "refused": None,
    }  # fmt: skip
    versions: dict[str, str] = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="arignote-bench-") as folder:
            for _ in range(2):
                report = once(
                    name, workload, threads=threads, seed=seed, caches=Path(folder), python=python or sys.executable,
                    warm=True,
                )  # fmt: skip
                if "missing" in report:
                    break
        if "missing" in report:
            result["missing"][name] = {"reason": report["missing"], "remedy": report["remedy"]}
            log(f"  missing: {name}: {report['missing']}")
            continue
        versions[name] = str(report["version"])
        result["peers"][name] = {k: int(report[k]) for k in ("step_bytes", "loaded_bytes")}
        log(f"  {name:14} {report['step_bytes'] / 1e6:8.1f} MB")
    return result, versions

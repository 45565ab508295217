"""The child process of one peer: builds workloads and times steps on request.

Requests and replies are JSON, one a line, on standard input and on the descriptor that standard
output was at the start; whatever libraries print goes to standard error instead. A peer has a
process of its own because thread pools of different libraries disturb each other when they
share one.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import signal
import sys
import time
from typing import Any

import numpy as np

from bench import peers, workloads


class Worker:
    """The state behind the pipe: one peer and at most one built workload."""

    def __init__(self, peer: str, threads: int) -> None:
        self.peer = peers.find(peer)
        self.threads = threads
        self.runner: peers.Runner | None = None

    def hello(self) -> dict[str, Any]:
        """Load the peer, or say why it cannot be."""
        reason = self.peer.available()
        if reason is None:
            try:
                self.peer.load(self.threads)
                return {"version": self.peer.version()}
            except Exception as error:
                reason = f"{self.peer.package} does not load: {type(error).__name__}: {error}"
        return {"missing": reason, "remedy": self.peer.remedy}

    def implements(self, workload: str) -> dict[str, Any]:
        """Whether the peer has an implementation of a workload."""
        return {"answer": self.peer.implements(workloads.find(workload))}

    def build(self, workload: str, seed: int) -> dict[str, Any]:
        """Build a workload from the data of ``seed``; the one before is dropped."""
        self.runner = None
        gc.collect()
        spec = workloads.find(workload)
        params = spec.make(seed)
        start = time.perf_counter()
        self.runner = self.peer.build(spec, params, self.threads)
        return {"seconds": time.perf_counter() - start}

    def steps(self, count: int) -> dict[str, Any]:
        """Losses of the next ``count`` steps."""
        return {"losses": [self._built().step() for _ in range(count)]}

    def params(self, path: str) -> dict[str, Any]:
        """Write the trained arrays to ``path``."""
        arrays: dict[str, Any] = dict(self._built().params())
        np.savez(path, **arrays)
        return {"names": sorted(arrays)}

    def calibrate(self, seconds: float) -> dict[str, Any]:
        """How many steps take about ``seconds``: doubled until half is reached, then scaled."""
        inner = 1
        while True:
            taken = self.time(inner, 1)["wall_s"]
            if taken >= seconds / 2 or inner >= 1 << 20:
                return {"inner": max(1, round(inner * seconds / max(taken, 1e-9)))}
            inner *= 2

    def time(self, inner: int, warm: int) -> dict[str, Any]:
        """Wall and processor time of ``inner`` steps, after ``warm`` steps that are not timed."""
        step = self._built().step
        for _ in range(warm):
            step()
        gc.collect()
        gc.disable()
        try:
            repeats = range(inner)
            cpu, start = time.process_time_ns(), time.perf_counter_ns()
            for _ in repeats:
                step()
            wall, cpu = time.perf_counter_ns() - start, time.process_time_ns() - cpu
        finally:
            gc.enable()
        return {"wall_s": wall * 1e-9, "cpu_s": cpu * 1e-9}

    def drop(self) -> dict[str, Any]:
        """Forget the built workload and its memory."""
        self.runner = None
        gc.collect()
        return {}

    def _built(self) -> peers.Runner:
        if self.runner is None:
            raise RuntimeError("nothing is built")
        return self.runner

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One reply; an exception becomes an ``error``."""
        name = str(request.pop("do"))
        if name not in {"hello", "implements", "build", "steps", "params", "calibrate", "time", "drop"}:
            return {"error": f"unknown request {name!r}"}
        try:
            reply: dict[str, Any] = getattr(self, name)(**request)
            return reply
        except Exception as error:
            lines = str(error).strip().splitlines()
            return {"error": f"{type(error).__name__}: {' '.join(lines[:4])[:600]}"}


def die_with_parent() -> None:
    """On Linux, end when the parent does, even while stopped between rounds."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def main() -> None:
    """Serve requests until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    die_with_parent()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(options.peer, options.threads)
    for line in sys.stdin:
        replies.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()

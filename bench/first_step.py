"""Child process: one peer from the start of the process to its first step, in parts.

Prints one JSON object. What does not belong to the peer (start of Python, NumPy, making the
data) is measured and reported apart; the time to first step is import + build + first step.
"""

from __future__ import annotations

import time

_ENTERED = time.time()

import argparse  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402

_BEFORE_NUMPY = time.perf_counter()
import numpy  # noqa: E402, F401

_NUMPY = time.perf_counter() - _BEFORE_NUMPY

from bench import memory, peers, workloads  # noqa: E402
from bench.agreement import STEPS  # noqa: E402


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--spawned", type=float, required=True, help="time of the parent's spawn")
    parser.add_argument("--warm", action="store_true", help="run a small workload of the family before")
    parser.add_argument("--kernels", action="store_true", help="count kernels")
    options = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = peers.find(options.peer)
    reason = peer.available()
    if reason is not None:
        print(json.dumps({"missing": reason, "remedy": peer.remedy}), file=replies, flush=True)
        return
    spec = workloads.find(options.workload)
    marks = [time.perf_counter()]
    params = spec.make(options.seed)
    marks.append(time.perf_counter())
    cpu = time.process_time()
    peer.load(options.threads)
    if options.warm:
        small = workloads.small(spec.family)
        peer.build(small, small.make(options.seed), options.threads).step()
    loaded = memory.resident()
    marks.append(time.perf_counter())
    runner = peer.build(spec, params, options.threads)
    del params  # whoever copies it holds it once
    marks.append(time.perf_counter())
    losses = [runner.step()]
    marks.append(time.perf_counter())
    cpu = time.process_time() - cpu
    losses += [runner.step() for _ in range(STEPS - 1)]
    memory.reset()
    runner.step()
    most = memory.peak()
    data, load, build, first = (b - a for a, b in itertools.pairwise(marks))
    report = {
        "python_s": max(0.0, _ENTERED - options.spawned),
        "numpy_s": _NUMPY,
        "data_s": data,
        "import_s": load,
        "build_s": build,
        "step_s": first,
        "first_step_s": load + build + first,
        "cpu_s": cpu,
        "losses": losses,
        "loaded_bytes": loaded,
        "step_bytes": max(0, most - loaded),
        "version": peer.version(),
        "kernels": peer.kernels() if options.kernels else None,
    }
    print(json.dumps(report), file=replies, flush=True)


if __name__ == "__main__":
    main()

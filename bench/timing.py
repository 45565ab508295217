"""Interleaved rounds: every peer takes its turn in every round, so ratios are of one run."""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import peers
from bench.agreement import STEPS, Disagreement, check
from bench.pool import Pool, WorkerError
from bench.workloads import Params, Workload

Log = Callable[[str], None]
SLICE = 0.05


def statistics_of(walls: Sequence[float], cpus: Sequence[float], inner: int) -> dict[str, Any]:
    """Median and minimum of a peer's rounds, in seconds a step."""
    return {
        "median_s": statistics.median(walls),
        "min_s": min(walls),
        "rounds_s": list(walls),
        "inner": inner,
        # Processor time over wall time: about 1 shows that a single-thread run was one.
        "busy_cores": sum(cpus) / max(sum(walls), 1e-12),
    }


def agree(
    pool: Pool, names: Sequence[str], lost: Callable[[str, WorkerError], None], workload: Workload
) -> dict[str, Any]:
    """Run the first steps of every built peer and compare losses and trained arrays."""
    losses: dict[str, list[float]] = {}
    arrays: dict[str, Params] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = str(Path(folder) / f"{name}.npz")
            try:
                with pool.running(name) as worker:
                    steps = list(worker.ask("steps", count=STEPS)["losses"])
                    worker.ask("params", path=path)
            except WorkerError as error:
                lost(name, error)
                continue
            losses[name] = steps
            with np.load(path) as stored:
                arrays[name] = {key: stored[key] for key in stored.files}
    if workload.reference not in losses:
        raise Disagreement(f"refused to time: the reference {workload.reference} did not run")
    return check(workload.reference, losses, arrays, workload.tolerance)


def measure(
    pool: Pool,
    workload: Workload,
    *,
    rounds: int,
    seed: int,
    slice_s: float,
    log: Log,
    unasked: Collection[str] = (),
) -> dict[str, Any]:
    """Build and compare one workload on every worker of the pool; calibrate and time it there.

    Peers that are `unasked` are compared, but not timed; without an implementation of the workload they are left out
    and not missed.
    """
    failed: dict[str, dict[str, str]] = {}
    built: dict[str, float] = {}
    inner: dict[str, int] = {}
    result: dict[str, Any] = {
        **workload.describe(),
        "threads": pool.threads,
        "refused": None,
        "agreement": None,
        "peers": {},
        "missing": {},
    }

    def lost(name: str, error: WorkerError) -> None:
        again = f"python -m bench run {workload.name} --peers {name}"
        remedy = f"it is installed but failed on this workload; reproduce with {again}"
        failed[name] = {"reason": str(error), "remedy": remedy}
        log(f"  {name} failed: {error}")

    for name in pool.handles:
        if not (peers.find(name).trains or workload.family == "predict"):
            continue
        try:
            with pool.running(name) as worker:
                if name in unasked and not worker.ask("implements", workload=workload.name)["answer"]:
                    continue
                built[name] = float(
                    worker.ask("build", workload=workload.name, seed=seed)["seconds"]
                )
        except WorkerError as error:
            lost(name, error)
    try:
        result["agreement"] = agree(pool, list(built), lost, workload)
    except Disagreement as error:
        result["refused"] = str(error)
        result["missing"] = {**pool.missing, **failed}
        log(f"  {error}")
        return result

    for name in [n for n in built if n not in failed and n not in unasked]:
        try:
            with pool.running(name) as worker:
                inner[name] = int(worker.ask("calibrate", seconds=slice_s)["inner"])
        except WorkerError as error:
            lost(name, error)
    walls: dict[str, list[float]] = {name: [] for name in inner}
    cpus: dict[str, list[float]] = {name: [] for name in inner}
    order, shuffle = list(inner), random.Random(seed)
    for _ in range(rounds):
        shuffle.shuffle(order)
        for name in [n for n in order if n not in failed]:
            warm = max(1, inner[name] // 10)
            try:
                with pool.running(name) as worker:
                    took = worker.ask("time", inner=inner[name], warm=warm)
            except WorkerError as error:
                lost(name, error)
                continue
            walls[name].append(float(took["wall_s"]) / inner[name])
            cpus[name].append(float(took["cpu_s"]) / inner[name])
    for name in inner:
        if name in failed:
            continue
        result["peers"][name] = {
            **statistics_of(walls[name], cpus[name], inner[name]),
            "build_s": built[name],
        }
    for name, handle in pool.handles.items():
        if handle.process.poll() is None:
            with pool.running(name) as worker:
                worker.ask("drop")
    result["missing"] = {**pool.missing, **failed}
    return result


def run(
    workloads: Sequence[Workload],
    names: Sequence[str],
    *,
    threads: Sequence[int],
    rounds: int,
    seed: int,
    log: Log,
    slice_s: float = SLICE,
    python: str | None = None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Time ``workloads`` on the peers called ``names``; NumPy and other references always compute what is compared."""
    chosen = list(dict.fromkeys([*names, peers.REFERENCE, *(w.reference for w in workloads)]))
    results: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    for count in threads:
        with Pool(chosen, count, python) as pool:
            versions.update(pool.versions)
            for name, why in pool.missing.items():
                log(f"missing: {name}: {why['reason']} (remedy: {why['remedy']})")
            for workload in workloads:
                log(f"{workload.title}, {count} thread{'s' if count > 1 else ''}")
                one = measure(
                    pool, workload, rounds=rounds, seed=seed, slice_s=slice_s, log=log, unasked=set(chosen) - set(names)
                )
                for name, took in sorted(one["peers"].items(), key=lambda p: p[1]["median_s"]):
                    middle, least = took["median_s"] * 1e3, took["min_s"] * 1e3
                    log(f"  {name:14} {middle:10.4f} ms  (min {least:.4f})")
                results.append(one)
    return results, versions

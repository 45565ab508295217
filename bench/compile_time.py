"""Time to first step in a fresh process: cold (empty caches), then warm (the same caches)."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import peers
from bench.agreement import loss_error, losses_agree
from bench.environment import ROOT, child_environment, empty_caches, scrub
from bench.workloads import Workload

PARTS = ("python_s", "numpy_s", "data_s", "import_s", "build_s", "step_s", "first_step_s", "cpu_s")


def once(
    peer: str, workload: Workload, *, threads: int, seed: int, caches: Path, python: str, warm: bool = False,
    kernels: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """One fresh process, which runs a small workload before if `warm`, and counts kernels afterwards if `kernels`; a
    failure becomes ``missing`` with its reason and remedy."""
    env = {**child_environment(threads), **empty_caches(caches)}
    command = [python, "-m", "bench.first_step", "--peer", peer, "--workload", workload.name]
    command += ["--threads", str(threads), "--seed", str(seed), "--spawned", repr(time.time())]
    command += [f"--{name}" for name, wanted in (("warm", warm), ("kernels", kernels)) if wanted]
    remedy = peers.find(peer).remedy
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900, check=False
        )
    except subprocess.TimeoutExpired:
        return {"missing": "no first step within 900 s", "remedy": remedy}
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"missing": scrub(f"exit status {done.returncode}: {last[:400]}"), "remedy": remedy}
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if "missing" in report:
        report["missing"] = scrub(str(report["missing"]))
    return report


def medians(reports: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Median of each part over the processes of one kind."""
    return {part: statistics.median(float(r[part]) for r in reports) for part in PARTS}


def measure(
    workload: Workload,
    names: Sequence[str],
    *,
    threads: int,
    repeats: int,
    seed: int,
    log: Callable[[str], None],
    python: str | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Cold and warm first steps of every peer and of the workload's reference, in turn within each repetition."""
    reference = workload.reference
    chosen = list(dict.fromkeys([*names, reference]))
    missing: dict[str, dict[str, str]] = {}
    versions: dict[str, str] = {}
    kept: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {"cold": [], "warm": []} for name in chosen
    }
    for _ in range(repeats):
        for name in [n for n in chosen if n not in missing]:
            with tempfile.TemporaryDirectory(prefix="arignote-bench-") as folder:
                for kind in ("cold", "warm"):
                    report = once(
                        name,
                        workload,
                        threads=threads,
                        seed=seed,
                        caches=Path(folder),
                        python=python or sys.executable,
                        kernels=not kept[name][kind] and kind == "warm",
                    )
                    if "missing" in report:
                        missing[name] = {"reason": report["missing"], "remedy": report["remedy"]}
                        log(f"missing: {name}: {report['missing']} (remedy: {report['remedy']})")
                        break
                    versions[name] = str(report["version"])
                    kept[name][kind].append(report)
    result: dict[str, Any] = {
        **workload.describe(),
        "threads": threads,
        "peers": {},
        "missing": missing,
        "refused": None,
    }
    measured = [n for n in chosen if n not in missing]
    if reference not in measured:
        result["refused"] = f"refused: the reference {reference} did not run"
        log(result["refused"])
        return result, versions
    want = kept[reference]["cold"][0]["losses"]
    for name in measured:
        losses = kept[name]["cold"][0]["losses"]
        if not losses_agree(want, losses, workload.tolerance):
            error = loss_error(want, losses)
            result["refused"] = f"refused: losses of {name} are off by {error:.1e} (relative)"
            log(result["refused"])
            return result, versions
    for name in measured:
        cold, warm = (medians(kept[name][kind]) for kind in ("cold", "warm"))
        result["peers"][name] = {"cold": cold, "warm": warm}
        counts = kept[name]["warm"][0]["kernels"]
        if counts is not None:
            result["peers"][name]["kernels"] = counts
        log(
            f"  {name:14} cold {cold['first_step_s']:7.2f} s, warm {warm['first_step_s']:7.2f} s "
            f"(import {warm['import_s']:.2f}, build {warm['build_s']:.2f}, "
            f"step {warm['step_s']:.3f})"
        )
    return result, versions

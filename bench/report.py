"""Result files: what ran, on what, and where it is kept."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.environment import LOAD, RESULTS, checkout, machine, overrides, packages, scrub
from bench.schema import VERSION, SchemaError, validate

WORKLOADS = ("run", "overhead", "compile-time", "memory")
"""The kinds of reports whose results are of workloads and numbers of threads."""


def envelope(
    kind: str,
    results: Any,
    *,
    command: Sequence[str],
    seed: int,
    versions: Mapping[str, str],
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A complete and checked report."""
    now = datetime.datetime.now(datetime.UTC)
    report: dict[str, Any] = {
        "schema": VERSION,
        "kind": kind,
        "command": [scrub(part) for part in command],
        **checkout(),
        "date": now.isoformat(timespec="seconds"),
        "seed": seed,
        "versions": dict(versions),
        "packages": packages(),
        "machine": machine(),
        "overrides": overrides(),
        "load": LOAD,
        "results": results,
        **(extra or {}),
    }
    validate(report)
    return report


def save(report: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write a report under a name of its kind, date and commit; nothing is overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = str(report["date"])[:19].replace("-", "").replace(":", "")
    commit = str(report["commit"] or "nocommit")[:8]
    dirty = "-dirty" if report["dirty"] else ""
    stem = f"{report['kind']}-{stamp}-{commit}{dirty}"
    path, number = folder / f"{stem}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.json"
    path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    return path


def load(path: Path) -> dict[str, Any]:
    """Read a report and check it."""
    try:
        report: dict[str, Any] = json.loads(path.read_text())
        validate(report)
    except ValueError as error:
        raise SchemaError(f"{path.name} is not a result file of this version: {error}") from None
    return report


def latest(kind: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """The newest report of a kind, or None."""
    reports = [load(path) for path in folder.glob(f"{kind}-*.json")]
    return max(reports, key=lambda r: str(r["date"]), default=None)


def current(kind: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The newest result of each workload and number of threads: reports with those only, newest first."""
    reports = [load(path) for path in folder.glob(f"{kind}-*.json")]
    seen: set[tuple[Any, Any]] = set()
    found = []
    for one in sorted(reports, key=lambda r: str(r["date"]), reverse=True):
        results = [r for r in one["results"] if (r["title"], r["threads"]) not in seen]
        seen.update((r["title"], r["threads"]) for r in results)
        if results:
            found.append({**one, "results": results})
    return found


def newest(kind: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """`current` where a kind has results of workloads, else a list of `latest` or of nothing."""
    last = latest(kind, folder)
    if last is None:
        return []
    return current(kind, folder) if kind in WORKLOADS else [last]

"""Cost of a call ``f(x)`` and of each further kernel of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GOAL_FIRST_S, GOAL_FURTHER_S = 2e-6, 0.1e-6


def line(points: Mapping[int, float]) -> tuple[float, float]:
    """Cost of a call with one kernel and of each further one, by least relative squares.

    The points are weighted by the inverse square of their time, so that the few-kernel graphs,
    which carry the cost of the call itself, are not drowned by the noise of the large ones.
    """
    if len(points) < 2:
        raise ValueError("a line needs graphs of two sizes")
    weights = {n: 1.0 / max(t, 1e-12) ** 2 for n, t in points.items()}
    total = sum(weights.values())
    mean_n = sum(weights[n] * (n - 1) for n in points) / total
    mean_t = sum(weights[n] * t for n, t in points.items()) / total
    spread = sum(weights[n] * (n - 1 - mean_n) ** 2 for n in points)
    slope = sum(weights[n] * (n - 1 - mean_n) * (t - mean_t) for n, t in points.items()) / spread
    return mean_t - slope * mean_n, slope


def summary(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each thread count and peer, the two costs in seconds."""
    points: dict[tuple[int, str], dict[int, float]] = {}
    for result in results:
        if result["family"] != "calls" or result["refused"] is not None:
            continue
        for name, took in result["peers"].items():
            key = (int(result["threads"]), str(name))
            points.setdefault(key, {})[int(result["sizes"]["kernels"])] = float(took["median_s"])
    rows: list[dict[str, Any]] = []
    for (threads, name), times in points.items():
        if len(times) < 2:
            continue
        first, further = line(times)
        rows.append({"threads": threads, "peer": name, "call_s": first, "kernel_s": further})
    return rows

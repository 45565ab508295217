"""The minimum cut against every cut there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from arignote.passes.cut import minimum_cut

INFINITE = float("inf")


def cuts(edges: dict[int, list[int]], removed: set[int], sources: list[int], sinks: set[int]) -> bool:
    """Whether no path from a source reaches a sink without a removed node."""
    seen, stack = set(), [s for s in sources if s not in removed]
    while stack:
        node = stack.pop()
        if node in sinks:
            return False
        if node not in seen:
            seen.add(node)
            stack += [n for n in edges.get(node, []) if n not in removed]
    return True


@pytest.mark.parametrize("seed", range(30))
def test_nothing_lighter_cuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 9
    edges = {a: [b for b in range(a + 1, n) if rng.random() < 0.35] for a in range(n)}
    weights = {a: float(rng.integers(0, 8)) for a in range(n)}
    weights[int(rng.integers(0, n))] = INFINITE
    sources, sinks = [0, 1, int(rng.integers(2, n))], {n - 1, n - 2}
    total, cut = minimum_cut(edges, weights, sources, sinks)
    every = (set(c) for k in range(n + 1) for c in itertools.combinations(range(n), k))
    lightest = min(sum(weights[a] for a in c) for c in every if cuts(edges, c, sources, sinks))
    assert total == lightest
    if total < INFINITE:
        assert cuts(edges, set(cut), sources, sinks)
        assert sum(weights[a] for a in cut) == total


def test_of_equal_ones_the_cut_is_nearest_to_the_end() -> None:
    chain = {"a": ["b"], "b": ["c"], "c": ["d"]}
    assert minimum_cut(chain, {"a": 2.0, "b": 2.0, "c": 2.0, "d": 5.0}, ["a"], ["d"]) == (2.0, ["c"])


def test_there_may_be_none() -> None:
    assert minimum_cut({"a": ["b"]}, {"a": INFINITE, "b": INFINITE}, ["a"], ["b"]) == (INFINITE, [])
    assert minimum_cut({"a": ["b"]}, {"a": 1.0, "b": 1.0}, [], ["b"]) == (0.0, [])

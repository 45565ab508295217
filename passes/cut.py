"""Minimum cuts: what to keep, so that the rest can be computed from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)
Side = tuple[Hashable, bool]  # a node, where flow enters it or leaves it


def minimum_cut(
    edges: Mapping[Node, Iterable[Node]], weights: Mapping[Node, float], sources: Iterable[Node], sinks: Iterable[Node]
) -> tuple[float, list[Node]]:
    """The lightest set of nodes that every path from `sources` to `sinks` passes through, and its weight; of several,
    that nearest to the sinks. The weight is infinite where there is none: weights may be.

    By augmenting paths, of which there are few: each uses up a node. J. Edmonds and R. Karp, "Theoretical improvements
    in algorithmic efficiency for network flow problems", 1972.
    """
    left: dict[Side, dict[Side, float]] = {}

    def connect(a: Side, b: Side, weight: float) -> None:
        left.setdefault(a, {})[b] = weight
        left.setdefault(b, {}).setdefault(a, 0.0)

    begin, end = (None, False), (None, True)
    for node, weight in weights.items():
        connect((node, False), (node, True), weight)
    for node, followers in edges.items():
        for follower in followers:
            connect((node, True), (follower, False), float("inf"))
    for node in sources:
        connect(begin, (node, False), float("inf"))
    for node in sinks:
        connect((node, True), end, float("inf"))
    total = 0.0
    while (path := _path(left, begin, end)) is not None:
        flow = min(left[a][b] for a, b in path)
        total += flow
        if flow == float("inf"):
            return flow, []
        for a, b in path:
            left[a][b] -= flow
            left[b][a] += flow
    behind = _reaching(left, end)
    return total, [node for node in weights if (node, True) in behind and (node, False) not in behind]


def _path(left: Mapping[Side, Mapping[Side, float]], begin: Side, end: Side) -> list[tuple[Side, Side]] | None:
    """A shortest path with something left on each edge."""
    came: dict[Side, Side] = {begin: begin}
    queue = deque([begin])
    while queue:
        a = queue.popleft()
        for b, weight in left.get(a, {}).items():
            if weight > 0 and b not in came:
                came[b] = a
                queue.append(b)
    if end not in came:
        return None
    path = []
    while end != begin:
        path.append((came[end], end))
        end = came[end]
    return path


def _reaching(left: Mapping[Side, Mapping[Side, float]], end: Side) -> set[Side]:
    """What `end` can still be reached from."""
    seen = {end}
    stack = [end]
    while stack:
        b = stack.pop()
        for a in left.get(b, {}):
            if a not in seen and left[a].get(b, 0.0) > 0:
                seen.add(a)
                stack.append(a)
    return seen

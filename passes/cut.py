"""Minimum cuts: what to keep, so that the rest can be computed from it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def minimum_cut(
    edges: Mapping[Node, Iterable[Node]], weights: Mapping[Node, float], sources: Iterable[Node], sinks: Iterable[Node]
) -> tuple[float, list[Node]]:
    """The lightest set of nodes that every path from `sources` to `sinks` passes through, and its weight; of several,
    that nearest to the sinks. The weight is infinite where there is none: weights may be."""
    import networkx as nx  # here, as its import takes longer than most functions take to compile

    graph = nx.DiGraph()
    begin, end = (None, "in"), (None, "out")
    graph.add_nodes_from((begin, end))
    for node, weight in weights.items():  # each node is an edge, whose capacity is its weight
        graph.add_edge((node, "in"), (node, "out"), capacity=weight)
    graph.add_edges_from(((a, "out"), (b, "in")) for a, followers in edges.items() for b in followers)
    graph.add_edges_from((begin, (node, "in")) for node in sources)
    graph.add_edges_from(((node, "out"), end) for node in sinks)
    try:
        total, (_, behind) = nx.minimum_cut(graph, begin, end)
    except nx.NetworkXUnbounded:
        return float("inf"), []
    return total, [node for node in weights if (node, "out") in behind and (node, "in") not in behind]

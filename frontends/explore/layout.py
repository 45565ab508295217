"""Where the boxes of a graph go: layers from top to bottom, by the library fast-sugiyama, for boxes of any size.

The library ranks the nodes and arranges each rank so that edges cross little; here its positions become coordinates for
boxes of different widths and heights. Graphs of more than `PIECE` nodes are cut along the order of the program, and the
pieces stacked, as the effort grows with the cube of the size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Size = tuple[float, float]
Point = tuple[float, float]

PIECE = 220
GAP_X, GAP_Y = 18.0, 34.0
DUMMY_WIDTH = 8.0
_UNIT = 10.0


@dataclass
class Layout:
    """Centres of nodes, and the points of each edge from the bottom of its source to the top of its target."""

    centers: dict[int, Point] = field(default_factory=dict)
    routes: list[list[Point]] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def lay_out(sizes: Sequence[Size], edges: Sequence[tuple[int, int]]) -> Layout:
    """The layout of the nodes 0, 1, ... of these sizes; `edges` go from smaller to larger numbers.

    Equal edges are routed alike.
    """
    out = Layout(routes=[[] for _ in edges])
    top = 0.0
    pieces = [range(i, min(i + PIECE, len(sizes))) for i in range(0, len(sizes), PIECE)]
    for piece in pieces:
        inside = [(a, b) for a, b in dict.fromkeys(edges) if a in piece and b in piece]
        centers, bends, width, height = _piece(piece, sizes, inside)
        out.centers.update((n, (x, y + top)) for n, (x, y) in centers.items())
        routed = {edge: [(x, y + top) for x, y in points] for edge, points in bends.items()}
        for i, edge in enumerate(edges):
            if edge in routed:
                out.routes[i] = routed[edge]
        out.width = max(out.width, width)
        top += height + 2 * GAP_Y
    out.height = max(top - 2 * GAP_Y, 0.0)
    for i, (a, b) in enumerate(edges):  # the ends of every route
        (ax, ay), (bx, by) = out.centers[a], out.centers[b]
        out.routes[i] = [(ax, ay + sizes[a][1] / 2), *out.routes[i], (bx, by - sizes[b][1] / 2)]
    return out


Placed = tuple[dict[int, Point], dict[tuple[int, int], list[Point]], float, float]


def _piece(piece: Iterable[int], sizes: Sequence[Size], edges: Sequence[tuple[int, int]]) -> Placed:
    """A piece of the graph: its connected parts side by side."""
    from fast_sugiyama import from_edges

    alone = set(piece) - {n for edge in edges for n in edge}
    centers: dict[int, Point] = {}
    bends: dict[tuple[int, int], list[Point]] = {}
    left = height = 0.0
    if edges:
        # Without transposition the library is three times as fast, and crosses hardly more edges.
        found: Any = from_edges(
            edges, minimum_length=1, vertex_spacing=_UNIT, dummy_vertices=True, dummy_size=_UNIT / 2,
            transpose=len(edges) < 120, check_layout=False,
        )  # fmt: skip
        for positions, _, _, links in found:
            part, routes, width, tall = _coordinates(dict(positions), sizes, edges, links or [])
            centers.update((n, (x + left, y)) for n, (x, y) in part.items())
            bends.update((e, [(x + left, y) for x, y in points]) for e, points in routes.items())
            left += width + 2 * GAP_X
            height = max(height, tall)
    # Nodes without edges: in rows beneath each other.
    row_top, x, row_height = height + (GAP_Y if height else 0.0), 0.0, 0.0
    wide = max(left, 900.0)
    for n in sorted(alone):
        w, h = sizes[n]
        if x and x + w > wide:
            x, row_top, row_height = 0.0, row_top + row_height + GAP_Y, 0.0
        centers[n] = (x + w / 2, row_top + h / 2)
        x, row_height = x + w + GAP_X, max(row_height, h)
        left = max(left, x + GAP_X)
    if alone:
        height = row_top + row_height
    return centers, bends, max(left - 2 * GAP_X, 0.0), height


def _coordinates(
    found: Mapping[int, Point],
    sizes: Sequence[Size],
    edges: Sequence[tuple[int, int]],
    links: Iterable[tuple[int, int]],
) -> Placed:
    """Coordinates for boxes from the library's positions, in which larger y are higher.

    Nodes that the library puts into one column stay in one; columns are as far apart as the boxes of a rank need.
    """
    real = {n for edge in edges for n in edge}
    members = {n: p for n, p in found.items() if n in real}
    following: dict[int, list[int]] = {}
    for a, b in links:
        following.setdefault(a, []).append(b)
    # A number that is no node of the piece is a bend of an edge.
    ranks: dict[float, list[int]] = {}
    for n, (_, y) in found.items():
        ranks.setdefault(-y, []).append(n)

    def width(n: int) -> float:
        return sizes[n][0] if n in members else DUMMY_WIDTH

    at: dict[float, float] = {}
    before: dict[int, int] = {}
    for row in ranks.values():
        row.sort(key=lambda n: found[n][0])
        before.update(zip(row[1:], row, strict=False))
    last = 0.0
    for column in sorted({x for x, _ in found.values()}):
        needed = last
        for n, (x, _) in found.items():
            if x == column:
                left = before.get(n)
                edge = 0.0 if left is None else at[found[left][0]] + width(left) / 2 + GAP_X
                needed = max(needed, edge + width(n) / 2)
        at[column] = last = needed
    y = 0.0
    level: dict[float, float] = {}
    for rank in sorted(ranks):
        tall = max((sizes[n][1] for n in ranks[rank] if n in members), default=0.0)
        level[rank] = y + tall / 2
        y += tall + GAP_Y
    place = {n: (at[x], level[-v]) for n, (x, v) in found.items()}
    right = max((place[n][0] + width(n) / 2 for n in found), default=0.0)
    bends = {edge: _bends(edge, following, members, place) for edge in edges if edge[0] in members}
    return {n: place[n] for n in members}, bends, right, max(y - GAP_Y, 0.0)


def _bends(
    edge: tuple[int, int],
    following: Mapping[int, Sequence[int]],
    members: Mapping[int, Point],
    place: Mapping[int, Point],
) -> list[Point]:
    """The bends on the way from one node to the other: a chain of numbers that are no nodes."""
    start, end = edge
    for first in following.get(start, ()):
        chain: list[Point] = []
        n = first
        while n not in members:
            chain.append(place[n])
            n = following[n][0]
        if n == end:
            return chain
    return []

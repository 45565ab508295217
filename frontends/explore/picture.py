"""Functions as drawings: boxes and wires, with regions inside the ops that hold them; SVG, and pictures of pixels."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arignote.frontends.explore.layout import GAP_Y, Layout, Point, lay_out
from arignote.ir.core import Func
from arignote.ir.cost import cost_text, is_free, op_cost
from arignote.ir.graph import Node, nodes
from arignote.ir.opdef import has_trait
from arignote.ir.placement import host_scalars
from arignote.ir.text import Names, op_line, short_array_text

CHAR, LINE, PAD = 6.7, 14.0, 8.0
MOST_CHARS = 34

#: Kind of box -> fill and border, in light.
COLORS = {
    "param": ("#dbeafe", "#3b82f6"), "state": ("#dcfce7", "#16a34a"), "update": ("#fef9c3", "#ca8a04"),
    "return": ("#fee2e2", "#dc2626"), "yield": ("#f3f4f6", "#6b7280"), "op": ("#ffffff", "#6b7280"),
    "kernel": ("#eff6ff", "#2563eb"), "loop": ("#faf5ff", "#9333ea"), "library": ("#fff7ed", "#ea580c"),
    "free": ("#f9fafb", "#9ca3af"), "transfer": ("#fdf2f8", "#db2777"), "effect": ("#f0fdfa", "#0d9488"),
}  # fmt: skip


@dataclass
class Box:
    """A node with its place: the upper left corner and the size."""

    node: Node
    kind: str
    lines: list[str]
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    depth: int = 0


@dataclass
class Wire:
    """A value on its way from one box to another."""

    source: str
    target: str
    type: str
    points: list[Point]
    depth: int = 0


@dataclass
class Drawing:
    """A function with the place of everything. What is in a region is deeper, and drawn later."""

    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def layers(self) -> Iterator[tuple[list[Wire], list[Box]]]:
        """Wires and boxes by depth, in the order in which they are drawn."""
        for depth in range(max((b.depth for b in self.boxes), default=-1) + 1):
            yield [w for w in self.wires if w.depth == depth], [b for b in self.boxes if b.depth == depth]


def draw(func: Func) -> Drawing:
    """Lay out a function. Constants are left out: they are in the labels of what reads them."""
    host = host_scalars(func)
    inside: dict[tuple[str, int] | None, list[Node]] = {}
    for node in nodes(func):
        if node.op is None or node.op.name != "const":
            inside.setdefault(node.parent, []).append(node)

    def kind_of(node: Node) -> str:
        op = node.op
        if op is None:
            return node.kind
        if op.name == "transfer":
            return "transfer"
        if op.regions:
            return "kernel" if op.name == "fused" else "loop"
        if has_trait(op.name, "effect"):
            return "effect"
        if is_free(op, host):
            return "free"
        return "library" if has_trait(op.name, "library") else "op"

    def scope(parent: tuple[str, int] | None) -> Drawing:
        members = inside.get(parent, [])
        numbers = {node.id: i for i, node in enumerate(members)}
        boxes: list[Box] = []
        inner: dict[int, list[Drawing]] = {}
        for i, node in enumerate(members):
            lines = [_short(node.label)] + ([_short(node.type)] if node.type else [])
            box = Box(node, kind_of(node), lines)
            box.width = max(len(text) for text in lines) * CHAR + 2 * PAD
            box.height = len(lines) * LINE + PAD
            regions = range(len(node.op.regions)) if node.op is not None else ()
            inner[i] = [scope((node.id, k)) for k in regions]
            if inner[i]:
                box.width = max(box.width, sum(d.width for d in inner[i]) + (len(inner[i]) + 1) * PAD)
                box.height += max(d.height for d in inner[i]) + PAD
            boxes.append(box)
        edges = [
            (numbers[source], i, value)
            for i, node in enumerate(members)
            for source, value in node.reads
            if source in numbers and numbers[source] < i
        ]
        layout: Layout = lay_out([(b.width, b.height) for b in boxes], [(a, b) for a, b, _ in edges])
        out = Drawing(width=layout.width, height=layout.height)
        for i, box in enumerate(boxes):
            x, y = layout.centers[i]
            box.x, box.y = x - box.width / 2, y - box.height / 2
            out.boxes.append(box)
            left = box.x + PAD
            for part in inner[i]:
                _shift(part, left, box.y + len(box.lines) * LINE + PAD)
                out.boxes += part.boxes
                out.wires += part.wires
                left += part.width + PAD
        for (a, b, value), points in zip(edges, layout.routes, strict=True):
            out.wires.append(Wire(members[a].id, members[b].id, str(value.type), points))
        return out

    return scope(None)


def _shift(part: Drawing, dx: float, dy: float) -> None:
    for box in part.boxes:
        box.x, box.y, box.depth = box.x + dx, box.y + dy, box.depth + 1
    for wire in part.wires:
        wire.depth += 1
        wire.points = [(x + dx, y + dy) for x, y in wire.points]


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"


# ---------------------------------------------------------------- SVG
def svg(funcs: Sequence[Func], cost: bool = False) -> str:
    """Functions as one SVG picture, one beneath the other; with `cost`, the costs of ops are in their titles."""
    parts: list[str] = []
    top = width = 0.0
    for func in funcs:
        drawing = draw(func)
        parts.append(f'<text class="head" x="12" y="{top + 24:.0f}">{html.escape("@" + func.name)}</text>')
        parts.append(f'<g transform="translate(12,{top + 40:.0f})">{_body(func, drawing, cost)}</g>')
        top += drawing.height + 40 + GAP_Y
        width = max(width, drawing.width + 24)
    rules = "".join(f".{k} rect{{fill:{a};stroke:{b}}}" for k, (a, b) in COLORS.items())
    style = (
        "text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#111827}.head{font-weight:bold;font-size:14px}"
        ".type{fill:#6b7280}polyline{fill:none;stroke:#9ca3af;stroke-width:1}" + rules
    )
    marker = (
        '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#9ca3af"/></marker>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{top:.0f}" '
        f'viewBox="0 0 {width:.0f} {top:.0f}"><style>{style}</style><defs>{marker}</defs>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>' + "".join(parts) + "</svg>\n"
    )


def _body(func: Func, drawing: Drawing, cost: bool) -> str:
    host = host_scalars(func)
    out = []
    for wires, boxes in drawing.layers():
        for wire in wires:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in wire.points)
            title = html.escape(wire.type)
            out.append(f'<polyline points="{points}" marker-end="url(#a)"><title>{title}</title></polyline>')
        for box in boxes:
            op = box.node.op
            out.append(_box(box, cost_text(op_cost(op, host)) if cost and op is not None else ""))
    return "".join(out)


def _box(box: Box, cost: str) -> str:
    title = box.node.id
    if box.node.op is not None:
        title = op_line(box.node.op, Names(), short_array_text).text
        title += f"\n{box.node.loc}" if box.node.loc is not None else ""
        title += f"\n{cost}" if cost else ""
    kinds = ("", ' class="type"')
    text = "".join(
        f'<text x="{box.x + PAD:.1f}" y="{box.y + (i + 1) * LINE:.1f}"{kinds[min(i, 1)]}>{html.escape(line)}</text>'
        for i, line in enumerate(box.lines)
    )
    return (
        f'<g class="{box.kind}"><title>{html.escape(title)}</title><rect x="{box.x:.1f}" y="{box.y:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}" rx="5"/>{text}</g>'
    )


# ---------------------------------------------------------------- pixels
def save(drawing: Drawing, path: Path, title: str = "") -> None:
    """Write a drawing in the format of the file's name, as matplotlib writes it: png, pdf, jpg and others.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    scale = 1 / 72
    figure = Figure(figsize=((drawing.width + 24) * scale, (drawing.height + 48) * scale))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-12, drawing.width + 12)
    axes.set_ylim(drawing.height + 12, -36)
    axes.set_axis_off()
    axes.text(0, -16, title, fontsize=9, fontweight="bold", family="monospace")
    for depth, (wires, boxes) in enumerate(drawing.layers()):
        for wire in wires:
            xs, ys = zip(*wire.points, strict=True)
            arrow = {"arrowstyle": "-|>", "color": "#9ca3af", "lw": 0.7}
            axes.plot(xs, ys, color="#9ca3af", linewidth=0.7, zorder=3 * depth)
            axes.annotate("", wire.points[-1], wire.points[-2], arrowprops=arrow, zorder=3 * depth)
        for box in boxes:
            fill, border = COLORS[box.kind]
            shape: Any = FancyBboxPatch(
                (box.x, box.y), box.width, box.height, boxstyle="round,pad=0,rounding_size=4", facecolor=fill,
                edgecolor=border, linewidth=0.8, zorder=3 * depth + 1,
            )  # fmt: skip
            axes.add_patch(shape)
            for i, line in enumerate(box.lines):
                axes.text(
                    box.x + PAD, box.y + (i + 1) * LINE - 3, line, fontsize=7.5, family="monospace",
                    color="#6b7280" if i else "#111827", parse_math=False, zorder=3 * depth + 2,
                )  # fmt: skip
    dpi = max(20.0, min(100.0, 30000 / max(figure.get_figwidth(), figure.get_figheight())))
    figure.savefig(path, dpi=dpi)



"""The data of a page: texts, graphs and differences of every step, as numbers that refer to shared texts.

`index` has what is needed at once; each step is a part of its own, read when it is shown. A number where a text is
expected is its place in `index["texts"]`. Rows of a step are columns of equal length:

    text, depth, scope      the line; regions around it; the scope of its names
    op                      what it is across steps: an op keeps its number through passes; -1 for other lines
    change                  0, or what the pass did: 1 added, 2 changed, 3 moved, 4 removed (a line that is gone)
    was                     the line before the pass, where it changed, or -1
    loc, cost               the user's line: its place in `index["locs"]`, or -1; what it costs
    fold                    the row behind the last one of its regions, or 0

Boxes of the graph are `[row, kind, depth, x, y, w, h, label, type]`, wires `[from, to, type, depth, x, y, x, y, ...]`,
in pixels; the ends of a wire are numbers of boxes.
"""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arignote.frontends.explore.picture import COLORS, draw
from arignote.frontends.explore.record import Recording, Step
from arignote.ir.changes import ADDED, CHANGED, MOVED, REMOVED, Change, FuncDiff
from arignote.ir.core import Func, Op, Region, every_op
from arignote.ir.cost import Cost, cost_text, op_cost, summary, summary_text
from arignote.ir.diag import Loc
from arignote.ir.diff import diff_funcs
from arignote.ir.placement import host_scalars
from arignote.ir.text import Names, end_line, func_line, op_line, region_line, short_array_text, update_line
from arignote.passes.lifetimes import occupancy

KINDS = tuple(COLORS)
CHANGES = {"": 0, ADDED: 1, CHANGED: 2, MOVED: 3, REMOVED: 4}
#: Lines of the program that are shown around the one that built an op.
AROUND = 2


class Pool:
    """Texts, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = len(self.texts)
            self.texts.append(text)
        return found


class PageData:
    """Collects the data of a page."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.pool = Pool()
        self.locs: dict[Loc, int] = {}
        self.numbers: dict[Op, int] = {}  # of the ops of the latest step
        self.count = 0
        self.parts: list[dict[str, Any]] = []
        before: Step | None = None
        heads = []
        for step in recording.steps:
            difference = None if before is None else diff_funcs(before.func, step.func)
            self._number(step.func, difference)
            rows = Rows(self, step.func, difference)
            self.parts.append({**rows.columns, **self._graph(step.func, rows.row_of)})
            heads.append(self._head(step, difference, rows))
            before = step
        self.index = {
            "name": recording.name,
            "steps": heads,
            "rest": recording.rest,
            "kinds": KINDS,
            "colors": COLORS,
            **self._ends(),
            "locs": [[_near(loc.file), loc.line, _excerpt(loc)] for loc in self.locs],
            "texts": self.pool.texts,
        }

    def loc(self, loc: Loc | None) -> int:
        """The number of a line of the program."""
        return -1 if loc is None else self.locs.setdefault(loc, len(self.locs))

    def _number(self, func: Func, difference: FuncDiff | None) -> None:
        """Give the ops their numbers: what a pass kept, whatever it made of it, keeps its own."""
        old = self.numbers
        kept = {} if difference is None else {c.after: old[c.before] for c in difference.changes if c.before in old}
        self.numbers = {}
        for op in every_op(func.ops):
            number = kept.get(op)
            if number is None:
                number, self.count = self.count, self.count + 1
            self.numbers[op] = number

    def _head(self, step: Step, difference: FuncDiff | None, rows: Rows) -> dict[str, Any]:
        counts = [0] * 5
        for change in rows.columns["change"]:
            counts[change] += 1
        return {
            "title": step.title, "options": step.options[:300], "ms": round(1e3 * step.seconds, 3),
            "quiet": step.quiet, "summary": summary_text(summary(step.func)),
            "ops": len(self.numbers), "changes": counts[1:],
        }  # fmt: skip

    def _graph(self, func: Func, row_of: dict[Op | str, int]) -> dict[str, Any]:
        drawing = draw(func)
        numbers = {box.node.id: i for i, box in enumerate(drawing.boxes)}
        boxes = [
            [
                row_of.get(box.node.op if box.node.op is not None else box.node.id, 0), KINDS.index(box.kind),
                box.depth, round(box.x), round(box.y), round(box.width), round(box.height),
                self.pool(box.lines[0]), self.pool(box.node.type),
            ]
            for box in drawing.boxes
        ]  # fmt: skip
        wires = [
            [
                numbers[w.source], numbers[w.target], self.pool(w.type), w.depth,
                *(round(c) for point in w.points for c in point),
            ]
            for w in drawing.wires
        ]  # fmt: skip
        return {"boxes": boxes, "wires": wires, "size": [round(drawing.width), round(drawing.height)]}

    def _ends(self) -> dict[str, Any]:
        """What is known of the ops of the last step: kernels, times, memory."""
        recording, func = self.recording, self.recording.steps[-1].func
        code, pool = recording.code, self.pool
        kernels: dict[int, list[int]] = {}
        times: dict[int, list[int]] = {}
        for op, number in self.numbers.items():
            names = () if code is None else code.calls.get(op, ())
            kernels |= {number: [pool(n) for n in names]} if names else {}
            times |= {number: list(recording.times[op])} if op in recording.times else {}
        for op in every_op(func.ops):  # what is in a kernel has the code and the time of the kernel
            if op.name == "fused":
                holder = self.numbers[op]
                for inner in op.regions[0].ops:
                    for table in (kernels, times):
                        if holder in table:
                            table[self.numbers[inner]] = [-1 - holder]
        use = occupancy(func)
        names_of = Names(func)
        return {
            "kernels": kernels,
            "code": {} if code is None else {pool(name): pool(text) for name, text in code.texts.items()},
            "times": times,
            "calls": recording.calls,
            "callNs": recording.call_ns,
            "memory": {
                "arena": use.arena, "peak": use.peak, "total": use.total, "curve": use.curve,
                "order": [self.numbers[op] for op in func.ops],
                "lives": [
                    [self.numbers[x.op], pool(names_of[x.value]), x.offset, x.size, x.begin, x.end, x.kind == "inplace"]
                    for x in use.lives
                ],
            },
        }  # fmt: skip


class Rows:
    """The lines of a step. `row_of` finds the row of an op, and of what has none by its name in the graph."""

    def __init__(self, page: PageData, func: Func, difference: FuncDiff | None) -> None:
        self.page = page
        self.host = host_scalars(func)
        self.columns: dict[str, list[int]] = {
            name: [] for name in ("text", "depth", "scope", "op", "change", "was", "loc", "cost", "fold")
        }
        self.row_of: dict[Op | str, int] = {}
        self.scopes = 0
        self.changes: dict[Op, Change] = {}
        self.gone: dict[Op | None, list[Change]] = {}  # removed lines by what follows them
        self.ends: dict[tuple[str, int], list[Change]] = {}
        waiting: list[Change] = []
        for change in difference.changes if difference is not None else ():
            if change.kind == REMOVED:
                waiting.append(change)
            elif change.after is not None:
                self.changes[change.after] = change
                self.gone[change.after], waiting = waiting, []
            elif change.kind:
                self.ends.setdefault((change.text(1), change.depth), []).append(change)
        self.gone[None] = waiting
        header = None
        if difference is not None and any(x != y for x, y in difference.header):
            header = Change(CHANGED, list(difference.header))
        self.function(func, header)

    def function(self, func: Func, header: Change | None) -> None:
        """All lines."""
        names = Names(func)
        head = self.line(func_line(func, names, short_array_text).text, 0, 0, change=header)
        self.row_of |= {names[v]: head for v in func.inputs()}
        for op in func.ops:
            self.op(op, names, 1, 0)
        for change in self.gone[None]:
            self.line(change.text(0), 1, 0, change=change)
        for state in func.states:
            if state.update is not None:
                text = update_line(state, names).text
                self.row_of[f"update({names[state.value]})"] = self.line(text, 1, 0, change=self.end(text, 0))
        text = end_line("return", func.results, names).text
        self.row_of["return"] = self.line(text, 1, 0, change=self.end(text, 0))
        self.line("}", 0, 0)
        self.columns["fold"][head] = len(self.columns["text"])

    def end(self, text: str, depth: int) -> Change | None:
        """What changed in the last line of a region or function."""
        found = self.ends.get((text, depth), [])
        return found.pop(0) if found else None

    def op(self, op: Op, names: Names, depth: int, scope: int) -> None:
        """The lines of an op, behind those that are gone."""
        for change in self.gone.get(op, ()):
            self.line(change.text(0), depth, scope, change=change)
        text = op_line(op, names, short_array_text).text
        row = self.row_of[op] = self.line(text + (" {" if op.regions else ""), depth, scope, op, self.changes.get(op))
        for region in op.regions:
            self.region(op, region, depth + 1)
        if op.regions:
            self.line("}", depth, scope)
            self.columns["fold"][row] = len(self.columns["text"])

    def region(self, op: Op, region: Region, depth: int) -> None:
        """The lines of a region."""
        self.scopes += 1
        scope, names = self.scopes, Names(region)
        self.line(region_line(region, names).text, depth, scope)
        for inner in region.ops:
            self.op(inner, names, depth, scope)
        text = end_line("yield", region.yields, names).text
        self.line(text, depth, scope, change=self.end(text, depth - 1))

    def line(self, text: str, depth: int, scope: int, op: Op | None = None, change: Change | None = None) -> int:
        """Append a row; returns its number."""
        page, c = self.page, self.columns
        kind = "" if change is None else change.kind
        cost = Cost() if op is None else op_cost(op, self.host)
        c["text"].append(page.pool(text))
        c["depth"].append(depth)
        c["scope"].append(scope)
        c["op"].append(-1 if op is None else page.numbers[op])
        c["change"].append(CHANGES[kind])
        c["was"].append(page.pool(change.text(0)) if change is not None and kind in (CHANGED, MOVED) else -1)
        c["loc"].append(page.loc(op.loc) if op is not None else -1)
        c["cost"].append(-1 if cost == Cost() else page.pool(_cost(op, cost)))
        c["fold"].append(0)
        return len(c["text"]) - 1


def _cost(op: Op | None, cost: Cost) -> str:
    """As `cost_text`; with the intensity where both are numbers."""
    text = cost_text(cost)
    if isinstance(cost.flops, int) and isinstance(cost.bytes, int) and cost.bytes:
        text += f"; {cost.flops / cost.bytes:.3g} flop/B"
    return text


def _near(file: str) -> str:
    """A file of the working directory by its path from there."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _excerpt(loc: Loc) -> list[str]:
    """The lines around one of the program, the first of them first; empty where the file cannot be read."""
    lines: Sequence[str] = linecache.getlines(loc.file)
    first = max(loc.line - 1 - AROUND, 0)
    return [line.rstrip("\n") for line in lines[first : loc.line + AROUND]]

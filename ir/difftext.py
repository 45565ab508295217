"""Differences (`diff.py`) as text: unified, side by side, or counts alone."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator

from arignote.ir.changes import ADDED, CHANGED, MOVED, REMOVED, Change, Diff, FuncDiff
from arignote.ir.cost import Summary, amount
from arignote.ir.diffjson import counts

SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~", MOVED: ">", "": " "}
_COLORS = {ADDED: "32", REMOVED: "31", CHANGED: "33", MOVED: "36", "head": "1", "": ""}
Paint = Callable[[str, str], str]


def _painter(color: bool) -> Paint:
    def paint(text: str, kind: str) -> str:
        code = _COLORS[kind]
        return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text

    return paint


def unified(difference: Diff, context: int = 1, color: bool = False) -> str:
    """Function by function: what changed in braces (`{before -> after}`), with lines of context around it.

    `+` was added, `-` removed, `~` changed, `>` moved to the kernel, loop or branch that is named behind it.
    """
    return "\n".join("\n".join(_unified(f, context, _painter(color))) + "\n" for f in difference.funcs if f)


def _unified(f: FuncDiff, context: int, paint: Paint) -> Iterator[str]:
    yield from (paint(line, "head") for line in headline(f))
    if any(x != y for x, y in f.header):
        yield f"~ {_merged(f.header, paint)}"
    shown = _with_context(f.changes, context)
    last = -1
    for i in sorted(shown):
        if last >= 0 and i > last + 1:
            yield "  ..."
        last = i
        c = f.changes[i]
        indent = "  " * c.depth
        if c.kind in (ADDED, REMOVED):
            yield paint(f"{SIGNS[c.kind]} {indent}{c.text(0 if c.kind == REMOVED else 1)}", c.kind)
        else:
            text = _merged(c.parts, paint)
            yield paint(f"{SIGNS[c.kind]} ", c.kind) + indent + text + paint(_where(c), MOVED)


def _where(c: Change) -> str:
    if c.where[0] == c.where[1] or not any(name == "place" for name, _, _ in c.details):
        return ""
    return f"  // from {c.where[0] or 'outside'} to {c.where[1] or 'outside'}"


def _merged(parts: Iterable[tuple[str | None, str | None]], paint: Paint) -> str:
    out = ""
    for x, y in parts:
        if x == y:
            out += x or ""
        elif x is None or y is None:
            sign, text, kind = ("+", y, ADDED) if x is None else ("-", x, REMOVED)
            lead = (text or "")[: len(text or "") - len((text or "").lstrip(", "))]
            out += lead + paint(f"{{{sign}{(text or '')[len(lead):]}}}", kind)
        else:
            out += "{" + paint(x, REMOVED) + " -> " + paint(y, ADDED) + "}"
    return out


def _with_context(changes: list[Change], context: int) -> set[int]:
    shown: set[int] = set()
    for i, c in enumerate(changes):
        if c.kind:
            shown.update(range(max(0, i - context), min(len(changes), i + context + 1)))
    return shown


def side_by_side(difference: Diff, width: int = 160, context: int = 1, color: bool = False) -> str:
    """Two columns: the program before, and after."""
    paint = _painter(color)
    half = max((width - 3) // 2, 20)
    lines: list[str] = []
    for f in difference.funcs:
        if not f:
            continue
        lines += [paint(line, "head") for line in headline(f)]
        if any(x != y for x, y in f.header):
            heads = ["".join(part[side] or "" for part in f.header) for side in (0, 1)]
            lines += _row(heads[0], heads[1], CHANGED, half, paint)
        last = -1
        for i in sorted(_with_context(f.changes, context)):
            if last >= 0 and i > last + 1:
                lines.append("...".center(2 * half + 3).rstrip())
            last = i
            c = f.changes[i]
            indent = "  " * c.depth
            left = "" if c.kind == ADDED else indent + c.text(0)
            right = "" if c.kind == REMOVED else indent + c.text(1) + _where(c)
            lines += _row(left, right, c.kind, half, paint)
        lines.append("")
    return "\n".join(lines)


def _row(left: str, right: str, kind: str, half: int, paint: Paint) -> list[str]:
    def wrapped(text: str) -> list[str]:
        lead = len(text) - len(text.lstrip())
        return textwrap.wrap(
            text, half, subsequent_indent=" " * min(lead + 4, half // 2), drop_whitespace=True, break_on_hyphens=False
        ) or [""]

    columns = wrapped(left), wrapped(right)
    rows = []
    for i in range(max(map(len, columns))):
        a, b = (c[i] if i < len(c) else "" for c in columns)
        sign = SIGNS[kind] if i == 0 else " "
        before = paint(a.ljust(half), "" if kind in ("", MOVED) else REMOVED)
        after = paint(b, "" if not kind else MOVED if kind == MOVED else ADDED)
        rows.append(f"{before} {paint(sign, kind)} {after}".rstrip())
    return rows


def stat(difference: Diff, color: bool = False) -> str:
    """Counts alone, a function each."""
    paint = _painter(color)
    lines = [paint(line, "head") for f in difference.funcs if f for line in headline(f)]
    return "".join(line + "\n" for line in lines)


def headline(f: FuncDiff) -> list[str]:
    """What became of a function in a line, and its costs in another, where they differ."""
    if f.before is None or f.after is None:
        return [f"@{f.name}: {'added' if f.before is None else 'removed'}, {len(f.changes)} ops"]
    found = [f"{n} {kind}" for kind in (CHANGED, MOVED, ADDED, REMOVED) if (n := f.count(kind))]
    name = f"@{f.name}" if f.before.name == f.after.name else f"@{f.before.name} -> @{f.after.name}"
    lines = [f"{name}: {', '.join(found) or 'the signature changed'}"]
    before, after = f.summaries()
    if before is not None and after is not None and (text := _costs(before, after)):
        lines.append("  " + text)
    return lines


def _costs(before: Summary, after: Summary) -> str:
    old, new = counts(before), counts(after)
    parts = []
    for key in old:
        x, y = old[key], new[key]
        if x == y:
            continue
        if isinstance(x, str) or isinstance(y, str):
            parts.append(f"{key} {x} -> {y}")
        else:
            change = f" ({100 * (y - x) / x:+.1f} %)" if x and key in ("flops", "bytes") else f" ({y - x:+d})"
            parts.append(f"{key} {amount(x)} -> {amount(y)}{change}")
    return ", ".join(parts)

"""Differences (`diff.py`) as data for JSON."""

from __future__ import annotations

from typing import Any

from arignote.ir.changes import ADDED, REMOVED, Change, Diff, FuncDiff
from arignote.ir.cost import Summary
from arignote.ir.types import Dim


def to_json(difference: Diff) -> dict[str, Any]:
    """A difference as data: `{"equal", "functions": [{"name", "before", "after", "summary", "changes"}]}`.

    A change is `{"kind", "before", "after"}` (lines, or None), `"op"`, `"loc"`, `"place"`, and `"details"`, a list of
    `[part, before, after]`.
    """
    return {"equal": not difference, "functions": [_func_json(f) for f in difference.funcs]}


def _func_json(f: FuncDiff) -> dict[str, Any]:
    old, new = f.summaries()
    return {
        "name": f.name,
        "before": f.before and f.before.name,
        "after": f.after and f.after.name,
        "equal": not f,
        "summary": {"before": old and counts(old), "after": new and counts(new)},
        "header": [list(part) for part in f.header if part[0] != part[1]],
        "changes": [_change_json(c) for c in f.changes if c.kind],
    }


def _change_json(c: Change) -> dict[str, Any]:
    op = c.after or c.before
    return {
        "kind": c.kind,
        "op": op and op.name,
        "before": None if c.kind == ADDED else c.text(0),
        "after": None if c.kind == REMOVED else c.text(1),
        "place": list(c.where),
        "details": [list(d) for d in c.details],
        "loc": str(op.loc) if op is not None and op.loc is not None else None,
    }


def counts(s: Summary) -> dict[str, Any]:
    """A summary as numbers, and texts where symbols are in them."""
    numbers = {
        "ops": s.ops, "kernels": s.kernels, "launches": s.launches, "transfers": s.transfers,
        "flops": s.cost.flops, "bytes": s.cost.bytes,
    }  # fmt: skip
    return {k: str(v) if isinstance(v, Dim) else v for k, v in numbers.items()}

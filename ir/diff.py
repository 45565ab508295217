"""The semantic difference of two programs: what was added, removed, changed and moved, whatever things are called.

    difference = diff(before, after)
    if difference:
        print(difftext.unified(difference))

Values are what they compute: other names, another order of independent ops and other names of dimensions make no
difference. Matched ops (`match.py`) are compared by their attributes, types and operands; one that is in another
kernel, loop or branch has moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arignote.ir.canonical import structural_hash
from arignote.ir.changes import ADDED, REMOVED, Change, Diff, FuncDiff
from arignote.ir.comparison import Comparison
from arignote.ir.core import Func, Module, Op, Value
from arignote.ir.diag import IRError
from arignote.ir.text import Names, op_line, short_array_text


def diff(before: Module | Func, after: Module | Func) -> Diff:
    """The difference of two programs. Functions are matched by name, and then by what they compute.

    Raises:
        IRError: a function uses what it does not define: verify it first.
    """
    old, new = _funcs(before), _funcs(after)
    pairs = [(f, g) for f in old for g in new if f.name == g.name]
    left = [f for f in old if all(f is not p for p, _ in pairs)]
    free = [g for g in new if all(g is not p for _, p in pairs)]
    if left and free:
        hashes = {structural_hash(g): g for g in free}
        for f in list(left):
            g = hashes.pop(structural_hash(f), None)
            if g is not None or len(left) == len(free) == 1:
                g = g if g is not None else free[0]
                pairs.append((f, g))
                left.remove(f)
                free.remove(g)
    order = {id(g): i for i, g in enumerate(new)}
    found = [diff_funcs(f, g) for f, g in sorted(pairs, key=lambda p: order[id(p[1])])]
    found += [_whole(f, None) for f in left] + [_whole(None, g) for g in free]
    return Diff(found)


def _funcs(program: Module | Func) -> list[Func]:
    return list(program.funcs) if isinstance(program, Module) else [program]


def _whole(before: Func | None, after: Func | None) -> FuncDiff:
    func = before or after
    assert func is not None
    out = FuncDiff(before, after)
    kind, side = (REMOVED, 0) if after is None else (ADDED, 1)
    for op, names, depth in _listed(func.ops, Names(func), 0):
        text = op_line(op, names, short_array_text).text
        change = Change(kind, [(text, None) if side == 0 else (None, text)], depth=depth)
        change.before, change.after = (op, None) if side == 0 else (None, op)
        out.changes.append(change)
    return out


def _listed(ops: Sequence[Op], names: Names, depth: int) -> Iterator[tuple[Op, Names, int]]:
    for op in ops:
        yield op, names, depth
        for region in op.regions:
            yield from _listed(region.ops, Names(region), depth + 1)


def diff_funcs(before: Func, after: Func) -> FuncDiff:
    """The difference of two functions, whatever their names.

    Raises:
        IRError: a function uses what it does not define: verify it first.
    """
    for func in (before, after):
        _check(func.ops, set(func.inputs()), func.roots())
    return Comparison(before, after).result()


def _check(ops: Sequence[Op], defined: set[Value], ends: Sequence[Value]) -> None:
    for op in ops:
        for v in op.operands:
            if v not in defined:
                raise IRError(f"{v!r} is used but not defined before: verify the function first")
        for region in op.regions:
            _check(region.ops, set(region.params), region.yields)
        defined |= set(op.results)
    for v in ends:
        if v not in defined:
            raise IRError(f"{v!r} is used but not defined before: verify the function first")

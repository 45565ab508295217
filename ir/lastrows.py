"""The last row of what a loop stacks is often a value that the loop carries: to read it, no rows need to be kept."""

from __future__ import annotations

from arignote.ir.core import Op, Value
from arignote.ir.loops import Loop


def taken_row(op: Op, via: list[Value] | None = None) -> Value | None:
    """The carried value that a slice takes, if it takes the last row of what a loop stacked. Where there are no steps
    it is the initial value.

    `via` gets the values between: the stacked output, and what was made of it.
    """
    if op.name != "slice" or not op.operands[0].ndim:
        return None
    x = op.operands[0]
    size, start = op.attrs["size"], op.attrs["start"]
    if size != (1, *x.shape[1:]) or any(s != 0 for s in start[1:]):
        return None
    if op.attrs.get("bound_size") or op.attrs.get("bound_start", (0,)) != (0,):
        return None
    via = [] if via is None else via
    row: Value | None = None
    if start[0] == x.shape[0] - 1 if len(op.operands) == 1 else _is_last(op.operands[1], x):
        row = last_row(x, via)
    elif len(op.operands) == 1 and start[0] == 0:
        row = _end_row(x, True, via)
    fits = row is not None and row.dtype == x.dtype and row.ndim == x.ndim - 1
    return row if fits else None


def _is_last(index: Value, x: Value) -> bool:
    """Whether a computed index is the -1 of a checked one."""
    check = index.owner
    if check is None or check.name != "check_index":
        return False
    i, n = check.operands
    made, size = i.owner, n.owner
    counts = size is not None and size.name == "dim" and size.attrs["axis"] == 0 and size.operands[0] is x
    return counts and made is not None and made.name == "const" and int(made.attrs["value"]) == -1


def last_row(x: Value, via: list[Value]) -> Value | None:
    """The carried value that is the last row of `x`, if there are rows; None where none is known to be."""
    op = x.owner
    if op is not None and op.name == "slice" and _is_reversal(op):
        via.append(x)
        return _end_row(op.operands[0], True, via)
    return _end_row(x, False, via)


def _end_row(x: Value, first: bool, via: list[Value]) -> Value | None:
    """The carried value that is the row of the last step: the last row, or, of a loop in reverse, the first one.

    A loop with checkpoints gives its rows in parts: `concatenate(reshape(rows of parts), rows that are left)`.
    """
    op = x.owner
    if op is None:
        return None
    via.append(x)
    row: Value | None = None
    if op.name == "scan":
        row = _carried(op, x, first)
    elif op.name == "reshape" and op.operands[0].shape[2:] == x.shape[1:] and op.operands[0].ndim == x.ndim + 1:
        row = _end_row(op.operands[0], first, via)
    elif op.name == "concatenate" and op.attrs["axis"] == 0 and len(op.operands) == 2:
        row = _of_parts(op, first, via)
    return row


def _is_reversal(op: Op) -> bool:
    """Whether a slice takes all rows from the last one back: where it begins follows from its size."""
    x, steps = op.operands[0], (-1, *(1,) * (op.operands[0].ndim - 1))
    return op.attrs["size"] == x.shape and op.attrs["step"] == steps and not op.attrs.get("bound_size")


def _carried(op: Op, stack: Value, first: bool) -> Value | None:
    """The result of a loop for the carried value that is stacked as `stack`, by itself or as rows of a part."""
    loop = Loop.read(op)
    n = len(loop.carries)
    if loop.stop is not None or loop.reverse != first or stack.index < n:
        return None
    out = loop.outs[stack.index - n]
    if out.owner is not None and out.owner.name == "scan" and out.index >= out.owner.attrs["carry"]:
        inner = _end_row(out, first, [])
        return None if inner is None else _result(op, loop, inner)
    return _result(op, loop, _alias(out))


def _result(op: Op, loop: Loop, value: Value) -> Value | None:
    return next((r for r, c in zip(op.results, loop.carries, strict=False) if c.next is value), None)


def _alias(v: Value) -> Value:
    """A value of a body, which may be taken from rows of its own."""
    op = v.owner
    if op is not None and op.name == "reshape" and len(op.operands) == 1:
        made = op.operands[0].owner
        row = None if made is None else taken_row(made)
        if row is not None and row.dtype == v.dtype and row.ndim == v.ndim:
            return row
    return v


def _of_parts(op: Op, first: bool, via: list[Value]) -> Value | None:
    rest, before = op.operands if first else reversed(op.operands)
    row = _end_row(rest, first, via)
    if row is None or row.owner is None or row.owner.name != "scan":
        return None
    loop = Loop.read(row.owner)
    whole = _end_row(before, first, via)
    goes_on = row.index < len(loop.carries) and whole is loop.carries[row.index].init
    return row if goes_on else None

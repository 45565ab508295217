"""What errors of calls tell besides their message, with `config.exception_verbosity="high"`.

That is the part of the graph around the op, and the storage map: the arrays of the call with their shapes, strides and
sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.frontends.tensor.settings import config
from arignote.ir.core import Func, Op, every_op, toposort
from arignote.ir.cost import amount
from arignote.ir.text import Names, op_line, short_array_text

HINT = (
    "HINT: set config.exception_verbosity='high' (ARIGNOTE_FLAGS=exception_verbosity=high) for the graph around the "
    "operation and the storage map of the call."
)
#: Makers of operands that are shown above the op, and levels of them.
MOST_OPS, LEVELS = 12, 3


def explain(
    error: BaseException, func: Func, names: Sequence[str], arrays: Sequence[Any], shared: Sequence[Any]
) -> None:
    """Add notes to an error of a call."""
    if config.exception_verbosity != "high":
        error.add_note(HINT)
        return
    op = getattr(error, "op", None)
    if isinstance(op, Op):
        error.add_note(excerpt(func, op))
    error.add_note(storage_map(names, arrays, shared))


def excerpt(func: Func, op: Op) -> str:
    """The ops that lead to `op`, and those that use it, with the user's lines; `>` marks it."""
    wanted: list[Op] = []
    level = [op]
    for _ in range(LEVELS + 1):
        wanted += [o for o in level if o not in wanted]
        level = [v.owner for o in level for v in o.operands if v.owner is not None]
    shown = set(wanted[:MOST_OPS])
    users = [o for o in every_op(func.ops) if any(v in op.results for v in o.operands)]
    names = Names(func)
    lines = [f"Graph of @{func.name} around the operation:"]
    for o in (*(o for o in toposort(op.results) if o in shown), *users[:3]):
        mark = ">" if o is op else " "
        at = f"  // {o.loc}" if o.loc is not None else ""
        lines.append(f"  {mark} {op_line(o, names, short_array_text).text}{at}")
    return "\n".join(lines)


def storage_map(names: Sequence[str], arrays: Sequence[Any], shared: Sequence[Any]) -> str:
    """The arguments and shared variables of a call."""
    rows = [(f"{name}, input", x) for name, x in zip(names, arrays, strict=False)]
    rows += [(f"{v.name or 'unnamed'}, shared variable", v.container.array) for v in shared]
    lines = ["Storage map:"]
    total = 0
    for label, x in rows:
        array = np.asarray(x)
        total += array.nbytes
        where = "" if not array.ndim else f", strides {array.strides}"
        lines.append(f"  - {label}: {array.dtype}, shape {array.shape}{where}, {amount(array.nbytes, 'B')}")
    return "\n".join([*lines, f"  total: {amount(total, 'B')}"])

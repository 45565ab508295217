"""Transposed matrices that loops use: where products take them as they lie, and where a copy made once is better."""

from __future__ import annotations

from arignote.ir.core import Value
from arignote.ir.loops import Loop

#: Rows of a left operand for which a transposed right operand is worth a copy: with fewer, sums along the rows of the
#: matrix are as fast; with more, turning it anew in each step weighs little.
FEW_ROWS, MANY_ROWS = 8, 256
#: Steps that pay for the copy.
STEPS = 8


def absorbed(loop: Loop, turned: Value) -> bool:
    """Whether products are all that uses the transposed matrix `turned` of a loop, and take it as it lies.

    Measured: products of 20 rows with a transposed matrix of 784 x 500 or 2600 x 650 take 1.4 times those with a copy.
    """
    users = [op for op in loop.ops if turned in op.operands]
    if turned.ndim != 2 or turned in loop.yields() or any(op.name != "dot" for op in users):
        return False
    rows = [op.operands[0].shape[0] for op in users if op.operands[1] is turned and op.operands[0].ndim == 2]
    thin = any(isinstance(n, int) and FEW_ROWS <= n <= MANY_ROWS for n in rows)
    return not thin or (isinstance(loop.steps, int) and loop.steps < STEPS)

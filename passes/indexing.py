"""Rules of `algebra` for indexing with one label per row, the heart of classification losses.

`x[arange(n), y]` and its gradient become elementwise comparisons of column numbers with labels,
which fuse with the softmax around them into one kernel over rows.
"""

from __future__ import annotations

from arignote.ir.core import Op, Value
from arignote.ir.opdef import has_trait
from arignote.ir.types import DimLike
from arignote.passes.rewrite import Rewriter, Table

INDEXING = Table()


def _counts_rows(b: Rewriter, index: Value, rows: DimLike) -> bool:
    """Whether `index` is 0, 1, ..., rows - 1, in a dtype in which it does not wrap."""
    if index.dtype not in ("i32", "i64"):
        return False
    cast = b.match(index, "cast")
    iota = b.match(index if cast is None else cast.operands[0], "iota")
    return iota is not None and index.shape == (rows,)


def _row_labels(b: Rewriter, x: Value, indices: tuple[Value, ...]) -> Value | None:
    """For `x[arange(n), y]` on a matrix: the mask of the entries meant, bool[n,k]."""
    if x.ndim != 2 or len(indices) != 2:
        return None
    rows, columns = x.shape
    y = indices[1]
    if y.ndim != 1 or y.shape != (rows,) or not _counts_rows(b, indices[0], rows):
        return None
    label = b.check_indices(b.reshape(y, shape=(rows, 1)), size=columns, axis=1)
    return b.eq(b.iota(shape=(columns,), axis=0, dtype="i64"), label)


@INDEXING("gather")
def label_of_row(b: Rewriter, op: Op) -> Value | None:
    """x[arange(n), y] -> sum(select(columns == y, x, 0)) over each row of a computed matrix.

    A matrix in memory is better indexed: it would be read whole for one element per row.
    """
    x, *indices = op.operands
    made = x.owner
    if made is None or not (
        has_trait(made.name, "elementwise") or made.name in ("softmax", "log_softmax")
    ):
        return None
    mask = _row_labels(b, x, tuple(indices))
    if mask is None or x.dtype == "bool":
        return None
    return b.sum(b.select(mask, x, b.like(0, x)), axes=(1,))


@INDEXING("scatter")
def one_entry_per_row(b: Rewriter, op: Op) -> Value | None:
    """zeros[arange(n), y] = v -> select(columns == y, v, 0): rows differ, so no two writes meet."""
    x, v, *indices = op.operands
    if not b.is_uniform(x, 0):
        return None
    mask = _row_labels(b, x, tuple(indices))
    if mask is None:
        return None
    if v.ndim == 1:
        v = b.reshape(v, shape=(*v.shape, 1))
    return b.select(mask, v, b.like(0, x)) if v.ndim in (0, 2) else None


@INDEXING("sum")
def sum_of_one_entry(b: Rewriter, op: Op) -> Value | None:
    """sum(select(columns == y, v, 0)) over each row -> v: each row has one, as `y` is checked."""
    select = b.match(op.operands[0], "select")
    if select is None or op.attrs["axes"] != (1,) or op.operands[0].ndim != 2:
        return None
    mask, v, other = select.operands
    eq = b.match(mask, "eq")
    if eq is None or not b.is_uniform(other, 0) or mask.shape != select.result.shape:
        return None
    rows, columns = mask.shape
    iota = b.match(eq.operands[0], "iota")
    label = b.match(eq.operands[1], "check_indices")
    if iota is None or label is None or label.attrs["size"] != columns:
        return None
    if iota.result.shape != (columns,) or label.result.shape != (rows, 1):
        return None
    if v.ndim == 0:
        return b.broadcast(v, shape=(rows,))
    return b.reshape(v, shape=(rows,)) if v.shape == (rows, 1) else None

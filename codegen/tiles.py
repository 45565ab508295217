"""Maps that read a transposed operand: by square tiles, which are transposed in registers.

Along the last axis such an operand is read at steps of a whole row. A tile takes vectors along its own rows instead, as
many as a vector has elements, and leaves them in scratch memory by columns, where the rows of the kernel read them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.codegen.exprs import Buffer, add, floordiv, i64, is_const, mul
from arignote.codegen.kernels import KernelEmitter
from arignote.codegen.shuffles import Registers
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Value
from arignote.ir.types import is_float

Elements = Callable[[dict[int, Any], Any, Any], None]


def in_tiles(e: KernelEmitter, elements: Elements) -> bool:
    """Emit a map by tiles, if it reads a transposed operand, and whether it does.

    Args:
        elements: `elements(known, low, size)` for a run of the last axis in the row `known`.
    """
    size, last = e.lanes, len(e.domain) - 1
    found = [(op, op.attrs["perm"].index(last)) for op in e.region.ops if _is_tiled(e, op)]
    if not found or size < 4 or size & (size - 1):
        return False
    down = found[0][1]  # the axis of the kernel along which the operand lies
    ops = [op for op, axis in found if axis == down]
    if any(isinstance(n, int) and n < 2 * size for n in (e.domain[down], e.domain[last])):
        return False
    height, width = e.dim(e.domain[down]), e.dim(e.domain[last])
    rows, columns = floordiv(height, i64(size)), floordiv(width, i64(size))

    def band(known: dict[int, Any], number: Any) -> None:
        """Tiles beside each other, and what is left of their rows."""
        top = e.bind(number * i64(size), "top")
        e.loop(columns, lambda t: _tile(e, ops, known, down, top, mul(t, i64(size))))
        rest = _rest(e, width, columns)
        if not is_const(rest, 0):
            done = mul(columns, i64(size))
            e.loop(i64(size), lambda i: elements({**known, down: add(top, i)}, done, rest))

    def bands(known: dict[int, Any], threads: int) -> None:
        e.tasks(rows, threads, lambda number: band(known, number))
        rest = _rest(e, height, rows)
        done = mul(rows, i64(size))
        e.loop(rest, lambda i: elements({**known, down: add(done, i)}, i64(0), width))

    outer = tuple(a for a in range(last) if a != down)
    alone = all(e.domain[a] == 1 for a in outer)
    e.outer(outer, lambda known: bands(known, e.threads() if alone else 1), 1 if alone else e.threads())
    return True


def _is_tiled(e: KernelEmitter, op: Op) -> bool:
    """Whether `op` is a transposition of an operand in memory that moves its last axis, of words that shuffle well."""
    if op.name != "transpose" or op.operands[0] not in e.buffers or e.shapes[op.result] != e.domain:
        return False
    perm, last = op.attrs["perm"], len(e.domain) - 1
    good = op.result.type.itemsize in (4, 8) and (is_float(op.result.dtype) or op.result.dtype[0] in "iu")
    return good and perm[last] != last and op.result.type.itemsize * e.lanes <= e.target.vector_bytes


def _rest(e: KernelEmitter, n: Any, whole: Any) -> Any:
    """What is left of an axis of `n` behind `whole` tiles."""
    if is_const(n):
        return i64(int(n.value) % e.lanes)
    return e.bind(n - whole * i64(e.lanes), "rest")


def _tile(e: KernelEmitter, ops: list[Op], known: dict[int, Any], down: int, top: Any, left: Any) -> None:
    size, last = e.lanes, len(e.domain) - 1
    tiles: dict[Value, Buffer] = {}
    for op in ops:
        source = op.operands[0]
        registers, vectors = Registers(e, source.dtype, size), []
        for i in range(size):
            idx = e.at({**known, down: top, last: add(left, i64(i))})
            place = tuple(idx[op.attrs["perm"].index(a)] for a in range(last + 1))
            at = registers.at(e.flat(source, place))
            vectors.append(registers.held(tirx.BufferLoad(e.buffers[source].var, [at])))
        tiles[op.result] = e.local("tile", source.dtype, size * size)
        for i, vector in enumerate(registers.transposed(vectors)):
            e.add(tirx.BufferStore(tiles[op.result].var, vector, [registers.at(i64(i * size))]))
    for i in range(size):

        def element(v: Any, i: int = i) -> None:
            e.memos.append({})
            e.here = idx = e.at({**known, down: add(top, i64(i)), last: add(left, v)})
            e.tiles = {x: b.load(add(i64(i * size), v)) for x, b in tiles.items()}
            e.store_all(list(range(len(e.outputs))), lambda y: e.operand_index(y, y, idx))
            e.tiles = {}
            e.memos.pop()

        e.loop(i64(size), element, tirx.ForKind.VECTORIZED)

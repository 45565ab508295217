"""Random bits in `map` kernels: whole groups of blocks at a time, into a small buffer that the elements then read.

An element on its own would need a block of its own and use one of its four words. So the innermost loop is cut into
chunks; before each, the words of its elements are computed by vectors, and lie in the buffer in the order of the
elements (`arignote.ir.ops.random` says how words belong to elements).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.codegen.exprs import Buffer, add, floordiv, i64, is_const, mul
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.ops.random import GROUP, LANES, scalar_words

if TYPE_CHECKING:
    from arignote.codegen.kernels import KernelEmitter

CHUNK = 1024  # elements; a buffer of 4 KiB for each draw
SHORT = 48  # along shorter rows, elements on their own cost less than the groups around them


def in_chunks(
    e: KernelEmitter, start: Callable[[Any], Any], low: Any, size: Any, body: Callable[[Any, Any], None]
) -> None:
    """`body(low, size)` for parts of a run of the last axis, each with the words of its draws at hand.

    Args:
        start: the position in C order of an index along the last axis.
        low, size: the run.
    """
    draws = [o for o in e.region.ops if o.name == "random_bits" and e.shapes[o.result] == e.domain]
    if not draws or (is_const(size) and int(size.value) < SHORT and len(e.domain) > 1):
        body(low, size)
        return
    width = min(CHUNK, -(-int(size.value) // GROUP) * GROUP) if is_const(size) else CHUNK
    buffers = {o: e.local("bits", "u32", width + GROUP) for o in draws}
    states = {o: [e.bind(e.value(o.operands[0], (i64(i),)), "state") for i in range(3)] for o in draws}
    aligned = len(e.domain) == 1 and is_const(low, 0)

    def chunk(first: Any, count: Any) -> None:
        at = start(first)
        group = floordiv(at, i64(GROUP)) if aligned else e.bind(floordiv(at, i64(GROUP)), "group")
        last = floordiv(add(at, count) + i64(GROUP - 1), i64(GROUP))
        groups = floordiv(add(count, i64(GROUP - 1)), i64(GROUP)) if aligned else last - group
        base = mul(group, i64(GROUP))
        for o in draws:
            _fill(e, o, states[o], buffers[o], group, groups)
            e.drawn[o.result] = lambda place, b=buffers[o]: b.load(place - base)  # type: ignore[misc]
        body(first, count)
        e.drawn.clear()

    whole = floordiv(size, i64(width))
    e.loop(whole, lambda c: chunk(add(low, mul(c, i64(width))), i64(width)))
    done = mul(whole, i64(width))
    rest = i64(int(size.value) % width) if is_const(size) else e.bind(size - done, "rest")
    if not is_const(rest, 0):
        chunk(add(low, done), rest)


def _fill(e: KernelEmitter, draw: Op, state: list[Any], buffer: Buffer, group: Any, groups: Any) -> None:
    """Groups of words from the one with that number on."""
    key, low, high = state
    part = i64(draw.attrs.get("part", 0))

    def fill(g: Any) -> None:
        def block(v: Any) -> None:
            number = (group + g) * i64(LANES) + v
            words = e.lowered(lambda: scalar_words(K, key, low, high, part, number))
            for w, x in enumerate(words):
                e.add(buffer.store(g * i64(GROUP) + i64(w * LANES) + v, x))

        e.loop(i64(LANES), block, tirx.ForKind.VECTORIZED)

    e.loop(groups, fill)

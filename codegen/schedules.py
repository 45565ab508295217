"""The schedules of fused kernels: the loops around the scalar code of `kernels.py`.

`map` runs over its space in vectors along the last axis, in one flat loop where every operand allows it. `rows` makes
one pass over a row per level of reductions, with vector accumulators; what a later pass needs again and is costly is
kept in a row buffer. `cols` keeps a block of columns in registers while it runs over the reduced axes. Large kernels
are cut into one part per thread. On CUDA the outer index is a thread and nothing is vectorised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, i64, is_const, linear_index, mul
from arignote.codegen.kernels import COSTLY, Kernel, KernelEmitter
from arignote.codegen.pieces import in_pieces
from arignote.codegen.random import in_chunks
from arignote.codegen.scalar import K
from arignote.codegen.target import Target
from arignote.codegen.tiles import in_tiles
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Value
from arignote.ir.opdef import has_trait
from arignote.ir.types import prod_dims

ROW_BUFFER_BYTES = 64 * 1024
COLUMN_BLOCK_BYTES = 4096
ROWS_TOGETHER = 4
Index = tuple[Any, ...]


def build_kernel(op: Op, target: Target, by_value: frozenset[int], alias: dict[int, int]) -> Kernel:
    """The private function of a fused op. `by_value`: operands passed as scalars; `alias`: outputs that are written
    over the memory of an operand."""
    emitter = KernelEmitter(op, target, by_value, alias)
    {"map": _map, "rows": _rows, "cols": _cols}[op.attrs["kind"]](emitter)
    return emitter.kernel()


def _map(e: KernelEmitter) -> None:
    threads, n = e.threads(), len(e.domain)
    every = list(range(len(e.outputs)))

    def store(known: dict[int, Any]) -> None:
        idx = e.at(known)
        e.here = idx
        e.store_all(every, lambda y: e.operand_index(y, y, idx))

    def inner(known: dict[int, Any], low: Any = ZERO, size: Any = None) -> None:
        def vector(j: Any, slot: Any, width: int) -> None:
            e.memos.append({})
            store({**known, n - 1: j})
            e.memos.pop()

        def start(j: Any) -> Any:
            return linear_index(e.at({**known, n - 1: j}), [e.dim(d) for d in e.domain])

        def run(first: Any, count: Any, overlap: bool = False) -> None:
            lanes = e.fit(e.domain[-1])
            e.vectors(count, lanes, lambda j, slot, width: vector(add(first, j), slot, width), overlap=overlap)

        part, size = size is not None, e.dim(e.domain[-1]) if size is None else size
        if not in_pieces(e, known, low, size, part, lambda first, count: run(first, count, overlap=not e.alias)):
            in_chunks(e, start, low, size, run)

    if n == 0 or e.target.kind == "cuda":
        e.outer(tuple(range(n)), store, 1)
    elif in_tiles(e, inner):
        return
    elif n == 1 and threads > 1:
        _parts(e, e.dim(e.domain[0]), threads, lambda low, size, t: inner({}, low, size))
    else:
        e.outer(tuple(range(n - 1)), inner, threads)


def _parts(e: KernelEmitter, n: Any, threads: int, body: Callable[[Any, Any, Any], None]) -> None:
    """A flat space in one part per thread, cut at multiples of four vectors; `body(low, size, part)`."""
    block = i64(e.lanes * 4)
    blocks = floordiv(n, block)

    def part(t: Any) -> None:
        low = e.bind(floordiv(t * blocks, i64(threads)) * block, "low")
        high = floordiv((t + i64(1)) * blocks, i64(threads)) * block
        end = tirx.Select(tirx.EQ(t, i64(threads - 1)), n, high)
        size = e.bind(end - low, "size")
        e.memos.append({})
        body(low, size, t)
        e.memos.pop()

    e.loop(i64(threads), part, tirx.ForKind.PARALLEL)


class _Accumulator:
    """Partial results of a reduction, one per lane; argmax and argmin keep the index beside the value."""

    def __init__(self, e: KernelEmitter, op: Op, size: int) -> None:
        self.e, self.op, self.size = e, op, size
        self.reducer = e.reducer(op)
        value_dtype = op.operands[0].dtype if self.reducer.indexed else op.result.dtype
        self.dtypes = [value_dtype, self._index_dtype()] if self.reducer.indexed else [value_dtype]
        self.parts = [e.local(name, d, size) for name, d in zip(("acc", "arg"), self.dtypes, strict=False)]

    def _index_dtype(self) -> str:
        """As many indices as values fit a vector where 32 bits hold them."""
        count = prod_dims(self.e.domain[a] for a in self.e.axes)
        return "i32" if isinstance(count, int) and count < 1 << 31 else "i64"

    def load(self, slot: Any) -> Any:
        loads = tuple(p.load(slot) for p in self.parts)
        return loads if self.reducer.indexed else loads[0]

    def store(self, slot: Any, x: Any) -> None:
        if not self.reducer.indexed:
            self.e.add(self.parts[0].store(slot, x))
            return
        value, index = (self.e.bind(v, "s") for v in x)  # both are made of what the stores replace
        self.e.add(self.parts[0].store(slot, value))
        self.e.add(self.parts[1].store(slot, index))

    def reset(self, width: int) -> None:
        self.each(width, self.begin)

    def begin(self, slot: Any) -> None:
        """Put in a lane what nothing adds to."""
        value = self.reducer.init
        self.store(slot, (value[0], K.const(0, self.parts[1].dtype)) if self.reducer.indexed else value)

    def combined(self, have: Any, x: Any) -> Any:
        """Both as one, of which `x` comes after the other; named, as the next one will mention it several times."""
        out = self.e.lowered(lambda: (self.reducer.follow or self.reducer.combine)(have, x))
        return tuple(self.e.bind(v, "s") for v in out) if self.reducer.indexed else self.e.bind(out, "s")

    def follow(self, slot: Any, x: Any) -> None:
        """Take in an element that comes after those before."""
        self.store(slot, self.combined(self.load(slot), x))

    def combine(self, slot: Any, x: Any) -> None:
        self.store(slot, self.e.lowered(lambda: self.reducer.combine(self.load(slot), x)))

    def each(self, width: int, body: Callable[[Any], None]) -> None:
        self.e.loop(i64(width), body, tirx.ForKind.VECTORIZED if width > 1 else tirx.ForKind.SERIAL)

    def total(self, width: int) -> Any:
        """The value over all lanes, by halves."""
        while width > 1:
            half = (width + 1) // 2
            self.each(width - half, lambda v, h=half: self.combine(v, self.load(v + i64(h))))  # type: ignore[misc]
            width = half
        return self.result(ZERO)

    def result(self, slot: Any) -> Any:
        out = self.parts[-1].load(slot)
        return K.cast(out, "i64") if self.reducer.indexed else out

    def operand(self, x: Any, idx: Index) -> Any:
        """What is accumulated at `idx` of the domain."""
        if not self.reducer.indexed:
            return x
        e = self.e
        at = linear_index([idx[a] for a in e.axes], [e.dim(e.domain[a]) for a in e.axes])
        return x, K.cast(at, self.parts[1].dtype)


class _Passes:
    """Which values a row needs in which pass: pass L computes what depends on L levels of reductions."""

    def __init__(self, e: KernelEmitter) -> None:
        self.e = e
        region = e.region
        self.reductions = [o for o in region.ops if has_trait(o.name, "reduction")]
        self.count = max(e.level.values(), default=0) + 1
        self.full = {v for v in e.level if e.shapes[v] == e.domain and not self._is_reduction(v)}
        self.stored = {i: e.level[y] for i, y in enumerate(region.yields) if y in self.full}
        self.row_outputs = [i for i in range(len(region.yields)) if i not in self.stored]
        self.kept = self._kept_values()

    @staticmethod
    def _is_reduction(v: Value) -> bool:
        return v.owner is not None and has_trait(v.owner.name, "reduction")

    def reduced_in(self, level: int) -> list[Op]:
        return [o for o in self.reductions if self.e.level[o.operands[0]] == level]

    def outputs_in(self, level: int) -> list[int]:
        return [i for i, lv in self.stored.items() if lv == level]

    def _needed(self, level: int) -> set[Value]:
        stack = [o.operands[0] for o in self.reduced_in(level)]
        stack += [self.e.region.yields[i] for i in self.outputs_in(level)]
        seen: set[Value] = set()
        while stack:
            v = stack.pop()
            if v in self.full and v not in seen:
                seen.add(v)
                if v.owner is not None:
                    stack.extend(v.owner.operands)
        return seen

    def _kept_values(self) -> dict[Value, int]:
        """Costly full-size values that more than one pass needs -> the first pass that does."""
        size = 1
        for a in self.e.axes:
            d = self.e.domain[a]
            if not isinstance(d, int):
                return {}
            size *= d
        first: dict[Value, int] = {}
        again: dict[Value, int] = {}
        for level in range(self.count):
            for v in self._needed(level):
                if v in first and v.owner is not None and v.owner.name in COSTLY:
                    again.setdefault(v, first[v])
                first.setdefault(v, level)
        kept: dict[Value, int] = {}
        budget = ROW_BUFFER_BYTES
        for v in sorted(again, key=lambda v: self.e.level[v]):
            nbytes = size * v.type.itemsize
            if nbytes <= budget and self.e.target.kind == "cpu":
                kept[v] = again[v]
                budget -= nbytes
        return kept


def _rows(e: KernelEmitter) -> None:
    passes = _Passes(e)
    last = e.domain[-1]
    lanes = e.fit(last)
    unroll = 4 if lanes == e.lanes and lanes > 1 and len(e.region.ops) <= 6 else 1
    if isinstance(last, int):
        unroll = max(1, min(unroll, last // lanes))
    threads = e.threads()
    if not e.kept and threads > 1 and len(e.domain) == 1 and passes.count == 2 and not passes.stored:
        _split_reduction(e, passes, lanes, unroll, threads)
        return
    state: dict[Op, _Accumulator] = {}
    buffers: dict[Value, Buffer] = {}

    def prologue() -> None:
        state.update((o, _Accumulator(e, o, lanes * unroll)) for o in passes.reductions)
        for v in passes.kept:
            size = 1
            for a in e.axes:
                size *= int(e.domain[a])  # type: ignore[arg-type]
            buffers[v] = e.local("row", v.dtype, size)

    def row(known: dict[int, Any]) -> None:
        e.rows.clear()
        e.cache.clear()
        for level in range(passes.count):
            _row_values(e, passes, level, known)
            _one_pass(e, passes, level, known, state, buffers, lanes, unroll)
        _row_outputs(e, passes, known)

    e.outer(e.kept, row, threads, prologue)


def _row_values(e: KernelEmitter, passes: _Passes, level: int, known: dict[int, Any]) -> None:
    """What passes read that is one value per row (the logarithm of a sum), once per row and not in the inner loop."""
    full = e.at({**known, **dict.fromkeys(e.axes, ZERO)})
    for op in e.region.ops:
        wanted = e.level[op.results[0]] == level and has_trait(op.name, "elementwise")
        if wanted and op.results[0] not in passes.full and op.results[0] not in e.rows:
            _row_value(e, op.result, full)


def _row_value(e: KernelEmitter, y: Value, full: Index) -> None:
    if e.shapes[y] and len(e.shapes[y]) == len(e.kept):
        e.value(y, tuple(full[a] for a in e.kept))
    elif len(e.shapes[y]) in (0, len(full)) and all(e.shapes[y][a] == 1 for a in e.axes if e.shapes[y]):
        e.value(y, e.operand_index(y, y, full) if e.shapes[y] else ())


def _row_outputs(e: KernelEmitter, passes: _Passes, known: dict[int, Any]) -> None:
    full = e.at({**known, **dict.fromkeys(e.axes, ZERO)})

    def index(y: Value) -> Index:
        if len(e.shapes[y]) == len(e.kept):
            return tuple(full[a] for a in e.kept)
        return e.operand_index(y, y, full) if e.shapes[y] else ()

    e.store_all(passes.row_outputs, index)


def _one_pass(
    e: KernelEmitter, passes: _Passes, level: int, known: dict[int, Any], state: dict[Op, _Accumulator],
    buffers: dict[Value, Buffer], lanes: int, unroll: int,
) -> None:  # fmt: skip
    reductions, outputs = passes.reduced_in(level), passes.outputs_in(level)
    if not reductions and not outputs:
        return
    new = [v for v, first in passes.kept.items() if first == level]
    accumulators = [(o, state[o]) for o in reductions]
    for _, acc in accumulators:
        acc.reset(lanes * unroll)

    def vector(outer: dict[int, Any], j: Any, slot: Any) -> None:
        e.memos.append({})
        idx = e.at({**outer, len(e.domain) - 1: j})
        e.here = idx
        kept = [(v, e.value(v, idx)) for v in new]
        terms = [acc.operand(e.value(o.operands[0], idx), idx) for o, acc in accumulators]
        for v, x in kept:
            e.add(buffers[v].store(e.flat_inner(idx), x))
        for (_, acc), x in zip(accumulators, terms, strict=True):
            acc.follow(slot, x)
        e.store_all(outputs, lambda y: idx)
        e.memos.pop()

    def nest(axes: tuple[int, ...], outer: dict[int, Any]) -> None:
        if len(axes) == 1:
            n = e.dim(e.domain[-1])
            e.vectors(n, lanes, lambda j, slot, width: vector(outer, j, slot), unroll)
        elif e.domain[axes[0]] == 1:
            nest(axes[1:], outer)
        else:
            e.loop(e.dim(e.domain[axes[0]]), lambda i: nest(axes[1:], {**outer, axes[0]: i}))

    nest(e.axes, known)
    for v in new:
        e.cache[v] = buffers[v]
    for o, acc in accumulators:
        e.rows[o.result] = e.bind(acc.total(lanes * unroll), "row")


def _split_reduction(e: KernelEmitter, passes: _Passes, lanes: int, unroll: int, threads: int) -> None:
    """One long reduction: a partial result per thread, then their sum."""
    stride = 64  # partial results lie on cache lines of their own
    whole = [(o, _Accumulator(e, o, 1)) for o in passes.reductions]
    partial = {o: [e.local("part", d, threads * stride) for d in acc.dtypes] for o, acc in whole}

    def part(low: Any, size: Any, t: Any) -> None:
        accumulators = [(o, _Accumulator(e, o, lanes * unroll)) for o in passes.reductions]
        for _, acc in accumulators:
            acc.reset(lanes * unroll)

        def vector(j: Any, slot: Any, width: int) -> None:
            e.memos.append({})
            idx = (add(low, j),)
            e.here = idx
            terms = [acc.operand(e.value(o.operands[0], idx), idx) for o, acc in accumulators]
            for (_, acc), x in zip(accumulators, terms, strict=True):
                acc.follow(slot, x)
            e.memos.pop()

        e.vectors(size, lanes, vector, unroll)
        for o, acc in accumulators:
            acc.total(lanes * unroll)
            for buffer, source in zip(partial[o], acc.parts, strict=True):
                e.add(buffer.store(t * i64(stride), source.load(ZERO)))

    _parts(e, e.dim(e.domain[0]), threads, part)
    for o, acc in whole:
        acc.reset(1)
        for t in range(threads):
            loads = tuple(b.load(i64(t * stride)) for b in partial[o])
            acc.combine(ZERO, loads if acc.reducer.indexed else loads[0])
        e.rows[o.result] = e.bind(acc.result(ZERO), "row")
    _row_outputs(e, passes, {})


def _block_columns(e: KernelEmitter, lanes: int, threads: int) -> int:
    """Columns whose accumulators are kept at a time: in registers where rows are short, else as many as make the runs
    of memory long and still fit the first-level cache, but one block for each thread at least."""
    extent = e.domain[-1]
    simple = len(e.region.ops) <= 6
    if not isinstance(extent, int):
        return lanes
    if extent < 8 * lanes or not simple:
        return lanes * (4 if extent >= 4 * lanes and simple else 1)
    share = -(-extent // (threads * 4 * lanes)) * 4 * lanes
    return min(share, COLUMN_BLOCK_BYTES // max(v.type.itemsize for v in e.region.params if v.ndim))


def _cols(e: KernelEmitter) -> None:
    reductions = [o for o in e.region.ops if has_trait(o.name, "reduction")]
    last = len(e.domain) - 1
    extent = e.dim(e.domain[-1])
    lanes = e.fit(e.domain[-1])
    threads = e.threads()
    every = list(range(len(e.outputs)))

    def over(base: Any, width: int, body: Callable[[Any, Any], None]) -> None:
        """`body(column, slot)` for columns base .. base + width - 1, by vectors."""

        def vector(start: Any, size: int) -> None:
            kind = tirx.ForKind.VECTORIZED if size > 1 else tirx.ForKind.SERIAL
            e.loop(i64(size), lambda v: body(add(add(base, start), v), add(start, v)), kind)

        whole, rest = divmod(width, lanes)
        if whole <= 4:
            for i in range(whole):
                vector(i64(i * lanes), lanes)
        else:
            e.loop(i64(whole), lambda i: vector(mul(i, i64(lanes)), lanes))
        if rest:
            vector(i64(whole * lanes), rest)

    def block(known: dict[int, Any], base: Any, width: int) -> None:
        accumulators = [(o, _Accumulator(e, o, width)) for o in reductions]
        for _, acc in accumulators:
            over(ZERO, width, lambda j, slot, a=acc: a.begin(slot))  # type: ignore[misc]

        def accumulate(rows: list[dict[int, Any]], j: Any, slot: Any) -> None:
            """Take in the elements of some rows, so that accumulators in memory are written once for all of them."""
            for number, row in enumerate(rows):
                e.memos.append({})
                e.here = idx = e.at({**row, last: j})
                for o, acc in accumulators:
                    x = acc.operand(e.value(o.operands[0], idx), idx)
                    have = acc.load(slot) if number == 0 else partial[o]
                    partial[o] = acc.combined(have, x)
                e.memos.pop()
            for o, acc in accumulators:
                acc.store(slot, partial[o])

        partial: dict[Op, Any] = {}

        def nest(axes: tuple[int, ...], outer: dict[int, Any]) -> None:
            n = e.domain[axes[0]]
            if len(axes) > 1:
                e.loop(e.dim(n), lambda i: nest(axes[1:], {**outer, axes[0]: i}))
                return

            def rows(first: Any, count: int) -> None:
                several = [{**outer, axes[0]: add(first, i64(r))} for r in range(count)]
                over(base, width, lambda j, slot: accumulate(several, j, slot))

            together = ROWS_TOGETHER if width > 4 * lanes and isinstance(n, int) and n >= ROWS_TOGETHER else 1
            whole = floordiv(e.dim(n), i64(together))
            e.loop(whole, lambda i: rows(mul(i, i64(together)), together))
            if together > 1 and isinstance(n, int) and n % together:
                rows(i64(n - n % together), n % together)

        nest(e.axes, known)

        def finish(j: Any, slot: Any) -> None:
            e.memos.append({})
            full = e.at({**known, last: j, **dict.fromkeys(e.axes, ZERO)})
            e.here = full
            e.rows.update((o.result, e.bind(acc.result(slot), "col")) for o, acc in accumulators)

            def index(y: Value) -> Index:
                if len(e.shapes[y]) == len(e.kept):
                    return tuple(full[a] for a in e.kept)
                return e.operand_index(y, y, full)

            e.store_all(every, index)
            e.rows.clear()
            e.memos.pop()

        over(base, width, finish)

    if e.target.kind == "cuda":
        e.outer(e.kept, lambda known: block(known, known.get(last, ZERO), 1), 1)
        return
    wide = _block_columns(e, lanes, threads)
    outer_axes = tuple(a for a in e.kept if a != last)
    outer_tasks = threads if any(e.domain[a] != 1 for a in outer_axes) else 1

    def columns(known: dict[int, Any]) -> None:
        whole = floordiv(extent, i64(wide))
        e.tasks(whole, 1 if outer_tasks > 1 else threads, lambda i: block(known, mul(i, i64(wide)), wide))
        if is_const(extent):
            rest = int(extent.value) % wide
            if rest:
                block(known, i64(int(extent.value) - rest), rest)
        else:
            done = e.bind(whole * i64(wide), "done")
            e.loop(extent - done, lambda i: block(known, add(done, i), 1))

    e.outer(outer_axes, columns, outer_tasks)

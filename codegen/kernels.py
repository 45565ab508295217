"""Fused ops as scalar code: the values of a kernel at an index, whatever the loops around it.

The schedules in `schedules.py` put loops around it; this file knows shapes, broadcasting and what to compute once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arignote.codegen.emit import Emitter, pointer_var, private_function, scalar_var
from arignote.codegen.exprs import ZERO, Buffer, add, dim_expr, floordiv, floormod, i64, is_const, linear_index, mul
from arignote.codegen.pieces import compared
from arignote.codegen.scalar import K
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.bound import symbols_of
from arignote.ir.core import Op, Value
from arignote.ir.opdef import OPS, Reducer, has_trait
from arignote.ir.types import DimLike, dim_symbols, prod_dims

Shape = tuple[DimLike, ...]
COSTLY = frozenset(
    """exp exp2 expm1 log log2 log10 log1p tanh sigmoid softplus sin cos tan arcsin arccos arctan arctan2 sinh cosh
    arcsinh arccosh arctanh erf erfc pow div sqrt mod floordiv random_bits""".split()  # noqa: SIM905  # read as a list of words
)
PARALLEL_NS = 15_000.0  # below this estimate a second thread costs more than it brings
ROW_BUFFER_BYTES = 64 * 1024
CUDA_THREADS = 256


@dataclass(frozen=True)
class Kernel:
    """A private function and how to call it: pointers of `inputs` (or values, where `by_value`), of the outputs that
    are not written over an input (`alias`: output -> input), then the `symbols`."""

    func: Any
    inputs: tuple[int, ...]
    by_value: frozenset[int]
    outputs: tuple[int, ...]
    symbols: tuple[str, ...]


def flattened(op: Op) -> tuple[Shape, tuple[int, ...], dict[Value, Shape]]:
    """The iteration space, the reduced axes and the shape of each value, with axes joined where all operands allow."""
    region, axes = op.regions[0], tuple(op.attrs["axes"])
    values = [*region.params, *(r for o in region.ops for r in o.results)]
    joins = {o.result: o.attrs["axis"] for o in region.ops if o.name == "join"}
    reductions = [o for o in region.ops if has_trait(o.name, "reduction")]
    first = region.yields[0]
    whole_op = reductions[0] if reductions else first.owner if first in joins else None
    domain = first.shape if whole_op is None else whole_op.operands[0].shape
    shapes = {v: v.shape for v in values}
    indexed = any(has_trait(o.name, "index") and not (o.name == "broadcast" and o.operands[0].ndim == 0)
                  and o.name != "reshape" and not (has_trait(o.name, "position") and not axes)
                  for o in region.ops)  # fmt: skip
    n = len(domain)
    whole = {v for o in region.ops if has_trait(o.name, "position") for v in o.operands}
    in_part = any(v in whole for o in region.ops if not has_trait(o.name, "position") for v in o.operands)
    if indexed or n <= 1 or in_part:
        return domain, axes, shapes
    if not axes:
        padded = {v: (1,) * (n - v.ndim) + v.shape for v in values if v.ndim and v not in whole}
        same = [s for v, s in padded.items() if v not in joins]
        groups: list[list[int]] = [[]]
        last: int | None = None  # the latest axis that is not 1: an axis of size 1 joins any other
        for a in range(n):
            b = a if last is None else last
            apart = a and a in joins.values()  # parts lie side by side from this axis on
            if apart or (domain[a] != 1 and any((s[a] == domain[a]) != (s[b] == domain[b]) for s in same)):
                groups.append([])
            groups[-1].append(a)
            last = last if domain[a] == 1 else a
        joined = tuple(prod_dims(domain[a] for a in g) for g in groups)
        shapes = {
            v: tuple(prod_dims(padded[v][a] for a in g) for g in groups) if v in padded else v.shape for v in values
        }
        return joined, axes, shapes
    kept = tuple(a for a in range(n) if a not in axes)
    row, row1 = tuple(domain[a] for a in kept), tuple(1 if a in axes else d for a, d in enumerate(domain))
    trailing = axes == tuple(range(len(kept), n))
    regular = all(s in (domain, row, row1, ()) for s in shapes.values())
    if not trailing or not regular or (kept and row in (domain, row1)):
        return domain, axes, shapes
    k, r = prod_dims(row), prod_dims(domain[a] for a in axes)
    if not kept:
        table: dict[Shape, Shape] = {domain: (r,), row1: (1,), (): ()}
        return (r,), (0,), {v: table[s] for v, s in shapes.items()}
    table = {domain: (k, r), row: (k,), row1: (k, 1), (): ()}
    return (k, r), (1,), {v: table[s] for v, s in shapes.items()}


class KernelEmitter(Emitter):
    """Emits one fused op for a target."""

    def __init__(self, op: Op, target: Target, by_value: frozenset[int], alias: dict[int, int]) -> None:
        super().__init__()
        self.op, self.target, self.alias = op, target, alias
        self.region = op.regions[0]
        self.domain, self.axes, self.shapes = flattened(op)
        self.kept = tuple(a for a in range(len(self.domain)) if a not in self.axes)
        types = [*op.operands, *op.results, *(r for o in self.region.ops for r in o.results)]
        named = {s for o in self.region.ops for s in symbols_of(o)}  # places of slices too
        self.symbols = tuple(sorted(named.union(dim_symbols(d for v in types for d in v.shape))))
        self.env = {s: tirx.Var(s, "int64") for s in self.symbols}
        self.params: list[Any] = []
        self.buffers: dict[Value, Buffer] = {}
        self.decls: dict[Any, Buffer] = {}
        self.scalars: dict[Value, Any] = {}
        self.by_value = by_value
        self.memos: list[dict[Any, Any]] = [{}]
        self.rows: dict[Value, Any] = {}  # values per row that are known now: reductions
        self.cache: dict[Value, Buffer] = {}  # row buffers
        self.drawn: dict[Value, Callable[[Any], Any]] = {}  # random words at a position, where they are at hand
        self.tiles: dict[Value, Any] = {}  # what transposed operands are at the element that the loops are at
        self.piece: tuple[Value, int] | None = None  # the value that is in pieces, and the one that the loops are in
        self.level: dict[Value, int] = {}
        for i, p in enumerate(self.region.params):
            if i in by_value:
                self.scalars[p] = scalar_var(f"a{i}", p.dtype)
                self.params.append(self.scalars[p])
            else:
                self.buffers[p] = self._pointer(f"a{i}", p)
        self.outputs: list[Buffer] = []
        for i, y in enumerate(self.region.yields):
            if i in alias and self.region.params[alias[i]].dtype == y.dtype:
                self.outputs.append(self.buffers[self.region.params[alias[i]]])
            else:
                self.outputs.append(self._pointer(f"o{i}", y))
        self.lanes = self._lanes()
        self.scratch = "local" if target.kind == "cuda" else ""
        self._levels()

    def _pointer(self, name: str, v: Value) -> Buffer:
        var = pointer_var(name, v.dtype)
        size = dim_expr(prod_dims(self.shapes[v]), self.env)
        buffer = Buffer(name + "_b", v.dtype, size)
        self.params.append(var)
        self.decls[var] = buffer
        return buffer

    def _lanes(self) -> int:
        if any(has_trait(o.name, "iterative") for o in self.region.ops):
            return 1
        widest = max((v.type.itemsize for v in self.shapes if v.ndim and v.dtype != "i64"), default=8)
        return self.target.lanes(min(widest, 8))

    def kernel(self) -> Kernel:
        """The function made of what a schedule has emitted."""
        for s in self.symbols:
            self.params.append(self.env[s])
        func = private_function(self.params, self.decls, self.stmts)
        fresh = tuple(i for i, b in enumerate(self.outputs) if b not in self.buffers.values())
        return Kernel(func, tuple(range(len(self.region.params))), self.by_value, fresh, self.symbols)

    # -- values -----------------------------------------------------------------------------------------------------

    def dim(self, d: DimLike) -> Any:
        return dim_expr(d, self.env)

    def _levels(self) -> None:
        for p in self.region.params:
            self.level[p] = 0
        for o in self.region.ops:
            depth = max((self.level[v] for v in o.operands), default=0) + has_trait(o.name, "reduction")
            self.level.update((r, depth) for r in o.results)

    def value(self, v: Value, idx: tuple[Any, ...]) -> Any:
        """The scalar of `v` at `idx` (over v's own shape), computed once per loop body."""
        if v in self.rows:
            return self.rows[v]
        if v in self.scalars:
            return self.scalars[v]
        key = (v, tuple(map(id, idx)))
        for memo in reversed(self.memos):
            if key in memo:
                return memo[key][1]
        out = self._compute(v, idx)
        self.memos[-1][key] = (idx, out)  # keeps idx alive, whose identity is the key
        return out

    def _compute(self, v: Value, idx: tuple[Any, ...]) -> Any:
        if v in self.buffers:
            return self.bind(self.buffers[v].load(self.flat(v, idx)), "x")
        if v in self.cache and self._is_here(idx):
            return self.bind(self.cache[v].load(self.flat_inner(idx)), "c")
        if v in self.tiles and self._is_here(idx):
            return self.bind(self.tiles[v], "x")
        op = v.owner
        assert op is not None
        if op.name == "const":
            return K.const(op.attrs["value"][()], v.dtype)
        record = OPS[op.name]
        lower: Any = record.lower
        if op.name == "reshape":
            return self.value(op.operands[0], self._row_reshape(op, idx))
        if "elementwise" in record.traits or op.name == "broadcast":
            operands = op.operands[:1] if op.name == "broadcast" else op.operands
            xs = [self.value(x, self.operand_index(x, v, idx)) for x in operands]
            if op.name == "broadcast":
                return xs[0]
            if self.piece is not None and self.piece[0] is v and self._is_here(idx):
                return compared(op, self.piece[1])
            return self.bind(self.lowered(lambda: lower(K, *xs, **self.attrs_of(op))), "t")
        if "index" in record.traits:
            at, attrs = idx, self.attrs_of(op)
            if self.piece is not None and self.piece[0] is v and self._is_here(idx):
                attrs["piece"] = self.piece[1]
            if "position" in record.traits:
                at = (self.flat(v, idx),)
                if v in self.drawn and self._is_here(idx):
                    return self.bind(self.drawn[v](*at), "r")
            return self.bind(self.lowered(lambda: lower(K, at, *self.reads(op), **attrs)), "r")
        if "reduction" in record.traits and not op.attrs["axes"]:  # over no axes: the operand, or the only position
            return K.const(0, "i64") if op.name.startswith("arg") else self.value(op.operands[0], idx)
        raise AssertionError(f"{op.name} is not a scalar op")

    def _is_here(self, idx: tuple[Any, ...]) -> bool:
        """Whether `idx` is the element that the loops are at."""
        return len(idx) == len(self.here) and all(map(operator.is_, idx, self.here))

    def reads(self, op: Op) -> list[_Read]:
        """The operands of an index op, to be read anywhere."""
        return [_Read(self, x) for x in op.operands]

    def attrs_of(self, op: Op) -> dict[str, Any]:
        """Attributes with dimensions as expressions where they are symbolic."""

        def convert(a: Any) -> Any:
            if isinstance(a, tuple):
                return tuple(convert(x) for x in a)
            return self.dim(a) if type(a).__name__ == "Dim" else a

        return {k: convert(a) for k, a in op.attrs.items() if k != "mem"}

    def operand_index(self, x: Value, v: Value, idx: tuple[Any, ...]) -> tuple[Any, ...]:
        shape = self.shapes[x]
        lead = len(idx) - len(shape)
        return tuple(ZERO if d == 1 else idx[a + lead] for a, d in enumerate(shape))

    def _row_reshape(self, op: Op, idx: tuple[Any, ...]) -> tuple[Any, ...]:
        source, target = self.shapes[op.operands[0]], self.shapes[op.result]
        if source == target:
            return idx
        if len(target) == len(self.domain):  # [n,1] from [n]
            return tuple(idx[a] for a in self.kept)
        out: list[Any] = [ZERO] * len(self.domain)
        for a, i in zip(self.kept, idx, strict=True):
            out[a] = i
        return tuple(out)

    def flat(self, v: Value, idx: tuple[Any, ...]) -> Any:
        shape = self.shapes[v]
        if not shape:
            return ZERO
        return linear_index(idx, [self.dim(d) for d in shape])

    def flat_inner(self, idx: tuple[Any, ...]) -> Any:
        return linear_index([idx[a] for a in self.axes], [self.dim(self.domain[a]) for a in self.axes])

    def at(self, outer: dict[int, Any]) -> tuple[Any, ...]:
        """The domain index out of loop variables per axis; axes of extent 1 are at 0."""
        return tuple(ZERO if d == 1 else outer[a] for a, d in enumerate(self.domain))

    def threads(self) -> int:
        """Threads worth using, by an estimate of the kernel's time."""
        size = prod_dims(self.domain)
        if self.target.kind != "cpu" or self.target.threads <= 1:
            return 1
        if not isinstance(size, int):
            return self.target.threads
        costly = sum(o.name in COSTLY or 50 * has_trait(o.name, "iterative") for o in self.region.ops)
        cheap = len(self.region.ops) - costly + len(self.params)
        per_element = 0.03 * cheap + 0.25 * costly
        return self.target.threads if size * per_element * (16 / max(self.lanes, 1)) > PARALLEL_NS else 1

    def store_all(self, yields: list[int], idx: Callable[[Value], tuple[Any, ...]]) -> None:
        """Compute every output, then store: an output may be written over an operand of another."""
        stores = []
        for i in yields:
            y = self.region.yields[i]
            parts = y.owner.operands if y.owner is not None and y.owner.name == "join" else (y,)
            for k, part in enumerate(parts):
                at = idx(part)
                stores.append((self.outputs[i], self.flat(y, self._joined(y, part, k, at)), self.value(part, at)))
        for buffer, at, x in stores:
            self.add(buffer.store(at, x))

    def _joined(self, y: Value, part: Value, k: int, at: tuple[Any, ...]) -> tuple[Any, ...]:
        """Where in `y` the `k`th of its parts has the element `at`."""
        shape, whole = self.shapes[part], self.shapes[y]
        axis = next((a for a, (d, n) in enumerate(zip(shape, whole, strict=True)) if d != n), None)
        if not k or axis is None:
            return at
        return (*at[:axis], add(at[axis], mul(i64(k), self.dim(shape[axis]))), *at[axis + 1 :])

    # -- schedules --------------------------------------------------------------------------------------------------

    def outer(
        self,
        axes: tuple[int, ...],
        body: Callable[[dict[int, Any]], None],
        threads: int,
        prologue: Callable[[], None] | None = None,
    ) -> None:
        """Loops over `axes`, the first one cut into parts, each begun by `prologue`; on CUDA one thread per point."""
        if self.target.kind == "cuda":
            self._cuda_threads(axes, body, prologue)
            return
        axes = tuple(a for a in axes if self.domain[a] != 1)

        def go(rest: tuple[int, ...], known: dict[int, Any]) -> None:
            if not rest:
                self.memos.append({})
                body(known)
                self.memos.pop()
                return
            extent = self.dim(self.domain[rest[0]])
            if len(rest) == len(axes):
                self.tasks(extent, threads, lambda i: go(rest[1:], {**known, rest[0]: i}), prologue)
            else:
                self.loop(extent, lambda i: go(rest[1:], {**known, rest[0]: i}))

        if not axes and prologue is not None:
            prologue()
        go(axes, {})

    def _cuda_threads(
        self, axes: tuple[int, ...], body: Callable[[dict[int, Any]], None], prologue: Callable[[], None] | None
    ) -> None:
        total = self.dim(prod_dims(self.domain[a] for a in axes))
        block = tirx.IterVar(None, tirx.Var("block", "int64"), 1, "blockIdx.x")
        thread = tirx.IterVar(None, tirx.Var("thread", "int64"), 1, "threadIdx.x")
        blocks = floordiv(add(total, i64(CUDA_THREADS - 1)), i64(CUDA_THREADS))

        def point() -> None:
            if prologue is not None:
                prologue()
            rest: Any = block.var * i64(CUDA_THREADS) + thread.var
            known: dict[int, Any] = {}
            for a in reversed(axes):
                extent = self.dim(self.domain[a])
                known[a] = self.bind(floormod(rest, extent), "p")
                rest = self.bind(floordiv(rest, extent), "q")
            self.memos.append({})
            body(known)
            self.memos.pop()

        with self.nested() as stmts:
            self.when(tirx.LT(block.var * i64(CUDA_THREADS) + thread.var, total), point)
        inner = tirx.AttrStmt(thread, "thread_extent", i64(CUDA_THREADS), stmts[0])
        self.add(tirx.AttrStmt(block, "thread_extent", blocks, inner))

    def fit(self, extent: DimLike) -> int:
        """Lanes for an axis: one odd vector where the axis is that short."""
        if self.target.kind != "cpu" or self.lanes == 1:
            return 1
        if isinstance(extent, int) and extent <= 2 * self.lanes:
            return max(extent, 1)
        return self.lanes

    def reducer(self, op: Op) -> Reducer:
        lower: Any = OPS[op.name].lower
        reducer: Reducer = lower(K, op.operands[0].dtype, **self.attrs_of(op))
        return reducer

    here: tuple[Any, ...] = ()


class _Read:
    """An operand of an index op: call it with int64 indices; `shape` holds expressions."""

    def __init__(self, emitter: KernelEmitter, value: Value) -> None:
        self.emitter, self.operand = emitter, value
        self.dtype = value.dtype
        self.shape = tuple(emitter.dim(d) for d in emitter.shapes[value])

    def __call__(self, *idx: Any) -> Any:
        at = tuple(i64(i) if isinstance(i, int) else i for i in idx)
        at = tuple(ZERO if is_const(d, 1) else i for i, d in zip(at, self.shape, strict=True))
        return self.emitter.value(self.operand, at)


def kernel_key(op: Op, by_value: frozenset[int], alias: dict[int, int]) -> str:
    """What the kernel of a fused op depends on: ops of one key share a kernel."""
    region = op.regions[0]
    ids = {p: f"p{i}" for i, p in enumerate(region.params)}
    lines = [f"{op.attrs['kind']} {op.attrs['axes']} {sorted(by_value)} {sorted(alias.items())}"]
    lines += [str(p.type) for p in region.params]
    for inner in region.ops:
        ids.update((r, f"v{len(ids)}") for r in inner.results)
        attrs = {
            k: (v.dtype.str, v.shape, v.tobytes()) if hasattr(v, "tobytes") else v
            for k, v in sorted(inner.attrs.items())
        }
        lines.append(f"{inner.name} {[ids[v] for v in inner.operands]} {attrs} {inner.results[0].type}")
    lines.append(str([ids[v] for v in region.yields]))
    return "\n".join(lines)


__all__ = ["Kernel", "KernelEmitter", "add", "kernel_key", "mul"]

"""What kernels of matrix products share: vectors in scratch memory that LLVM keeps in registers, and last steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arignote.codegen.emit import Emitter, pointer_var, private_function, scalar_var
from arignote.codegen.exprs import ZERO, Buffer, i64, is_const
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.types import DTYPES

ITEM = {"f32": 4, "f64": 8}
PANEL_BYTES = 48 * 1024  # a packed panel of B: on the stack, about a first-level cache
PARALLEL_NS = 8_000.0  # below this estimate a second thread costs more than it brings: it starts in 1 to 2 microseconds
FAR_RATE = 100.0  # bytes that a processor takes from the third-level cache in a nanosecond
LANE_RATE = 12.0  # operations in a nanosecond for each lane of a vector


@dataclass(frozen=True)
class Product:
    """C[m,n] = alpha * op(A)[m,k] . op(B)[k,n] + beta * C, as `choose` and the kernels see it."""

    m: int
    n: int
    k: int
    ta: bool
    tb: bool
    dtype: str
    beta: float = 0.0

    def nanoseconds(self, lanes: int) -> float:
        """An estimate of its time on one thread: products of few rows wait for memory, others compute."""
        operations = 2.0 * self.m * self.n * self.k
        numbers = self.m * self.k + self.k * self.n + self.m * self.n
        return max(operations / (LANE_RATE * lanes), numbers * ITEM[self.dtype] / FAR_RATE)


def load_vector(b: Buffer, at: Any, width: int, stride: int = 1) -> Any:
    return b.load(at) if width == 1 else tirx.BufferLoad(b.var, [tirx.Ramp(at, i64(stride), width)])


def store_vector(b: Buffer, at: Any, width: int, x: Any, stride: int = 1) -> Any:
    return b.store(at, x) if width == 1 else tirx.BufferStore(b.var, x, [tirx.Ramp(at, i64(stride), width)])


def splat(x: Any, lanes: int) -> Any:
    return x if lanes == 1 else tirx.Broadcast(x, lanes)


def lanes_of(x: Any, start: int, width: int) -> Any:
    return tirx.Shuffle([x], [tirx.const(i, "int32") for i in range(start, start + width)])


def transposed(e: Emitter, rows: list[Any]) -> list[Any]:
    """The columns of a square of vectors, whose length is a power of two.

    Interleaving each row of the upper half with its like of the lower half rotates the bits of all places by one;
    after as many rounds as half of the bits, rows have become columns.
    """
    n = len(rows)
    halves = [[j // 2 + start + (n if j % 2 else 0) for j in range(n)] for start in (0, n // 2)]
    masks = [[tirx.const(i, "int32") for i in half] for half in halves]
    for _ in range(n.bit_length() - 1):
        pairs = zip(rows[: n // 2], rows[n // 2 :], strict=True)
        rows = [e.bind(tirx.Shuffle([a, b], mask), "x") for a, b in pairs for mask in masks]
    return rows


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


class Vectors:
    """Scratch memory of whole vectors: TVM 0.27 takes accesses to scratch of scalars apart, lane by lane."""

    def __init__(self, e: Emitter, dtype: str, count: int, lanes: int) -> None:
        e.names += 1
        self.e, self.dtype, self.size = e, dtype, count * lanes
        element = DTYPES[dtype] + (f"x{lanes}" if lanes > 1 else "")
        self.zero = splat(tirx.const(0.0, DTYPES[dtype]), lanes)
        self.var = tirx.decl_buffer((i64(count),), element, name=f"v{e.names}", data_alignment=64)
        # Without this a buffer of more than a kilobyte becomes a call that only `main` can make.
        e.add(tirx.AllocBuffer(self.var, annotations={"disable_lower_builtin": tirx.const(1, "bool")}))

    def load(self, i: Any = ZERO) -> Any:
        return tirx.BufferLoad(self.var, [i])

    def store(self, x: Any, i: Any = ZERO) -> None:
        self.e.add(tirx.BufferStore(self.var, x, [i]))

    def scalars(self) -> Buffer:
        """The same memory by elements."""
        self.e.names += 1
        out = Buffer(f"s{self.e.names}", self.dtype, i64(self.size))
        self.e.add(tirx.DeclBuffer(out.var, data=self.var.data))
        return out


class ProductKernel(ABC):
    """A function of the pointers a, b, c and the scalar alpha."""

    def __init__(self, p: Product, target: Target) -> None:
        self.p, self.e = p, Emitter()
        self.item = ITEM[p.dtype]
        self.lanes = target.lanes(self.item)
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.threads = target.threads if p.nanoseconds(self.lanes) >= PARALLEL_NS else 1
        sizes = {"a": p.m * p.k, "b": p.k * p.n, "c": p.m * p.n}
        self.pointers = {x: pointer_var(x, p.dtype) for x in sizes}
        self.a, self.b, self.c = (Buffer(x + "_b", p.dtype, i64(n)) for x, n in sizes.items())
        self.alpha = scalar_var("alpha", p.dtype)
        self.extra: dict[Any, Buffer] = {}  # further pointers, behind alpha

    def function(self) -> Any:
        self.body()
        buffers = dict(zip(self.pointers.values(), (self.a, self.b, self.c), strict=True))
        params = [*self.pointers.values(), self.alpha, *self.extra]
        return private_function(params, {**buffers, **self.extra}, self.e.stmts)

    @abstractmethod
    def body(self) -> None:
        """Emit the loops."""

    def accumulator(self, lanes: int) -> Vectors:
        acc = Vectors(self.e, self.p.dtype, 1, lanes)
        acc.store(acc.zero)
        return acc

    def finish(self, x: Any, width: int, at: Any, stride: int, first: bool) -> None:
        """C = alpha * x + beta * C for the first block of k, C += alpha * x for the others."""
        x = x * splat(self.alpha, width)
        beta = self.p.beta if first else 1.0
        if beta != 0:  # else C may hold anything, NaN too
            old = load_vector(self.c, at, width, stride)
            x = x + (old if beta == 1 else old * splat(tirx.const(beta, DTYPES[self.p.dtype]), width))
        self.e.add(store_vector(self.c, at, width, x, stride))

    def blocks(self, k: int, size: int, body: Callable[[Any, Any], None]) -> None:
        """`body(start, size)` for blocks of k of about equal size."""
        size = ceil_div(k, ceil_div(k, size))
        if size == k:
            body(ZERO, i64(k))
            return

        def block(q: Any) -> None:
            start = self.e.bind(q * i64(size), "k0")
            left = i64(k) - start
            body(start, self.e.bind(tirx.Select(tirx.LT(left, i64(size)), left, i64(size)), "kc"))

        self.e.loop(i64(ceil_div(k, size)), block)

    def by_block(self, start: Any, body: Callable[[bool], None]) -> None:
        """`body(first)`, by whether the block of k that starts at `start` is the first."""
        if is_const(start, 0) or self.p.beta == 1:
            body(True)
        else:
            self.e.when(tirx.EQ(start, ZERO), lambda: body(True), lambda: body(False))


def even_height(rows: int, most: int) -> int:
    """Rows of a tile: as many as registers allow, fewer where that cuts the rows more evenly."""
    if rows <= most:
        return rows

    def cost(h: int) -> float:
        rest = rows % h
        return (rows // h) * (h + 0.5) + (max(rest, 4) + 0.5 if rest else 0.0)

    return min(range(most, most // 2, -1), key=cost)

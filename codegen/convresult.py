"""Where the results of a convolution go: to memory, as they are or as what elementwise ops make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arignote.codegen.convspec import minimum
from arignote.codegen.emit import Emitter, pointer_var, private_function, scalar_var
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, i64, mul
from arignote.codegen.microkernels import Vectors, store_vector, transposed
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Value
from arignote.ir.opdef import OPS


class Results:
    """The results of the kernel that `e` emits. `kernel` is the `fused` op of kind `conv` around the convolution, if
    there is one; `by_value` are its operands that are passed as scalars.

    Attributes:
        y: their memory.
        params: parameters of the kernel: its pointer, and what the elementwise ops read beside the results.
        inputs: the operands of `kernel` that the latter are, by their numbers.
        buffers: the memory behind each pointer.
    """

    def __init__(
        self, e: Emitter, conv: Op, kernel: Op | None = None, by_value: frozenset[int] = frozenset()
    ) -> None:
        self.e, self.dtype, self.kernel = e, conv.result.dtype, kernel
        self.buffers: dict[Any, Buffer] = {}
        self.params: list[Any] = []
        self.inputs: list[int] = []
        self.scalars: dict[Value, Any] = {}
        self.arrays: dict[Value, Buffer] = {}
        self.y = self._pointer("y", self.dtype)
        if kernel is None:
            return
        region = kernel.regions[0]
        self.conv, *self.ops = region.ops
        (self.out,) = region.yields
        read = {v for op in self.ops for v in op.operands}
        for i, p in enumerate(region.params):
            if p not in read:
                continue
            self.inputs.append(i)
            if i in by_value:
                self.scalars[p] = scalar_var(f"a{i}", p.dtype)
                self.params.append(self.scalars[p])
            else:
                self.arrays[p] = self._pointer(f"a{i}", p.dtype)

    def _pointer(self, name: str, dtype: str) -> Buffer:
        var, buffer = pointer_var(name, dtype), Buffer(name + "_b", dtype, i64(1))
        self.params.append(var)
        self.buffers[var] = buffer
        return buffer

    def store(self, at: Any, channel: Any, width: int, x: Any, stride: int = 1, complete: bool = True) -> None:
        """`width` results of a channel, `stride` apart from element `at` on; as they are unless `complete`."""
        e = self.e
        if self.kernel is None or not complete:
            e.add(store_vector(self.y, at, width, x, stride))
            return
        cell = e.local("r", self.dtype, width)
        e.add(store_vector(cell, ZERO, width, x))

        def element(v: Any) -> None:
            known = {**self.scalars, self.conv.result: e.bind(cell.load(v), "x")}
            for u, array in self.arrays.items():
                known[u] = e.bind(array.load(ZERO if u.type.size == 1 else channel), "x")
            for op in self.ops:
                known[op.result] = self._compute(op, [known[u] for u in op.operands])
            e.add(self.y.store(add(at, mul(v, i64(stride))), known[self.out]))

        e.loop(i64(width), element, tirx.ForKind.VECTORIZED if width > 1 else tirx.ForKind.SERIAL)

    def _compute(self, op: Op, xs: list[Any]) -> Any:
        if op.name == "const":
            return K.const(op.attrs["value"][()], op.result.dtype)
        if op.name == "broadcast":
            return xs[0]
        lower: Any = OPS[op.name].lower
        return self.e.bind(self.e.lowered(lambda: lower(K, *xs, **op.attrs)), "t")

    def store_turned(
        self, to: Any, step: int, channel: Any, channels: int, pixels: Any, load: Callable[[Any], Any], lanes: int
    ) -> None:
        """`pixels` results of some channels, each `step` elements behind the one before, of which `load` gives the
        channels of a pixel in the lanes of a vector. Squares are stored as they come, one vector of each channel: with
        runs of one channel after the other ResNet-20 took 4 % longer, and 64 filters of 56 x 56 pixels half as long
        again."""
        e = self.e

        def square(q: Any) -> None:  # the last one takes in pixels of the one before it
            p = e.bind(minimum(mul(q, i64(lanes)), add(pixels, i64(-lanes))), "p")
            turned = transposed(e, [e.bind(load(add(p, i64(t))), "x") for t in range(lanes)])

            def row(r: Any, xs: list[Any]) -> None:
                self.store(add(add(to, p), mul(r, i64(step))), add(channel, r), lanes, xs[0])

            self.each([[x] for x in turned[:channels]], lanes, row)

        e.loop(floordiv(add(pixels, i64(lanes - 1)), i64(lanes)), square)

    def each(self, rows: Sequence[Sequence[Any]], lanes: int, body: Callable[[Any, list[Any]], None]) -> None:
        """`body(number, vectors)` for rows of vectors. With elementwise ops they are put down and taken up by a loop,
        as the code for all of them would be long."""
        e = self.e
        if self.kernel is None or len(rows) == 1:
            for r, xs in enumerate(rows):
                body(i64(r), list(xs))
            return
        count = len(rows[0])
        lines = Vectors(e, self.dtype, len(rows) * count, lanes)
        for i, x in enumerate(x for xs in rows for x in xs):
            lines.store(x, i64(i))

        def row(r: Any) -> None:
            body(r, [e.bind(lines.load(add(mul(r, i64(count)), i64(u))), "x") for u in range(count)])

        e.loop(i64(len(rows)), row)

    def function(self, others: dict[Any, Buffer], n: Any, *more: Any) -> Any:
        """The kernel: pointers to source, filters and, where there are any, packed filters are in `others`."""
        source, filters, *packed = others
        params = [source, filters, *self.params, *packed, n, *more]
        return private_function(params, {**others, **self.buffers}, self.e.stmts)

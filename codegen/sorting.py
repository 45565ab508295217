"""Sorting: of short rows by insertion, of longer ones by a network of vectors, of long ones by radix.

Elements become unsigned words that are ordered as they are. Positions travel with the words: in the lower half of one
word of 64 bits where the element has up to 32, beside it otherwise, so rows have up to 2**32 elements. A radix sort
takes some bits of these after the other, the least significant first, in two arrays of workspace; it is stable, has no
branches that depend on data, and skips the bits that are equal in all elements, as the upper ones of small integers
are. Its cost per element does not depend on the length of a row; that of a network, which needs no workspace, is lower
in the rows that fit the first-level cache (docs/adr/0011). Words in which positions are included differ, so a network
sorts them as if it were stable.

After D. E. Knuth, The Art of Computer Programming, volume 3, sections 5.2.1, 5.2.5 and 5.3.4; the order of floats by
their bits after M. Herf, Radix Tricks (2001).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, floordiv, floormod, i64, is_const
from arignote.codegen.scalar import K
from arignote.codegen.sortnet import Network
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.ops.sort import SHORT_ROW
from arignote.ir.types import is_float, prod_dims

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

INFINITY = {16: 0x7C00, 32: 0x7F800000, 64: 0x7FF0000000000000}
NETWORK_BYTES = 32 * 1024  # of the words of a row that a network sorts
PARALLEL_SIZE = 4096  # elements below which a second thread costs more than it brings

Record = tuple[Any, ...]


def _ones(bits: int) -> int:
    return (1 << bits) - 1


def is_network_word(parts: list[str]) -> bool:
    """Whether records are single words that vectors compare: shorter ones take few passes of a radix sort."""
    return parts in (["u32"], ["u64"])


class _Order:
    """The words of a dtype that are ordered as its elements are."""

    def __init__(self, dtype: str, itemsize: int) -> None:
        self.dtype, self.bits = dtype, 8 * itemsize
        self.word = f"u{self.bits}"
        self.top = self._const(1 << (self.bits - 1))

    def _const(self, value: int) -> Any:
        return tirx.const(value, "u" + f"int{self.bits}")

    def encode(self, x: Any, positions: bool) -> Any:
        """The word of an element. All NaNs are one, the last; zeros of both signs are one where their `positions` are
        sorted."""
        if self.dtype == "bool":
            return K.cast(x, "u8")
        if self.dtype.startswith("u"):
            return x
        word = tirx.reinterpret(f"uint{self.bits}", x)
        if not is_float(self.dtype):
            return tirx.bitwise_xor(word, self.top)
        negative = tirx.GE(word, self.top)
        key = tirx.Select(negative, tirx.bitwise_not(word), tirx.bitwise_or(word, self.top))
        if positions:
            key = tirx.Select(tirx.EQ(word, self.top), self.top, key)
        magnitude = tirx.bitwise_and(word, self._const(_ones(self.bits - 1)))
        nan = tirx.GT(magnitude, self._const(INFINITY[self.bits]))
        return tirx.Select(nan, self._const(_ones(self.bits)), key)

    def decode(self, word: Any) -> Any:
        """The element of a word."""
        if self.dtype == "bool":
            return tirx.NE(word, self._const(0))
        if self.dtype.startswith("u"):
            return word
        if is_float(self.dtype):
            word = tirx.Select(
                tirx.GE(word, self.top), tirx.bitwise_xor(word, self.top), tirx.bitwise_not(word)
            )
            return tirx.reinterpret(f"float{self.bits}", word)
        return tirx.reinterpret(f"int{self.bits}", tirx.bitwise_xor(word, self.top))


class _Sorter:
    """A private function that sorts the rows of an array, of elements `inner` apart, or their positions."""

    def __init__(self, dtype: str, itemsize: int, positions: bool, short: bool, target: Target) -> None:
        threads = target.threads
        self.order, self.positions, self.threads = _Order(dtype, itemsize), positions, threads
        self.e = Emitter()
        self.short = short
        bits = self.order.bits
        #: dtypes of a record's parts, and the lowest bit of the first one that is sorted by
        self.parts, self.low = [self.order.word], 0
        if positions:
            self.parts, self.low = (["u64"], 32) if bits < 64 else (["u64", "u32"], 0)
        self.digit_bits = 8 if bits <= 16 else 11
        self.radix_size, self.digits = 1 << self.digit_bits, -(-bits // self.digit_bits)
        #: words of a vector of the network, where records are words that it takes
        self.lanes = target.vector_bytes * 8 // int(self.parts[0][1:]) if is_network_word(self.parts) else 0
        self.network_row = NETWORK_BYTES * 8 // int(self.parts[0][1:]) if self.lanes >= 4 else 0
        result = "i64" if positions else dtype
        self.pointers = [pointer_var("x", dtype), pointer_var("o", result)]
        self.x, self.out = Buffer("x_b", dtype, i64(1)), Buffer("o_b", result, i64(1))
        self.space: list[Buffer] = []
        if not short:
            self.pointers += [pointer_var(f"w{i}", d) for i, d in enumerate(self.parts)]
            self.space = [Buffer(f"w{i}_b", d, i64(1)) for i, d in enumerate(self.parts)]
        self.outer, self.n, self.inner = (tirx.Var(name, "int64") for name in ("outer", "n", "inner"))

    # -- records ----------------------------------------------------------------------------------------------------

    def record(self, j: Any, at: Any) -> Record:
        """What is sorted for element j, which lies at `at`."""
        key = self.e.bind(self.order.encode(self.x.load(at), self.positions), "key")
        if not self.positions:
            return (key,)
        position = K.cast(j, "u32")
        if len(self.parts) == 2:
            return key, position
        wide = tirx.shift_left(K.cast(key, "u64"), tirx.const(32, "uint64"))
        return (self.e.bind(tirx.bitwise_or(wide, K.cast(position, "u64")), "rec"),)

    def finish(self, record: Record, at: Any) -> None:
        """Write a record's element or position to `at`."""
        if not self.positions:
            value = self.order.decode(record[0])
        elif len(self.parts) == 2:
            value = K.cast(record[1], "i64")
        else:
            value = K.cast(tirx.bitwise_and(record[0], tirx.const(_ones(32), "uint64")), "i64")
        self.e.add(self.out.store(at, value))

    def load(self, buffers: list[Buffer], i: Any) -> Record:
        return tuple(self.e.bind(b.load(i), "r") for b in buffers)

    def store(self, buffers: list[Buffer], i: Any, record: Record) -> None:
        for b, part in zip(buffers, record, strict=True):
            self.e.add(b.store(i, part))

    def digit(self, record: Record, shift: Any) -> Any:
        """A digit of what is sorted by, as an index."""
        word = tirx.shift_right(record[0], shift) if not is_const(shift, 0) else record[0]
        return self.e.bind(K.cast(tirx.bitwise_and(word, tirx.const(self.radix_size - 1, word.ty)), "i64"), "d")

    # -- rows -------------------------------------------------------------------------------------------------------

    def build(self) -> Any:
        e = self.e
        rows = e.bind(self.outer * self.inner, "rows")

        def sort_row(r: Any) -> None:
            start = e.bind(floordiv(r, self.inner) * self.n * self.inner + floormod(r, self.inner), "start")

            def place(j: Any) -> Any:
                return start + j * self.inner

            if self.short:
                self.insertion(place)
            else:
                e.when(
                    tirx.LE(self.n, i64(SHORT_ROW)),
                    lambda: self.insertion(place),
                    lambda: self.longer(place, r),
                )

        def prologue() -> None:
            self.few = [e.local("few", d, SHORT_ROW + 1) for d in self.parts]
            self.cell = e.local("cell", "i64", 1)
            if not self.short:
                self.counts = e.local("counts", "i64", self.radix_size * self.digits)
                if self.network_row:
                    self.memory = e.local("memory", self.parts[0], self.network_row)

        if self.threads == 1:
            e.tasks(rows, 1, sort_row, prologue)
        else:
            large = tirx.GT(rows * self.n, i64(PARALLEL_SIZE))
            e.when(
                tirx.And(large, tirx.GT(rows, i64(1))),
                lambda: e.tasks(rows, self.threads, sort_row, prologue),
                lambda: e.tasks(rows, 1, sort_row, prologue),
            )
        buffers = dict(zip(self.pointers, [self.x, self.out, *self.space], strict=True))
        return private_function([*self.pointers, self.outer, self.n, self.inner], buffers, e.stmts)

    def insertion(self, place: Any) -> None:
        """Each element moves before the larger ones; element 0 of `few` is smaller than all and ends the search."""
        e, few, hole = self.e, self.few, self.cell
        e.add(few[0].store(ZERO, tirx.const(0, few[0].var.dtype)))

        def insert(j: Any) -> None:
            record = self.record(j, place(j))
            e.add(hole.store(ZERO, j))
            with e.nested() as stmts:
                at = e.bind(hole.load(ZERO), "at")
                self.store(few, at + i64(1), self.load(few, at))
                e.add(hole.store(ZERO, at - i64(1)))
            e.add(tirx.While(tirx.GT(few[0].load(hole.load(ZERO)), record[0]), tirx.SeqStmt(stmts)))
            self.store(few, hole.load(ZERO) + i64(1), record)

        e.loop(self.n, insert)
        e.loop(self.n, lambda j: self.finish(self.load(few, j + i64(1)), place(j)))

    def longer(self, place: Any, r: Any) -> None:
        e = self.e

        def radix() -> None:
            self.radix(place, e.bind(r * self.n * i64(2), "base"))

        if not self.network_row:
            radix()
        else:
            start = place(ZERO)
            small, dense = tirx.LE(self.n, i64(self.network_row)), tirx.EQ(self.inner, i64(1))

            def vectors(body: Callable[[Any, Any], None]) -> None:
                e.vectors(self.n, self.lanes, lambda j, slot, width: body(j, start + j), overlap=True)

            def elements(body: Callable[[Any, Any], None]) -> None:
                e.loop(self.n, lambda j: body(j, place(j)))

            def network() -> None:
                self.network(lambda body: e.when(dense, lambda: vectors(body), lambda: elements(body)))

            e.when(small, network, radix)

    def network(self, each: Callable[[Callable[[Any, Any], None]], None]) -> None:
        """Through vectors in scratch memory, the last of which are filled up with the largest word; `each(body)` is
        `body(j, at)` for the elements j that lie at `at`."""
        e, memory = self.e, self.memory
        square = i64(self.lanes * self.lanes)
        whole = e.bind(floordiv(self.n + square - i64(1), square) * square, "whole")
        largest = tirx.const(_ones(int(self.parts[0][1:])), memory.var.dtype)
        each(lambda j, at: e.add(memory.store(j, self.record(j, at)[0])))
        e.loop(whole - self.n, lambda j: e.add(memory.store(self.n + j, largest)))
        Network(e, memory, self.lanes).sort(e.bind(floordiv(whole, i64(self.lanes)), "vectors"))
        each(lambda j, at: self.finish((e.bind(memory.load(j), "r"),), at))

    def radix(self, place: Any, base: Any) -> None:
        e, space, counts, current = self.e, self.space, self.counts, self.cell
        e.loop(i64(self.radix_size * self.digits), lambda i: e.add(counts.store(i, ZERO)))

        def read(j: Any) -> None:
            record = self.record(j, place(j))
            self.store(space, base + j, record)
            for b in range(self.digits):
                shift = tirx.const(self.low + self.digit_bits * b, record[0].ty)
                slot = e.bind(self.digit(record, shift) + i64(self.radix_size * b), "slot")
                e.add(counts.store(slot, counts.load(slot) + i64(1)))

        e.loop(self.n, read)
        e.add(current.store(ZERO, base))

        def one_digit(b: Any) -> None:
            shift = e.bind(K.cast(b * i64(self.digit_bits) + i64(self.low), self.parts[0]), "shift")
            row = e.bind(b * i64(self.radix_size), "row")
            source = e.bind(current.load(ZERO), "source")
            first = e.bind(self.digit(self.load(space, source), shift) + row, "first")

            def scatter() -> None:
                target = e.bind(base + base + self.n - source, "target")
                total = e.local("total", "i64", 1)
                e.add(total.store(ZERO, target))

                def begin(i: Any) -> None:
                    count = e.bind(counts.load(row + i), "count")
                    e.add(counts.store(row + i, total.load(ZERO)))
                    e.add(total.store(ZERO, total.load(ZERO) + count))

                e.loop(i64(self.radix_size), begin)

                def move(j: Any) -> None:
                    record = self.load(space, source + j)
                    slot = e.bind(self.digit(record, shift) + row, "slot")
                    to = e.bind(counts.load(slot), "to")
                    self.store(space, to, record)
                    e.add(counts.store(slot, to + i64(1)))

                e.loop(self.n, move)
                e.add(current.store(ZERO, target))

            e.when(tirx.LT(counts.load(first), self.n), scatter)

        e.loop(i64(self.digits), one_digit)
        done = e.bind(current.load(ZERO), "done")
        e.loop(self.n, lambda j: self.finish(self.load(space, done + j), place(j)))


def sort_rows(host: HostEmitter, op: Op) -> None:
    """`sort` and `argsort`."""
    (x,) = op.operands
    axis: int = op.attrs["axis"]
    space = host.workspace(op)
    key = f"{op.name} {x.dtype} {bool(space)}"
    if key not in host.known:
        func = _Sorter(x.dtype, x.type.itemsize, op.name == "argsort", not space, host.target).build()
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}", func), None)
    pointers = [host.pointer(x), host.pointer(op.result), *space]
    outer, inner = prod_dims(x.shape[:axis]), prod_dims(x.shape[axis + 1 :])
    sizes = [host.dim(d) for d in (outer, x.shape[axis], inner)]
    host.invoke(host.known[key][0], [*(p.address() for p in pointers), *sizes])

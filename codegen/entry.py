"""How compiled code begins: the values of a call, and the look at the arrays that it was given.

`main(arguments, results, table)` is a packed function of TVM's: it takes an array of tagged values of 16 bytes. TVM
would unpack each by code of its own; ours is a loop, whatever their number (`table.py` says what is looked at).
TVM lets functions return 0 only: the status code of a call is its result, written to memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.codegen import abi as codes
from arignote.codegen import table
from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import ZERO, Buffer, as_stmt, i64
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx, tvm_ir
from arignote.ir.types import is_float

#: Tags of values, by which tvm_ffi tells numbers apart.
INT, FLOAT = 1, 3
#: What TVM calls an entry, and a function that needs no wrapper.
SYMBOL, PACKED = "__tvm_ffi_main", 1
#: The field of TVM's tensor struct that comes first: its data pointer.
FIRST_FIELD = 1
LOW_HALF = 0xFFFFFFFF


def pointer_at(words: Buffer, index: Any) -> Any:
    """The pointer that lies at a word of memory."""
    return tirx.tvm_struct_get(tirx.address_of(words.load(index)), 0, FIRST_FIELD, "handle")


def view(e: Emitter, name: str, dtype: str, data: Any) -> Buffer:
    """Memory of unknown size behind a pointer."""
    buffer = Buffer(name, dtype, i64(1))
    e.add(tirx.DeclBuffer(buffer.var, data=data))
    return buffer


def through(e: Emitter, name: str, words: Buffer, index: Any) -> Buffer:
    """The words that the pointer at `index` points to."""
    e.names += 1
    pointer = tirx.Var(f"{name}{e.names}_at", "handle")
    e.add(tirx.Bind(pointer, pointer_at(words, index)))
    return view(e, f"{name}{e.names}", "i64", pointer)


class Call:
    """A call from the side of `main`: the values, the table behind them, and the result."""

    def __init__(self, e: Emitter) -> None:
        self.e = e
        names = {"self": "handle", "values": "handle", "number": "int32", "result": "handle"}
        self.params = [tirx.Var(name, kind) for name, kind in names.items()]
        _, self.data, self.number, result = self.params
        self.values = view(e, "values_words", "i64", self.data)
        self.result = view(e, "result_words", "i64", result)
        e.add(self.result.store(ZERO, i64(INT)))

    def begin(self, count: int, tensors: int, check: Any) -> None:
        """Read the table, the last of `count` values, and look at the arrays by the function `check`."""
        e = self.e
        tag = tirx.bitwise_and(self.values.load(i64(2 * count - 2)), i64(LOW_HALF))
        sound = tirx.And(tirx.EQ(self.number, tirx.const(count, "int32")), tirx.EQ(tag, i64(INT)))
        e.when(tirx.Not(sound), lambda: self.end(codes.WRONG_CALL))
        self.table = through(e, "table", self.values, i64(2 * count - 1))
        if tensors:
            args = [self.data, self.table.var.data, self.result.var.data]
            e.add(tirx.Evaluate(tvm_ir.Call(check, args, ret_ty=tvm_ir.PrimType("int32"))))
            e.when(tirx.NE(self.result.load(i64(1)), i64(codes.OK)), self._leave)

    def end(self, code: int) -> None:
        """Return a status code."""
        self.e.add(self.result.store(i64(1), i64(code)))
        self._leave()

    def _leave(self) -> None:
        self.e.add(tirx.Return(tirx.const(0, "int32")))

    def pointer(self, name: str, word: Any) -> Any:
        """A pointer that the table holds, as a variable."""
        var = tirx.Var(name, "handle")
        self.e.add(tirx.Bind(var, pointer_at(self.table, word)))
        return var

    def scalar(self, name: str, position: int, dtype: str, refuse: Callable[[], None]) -> Any:
        """A number of the call. Calls `refuse` where it is none, or a fraction for a whole number."""
        e, payload = self.e, i64(2 * position + 1)
        tag = e.bind(tirx.bitwise_and(self.values.load(i64(2 * position)), i64(LOW_HALF)), name, chained=True)
        highest = FLOAT if is_float(dtype) else FLOAT - 1
        e.when(tirx.Or(tirx.LT(tag, i64(INT)), tirx.GT(tag, i64(highest))), refuse)
        whole = self.values.load(payload)
        if not is_float(dtype):
            return e.bind(K.cast(whole, dtype), name, chained=True)
        numbers = view(e, f"{name}_float", "f64", self.data)
        value = tirx.Select(tirx.EQ(tag, i64(FLOAT)), numbers.load(payload), tirx.Cast("float64", whole))
        return e.bind(K.cast(value, dtype), name, chained=True)

    def dims(self, number: int) -> Buffer:
        """The dimensions of tensor `number`."""
        array = through(self.e, "array", self.table, i64(table.HEAD + number))
        return through(self.e, "dims", array, i64(table.DIMS))


def check_function(count: int) -> Any:
    """`check(values, table, result)`: OK as the result, or BAD_ARRAY and the number of the first array that is not as
    it must be."""
    e = Emitter()
    params = [tirx.Var(name, "handle") for name in ("values", "table", "result")]
    values, words, result = (view(e, f"{p.name}_words", "i64", p) for p in params)
    status = through(e, "status", words, i64(table.STATUS))
    row = e.local("row", "i64", 1)
    e.add(row.store(ZERO, i64(table.HEAD + 2 * count)))
    done = tirx.Return(tirx.const(0, "int32"))

    def one(k: Any) -> None:
        def refuse() -> None:
            e.add(status.store(i64(1), k))
            e.add(result.store(i64(1), i64(codes.BAD_ARRAY)))
            e.add(done)

        at = e.bind(row.load(ZERO), "at", chained=True)
        argument = e.bind(words.load(at), "argument", chained=True)

        def given() -> None:
            tag = tirx.bitwise_and(values.load(argument * i64(2)), i64(LOW_HALF))
            e.when(tirx.NE(tag, i64(INT)), refuse)
            e.add(words.store(i64(table.HEAD) + k, values.load(argument * i64(2) + i64(1))))

        e.when(tirx.GE(argument, ZERO), given)
        array = through(e, "array", words, i64(table.HEAD) + k)
        data = e.bind(array.load(i64(table.DATA)), "data", chained=True)
        rank = e.bind(tirx.bitwise_and(array.load(i64(table.RANK)), i64(LOW_HALF)), "rank", chained=True)
        flags = words.load(at + i64(2))
        wrong = tirx.NE(array.load(i64(table.DTYPE)), words.load(at + i64(1)))
        wrong = tirx.Or(wrong, tirx.NE(tirx.bitwise_and(array.load(i64(table.FLAGS)), flags), flags))
        wrong = tirx.Or(wrong, tirx.NE(tirx.bitwise_and(data, words.load(at + i64(3))), ZERO))
        wrong = tirx.Or(wrong, tirx.NE(rank, words.load(at + i64(4))))
        e.when(wrong, refuse)
        dims = through(e, "dims", array, i64(table.DIMS))

        def axis(a: Any) -> None:
            want = e.bind(words.load(at + i64(table.ROW) + a), "want", chained=True)
            e.when(tirx.And(tirx.GE(want, ZERO), tirx.NE(dims.load(a), want)), refuse)

        e.loop(rank, axis)
        e.add(words.store(i64(table.HEAD + count) + k, data))
        e.add(row.store(ZERO, at + i64(table.ROW) + rank))

    e.loop(i64(count), one)
    e.add(result.store(i64(1), i64(codes.OK)))
    e.add(done)
    return tirx.PrimFunc(params, as_stmt(e.stmts), tvm_ir.PrimType("int32"))


def main_function(call: Call) -> Any:
    """The function of all that was emitted."""
    call.end(codes.OK)
    main = tirx.PrimFunc(call.params, as_stmt(call.e.stmts), tvm_ir.PrimType("int32"))
    return main.with_attrs({"global_symbol": SYMBOL, "calling_conv": PACKED})

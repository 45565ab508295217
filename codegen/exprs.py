"""Index arithmetic, flat memory and statements: what all emitted code is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arignote.codegen.toolchain import tirx, tvm_ir
from arignote.ir.types import DTYPES, Dim, DimLike

ZERO = tirx.const(0, "int64")


def i64(value: int) -> Any:
    """An int64 constant."""
    return ZERO if value == 0 else tirx.const(value, "int64")


def storage_dtype(dtype: str) -> str:
    """The dtype of memory that holds an IR dtype: booleans are bytes."""
    return "int8" if dtype == "bool" else DTYPES[dtype]


def dim_expr(dim: DimLike, env: Mapping[str, Any]) -> Any:
    """A dimension as an int64 expression over the variables in `env`."""
    if not isinstance(dim, Dim):
        return i64(dim)
    total: Any = None
    for monomial, coefficient in dim.terms:
        term: Any = None
        for symbol, power in monomial:
            for _ in range(power):
                term = env[symbol] if term is None else term * env[symbol]
        if term is None:
            term = i64(coefficient)
        elif coefficient != 1:
            term = term * i64(coefficient)
        total = term if total is None else total + term
    return total


def is_const(x: Any, value: int | None = None) -> bool:
    """Whether an expression is an integer constant (of that value)."""
    return isinstance(x, tirx.IntImm) and (value is None or int(x.value) == value)


def alloc(buffer: Any) -> Any:
    """A statement that gives a buffer memory on the stack, however large: TVM would ask its runtime for larger ones."""
    return tirx.AllocBuffer(buffer, {"disable_lower_builtin": tirx.const(True, "bool")})


def is_load(x: Any) -> bool:
    return isinstance(x, tvm_ir.expr.TensorLoad)


def add(a: Any, b: Any) -> Any:
    """a + b without adding zero."""
    return b if is_const(a, 0) else a if is_const(b, 0) else a + b


def mul(a: Any, b: Any) -> Any:
    """a * b without multiplying by zero or one."""
    if is_const(a, 0) or is_const(b, 0):
        return ZERO
    return b if is_const(a, 1) else a if is_const(b, 1) else a * b


def floordiv(a: Any, b: Any) -> Any:
    """The quotient of non-negative integers."""
    if is_const(a) and is_const(b):
        return i64(int(a.value) // int(b.value))
    return a if is_const(b, 1) else tirx.truncdiv(a, b)


def floormod(a: Any, b: Any) -> Any:
    """The remainder of non-negative integers."""
    if is_const(a) and is_const(b):
        return i64(int(a.value) % int(b.value))
    return ZERO if is_const(b, 1) else tirx.truncmod(a, b)


def linear_index(idx: Sequence[Any], shape: Sequence[Any]) -> Any:
    """The flat position of `idx` in a C-contiguous array; `shape` holds int64 expressions."""
    out: Any = ZERO
    for i, d in zip(idx, shape, strict=True):
        out = add(mul(out, d), i)
    return out


class Buffer:
    """Flat memory of one dtype: loads and stores by an int64 index; booleans are kept as bytes."""

    def __init__(self, name: str, dtype: str, size: Any, scope: str = "") -> None:
        self.dtype = dtype
        self.var = tirx.decl_buffer((size,), storage_dtype(dtype), name=name, scope=scope)

    def load(self, index: Any) -> Any:
        """The element at `index`."""
        value = tirx.BufferLoad(self.var, [index])
        return tirx.NE(value, tirx.const(0, "int8")) if self.dtype == "bool" else value

    def store(self, index: Any, value: Any) -> Any:
        """A statement that writes `value`."""
        if self.dtype == "bool":
            value = tirx.Select(value, tirx.const(1, "int8"), tirx.const(0, "int8"))
        return tirx.BufferStore(self.var, value, [index])


def as_stmt(stmts: Sequence[Any]) -> Any:
    """Statements as one."""
    return stmts[0] if len(stmts) == 1 else tirx.SeqStmt(list(stmts) or [tirx.Evaluate(tirx.const(0, "int32"))])

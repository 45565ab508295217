"""Calls of LAPACK, which comes with OpenBLAS.

LAPACK counts along columns, so that a row-major matrix is its transpose. Each lowering is chosen so that this costs
nothing: the LQ factors of the transpose are the QR factors of the matrix, its left singular vectors the right ones, and
triangular systems are solved by CBLAS, which takes rows. Only eigenvectors are transposed. Called are the `_work`
functions of LAPACKE in column order: these take numbers by value and pass straight on to LAPACK.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.codegen import abi as codes
from arignote.codegen.emit import Pointer
from arignote.codegen.exprs import ZERO, Buffer, add, i64, is_const, mul
from arignote.codegen.library import copy_memory, int32, leading, product
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.placement import scratch_types
from arignote.ir.types import DTYPES

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

LETTER = {"f32": "s", "f64": "d"}
COLUMNS = 102
ROW_MAJOR, LEFT = 101, 141
UPPER, LOWER = 121, 122
AS_IS, TRANSPOSED = 111, 112
STORED, ONES = 131, 132


def _call(host: HostEmitter, name: str, dtype: str, *args: Any) -> Any:
    """LAPACK's `info`, from a call in column order; letters stand for characters."""
    given = [ord(a) if isinstance(a, str) else a for a in args]
    symbol = f"scipy_LAPACKE_{LETTER[dtype]}{name}_work"
    return host.bind(tirx.call_extern("int32", symbol, COLUMNS, *given), "info")


def _refuse(host: HostEmitter, op: Op, bad: Any, info: Any) -> None:
    """Return REFUSED from `main` where `bad`."""
    number = i64(host.refusal_ids[op])
    host.when(bad, lambda: host.fail(codes.REFUSED, number, info))


def _check(host: HostEmitter, op: Op, info: Any) -> None:
    _refuse(host, op, tirx.NE(info, tirx.const(0, "int32")), tirx.Cast("int64", info))


def _order(host: HostEmitter, op: Op) -> Any:
    """The order of the first operand, which is square: a guard compared what types do not tell."""
    return host.dim(op.operands[0].shape[0])


def _counts(host: HostEmitter, op: Op) -> list[Any]:
    """How many elements each part of the workspace has."""
    return [int32(host.dim(t.size)) for t in scratch_types(op)]


class Matrix:
    """A row-major matrix in memory: elements by row and column."""

    def __init__(self, pointer: Pointer, columns: Any) -> None:
        self.buffer: Buffer = pointer.buffer
        self.offset, self.columns = pointer.offset, columns

    def _at(self, i: Any, j: Any) -> Any:
        return add(self.offset, add(mul(i, self.columns), j))

    def __call__(self, i: Any, j: Any) -> Any:
        """The element."""
        return self.buffer.load(self._at(i, j))

    def put(self, i: Any, j: Any, value: Any) -> Any:
        """A statement that writes the element."""
        return self.buffer.store(self._at(i, j), value)


def _nest(host: HostEmitter, rows: Any, columns: Callable[[Any], Any], body: Callable[[Any, Any], None]) -> None:
    """`body(i, j)` for every row i and the first columns(i) columns j."""
    host.loop(rows, lambda i: host.loop(columns(i), lambda j: body(i, j)))


def _exchange(host: HostEmitter, x: Matrix, dtype: str) -> Callable[[Any, Any, Any, Any], None]:
    """A function that exchanges two elements."""
    cell = host.local("kept", dtype, 1)

    def exchange(i: Any, j: Any, p: Any, q: Any) -> None:
        host.add(cell.store(ZERO, x(i, j)))
        host.add(x.put(i, j, x(p, q)))
        host.add(x.put(p, q, cell.load(ZERO)))

    return exchange


def _triangle(host: HostEmitter, target: Matrix, source: Matrix, n: Any, dtype: str) -> None:
    """The lower triangle, with zeros above it."""
    zero = K.const(0, dtype)

    def line(i: Any) -> None:
        host.loop(i + i64(1), lambda j: host.add(target.put(i, j, source(i, j))))
        host.loop(n - i - i64(1), lambda j: host.add(target.put(i, j, zero)), start=i + i64(1))

    host.loop(n, line)


# ---------------------------------------------------------------- triangles and LU
def _cholesky(host: HostEmitter, op: Op) -> None:
    a, out = op.operands[0], op.result
    n, dtype = _order(host, op), out.dtype
    source, target = Matrix(host.pointer(a), n), Matrix(host.pointer(out), n)
    _triangle(host, target, source, n, dtype)
    info = _call(host, "potrf", dtype, "U", int32(n), host.pointer(out).address(), int32(leading(n)))
    if op.attrs.get("strict", True):
        _check(host, op, info)
        return
    nan = K.const(float("nan"), dtype)
    failed = tirx.NE(info, tirx.const(0, "int32"))
    host.when(failed, lambda: _nest(host, n, lambda i: n, lambda i, j: host.add(target.put(i, j, nan))))


def _no_zero_on_diagonal(host: HostEmitter, op: Op, n: Any) -> None:
    """Refuse a triangular operand that is singular."""
    a = op.operands[0]
    x, found = Matrix(host.pointer(a), n), host.local("zeros", "i64", 1)
    host.add(found.store(ZERO, ZERO))

    def look(i: Any) -> None:
        hit = tirx.Select(tirx.EQ(x(i, i), K.const(0, a.dtype)), i64(1), ZERO)
        host.add(found.store(ZERO, found.load(ZERO) + hit))

    host.loop(n, look)
    _refuse(host, op, tirx.GT(found.load(ZERO), ZERO), found.load(ZERO))


def _trsm(host: HostEmitter, a: Pointer, x: Pointer, n: Any, k: Any, dtype: str, *kind: int) -> None:
    """x <- op(T)^-1 x; `kind` is CBLAS's triangle, transposition and diagonal."""
    args = [ROW_MAJOR, LEFT, *kind, int32(n), int32(k), tirx.const(1.0, DTYPES[dtype])]
    places = [a.address(), int32(leading(n)), x.address(), int32(leading(k))]
    name = f"scipy_cblas_{LETTER[dtype]}trsm"
    host.add(tirx.Evaluate(tirx.call_extern("void", name, *args, *places)))


def _solve_triangular(host: HostEmitter, op: Op) -> None:
    a, b = op.operands
    n, k, out = _order(host, op), host.dim(b.shape[1]), op.result
    lower, trans, unit = (op.attrs.get(name, name == "lower") for name in ("lower", "trans", "unit"))
    if not unit:
        _no_zero_on_diagonal(host, op, n)
    copy_memory(host, host.pointer(out), host.pointer(b), b)
    kind = LOWER if lower else UPPER, TRANSPOSED if trans else AS_IS, ONES if unit else STORED
    _trsm(host, host.pointer(a), host.pointer(out), n, k, out.dtype, *kind)


def _lu(host: HostEmitter, op: Op) -> None:
    a = op.operands[0]
    f, p = op.results
    n = _order(host, op)
    factors, pivots = host.pointer(f), Matrix(host.pointer(p), ZERO)
    copy_memory(host, factors, host.pointer(a), a)
    order = int32(n)
    # A pivot that is 0 is no error here: the determinant is 0.
    _call(host, "getrf", f.dtype, order, order, factors.address(), int32(leading(n)), host.pointer(p).address())
    one = tirx.const(1, "int32")  # LAPACK counts from 1
    host.loop(n, lambda i: host.add(pivots.put(ZERO, i, pivots(ZERO, i) - one)))


def _lu_solve(host: HostEmitter, op: Op) -> None:
    f, p, b = op.operands
    n, k, out = _order(host, op), host.dim(b.shape[1]), op.result
    _no_zero_on_diagonal(host, op, n)
    factors, place = host.pointer(f), host.pointer(out)
    copy_memory(host, place, host.pointer(b), b)
    pivots = Matrix(host.pointer(p), ZERO)
    exchange = _exchange(host, Matrix(place, k), out.dtype)
    trans = op.attrs.get("trans", False)

    def step(number: Any) -> None:
        j = number if trans else n - i64(1) - number
        with_row = tirx.Cast("int64", pivots(ZERO, j))
        moved = tirx.NE(with_row, j)
        host.when(moved, lambda: host.loop(k, lambda c: exchange(j, c, with_row, c)))

    steps = [(LOWER, AS_IS, STORED), (UPPER, AS_IS, ONES)]
    if trans:
        host.loop(n, step)
        steps = [(UPPER, TRANSPOSED, ONES), (LOWER, TRANSPOSED, STORED)]
    for kind in steps:
        _trsm(host, factors, place, n, k, out.dtype, *kind)
    if not trans:
        host.loop(n, step)


# ---------------------------------------------------------------- eigenvalues and singular values
def _eigh(host: HostEmitter, op: Op) -> None:
    a, n = op.operands[0], _order(host, op)
    dtype, vectors = a.dtype, op.attrs.get("vectors", True)
    integers, work, *own = host.workspace(op)
    values, place = host.pointer(op.results[0]), own[0] if own else host.pointer(op.results[1])
    source, matrix = Matrix(host.pointer(a), n), Matrix(place, n)

    def mirror(i: Any, j: Any) -> None:
        host.add(matrix.put(i, j, source(i, j)))
        host.add(matrix.put(j, i, source(i, j)))

    _nest(host, n, lambda i: i + i64(1), mirror)
    integer_count, count, *_ = _counts(host, op)
    info = _call(
        host, "syevd", dtype, "V" if vectors else "N", "L", int32(n), place.address(), int32(leading(n)),
        values.address(), work.address(), count, integers.address(), integer_count,
    )  # fmt: skip
    _check(host, op, info)
    if vectors:
        exchange = _exchange(host, matrix, dtype)
        _nest(host, n, lambda i: i, lambda i, j: exchange(i, j, j, i))


def _check_smaller(host: HostEmitter, op: Op) -> tuple[Any, Any, Any]:
    """The sides of the first operand and the smaller one of them, checked."""
    m, n = map(host.dim, op.operands[0].shape)
    k = host.dim(op.attrs["shape"][0])
    if not all(map(is_const, (m, n, k))):
        _refuse(host, op, tirx.NE(k, tirx.Select(tirx.LT(m, n), m, n)), i64(codes.MISFIT))
    return m, n, k


def _svd(host: HostEmitter, op: Op) -> None:
    a = op.operands[0]
    dtype, vectors = a.dtype, op.attrs.get("vectors", True)
    m, n, k = _check_smaller(host, op)
    integers, work, copy = host.workspace(op)
    copy_memory(host, copy, host.pointer(a), a)
    s = host.pointer(op.results[1 if vectors else 0])
    u, vt = (host.pointer(op.results[i]) for i in (0, 2)) if vectors else (s, s)
    full = vectors and op.attrs.get("full", False)
    job = "N" if not vectors else "A" if full else "S"
    rows_u, rows_vt = (m, n) if full else (k, k)
    # Of the transpose: left and right change places.
    info = _call(
        host, "gesdd", dtype, job, int32(n), int32(m), copy.address(), int32(leading(n)), s.address(),
        vt.address(), int32(leading(n)), u.address(), int32(leading(rows_u)),
        work.address(), _counts(host, op)[1], integers.address(),
    )  # fmt: skip
    _check(host, op, info)
    if full:  # LAPACK returns at once where there is nothing
        def one(p: Pointer, size: Any) -> None:
            x = Matrix(p, size)

            def element(i: Any, j: Any) -> None:
                host.add(x.put(i, j, tirx.Select(tirx.EQ(i, j), K.const(1, dtype), K.const(0, dtype))))

            _nest(host, size, lambda i: size, element)

        def ones() -> None:
            one(u, rows_u)
            one(vt, rows_vt)

        if not is_const(k) or is_const(k, 0):
            host.when(tirx.EQ(k, ZERO), ones)


# ---------------------------------------------------------------- QR
def _qr(host: HostEmitter, op: Op) -> None:
    a, mode = op.operands[0], op.attrs.get("mode", "reduced")
    dtype = a.dtype
    m, n, k = _check_smaller(host, op)
    copy, tau, work = host.workspace(op)
    count = _counts(host, op)[2]
    copy_memory(host, copy, host.pointer(a), a)
    info = _call(
        host, "gelqf", dtype, int32(n), int32(m), copy.address(), int32(leading(n)), tau.address(),
        work.address(), count,
    )  # fmt: skip
    _check(host, op, info)
    factors, r = Matrix(copy, n), Matrix(host.pointer(op.results[-1]), n)
    zero = K.const(0, dtype)

    def upper(i: Any, j: Any) -> None:
        host.add(r.put(i, j, tirx.Select(tirx.LE(i, j), factors(i, j), zero)))

    _nest(host, m if mode == "complete" else k, lambda i: n, upper)
    if mode == "r":
        return
    columns = m if mode == "complete" else k
    place = host.pointer(op.results[0])
    q = Matrix(place, columns)
    _nest(host, m, lambda i: k, lambda i, j: host.add(q.put(i, j, factors(i, j))))
    info = _call(
        host, "orglq", dtype, int32(columns), int32(m), int32(k), place.address(), int32(leading(columns)),
        tau.address(), work.address(), count,
    )  # fmt: skip
    _check(host, op, info)


# ---------------------------------------------------------------- powers
def _repeated_square(host: HostEmitter, op: Op) -> None:
    a, times = op.operands
    n, out = _order(host, op), op.result
    place, (other,) = host.pointer(out), host.workspace(op)
    copy_memory(host, place, host.pointer(a), a)

    def step(_: Any) -> None:
        product(host, out.dtype, (n, n, n), place, place, other)
        copy_memory(host, place, other, out)

    host.loop(K.cast(host.scalar(times), "i64"), step)


Lowering = Callable[["HostEmitter", Op], None]
ROUTINES: dict[str, Lowering] = {
    "cholesky": _cholesky, "solve_triangular": _solve_triangular, "lu": _lu, "lu_solve": _lu_solve, "eigh": _eigh,
    "svd": _svd, "qr": _qr, "repeated_square": _repeated_square,
}  # fmt: skip

"""The call contract between compiled code and Python, derived from the planned function alone.

`main(params..., results..., table) -> code`: scalars travel by value, arrays by the address of NumPy's array object,
and the table (`table.py`) holds shared variables, constants, the workspace and `status`, which has eight int64 or more.
Compiled code checks dtype, shape, contiguity and alignment. Nothing here needs TVM, so a cached artefact is called
without importing the compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from arignote.ir.bound import bound_symbols
from arignote.ir.core import Func, Op, Value, every_op
from arignote.ir.diag import AssertionFailed, Diagnostic, IRError, LinAlgError, Loc
from arignote.ir.opdef import has_trait
from arignote.ir.placement import host_scalars, late_results
from arignote.ir.types import Dim, DimLike, TensorType

OK, GROW_ARENA, BAD_INDEX, GUARD_FAILED, RESULT_SHAPE, BAD_ARRAY, BAD_SCALAR, WRONG_CALL, REFUSED = range(9)
STATUS_WORDS = 8


@dataclass(frozen=True)
class Check:
    """A run-time check: that integers lie within an axis of `size` (-size .. size-1, as negative ones count back)."""

    op: Op
    value: Value
    size: DimLike | Value
    axis: int | None
    loc: Loc | None

    def message(self, index: int, size: int) -> str:
        """What went wrong, in NumPy's words, with the user's line."""
        where = "a dimension of" if self.axis is None else f"axis {self.axis} with"
        text = f"index {index} is out of bounds for {where} size {size}"
        return text if self.loc is None else f"{text}\n  built at {self.loc.described()}"


REFUSALS = {
    "cholesky": "the matrix is not positive definite", "lu_solve": "the matrix is singular",
    "solve_triangular": "the matrix is singular", "eigh": "the eigenvalues did not converge",
    "svd": "the singular values did not converge",
}  # fmt: skip
MISFIT = -999  # the smaller dimension, which a scalar gives, is not that of the matrix


def refusal(op: Op, info: int) -> IRError:
    """The error that says why `op` took no operands such as these, with the user's line; `info` is LAPACK's number."""
    if op.name == "assert":
        return AssertionFailed(Diagnostic(op.attrs.get("message") or "an assertion does not hold", loc=op.loc))
    reason = REFUSALS.get(op.name, f"LAPACK gave up with info {info}")
    if info == MISFIT:
        reason = "the operand that gives the smaller dimension of the matrix is another number"
    return LinAlgError(Diagnostic(f"{op.name}: {reason}", loc=op.loc))


def executed(ops: Iterable[Op]) -> Iterator[Op]:
    """`ops` and those of the loops and branches among them, but not those inside of kernels."""
    for op in ops:
        yield op
        if not has_trait(op.name, "kernel"):
            for region in op.regions:
                yield from executed(region.ops)


@dataclass(frozen=True)
class Abi:
    """Types of everything that crosses the boundary, and the tables that give meaning to status codes.

    The sizes of `late` results are known when they are computed; they are no arguments of `main`, which leaves them in
    the workspace. `written` are the numbers of the states with updates.
    """

    params: tuple[TensorType, ...]
    results: tuple[TensorType, ...]
    states: tuple[tuple[str, TensorType], ...]
    constants: tuple[np.ndarray, ...]
    arena: int
    checks: tuple[Check, ...]
    guards: tuple[Op, ...]
    fresh: tuple[str, ...] = field(default=())
    fallible: tuple[Op, ...] = field(default=())
    late: tuple[int, ...] = field(default=())
    prints: tuple[Op, ...] = field(default=())
    calls: tuple[Op, ...] = field(default=())
    written: frozenset[int] = field(default=frozenset())

    @property
    def status_words(self) -> int:
        """How many int64 `status` holds: a word for each size that only the compiled code knows, and for each result
        that it leaves in the workspace."""
        return max(STATUS_WORDS, 1 + len(self.fresh) + len(self.late))

    @property
    def fresh_results(self) -> tuple[int, ...]:
        """Results whose shape only the compiled code knows."""
        return tuple(
            i for i, t in enumerate(self.results)
            if i not in self.late and any(isinstance(d, Dim) and d.symbols() & set(self.fresh) for d in t.shape)
        )  # fmt: skip


def index_checks(op: Op) -> Iterator[Check]:
    """The checks that must pass before `op` may run; for a fused op those of its region, on its operands."""
    if op.name == "fused":
        region = op.regions[0]
        outer = dict(zip(region.params, op.operands, strict=True))
        for inner in region.ops:
            for c in index_checks(inner):
                if c.value in outer:
                    yield Check(op, outer[c.value], c.size, c.axis, c.loc or op.loc)
        return
    if op.name in ("gather", "scatter"):
        first = 1 if op.name == "gather" else 2
        names = op.attrs.get("axes") or range(op.operands[0].ndim)
        for axis, index in enumerate(op.operands[first:]):
            size = op.operands[0].shape[axis]
            if not _in_range(index, size):
                yield Check(op, index, size, names[axis], op.loc)
    elif op.name in SPARSE:
        yield from _sparse_checks(op)
    elif op.name == "check_index":
        yield Check(op, op.operands[0], op.operands[1], op.attrs.get("axis"), op.loc)
    elif op.name == "check_indices" and not _in_range(op.operands[0], op.attrs["size"]):
        yield Check(op, op.operands[0], op.attrs["size"], int(op.attrs.get("axis", 0)), op.loc)


SPARSE = frozenset(("csr_rows", "csr_dot", "csr_dot_t", "csr_sampled"))


def _sparse_checks(op: Op) -> Iterator[Check]:
    """That columns are columns, and that rows begin and end among the elements."""
    first = {"csr_rows": -1, "csr_sampled": 0}.get(op.name, 1)
    elements = op.result.shape[0] if first < 0 else op.operands[first].shape[0]
    if first >= 0:
        columns = op.result.shape[0] if op.name == "csr_dot_t" else op.operands[3].shape[0]
        yield Check(op, op.operands[first], columns, 1, op.loc)
    yield Check(op, op.operands[first + 1], elements + 1, None, op.loc)


def _in_range(index: Value, size: DimLike) -> bool:
    """Whether the indices are known to be 0 .. size-1."""
    op = index.owner
    if op is None:
        return False
    if op.name == "iota":
        return bool(op.attrs["shape"][op.attrs["axis"]] == size)
    if op.name == "const" and isinstance(size, int):
        value = op.attrs["value"]
        return value.size == 0 or bool(-size <= value.min() and value.max() < size)
    return op.name in ("cast", "broadcast", "reshape") and _in_range(op.operands[0], size)


def abi_of(func: Func) -> Abi:
    """The contract of a planned function."""
    host = host_scalars(func)
    constants: list[np.ndarray] = []
    checks: list[Check] = []
    guards: list[Op] = []
    fresh: list[str] = []
    for op in executed(func.ops):
        if op.name == "const" and op.result not in host:
            constants.append(np.ascontiguousarray(op.attrs["value"]))
        checks.extend(index_checks(op))
        if op.name == "assume":
            guards.append(op)
    for op in func.ops:
        fresh.extend(name for name, _ in bound_symbols(op))
    return Abi(
        tuple(p.type for p in func.params),
        tuple(r.type for r in func.results),
        tuple((s.name, s.value.type) for s in func.states),
        tuple(constants),
        int(func.attrs.get("arena", 0)),
        tuple(checks),
        tuple(guards),
        tuple(dict.fromkeys(fresh)),
        tuple(op for op in every_op(func.ops) if has_trait(op.name, "fallible")),
        late_results(func),
        tuple(op for op in every_op(func.ops) if op.name == "print"),
        tuple(op for op in every_op(func.ops) if op.name in ("python_run", "python_take")),
        frozenset(i for i, s in enumerate(func.states) if s.update is not None),
    )

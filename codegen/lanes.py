"""Vector loops in the making, and code for the few lanes that need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arignote.codegen.exprs import ZERO, alloc, as_stmt, i64, is_load
from arignote.codegen.toolchain import tirx

if TYPE_CHECKING:
    from arignote.codegen.emit import Emitter
    from arignote.codegen.mathcore import Expr


@dataclass
class Lane:
    """A vector loop: its variable and width, what stands before it, its body, and scratch memory of one per lane."""

    var: Any
    width: int
    before: list[Any]
    body: list[Any]
    cells: set[Any]

    def loop(self) -> Any:
        """The loop around the body."""
        return tirx.For(self.var, ZERO, i64(self.width), tirx.ForKind.VECTORIZED, as_stmt(self.body))

    def differs(self, value: Any) -> bool:
        """Whether an expression has a value of its own in each lane."""
        return self.var in tirx.analysis.undefined_vars(value)

    def is_cell(self, value: Any) -> bool:
        """Whether an expression is what lies in scratch memory."""
        return is_load(value) and value.source in self.cells

    def cell(self, e: Emitter, dtype: str, name: str) -> Any:
        """Scratch memory of one element per lane."""
        e.names += 1
        out = tirx.decl_buffer((i64(self.width),), dtype, name=f"{name}{e.names}", scope=e.scratch)
        self.before.append(alloc(out))
        self.cells.add(out)
        return out


def marks(condition: Expr, true: int, false: int, like: Expr) -> Any:
    """A condition as a number as wide as the elements of `like`."""
    flag = "int64" if str(like.ty) == "float64" else "int32"
    return tirx.Select(condition, tirx.const(true, flag), tirx.const(false, flag))


def rarely(
    e: Emitter, lane: Lane, far: Any, fast: Expr, slow: Callable[..., Expr], xs: Sequence[Expr], kind: Any
) -> Any:
    """`fast`, or `slow(*xs)` in lanes whose mark `far` is not 0. TVM has no branches in vector loops: the loop ends
    here, and another one goes on. A loop over single lanes works on copies, as LLVM keeps in memory what it indexes."""
    flag, values = str(far.ty), (far, fast, *xs)
    cells = [lane.cell(e, str(x.ty), "lanes") for x in values]
    for cell, x in zip(cells, values, strict=True):
        e.add(tirx.BufferStore(cell, x, [lane.var]))

    def each(body: Callable[[Any], None], kind: Any = tirx.ForKind.VECTORIZED) -> None:
        e.loop(i64(lane.width), body, kind)

    def copy(targets: Sequence[Any], sources: Sequence[Any]) -> None:
        for target, source in zip(targets, sources, strict=True):
            each(lambda at, t=target, s=source: e.add(tirx.BufferStore(t, tirx.BufferLoad(s, [at]), [at])))  # type: ignore[misc]

    def lanes() -> None:
        flags, out, *given = copies = [tirx.decl_buffer(c.shape, c.dtype, name="one", scope=e.scratch) for c in cells]
        e.stmts += [alloc(c) for c in copies]
        copy(copies, cells)

        def one(at: Any) -> None:
            marked = tirx.NE(tirx.BufferLoad(flags, [at]), tirx.const(0, flag))
            value = slow(*(tirx.BufferLoad(x, [at]) for x in given))
            e.when(marked, lambda: e.add(tirx.BufferStore(out, value, [at])))

        each(one, tirx.ForKind.SERIAL)
        copy(cells[1:2], [out])

    def vector(at: Any) -> None:
        flags, out, *given = cells
        marked = tirx.NE(tirx.BufferLoad(flags, [at]), tirx.const(0, flag))
        value = slow(*(tirx.BufferLoad(x, [at]) for x in given))
        e.add(tirx.BufferStore(out, tirx.Select(marked, value, tirx.BufferLoad(out, [at])), [at]))

    whole = tirx.BufferLoad(cells[0], [tirx.Ramp(ZERO, i64(1), lane.width)])
    any_far = tirx.NE(tirx.call_llvm_pure_intrin(flag, "llvm.vector.reduce.or", whole), tirx.const(0, flag))
    lane.before.append(lane.loop())
    e.lane, e.stmts = None, lane.before
    e.when(any_far, lanes if kind == tirx.ForKind.SERIAL else lambda: each(vector))
    lane.body = []
    e.lane, e.stmts = lane, lane.body
    return tirx.BufferLoad(cells[1], [lane.var])

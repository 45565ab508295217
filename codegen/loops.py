"""Loops and branches of the host function: what `scan` and `ifelse` become.

A loop is a `for` around calls of kernels, whose pointers move by a row from step to step; nothing is allocated and
nothing is copied that the plan does not ask for (`arignote.passes.planloop` says how values are carried).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from arignote.codegen.abi import index_checks
from arignote.codegen.emit import Pointer
from arignote.codegen.exprs import ZERO, Buffer, add, as_stmt, i64, is_const, mul
from arignote.codegen.library import range_check
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Value
from arignote.ir.loops import Carry, Loop
from arignote.ir.placement import storage
from arignote.ir.types import TensorType

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

ALIGN = 64


@contextmanager
def scope(host: HostEmitter) -> Iterator[None]:
    """What is declared inside is forgotten afterwards: it belongs to a loop or branch."""
    kept = ("pointers", "flats", "scalars", "env", "slot_offsets")
    before = {name: getattr(host, name) for name in kept}
    end = host.end
    for name, table in before.items():
        setattr(host, name, dict(table))
    try:
        yield
    finally:
        host.end = end
        for name, table in before.items():
            setattr(host, name, table)


def copy(host: HostEmitter, target: Pointer, source: Pointer, type: TensorType) -> None:
    """Copy a tensor, unless it is there already."""
    if target.place == source.place:
        return
    count = host.dim(type.size)
    if is_const(count, 1):
        host.add(target.buffer.store(target.offset, source.buffer.load(source.offset)))
        return
    nbytes = mul(count, i64(type.itemsize))
    host.add(tirx.Evaluate(tirx.call_extern("handle", "memcpy", target.address(), source.address(), nbytes)))


def put(host: HostEmitter, target: Pointer, v: Value) -> None:
    """Copy a value, of the host or in memory, to `target`."""
    if v in host.scalars:
        host.add(target.buffer.store(target.offset, host.scalars[v]))
    else:
        copy(host, target, host.pointer(v), v.type)


# ---------------------------------------------------------------- branches
def lower_ifelse(host: HostEmitter, op: Op) -> None:
    """One of two blocks of calls."""
    results = [host.pointer(r) for r in op.results]
    outer = [(v, host.scalars.get(v)) for v in op.operands[1:]]
    for v, known in outer:
        if known is None:
            host.pointer(v)  # declared before the branches
    condition = host.scalar(op.operands[0])

    def branch(number: int) -> Callable[[], None]:
        region = op.regions[number]

        def run() -> None:
            with scope(host):
                for p, (v, known) in zip(region.params, outer, strict=True):
                    if known is None:
                        host.pointers[p] = host.pointers[v]
                    else:
                        host.scalars[p] = known
                host.inner_places.append({f"yield.{i}": r for i, r in enumerate(results)})
                host.block(region.ops)
                for r, y in zip(results, region.yields, strict=True):
                    put(host, r, y)
                host.inner_places.pop()
                host.add(tirx.Evaluate(tirx.const(0, "int32")))

        return run

    host.when(condition, branch(0), branch(1))


# ---------------------------------------------------------------- loops
class _Carried:
    """Where a carried value lies: at the beginning of a step, and the next one."""

    def __init__(self, host: HostEmitter, j: int, carry: Carry, place: str, last: Value) -> None:
        self.host, self.j, self.carry, self.last = host, j, carry, last
        self.kind, _, at = place.partition("/")
        self.size = host.dim(carry.param.type.size)
        self.cell: Buffer | None = None
        self.base: Pointer | None = None
        if self.kind == "host":
            self.cell = host.local("cell", carry.param.dtype, 1)
        elif self.kind == "last":
            self.base = host.pointer(last)
        else:
            self.base = host.workspace_at(at, carry.param.type)

    @property
    def half(self) -> Any:
        """Elements from one of two values to the other."""
        itemsize = self.carry.param.type.itemsize
        if is_const(self.size):
            return i64(-(-int(self.size.value) * itemsize // ALIGN) * ALIGN // itemsize)
        return self.size

    def _at(self, offset: Any, name: str) -> Pointer:
        assert self.base is not None
        return Pointer(self.base.buffer, add(self.base.offset, offset), f"{self.base.place}/{self.j}{name}")

    def begin(self, reverse: bool, steps: Any) -> None:
        """Put the initial value where the first step reads it."""
        if self.cell is not None:
            self.host.add(self.cell.store(ZERO, self.host.scalar(self.carry.init)))
        else:
            put(self.host, self.now(ZERO, sub1(steps) if reverse else ZERO, reverse), self.carry.init)

    def now(self, k: Any, p: Any, reverse: bool) -> Pointer:
        """The value that step `k`, at position `p`, reads."""
        if self.kind == "run":
            return self._at(mul(add(p, i64(1)) if reverse else p, self.size), "now")
        if self.kind == "twin":
            return self._at(mul(odd(k), self.half), "now")
        return self._at(ZERO, "")

    def then(self, k: Any, p: Any, reverse: bool) -> Pointer:
        """The value that step `k`, at position `p`, makes."""
        if self.kind == "run":
            return self._at(mul(p if reverse else add(p, i64(1)), self.size), "next")
        if self.kind == "twin":
            return self._at(mul(odd(add(k, i64(1))), self.half), "next")
        return self._at(ZERO, "")

    def end(self, k: Any, p: Any, reverse: bool) -> None:
        """Hand the value out after `k` steps, the next of which would be at `p`."""
        if not self.host.is_used(self.last):
            return
        if self.cell is not None:
            self.host.scalars[self.last] = self.host.bind(self.cell.load(ZERO), "last", chained=True)
            return
        target = self.host.pointer(self.last)
        if self.kind != "last":
            copy(self.host, target, self.now(k, p, reverse), self.carry.param.type)


def sub1(x: Any) -> Any:
    """x - 1."""
    return i64(int(x.value) - 1) if is_const(x) else x - i64(1)


def odd(k: Any) -> Any:
    """0 for even steps, 1 for odd ones."""
    return i64(int(k.value) % 2) if is_const(k) else tirx.bitwise_and(k, i64(1))


def lower_scan(host: HostEmitter, op: Op) -> None:
    """A loop around the calls of its body."""
    loop = Loop.read(op)
    n = len(loop.carries)
    places = op.attrs["mem"][len(op.results) :]
    steps = host.dim(loop.steps)
    stacks = [host.pointer(r) for r in op.results[n : n + len(loop.outs)]]
    carried = [
        _Carried(host, j, c, place, last)
        for j, (c, place, last) in enumerate(zip(loop.carries, places, op.results, strict=False))
    ]
    for v in loop.operands():
        if v not in host.scalars:
            host.pointer(v)  # declared before the loop
    _check_sequences(host, loop)
    for c in carried:
        c.begin(loop.reverse, steps)
    done = _stacked_zeros(host, loop, stacks, steps)

    def step(k: Any) -> None:
        p = host.bind(steps - i64(1) - k, "p") if loop.reverse else k
        with scope(host):
            _enter(host, loop, carried, k, p)
            rows = {f"row.{i}": _row(s, y, p, host) for i, (s, y) in enumerate(zip(stacks, loop.outs, strict=True))}
            rows.update((f"next.{c.j}", c.then(k, p, loop.reverse)) for c in carried if c.cell is None)
            host.inner_places.append(rows)
            host.block(loop.ops)
            for i, y in enumerate(loop.outs):
                put(host, rows[f"row.{i}"], y) if not _is_part_of_run(carried, loop, y, i, op) else None
            for c in carried:
                if c.cell is None:
                    put(host, rows[f"next.{c.j}"], c.carry.next)
            for c in carried:
                if c.cell is not None:
                    host.add(c.cell.store(ZERO, host.scalar(c.carry.next)))
            if done is not None:
                assert loop.stop is not None
                stop = K.cast(host.scalar(loop.stop), "i64")
                host.add(done[1].store(ZERO, stop))
                host.add(done[0].store(ZERO, k + i64(1)))
            host.inner_places.pop()

    if done is None:
        host.loop(steps, step)
        k = steps
    else:
        with host.nested() as stmts:
            step(host.bind(done[0].load(ZERO), "k"))
        going = tirx.And(tirx.LT(done[0].load(ZERO), steps), tirx.EQ(done[1].load(ZERO), ZERO))
        host.add(tirx.While(going, as_stmt(stmts)))
        k = host.bind(done[0].load(ZERO), "k")
        host.scalars[op.results[-1]] = k
    p = host.bind(steps - i64(1) - k, "p") if loop.reverse else k
    for c in carried:
        c.end(k, p, loop.reverse)


def _is_part_of_run(carried: list[_Carried], loop: Loop, y: Value, i: int, op: Op) -> bool:
    """Whether stacked output `i` is a part of a run of carried values, which is written as such."""
    mem = op.attrs["mem"][len(loop.carries) + i].removeprefix("later/")
    return any(c.kind == "run" and c.base is not None and c.base.place == mem for c in carried)


def _stacked_zeros(host: HostEmitter, loop: Loop, stacks: list[Pointer], steps: Any) -> tuple[Buffer, Buffer] | None:
    """For a loop that may stop early: rows of 0, and cells for the number of steps and for the condition."""
    if loop.stop is None:
        return None
    for s, y in zip(stacks, loop.outs, strict=True):
        nbytes = mul(mul(steps, host.dim(y.type.size)), i64(y.type.itemsize))
        zero = tirx.const(0, "int32")
        host.add(tirx.Evaluate(tirx.call_extern("handle", "memset", s.address(), zero, nbytes)))
    cells = host.local("done", "i64", 1), host.local("stop", "i64", 1)
    for cell in cells:
        host.add(cell.store(ZERO, ZERO))
    return cells


def _row(stack: Pointer, y: Value, p: Any, host: HostEmitter) -> Pointer:
    """The row of a stacked output that belongs to position `p`."""
    return Pointer(stack.buffer, add(stack.offset, mul(p, host.dim(y.type.size))), f"{stack.place}[row]")


def _enter(host: HostEmitter, loop: Loop, carried: list[_Carried], k: Any, p: Any) -> None:
    """Give the parameters of the body what they stand for in step `k`, at position `p`."""
    if loop.index is not None:
        host.scalars[loop.index] = p
    for outer, param in loop.invariants:
        if outer in host.scalars:
            host.scalars[param] = host.scalars[outer]
        else:
            host.pointers[param] = host.pointers[outer]
    for outer, param in loop.seqs:
        whole = host.pointers[outer]
        at = add(whole.offset, mul(p, host.dim(param.type.size)))
        host.pointers[param] = Pointer(whole.buffer, at, f"{whole.place}[row]")
        if param in host.host:
            host.scalars[param] = host.bind(whole.buffer.load(at), "x", chained=True)
    for c in carried:
        if c.cell is not None:
            host.scalars[c.carry.param] = host.bind(c.cell.load(ZERO), "c", chained=True)
        else:
            host.pointers[c.carry.param] = c.now(k, p, loop.reverse)


def _check_sequences(host: HostEmitter, loop: Loop) -> None:
    """Check the indices among the elements of a sequence all at once, where all of them are going to be used."""
    if loop.stop is not None:
        return
    whole = {p: v for v, p in loop.seqs}
    for op in loop.ops:
        for check in index_checks(op):
            outer = whole.get(storage(check.value, host.host))
            known = not isinstance(check.size, Value) and check.op is op
            if outer is None or not known or outer in host.scalars or check.value in host.host:
                continue
            number = host.check_ids[check.op, check.value, check.axis]
            range_check(host, outer, host.dim(check.size), number)  # type: ignore[arg-type]
            host.checked.add((check.op, check.value, check.axis))

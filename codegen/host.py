"""The host function, which runs a planned function from start to end.

It binds dimensions, computes host scalars, checks guards and sizes, and then calls one private kernel after the other
on raw pointers into the arguments and the workspace. Nothing is written before the scalar checks have passed, and
shared variables are written last, so a call that fails leaves them as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from arignote.codegen import abi as codes
from arignote.codegen.abi import Check, executed, index_checks
from arignote.codegen.binary import zeros_and_ones
from arignote.codegen.clock import Clock
from arignote.codegen.convolution import convolution_with_epilogue
from arignote.codegen.emit import Pointer
from arignote.codegen.entry import check_function, main_function
from arignote.codegen.exprs import ZERO, i64, mul
from arignote.codegen.kernels import Kernel, kernel_key
from arignote.codegen.lapack import ROUTINES
from arignote.codegen.library import LIBRARY, range_check
from arignote.codegen.loops import lower_ifelse, lower_scan
from arignote.codegen.places import Places, UnsupportedError
from arignote.codegen.scalar import K
from arignote.codegen.schedules import build_kernel
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx, tvm, tvm_ir
from arignote.ir.bound import bound_dims, bound_positions
from arignote.ir.core import Func, Op, Value
from arignote.ir.diag import Diagnostic
from arignote.ir.opdef import OPS
from arignote.ir.placement import is_contiguous_view, storage
from arignote.ir.types import Dim


class HostEmitter(Places):
    """Emits the host function and the kernels that it calls."""

    def __init__(self, func: Func, target: Target) -> None:
        super().__init__(func, target)
        self.known: dict[str, tuple[Any, Any]] = {}  # kernel text -> (global variable, Kernel)
        self.check_ids = {(c.op, c.value, c.axis): n for n, c in reversed(list(enumerate(self.abi.checks)))}
        self.seen_indices: set[tuple[Value, str]] = set()  # that have been looked at, with the size of their axis
        self.refusal_ids = {op: n for n, op in enumerate(self.abi.fallible)}
        self.guard_ids = {op: n for n, op in enumerate(self.abi.guards)}
        self.checked: set[tuple[Op, Value, int | None]] = set()  # indices that have been checked
        self.used = _used_values(func)
        self.binary = zeros_and_ones(func)
        self.emitting: Op | None = None
        self.calls: dict[Op, list[str]] = {}  # op -> the functions of the module that it calls

    def build(self) -> tvm.IRModule:
        """The module with `main` and its kernels."""
        f = self.func
        self.arguments()
        missing = [s for s in self._symbols() if s not in self.env and s not in self.abi.fresh]
        if missing:
            raise UnsupportedError(f"dimension {missing[0]} of @{f.name} is not the size of any argument")
        self.clock = Clock(self) if self.target.profile else None
        if self.clock is not None:
            self.clock.start()
        self._prologue()
        if self.clock is not None:
            self.clock.stamp(None)
        self.block([op for op in f.ops if not op.results or not all(r in self.early for r in op.results)])
        self._late_results()
        ends = {self.check: check_function(len(self.tensors)), tvm_ir.GlobalVar("main"): main_function(self.caller)}
        return tvm.IRModule({**self.functions, **ends})

    def _symbols(self) -> list[str]:
        values = [*self.func.params, *(s.value for s in self.func.states)]
        values += [r for op in self.func.ops for r in op.results]
        return sorted({s for v in values for d in v.shape if isinstance(d, Dim) for s in d.symbols()})

    # -- scalars, guards, sizes -------------------------------------------------------------------------------------

    def _prologue(self) -> None:
        for s in self.func.states:
            if s.value in self.host:
                self.scalars[s.value] = self.bind(self.pointers[s.value].buffer.load(ZERO), "state")
        for op in self.func.ops:
            if op.results and all(r in self.early for r in op.results):
                self._host_op(op)
            if all(scalar in self.early for _, scalar in bound_dims(op)):
                self._bind_dims(op)
        self._check_result_shapes()
        self.slots()

    def block(self, ops: Sequence[Op]) -> None:
        """The ops of the function, a loop's body or a branch."""
        checks: list[tuple[int, Op, Check, int]] | None = None
        for n, op in enumerate(ops):
            if any(m.startswith("state.") for m in op.attrs.get("mem", ())):
                checks = self._to_check(ops, n) if checks is None else checks
                self._check_ahead(checks, n)
            self._on_host(op)
            if op.regions or (not all(r in self.host for r in op.results) and op.name != "const"):
                self.op(op)

    def _on_host(self, op: Op) -> None:
        """What the host computes itself, and the dimensions that it gives."""
        if op.results and all(r in self.host for r in op.results) and not op.regions:
            self._host_op(op)
        self._bind_dims(op)

    def is_used(self, v: Value) -> bool:
        """Whether anything reads a result."""
        return v in self.used

    def _host_op(self, op: Op) -> None:
        if op.name == "const":
            out = K.const(op.attrs["value"][()], op.result.dtype)
        elif op.name == "dim":
            out = self.dim(op.operands[0].shape[op.attrs["axis"]])
        elif op.name == "check_index":
            i, n = map(self.scalar, op.operands)
            self._check_index(self.check_ids[op, op.operands[0], op.attrs.get("axis")], i, n)
            out = tirx.Select(tirx.LT(i, ZERO), i + n, i)
        elif op.name == "reshape":  # an element of an integer argument
            element = self.pointer(op.operands[0])
            out = element.buffer.load(element.offset)
        elif op.name == "assert":
            self._assert(op)
            out = self.scalar(op.operands[0])
        elif op.name == "assume":
            out, value = self.scalar(op.operands[0]), i64(op.attrs["value"])
            number = self.guard_ids[op]
            self.when(tirx.NE(out, value), lambda: self.fail(codes.GUARD_FAILED, i64(number), out))
        else:
            lower: Any = OPS[op.name].lower
            attrs = {k: v for k, v in op.attrs.items() if k != "mem"}
            xs = list(map(self.scalar, op.operands))
            out = self.lowered(lambda: lower(K, *xs, **attrs))
        self.scalars[op.result] = self.bind(out, "h", chained=True)

    def _assert(self, op: Op) -> None:
        """Return REFUSED unless the conditions of an `assert` hold."""
        for condition in op.operands[1:]:
            failed = tirx.Not(self.scalar(condition))
            self.when(failed, lambda: self.fail(codes.REFUSED, i64(self.refusal_ids[op])))

    def _bind_dims(self, op: Op) -> None:
        for dim, scalar in bound_dims(op):
            symbol = str(dim)
            if isinstance(dim, Dim) and symbol not in self.env and dim == Dim.symbol(symbol):
                size = K.cast(self.scalar(scalar), "i64")
                self.env[symbol] = self.bind(size, "n", chained=True)
                if scalar not in self.early:
                    self.slots()

    def _check_result_shapes(self) -> None:
        for n, dims in self.result_sizes.items():
            for axis, d in enumerate(self.tensors[n].type.shape):
                if isinstance(d, Dim) and d.symbols() & set(self.abi.fresh):
                    words = [self.env.get(s, ZERO) for s in self.abi.fresh]
                    wrong = tirx.NE(dims.load(i64(axis)), self.dim(d))
                    self.when(wrong, partial(self.fail, codes.RESULT_SHAPE, *words))

    def _late_results(self) -> None:
        """Say where results are whose sizes became known on the way, and these sizes."""
        if not self.abi.late:
            return
        words: list[Any] = [self.env[s] for s in self.abi.fresh]
        for i in self.abi.late:
            result = self.func.results[i]
            words.append(mul(self.pointer(result).offset, i64(result.type.itemsize)))
        for i, w in enumerate(words):
            self.add(self.status.store(i64(i + 1), w))

    # -- ops --------------------------------------------------------------------------------------------------------

    def op(self, op: Op) -> None:
        """A kernel, a routine, a loop or a branch."""
        if op.name == "assert":
            self._assert(op)
        if is_contiguous_view(op):
            if bound_positions(op):
                self.pointer(op.result)  # now: the memory of the scalars that say where it begins is free afterwards
            return
        for check in index_checks(op):
            self._check_indices(op, check)
        if any(isinstance(r.type.size, int) and r.type.size == 0 for r in op.results) and len(op.results) == 1:
            return
        around, self.emitting = self.emitting, op
        self._code(op)
        self.emitting = around
        if self.clock is not None:
            self.clock.stamp(op)

    def _code(self, op: Op) -> None:
        if op.name == "fused":
            self._kernel(op)
        elif op.name == "scan":
            lower_scan(self, op)
        elif op.name == "ifelse":
            lower_ifelse(self, op)
        elif op.name in LIBRARY:
            LIBRARY[op.name](self, op)
        elif op.name in ROUTINES:
            ROUTINES[op.name](self, op)
        else:
            raise UnsupportedError(Diagnostic(f"{op.name} has no lowering for {self.target.kind}", loc=op.loc))

    def _check_indices(self, op: Op, check: Check) -> None:
        """Return BAD_INDEX unless the indices that `op` reads or writes at are within their axis; once, whichever ops
        use them for axes of one size."""
        key, seen = (op, check.value, check.axis), (check.value, str(check.size))
        if key in self.checked or seen in self.seen_indices or op.name == "check_index":
            return
        if check.value in self.host and check.value not in self.scalars:
            return  # not computed yet
        assert not isinstance(check.size, Value)
        self.seen_indices.add(seen)
        number = self.check_ids[key]
        if check.value in self.scalars:
            self._check_index(number, K.cast(self.scalars[check.value], "i64"), self.dim(check.size))
        else:
            range_check(self, check.value, self.dim(check.size), number)

    def _check_index(self, number: int, i: Any, size: Any) -> None:
        """Return BAD_INDEX unless -size <= i < size."""
        bad = tirx.Or(tirx.LT(i, -size), tirx.GE(i, size))
        self.when(bad, lambda: self.fail(codes.BAD_INDEX, i64(number), i, size))

    def _to_check(self, ops: Sequence[Op], first: int) -> list[tuple[int, Op, Check, int]]:
        """The checks of indices in `ops` from the first on: where, of which op, and where the indices are made."""
        position = {r: n for n, op in enumerate(ops) for r in op.results}
        return [
            (n, op, check, position.get(storage(check.value, self.host), -1))
            for n, op in enumerate(ops[first:], first)
            for check in index_checks(op)
        ]

    def _check_ahead(self, checks: Sequence[tuple[int, Op, Check, int]], now: int) -> None:
        """Look at the indices of op number `now`, which writes a shared variable, and of later ones, as far as they are
        computed: an index out of range leaves everything as it was."""
        for n, op, check, made in checks:
            if made < now <= n:
                self._check_indices(op, check)

    def _kernel(self, op: Op) -> None:
        if op.attrs["kind"] == "conv":
            convolution_with_epilogue(self, op)
            return
        by_value = frozenset(i for i, v in enumerate(op.operands) if v in self.scalars)
        outs = [self.pointer(r) for r in op.results]
        ins = {i: self.pointer(v) for i, v in enumerate(op.operands) if i not in by_value}
        alias: dict[int, int] = {}
        for k, out in enumerate(outs):
            alias.update((k, i) for i, p in ins.items() if p.place == out.place)
        key = kernel_key(op, by_value, alias)
        if key not in self.known:
            kernel = build_kernel(op, self.target, by_value, alias)
            self.known[key] = (self.define(f"k{len(self.known)}_{op.attrs['kind']}", kernel.func), kernel)
        gv, kernel = self.known[key]
        self.call(gv, kernel, op, ins, outs)

    def call(self, gv: Any, kernel: Kernel, op: Op, ins: dict[int, Pointer], outs: list[Pointer]) -> None:
        """Call a kernel of a fused op."""
        args = [
            self.scalars[op.operands[i]] if i in kernel.by_value else ins[i].address() for i in kernel.inputs
        ]
        args += [outs[k].address() for k in kernel.outputs]
        args += [self.env[s] for s in kernel.symbols]
        self.invoke(gv, args)

    def invoke(self, gv: Any, args: list[Any]) -> None:
        """A call statement."""
        if self.emitting is not None:
            self.calls.setdefault(self.emitting, []).append(str(gv.name_hint))
        self.add(tirx.Evaluate(tvm_ir.Call(gv, args, ret_ty=tvm_ir.PrimType("int32"))))


def _used_values(func: Func) -> set[Value]:
    """What ops and regions read, and what leaves the function."""
    used = set(func.roots())
    for op in executed(func.ops):
        used.update(op.operands)
        for region in op.regions:
            used.update(region.yields)
    return used

"""The host function: one public `main` that runs a planned function from start to end.

It binds dimensions, computes host scalars, checks guards and sizes, and then calls one private kernel after the other
on raw pointers into the arguments and the workspace. Nothing is written before the scalar checks have passed, and
shared variables are written last, so a call that fails leaves them as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.codegen import abi as codes
from arignote.codegen.abi import Abi, Check, abi_of, executed, index_checks
from arignote.codegen.clock import Clock
from arignote.codegen.emit import Emitter, Pointer, scalar_var
from arignote.codegen.exprs import ZERO, Buffer, add, as_stmt, dim_expr, i64, linear_index, mul, storage_dtype
from arignote.codegen.kernels import Kernel
from arignote.codegen.lapack import ROUTINES
from arignote.codegen.library import LIBRARY, range_check
from arignote.codegen.loops import lower_ifelse, lower_scan
from arignote.codegen.scalar import K
from arignote.codegen.schedules import build_kernel
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx, tvm, tvm_ir
from arignote.ir.bound import bound_dims, bound_positions
from arignote.ir.core import Func, Op, Value
from arignote.ir.diag import Diagnostic, IRError
from arignote.ir.opdef import OPS
from arignote.ir.placement import host_scalars, is_contiguous_view, scratch_types, storage
from arignote.ir.types import Dim, DimLike, TensorType, prod_dims

ALIGN = 64


class UnsupportedError(IRError):
    """What the code generator cannot lower; the message names the op and the user's line."""


class HostEmitter(Emitter):
    """Emits `main` and the kernels that it calls."""

    def __init__(self, func: Func, target: Target) -> None:
        super().__init__()
        self.func, self.target = func, target
        for v in (*func.params, *(s.value for s in func.states), *func.results):
            if v.dtype in ("c64", "c128"):
                raise UnsupportedError(f"{v.name or 'a value'} is {v.type}: code for complex numbers is not generated")
        self.abi: Abi = abi_of(func)
        self.host = host_scalars(func)
        self.early = host_scalars(func, early=True)
        self.env: dict[str, Any] = {}
        self.scalars: dict[Value, Any] = {}
        self.pointers: dict[Value, Pointer] = {}
        self.flats: dict[str, Buffer] = {}
        self.args: list[Any] = []
        self.functions: dict[Any, Any] = {}
        self.known: dict[str, tuple[Any, Any]] = {}  # kernel text -> (global variable, Kernel)
        self.check_ids = {(c.op, c.value, c.axis): n for n, c in reversed(list(enumerate(self.abi.checks)))}
        self.seen_indices: set[tuple[Value, str]] = set()  # that have been looked at, with the size of their axis
        self.refusal_ids = {op: n for n, op in enumerate(self.abi.fallible)}
        self.guard_ids = {op: n for n, op in enumerate(self.abi.guards)}
        self.checked: set[tuple[Op, Value, int | None]] = set()  # indices that have been checked
        self.inner_places: list[dict[str, Pointer]] = []  # of the loops and branches around what is emitted
        self.used = _used_values(func)
        self.slot_offsets: dict[int, Any] = {}
        self.end: Any = i64(self.abi.arena)
        self.status: Buffer | None = None
        self.strides: list[tuple[tuple[Any, ...], list[Any]]] = []
        self.emitting: Op | None = None
        self.calls: dict[Op, list[str]] = {}  # op -> the functions of the module that it calls

    # -- arguments --------------------------------------------------------------------------------------------------

    def _tensor_arg(self, name: str, type: TensorType, align: int, place: str) -> Pointer:
        shape = tuple(self._dim_var(d) for d in type.shape)
        # Variables: TVM's own check refuses the strides that NumPy gives arrays without elements.
        strides = [tirx.Var(f"{name}_stride{a}", "int64") for a in range(len(shape))]
        var = tirx.decl_buffer(shape, storage_dtype(type.dtype), name=name, strides=strides, data_alignment=align)
        self.args.append(var)
        self.strides.append((shape, strides))
        return self._flat(var.data, type.dtype, type.size, place)

    def _dim_var(self, d: DimLike) -> Any:
        if isinstance(d, Dim) and len(d.symbols()) == 1:
            (s,) = d.symbols()
            if d == Dim.symbol(s) and s not in self.env and s not in self.abi.fresh:
                self.env[s] = tirx.Var(s.replace(".", "_"), "int64")
        if isinstance(d, Dim) and not d.symbols() <= self.env.keys():
            self.names += 1
            return tirx.Var(f"result_dim{self.names}", "int64")  # checked once the symbol is known
        return dim_expr(d, self.env)

    def _flat(self, data: Any, dtype: str, size: DimLike, place: str) -> Pointer:
        known = isinstance(size, int) or size.symbols() <= self.env.keys()
        self.names += 1
        extent = dim_expr(size, self.env) if known else tirx.Var(f"extent{self.names}", "int64")
        buffer = Buffer(f"flat{self.names}", dtype, extent if known else i64(1))
        self.add(tirx.DeclBuffer(buffer.var, data=data))
        return Pointer(buffer, ZERO, place)

    def build(self) -> tvm.IRModule:
        """The module with `main` and its kernels."""
        f = self.func
        # Symbols are bound by the first shape that is that symbol alone.
        for t in (*(p.type for p in f.params), *(s.value.type for s in f.states)):
            for d in t.shape:
                self._dim_var(d)
        bound = set(self.env)
        for i, p in enumerate(f.params):
            if p.ndim == 0:
                self.scalars[p] = scalar_var(f"p{i}", p.dtype)
                self.args.append(self.scalars[p])
            else:
                self.pointers[p] = self._tensor_arg(f"p{i}", p.type, p.type.itemsize, f"param.{i}")
        results = [
            (i, self._tensor_arg(f"r{i}", r.type, r.type.itemsize, f"out.{i}"))
            for i, r in enumerate(f.results)
            if i not in self.abi.late
        ]
        places = {f"out.{i}": p for i, p in results}
        for s in f.states:
            pointer = self._tensor_arg(f"s{len(self.args)}", s.value.type, ALIGN, f"state.{s.name}")
            places[f"state.{s.name}"] = self.pointers[s.value] = pointer
        constants = [op.result for op in executed(f.ops) if op.name == "const" and op.result not in self.host]
        for i, c in enumerate(constants):
            self.pointers[c] = self._tensor_arg(f"c{i}", c.type, ALIGN, f"const.{i}")
        self.capacity = tirx.Var("capacity", "int64")
        arena = tirx.decl_buffer((self.capacity,), "int8", name="arena", data_alignment=ALIGN)
        status = tirx.decl_buffer((self.abi.status_words,), "int64", name="status", data_alignment=8)
        self.args += [arena, status]
        self.clock = Clock(self) if self.target.profile else None
        self.arena = arena
        self.status = Buffer("status_words", "i64", i64(self.abi.status_words))
        self.add(tirx.DeclBuffer(self.status.var, data=status.data))
        self.places = places
        missing = [s for d in self._symbols() for s in [d] if s not in bound and s not in self.abi.fresh]
        if missing:
            raise UnsupportedError(f"dimension {missing[0]} of @{f.name} is not the size of any argument")
        if self.clock is not None:
            self.clock.start()
        self._prologue()
        if self.clock is not None:
            self.clock.stamp(None)
        self.block([op for op in f.ops if not op.results or not all(r in self.early for r in op.results)])
        self._late_results()
        self.add(tirx.Return(tirx.const(codes.OK, "int32")))
        main = tirx.PrimFunc(self.args, as_stmt(self.stmts)).with_attrs({"global_symbol": "main"})
        return tvm.IRModule({**self.functions, tvm_ir.GlobalVar("main"): main})

    def _symbols(self) -> list[str]:
        values = [*self.func.params, *(s.value for s in self.func.states)]
        values += [r for op in self.func.ops for r in op.results]
        return sorted({s for v in values for d in v.shape if isinstance(d, Dim) for s in d.symbols()})

    # -- scalars, guards, sizes -------------------------------------------------------------------------------------

    def fail(self, code: int, *words: Any) -> None:
        """Return `code`; `words` go to the status from word 1 on."""
        assert self.status is not None
        for i, w in enumerate(words):
            self.add(self.status.store(i64(i + 1), w))
        self.add(tirx.Return(tirx.const(code, "int32")))

    def _check_strides(self) -> None:
        """Refuse tensors that are not C-contiguous; axes of one element, and tensors of none, have any strides."""
        for number, (shape, strides) in enumerate(self.strides):
            bad: Any = None
            dense: Any = i64(1)
            for d, stride in reversed(list(zip(shape, strides, strict=True))):
                wrong = tirx.And(tirx.GT(d, i64(1)), tirx.NE(stride, dense))
                bad = wrong if bad is None else tirx.Or(bad, wrong)
                dense = mul(dense, d)
            if bad is not None:
                bad = tirx.And(bad, tirx.GT(dense, ZERO))
                self.when(bad, lambda n=number: self.fail(codes.NOT_CONTIGUOUS, i64(n)))  # type: ignore[misc]

    def _prologue(self) -> None:
        self._check_strides()
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
        for n, op in enumerate(ops):
            if any(m.startswith("state.") for m in op.attrs.get("mem", ())):
                self._check_ahead(ops[n:])
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
        if not self.abi.fresh_results:
            return
        first = len(self.func.params)
        for i in self.abi.fresh_results:
            have = self.args[first + i - sum(late < i for late in self.abi.late)].shape
            for d, h in zip(self.abi.results[i].shape, have, strict=True):
                if isinstance(d, Dim):
                    want = self.dim(d)
                    words = [self.env.get(s, ZERO) for s in self.abi.fresh]
                    self.when(tirx.NE(h, want), lambda w=words: self.fail(codes.RESULT_SHAPE, *w))  # type: ignore[misc]

    def slots(self) -> None:
        """Offsets of workspace blocks of symbolic size, behind the planned part, as far as their sizes are known."""
        approximate = {s: tirx.Cast("float64", v) for s, v in self.env.items()}
        new = [
            (i, nbytes)
            for i, nbytes in enumerate(self.func.attrs.get("slots", ()))
            if i not in self.slot_offsets and nbytes.symbols() <= self.env.keys()
        ]
        for i, nbytes in new:
            # Products of sizes may leave 64 bits: what no memory holds is asked for and refused.
            large = tirx.GT(dim_expr(nbytes, approximate), tirx.const(float(2**62), "float64"))
            self.when(large, lambda: self.fail(codes.GROW_ARENA, i64(2**62)))
            self.slot_offsets[i] = self.end
            rounded = tirx.truncdiv(self.dim(nbytes) + i64(ALIGN - 1), i64(ALIGN)) * i64(ALIGN)
            self.end = self.bind(self.end + rounded, "end", chained=True)
        if new:
            self.when(tirx.LT(self.capacity, self.end), lambda: self.fail(codes.GROW_ARENA, self.end))

    def _late_results(self) -> None:
        """Say where results are whose sizes became known on the way, and these sizes."""
        if not self.abi.late:
            return
        assert self.status is not None
        words: list[Any] = [self.env[s] for s in self.abi.fresh]
        for i in self.abi.late:
            result = self.func.results[i]
            words.append(mul(self.pointer(result).offset, i64(result.type.itemsize)))
        for i, w in enumerate(words):
            self.add(self.status.store(i64(i + 1), w))

    def dim(self, d: DimLike) -> Any:
        """A dimension as an expression."""
        return dim_expr(d, self.env)

    def scalar(self, v: Value) -> Any:
        """A 0-d value: known on the host, or read from memory."""
        if v in self.scalars:
            return self.scalars[v]
        p = self.pointer(v)
        return self.bind(p.buffer.load(p.offset), "m")

    # -- memory -----------------------------------------------------------------------------------------------------

    def pointer(self, v: Value) -> Pointer:
        """Where a tensor lies."""
        if v in self.pointers:
            return self.pointers[v]
        if v in self.scalars:  # a scalar of the host that an op reads from memory
            cell = self.local("cell", v.dtype, 1)
            self.add(cell.store(ZERO, self.scalars[v]))
            self.pointers[v] = Pointer(cell, ZERO, f"cell.{self.names}")
            return self.pointers[v]
        op = v.owner
        assert op is not None, f"{v!r} has no memory"
        mem: str = op.attrs["mem"][op.results.index(v)]
        if mem == "view":
            base = self.pointer(op.operands[0])
            offset = self._view_offset(op, base)
            place = base.place if offset is base.offset else f"{base.place}[{offset}]"
            self.pointers[v] = Pointer(base.buffer, offset, place)
            return self.pointers[v]
        inner = next((places[mem] for places in reversed(self.inner_places) if mem in places), None)
        known = inner if inner is not None else self.places.get(mem)
        if known is None:
            self.pointers[v] = self.workspace_at(mem, v.type)
        elif known.buffer.dtype == v.dtype:
            self.pointers[v] = Pointer(known.buffer, known.offset, known.place)
        else:
            self.pointers[v] = self._flat(known.buffer.var.data, v.dtype, v.type.size, mem)
        return self.pointers[v]

    def workspace(self, op: Op) -> list[Pointer]:
        """The workspace of a routine."""
        places = op.attrs["mem"][len(op.results) :]
        return [self.workspace_at(m, t) for m, t in zip(places, scratch_types(op), strict=True)]

    def workspace_at(self, mem: str, type: TensorType) -> Pointer:
        """A place of the workspace, for values of `type`; `later/...` is one row (the last axes) behind a place."""
        if mem.startswith("later/"):
            base = self.workspace_at(mem[6:], type)
            row = self.dim(prod_dims(type.shape[1:]))
            return Pointer(base.buffer, add(base.offset, row), base.place)
        kind, _, number = mem.replace("+", ".").partition(".")
        offset = i64(int(number)) if kind == "arena" else self.slot_offsets[int(number)]
        buffer = self.flats.get(type.dtype)
        if buffer is None:
            buffer = self.flats[type.dtype] = Buffer(f"arena_{type.dtype}", type.dtype, self.capacity)
            self.add(tirx.DeclBuffer(buffer.var, data=self.arena.data))
        size = i64(type.itemsize)
        elements = i64(int(number) // type.itemsize) if kind == "arena" else tirx.truncdiv(offset, size)
        return Pointer(buffer, elements, mem)

    def _view_offset(self, op: Op, base: Pointer) -> Any:
        if op.name in ("reshape", "assert"):
            return base.offset
        starts = list(map(self.dim, op.attrs["start"]))
        for attr, _, position, scalar in bound_positions(op):
            if attr == "start":
                starts[position] = K.cast(self.scalar(scalar), "i64")
        shape = [self.dim(d) for d in op.operands[0].shape]
        return self.bind(add(base.offset, linear_index(starts, shape)), "at")

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

    def _check_ahead(self, ops: Sequence[Op]) -> None:
        """Look at the indices of `ops`, the first of which writes a shared variable, as far as they are computed: an
        index out of range leaves everything as it was."""
        later = {r for op in ops for r in op.results}
        for op in ops:
            for check in index_checks(op):
                if storage(check.value, self.host) not in later:
                    self._check_indices(op, check)

    def _kernel(self, op: Op) -> None:
        by_value = frozenset(i for i, v in enumerate(op.operands) if v in self.scalars)
        outs = [self.pointer(r) for r in op.results]
        ins = {i: self.pointer(v) for i, v in enumerate(op.operands) if i not in by_value}
        alias: dict[int, int] = {}
        for k, out in enumerate(outs):
            alias.update((k, i) for i, p in ins.items() if p.place == out.place)
        key = self._kernel_key(op, by_value, alias)
        if key not in self.known:
            kernel = build_kernel(op, self.target, by_value, alias)
            self.known[key] = (self.define(f"k{len(self.known)}_{op.attrs['kind']}", kernel.func), kernel)
        gv, kernel = self.known[key]
        self.call(gv, kernel, op, ins, outs)

    def _kernel_key(self, op: Op, by_value: frozenset[int], alias: dict[int, int]) -> str:
        region = op.regions[0]
        ids = {p: f"p{i}" for i, p in enumerate(region.params)}
        lines = [f"{op.attrs['kind']} {op.attrs['axes']} {sorted(by_value)} {sorted(alias.items())}"]
        lines += [str(p.type) for p in region.params]
        for inner in region.ops:
            ids.update((r, f"v{len(ids)}") for r in inner.results)
            attrs = {
                k: (v.dtype.str, v.shape, v.tobytes()) if hasattr(v, "tobytes") else v
                for k, v in sorted(inner.attrs.items())
            }
            lines.append(f"{inner.name} {[ids[v] for v in inner.operands]} {attrs} {inner.results[0].type}")
        lines.append(str([ids[v] for v in region.yields]))
        return "\n".join(lines)

    def define(self, name: str, func: Any) -> Any:
        """Add a private function to the module; returns its global variable."""
        gv = tvm_ir.GlobalVar(name)
        self.functions[gv] = func
        return gv

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

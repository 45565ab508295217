"""Where things lie while the host function runs: arrays of the call, the workspace, scalars, sizes."""

from __future__ import annotations

from functools import partial
from typing import Any

from arignote.codegen import abi as codes
from arignote.codegen import table
from arignote.codegen.abi import abi_of, executed
from arignote.codegen.emit import Emitter, Pointer
from arignote.codegen.entry import Call, view
from arignote.codegen.exprs import ZERO, Buffer, add, dim_expr, i64, linear_index
from arignote.codegen.scalar import K
from arignote.codegen.table import tensors
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx, tvm_ir
from arignote.ir.bound import bound_positions
from arignote.ir.core import Func, Op, Value
from arignote.ir.diag import IRError
from arignote.ir.placement import host_scalars, scratch_types
from arignote.ir.types import Dim, DimLike, TensorType, prod_dims

ALIGN = 64


class UnsupportedError(IRError):
    """What the code generator cannot lower; the message names the op and the user's line."""


class Places(Emitter):
    """An emitter that knows where every value of a planned function lies.

    Attributes:
        scalars, pointers: what is known so far of values of the host, and of values in memory.
        env: the sizes that dimensions have, by name.
        inner_places: those of the loops and branches around what is emitted.
    """

    def __init__(self, func: Func, target: Target) -> None:
        super().__init__()
        self.func, self.target = func, target
        for v in (*func.params, *(s.value for s in func.states), *func.results):
            if v.dtype in ("c64", "c128"):
                raise UnsupportedError(f"{v.name or 'a value'} is {v.type}: code for complex numbers is not generated")
        self.abi = abi_of(func)
        self.tensors = tensors(self.abi)
        self.host = host_scalars(func)
        self.early = host_scalars(func, early=True)
        self.functions: dict[Any, Any] = {}
        self.env: dict[str, Any] = {}
        self.scalars: dict[Value, Any] = {}
        self.pointers: dict[Value, Pointer] = {}
        self.flats: dict[str, Buffer] = {}
        self.places: dict[str, Pointer] = {}
        self.inner_places: list[dict[str, Pointer]] = []
        self.slot_offsets: dict[int, Any] = {}
        self.end: Any = i64(self.abi.arena)
        self.caller = call = Call(self)
        self.check = tvm_ir.GlobalVar("check")
        call.begin(len(func.params) + len(func.results) - len(self.abi.late) + 1, len(self.tensors), self.check)
        self.status = view(self, "status", "i64", call.pointer("status_at", i64(table.STATUS)))
        self.arena = call.pointer("arena", i64(table.ARENA))

    def define(self, name: str, func: Any) -> Any:
        """Add a private function to the module; returns its global variable."""
        gv = tvm_ir.GlobalVar(name)
        self.functions[gv] = func
        return gv

    def fail(self, code: int, *words: Any) -> None:
        """Return `code`; `words` go to the status from word 1 on."""
        for i, w in enumerate(words):
            self.add(self.status.store(i64(i + 1), w))
        self.caller.end(code)

    # -- arguments --------------------------------------------------------------------------------------------------

    def arguments(self) -> None:
        """Read the values of the call: scalars, sizes that have names, and where arrays lie."""
        f, call = self.func, self.caller
        for i, p in enumerate(f.params):
            if not p.ndim:
                refuse = partial(self.fail, codes.BAD_SCALAR, i64(i))
                self.scalars[p] = call.scalar(f"p{i}_", i, p.dtype, refuse)
        constants = [op.result for op in executed(f.ops) if op.name == "const" and op.result not in self.host]
        results = [i for i in range(len(f.results)) if i not in self.abi.late]
        known = [(p, f"param.{i}") for i, p in enumerate(f.params) if p.ndim]
        known += [(f.results[i], f"out.{i}") for i in results]
        known += [(s.value, f"state.{s.name}") for s in f.states]
        known += [(c, f"const.{i}") for i, c in enumerate(constants)]
        assert [v.type for v, _ in known] == [t.type for t in self.tensors]
        first = table.HEAD + len(known)
        for number, (v, place) in enumerate(known):
            data = call.pointer(f"array{number}", i64(first + number))
            self.places[place] = self._flat(data, v.dtype, place)
            if not place.startswith("out."):
                self.pointers[v] = self.places[place]
        self._sizes()

    def _sizes(self) -> None:
        """Bind dimensions to the first size that is one alone, and compare all others with what they must be."""
        given = [(n, t) for n, t in enumerate(self.tensors) if not t.name.startswith("result")]
        sizes = {n: self.caller.dims(n) for n, t in enumerate(self.tensors) if not t.type.static}
        bound = set()
        for n, t in given:
            for axis, d in enumerate(t.type.shape):
                if isinstance(d, Dim) and str(d) not in self.env and d == Dim.symbol(str(d)):
                    self.env[str(d)] = self.bind(sizes[n].load(i64(axis)), "n", chained=True)
                    bound.add((n, axis))
        for n, dims in sizes.items():
            for axis, d in enumerate(self.tensors[n].type.shape):
                if isinstance(d, Dim) and (n, axis) not in bound and d.symbols() <= self.env.keys():
                    wrong = tirx.NE(dims.load(i64(axis)), self.dim(d))
                    self.when(wrong, partial(self.fail, codes.BAD_ARRAY, i64(n)))
        self.result_sizes = {n: dims for n, dims in sizes.items() if self.tensors[n].name.startswith("result")}

    def _flat(self, data: Any, dtype: str, place: str) -> Pointer:
        self.names += 1
        return Pointer(view(self, f"flat{self.names}", dtype, data), ZERO, place)

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
            capacity = self.caller.table.load(i64(table.CAPACITY))
            self.when(tirx.LT(capacity, self.end), lambda: self.fail(codes.GROW_ARENA, self.end))

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
            self.pointers[v] = self._flat(known.buffer.var.data, v.dtype, mem)
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
            buffer = self.flats[type.dtype] = view(self, f"arena_{type.dtype}", type.dtype, self.arena)
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

"""Compile functions of the IR and call them with NumPy arrays, without the layers above."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from arignote.codegen import abi as codes
from arignote.codegen.abi import Abi, abi_of
from arignote.codegen.artifact import compile_cpu
from arignote.codegen.artifact import cpu_target as llvm_target
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import Buffer as FlatBuffer
from arignote.codegen.exprs import i64
from arignote.codegen.host import HostEmitter
from arignote.codegen.loader import openblas
from arignote.codegen.memory import aligned_empty, aligned_zeros
from arignote.codegen.printing import Printer
from arignote.codegen.target import Target, cpu_target
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value
from arignote.ir.types import DTYPES, Dim, DimLike, subs_dim, type_of
from arignote.passes.base import Pass, Pipeline
from arignote.passes.decompose import Decompose
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan

Array = np.ndarray[Any, Any]
LOWER: Pass | Pipeline = Pipeline([Decompose()])


def one_thread() -> Target:
    """This processor, with one thread."""
    return with_threads(1)


def with_threads(threads: int) -> Target:
    """This processor, with so many threads."""
    target = cpu_target()
    return Target("cpu", threads, target.vector_bytes, opt_level=target.opt_level)


def aligned(x: Array) -> Array:
    """A copy of `x` at an address that is a multiple of 64."""
    out = aligned_empty(x.shape, x.dtype)
    out[...] = x
    return out


def stored(x: Array) -> Array:
    """`x` as the compiled code takes it: bools as bytes, empty arrays with strides of C order."""
    return x.view(np.int8) if x.dtype == np.bool_ else x


class Compiled:
    """A compiled function. Calling it returns the results and the states afterwards."""

    def __init__(self, func: Func, target: Target | None = None, passes: Pass | Pipeline | None = None) -> None:
        target = target or one_thread()
        self.func = Plan().run(Fuse().run((passes or LOWER).run(func)))
        self.abi: Abi = abi_of(self.func)
        openblas()
        module = HostEmitter(self.func, target).build()
        self.main: Callable[..., int] = compile_cpu(module, llvm_target(target.threads))["main"]

    def __call__(
        self, *arrays: Array, states: Mapping[str, Array] | None = None
    ) -> tuple[list[Array], dict[str, Array]]:
        """Run; the last status must be OK."""
        sizes = self._sizes(arrays, states or {})
        for symbol in self.abi.fresh:
            sizes.setdefault(symbol, 0)
        after = {name: aligned((states or {})[name]) for name, _ in self.abi.states}
        constants = [aligned(c) for c in self.abi.constants]
        arena, status = aligned_empty(max(self.abi.arena, 64), np.int8), aligned_zeros(self.abi.status_words, np.int64)
        printer = Printer(self.abi.prints, status.ctypes.data)  # kept for as long as the code runs
        assert len(printer.ops) == len(self.abi.prints)
        arguments = [x.item() if x.ndim == 0 else stored(x) for x in arrays]
        for _ in range(8):
            results = [self._empty(t, sizes) for t in self.abi.results]
            given = [*arguments, *results, *after.values(), *constants, arena, status]
            code = self.main(*(stored(x) if isinstance(x, np.ndarray) else x for x in given))
            if code == codes.GROW_ARENA:
                arena = aligned_empty(int(status[1]), np.int8)
            elif code == codes.RESULT_SHAPE:
                sizes.update(zip(self.abi.fresh, map(int, status[1:]), strict=False))
            else:
                break
        assert code == codes.OK, f"status {code}: {status}"
        return results, after

    @staticmethod
    def _empty(t: Any, sizes: Mapping[str, int]) -> Array:
        shape = [subs_dim(d, dict(sizes)) for d in t.shape]
        out = np.empty([int(str(d)) for d in shape], t.numpy_dtype)
        out.view(np.uint8).fill(0xA5) if out.ndim else None
        return out

    def _sizes(self, arrays: Sequence[Array], states: Mapping[str, Array]) -> dict[str, int]:
        found: dict[str, int] = {}
        pairs = list(zip(self.abi.params, arrays, strict=True))
        pairs += [(t, states[name]) for name, t in self.abi.states]
        for t, x in pairs:
            for d, n in zip(t.shape, x.shape, strict=True):
                if isinstance(d, Dim) and d == Dim.symbol(str(d)):
                    found.setdefault(str(d), n)
        return found


def function(build: Callable[[Builder, list[Value]], Sequence[Value]], *types: Any) -> Func:
    """A function of parameters of the given types, whose results `build` emits."""
    ops: list[Op] = []
    params = [Value(t, f"x{i}") for i, t in enumerate(types)]
    results = list(build(Builder(ops), params))
    return Func("f", params, [], ops, results)


def batch(cases: Sequence[tuple[str, Sequence[Array], Mapping[str, Any]]]) -> Func:
    """One function with the results of each op applied to parameters of its own."""
    ops: list[Op] = []
    b = Builder(ops)
    params: list[Value] = []
    results: list[Value] = []
    for name, arrays, attrs in cases:
        own = [Value(type_of(x), f"x{len(params) + i}") for i, x in enumerate(arrays)]
        params += own
        results += b.emit(name, *own, **attrs)
    return Func("batch", params, [], ops, results)


def elementwise(fn: Callable[..., Any], dtypes: Sequence[str], n: int, lanes: int) -> Any:
    """A compiled loop `out[i] = fn(*xs[i])` over `n` elements, in vectors of `lanes` (1: scalar).

    `dtypes`: those of the operands, then that of the result.
    """
    e = Emitter()
    pointers = [pointer_var(f"p{i}", d) for i, d in enumerate(dtypes)]
    buffers = [FlatBuffer(f"b{i}", d, i64(n)) for i, d in enumerate(dtypes)]

    def element(j: Any, slot: Any, width: int) -> None:
        xs = [e.bind(b.load(j)) for b in buffers[:-1]]
        e.add(buffers[-1].store(j, e.lowered(lambda: fn(*xs))))

    e.vectors(i64(n), lanes, element)
    return loop_module(pointers, buffers, e, n, dtypes)


def loop_module(pointers: Sequence[Any], buffers: Sequence[Any], e: Emitter, n: int, dtypes: Sequence[str]) -> Any:
    """`main(*arrays)` that runs a private function of pointers."""
    from arignote.codegen.toolchain import tirx, tvm, tvm_ir

    inner = private_function(pointers, dict(zip(pointers, buffers, strict=True)), e.stmts)
    gv = tvm_ir.GlobalVar("loop")
    names = [("int8" if d == "bool" else DTYPES[d]) for d in dtypes]
    args = [tirx.decl_buffer((n,), d, name=f"a{i}") for i, d in enumerate(names)]
    call = tvm_ir.Call(gv, [a.data for a in args], ret_ty=tvm_ir.PrimType("void"))
    main = tirx.PrimFunc(args, tirx.Evaluate(call)).with_attrs({"global_symbol": "main"})
    module = tvm.IRModule({gv: inner, tvm_ir.GlobalVar("main"): main})
    return compile_cpu(module, llvm_target(1))["main"]


def subs(shape: Sequence[DimLike], env: Mapping[str, int]) -> tuple[int, ...]:
    """A shape with numbers for its symbols."""
    return tuple(int(str(subs_dim(d, dict(env)))) for d in shape)

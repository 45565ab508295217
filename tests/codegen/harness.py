"""Compile functions of the IR and call them with NumPy arrays, without the layers above."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from arignote.codegen.abi import Abi, abi_of
from arignote.codegen.artifact import compile_cpu
from arignote.codegen.artifact import cpu_target as llvm_target
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.executable import Executable
from arignote.codegen.exprs import Buffer as FlatBuffer
from arignote.codegen.exprs import i64
from arignote.codegen.host import HostEmitter
from arignote.codegen.loader import openblas
from arignote.codegen.memory import aligned_empty
from arignote.codegen.target import Target, cpu_target
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value
from arignote.ir.types import DTYPES, DimLike, subs_dim, type_of
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


class Held:
    """What holds a shared variable."""

    exclusive = True

    def __init__(self, array: Array) -> None:
        self.array = aligned(array)


def bind(func: Func, target: Target, states: Mapping[str, Held], fill: float | None = None) -> Executable:
    """A planned function, compiled, whose results hold garbage, or `fill`, before it writes them."""
    openblas()
    main = compile_cpu(HostEmitter(func, target).build(), llvm_target(target.threads))["main"]
    abi = abi_of(func)
    first = len(abi.params)

    def spoilt(*values: Any) -> int:
        for address in values[first:-1]:
            result = ctypes.cast(address, ctypes.py_object).value
            if fill is not None:
                result.fill(fill)
            elif result.ndim:
                result.view(np.uint8).fill(0xA5)
        return int(main(*values))

    return Executable(spoilt, abi, states)


class Compiled:
    """A compiled function. Calling it returns the results and the states afterwards."""

    def __init__(self, func: Func, target: Target | None = None, passes: Pass | Pipeline | None = None) -> None:
        self.func = Plan().run(Fuse().run((passes or LOWER).run(func)))
        self.states = {s.name: Held(np.zeros(1)) for s in self.func.states}
        self.executable = bind(self.func, target or one_thread(), self.states)
        self.abi: Abi = self.executable.abi

    def __call__(
        self, *arrays: Array, states: Mapping[str, Array] | None = None
    ) -> tuple[list[Array], dict[str, Array]]:
        """Run."""
        for name, held in self.states.items():
            held.array = aligned((states or {})[name])
        results = self.executable(*(x.item() if x.ndim == 0 else x for x in arrays))
        return results, {name: held.array for name, held in self.states.items()}


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

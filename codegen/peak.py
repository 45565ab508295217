"""The most arithmetic that the processor can do: multiplications and additions on registers, without memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from arignote.codegen.artifact import compile_cpu, cpu_target
from arignote.codegen.emit import Emitter, scalar_var
from arignote.codegen.exprs import Buffer, add, as_stmt, i64, mul
from arignote.codegen.memory import aligned_zeros
from arignote.codegen.microkernels import Vectors, load_vector, splat, store_vector
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx, tvm, tvm_ir
from arignote.ir.types import DTYPES

#: Sums that do not wait for each other: more than two units with a latency of 4 or 5 cycles need, and few enough for 16
#: registers.
CHAINS = 12
#: Steps of each sum in a run, which takes about 0.1 ms.
STEPS = 20_000


class Peak:
    """A function of `values`: every vector of it becomes x * 0.5 + 0.5, `steps` times, in registers; each thread has
    CHAINS vectors of its own."""

    def __init__(self, dtype: str, target: Target) -> None:
        self.dtype, self.threads = dtype, target.threads
        self.lanes = target.lanes(8 if dtype == "f64" else 4)
        size = target.threads * CHAINS * self.lanes
        self.values = aligned_zeros(size, np.dtype(DTYPES[dtype]))
        given = tirx.decl_buffer((i64(size),), DTYPES[dtype], name="values", data_alignment=64)
        steps, e = scalar_var("steps", "i64"), Emitter()
        x = Buffer("x", dtype, i64(size))
        e.add(tirx.DeclBuffer(x.var, data=given.data))
        half = splat(tirx.const(0.5, DTYPES[dtype]), self.lanes)

        def part(t: Any) -> None:
            sums = [Vectors(e, dtype, 1, self.lanes) for _ in range(CHAINS)]
            places = [add(mul(t, i64(CHAINS * self.lanes)), i64(k * self.lanes)) for k in range(CHAINS)]
            for s, at in zip(sums, places, strict=True):
                s.store(load_vector(x, at, self.lanes))

            def step(_: Any) -> None:
                for s in sums:
                    s.store(s.load() * half + half)

            e.loop(steps, step)
            for s, at in zip(sums, places, strict=True):
                e.add(store_vector(x, at, self.lanes, s.load()))

        e.loop(i64(self.threads), part, tirx.ForKind.PARALLEL if self.threads > 1 else tirx.ForKind.SERIAL)
        main = tirx.PrimFunc([given, steps], as_stmt([*e.stmts, tirx.Return(tirx.const(0, "int32"))]))
        module = tvm.IRModule({tvm_ir.GlobalVar("main"): main.with_attrs({"global_symbol": "main"})})
        self._run: Callable[..., Any] = compile_cpu(module, cpu_target(target.threads))["main"]

    def __call__(self, steps: int) -> None:
        """Change `values`."""
        self._run(self.values, steps)

    def rate(self, seconds: float) -> float:
        """Operations per nanosecond of all threads together: the best of the runs in `seconds`."""
        best, end = float("inf"), time.perf_counter() + seconds
        self(STEPS)
        while time.perf_counter() < end:
            start = time.perf_counter_ns()
            self(STEPS)
            best = min(best, time.perf_counter_ns() - start)
        return 2 * STEPS * len(self.values) / best

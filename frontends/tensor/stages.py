"""A function at each stage of the compiler, as text: from what was recorded to machine code.

    recorded    what the outputs need, as the program said it
    grad        with the gradients and updates that the program derived
    optimised   specialised to known shapes, simplified, products and stable forms chosen
    fused       cut into kernels
    placed      with transfers to and from the device
    planned     every value given its memory
    tir         TVM's loops: the kernels and the host function
    llvm, asm   LLVM's intermediate code and the processor's
    cuda        the kernels as CUDA C++ and the host's launches and transfers

The first six are IR that parses back and runs in the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from arignote.codegen.target import Target, make_target
from arignote.frontends.tensor.callable import Function
from arignote.frontends.tensor.compiler import optimise, run_time_sizes
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.policy import Plan as ShapePlan
from arignote.ir.core import Func
from arignote.ir.cost import annotated
from arignote.ir.diag import IRError, TypeInferenceError
from arignote.ir.text import print_module
from arignote.ir.types import Dim, DimLike
from arignote.passes.dce import Dce
from arignote.passes.place import Place
from arignote.passes.plan import Plan

IR_STAGES = ("recorded", "grad", "optimised", "fused", "placed", "planned")
STAGES = (*IR_STAGES, "tir", "llvm", "asm", "cuda")


def func_at(program: Function | Func, stage: str, device: str = "cpu") -> Func:
    """The IR of a function at one of `IR_STAGES`.

    Raises:
        IRError: there is no such stage; or the program breaks a rule, such as shapes that do not fit.
    """
    if stage not in IR_STAGES:
        raise IRError(f"there is no IR stage {stage!r}; stages are {', '.join(IR_STAGES)}")
    func = program.recorded if isinstance(program, Function) else program
    if stage == "recorded":
        return _forward(func)
    if stage == "grad":
        return func
    mode = program.mode if isinstance(program, Function) else Mode()
    dims, assumed = known_sizes(program)
    func = optimise(func, ShapePlan(tuple(dims.items()), (), ()), mode, assumed)
    if stage == "optimised":
        return func
    # Placement comes first, as a transfer is no part of a kernel; fusion shows the same kernels without it.
    placed = mode.kernels().run(func if stage == "fused" else Place(device).run(func))
    return Plan().run(placed) if stage == "planned" else placed


def dump_stage(
    program: Function | Func, stage: str, device: str = "cpu", *, loc: bool = False, cost: bool = False
) -> str:
    """A function at one of `STAGES` for `device` (`cpu` or `cuda`), as text; IR with the user's lines and with costs
    as comments, if asked.

    Raises:
        IRError: there is no such stage, or it does not exist for the device.
    """
    if stage in IR_STAGES:
        func = func_at(program, stage, device)
        return annotated(func, loc) if cost else print_module(func, locs=loc)
    if stage not in STAGES:
        raise IRError(f"there is no stage {stage!r}; stages are {', '.join(STAGES)}")
    target = make_target(device)
    if (stage == "cuda") != (target.kind == "cuda"):
        wanted = "--device cuda" if stage == "cuda" else "--device cpu"
        raise IRError(f"stage {stage} needs {wanted}")
    return _native_text(func_at(program, "planned", device), stage, target)


def _native_text(planned: Func, stage: str, target: Target) -> str:
    if stage == "cuda":
        from arignote.codegen.cuda import cuda_text

        return cuda_text(planned, target)
    from arignote.codegen.artifact import compile_cpu, cpu_target
    from arignote.codegen.host import HostEmitter

    module = HostEmitter(planned, target).build()
    if stage == "tir":
        return str(module)
    library = compile_cpu(module, cpu_target(target.threads, target.opt_level))
    return str(library.inspect_source("ll" if stage == "llvm" else "asm"))


def _forward(func: Func) -> Func:
    """What the results need, without the updates."""
    if not func.results:
        return func
    return Dce().run(replace(func, states=[replace(s, update=None) for s in func.states]))


def known_sizes(program: Function | Func) -> tuple[dict[str, DimLike], dict[str, int]]:
    """The sizes of dimensions that shared variables give, and those that a first call with zeros for scalars would."""
    if not isinstance(program, Function):
        return {}, {}
    executable: Any = program._executable
    containers: Sequence[Any] = executable.containers
    sizes: dict[str, DimLike] = {}
    for state, container in zip(program.recorded.states, containers, strict=True):
        for dim, size in zip(state.value.shape, container.array.shape, strict=True):
            if isinstance(dim, Dim) and dim == Dim.symbol(str(dim)):
                sizes[str(dim)] = int(size)
    params = program.recorded.params
    if any(p.ndim for p in params):
        return sizes, {}
    zeros = [np.zeros((), p.type.numpy_dtype) for p in params]
    try:
        return sizes, run_time_sizes(program.recorded, zeros, containers)
    except TypeInferenceError:  # zeros are no sensible arguments: these sizes remain symbols
        return sizes, {}

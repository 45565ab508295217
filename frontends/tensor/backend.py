"""The native backend: plans an optimised function and compiles it by `arignote.codegen`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from arignote.codegen.compile import Compiled, compile_func
from arignote.codegen.executable import GuardFailed
from arignote.codegen.target import Target, make_target
from arignote.frontends.tensor.boundary import inwards, outwards, views
from arignote.frontends.tensor.errors import ShapeGuardError
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.sharedvar import Container
from arignote.ir.core import Func
from arignote.ir.types import TensorType
from arignote.passes.base import Pipeline
from arignote.passes.represent import Represent, is_foreign, represented

Array = np.ndarray[Any, Any]


class Native:
    """Compiled code, given its arguments as it takes them: arrays and numbers.

    Args:
        params, results: the types of the function that was compiled, which compiled code may represent by others.
    """

    def __init__(self, params: Sequence[TensorType], results: Sequence[TensorType], compiled: Compiled) -> None:
        self.params, self.results, self.compiled = tuple(params), tuple(results), compiled
        self._foreign = [i for i, t in enumerate(params) if represented(t) != t]
        self._outwards = [(i, out) for i, t in enumerate(results) if (out := outwards(t)) is not None]
        self._run = compiled.executable
        self._scalars = [i for i, t in enumerate(params) if not represented(t).ndim]

    def __call__(self, *arrays: Array) -> list[Array]:
        if self._foreign:
            arrays = tuple(inwards(a) if i in self._foreign else a for i, a in enumerate(arrays))
        if self._scalars:
            args: list[Any] = list(arrays)
            for i in self._scalars:
                args[i] = args[i].item()
            arrays = tuple(args)
        try:
            results = self._run(*arrays)
        except GuardFailed as e:
            raise ShapeGuardError({str(e.assumed): e.actual}) from None
        for i, out in self._outwards:
            results[i] = out(results[i])
        return results


def native(func: Func, containers: Sequence[Container], mode: Mode) -> Native:
    """Machine code for `config.device`."""
    profile = mode.profile
    params, results = [p.type for p in func.params], [r.type for r in func.results]
    if is_foreign(func):  # and simplified again, as what represents them can be simplified
        func = Pipeline([Represent(), mode.passes()]).run(func)
    planned = mode.lowering().run(func, after=None if profile is None else profile.saw_pass)
    start = time.perf_counter_ns()
    compiled = compile_func(planned, target_of(mode), by_name([s.name for s in planned.states], containers))
    if profile is not None:
        profile.saw_code(compiled, start)
    return Native(params, results, compiled)


def target_of(mode: Mode) -> Target:
    """What a mode compiles for."""
    return replace(make_target(config.device, mode.opt_level), profile=mode.profile is not None)


def by_name(names: Sequence[str], containers: Sequence[Container]) -> dict[str, Any]:
    """The shared variables of compiled code, as it takes them."""
    return dict(zip(names, views(containers), strict=True))

"""The native backend: plans an optimised function and compiles it by `arignote.codegen`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from arignote.codegen.compile import compile_func
from arignote.codegen.executable import GuardFailed
from arignote.codegen.target import make_target
from arignote.frontends.tensor.boundary import inwards, outwards, views
from arignote.frontends.tensor.errors import ShapeGuardError
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.sharedvar import Container
from arignote.ir.core import Func
from arignote.passes.base import Pipeline
from arignote.passes.represent import Represent, is_foreign, represented

Array = np.ndarray[Any, Any]


class Native:
    """Compiled code, given its arguments as it takes them: arrays and numbers."""

    def __init__(self, func: Func, containers: Sequence[Container], mode: Mode) -> None:
        profile = mode.profile
        target = replace(make_target(config.device, mode.opt_level), profile=profile is not None)
        self._foreign = [i for i, p in enumerate(func.params) if represented(p.type) != p.type]
        self._outwards = [(i, out) for i, r in enumerate(func.results) if (out := outwards(r.type)) is not None]
        if is_foreign(func):  # simplified again: what represents them can be
            func = Pipeline([Represent(), mode.passes()]).run(func)
            containers = views(containers)
        planned = mode.lowering().run(func, after=None if profile is None else profile.saw_pass)
        states = {s.name: c for s, c in zip(planned.states, containers, strict=True)}
        start = time.perf_counter_ns()
        self.compiled = compile_func(planned, target, states)
        if profile is not None:
            profile.saw_code(self.compiled, start)
        self._run = self.compiled.executable
        self._scalars = [i for i, p in enumerate(func.params) if not p.ndim]

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
    return Native(func, containers, mode)

"""The default backend: kernels, a memory plan, and native code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.codegen.compile import compile_func
from arignote.codegen.executable import GuardFailed
from arignote.codegen.target import make_target
from arignote.frontends.tensor.config import config
from arignote.frontends.tensor.errors import ShapeGuardError
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.shared import Container
from arignote.ir.core import Func
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan

Array = np.ndarray[Any, Any]


class NativeFunction:
    """A compiled function that takes any NumPy arrays of the right dtype and shape.

    Attributes:
        func: the planned function.
        cached: whether its code came from the cache on disk.
    """

    def __init__(self, func: Func, containers: Sequence[Container], mode: Mode) -> None:
        self.func = Plan().run(Fuse().run(func))
        target = make_target(config.device, mode.opt_level)
        names = [s.name for s in func.states]
        compiled = compile_func(self.func, target, dict(zip(names, containers, strict=True)))
        self.cached = compiled.cached
        self._run = compiled.executable
        self._scalars = [i for i, p in enumerate(self.func.params) if p.ndim == 0]
        self._bools = [i for i, p in enumerate(self.func.params) if p.dtype == "bool" and p.ndim]

    def __call__(self, *arrays: Array) -> list[Array]:
        args: list[Any] = list(arrays)
        for i in self._scalars:
            args[i] = arrays[i].item()
        for i in self._bools:
            args[i] = np.ascontiguousarray(arrays[i]).view(np.int8)
        try:
            return self._run(*args)
        except GuardFailed as e:
            raise ShapeGuardError({}) from e
        except (TypeError, ValueError, BufferError):
            regular = [self._regular(a) for a in args]
            if all(a is b for a, b in zip(regular, args, strict=True)):
                raise
        return self._run(*regular)

    @staticmethod
    def _regular(a: Any) -> Any:
        """What compiled code takes: contiguous, aligned, exportable memory."""
        if not isinstance(a, np.ndarray):
            return a
        flags = a.flags
        return a if flags.c_contiguous and flags.aligned and flags.writeable else a.copy()

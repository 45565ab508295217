"""The seam between recorded functions and what runs them.

    compile_func(func, containers, mode) -> Executable

`Mode(name="reference")` interprets; it is used only where it is asked for. The other modes specialise
the function to the shapes of the call (`ShapePolicy`), run the mode's pipeline on it, and hand the
result to the *backend*: a callable

    backend(func: ir.Func, containers: Sequence[Container], mode: Mode) -> Executable

for an optimised function whose remaining symbols are dynamic dimensions. `set_backend` installs
one; by default it is `arignote.frontends.tensor.backend.native`. An executable gets one array per
parameter, of the parameter's dtype and rank (any strides, any alignment), and returns new arrays,
one per result. Before it returns it stores the new values of updated states in `containers` (in
place, or by `container.array = ...`), all of them computed from the old values.

Sizes that are computed at run time (`x[i * 20 : (i + 1) * 20]`) are assumed to stay what they are
in the first call. Where such an assumption fails the executable raises `ShapeGuardError` before it
changes any state; that call, and others like it, run code in which these sizes are symbols.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from arignote.frontends.tensor.errors import ShapeGuardError
from arignote.frontends.tensor.modes import DebugMode, Mode, MonitorMode, NanGuardMode
from arignote.frontends.tensor.policy import Plan, ShapePolicy
from arignote.frontends.tensor.sharedvar import Container, aligned_copy
from arignote.ir.bound import bound_symbols
from arignote.ir.builder import describe
from arignote.ir.core import Func, State, toposort
from arignote.ir.diag import IRError, TypeInferenceError
from arignote.ir.effects import silent
from arignote.ir.interp import evaluate, run
from arignote.ir.placement import host_scalars
from arignote.ir.types import Dim, dim_symbols
from arignote.passes.guard import LARGEST
from arignote.passes.pipelines import specialized
from arignote.passes.sink import Sink
from arignote.passes.specialize import Specialize

if TYPE_CHECKING:
    from arignote.frontends.tensor.recall import Memory

Array = np.ndarray[Any, Any]
Shapes = tuple[tuple[int, ...], ...]


class Executable(Protocol):
    """Something that runs a function once per call; see the module's documentation."""

    def __call__(self, *arrays: Array) -> list[Array]: ...


Backend = Callable[[Func, Sequence[Container], Mode], Executable]

_backend: Backend | None = None


def set_backend(backend: Backend | None) -> Backend | None:
    """Use another backend for functions compiled from now on; None is the code generator.

    Returns:
        The backend so far.
    """
    global _backend
    before, _backend = _backend, backend
    return before


def default_backend(func: Func, containers: Sequence[Container], mode: Mode) -> Executable:
    """Native code for `config.device`, by `arignote.codegen`."""
    from arignote.frontends.tensor.backend import native

    return native(func, containers, mode)


def compile_func(func: Func, containers: Sequence[Container], mode: Mode) -> Executable:
    """An executable for a recorded function; `containers` hold its states, in order."""
    if mode.reference:
        return Reference(Sink().run(func), containers)  # branches are lazy in every mode
    backend = _backend or default_backend
    if isinstance(mode, DebugMode):
        from arignote.frontends.tensor.debugmode import Checked

        return Checked(func, containers, mode, backend)
    if isinstance(mode, (NanGuardMode, MonitorMode)):
        from arignote.frontends.tensor.watching import watched

        return watched(func, containers, mode)
    return Specialising(func, containers, mode, backend)


class Reference:
    """Runs a function with the reference interpreter."""

    def __init__(self, func: Func, containers: Sequence[Container]) -> None:
        self.func = func
        self.containers = list(containers)

    def run(
        self, arrays: Sequence[Array], states: Mapping[str, Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """The results, and the states afterwards."""
        return run(self.func, arrays, states)

    def __call__(self, *arrays: Array) -> list[Array]:
        states = {
            s.name: c.array for s, c in zip(self.func.states, self.containers, strict=True)
        }
        results, after = self.run(arrays, states)
        # Results may be the very arrays that came in, which updates are about to overwrite.
        results = [np.array(r) for r in results]
        new = [
            (c, aligned_copy(np.asarray(after[s.name])))
            for s, c in zip(self.func.states, self.containers, strict=True)
            if s.update is not None
        ]
        for container, array in new:
            store(container, array)
        return results


def store(container: Container, array: Array) -> None:
    """Give a state its new value: in place where the shape stays."""
    if container.array.shape == array.shape and container.array.flags.writeable:
        container.array[...] = array
    else:
        container.array = array


class Specialising:
    """Compiles for the shapes of calls, as `ShapePolicy` decides, and picks what fits a call."""

    def __init__(
        self, func: Func, containers: Sequence[Container], mode: Mode, backend: Backend
    ) -> None:
        func, resized = resizing(func)
        self.func = func
        self.containers = list(containers)
        self.resized = [self.containers[i] for i in resized]
        self.mode = mode
        self.backend = backend
        self.memory = self._memory()
        inputs = func.inputs()
        self.policy = ShapePolicy(tuple(dim_symbols(d for v in inputs for d in v.shape)))
        self._where: dict[str, tuple[int, int]] = {}
        for i, value in enumerate(inputs):
            for axis, dim in enumerate(value.shape):
                if isinstance(dim, Dim):
                    self._where.setdefault(str(dim), (i, axis))
        self.compiled: list[tuple[Plan, bool, Executable]] = []
        self._made: list[Func | tuple[Plan, Mapping[str, int]]] = []
        self.fast: dict[Shapes, Executable] = {}  # read by the short way of calls
        self._general: dict[Shapes, Executable] = {}

    @property
    def functions(self) -> list[Func]:
        """Optimised functions, in the order of compilation; those whose code was found are optimised when asked for."""
        made = [f if isinstance(f, Func) else optimise(self.func, f[0], self.mode, f[1]) for f in self._made]
        self._made = list(made)
        return made

    def __call__(self, *arrays: Array) -> list[Array]:
        results = self._run(arrays)
        if self.resized:
            count = len(results) - len(self.resized)
            for container, array in zip(self.resized, results[count:], strict=True):
                container.replace(aligned_copy(array))
            results = results[:count]
        return results

    def _run(self, arrays: Sequence[Array]) -> list[Array]:
        key = (*[a.shape for a in arrays], *[c.array.shape for c in self.containers])
        executable = self.fast.get(key)
        if executable is None:
            executable = self.fast[key] = self._find(key, arrays)
        try:
            return executable(*arrays)
        except ShapeGuardError:
            general = self._general.get(key)
            if general is None:
                general = self._general[key] = self._find(key, arrays, assuming=False)
        try:
            return general(*arrays)
        except ShapeGuardError as e:
            self._check(key, arrays)
            raise ValueError(f"@{self.func.name}: dimensions do not fit: {e}") from None

    def free(self) -> None:
        """Forget what is compiled, with its working memory."""
        self.fast.clear()
        self._general.clear()
        self.compiled.clear()

    def _find(self, key: Shapes, arrays: Sequence[Array], assuming: bool = True) -> Executable:
        """Code for calls of these shapes, which assumes the run-time sizes of this call, or none."""
        begin = time.perf_counter_ns()
        collecting = gc.isenabled()
        gc.disable()  # graphs are full of cycles, and nearly all of what passes make lives on: looking is in vain
        try:
            return self._choose(key, arrays, assuming)
        finally:
            if collecting:
                gc.enable()
                gc.collect(0)  # now, as a part of compiling, instead of in the call
            if self.mode.profile is not None:
                self.mode.profile.compile_ns += time.perf_counter_ns() - begin

    def _choose(self, key: Shapes, arrays: Sequence[Array], assuming: bool) -> Executable:
        sizes = self._sizes(key)
        for plan, assumed, executable in self.compiled:
            if plan.admits(sizes) and assumed == assuming:
                return executable
        extra = run_time_sizes(self.func, arrays, self.containers) if assuming else {}
        policy = self.policy.copy()
        plan = policy.plan(sizes)
        found = self.memory.find(plan, extra) if self.memory else None
        if found is None or not assuming or len(plan.fixed) < len(self.policy.symbols):
            self._check(key, arrays)
        self.policy = policy  # which takes no note of sizes that cannot be
        if found is not None:
            self._made.append((plan, extra))
            self.compiled.append((plan, assuming, found))
            return found
        func = self.optimised(plan, extra, arrays)
        executable = self.backend(func, self.containers, self.mode)
        if self.memory:
            self.memory.keep(plan, extra, executable)
        self.compiled.append((plan, assuming, executable))
        self._made.append(func)
        return executable

    def _memory(self) -> Memory | None:
        """What earlier processes compiled; None where compiling is to be seen."""
        if self.backend is not default_backend or self.mode.profile is not None:
            return None
        from arignote.frontends.tensor.recall import Memory

        return Memory(self.func, self.containers, self.mode)

    def optimised(self, plan: Plan, extra: Mapping[str, int], arrays: Sequence[Array]) -> Func:
        """The function under a plan, for the arguments of a call."""
        return optimise(self.func, plan, self.mode, extra)

    def _sizes(self, key: Shapes) -> dict[str, int]:
        return {s: key[i][axis] for s, (i, axis) in self._where.items()}

    def _check(self, key: Shapes, arrays: Sequence[Array]) -> None:
        """Infer all types anew for the sizes of a call.

        Raises:
            TypeInferenceError: they do not fit; names the user's line.
        """
        extra = run_time_sizes(self.func, arrays, self.containers)
        Specialize(tuple(sorted((self._sizes(key) | extra).items()))).run(self.func)


def resizing(func: Func) -> tuple[Func, list[int]]:
    """`func` with updates that give shared variables another size as further results, and the numbers of these states:
    compiled code writes into memory of the size that a shared variable has."""
    plain = {str(d) for v in func.inputs() for d in v.shape if isinstance(d, Dim)}

    def resizes(state: State) -> bool:
        """Whether the update has sizes of its own. A number in the place of a symbol is the size that the variable
        must have, where it meets the variable on the way to its update; where it does not, it is another size."""
        if state.update is None:
            return False
        pairs = [(a, b) for a, b in zip(state.value.shape, state.update.shape, strict=True) if a != b]
        if any(isinstance(b, Dim) and str(b) not in plain for _, b in pairs):
            return True
        numbers = any(isinstance(a, Dim) and isinstance(b, int) for a, b in pairs)
        return numbers and not any(state.value in op.operands for op in toposort([state.update]))

    found = [i for i, s in enumerate(func.states) if resizes(s)]
    if not found:
        return func, []
    states = [replace(s, update=None) if i in found else s for i, s in enumerate(func.states)]
    new = [s.update for i, s in enumerate(func.states) if i in found and s.update is not None]
    return replace(func, states=states, results=[*func.results, *new]), found


def run_time_sizes(
    func: Func, arrays: Sequence[Array], containers: Sequence[Container]
) -> dict[str, int]:
    """The sizes that `func` would compute in a call, where they depend on scalars and shapes.

    Raises:
        TypeInferenceError: a size is negative or beyond all memory; names the user's line.
    """
    host = host_scalars(func, early=True)
    inputs = {s for v in func.inputs() for s in dim_symbols(v.shape)}
    wanted = {
        symbol: (scalar, op)
        for op in func.ops
        for symbol, scalar in bound_symbols(op)
        if symbol not in inputs and scalar in host
    }
    if not wanted:
        return {}
    given = zip(func.inputs(), (*arrays, *(c.array for c in containers)), strict=True)
    try:
        with silent():
            values = evaluate([scalar for scalar, _ in wanted.values()], dict(given))
    except IRError:  # such as an index out of range: the call itself reports it
        return {}
    sizes = {symbol: int(v) for symbol, v in zip(wanted, values, strict=True)}
    for symbol, size in sizes.items():
        if not 0 <= size <= LARGEST:
            _, op = wanted[symbol]
            what = "the number of steps" if op.name == "scan" else "a dimension of the result"
            message = f"{what} would be {size}; dimensions are 0 to 2**40"
            raise TypeInferenceError(describe(op.name, op.operands, message, op.loc))
    return sizes


def optimise(
    func: Func, plan: Plan, mode: Mode, extra: Mapping[str, int] | None = None
) -> Func:
    """`func` under a plan, and with `extra` sizes assumed, after the mode's pipeline."""
    dims = dict(plan.dims) | dict(extra or {})
    after = None if mode.profile is None else mode.profile.saw_pass
    return specialized(mode.passes(), dims).run(func, after=after)

"""`Function`: what `function` returns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from arignote.frontends.tensor.arguments import Arguments, Containers, Values
from arignote.frontends.tensor.compiler import Executable, Reference, Specialising, compile_func
from arignote.frontends.tensor.dispatch import Quick, quick_call
from arignote.frontends.tensor.errors import ShapeGuardError
from arignote.frontends.tensor.fgraph import FunctionGraph as FunctionGraph
from arignote.frontends.tensor.fgraph import Maker
from arignote.frontends.tensor.io import In
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.frontends.tensor.trace import Traced
from arignote.ir.core import Func
from arignote.passes.dce import prune


class Function:
    """A compiled function.

    Arguments are given by position, or by the names of the inputs. It returns an array for a single
    output, else a list or a dict, as `outputs` was given.

    Attributes:
        name: as given to `function`.
        trust_input: skip conversion and checks of arguments; they must be arrays of the right
            types. False unless set.
        recorded: the IR function as recorded.
        container, value: what inputs and shared variables hold between calls: `f.container[x].value`,
            `f.value[x]`, or `f[x]`, where `x` is a variable, its name, or the number of an input.
    """

    def __init__(
        self,
        executable: Executable,
        traced: Traced,
        arguments: Arguments,
        keys: list[str] | None,
        single: bool,
        name: str | None,
        mode: Mode,
    ) -> None:
        self._executable = executable
        self._traced = traced
        self._arguments = arguments
        self._keys = keys
        self._single = single
        self.name = name
        self.mode = mode
        self.trust_input = False
        self.profile = mode.profile
        self._maker: Maker | None = None
        self.container = Containers(arguments, self.get_shared())
        self.value = Values(self.container)
        self._count = len(arguments.slots)
        self._quick: Quick | None = None
        if arguments.plain and isinstance(executable, Specialising) and not executable.resized:
            saw_call = None if self.profile is None else self.profile.saw_call
            self._quick = quick_call(arguments.types, executable.containers, executable.fast, saw_call)

    # ------------------------------------------------------------ calling
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        results = None
        if self._quick is not None and not kwargs and len(args) == self._count:
            try:
                results = self._quick(*args)
            except ShapeGuardError:
                results = None  # nothing has been changed: the long way compiles again
            except Exception as error:
                self._explain(error, args)
                raise
        if results is None:
            begin = time.perf_counter_ns()
            arguments = self._arguments.bound(args, kwargs, self.trust_input)
            try:
                results = self._run(begin, arguments)
            except Exception as error:
                self._explain(error, arguments)
                raise
            self._arguments.updated()
        if self._single:
            return results[0]
        return results if self._keys is None else dict(zip(self._keys, results, strict=True))

    def _run(self, begin: int, arguments: tuple[Any, ...]) -> list[Any]:
        profile = self.profile
        if profile is None:
            return self._executable(*arguments)
        start, before = time.perf_counter_ns(), profile.compile_ns
        results = self._executable(*arguments)
        end = time.perf_counter_ns()
        profile.saw_call(begin, end - start, end, profile.compile_ns - before)
        return results

    def _explain(self, error: Exception, arguments: Sequence[Any]) -> None:
        from arignote.frontends.tensor.verbosity import explain

        slots = [s for i, s in enumerate(self.inputs) if i not in self._arguments.states]
        explain(error, self.recorded, [str(s.name or s.variable) for s in slots], arguments, self.get_shared())

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.value[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self.container

    # ------------------------------------------------------------ copies
    def copy(
        self,
        share_memory: bool = False,
        swap: Mapping[SharedVariable, SharedVariable] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
        profile: Any = None,
    ) -> Function:
        """A function that computes the same, with defaults of its own.

        Args:
            share_memory: accepted for old programs: each function has working memory of its own.
            swap: shared variables, and those to use in their places, of the same types.
            delete_updates: leave out all updates, those of inputs as well.
            name: its name, by default that of this function with ` copy` behind it.

        Raises:
            ValueError: `swap` names a variable that the function does not have.
            TypeError: a variable to use instead has another type.
        """
        swapped = dict(swap or {})
        for old, new in swapped.items():
            if not any(old is s for s in self.get_shared()):
                raise ValueError(f"SharedVariable: {old} is not in the function and cannot be swapped")
            if not isinstance(new, SharedVariable) or new.type != old.type:
                kind = new.type if isinstance(new, SharedVariable) else type(new).__name__
                raise TypeError(f"{old} of type {old.type} cannot be swapped for {new} of type {kind}")
        # The variables that hold inputs are the function's own: a copy has others, with the values of now.
        held, slots = self._arguments.states, self._arguments.slots
        states = {i: s if s is slots[i].value else s.clone_shared() for i, s in held.items()}
        own = {s: states[i] for i, s in held.items()}
        shared = [own.get(s, swapped.get(s, s)) for s in self._traced.shared]
        func = self._traced.func
        if delete_updates:
            func = prune(replace(func, states=[replace(s, update=None) for s in func.states]))
        title = name if name is not None else f"{self.name} copy" if self.name is not None else None
        arguments = Arguments(slots, states, self._arguments.allow_downcast, title or self._arguments.title)
        arguments.defaults = [
            states[i] if i in states and d is not None else d for i, d in enumerate(self._arguments.defaults)
        ]
        executable = compile_func(func, [s.container for s in shared], self.mode)
        traced = replace(self._traced, func=func, shared=shared)
        out = Function(executable, traced, arguments, self._keys, self._single, title, self.mode)
        out.trust_input = self.trust_input
        return out

    def __copy__(self) -> Function:
        return self.copy()

    def free(self) -> None:
        """Give back working memory and compiled code: the next call loads it again."""
        if isinstance(self._executable, Specialising):
            self._executable.free()

    # ------------------------------------------------------------ what it is
    @property
    def recorded(self) -> Func:
        """The IR function as recorded."""
        return self._traced.func

    @property
    def inputs(self) -> list[In]:
        """The inputs."""
        return list(self._arguments.slots)

    @property
    def func(self) -> Func:
        """The IR function: optimised for the latest compiled shapes, recorded before that."""
        executable: Any = self._executable
        if isinstance(executable, Reference):
            return executable.func
        compiled: list[Func] = getattr(executable, "functions", [])
        return compiled[-1] if compiled else self.recorded

    @property
    def unused(self) -> list[int]:
        """The inputs that are not needed, by position among those that a call gives."""
        return list(self._traced.unused)

    @property
    def executable(self) -> Executable:
        """What runs it."""
        return self._executable

    @property
    def maker(self) -> Maker:
        """How it was made, as Theano's users look at it: `f.maker.fgraph`."""
        if self._maker is None:
            self._maker = Maker(self)
        return self._maker

    def again(self, profile: Any) -> Function:
        """The same function, of the same shared variables, with a profile."""
        mode = self.mode.profiled(profile)
        executable = compile_func(self.recorded, [s.container for s in self.get_shared()], mode)
        return Function(executable, self._traced, self._arguments, self._keys, self._single, self.name, mode)

    def get_shared(self) -> list[SharedVariable]:
        """The shared variables that it reads or updates, without those that hold its inputs."""
        held = list(self._arguments.states.values())
        return [s for s in self._traced.shared if not any(s is h for h in held)]

    def __repr__(self) -> str:
        names = ", ".join(str(i.variable) for i in self._arguments.slots)
        return f"<Function {self.name or self._arguments.title}({names})>"

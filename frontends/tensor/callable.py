"""`Function`: what `function` returns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from arignote.frontends.tensor.compiler import Executable, Reference, Specialising, compile_func
from arignote.frontends.tensor.dispatch import Quick, quick_call
from arignote.frontends.tensor.errors import ShapeGuardError
from arignote.frontends.tensor.fgraph import FunctionGraph as FunctionGraph
from arignote.frontends.tensor.fgraph import Maker
from arignote.frontends.tensor.io import In
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.frontends.tensor.tensortype import TensorType, type_of_value
from arignote.frontends.tensor.trace import Traced
from arignote.ir.core import Func


class Function:
    """A compiled function.

    Arguments are given by position, or by the names of the inputs. It returns an array for a single
    output, else a list or a dict, as `outputs` was given.

    Attributes:
        name: as given to `function`.
        trust_input: skip conversion and checks of arguments; they must be arrays of the right
            types. False unless set.
        recorded: the IR function as recorded.
    """

    def __init__(
        self,
        executable: Executable,
        traced: Traced,
        inputs: Sequence[In],
        keys: list[str] | None,
        single: bool,
        allow_downcast: bool | None,
        name: str | None,
        title: str,
        mode: Mode,
    ) -> None:
        self._executable = executable
        self.recorded = traced.func
        self.inputs = list(inputs)
        self._keys = keys
        self._single = single
        self._downcast = allow_downcast
        self.name = name
        self._title = title
        self.mode = mode
        self._shared = list(traced.shared)
        self.trust_input = False
        self.profile = mode.profile
        self._types: list[TensorType] = [type_of_value(i.variable.value_) for i in inputs]
        self._maker: Maker | None = None
        self._quick: Quick | None = None
        if isinstance(executable, Specialising) and self.profile is None:
            self._quick = quick_call(self._types, executable.containers, executable.fast)

    # ------------------------------------------------------------ calling
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        results = None
        if self._quick is not None and not kwargs and len(args) == len(self._types):
            try:
                results = self._quick(*args)
            except ShapeGuardError:
                results = None  # nothing has been changed: the long way compiles again
            except Exception as error:
                self._explain(error, args)
                raise
        if results is None:
            begin = time.perf_counter_ns()
            arguments = self._arguments(args, kwargs)
            try:
                results = self._run(begin, arguments)
            except Exception as error:
                self._explain(error, arguments)
                raise
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

        names = [str(slot.name or slot.variable) for slot in self.inputs]
        explain(error, self.recorded, names, arguments, self._shared)

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """One array of the right type for each input."""
        if kwargs or len(args) != len(self._types):
            args = self._bind(args, kwargs)
        return args if self.trust_input else self._filtered(args)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments by position, from those given by position and name, and defaults."""
        count = len(self.inputs)
        if len(args) > count:
            raise TypeError(
                f"Too many parameter passed to the function{self._of()}: it takes {count}, got "
                f"{len(args)}"
            )
        missing = object()
        values: list[Any] = [*args, *[missing] * (count - len(args))]
        for key, value in kwargs.items():
            places = [i for i, slot in enumerate(self.inputs) if slot.name == key]
            if not places:
                names = ", ".join(str(s.name) for s in self.inputs if s.name is not None)
                raise TypeError(
                    f"the function{self._of()} has no input called {key!r}; it has {names or 'no names'}"
                )
            if len(places) > 1:
                raise TypeError(f"several inputs are called {key!r}: give them by position")
            if values[places[0]] is not missing:
                raise TypeError(f"Multiple values for input variable: {key}")
            values[places[0]] = value
        for i, slot in enumerate(self.inputs):
            if values[i] is not missing:
                continue
            if slot.value is None:
                names = ", ".join(
                    str(s.variable)
                    for s, v in zip(self.inputs, values, strict=True)
                    if v is missing and s.value is None
                )
                raise TypeError(
                    f"Missing required input: {names} (the function{self._of()} takes {count} "
                    f"arguments, got {len(args) + len(kwargs)})"
                )
            default = slot.value
            values[i] = default.get_value(borrow=True) if isinstance(default, SharedVariable) else (
                default
            )
        return tuple(values)

    def _of(self) -> str:
        return f' "{self._title}"' if self._title else ""

    def _filtered(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        out = []
        for i, (a, slot, type) in enumerate(zip(args, self.inputs, self._types, strict=True)):
            downcast = self._downcast if slot.allow_downcast is None else slot.allow_downcast
            try:
                out.append(type.filter(a, slot.strict, downcast))
            except TypeError as e:
                called = f", input {slot.name!r}" if slot.name else ""
                raise TypeError(
                    f"Bad input argument to arignote function{self._name_text()} at index {i} "
                    f"(0-based){called}. {e}"
                ) from None
        return tuple(out)

    def _name_text(self) -> str:
        return f' with name "{self._title}"' if self._title else ""

    # ------------------------------------------------------------ what it is
    @property
    def func(self) -> Func:
        """The IR function: optimised for the latest compiled shapes, recorded before that."""
        executable: Any = self._executable
        if isinstance(executable, Reference):
            return executable.func
        compiled: list[Func] = getattr(executable, "functions", [])
        return compiled[-1] if compiled else self.recorded

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
        executable = compile_func(self.recorded, [s.container for s in self._shared], mode)
        traced = Traced(self.recorded, self._shared, [])
        return Function(
            executable, traced, self.inputs, self._keys, self._single, self._downcast, self.name, self._title, mode
        )

    def get_shared(self) -> list[SharedVariable]:
        """The shared variables that it reads or updates."""
        return list(self._shared)

    def free(self) -> None:
        """Give back working memory. There is nothing to do: results are the caller's."""

    def __repr__(self) -> str:
        names = ", ".join(str(i.variable) for i in self.inputs)
        return f"<Function {self.name or self._title}({names})>"

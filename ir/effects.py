"""What programs do besides computing: values that they print, and where these go.

The interpreter and compiled code both hand what is printed to `send`. It goes to the function that `hook` names, or
to standard output; inside `redirected` it goes to that function instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Printed:
    """A value that a program prints.

    Attributes:
        message: what is printed before it.
        show: the attributes or methods of the array that are printed, `__str__` for the array.
        hook: the number of a function given to `register`; 0 for none.
        array: the value.
    """

    message: str
    show: tuple[str, ...]
    hook: int
    array: Array

    def text(self) -> str:
        """A line for each part of it: `message attribute = value`."""
        lines = []
        for name in self.show:
            value = getattr(self.array, name)
            lines.append(f"{self.message} {name} = {value() if callable(value) else value}\n")
        return "".join(lines)


Sink = Callable[[Printed], None]

_sink: ContextVar[Sink | None] = ContextVar("sink", default=None)
_hooks: list[Sink] = []


def register(hook: Sink) -> int:
    """The number by which an op names a function of the program: the same one for the same function."""
    if hook not in _hooks:
        _hooks.append(hook)
    return _hooks.index(hook) + 1


def send(printed: Printed) -> None:
    """Print a value."""
    sink = _sink.get()
    if sink is not None:
        sink(printed)
    elif 0 < printed.hook <= len(_hooks):
        _hooks[printed.hook - 1](printed)
    else:
        print(printed.text(), end="", flush=True)


@contextmanager
def redirected(sink: Sink) -> Iterator[None]:
    """What is printed inside goes to `sink`."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


@contextmanager
def silent() -> Iterator[None]:
    """What is printed inside goes nowhere: for runs that only look at values."""
    with redirected(lambda printed: None):
        yield

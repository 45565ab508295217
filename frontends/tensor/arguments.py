"""The arguments of a function: by position and name, with defaults, conversions, and inputs that it updates itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arignote.frontends.tensor.graph import Variable
from arignote.frontends.tensor.io import In
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.frontends.tensor.tensortype import TensorType, type_of_value


class Arguments:
    """What a function's inputs are at a call.

    Args:
        slots: the inputs, in order.
        states: those that the function updates itself, by position, with the variables that hold them.
        allow_downcast: conversion of arguments that do not say themselves.
        title: the function's name in messages.

    Attributes:
        types: the types of the inputs.
        defaults: what inputs are where a call does not say: a value, a shared variable, or None.
        plain: whether all are given at each call, in order: there are no states.
    """

    def __init__(
        self, slots: Sequence[In], states: Mapping[int, SharedVariable], allow_downcast: bool | None, title: str
    ) -> None:
        self.slots, self.states = list(slots), dict(states)
        self.allow_downcast, self.title = allow_downcast, title
        self.types: list[TensorType] = [type_of_value(s.variable.value_) for s in slots]
        self.defaults: list[Any] = [s.value for s in slots]
        self.plain = not states

    def parameters(self) -> list[TensorType]:
        """The types of what compiled code is given."""
        return [t for i, t in enumerate(self.types) if i not in self.states]

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any], trust: bool) -> tuple[Any, ...]:
        """One array of the right type for each parameter; states that the call gives have their values.

        Raises:
            TypeError: arguments that are missing, too many, unknown, or of another type.
        """
        if kwargs or not self.plain or len(args) != len(self.slots):
            args = self._by_position(args, kwargs)
        given = args if trust else self._filtered(args)
        if self.plain:
            return given
        for i, state in self.states.items():
            if given[i] is not state:
                state.set_value(given[i])
        return tuple(a for i, a in enumerate(given) if i not in self.states)

    def _by_position(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        count = len(self.slots)
        explicit = [i for i, s in enumerate(self.slots) if not s.implicit]
        if len(args) > len(explicit):
            raise TypeError(
                f"Too many parameter passed to the function{self.of()}: it takes {len(explicit)}, got {len(args)}"
            )
        missing = object()
        values: list[Any] = [missing] * count
        for i, value in zip(explicit, args, strict=False):
            values[i] = value
        for key, value in kwargs.items():
            places = [i for i in explicit if self.slots[i].name == key]
            if not places:
                names = ", ".join(str(self.slots[i].name) for i in explicit if self.slots[i].name is not None)
                raise TypeError(f"the function{self.of()} has no input called {key!r}; it has {names or 'no names'}")
            if len(places) > 1:
                raise TypeError(f"several inputs are called {key!r}: give them by position")
            if values[places[0]] is not missing:
                raise TypeError(f"Multiple values for input variable: {key}")
            values[places[0]] = value
        for i in range(count):
            if values[i] is missing:
                values[i] = self.default(i)
        absent = [i for i, v in enumerate(values) if v is None]
        if absent:
            names = ", ".join(str(self.slots[i].variable) for i in absent)
            raise TypeError(
                f"Missing required input: {names} (the function{self.of()} takes {len(explicit)} arguments, got "
                f"{len(args) + len(kwargs)})"
            )
        return tuple(values)

    def default(self, i: int) -> Any:
        """What input `i` is where the call does not say: for a state the variable that holds it; None for nothing."""
        if i in self.states:
            return None if self.defaults[i] is None else self.states[i]
        value = self.defaults[i]
        return value.get_value(borrow=True) if isinstance(value, SharedVariable) else value

    def updated(self) -> None:
        """Take note that a call has given all states their values."""
        for i, state in self.states.items():
            self.defaults[i] = state

    def _filtered(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        out = []
        for i, (a, slot) in enumerate(zip(args, self.slots, strict=True)):
            if a is self.states.get(i, self):
                out.append(a)
                continue
            try:
                out.append(self.converted(i, a))
            except TypeError as e:
                called = f", input {slot.name!r}" if slot.name else ""
                named = f' with name "{self.title}"' if self.title else ""
                raise TypeError(
                    f"Bad input argument to arignote function{named} at index {i} (0-based){called}. {e}"
                ) from None
        return tuple(out)

    def converted(self, i: int, value: Any) -> Any:
        """A value as an array of the type of input `i`."""
        slot = self.slots[i]
        downcast = self.allow_downcast if slot.allow_downcast is None else slot.allow_downcast
        return self.types[i].filter(value, slot.strict, downcast)

    def of(self) -> str:
        """The function's name in a message."""
        return f' "{self.title}"' if self.title else ""


class StoredValue:
    """`f.container[x]`: what an input or a shared variable of a function holds between calls."""

    def __init__(self, arguments: Arguments, place: int | SharedVariable) -> None:
        self._arguments, self._place = arguments, place

    @property
    def value(self) -> Any:
        """The value: of an input its default, which is None where it must be given."""
        if isinstance(self._place, SharedVariable):
            return self._place.get_value()
        found = self._arguments.default(self._place)
        return found.get_value() if isinstance(found, SharedVariable) else found

    @value.setter
    def value(self, value: Any) -> None:
        if isinstance(self._place, SharedVariable):
            self._place.set_value(value)
            return
        i, held = self._place, self._arguments
        if i in held.states:
            held.states[i].set_value(value)
            held.defaults[i] = held.states[i]
        elif isinstance(held.defaults[i], SharedVariable):
            held.defaults[i].set_value(value)
        else:
            held.defaults[i] = held.converted(i, value)

    data = value

    def __repr__(self) -> str:
        return f"<{self.value!r}>"


class Containers:
    """`f.container`: by variable, name, or number, what inputs and shared variables hold between calls."""

    def __init__(self, arguments: Arguments, shared: Sequence[SharedVariable]) -> None:
        self._arguments, self._shared = arguments, list(shared)

    def _places(self, key: Any) -> Iterator[int | SharedVariable]:
        slots = self._arguments.slots
        if isinstance(key, int) and not isinstance(key, bool):
            if -len(slots) <= key < len(slots):
                yield key % len(slots)
            return
        for i, slot in enumerate(slots):
            if slot.name == key if isinstance(key, str) else slot.variable is key or slot is key:
                yield i
        for s in self._shared:
            if s.name == key if isinstance(key, str) else s is key:
                yield s

    def __getitem__(self, key: Any) -> StoredValue:
        found = list(self._places(key))
        if not found:
            raise KeyError(f"the function has no input or shared variable {key!r}")
        if len(found) > 1:
            raise TypeError(f"several inputs and shared variables are called {key!r}: give the variable itself")
        return StoredValue(self._arguments, found[0])

    def __contains__(self, key: object) -> bool:
        return isinstance(key, (int, str, Variable, In)) and any(True for _ in self._places(key))

    def __len__(self) -> int:
        return len(self._arguments.slots) + len(self._shared)


class Values:
    """`f.value`: as `f.container`, with the values themselves."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def __getitem__(self, key: Any) -> Any:
        return self._containers[key].value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._containers[key].value = value

    def __contains__(self, key: object) -> bool:
        return key in self._containers

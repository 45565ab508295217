"""`OrderedUpdates`: updates of shared variables, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arignote.frontends.tensor.sharedvar import SharedVariable

__all__ = ["OrderedUpdates"]


class OrderedUpdates(dict[Any, Any]):
    """A dict of shared variables and their new values, which keeps the order in which they were entered.

    `a + b` has the updates of both, and refuses two different new values of one variable.
    """

    def __init__(self, items: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), /) -> None:
        super().__init__()
        self.update(items)

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise TypeError(f"OrderedUpdates keys must inherit from SharedVariable, but {key!r} does not")
        super().__setitem__(key, value)

    def update(self, other: Any = (), /, **kwargs: Any) -> None:
        """Enter the updates of another mapping, or of pairs.

        Raises:
            KeyError: a variable has another new value already.
        """
        for key, value in dict(other).items():
            if key in self and self[key] is not value:
                raise KeyError(f"Collision: {key} has two different updates")
            self[key] = value

    def __add__(self, other: Any) -> OrderedUpdates:
        out = OrderedUpdates(self)
        out.update(other)
        return out

    def __radd__(self, other: Any) -> OrderedUpdates:
        return OrderedUpdates(other) + self

"""Updates of shared variables, as `scan` returns them and `function` takes them."""

from __future__ import annotations

from typing import Any

from arignote.frontends.tensor.sharedvar import SharedVariable


class OrderedUpdates(dict[SharedVariable, Any]):
    """New values of shared variables, in order. `+` joins two of them; what is in both must have one value."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.update(*args, **kwargs)

    def __setitem__(self, key: SharedVariable, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise TypeError(f"OrderedUpdates keys must inherit from SharedVariable, not {key!r}")
        if key in self and self[key] is not value:
            raise KeyError(f"Collision: the shared variable {key} already has the update {self[key]}")
        super().__setitem__(key, value)

    def update(self, other: Any = (), **kwargs: Any) -> None:
        """Enter pairs, or those of a dict."""
        if kwargs:
            raise TypeError("OrderedUpdates are keyed by shared variables, not by names")
        for key, value in other.items() if isinstance(other, dict) else other or ():
            self[key] = value

    def __add__(self, other: Any) -> OrderedUpdates:
        out = OrderedUpdates(self)
        out.update(other)
        return out

    def __radd__(self, other: Any) -> OrderedUpdates:
        return OrderedUpdates(other) + self

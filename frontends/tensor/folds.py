"""What is made of `scan`: `map`, `reduce`, `foldl`, `foldr`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.frontends.tensor.scanning import scan
from arignote.frontends.tensor.updates import OrderedUpdates


def map(
    fn: Callable[..., Any], sequences: Any, non_sequences: Any = None, truncate_gradient: int = -1,
    go_backwards: bool = False, mode: Any = None, name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """`fn` of each element of the sequences."""
    return scan(fn, sequences, [], non_sequences, None, truncate_gradient, go_backwards, mode, name)


def reduce(
    fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None, go_backwards: bool = False,
    mode: Any = None, name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """The last output of `scan`: `fn` takes an element of each sequence and the result so far."""
    out, updates = scan(fn, sequences, outputs_info, non_sequences, None, -1, go_backwards, mode, name)
    if isinstance(out, list):
        return [o[-1] for o in out], updates
    return out[-1], updates


def foldl(
    fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None, mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """`reduce` from the first element to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, mode, name)


def foldr(
    fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None, mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """`reduce` from the last element to the first."""
    return reduce(fn, sequences, outputs_info, non_sequences, True, mode, name)



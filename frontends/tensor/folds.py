"""What is made of `scan`: `map`, `reduce`, `foldl`, `foldr`; and loops written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.frontends.tensor.joining import stack
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


def unroll_scan(
    fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any, n_steps: int,
    go_backwards: bool = False,
) -> list[Any]:  # fmt: skip
    """A loop written out: `fn` is called once for each of `n_steps` steps, and the outputs are stacked.

    Args:
        fn: takes an element of each sequence, the last output for each initial value, and the non-sequences; returns
            an output or a list of them.
        sequences, non_sequences: variables, or lists of them.
        outputs_info: a list with an initial value for each output, or None for one that is not fed back.
        n_steps: the number of steps, a Python integer.
        go_backwards: begin at the end of the sequences; outputs are in the order of the steps.

    Returns:
        A list of the outputs of all steps, each along a new first axis.

    Raises:
        ValueError: there is no step, or `fn` returns another number of outputs than `outputs_info` has.
    """
    if isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1:
        raise ValueError(f"unroll_scan: n_steps is {n_steps!r}; a loop is written out for a number of steps above 0")
    seqs, before, rest = (_listed(x) for x in (sequences, outputs_info, non_sequences))
    rows: list[list[Any]] = [[] for _ in before]
    for k in range(n_steps):
        at = n_steps - 1 - k if go_backwards else k
        out = fn(*(s[at] for s in seqs), *(v for v in before if v is not None), *rest)
        out = list(out) if isinstance(out, (list, tuple)) else [out]
        if len(out) != len(before):
            raise ValueError(f"unroll_scan: fn returns {len(out)} outputs, but outputs_info has {len(before)} entries")
        before = [None if b is None else o for b, o in zip(before, out, strict=True)]
        for found, o in zip(rows, out, strict=True):
            found.append(o)
    return [stack(found) for found in rows]


def _listed(x: Any) -> list[Any]:
    return [] if x is None else list(x) if isinstance(x, (list, tuple)) else [x]

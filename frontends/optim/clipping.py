"""Gradients that are not too large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.frontends import tensor as T
from arignote.frontends.optim.rules import as_of, positive


def clip_by_value(grads: Sequence[Any], low: Any, high: Any) -> list[Any]:
    """Each element of each gradient within `low` .. `high`."""
    return [T.clip(g, as_of(low, g), as_of(high, g)) for g in grads]


def clip_norm(grads: Sequence[Any], max_norm: Any = 50.0, return_norm: bool = False) -> Any:
    """Gradients, all scaled by one factor where their common norm is above `max_norm`, to which it is then equal.

    The norm is the root of the sum of the squares of all elements of all gradients together
    (R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", 2013).

    Args:
        return_norm: return (gradients, the norm before).
    """
    limit = positive("max_norm", max_norm)
    if not grads:
        raise ValueError("clip_norm: there are no gradients")
    squares = [T.sum(T.sqr(g)) for g in grads]
    norm = T.sqrt(T.add(*squares))
    factor = as_of(limit, norm) / T.maximum(norm, as_of(limit, norm))
    clipped = [g * as_of(factor, g) for g in grads]
    return (clipped, norm) if return_norm else clipped

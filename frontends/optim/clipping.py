"""Gradients that are not too large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.frontends import tensor as T
from arignote.frontends.optim.rules import as_of, positive
from arignote.frontends.tensor.convert import as_tensor_variable, label


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


def total_norm_constraint(
    tensor_vars: Sequence[Any], max_norm: Any, epsilon: float = 1e-7, return_norm: bool = False
) -> Any:
    """Expressions, all scaled by one factor where their common norm is above `max_norm`: `clip_norm` with Lasagne's
    arguments. The factor is min(norm, max_norm) / (norm + epsilon).

    Args:
        return_norm: return (scaled expressions, the norm before).
    """
    limit = positive("max_norm", max_norm)
    if not tensor_vars:
        raise ValueError("total_norm_constraint: there are no expressions")
    norm = T.sqrt(T.add(*[T.sum(T.sqr(x)) for x in tensor_vars]))
    factor = T.minimum(norm, as_of(limit, norm)) / (norm + as_of(epsilon, norm))
    scaled = [x * as_of(factor, x) for x in tensor_vars]
    return (scaled, norm) if return_norm else scaled


def norm_constraint(
    tensor_var: Any, max_norm: Any, norm_axes: Sequence[int] | None = None, epsilon: float = 1e-7
) -> Any:
    """A parameter, whose parts have norms of at most `max_norm`: each is multiplied by min(norm, max_norm) / (norm +
    epsilon). Meant for the new values of weights (N. Srivastava et al., "Dropout", 2014).

    Args:
        norm_axes: the axes of a part; by default the inputs of a unit: axis 0 of a matrix (inputs, units), all but axis
            0 of kernels (filters, channels, ...).

    Raises:
        ValueError: the rank is none of 2 to 5, and there are no `norm_axes`.
    """
    limit = positive("max_norm", max_norm)
    x: Any = as_tensor_variable(tensor_var)
    if norm_axes is None and not 2 <= x.ndim <= 5:
        raise ValueError(f"norm_constraint: give norm_axes for {label(x)}, which has {x.ndim} dimensions: {x.type}")
    axes = list(norm_axes) if norm_axes is not None else [0] if x.ndim == 2 else list(range(1, x.ndim))
    norms = T.sqrt(T.sum(T.sqr(x), axis=axes, keepdims=True))
    return x * (T.minimum(norms, as_of(limit, x)) / (norms + as_of(epsilon, x)))

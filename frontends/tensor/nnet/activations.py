"""Rectifiers and other activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction
from arignote.frontends.tensor.convert import as_tensor_variable, floating, label
from arignote.frontends.tensor.graph import wrap
from arignote.frontends.tensor.shapes import reshape

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["elu", "maxout", "relu", "selu", "softsign"]


def relu(x: Any, alpha: Any = 0) -> TensorVariable:
    """x where it is positive, `alpha` times x elsewhere.

    Args:
        alpha: 0 for the rectifier, a small number for the leaky one, a variable that broadcasts against `x` for
            the parametric one.
    """
    variable = as_tensor_variable(x)
    if isinstance(alpha, (int, float)) and alpha == 0:
        return ew.switch(ew.gt(variable, 0), variable, ew.cast(0, variable.dtype))
    return ew.switch(ew.gt(variable, 0), variable, ew.mul(alpha, variable))


def elu(x: Any, alpha: Any = 1) -> TensorVariable:
    """x where it is positive, alpha (exp(x) - 1) elsewhere."""
    variable = as_tensor_variable(x)
    # Of the lesser of x and 0, so that nothing overflows where it is not used.
    low = ew.expm1(ew.minimum(variable, 0))
    return ew.switch(ew.gt(variable, 0), variable, ew.mul(alpha, low))


def selu(x: Any) -> TensorVariable:
    """The scaled elu of self-normalising networks (Klambauer et al. 2017); of x's dtype."""
    variable = wrap(floating(as_tensor_variable(x).value_))
    scale, alpha = (np.asarray(v, variable.dtype) for v in (1.0507009873554804934, 1.6732632423543772848))
    return ew.mul(scale, elu(variable, alpha))


def softsign(x: Any) -> TensorVariable:
    """x / (1 + |x|)."""
    variable = as_tensor_variable(x)
    return ew.true_div(variable, ew.add(1.0, ew.abs_(variable)))


def maxout(x: Any, n_pool: int, axis: int = 1) -> TensorVariable:
    """The largest of each `n_pool` neighbours along `axis`, which becomes that many times shorter.

    Goodfellow et al. (2013); chapter 2 of the book. `x` is f[batch, units] or f[batch, channels, rows, columns].

    Raises:
        ValueError: `n_pool` is not positive, or `x` has no such axis. A size that `n_pool` does not divide is an
            error as soon as it is known.
    """
    variable = as_tensor_variable(x)
    if n_pool < 1:
        raise ValueError(f"maxout: n_pool must be positive, not {n_pool}")
    if not -variable.ndim <= axis < variable.ndim:
        raise ValueError(f"maxout: axis {axis} is not an axis of {label(variable)}: {variable.type}")
    where = axis % variable.ndim
    sizes = [variable.shape[a] for a in range(variable.ndim)]
    split = [*sizes[:where], sizes[where] // n_pool, n_pool, *sizes[where + 1 :]]
    return reduction.max(reshape(variable, split, ndim=variable.ndim + 1), axis=where + 1)

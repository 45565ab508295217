"""Nonlinearities, by name or as any function of an expression."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import numpy as np

from arignote.frontends import tensor as T

Activation = str | Callable[[Any], Any] | None


def identity(x: Any) -> Any:
    """x."""
    return x


def softmax(x: Any) -> Any:
    """The softmax along the last axis."""
    return T.nnet.softmax(x, axis=-1)


def leaky_relu(x: Any) -> Any:
    """x where it is positive, 0.01 x elsewhere; of x's dtype."""
    return T.nnet.relu(x, np.asarray(0.01, x.dtype) if np.dtype(x.dtype).kind == "f" else 0.01)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "elu": T.nnet.elu,
    "exp": T.exp,
    "hard_sigmoid": T.nnet.hard_sigmoid,
    "leaky_relu": leaky_relu,
    "linear": identity,
    "relu": T.nnet.relu,
    "selu": T.nnet.selu,
    "sigmoid": T.nnet.sigmoid,
    "softmax": softmax,
    "softplus": T.nnet.softplus,
    "softsign": T.nnet.softsign,
    "tanh": T.tanh,
}


def activation(which: Activation) -> Callable[[Any], Any]:
    """The function; None is the identity. Raises ValueError for names there are not."""
    if which is None:
        return identity
    if callable(which):
        return which
    try:
        return ACTIVATIONS[which]
    except KeyError:
        near = difflib.get_close_matches(which, ACTIVATIONS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(ACTIVATIONS)}"
        raise ValueError(f"there is no nonlinearity {which!r}; {hint}") from None

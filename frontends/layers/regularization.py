"""Penalties of large parameters, by layers: `regularize_layer_params(net, l2)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.layers.base import Layer
from arignote.frontends.layers.graph import get_all_params
from arignote.frontends.tensor.settings import config

#: From a parameter to a scalar.
Penalty = Callable[..., Any]


def l1(x: Any) -> Any:
    """The sum of absolute values."""
    return T.sum(T.abs_(x))


def l2(x: Any) -> Any:
    """The sum of squares."""
    return T.sum(T.sqr(x))


def apply_penalty(tensor_or_tensors: Any, penalty: Penalty, **options: Any) -> Any:
    """The penalty of an expression, or the sum of those of several; `options` go to `penalty`."""
    if isinstance(tensor_or_tensors, (list, tuple)):
        zero: Any = T.constant(np.asarray(0, config.floatX))
        return sum((penalty(x, **options) for x in tensor_or_tensors), zero)
    return penalty(tensor_or_tensors, **options)


def regularize_layer_params(
    layer: Layer | Sequence[Layer], penalty: Penalty, tags: Mapping[str, bool] | None = None, **options: Any
) -> Any:
    """The penalty of the parameters of a layer, or of several, and not of those below.

    Args:
        tags: which parameters; by default those that are `regularizable`.
    """
    layers = [layer] if isinstance(layer, Layer) else layer
    return apply_penalty([p for one in layers for p in one.get_params(**_tags(tags))], penalty, **options)


def regularize_layer_params_weighted(
    layers: Mapping[Layer, float], penalty: Penalty, tags: Mapping[str, bool] | None = None, **options: Any
) -> Any:
    """The sum of the penalties of layers, each times its factor."""
    terms = [
        T.cast(factor, config.floatX) * regularize_layer_params(one, penalty, tags, **options)
        for one, factor in layers.items()
    ]
    return sum(terms[1:], terms[0]) if terms else apply_penalty([], penalty)


def regularize_network_params(
    layer: Layer | Sequence[Layer], penalty: Penalty, tags: Mapping[str, bool] | None = None, **options: Any
) -> Any:
    """The penalty of the parameters of all layers below, and of `layer`."""
    return apply_penalty(get_all_params(layer, **_tags(tags)), penalty, **options)


def _tags(tags: Mapping[str, bool] | None) -> Mapping[str, bool]:
    return {"regularizable": True} if tags is None else tags

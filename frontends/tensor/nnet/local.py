"""Normalisation of a channel by its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.loc import composite
from arignote.frontends.tensor.padding import pad
from arignote.ir.types import is_float

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["local_response_normalization"]


@composite
def local_response_normalization(
    x: Any, alpha: float = 1e-4, k: float = 2, beta: float = 0.75, n: int = 5
) -> TensorVariable:
    """x / (k + alpha * s) ** beta, where s is the sum of squares over the `n` channels around each.

    A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012; the defaults are
    theirs. Libraries that divide `alpha` by `n` write `alpha / n` for what is `alpha` here.

    Args:
        x: floats [batch, channels, ...].
        n: odd.

    Raises:
        TypeError: `x` has fewer than two dimensions, or is no float.
        ValueError: an even `n`.
    """
    image = as_tensor_variable(x)
    if image.ndim < 2 or not is_float(image.value_.dtype):
        raise TypeError(f"local_response_normalization takes floats [batch, channels, ...], not {label(image)}: "
                        f"{image.type}")  # fmt: skip
    if n < 1 or n % 2 == 0:
        raise ValueError(f"local_response_normalization: n is odd, not {n}")
    half = n // 2
    channels = image.shape[1]
    squares = pad(ew.sqr(image), [(half, half) if axis == 1 else (0, 0) for axis in range(image.ndim)])
    total = squares[:, :channels]
    for shift in range(1, n):
        total = total + squares[:, shift : shift + channels]
    scale = np.asarray(k, image.dtype) + np.asarray(alpha, image.dtype) * total
    result: TensorVariable = image * scale ** np.asarray(-beta, image.dtype)
    return result

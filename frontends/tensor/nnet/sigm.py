"""The sigmoids, exact and approximate, and softplus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, floating
from arignote.frontends.tensor.elementwise import sigmoid, softplus
from arignote.frontends.tensor.graph import wrap

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["hard_sigmoid", "sigmoid", "softplus", "ultra_fast_sigmoid"]


def hard_sigmoid(x: Any) -> TensorVariable:
    """0.2 x + 0.5, within 0 .. 1; of x's dtype."""
    variable = wrap(floating(as_tensor_variable(x).value_))
    slope = np.asarray(0.2, variable.dtype)  # a Python number would make a float32 x float64, as 0.2 is none
    return ew.clip(variable * slope + 0.5, 0.0, 1.0)


def ultra_fast_sigmoid(x: Any) -> TensorVariable:
    """Theano's piecewise approximation of the sigmoid, without an exponential; off by less than 0.03.

    With a = |x| / 2 it is (1 + sgn(x) z) / 2, where z is 1.5 a / (1 + a) below 1.7, a line between 1.7 and 3, and
    constant from there on.
    """
    variable = wrap(floating(as_tensor_variable(x).value_))
    numbers = (1.7, 0.0458812946797165, 0.935409070603099, 0.99505475368673)
    knee, slope, high, last = (np.asarray(v, variable.dtype) for v in numbers)
    a = ew.abs_(variable) * 0.5
    line = (a - knee) * slope + high
    z = ew.switch(ew.lt(a, knee), 1.5 * a / (1.0 + a), ew.switch(ew.lt(a, 3.0), line, last))
    return (ew.sgn(variable) * z + 1.0) * 0.5

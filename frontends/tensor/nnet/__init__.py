"""Functions of neural networks: activations and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction
from arignote.frontends.tensor.convert import as_tensor_variable, floating, label
from arignote.frontends.tensor.creation import arange
from arignote.frontends.tensor.elementwise import sigmoid, softplus
from arignote.frontends.tensor.graph import emit, wrap
from arignote.frontends.tensor.nnet.local import local_response_normalization
from arignote.frontends.tensor.nnet.sampling import affine_grid, bilinear_sampling, spatial_transformer
from arignote.frontends.tensor.shapes import shape_padleft
from arignote.ir.types import is_float, is_integer

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "affine_grid",
    "bilinear_sampling",
    "binary_crossentropy",
    "categorical_crossentropy",
    "crossentropy_softmax_1hot",
    "elu",
    "hard_sigmoid",
    "local_response_normalization",
    "logsoftmax",
    "relu",
    "selu",
    "sigmoid",
    "sigmoid_binary_crossentropy",
    "softmax",
    "softplus",
    "softsign",
    "spatial_transformer",
    "ultra_fast_sigmoid",
]


def _rows(op: str, c: Any) -> TensorVariable:
    variable = as_tensor_variable(c)
    if variable.ndim not in (1, 2):
        raise ValueError(f"{op} takes a vector or a matrix, not {label(variable)}: {variable.type}")
    if variable.ndim == 1:  # Theano's gives a row
        variable = shape_padleft(variable)
    return wrap(emit(op, floating(variable.value_), axis=1))


def softmax(c: Any, axis: int | None = None) -> TensorVariable:
    """exp(c) over its sum, for each row; of a vector a matrix with one row, as in Theano.

    With `axis`, along that axis of a tensor with any number of dimensions.
    """
    return _rows("softmax", c) if axis is None else _along("softmax", c, axis)


def logsoftmax(c: Any, axis: int | None = None) -> TensorVariable:
    """The logarithm of `softmax`, without overflow."""
    return _rows("log_softmax", c) if axis is None else _along("log_softmax", c, axis)


def _along(op: str, c: Any, axis: int) -> TensorVariable:
    variable = as_tensor_variable(c)
    (where,) = reduction.axes_of(axis, variable, op)
    return wrap(emit(op, floating(variable.value_), axis=where))


def relu(x: Any, alpha: Any = 0) -> TensorVariable:
    """max(x, alpha x): x where it is positive, `alpha` (0) times x elsewhere."""
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
    """The scaled elu of self-normalising networks."""
    return ew.mul(1.0507009873554804934193349852946, elu(x, 1.6732632423543772848170429916717))


def softsign(x: Any) -> TensorVariable:
    """x / (1 + |x|)."""
    variable = as_tensor_variable(x)
    return ew.true_div(variable, ew.add(1.0, ew.abs_(variable)))


def hard_sigmoid(x: Any) -> TensorVariable:
    """0.2 x + 0.5, within 0 .. 1."""
    return ew.clip(ew.add(ew.mul(x, 0.2), 0.5), 0.0, 1.0)


def ultra_fast_sigmoid(x: Any) -> TensorVariable:
    """The sigmoid. Theano's approximation is no faster here."""
    return sigmoid(x)


def binary_crossentropy(output: Any, target: Any) -> TensorVariable:
    """-(t log(o) + (1 - t) log(1 - o)), elementwise, for probabilities `output`."""
    o, t = as_tensor_variable(output), as_tensor_variable(target)
    return -(t * ew.log(o) + (1.0 - t) * ew.log(1.0 - o))


def sigmoid_binary_crossentropy(output: Any, target: Any) -> TensorVariable:
    """`binary_crossentropy(sigmoid(output), target)`, for large values too."""
    o, t = as_tensor_variable(output), as_tensor_variable(target)
    return softplus(-ew.abs_(o)) + ew.maximum(o, 0) - o * t


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> TensorVariable:
    """The cross-entropy of each row of probabilities.

    Args:
        coding_dist: a matrix whose rows are distributions.
        true_dist: an integer vector of classes, or a matrix of distributions.
    """
    coding, true = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if true.ndim == coding.ndim:
        return -reduction.sum(true * ew.log(coding), coding.ndim - 1)
    if true.ndim != coding.ndim - 1:
        raise TypeError(
            f"categorical_crossentropy: {label(true)} has {true.ndim} dimensions; rank mismatch "
            f"between coding ({coding.ndim}) and true distributions"
        )
    if not is_integer(true.value_.dtype):
        raise TypeError(
            f"categorical_crossentropy: classes must be integers, but {label(true)} is {true.type}"
        )
    if coding.ndim != 2:
        raise TypeError(f"categorical_crossentropy takes a matrix with classes, not {coding.type}")
    return -ew.log(coding)[arange(true.shape[0]), true]


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> tuple[TensorVariable, TensorVariable]:
    """(cross-entropies, probabilities) of the softmax of `x` for the classes `y_idx`."""
    logits, classes = as_tensor_variable(x), as_tensor_variable(y_idx)
    if not is_float(logits.value_.dtype):
        raise TypeError(f"crossentropy_softmax_1hot takes floats, not {logits.type}")
    picked = logsoftmax(logits)[arange(classes.shape[0]), classes]
    return -picked, softmax(logits)

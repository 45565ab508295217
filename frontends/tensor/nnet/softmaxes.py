"""Softmax, its logarithm, its form with classes of classes, and its cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import linear, reduction
from arignote.frontends.tensor.convert import as_tensor_variable, floating, label
from arignote.frontends.tensor.creation import arange
from arignote.frontends.tensor.graph import emit, wrap
from arignote.frontends.tensor.shapes import reshape, shape_padleft
from arignote.ir.types import is_float, is_integer

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias",
    "crossentropy_softmax_argmax_1hot_with_bias",
    "crossentropy_softmax_max_and_argmax_1hot",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias",
    "h_softmax",
    "logsoftmax",
    "softmax",
    "softmax_with_bias",
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


def softmax_with_bias(x: Any, b: Any) -> TensorVariable:
    """The softmax of each row of the matrix `x` plus the vector `b`."""
    return softmax(_biased("softmax_with_bias", x, b))


def _biased(function: str, x: Any, b: Any) -> TensorVariable:
    matrix, bias = as_tensor_variable(x), as_tensor_variable(b)
    if matrix.ndim != 2 or bias.ndim != 1:
        raise ValueError(f"{function} takes a matrix and a vector of biases, not {matrix.type} and {bias.type}")
    return matrix + bias


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> tuple[TensorVariable, TensorVariable]:
    """(cross-entropies, probabilities) of the softmax of `x` for the classes `y_idx`."""
    logits, classes = as_tensor_variable(x), as_tensor_variable(y_idx)
    if not is_float(logits.value_.dtype):
        raise TypeError(f"crossentropy_softmax_1hot takes floats, not {logits.type}")
    picked = logsoftmax(logits)[arange(classes.shape[0]), classes]
    return -picked, softmax(logits)


def crossentropy_softmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> tuple[TensorVariable, TensorVariable]:
    """`crossentropy_softmax_1hot` of the matrix `x` plus the vector `b`."""
    return crossentropy_softmax_1hot(_biased("crossentropy_softmax_1hot_with_bias", x, b), y_idx)


def crossentropy_softmax_argmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any
) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
    """(cross-entropies, probabilities, most probable classes) of the softmax of each row of `x + b`."""
    logits = _biased("crossentropy_softmax_argmax_1hot_with_bias", x, b)
    entropies, probabilities = crossentropy_softmax_1hot(logits, y_idx)
    return entropies, probabilities, ew.cast(reduction.argmax(logits, axis=1), as_tensor_variable(y_idx).dtype)


def crossentropy_softmax_max_and_argmax_1hot(
    x: Any, y_idx: Any
) -> tuple[TensorVariable, TensorVariable, TensorVariable, TensorVariable]:
    """(cross-entropies, probabilities, largest probabilities, their classes) of the softmax of `x`."""
    entropies, probabilities = crossentropy_softmax_1hot(x, y_idx)
    largest, which = reduction.max_and_argmax(probabilities, axis=1)
    return entropies, probabilities, largest, which


def crossentropy_softmax_max_and_argmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any
) -> tuple[TensorVariable, TensorVariable, TensorVariable, TensorVariable]:
    """`crossentropy_softmax_max_and_argmax_1hot` of the matrix `x` plus the vector `b`."""
    logits = _biased("crossentropy_softmax_max_and_argmax_1hot_with_bias", x, b)
    return crossentropy_softmax_max_and_argmax_1hot(logits, y_idx)


def h_softmax(
    x: Any,
    batch_size: Any,
    n_outputs: Any,
    n_classes: Any,
    n_outputs_per_class: Any,
    W1: Any,
    b1: Any,
    W2: Any,
    b2: Any,
    target: Any = None,
) -> TensorVariable:
    """The two-level hierarchical softmax: a softmax over classes times one over the outputs of each class.

    J. Goodman, *Classes for fast maximum entropy training* (2001). With targets, only the outputs of each target's
    class are computed.

    Args:
        x: f[batch_size, features].
        batch_size, n_outputs: numbers, or symbolic integers.
        n_classes, n_outputs_per_class: their product is at least `n_outputs`; about its root is best for both.
        W1, b1: f[features, n_classes] and f[n_classes].
        W2, b2: f[n_classes, features, n_outputs_per_class] and f[n_classes, n_outputs_per_class].
        target: the numbers of the outputs that are wanted, i[batch_size]. All of them if None.

    Returns:
        Probabilities: f[batch_size] of the targets, or f[batch_size, n_outputs] of all.
    """
    features, weights, biases = (as_tensor_variable(v) for v in (x, W2, b2))
    of_classes = softmax(linear.dot(features, W1) + b1)
    if target is None:
        scores = linear.tensordot(features, weights, axes=[[1], [1]]) + biases
        joint = of_classes.dimshuffle(0, 1, "x") * softmax(scores, axis=2)
        return reshape(joint, [batch_size, n_classes * n_outputs_per_class], ndim=2)[:, :n_outputs]
    wanted = as_tensor_variable(target)
    if not is_integer(wanted.value_.dtype) or wanted.ndim != 1:
        raise TypeError(f"h_softmax: target must be a vector of integers, not {wanted.type}")
    rows, classes, within = arange(batch_size), wanted // n_outputs_per_class, wanted % n_outputs_per_class
    own = linear.batched_dot(features.dimshuffle(0, "x", 1), weights[classes])[:, 0, :] + biases[classes]
    return of_classes[rows, classes] * softmax(own)[rows, within]

"""Losses: elementwise, or one for each row. Their mean is what is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import joining, linear, reduction
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import arange, fill
from arignote.frontends.tensor.distinct import unique
from arignote.frontends.tensor.elementwise import softplus
from arignote.ir.types import is_integer

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "absolute_error",
    "binary_crossentropy",
    "categorical_crossentropy",
    "confusion_matrix",
    "crossentropy_categorical_1hot",
    "hinge",
    "prepend_0_to_each_row",
    "prepend_1_to_each_row",
    "prepend_scalar_to_each_row",
    "sigmoid_binary_crossentropy",
    "smooth_l1",
    "squared_error",
    "squared_hinge",
]


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
    return crossentropy_categorical_1hot(coding, true)


def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> TensorVariable:
    """-log of the probability of each row's class: `coding_dist` f[n, classes], `true_one_of_n` i[n]."""
    coding, true = as_tensor_variable(coding_dist), as_tensor_variable(true_one_of_n)
    if not is_integer(true.value_.dtype) or true.ndim != 1:
        raise TypeError(f"categorical_crossentropy: classes must be integers, but {label(true)} is {true.type}")
    if coding.ndim != 2:
        raise TypeError(f"categorical_crossentropy takes a matrix with classes, not {coding.type}")
    return -ew.log(coding)[arange(true.shape[0]), true]


def squared_error(output: Any, target: Any) -> TensorVariable:
    """(output - target)**2, elementwise."""
    return ew.sqr(ew.sub(output, target))


def absolute_error(output: Any, target: Any) -> TensorVariable:
    """|output - target|, elementwise."""
    return ew.abs_(ew.sub(output, target))


def smooth_l1(output: Any, target: Any, sigma: float = 1.0) -> TensorVariable:
    """The smooth absolute error, elementwise: (sigma d)**2 / 2 where |d| < 1 / sigma**2, else |d| - 0.5 / sigma**2.

    R. Girshick, *Fast R-CNN* (2015); with `sigma`, its form in *Faster R-CNN* (2015).
    """
    scale = float(sigma) ** 2
    d = ew.abs_(ew.sub(output, target))
    return ew.switch(ew.lt(d, 1 / scale), ew.sqr(d) * (0.5 * scale), d - 0.5 / scale)


def hinge(output: Any, target: Any) -> TensorVariable:
    """max(1 - target output, 0), elementwise, for targets -1 and 1."""
    return ew.maximum(ew.sub(1.0, ew.mul(target, output)), 0)


def squared_hinge(output: Any, target: Any) -> TensorVariable:
    """`hinge` squared."""
    return ew.sqr(hinge(output, target))


def confusion_matrix(actual: Any, pred: Any) -> list[TensorVariable]:
    """How often each class was predicted as each: [counts i64[k, k], the classes in ascending order [k]].

    A row for each class of `actual`, a column for each of `pred`; both are vectors of integers.
    """
    a, p = as_tensor_variable(actual), as_tensor_variable(pred)
    for v in (a, p):
        if v.ndim != 1 or not is_integer(v.value_.dtype):
            raise ValueError(f"confusion_matrix takes vectors of integers, not {label(v)}: {v.type}")
    order: Any = unique(joining.concatenate([a, p]))
    hits = [ew.cast(ew.eq(v.dimshuffle(0, "x"), order), "int64") for v in (a, p)]
    return [linear.dot(hits[0].T, hits[1]), order]


def prepend_scalar_to_each_row(val: Any, mat: Any) -> TensorVariable:
    """The matrix `mat` with a first column of the scalar `val`."""
    value, matrix = as_tensor_variable(val), as_tensor_variable(mat)
    if value.ndim or matrix.ndim != 2:
        raise TypeError(f"prepend_scalar_to_each_row takes a scalar and a matrix, not {value.type} and {matrix.type}")
    return joining.concatenate([fill(matrix[:, :1], ew.cast(value, matrix.dtype)), matrix], axis=1)


def prepend_0_to_each_row(mat: Any) -> TensorVariable:
    """The matrix `mat` with a first column of zeros."""
    return prepend_scalar_to_each_row(0, mat)


def prepend_1_to_each_row(mat: Any) -> TensorVariable:
    """The matrix `mat` with a first column of ones."""
    return prepend_scalar_to_each_row(1, mat)

"""Derivatives of tensors: along directions, and as matrices. `grad` is for scalars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import arange, zeros_like
from arignote.frontends.tensor.errors import DisconnectedInputError, GradientError
from arignote.frontends.tensor.gradient import grad, made_at
from arignote.frontends.tensor.graph import Symbol, Variable, wrap
from arignote.frontends.tensor.scanning import scan
from arignote.ir.core import Value
from arignote.ir.types import Dim, is_differentiable
from arignote.passes.forward import push_forward

__all__ = ["Lop", "Rop", "hessian", "hessian_times_vector", "jacobian", "jvp"]


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _formed(like: Any, out: list[Any]) -> Any:
    """`out` in the form of an argument: a list, a tuple, or the only element."""
    return tuple(out) if isinstance(like, tuple) else out if isinstance(like, list) else out[0]


def _pairs(wrt: Any, points: Any, what: str) -> list[tuple[Any, Any]]:
    variables, values = _listed(wrt), [as_tensor_variable(v) for v in _listed(points)]
    if len(variables) != len(values):
        raise ValueError(f"{what}: {len(variables)} variables and {len(values)} eval_points")
    for v, t in zip(variables, values, strict=True):
        if not isinstance(v, Variable):
            raise TypeError(f"{what}: expected a variable, got {v!r}")
        if v.ndim != t.ndim:
            raise ValueError(
                f"{what}: Element of wrt, {label(v)}, has {v.ndim} dimensions, its eval_point {t.ndim}"
            )
    return list(zip(variables, values, strict=True))


def Rop(f: Any, wrt: Any, eval_points: Any, disconnected_outputs: str = "raise", return_disconnected: str = "zero") -> (
    Any
):
    """The derivative of `f` along `eval_points`: the Jacobian times a vector, by forward mode.

    Args:
        f: a variable, or a list or tuple of them.
        wrt: variables that `f` depends on.
        eval_points: for each of `wrt` a tensor of its shape.
        disconnected_outputs: what happens where an `f` does not depend on `wrt`: "raise" or "ignore".
        return_disconnected: what its derivative is then: "zero" or "None".

    Raises:
        DisconnectedInputError: an `f` does not depend on `wrt`.
    """
    outputs = [as_tensor_variable(v) for v in _listed(f)]
    pairs = _pairs(wrt, eval_points, "Rop")
    tangents: dict[Value, Value] = {}
    for v, t in pairs:
        if not is_differentiable(v.value_.dtype):
            raise GradientError(f"Rop: no derivative with respect to {label(v)}, whose values are discrete{made_at(v)}")
        point = t if t.dtype == v.dtype else t.astype(v.dtype)
        tangents[v.value_] = point.value_
    found = push_forward([v.value_ for v in outputs], tangents, lambda s: Dim.symbol(Symbol.fresh(s)))
    out: list[Any] = []
    for v, t in zip(outputs, found, strict=True):
        if t is not None:
            out.append(wrap(t))
            continue
        if disconnected_outputs == "raise" and is_differentiable(v.value_.dtype):
            raise DisconnectedInputError(f"Rop: {label(v)} does not depend on the variables of wrt{made_at(v)}")
        out.append(zeros_like(v) if return_disconnected.lower() == "zero" else None)
    return _formed(f, out)


def jvp(f: Any, wrt: Any, tangents: Any) -> Any:
    """`Rop` under the name that is common today; 0 where `f` does not depend on `wrt`."""
    return Rop(f, wrt, tangents, disconnected_outputs="ignore")


def Lop(f: Any, wrt: Any, eval_points: Any, consider_constant: Iterable[Any] | None = None, disconnected_inputs: str = (
    "raise"
)) -> Any:
    """A vector times the Jacobian: the gradient with respect to `wrt` of the sum of `f` times `eval_points`."""
    known = dict(_pairs(f, eval_points, "Lop"))
    return _formed(wrt, grad(None, _listed(wrt), consider_constant, disconnected_inputs, known_grads=known))


def jacobian(
    expression: Any, wrt: Any, consider_constant: Iterable[Any] | None = None, disconnected_inputs: str = "raise"
) -> Any:
    """The derivatives of each element of a vector (or scalar) with respect to `wrt`, along a new first axis.

    The rows are found by a loop of gradients, which the compiler turns into products of matrices where it can.

    Raises:
        ValueError: `expression` has more than one dimension.
    """
    y = as_tensor_variable(expression)
    if y.ndim > 1:
        raise ValueError(
            f"jacobian expects a 1 dimensional variable as `expression`, but {label(y)} has {y.ndim}. If it is not, "
            f"use flatten to make it a vector{made_at(y)}"
        )
    variables = _listed(wrt)
    constants = list(consider_constant or ())
    if not y.ndim:
        return _formed(wrt, grad(y, variables, constants, disconnected_inputs))

    def row(i: Any) -> list[Any]:
        return list(grad(y[i], variables, constants, disconnected_inputs))

    rows, _ = scan(row, sequences=arange(y.shape[0]), name="jacobian", return_list=True)
    return _formed(wrt, rows)


def hessian(
    cost: Any, wrt: Any, consider_constant: Iterable[Any] | None = None, disconnected_inputs: str = "raise"
) -> Any:
    """The second derivatives of a scalar with respect to vectors: for each a matrix.

    Raises:
        ValueError: one of `wrt` is no vector.
    """
    variables = _listed(wrt)
    for v in variables:
        if not isinstance(v, Variable) or v.ndim != 1:
            raise ValueError(f"hessian expects 1 dimensional variables as `wrt`, not {v!r}")
    out = []
    for v in variables:
        first = grad(cost, v, consider_constant, disconnected_inputs)
        out.append(jacobian(first, v, consider_constant, "ignore"))
    return _formed(wrt, out)


def hessian_times_vector(gradient: Any, parameter: Any, vector: Any, r_op: bool = False) -> Any:
    """The Hessian times a vector, given the gradient: by forward mode if `r_op`, else as the gradient of a product."""
    gradients, parameters, vectors = _listed(gradient), _listed(parameter), _listed(vector)
    if r_op:
        return _formed(parameter, _listed(Rop(gradients, parameters, vectors)))
    total: Any = sum((g * as_tensor_variable(v)).sum() for g, v in zip(gradients, vectors, strict=True))
    return _formed(parameter, grad(total, parameters, vectors, "ignore"))

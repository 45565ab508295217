"""`grad`: derivatives as expressions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import zeros_like
from arignote.frontends.tensor.errors import DisconnectedInputError, GradientError
from arignote.frontends.tensor.graph import Leaf, Symbol, Variable, wrap
from arignote.ir.diag import Loc
from arignote.ir.types import Dim, is_differentiable
from arignote.passes.grad import derive

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def made_at(variable: Variable) -> str:
    """Where a variable was made, for messages; empty where that is not known."""
    value = variable.value_
    loc: Loc | None = value.loc if isinstance(value, Leaf) else None
    if value.owner is not None:
        loc = value.owner.loc
    if loc is None:
        return ""
    source = loc.source()
    return f"\nBacktrace when that variable is created:\n  {loc}" + (f": {source}" if source else "")


def grad(
    cost: Any,
    wrt: Any,
    consider_constant: Iterable[Any] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Any, Any] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradient of a scalar with respect to a variable, or a list or tuple of variables.

    Args:
        consider_constant: variables that no gradient passes through.
        disconnected_inputs: what happens if `cost` does not depend on a variable: "raise", "warn"
            or "ignore".
        known_grads: gradients of (unnamed) costs with respect to intermediate variables.
        return_disconnected: what a gradient that does not exist is: "zero" or "None".

    Raises:
        TypeError: the cost is no floating-point scalar.
        DisconnectedInputError: the cost does not depend on a variable.
    """
    if disconnected_inputs not in ("raise", "warn", "ignore"):
        raise ValueError(
            f"Invalid value for keyword 'disconnected_inputs': {disconnected_inputs!r}, valid "
            "values are 'ignore', 'warn' and 'raise'."
        )
    if return_disconnected.lower() not in ("zero", "none", "disconnected"):
        raise ValueError(
            f"return_disconnected is {return_disconnected!r}; give 'zero' or 'None'"
        )
    variables = list(wrt) if isinstance(wrt, (list, tuple)) else [wrt]
    for v in variables:
        if not isinstance(v, Variable):
            raise TypeError(f"Expected Variable, got {v!r} of type {type(v).__name__}")
    costs = None if cost is None else as_tensor_variable(cost)
    if costs is not None:
        _check_cost(costs)
    discrete = [v for v in variables if not is_differentiable(v.value_.dtype)]
    known = {
        as_tensor_variable(k).value_: as_tensor_variable(g).value_
        for k, g in (known_grads or {}).items()
    }
    smooth = [v.value_ for v in variables if is_differentiable(v.value_.dtype)]
    constants = [as_tensor_variable(c).value_ for c in consider_constant or ()]
    root = None if costs is None else costs.value_
    found = iter(derive(root, smooth, constants, known, "ignore", lambda v: Dim.symbol(Symbol.fresh(v))))
    out: list[TensorVariable | None] = []
    for v in variables:
        value = None if any(v is d for d in discrete) else next(found)
        if value is not None:
            out.append(wrap(value))
            continue
        _report(v, disconnected_inputs)
        out.append(zeros_like(v) if return_disconnected.lower() == "zero" else None)
    if isinstance(wrt, tuple):
        return tuple(out)
    return out if isinstance(wrt, list) else out[0]


def _check_cost(cost: TensorVariable) -> None:
    if cost.ndim:
        raise GradientError(
            f"cost must be a scalar, but {label(cost)} is {cost.type}; take its sum or mean."
            f"{made_at(cost)}"
        )
    if not is_differentiable(cost.value_.dtype):
        raise GradientError(
            f"cost must be a floating-point number, but {label(cost)} is {cost.type}."
            f"{made_at(cost)}"
        )


def _report(v: Variable, policy: str) -> None:
    message = (
        "grad method was asked to compute the gradient with respect to a variable that is not part "
        "of the computational graph of the cost, or is used only by a non-differentiable operator: "
        f"{v}{made_at(v)}"
    )
    if policy == "raise":
        raise DisconnectedInputError(message)
    if policy == "warn":
        warnings.warn(message, stacklevel=3)

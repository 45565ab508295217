"""`grad`: derivatives as expressions; and what programs say about how gradients pass."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable, label, value_of
from arignote.frontends.tensor.creation import zeros_like
from arignote.frontends.tensor.errors import DisconnectedInputError, GradientError
from arignote.frontends.tensor.graph import Composite, Leaf, Symbol, Variable, emit, wrap
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
        add_names: call gradients `(dcost/dx)` where cost and variable have names.
        return_disconnected: what a gradient that does not exist is: "zero", "None", or "disconnected" (the variable
            of a `DisconnectedType`).
        null_gradients: ignored: an op without a gradient raises an error.

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
    variables: list[Any] = list(wrt) if isinstance(wrt, (list, tuple)) else [wrt]
    composites = {i: v for i, v in enumerate(variables) if isinstance(v, Composite)}
    variables = [v.data if i in composites else v for i, v in enumerate(variables)]
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
    out: list[Any] = []
    for v in variables:
        value = None if any(v is d for d in discrete) else next(found)
        if value is not None:
            gradient = wrap(value)
            own = value.owner is not None and (value.name is None or value.name.startswith("d."))
            if add_names and own and costs is not None and costs.name and v.name:
                gradient.name = f"(d{costs.name}/d{v.name})"
            out.append(gradient)
            continue
        _report(v, disconnected_inputs)
        out.append(_nothing(v, return_disconnected.lower()))
    for i, v in composites.items():
        if isinstance(out[i], Variable):
            out[i] = v.with_data(out[i])
    if isinstance(wrt, tuple):
        return tuple(out)
    return out if isinstance(wrt, list) else out[0]


def _nothing(v: Variable, kind: str) -> Any:
    """What stands for a gradient that does not exist."""
    return zeros_like(v) if kind == "zero" else None if kind == "none" else DisconnectedType()()


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


def subgraph_grad(
    wrt: Sequence[Any],
    end: Sequence[Any],
    start: Mapping[Any, Any] | None = None,
    cost: Any = None,
    details: bool = False,
) -> Any:
    """(gradients of `wrt`, gradients of `end`) through the part of a graph that lies between `end`, below which it is
    cut off, and its results: `cost`, or the variables in `start`, whose gradients are given.

    Args:
        details: return [gradients of `start` from `cost` alone, the sums of these and those given] as well.

    Raises:
        ValueError: neither `start` nor `cost` is given.
    """
    if start is None and cost is None:
        raise ValueError("subgraph_grad needs start or cost")
    given = dict(start or {})
    from_cost = []
    if given and cost is not None:
        from_cost = grad(cost, list(given), list(end), disconnected_inputs="ignore")
    if from_cost:
        given = {v: given[v] + g for v, g in zip(given, from_cost, strict=True)}
    wanted = [*wrt, *end]
    found = grad(None if given else cost, wanted, list(end), "ignore", known_grads=given or None)
    both = found[: len(wrt)], found[len(wrt) :]
    return (*both, from_cost, list(given.values())) if details else both


# ---------------------------------------------------------------- how gradients pass
def grad_clip(x: Any, lower_bound: float, upper_bound: float) -> TensorVariable:
    """`x`; its gradient is what comes back, not below `lower_bound` nor above `upper_bound`."""
    return wrap(emit("grad_clip", value_of(x), low=float(lower_bound), high=float(upper_bound)))


def grad_scale(x: Any, multiplier: float) -> TensorVariable:
    """`x`; its gradient is what comes back times `multiplier`: -1 reverses it."""
    return wrap(emit("grad_scale", value_of(x), factor=float(multiplier)))


def zero_grad(x: Any) -> TensorVariable:
    """`x`; its gradient is 0."""
    return wrap(emit("stop_gradient", value_of(x), connected=True))


consider_constant = zero_grad


def disconnected_grad(x: Any) -> TensorVariable:
    """`x`, on which nothing that is computed from it depends, as far as gradients are concerned."""
    return wrap(emit("stop_gradient", value_of(x)))


# ---------------------------------------------------------------- what stands for gradients that are none
@dataclass(frozen=True)
class DisconnectedType:
    """`DisconnectedType()()` stands for the gradient of what a result does not depend on."""

    def __call__(self) -> NoGradient:
        return NoGradient(self)


@dataclass(frozen=True)
class NullType:
    """`NullType(why)()` stands for a gradient that is not defined."""

    why_null: str = "(no explanation given)"

    def __call__(self) -> NoGradient:
        return NoGradient(self)


@dataclass(frozen=True)
class NoGradient:
    """A stand-in for a gradient. Its `type` says why there is none."""

    type: DisconnectedType | NullType

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        why = getattr(self.type, "why_null", "the result does not depend on the input")
        raise NullTypeGradError(f"there is no gradient to take {name} of: {why}")


class NullTypeGradError(TypeError):
    """The use of a gradient that is not defined."""


def grad_undefined(op: Any, x_pos: int, x: Any, comment: str = "") -> NoGradient:
    """What a rule of `OpFromGraph` gives where the gradient of input `x_pos` is mathematically undefined."""
    return NullType(f"the gradient of {op} with respect to input {x_pos} is undefined. {comment}".rstrip())()


def grad_not_implemented(op: Any, x_pos: int, x: Any, comment: str = "") -> NoGradient:
    """What a rule of `OpFromGraph` gives where nobody has written the gradient of input `x_pos`."""
    return NullType(f"the gradient of {op} with respect to input {x_pos} is not implemented. {comment}".rstrip())()

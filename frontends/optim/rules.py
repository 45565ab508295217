"""Update rules: from a loss (or gradients) and parameters to the `updates` of a function.

    updates = optim.adam(loss, [W, b], learning_rate=0.001)
    train = ar.function([x, y], loss, updates=updates)

Each rule returns a dict: every parameter, and every variable of the rule's own (momenta, means of squares), with its
new value. The rule's variables start at zero and have the parameter's shape and dtype. All of it compiles into one
pass over the memory of a parameter, in place. Rates and factors are numbers, shared variables or expressions.

The defaults are those of C. Bourez, *Deep Learning with Theano* (2017), chapter 2: an epsilon of 1e-6 under the root,
momentum 0.9, rho 0.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.graph import Variable, constant_of
from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.ir.diag import Diagnostic
from arignote.ir.types import is_float

Updates = dict[Any, Any]
#: One parameter: (parameter, gradient, learning rate) -> updates of it and of the rule's variables.
Rule = Callable[[Any, Any, Any], Updates]


def sgd(loss_or_grads: Any, params: Any, learning_rate: Any) -> Updates:
    """Gradient descent: p - rate g."""
    rate = not_negative("learning_rate", learning_rate)
    return _each(loss_or_grads, params, rate, lambda p, g, rate: {p: p - rate * g})


def momentum(loss_or_grads: Any, params: Any, learning_rate: Any, momentum: Any = 0.9) -> Updates:
    """Gradient descent with momentum: v <- momentum v - rate g; p + v.

    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """
    rate, keep = not_negative("learning_rate", learning_rate), fraction("momentum", momentum)

    def rule(p: Any, g: Any, rate: Any) -> Updates:
        v = zeros(p, "velocity")
        moved = as_of(keep, p) * v - rate * g
        return {p: p + moved, v: moved}

    return _each(loss_or_grads, params, rate, rule)


def nesterov(loss_or_grads: Any, params: Any, learning_rate: Any, momentum: Any = 0.9) -> Updates:
    """Nesterov's momentum, from the gradient at p: v <- momentum v - rate g; p + momentum v - rate g.

    I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep learning",
    2013, in the form of Y. Bengio, N. Boulanger-Lewandowski, R. Pascanu, "Advances in optimizing recurrent networks".
    """
    rate, keep = not_negative("learning_rate", learning_rate), fraction("momentum", momentum)

    def rule(p: Any, g: Any, rate: Any) -> Updates:
        v, factor = zeros(p, "velocity"), as_of(keep, p)
        moved = factor * v - rate * g
        return {p: p + factor * moved - rate * g, v: moved}

    return _each(loss_or_grads, params, rate, rule)


def apply_momentum(updates: Updates, params: Any = None, momentum: Any = 0.9) -> Updates:
    """Other updates with momentum: v <- momentum v + (new p - p); p + v.

    Args:
        params: of which parameters; by default all that are updated.

    Raises:
        ValueError: one of them is not updated.
    """
    return _moved(updates, params, momentum, lambda keep, v, step: keep * v + step)


def apply_nesterov_momentum(updates: Updates, params: Any = None, momentum: Any = 0.9) -> Updates:
    """Other updates with Nesterov's momentum: v <- momentum v + (new p - p); p + momentum v + (new p - p)."""
    return _moved(updates, params, momentum, lambda keep, v, step: keep * (keep * v + step) + step)


def _moved(updates: Updates, params: Any, momentum: Any, moved: Callable[[Any, Any, Any], Any]) -> Updates:
    keep = fraction("momentum", momentum)
    out = dict(updates)
    for p in list(updates) if params is None else list(params):
        if p not in updates:
            raise ValueError(_at(f"{label(p)} has no update that momentum could be added to"))
        v = zeros(p, "velocity")
        step = updates[p] - p
        out[v] = as_of(keep, p) * v + step
        out[p] = p + moved(as_of(keep, p), v, step)
    return out


def adagrad(loss_or_grads: Any, params: Any, learning_rate: Any = 1.0, epsilon: Any = 1e-6) -> Updates:
    """Adagrad: s <- s + g^2; p - rate g / sqrt(s + epsilon).

    J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011.
    """
    rate, small = not_negative("learning_rate", learning_rate), positive("epsilon", epsilon)

    def rule(p: Any, g: Any, rate: Any) -> Updates:
        s = zeros(p, "squares")
        total = s + T.sqr(g)
        return {p: p - rate * g / T.sqrt(total + as_of(small, p)), s: total}

    return _each(loss_or_grads, params, rate, rule)


def rmsprop(
    loss_or_grads: Any, params: Any, learning_rate: Any = 1.0, rho: Any = 0.9, epsilon: Any = 1e-6
) -> Updates:
    """RMSProp: s <- rho s + (1 - rho) g^2; p - rate g / sqrt(s + epsilon).

    T. Tieleman, G. Hinton, "Lecture 6.5: rmsprop", 2012.
    """
    rate, keep = not_negative("learning_rate", learning_rate), fraction("rho", rho)
    small = positive("epsilon", epsilon)

    def rule(p: Any, g: Any, rate: Any) -> Updates:
        s = zeros(p, "squares")
        mean = _mean(s, T.sqr(g), keep)
        return {p: p - rate * g / T.sqrt(mean + as_of(small, p)), s: mean}

    return _each(loss_or_grads, params, rate, rule)


def adadelta(
    loss_or_grads: Any, params: Any, learning_rate: Any = 1.0, rho: Any = 0.9, epsilon: Any = 1e-6
) -> Updates:
    """Adadelta: s <- rho s + (1 - rho) g^2; d = g sqrt(t + epsilon) / sqrt(s + epsilon); t <- rho t + (1 - rho) d^2;
    p - rate d.

    M. D. Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
    """
    rate, keep = not_negative("learning_rate", learning_rate), fraction("rho", rho)
    small = positive("epsilon", epsilon)

    def rule(p: Any, g: Any, rate: Any) -> Updates:
        s, t, least = zeros(p, "squares"), zeros(p, "steps"), as_of(small, p)
        mean = _mean(s, T.sqr(g), keep)
        step = g * T.sqrt(t + least) / T.sqrt(mean + least)
        return {p: p - rate * step, s: mean, t: _mean(t, T.sqr(step), keep)}

    return _each(loss_or_grads, params, rate, rule)


def adam(
    loss_or_grads: Any, params: Any, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999,
    epsilon: Any = 1e-8,
) -> Updates:  # fmt: skip
    """Adam, with corrections of the bias: m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
    p - rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon), in step t = 1, 2, ...

    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.
    """
    return _adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon, highest=False)


def amsgrad(
    loss_or_grads: Any, params: Any, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999,
    epsilon: Any = 1e-8,
) -> Updates:  # fmt: skip
    """`adam`, divided by the root of the largest v so far.

    S. J. Reddi, S. Kale, S. Kumar, "On the convergence of Adam and beyond", 2018.
    """
    return _adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon, highest=True)


def _adam(
    loss_or_grads: Any, params: Any, learning_rate: Any, beta1: Any, beta2: Any, epsilon: Any, highest: bool
) -> Updates:
    rate, small = not_negative("learning_rate", learning_rate), positive("epsilon", epsilon)
    first, second = fraction("beta1", beta1), fraction("beta2", beta2)
    count, t = _counted()
    corrected = double(rate) * T.sqrt(1 - double(second) ** t) / (1 - double(first) ** t)

    def rule(p: Any, g: Any, rate: Any) -> Updates:
        m, v = zeros(p, "mean"), zeros(p, "squares")
        mean, squares = _mean(m, g, first), _mean(v, T.sqr(g), second)
        updates = {m: mean, v: squares}
        if highest:
            top = zeros(p, "highest")
            squares = updates[top] = T.maximum(top, squares)
        return {p: p - rate * mean / (T.sqrt(squares) + as_of(small, p)), **updates}

    return _each(loss_or_grads, params, corrected, rule) | {count: count + 1}


def adamax(
    loss_or_grads: Any, params: Any, learning_rate: Any = 0.002, beta1: Any = 0.9, beta2: Any = 0.999,
    epsilon: Any = 1e-8,
) -> Updates:  # fmt: skip
    """Adam with the largest gradient in place of the mean square: m <- beta1 m + (1 - beta1) g; u <- max(beta2 u, |g|);
    p - rate / (1 - beta1^t) m / (u + epsilon).

    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.
    """
    rate, small = not_negative("learning_rate", learning_rate), positive("epsilon", epsilon)
    first, second = fraction("beta1", beta1), fraction("beta2", beta2)
    count, t = _counted()

    def rule(p: Any, g: Any, rate: Any) -> Updates:
        m, u = zeros(p, "mean"), zeros(p, "highest")
        mean, top = _mean(m, g, first), T.maximum(as_of(second, p) * u, T.abs_(g))
        return {p: p - rate * mean / (top + as_of(small, p)), m: mean, u: top}

    return _each(loss_or_grads, params, double(rate) / (1 - double(first) ** t), rule) | {count: count + 1}


def _counted() -> tuple[SharedVariable, Any]:
    """The number of steps so far, and that of this step as float64: a number of the host, exact in every dtype."""
    count = T.shared(np.int64(0), "steps")
    return count, T.cast(count + 1, "float64")


def _mean(old: Any, new: Any, keep: Any) -> Any:
    """keep old + (1 - keep) new, with 1 - keep rounded once."""
    return as_of(keep, old) * old + as_of(1 - double(keep), old) * new


# ---------------------------------------------------------------- parameters and gradients
def gradients(loss_or_grads: Any, params: Any) -> tuple[list[SharedVariable], list[Any]]:
    """The parameters as a list, and the gradient of each: those given, or those of the loss.

    Raises:
        TypeError: a parameter is no shared variable of floats, or a gradient has another dtype or rank.
        ValueError: a parameter occurs twice, or there are not as many gradients as parameters.
    """
    variables = list(params) if isinstance(params, Iterable) and not isinstance(params, Variable) else [params]
    for p in variables:
        if not isinstance(p, SharedVariable) or not is_float(p.value_.dtype):
            raise TypeError(str(_at(f"parameters are shared variables of floats, not {p!r}")))
    for i, p in enumerate(variables):
        if any(p is q for q in variables[:i]):
            raise ValueError(str(_at(f"the parameter {label(p)} is given twice")))
    if isinstance(loss_or_grads, Variable):
        return variables, list(T.grad(loss_or_grads, variables))
    grads = [as_tensor_variable(g) for g in loss_or_grads]
    if len(grads) != len(variables):
        raise ValueError(str(_at(f"{len(grads)} gradients for {len(variables)} parameters")))
    for p, g in zip(variables, grads, strict=True):
        if g.dtype != p.dtype or g.ndim != p.ndim:
            raise TypeError(str(_at(f"the gradient of {label(p)}, {p.type}, is {g.type}")))
    return variables, grads


def _each(loss_or_grads: Any, params: Any, rate: Any, rule: Rule) -> Updates:
    """The updates of all parameters."""
    updates: Updates = {}
    for p, g in zip(*gradients(loss_or_grads, params), strict=True):
        updates |= rule(p, g, as_of(rate, p))
    return updates


def zeros(p: SharedVariable, what: str) -> SharedVariable:
    """A variable of a rule's own, of a parameter's shape and dtype."""
    name = f"{p.name}.{what}" if p.name else what
    value = p.container.array
    return T.shared(np.zeros(value.shape, value.dtype), name, broadcastable=p.broadcastable)


def as_of(x: Any, p: Variable) -> Any:
    """A rate or factor in the dtype of a parameter."""
    return T.cast(x, p.dtype)


def double(x: Any) -> Any:
    """A rate or factor in float64."""
    return T.cast(x, "float64")


# ---------------------------------------------------------------- rates and factors
def _at(message: str) -> Diagnostic:
    return Diagnostic(message, loc=user_loc())


def _checked(name: str, x: Any, rule: str, holds: Callable[[Any], bool]) -> Any:
    number = np.float64(x) if isinstance(x, (int, float)) and not isinstance(x, bool) else x  # not rounded to floatX
    variable = as_tensor_variable(number)
    value = constant_of(variable.value_)
    if variable.ndim:
        raise ValueError(str(_at(f"{name} must be a scalar, not {variable.type}")))
    if value is not None and not holds(value):
        raise ValueError(str(_at(f"{name} must be {rule}, not {value}")))
    return variable


def not_negative(name: str, x: Any) -> Any:
    """A rate as a variable; float64 if it is a number.

    Raises:
        ValueError: it is known, and negative or no number.
    """
    return _checked(name, x, "0 or more", lambda v: bool(v >= 0))


def positive(name: str, x: Any) -> Any:
    """A number above 0, as a variable."""
    return _checked(name, x, "positive", lambda v: bool(v > 0))


def fraction(name: str, x: Any) -> Any:
    """A number in [0, 1), as a variable."""
    return _checked(name, x, "0 or more and below 1", lambda v: bool(0 <= v < 1))

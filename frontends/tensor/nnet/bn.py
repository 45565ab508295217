"""Batch normalisation. S. Ioffe and C. Szegedy, *Batch normalization* (2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction, shapes
from arignote.frontends.tensor.convert import as_tensor_variable, floating
from arignote.frontends.tensor.graph import wrap
from arignote.frontends.tensor.loc import composite

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["batch_normalization", "batch_normalization_test", "batch_normalization_train"]


@composite
def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> TensorVariable:
    """(inputs - mean) * gamma / std + beta, with the broadcasting of elementwise functions. `mode` (`low_mem` or
    `high_mem`) is accepted and has no effect: fusion decides."""
    if mode not in ("low_mem", "high_mem"):
        raise ValueError(f"batch_normalization: mode must be 'low_mem' or 'high_mem', not {mode!r}")
    x, g, b, m, s = map(as_tensor_variable, (inputs, gamma, beta, mean, std))
    return (x - m) * (g / s) + b


class _Axes:
    """The axes that are normalised over, and parameters brought to the rank of the inputs."""

    def __init__(self, name: str, inputs: Any, axes: Any, epsilon: Any, parameters: dict[str, Any]) -> None:
        self.x = wrap(floating(as_tensor_variable(inputs).value_))
        ndim = self.x.ndim
        if ndim < 2:
            raise ValueError(f"{name}: inputs must have at least 2 dimensions, not {self.x.type}")
        if isinstance(axes, str):
            if axes not in ("per-activation", "spatial"):
                raise ValueError(f"{name}: axes must be 'per-activation', 'spatial' or a tuple, not {axes!r}")
            axes = (0,) if axes == "per-activation" else (0, *range(2, ndim))
        self.axes = reduction.axes_of(list(axes), self.x, name)
        self.kept = [a for a in range(ndim) if a not in self.axes]
        if not float(epsilon) >= 1e-5:
            raise ValueError(f"{name}: epsilon must be at least 1e-5, not {epsilon}")
        self.epsilon = ew.cast(epsilon, self.x.dtype)
        given = {k: as_tensor_variable(v) for k, v in parameters.items()}
        first = next(iter(given.values()))
        self.full = first.ndim == ndim
        rank = ndim if self.full else len(self.kept)
        self.parameters = {}
        for key, v in given.items():
            if v.ndim != rank:
                raise ValueError(
                    f"{name}: {key} must have {ndim} dimensions, or {len(self.kept)}, one for each axis of the inputs "
                    f"that is kept, and as many as the first parameter; it has {v.ndim}: {v.type}"
                )
            self.parameters[key] = self.expand(v)

    def expand(self, v: TensorVariable) -> TensorVariable:
        """A parameter with dimensions 1 for the axes that are normalised over."""
        if self.full:
            return shapes.addbroadcast(v, *self.axes)
        places = {axis: i for i, axis in enumerate(self.kept)}
        return v.dimshuffle(*(places.get(a, "x") for a in range(self.x.ndim)))

    def squeeze(self, v: TensorVariable) -> TensorVariable:
        """The inverse of `expand`."""
        return v if self.full else v.dimshuffle(*self.kept)


@composite
def batch_normalization_train(
    inputs: Any, gamma: Any, beta: Any, axes: Any = "per-activation", epsilon: float = 1e-4,
    running_average_factor: float = 0.1, running_mean: Any = None, running_var: Any = None,
) -> tuple[TensorVariable, ...]:  # fmt: skip
    """Normalise with the statistics of the batch: (inputs - mean) / sqrt(var + epsilon) * gamma + beta.

    Args:
        inputs: floats of rank 2 or more.
        gamma, beta, running_mean, running_var: of the inputs' rank, with 1 element along `axes`, or without these axes.
        axes: those that statistics are taken over: `per-activation` (the first one), `spatial` (all but the second), or
            a tuple.
        running_average_factor: how much of the new statistics enters the running ones.

    Returns:
        (outputs, mean, 1 / sqrt(var + epsilon)), then new values for `running_mean` and `running_var` where given, the
        latter from the unbiased variance.
    """
    parameters = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var}
    given = {k: v for k, v in parameters.items() if v is not None}
    work = _Axes("batch_normalization_train", inputs, axes, epsilon, given)
    x, p = work.x, work.parameters
    mean = reduction.mean(x, axis=work.axes, keepdims=True)
    centred = x - mean
    var = reduction.mean(ew.sqr(centred), axis=work.axes, keepdims=True)
    invstd = ew.inv(ew.sqrt(var + work.epsilon))
    out = centred * (p["gamma"] * invstd) + p["beta"]
    results = [out, work.squeeze(mean), work.squeeze(invstd)]
    factor, rest = ew.cast(running_average_factor, x.dtype), ew.cast(1 - running_average_factor, x.dtype)
    if running_mean is not None:
        results.append(work.squeeze(p["running_mean"] * rest + mean * factor))
    if running_var is not None:
        count: Any = 1
        for axis in work.axes:
            count = count * x.shape[axis]
        unbiased = var * ew.true_div(ew.cast(count, x.dtype), ew.cast(ew.maximum(count - 1, 1), x.dtype))
        results.append(work.squeeze(p["running_var"] * rest + unbiased * factor))
    return tuple(results)


@composite
def batch_normalization_test(
    inputs: Any, gamma: Any, beta: Any, mean: Any, var: Any, axes: Any = "per-activation", epsilon: float = 1e-4
) -> TensorVariable:
    """Normalise with given statistics: (inputs - mean) / sqrt(var + epsilon) * gamma + beta; arguments as for
    `batch_normalization_train`."""
    given = {"gamma": gamma, "beta": beta, "mean": mean, "var": var}
    work = _Axes("batch_normalization_test", inputs, axes, epsilon, given)
    p = work.parameters
    return (work.x - p["mean"]) * (p["gamma"] / ew.sqrt(p["var"] + work.epsilon)) + p["beta"]

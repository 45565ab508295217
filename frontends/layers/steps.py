"""The compiled functions of a model's training and evaluation, and minibatches for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.layers.base import Layer, Run
from arignote.frontends.layers.basic import Input
from arignote.frontends.layers.graph import get_all_layers, get_all_params, outputs_of, penalty
from arignote.frontends.layers.init import Array
from arignote.frontends.layers.losses import Measure, find_loss, find_metric
from arignote.frontends.optim import clip_norm
from arignote.frontends.tensor import function, grad
from arignote.frontends.tensor.settings import change_flags
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.frontends.tensor.tensortype import TensorType

Arrays = Sequence[Array]
#: Means over a minibatch by name, and the sum of the weights that they are means by.
Result = tuple[dict[str, float], float]


class Steps:
    """Functions from a minibatch to losses and metrics: `train`, with updates, and `test`. Compiled when first called.

    Data are lists of arrays, as `arrays_for` and `targets_for` make them, and the weight of each example.
    """

    def __init__(
        self, inputs: Sequence[Layer], outputs: Sequence[Layer], losses: Sequence[str | Measure],
        metrics: Sequence[str | Measure], rate: SharedVariable, rule: Callable[[Any, Any], Any], clip: float | None,
        loss_weights: Sequence[float] | None, penalties: tuple[float, float], mode: Any,
    ) -> None:  # fmt: skip
        self.inputs, self.outputs, self.rate, self.mode = list(inputs), list(outputs), rate, mode
        self.floatX = str(rate.dtype)
        self.losses = [find_loss(loss) for loss in losses]
        self.metrics = [[find_metric(metric, loss) for metric in metrics] for loss in self.losses]
        self.rule, self.clip, self.penalties = rule, clip, penalties
        self.factors = list(loss_weights or [1.0] * len(losses))
        self.names = ["loss"]
        for one, found in zip(self.outputs, self.metrics, strict=True):
            single = len(self.outputs) == 1
            names = [name for name, _ in found] if single else ["loss", *(name for name, _ in found)]
            self.names += names if single else [f"{one.name}_{name}" for name in names]
        self._train: Any = None
        self._test: Any = None
        #: What training changes besides parameters, by name.
        self.own: dict[str, SharedVariable] = {"optimizer.learning_rate": rate}

    # ------------------------------------------------------------ calls
    def train(self, xs: Arrays, ys: Arrays, weight: Any = None) -> Result:
        """An update; losses and metrics before it."""
        return self._call(self.train_function, xs, ys, weight)

    def test(self, xs: Arrays, ys: Arrays, weight: Any = None) -> Result:
        """Losses and metrics, as in use."""
        return self._call(self.test_function, xs, ys, weight)

    def _call(self, compiled: Any, xs: Arrays, ys: Arrays, weight: Any) -> Result:
        by = np.ones(len(xs[0]), self.floatX) if weight is None else np.asarray(weight, self.floatX)
        *means, total = (float(v) for v in compiled(*xs, *ys, by))
        return dict(zip(self.names, means, strict=True)), total

    @property
    def train_function(self) -> Any:
        """The compiled training step: inputs, targets and weights to loss, metrics and the sum of the weights."""
        if self._train is None:
            self._train = self._function(training=True)
        return self._train

    @property
    def test_function(self) -> Any:
        """The same as in use, without updates of parameters."""
        if self._test is None:
            self._test = self._function(training=False)
        return self._test

    # ------------------------------------------------------------ graphs
    def _function(self, training: bool) -> Any:
        with change_flags(floatX=self.floatX):
            return self._recorded(training)

    def _recorded(self, training: bool) -> Any:
        run = Run(deterministic=not training, updates={})
        drawn = {one: len(one.streams.state_updates) for one in get_all_layers(self.outputs) if hasattr(one, "streams")}
        found = outputs_of(self.outputs, None, run)
        weight = TensorType(self.floatX, (False,))("weight")
        targets: list[Any] = []
        means: list[Any] = []
        cost: Any = penalty(self.outputs, *self.penalties)
        total: Any = None
        for one, loss, metrics, factor in zip(self.outputs, self.losses, self.metrics, self.factors, strict=True):
            p, mask = found[one], run.masks.get(one)
            kind = TensorType("int32" if loss.classes else p.dtype, (False,) * (p.ndim - loss.classes))
            targets.append(kind(f"{one.name}_target"))
            by = weight if mask is None else weight.dimshuffle(0, "x") * T.cast(T.neq(mask, 0), weight.dtype)
            amount = T.sum(by)
            total = amount if total is None else total
            measures = [loss.measure, *(metric for _, metric in metrics)]
            values = [_mean(measure(p, targets[-1]), by, amount, one) for measure in measures]
            cost = cost + values[0] * T.cast(factor, values[0].dtype)
            means.extend(values if len(self.outputs) > 1 else values[1:])
        updates: dict[Any, Any] = dict(run.updates or {})
        if training:
            updates |= self._optimised(cost)
            for one, before in drawn.items():
                for number, (state, _) in enumerate(one.streams.state_updates[before:]):
                    self.own[f"random.{one.name}.{number}"] = state
            for one in get_all_layers(self.outputs):
                self.own |= {f"state.{one.name}.{name}": state for name, state in one.kept_states().items()}
        return function(
            [*(one.variable for one in self.inputs if isinstance(one, Input)), *targets, weight],
            [cost, *means, total], updates=updates, name="train" if training else "test", mode=self.mode,
            on_unused_input="ignore",
        )  # fmt: skip

    def _optimised(self, cost: Any) -> dict[Any, Any]:
        params = get_all_params(self.outputs, trainable=True)
        if not params:
            raise ValueError("the model has no parameters to train")
        grads = grad(cost, params)
        if self.clip is not None:
            grads = clip_norm(grads, self.clip)
        updates: dict[Any, Any] = dict(self.rule(grads, params))
        for number, variable in enumerate(v for v in updates if not any(v is p for p in params)):
            self.own[f"optimizer.{number}.{variable.name}"] = variable
        return updates

    # ------------------------------------------------------------ data
    def targets_for(self, y: Any) -> list[Array]:
        """Targets as a list of arrays, one for each output. Raises ValueError where they do not fit."""
        ys = [y] if len(self.outputs) == 1 else list(y)
        if len(ys) != len(self.outputs):
            raise ValueError(f"targets for {len(ys)} outputs, of which the model has {len(self.outputs)}")
        arrays = []
        for one, loss, target in zip(self.outputs, self.losses, ys, strict=True):
            array = np.asarray(target, "int32" if loss.classes else self.floatX)
            expected = len(one.output_shape) - loss.classes
            if not loss.classes and array.ndim == expected - 1 and one.output_shape[-1] == 1:
                array = array[..., None]
            if array.ndim != expected:
                raise ValueError(
                    one.message(
                        f"its output is {list(one.output_shape)}, for which targets have {expected} dimensions, not "
                        f"{array.ndim}: {list(array.shape)}"
                    )
                )
            arrays.append(array)
        return arrays


def _mean(values: Any, by: Any, total: Any, one: Layer) -> Any:
    """The mean of values weighted with `by`, which has some of their first axes."""
    if values.ndim < by.ndim:
        raise ValueError(one.message(f"its mask is (batch, time), but a loss or metric gives {values.ndim} dimensions"))
    if values.ndim > by.ndim:
        values = T.mean(values, axis=list(range(by.ndim, values.ndim)))
    return T.sum(values * T.cast(by, values.dtype)) / T.cast(T.maximum(total, T.cast(1e-12, total.dtype)), values.dtype)


def predictor(inputs: Sequence[Layer], outputs: Sequence[Layer], mode: Any) -> Any:
    """A compiled function from inputs to outputs, as in use."""
    run = Run(deterministic=True, updates={})
    found = outputs_of(outputs, None, run)
    return function(
        [one.variable for one in inputs if isinstance(one, Input)], [found[o] for o in outputs], updates=run.updates,
        name="predict", mode=mode, on_unused_input="ignore",
    )  # fmt: skip


def arrays_for(inputs: Sequence[Layer], x: Any) -> list[Array]:
    """Data as a list of arrays of the dtypes of the inputs. Raises ValueError where they do not fit."""
    xs = [x] if len(inputs) == 1 else list(x)
    if len(xs) != len(inputs):
        raise ValueError(f"data for {len(xs)} inputs, of which the model has {len(inputs)}")
    arrays = []
    for one, given in zip(inputs, xs, strict=True):
        array = np.asarray(given, one.variable.dtype)  # type: ignore[attr-defined]
        shape = one.output_shape
        if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
            raise ValueError(one.message(f"it takes arrays of {list(shape)}, not {list(array.shape)}"))
        arrays.append(array)
    return arrays


def minibatches(*arrays: Arrays | None, batch: int, order: Any = None) -> Iterator[Any]:
    """Minibatches of lists of arrays (None stays None), in an order of the examples."""
    counts = {len(a) for group in arrays if group is not None for a in group}
    if len(counts) != 1:
        raise ValueError(f"arrays have different numbers of examples: {sorted(counts)}")
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    (count,) = counts
    for first in range(0, count, batch):
        rows = slice(first, first + batch) if order is None else order[first : first + batch]
        yield tuple(None if group is None else [a[rows] for a in group] for group in arrays)


def means_of(results: Iterable[Result]) -> dict[str, float]:
    """Means over minibatches, by their weights."""
    sums: dict[str, float] = {}
    total = 0.0
    for logs, weight in results:
        total += weight
        for name, value in logs.items():
            sums[name] = sums.get(name, 0.0) + value * weight
    if not total:
        raise ValueError("there are no examples")
    return {name: value / total for name, value in sums.items()}

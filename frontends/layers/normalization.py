"""Batch normalisation, and scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.layers.base import Layer, Param, Run, Shape, layer
from arignote.frontends.layers.basic import along
from arignote.frontends.layers.init import Constant


@layer
class BatchNorm(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta: over the batch in training, over what was seen otherwise.

    - `axes`: over which means are taken; "auto": all but axis 1, so (batch, features) and (batch, channels, height,
      width) are normalised for each feature or channel. For (batch, time, features) name (0, 1);
    - `alpha`: running mean and variance are moved by that share towards each batch's (biased) ones;
    - `beta=None`, `gamma=None`: no shift, no scale.

    The running statistics are updates: see `get_output(updates=)`.

    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training", 2015.
    """

    axes: str | Sequence[int] = "auto"
    epsilon: float = 1e-4
    alpha: float = 0.1
    beta: Param = Constant(0)
    gamma: Param = Constant(1)
    mean: Param = Constant(0)
    variance: Param = Constant(1)

    def build(self, shape: Shape) -> None:
        if not 0 < self.alpha <= 1 or self.epsilon <= 0:
            raise ValueError(self.message(f"alpha is above 0 and at most 1, epsilon above 0: {self.alpha}, "
                                          f"{self.epsilon}"))  # fmt: skip
        over = self._over(len(shape))
        if not over or not all(0 <= axis < len(shape) for axis in over):
            raise ValueError(self.message(f"axes {self.axes} of an input of {list(shape)}"))
        sizes = [self.known(shape, axis) for axis in range(len(shape)) if axis not in over]
        if self.beta is not None:
            self.beta = self.add_param("beta", self.beta, sizes, regularizable=False)
        if self.gamma is not None:
            self.gamma = self.add_param("gamma", self.gamma, sizes, regularizable=False)
        self.mean = self.add_param("mean", self.mean, sizes, trainable=False, regularizable=False)
        self.variance = self.add_param("variance", self.variance, sizes, trainable=False, regularizable=False)

    def _over(self, ndim: int) -> list[int]:
        if isinstance(self.axes, str):
            if self.axes != "auto":
                raise ValueError(self.message(f"axes are numbers, or 'auto', not {self.axes!r}"))
            return [axis for axis in range(ndim) if axis != 1]
        return [axis + ndim if axis < 0 else axis for axis in self.axes]

    def output_for(self, x: Any, run: Run) -> Any:
        over = self._over(x.ndim)
        mean: Any = self.mean
        variance: Any = self.variance
        use = run.deterministic if run.use_averages is None else run.use_averages
        update = not run.deterministic if run.update_averages is None else run.update_averages
        if update or not use:
            batch_mean, batch_variance = T.mean(x, axis=over), T.var(x, axis=over)
            share = np.asarray(self.alpha, x.dtype)
            for running, new in ((mean, batch_mean), (variance, batch_variance)) if update else ():
                run.update(self, running, (1 - share) * running + share * new)
            if not use:
                mean, variance = batch_mean, batch_variance
        kept = iter(range(x.ndim))
        pattern = ["x" if axis in over else next(kept) for axis in range(x.ndim)]
        scale = 1 / T.sqrt(variance + np.asarray(self.epsilon, x.dtype))
        if self.gamma is not None:
            scale = scale * self.gamma
        out = (x - mean.dimshuffle(*pattern)) * scale.dimshuffle(*pattern)
        return out if self.beta is None else out + self.beta.dimshuffle(*pattern)


@layer
class Scale(Layer):
    """x times a factor for each place along one axis, the last by default."""

    scale: Param = Constant(1)
    axis: int = -1

    def build(self, shape: Shape) -> None:
        size = self.known(shape, self.axis)
        self.scale = self.add_param("scale", self.scale, (size,), regularizable=False)

    def output_for(self, x: Any, run: Run) -> Any:
        return x * along(self.scale, x.ndim, self.axis)

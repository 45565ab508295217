"""Inputs, dense layers, embeddings, noise, and layers of one function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.layers import init
from arignote.frontends.layers.activations import Activation, activation
from arignote.frontends.layers.base import Layer, Param, Run, Shape, layer
from arignote.frontends.layers.init import Constant, GlorotUniform, Uniform
from arignote.frontends.tensor.convert import label
from arignote.frontends.tensor.graph import Variable
from arignote.frontends.tensor.random import MRG_RandomStreams
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.tensortype import TensorType


@layer
class Input(Layer):
    """Where data enters: a variable of that shape, the batch included: `Input((None, 784))`.

    - `shape`: sizes, None for those that differ from call to call;
    - `dtype`: `config.floatX` by default; indices of `Embedding` are int32;
    - `expression`: what enters, in place of a new variable. `variable` is that or the new one.
    """

    shape: Sequence[int | None]
    dtype: str | None = None
    expression: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shape = tuple(self.shape)
        for size in self.shape:
            if size is not None:
                self.positive(size=size)
        self.dtype = self.dtype or config.floatX
        self.variable: Any = self.expression
        if self.variable is None:
            self.variable = TensorType(self.dtype, shape=self.shape)(self.name or "input")
        elif not isinstance(self.variable, Variable) or self.variable.ndim != len(self.shape):
            raise ValueError(self.message(f"{self.variable!r} is no expression with {len(self.shape)} dimensions"))
        else:
            self.dtype = str(self.variable.dtype)
        self.output_shape, self.placed = self.shape, True

    def __call__(self, incoming: Any) -> Any:
        raise TypeError(self.message("an input is not placed behind other layers"))

    def output_for(self, *inputs: Any, run: Run) -> Any:
        return self.variable

    def named(self, name: str) -> None:
        super().named(name)
        if self.expression is None:
            self.variable.name = name


@layer
class Dense(Layer):
    """nonlinearity(x W + b) along the last axis: (batch, ..., inputs) -> (batch, ..., units).

    - `W` (inputs, units), `b` (units); `b=None`: none;
    - `num_leading_axes`: how many axes stay as they are, the others being taken as one, as in Lasagne, where 1 is the
      default: (batch, channels, height, width) -> (batch, units). None: all but the last.
    """

    units: int
    nonlinearity: Activation = None
    W: Param = GlorotUniform()
    b: Param = Constant(0)
    num_leading_axes: int | None = None

    def build(self, shape: Shape) -> None:
        self.positive(units=self.units)
        self.function = activation(self.nonlinearity)
        if not 1 <= self._leading(shape) < len(shape):
            raise ValueError(self.message(f"num_leading_axes={self.num_leading_axes} of an input of {list(shape)}"))
        inputs = math.prod(self.known(shape, axis) for axis in range(self._leading(shape) - len(shape), 0))
        self.W = self.add_param("W", self.W, (inputs, self.units))
        if self.b is not None:
            self.b = self.add_param("b", self.b, (self.units,), regularizable=False)

    def _leading(self, shape: Shape) -> int:
        count = -1 if self.num_leading_axes is None else self.num_leading_axes
        return count + len(shape) if count < 0 else count

    def shape_for(self, shape: Shape) -> Shape:
        return (*shape[: self._leading(shape)], self.units)

    def output_for(self, x: Any, run: Run) -> Any:
        leading = self._leading((None,) * x.ndim)
        product = T.dot(T.flatten(x, leading + 1) if leading + 1 < x.ndim else x, self.W)
        return self.function(product if self.b is None else product + self.b)


@layer
class Embedding(Layer):
    """Rows of a table: integers (batch, ...) -> (batch, ..., units).

    - `vocabulary`: rows of `W` (vocabulary, units); an index outside raises IndexError at the call;
    - `mask_zero`: index 0 stands for no data: layers behind leave these steps out.
    """

    vocabulary: int
    units: int
    W: Param = Uniform(0.05)
    mask_zero: bool = False

    def build(self, shape: Shape) -> None:
        self.positive(vocabulary=self.vocabulary, units=self.units)
        self.W = self.add_param("W", self.W, (self.vocabulary, self.units))

    def shape_for(self, shape: Shape) -> Shape:
        return (*shape, self.units)

    def output_for(self, x: Any, run: Run) -> Any:
        if "int" not in str(x.dtype):
            raise TypeError(self.message(f"it takes integers, but {label(x)} is {x.type}: Input(..., dtype='int32')"))
        return self.W[x]

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return T.neq(inputs[0], 0) if self.mask_zero else super().mask_for(inputs, masks)


@layer
class Masking(Layer):
    """Marks the steps of (batch, time, features) where every feature is `value`: layers behind leave them out."""

    value: float = 0.0

    def output_for(self, x: Any, run: Run) -> Any:
        return x

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return T.any(T.neq(inputs[0], np.asarray(self.value, inputs[0].dtype)), axis=-1)


class _Random(Layer):
    """A layer that draws numbers in training."""

    def build(self, *shapes: Any) -> None:
        self.streams = MRG_RandomStreams(int(init.rng().randint(1, 2**31 - 1)))


@layer
class Dropout(_Random):
    """Sets elements to 0 with probability `p`, in training, and divides the others by 1 - p, so that sums stay.

    - `shared_axes`: axes along which all elements share one draw: 1 keeps or drops a feature for all steps of (batch,
      time, features), variational dropout; (2, 3) whole feature maps;
    - `rescale=False`: elements are not divided, in training, and multiplied by 1 - p otherwise.
    """

    p: float = 0.5
    rescale: bool = True
    shared_axes: Sequence[int] = ()

    def build(self, shape: Shape) -> None:
        super().build(shape)
        if not 0 <= self.p < 1:
            raise ValueError(self.message(f"p must be 0 or more and below 1, not {self.p}"))
        for axis in self.shared_axes:
            if not -len(shape) <= axis < len(shape):
                raise ValueError(self.message(f"there is no axis {axis} in {list(shape)}"))

    def output_for(self, x: Any, run: Run) -> Any:
        if self.p == 0:
            return x
        keep = np.asarray(1 - self.p, x.dtype)
        if run.deterministic:
            return x if self.rescale else x * keep
        shared = {axis % x.ndim for axis in self.shared_axes}
        sizes = [1 if axis in shared else x.shape[axis] for axis in range(x.ndim)]
        drawn: Any = self.streams.binomial(sizes, 1, 1 - self.p, ndim=x.ndim, dtype=x.dtype)
        drawn = T.addbroadcast(drawn, *shared) if shared else drawn
        return x * (drawn / keep if self.rescale else drawn)


@layer
class GaussianNoise(_Random):
    """Adds normal noise of standard deviation `sigma`, in training."""

    sigma: float = 0.1

    def output_for(self, x: Any, run: Run) -> Any:
        if run.deterministic or self.sigma == 0:
            return x
        return x + self.streams.normal(x.shape, 0.0, self.sigma, ndim=x.ndim, dtype=x.dtype)


@layer
class Nonlinearity(Layer):
    """A function of each element: a name of `arignote.layers.ACTIVATIONS`, or a function of an expression."""

    nonlinearity: Activation = "relu"

    def build(self, shape: Shape) -> None:
        self.function = activation(self.nonlinearity)

    def output_for(self, x: Any, run: Run) -> Any:
        return self.function(x)


@layer
class Bias(Layer):
    """x + b along one axis, the last by default."""

    b: Param = Constant(0)
    axis: int = -1

    def build(self, shape: Shape) -> None:
        self.b = self.add_param("b", self.b, (self.known(shape, self.axis),), regularizable=False)

    def output_for(self, x: Any, run: Run) -> Any:
        return x + along(self.b, x.ndim, self.axis)


@layer
class Expression(Layer):
    """Any function of the outputs below: `Expression([a, b], lambda a, b: a / (1 + b))`.

    - `function`: of expressions;
    - `shape`: the output's, or a function of the shapes below; by default that of the first.
    """

    function: Callable[..., Any]
    shape: Shape | Callable[..., Shape] | None = None

    def shape_for(self, *shapes: Shape) -> Shape:
        if self.shape is None:
            return super().shape_for(*shapes)
        return tuple(self.shape(*shapes) if callable(self.shape) else self.shape)

    def output_for(self, *inputs: Any, run: Run) -> Any:
        return self.function(*inputs)


def along(vector: Any, ndim: int, axis: int) -> Any:
    """A vector that broadcasts along the other axes."""
    pattern: list[Any] = ["x"] * ndim
    pattern[axis] = 0
    return vector.dimshuffle(*pattern)

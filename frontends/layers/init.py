"""Initial values of parameters: `Constant`, `Uniform`, `Normal`, `Glorot*`, `He*`, `Orthogonal`.

An initialiser is a record that draws an array for a shape. Where the size of a layer decides the spread, the first two
dimensions are (inputs, outputs), and what is behind them is a field that multiplies both; kernels of convolutions,
(outputs, inputs, height, width), say so by `kernel=True`.

All draws come from one generator: `set_seed` restarts it, `with seeded(5):` replaces it for a while.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# RandomState and not a Generator: its streams are guaranteed never to change.
_rng = np.random.RandomState()


def rng() -> np.random.RandomState:
    """The generator that initial values, and the seeds of dropout, are drawn from."""
    return _rng


def set_seed(seed: int) -> None:
    """Start the generator again: equal seeds and equal layers, made in the same order, give equal parameters."""
    global _rng
    _rng = np.random.RandomState(seed)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Another generator, within the `with` block."""
    global _rng
    before = _rng
    _rng = np.random.RandomState(seed)
    try:
        yield
    finally:
        _rng = before


class Initializer(ABC):
    """What draws the first value of a parameter."""

    @abstractmethod
    def sample(self, shape: tuple[int, ...]) -> Array:
        """An array of that shape, float64."""

    def blocks(self, shape: tuple[int, ...], count: int) -> Array:
        """`count` draws of that shape side by side along the last axis: the weights of several gates."""
        return np.concatenate([self.sample(shape) for _ in range(count)], axis=-1)


@dataclass(frozen=True)
class Constant(Initializer):
    """The same value everywhere."""

    value: float = 0.0

    def sample(self, shape: tuple[int, ...]) -> Array:
        return np.full(shape, self.value, np.float64)


@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform within low .. high; `Uniform(0.05)` is within -0.05 .. 0.05."""

    low: float = 0.05
    high: float | None = None

    def sample(self, shape: tuple[int, ...]) -> Array:
        low, high = (-self.low, self.low) if self.high is None else (self.low, self.high)
        return rng().uniform(low, high, shape)


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal, with standard deviation `std` around `mean`."""

    std: float = 0.01
    mean: float = 0.0

    def sample(self, shape: tuple[int, ...]) -> Array:
        return rng().normal(self.mean, self.std, shape)


@dataclass(frozen=True)
class _Scaled(Initializer):
    """A spread of `gain` times a function of the numbers of inputs and outputs of a unit."""

    gain: float | str = 1.0
    kernel: bool = False

    @abstractmethod
    def std(self, fan_in: float, fan_out: float) -> float:
        """The standard deviation, for a gain of 1."""

    def spread(self, shape: tuple[int, ...]) -> float:
        """The standard deviation for a shape. Raises ValueError for fewer than two dimensions."""
        if len(shape) < 2:
            raise ValueError(f"{type(self).__name__} is for parameters of two or more dimensions, not {list(shape)}")
        field = math.prod(shape[2:])
        fan_in, fan_out = (shape[1], shape[0]) if self.kernel else (shape[0], shape[1])
        return _gain(self.gain) * self.std(max(1, fan_in * field), max(1, fan_out * field))


def _gain(gain: float | str) -> float:
    if gain == "relu":
        return math.sqrt(2)
    if isinstance(gain, str):
        raise ValueError(f"gain is a number or 'relu', not {gain!r}")
    return gain


class _UniformDraw(_Scaled):
    def sample(self, shape: tuple[int, ...]) -> Array:
        high = math.sqrt(3) * self.spread(shape)
        return rng().uniform(-high, high, shape)


class _NormalDraw(_Scaled):
    def sample(self, shape: tuple[int, ...]) -> Array:
        return rng().normal(0, self.spread(shape), shape)


class _Glorot(_Scaled):
    def std(self, fan_in: float, fan_out: float) -> float:
        return math.sqrt(2 / (fan_in + fan_out))


class _He(_Scaled):
    def std(self, fan_in: float, fan_out: float) -> float:
        return math.sqrt(1 / fan_in)


@dataclass(frozen=True)
class GlorotUniform(_Glorot, _UniformDraw):
    """Uniform, with the variance 2 gain^2 / (inputs + outputs).

    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """


@dataclass(frozen=True)
class GlorotNormal(_Glorot, _NormalDraw):
    """Normal, with the variance of `GlorotUniform`."""


@dataclass(frozen=True)
class HeUniform(_He, _UniformDraw):
    """Uniform, with the variance gain^2 / inputs; for rectifiers `gain="relu"`, the root of 2.

    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", 2015.
    """


@dataclass(frozen=True)
class HeNormal(_He, _NormalDraw):
    """Normal, with the variance of `HeUniform`."""


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Rows or columns (whichever are fewer) that are orthogonal, of length `gain`; further dimensions count as columns.

    A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2014.
    """

    gain: float | str = 1.0

    def sample(self, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal is for parameters of two or more dimensions, not {list(shape)}")
        flat = (shape[0], math.prod(shape[1:]))
        tall = rng().normal(size=(max(flat), min(flat)))
        q, r = np.linalg.qr(tall)
        # The signs make the distribution uniform over all orthogonal matrices (F. Mezzadri, 2007).
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
        return _gain(self.gain) * np.reshape(q if flat[0] >= flat[1] else q.T, shape)


BY_NAME: dict[str, type[Initializer]] = {
    kind.__name__: kind
    for kind in (Constant, Uniform, Normal, GlorotUniform, GlorotNormal, HeUniform, HeNormal, Orthogonal)
}

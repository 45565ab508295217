"""Draws of floating-point numbers: (state, size, parameters) -> (state afterwards, numbers).

Where a draw is a smooth function of parameters (`low + u (high - low)`, `avg + std z`) gradients flow to these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.random.draw import Draw, Words, cast, double, working
from arignote.frontends.tensor.random.params import (
    draw_sizes,
    fitted,
    float_dtype,
    known,
    not_negative,
    positive,
)

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

    Drawn = tuple[TensorVariable, TensorVariable]


def _is(x: TensorVariable, number: float) -> bool:
    values = known(x)
    return values is not None and values.ndim == 0 and bool(values == number)


def _placed(x: TensorVariable, loc: Any, scale: Any, draw: Draw, dtype: str) -> TensorVariable:
    """loc + scale * x, in `dtype`."""
    kind = x.value_.dtype
    by, at = (cast(fitted(v, draw.sizes), kind) for v in (scale, loc))
    out = x if _is(by, 1) else x * by
    return cast(out if _is(at, 0) else out + at, dtype)


def uniform(
    random_state: TensorVariable, size: Any = None, low: Any = 0.0, high: Any = 1.0, ndim: Any = None, dtype: Any = None
) -> Drawn:
    """Uniform in [low, high): low + u (high - low), for u as `Draw.unit` has it. Rounding may give `high`."""
    name = float_dtype("uniform", dtype, low, high)
    kind = working(name)
    draw = Draw(random_state, draw_sizes(size, ndim, low, high))
    bottom, top = (cast(fitted(v, draw.sizes), kind) for v in (low, high))
    whole = _is(bottom, 0) and _is(top, 1)
    u = draw.unit(name if whole else kind)
    out = u if whole else _placed(u, bottom, top if _is(bottom, 0) else top - bottom, draw, name)
    return draw.advanced(), out


def normal(
    random_state: TensorVariable, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: Any = None, dtype: Any = None
) -> Drawn:
    """Normal with mean `avg` and standard deviation `std`."""
    name = float_dtype("normal", dtype, avg, std)
    draw = Draw(random_state, draw_sizes(size, ndim, avg, std))
    z = draw.normal(working(name))
    return draw.advanced(), _placed(z, avg, not_negative("std", std), draw, name)


def truncated_normal(
    random_state: TensorVariable, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: Any = None, dtype: Any = None
) -> Drawn:
    """Normal, but within two standard deviations of `avg`."""
    name = float_dtype("truncated_normal", dtype, avg, std)
    draw = Draw(random_state, draw_sizes(size, ndim, avg, std))

    def attempt(words: Words) -> tuple[Any, Any]:
        z, _ = words.normal_and_unit()
        return ew.le(ew.abs_(z), double(2)), z

    z = cast(draw.accepted(attempt, [], double(0)), working(name))
    return draw.advanced(), _placed(z, avg, not_negative("std", std), draw, name)


def exponential(
    random_state: TensorVariable, size: Any = None, scale: Any = 1.0, ndim: Any = None, dtype: Any = None
) -> Drawn:
    """Exponential with mean `scale`."""
    name = float_dtype("exponential", dtype, scale)
    draw = Draw(random_state, draw_sizes(size, ndim, scale))
    x = -ew.log(draw.positive(working(name)))
    return draw.advanced(), _placed(x, 0.0, not_negative("scale", scale), draw, name)


def laplace(
    random_state: TensorVariable, size: Any = None, loc: Any = 0.0, scale: Any = 1.0, ndim: Any = None,
    dtype: Any = None,
) -> Drawn:  # fmt: skip
    """Laplace: exponential on both sides of `loc`, with mean distance `scale`."""
    name = float_dtype("laplace", dtype, loc, scale)
    draw = Draw(random_state, draw_sizes(size, ndim, loc, scale))
    # The difference of two exponential numbers.
    x = ew.log(draw.positive(working(name))) - ew.log(draw.positive(working(name)))
    return draw.advanced(), _placed(x, loc, not_negative("scale", scale), draw, name)


def gamma(
    random_state: TensorVariable, size: Any = None, alpha: Any = 1.0, scale: Any = 1.0, ndim: Any = None,
    dtype: Any = None,
) -> Drawn:  # fmt: skip
    """Gamma of shape `alpha` and mean alpha * scale. Gradients flow to `scale` only."""
    name = float_dtype("gamma", dtype, alpha, scale)
    draw = Draw(random_state, draw_sizes(size, ndim, alpha, scale))
    g, exponent = _standard_gamma(draw, fitted(positive("alpha", alpha), draw.sizes))
    x = cast(g * ew.exp(exponent), working(name))
    return draw.advanced(), _placed(x, 0.0, not_negative("scale", scale), draw, name)


def _standard_gamma(draw: Draw, alpha: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
    """(g, e): g exp(e) is gamma of shape `alpha`; apart, as small shapes make numbers too small for floats.

    G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables", 2000: acceptance is above 0.95. For
    shapes below 1 it draws for alpha + 1, and multiplies by u**(1/alpha).
    """
    a = cast(alpha, "f64")
    small = ew.lt(a, double(1))
    d = ew.switch(small, a + double(1), a) - double(1 / 3)
    c = double(1) / ew.sqrt(d * double(9))

    def attempt(words: Words, d: Any, c: Any) -> tuple[Any, Any]:
        z, u = words.normal_and_unit()
        t = c * z + double(1)
        v = t * t * t
        inside = ew.log(u) < z * z * double(0.5) + d * (double(1) - v + ew.log(v))  # not so for NaN, where v < 0
        return ew.and_(t > double(0), inside), d * v

    g = draw.accepted(attempt, [d, c], d)
    exponent = ew.switch(small, ew.log(draw.positive("f64")) / a, double(0))
    return g, exponent


def beta(
    random_state: TensorVariable, size: Any = None, a: Any = 1.0, b: Any = 1.0, ndim: Any = None, dtype: Any = None
) -> Drawn:
    """Beta of shapes `a` and `b`: x / (x + y) for gamma numbers x and y of these shapes."""
    name = float_dtype("beta", dtype, a, b)
    draw = Draw(random_state, draw_sizes(size, ndim, a, b))
    (x, by_x), (y, by_y) = (
        _standard_gamma(draw, fitted(positive(label, v), draw.sizes)) for label, v in (("a", a), ("b", b))
    )
    odds = ew.log(x) - ew.log(y) + by_x - by_y
    return draw.advanced(), cast(ew.sigmoid(odds), name)

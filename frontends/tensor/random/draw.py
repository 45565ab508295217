"""From a state to numbers: words of random bits, and what they become.

A state is int64[3] (`arignote.ir.ops.random`): a key, and a counter of 128 bits. A draw takes words by the number of
its *part*, of which there may be any, and then advances the counter by what the largest part may have used. Words are
equal in every mode and for any number of threads, and so are integers made of them; floats are so up to the rounding
of the functions that make them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.graph import cast_value, const, emit, emit_all, wrap
from arignote.frontends.tensor.shapes import Sizes, dim_value
from arignote.ir.core import Region, Value, toposort
from arignote.ir.ops.random import GROUP, LANES
from arignote.ir.types import TensorType

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

#: Attempts after which a rejection gives up. The worst accepts more than half of them, so that fewer than one draw in
#: 2**128 ends with the fallback.
ATTEMPTS = 128
#: Parts that one loop of attempts may use; the words that are drawn for whole tensors have the parts below.
_PARTS = 1 << 16
#: Bits of a uniform number, which is a multiple of 2**-bits below 1: as many as the dtype holds exactly.
_BITS = {"f16": 11, "bf16": 8, "f32": 24}

Body = Callable[..., Sequence[Any]]


def double(number: float) -> TensorVariable:
    """A float64 constant, whatever `floatX` is."""
    return wrap(const(number, "f64"))


def cast(x: Any, dtype: str) -> TensorVariable:
    """`x` in a dtype, by the name that the IR gives it."""
    return wrap(cast_value(as_tensor_variable(x).value_, dtype))


def working(dtype: str) -> str:
    """The dtype that floats of `dtype` are computed in."""
    return "f32" if dtype in ("f16", "bf16") else dtype


class Draw:
    """One draw of a shape from a state. Words that were taken once are not given again.

    Args:
        state: int64[3].
        sizes: the shape of what is drawn.
    """

    def __init__(self, state: TensorVariable, sizes: Sizes) -> None:
        self.state = state
        self.sizes = sizes
        self._part = 0
        self._loops = 0

    # ------------------------------------------------------------ whole tensors
    def word(self) -> TensorVariable:
        """Words u32 of 32 independent bits."""
        part, self._part = self._part, self._part + 1
        sizes = self.sizes
        return wrap(emit("random_bits", self.state.value_, *sizes.operands, part=part, **sizes.attrs()))

    def long_word(self) -> TensorVariable:
        """Words u64."""
        return cast(self.word(), "u64") * wrap(const(1 << 32, "u64")) + cast(self.word(), "u64")

    def unit(self, dtype: str) -> TensorVariable:
        """Uniform multiples of 2**-53 (float64), 2**-24 (float32) or 2**-11 (float16) in [0, 1)."""
        if dtype == "f64":
            return _unit(self.word(), self.word())
        bits = _BITS[dtype]
        upper = cast(ew.floor_div(self.word(), wrap(const(1 << (32 - bits), "u32"))), "i32")  # of a sign, to be quick
        return cast(upper, dtype) * wrap(const(2.0**-bits, dtype))

    def positive(self, dtype: str) -> TensorVariable:
        """Uniform in (0, 1], in steps that become finer towards 0: for logarithms."""
        if dtype == "f64":
            return double(1) - self.unit(dtype)
        return (cast(self.word(), dtype) + wrap(const(1, dtype))) * wrap(const(2.0**-32, dtype))

    def normal(self, dtype: str) -> TensorVariable:
        """Standard normal.

        G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", 1958.
        """
        radius = ew.sqrt(ew.log(self.positive(dtype)) * wrap(const(-2, dtype)))
        whole = self.unit(dtype) if dtype == "f64" else cast(self.word(), dtype) * wrap(const(2.0**-32, dtype))
        return radius * ew.cos(whole * wrap(const(2 * math.pi, dtype)))

    # ------------------------------------------------------------ loops of elements
    def full(self, value: Any) -> TensorVariable:
        """`value` in every place."""
        x = as_tensor_variable(value)
        if x.value_.shape == self.sizes.shape:
            return x
        return wrap(emit("broadcast", x.value_, *self.sizes.operands, **self.sizes.attrs()))

    def iterate(self, body: Body, carries: Sequence[Any], given: Sequence[Any], limit: int) -> TensorVariable:
        """The first of the carried numbers after each element has repeated `body` until it is done.

        Args:
            body: scalars (step, position, *carries, *given) -> (done, *carries).
            carries: tensors of the draw's shape, or scalars.
            given: tensors of the draw's shape, or scalars.
        """
        operands = [*(self.full(c) for c in carries), *(as_tensor_variable(g) for g in given)]
        params = [Value(TensorType("i64", ()), name) for name in ("step", "position")]
        params += [Value(TensorType(v.value_.dtype, ())) for v in operands]
        yields = [as_tensor_variable(v).value_ for v in body(*map(wrap, params))]
        region = Region(params, toposort(yields, params), yields)
        values = [v.value_ for v in operands]
        return wrap(emit_all("iterate", *values, regions=[region], carry=len(carries), limit=limit)[0])

    def accepted(self, attempt: Callable[..., tuple[Any, Any]], given: Sequence[Any], fallback: Any) -> TensorVariable:
        """For each element the value (float64) of the first attempt that is accepted.

        Args:
            attempt: (`Words`, *given) -> (whether it is accepted, its value), on scalars.
            fallback: what it is if none of `ATTEMPTS` is.
        """
        self._loops += 1
        first = self._loops * _PARTS
        key, low, high = (wrap(emit("reshape", _element(self.state, i), shape=())) for i in range(3))

        def body(step: Any, position: Any, value: Any, key: Any, low: Any, high: Any, *given: Any) -> Any:
            part = step + wrap(const(first, "i64"))
            found, new = attempt(Words([key, low, high, part, position]), *given)
            return found, ew.switch(found, new, value)

        return self.iterate(body, [fallback], [key, low, high, *given], ATTEMPTS)

    # ------------------------------------------------------------ the state
    def advanced(self) -> TensorVariable:
        """The state after the draw."""
        count = count_of(self.sizes)
        per_group = LANES if not self._loops else GROUP  # a loop takes a block for every element
        blocks = ew.floor_div(count + wrap(const(GROUP - 1, "i64")), wrap(const(GROUP, "i64")))
        step = wrap(const([0, per_group, 0], "i64")) * blocks
        return self.state + step


class Words:
    """The four words of one attempt of one element."""

    def __init__(self, place: Sequence[TensorVariable]) -> None:
        self._place = [v.value_ for v in place]

    def _word(self, number: int) -> TensorVariable:
        return wrap(emit("random_word", *self._place, word=number))

    def units(self) -> tuple[TensorVariable, TensorVariable]:
        """Two numbers in [0, 1), of 53 bits."""
        return _unit(self._word(0), self._word(1)), _unit(self._word(2), self._word(3))

    def normal_and_unit(self) -> tuple[TensorVariable, TensorVariable]:
        """A standard normal number, and a uniform one in (0, 1)."""
        radius = ew.sqrt(ew.log(double(1) - _unit(self._word(0), self._word(1))) * double(-2))
        angle, other = ((cast(self._word(i), "f64") + double(0.5)) * double(2.0**-32) for i in (2, 3))
        return radius * ew.cos(angle * double(2 * math.pi)), other


def _unit(high: TensorVariable, low: TensorVariable) -> TensorVariable:
    """53 of 64 bits as a float64 in [0, 1)."""
    upper = cast(ew.floor_div(high, wrap(const(1 << 5, "u32"))), "f64")
    lower = cast(ew.floor_div(low, wrap(const(1 << 6, "u32"))), "f64")
    return (upper * double(2.0**26) + lower) * double(2.0**-53)


def _element(state: TensorVariable, i: int) -> Value:
    return emit("slice", state.value_, start=(i,), size=(1,), step=(1,))


def count_of(sizes: Sizes) -> TensorVariable:
    """The number of elements, as int64; known where the sizes are."""
    bound = dict(zip(sizes.bound, sizes.operands, strict=True))
    total = wrap(const(math.prod(d for d in sizes.shape if isinstance(d, int)), "i64"))
    for axis, dim in enumerate(sizes.shape):
        if not isinstance(dim, int):
            total = total * wrap(bound[axis] if axis in bound else dim_value(dim))
    return total

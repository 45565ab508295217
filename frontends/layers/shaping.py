"""Layers that rearrange, join and reduce what they are given."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from arignote.frontends import tensor as T
from arignote.frontends.layers.base import Layer, Run, Shape, layer


@layer
class Reshape(Layer):
    """The elements in another shape, batch included: -1 once for what is left over, `[0]` for the size of axis 0 of the
    input: `Reshape(([0], -1))` flattens all but the batch.
    """

    shape: Sequence[int | Sequence[int]]

    def build(self, shape: Shape) -> None:
        for size in self.shape:
            if isinstance(size, Sequence):
                if len(size) != 1 or not -len(shape) <= size[0] < len(shape):
                    raise ValueError(self.message(f"{size} is no axis of {list(shape)}"))
            elif not isinstance(size, int) or (size < 1 and size != -1):
                raise ValueError(
                    self.message(f"sizes are numbers above 0, -1, or [axis] for that of the input's axis, not {size}")
                )
        if sum(size == -1 for size in self.shape) > 1:
            raise ValueError(self.message(f"only one size may be -1: {self.shape}"))
        after = self.shape_for(shape)
        if None not in shape and None not in after and math.prod(shape) != math.prod(after):  # type: ignore[arg-type]
            raise ValueError(self.message(f"{list(shape)} does not fit into {list(after)}"))

    def shape_for(self, shape: Shape) -> Shape:
        sizes = [shape[size[0]] if isinstance(size, Sequence) else size for size in self.shape]
        if -1 not in sizes:
            return tuple(sizes)
        # Sizes that are not known cancel where the same axis is on both sides.
        taken = {size[0] % len(shape) for size in self.shape if isinstance(size, Sequence)}
        before = [n for axis, n in enumerate(shape) if axis not in taken]
        named = [size for size in self.shape if not isinstance(size, Sequence) and size != -1]
        if None in before:
            rest = None
        else:
            count, other = math.prod(before), math.prod(named)  # type: ignore[arg-type]
            if other and count % other:
                raise ValueError(self.message(f"{list(shape)} does not fit into {list(self.shape)}"))
            rest = count // other
        return tuple(rest if size == -1 else size for size in sizes)

    def output_for(self, x: Any, run: Run) -> Any:
        sizes = [x.shape[size[0]] if isinstance(size, Sequence) else size for size in self.shape]
        return T.reshape(x, sizes, ndim=len(sizes))

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None


@layer
class Flatten(Layer):
    """All axes from `outdim` - 1 on as one: (batch, ...) -> (batch, features)."""

    outdim: int = 2

    def build(self, shape: Shape) -> None:
        if not 1 <= self.outdim <= len(shape):
            raise ValueError(self.message(f"outdim={self.outdim} for an input of {len(shape)} dimensions"))

    def shape_for(self, shape: Shape) -> Shape:
        last = shape[self.outdim - 1 :]
        return (*shape[: self.outdim - 1], None if None in last else math.prod(last))  # type: ignore[arg-type]

    def output_for(self, x: Any, run: Run) -> Any:
        return T.flatten(x, self.outdim)

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None


@layer
class Dimshuffle(Layer):
    """Axes in another order, as `dimshuffle`: "x" is a new axis of size 1; axes that are left out have size 1."""

    pattern: Sequence[int | str]

    def build(self, shape: Shape) -> None:
        axes = [axis for axis in self.pattern if axis != "x"]
        left_out = [axis for axis in range(len(shape)) if axis not in axes]
        if any(not isinstance(axis, int) or not 0 <= axis < len(shape) for axis in axes) or len({*axes}) < len(axes):
            raise ValueError(self.message(f"{self.pattern} does not name axes of {list(shape)}, each once, or 'x'"))
        if any(shape[axis] != 1 for axis in left_out):
            raise ValueError(self.message(f"{self.pattern} leaves out an axis of {list(shape)} that is not 1 long"))

    def shape_for(self, shape: Shape) -> Shape:
        return tuple(1 if axis == "x" else shape[int(axis)] for axis in self.pattern)

    def output_for(self, x: Any, run: Run) -> Any:
        return x.dimshuffle(*self.pattern)

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None


@layer
class Slice(Layer):
    """A part along one axis: `indices` is a whole number, which removes the axis, or (start, stop) or (start, stop,
    step), where None means as far as there is."""

    indices: int | Sequence[int | None]
    axis: int = 1

    def build(self, shape: Shape) -> None:
        size = shape[self.axis] if -len(shape) <= self.axis < len(shape) else 0
        if size == 0 or (isinstance(self.indices, int) and size and not -size <= self.indices < size):
            raise ValueError(self.message(f"there is no {self.indices} along axis {self.axis} of {list(shape)}"))

    def shape_for(self, shape: Shape) -> Shape:
        axis = self.axis % len(shape)
        if isinstance(self.indices, int):
            return (*shape[:axis], *shape[axis + 1 :])
        size = shape[axis]
        part = None if size is None else len(range(*slice(*self.indices).indices(size)))
        return (*shape[:axis], part, *shape[axis + 1 :])

    def output_for(self, x: Any, run: Run) -> Any:
        part = self.indices if isinstance(self.indices, int) else slice(*self.indices)
        return x[(slice(None),) * (self.axis % x.ndim) + (part,)]

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        (mask,) = masks
        if mask is None or self.axis % inputs[0].ndim > 1:
            return mask
        if isinstance(self.indices, int):
            return None
        part = slice(*self.indices)
        return mask[:, part] if self.axis % inputs[0].ndim else mask[part]


@layer
class Concat(Layer):
    """Several inputs, side by side along `axis`; their other sizes agree. `cropping` is not done: slice before."""

    axis: int = -1

    def build(self, *shapes: Shape) -> None:
        self._common([(*s[: self._at(s)], *s[self._at(s) + 1 :]) for s in shapes])

    def _at(self, shape: Shape) -> int:
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(self.message(f"there is no axis {self.axis} in {list(shape)}"))
        return self.axis % len(shape)

    def _common(self, shapes: Sequence[Shape]) -> Shape:
        return common(self, shapes, broadcast=False)

    def shape_for(self, *shapes: Shape) -> Shape:
        at = self._at(shapes[0])
        rest = self._common([(*s[:at], *s[at + 1 :]) for s in shapes])
        sizes = [s[at] for s in shapes]
        return (*rest[:at], None if None in sizes else sum(sizes), *rest[at:])  # type: ignore[arg-type]

    def output_for(self, *inputs: Any, run: Run) -> Any:
        return T.concatenate(inputs, axis=self.axis % inputs[0].ndim)


#: How `ElemwiseMerge` joins two expressions, by name.
MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": T.maximum, "min": T.minimum,
}  # fmt: skip


@layer
class ElemwiseMerge(Layer):
    """Several inputs of one shape, joined element by element: "sum", "mul", "max", "min", or a function of two
    expressions. Sizes of 1 broadcast."""

    merge: str | Callable[[Any, Any], Any] = "sum"

    def build(self, *shapes: Shape) -> None:
        if isinstance(self.merge, str) and self.merge not in MERGES:
            raise ValueError(self.message(f"merge is one of {', '.join(MERGES)} or a function, not {self.merge!r}"))

    def shape_for(self, *shapes: Shape) -> Shape:
        return common(self, shapes, broadcast=True)

    def output_for(self, *inputs: Any, run: Run) -> Any:
        join = MERGES[self.merge] if isinstance(self.merge, str) else self.merge
        total = inputs[0]
        for x in inputs[1:]:
            total = join(total, x)
        return total


@layer
class ElemwiseSum(Layer):
    """The sum of several inputs of one shape, each times its coefficient (1 by default)."""

    coefficients: Sequence[float] | None = None

    def build(self, *shapes: Shape) -> None:
        if self.coefficients is not None and len(self.coefficients) != len(shapes):
            raise ValueError(self.message(f"{len(self.coefficients)} coefficients for {len(shapes)} inputs"))

    def shape_for(self, *shapes: Shape) -> Shape:
        return common(self, shapes, broadcast=True)

    def output_for(self, *inputs: Any, run: Run) -> Any:
        factors = self.coefficients or [1] * len(inputs)
        terms = [x if c == 1 else x * T.cast(c, x.dtype) for c, x in zip(factors, inputs, strict=True)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


@layer
class GlobalPool(Layer):
    """A reduction of all axes behind the second: (batch, channels, height, width) -> (batch, channels).

    - `pool`: "mean", "max" or "sum";
    - `axes`: others, such as 1 for the steps of (batch, time, features). Masked steps do not count.
    """

    pool: str = "mean"
    axes: int | Sequence[int] | None = None

    def build(self, shape: Shape) -> None:
        if self.pool not in ("mean", "max", "sum"):
            raise ValueError(self.message(f"pool is mean, max or sum, not {self.pool!r}"))
        if not self._over(len(shape)) or not all(0 <= axis < len(shape) for axis in self._over(len(shape))):
            raise ValueError(self.message(f"there are no axes to pool over in {list(shape)}: axes={self.axes}"))

    def _over(self, ndim: int) -> list[int]:
        if self.axes is None:
            return list(range(2, ndim))
        axes = [self.axes] if isinstance(self.axes, int) else self.axes
        return [axis + ndim if axis < 0 else axis for axis in axes]

    def shape_for(self, shape: Shape) -> Shape:
        over = self._over(len(shape))
        return tuple(n for axis, n in enumerate(shape) if axis not in over)

    def output_for(self, x: Any, run: Run) -> Any:
        over = self._over(x.ndim)
        mask = next((run.masks[b] for b in self.incoming if b in run.masks), None)
        if mask is None or 1 not in over:
            reductions: dict[str, Callable[..., Any]] = {"mean": T.mean, "max": T.max, "sum": T.sum}
        if mask is None or 1 not in over:
            return reductions[self.pool](x, axis=over)
        held = mask.dimshuffle(0, 1, *["x"] * (x.ndim - 2))
        if self.pool == "max":
            return T.max(T.switch(held, x, T.cast(-float("inf"), x.dtype)), axis=over)
        total = T.sum(T.switch(held, x, T.cast(0, x.dtype)), axis=over)
        if self.pool == "sum":
            return total
        counted = T.sum(T.switch(held, T.ones_like(x), T.cast(0, x.dtype)), axis=over)
        return total / T.maximum(counted, T.cast(1, x.dtype))

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        over = self._over(inputs[0].ndim)
        return None if over and min(over) < 2 else masks[0]


def common(layer: Layer, shapes: Sequence[Shape], broadcast: bool) -> Shape:
    """The shape that all of these are, sizes that are not known taken from others. Raises ValueError if they differ."""
    if len({len(s) for s in shapes}) != 1:
        raise ValueError(layer.message(f"its inputs have different numbers of dimensions: {[list(s) for s in shapes]}"))
    sizes: list[int | None] = []
    for options in zip(*shapes, strict=True):
        known = {n for n in options if n is not None}
        large = known - {1} if broadcast else known
        if len(large) > 1:
            raise ValueError(layer.message(f"its inputs do not fit: {[list(s) for s in shapes]}"))
        sizes.append(next(iter(large), None if None in options else 1))
    return tuple(sizes)

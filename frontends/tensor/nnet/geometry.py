"""The arguments of convolutions: shapes, paddings, strides, and the sizes that they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import shapes
from arignote.frontends.tensor.asserting import Assert
from arignote.frontends.tensor.convert import as_tensor_variable, floating, label, scalar_int, unify
from arignote.frontends.tensor.graph import Variable, emit, wrap
from arignote.frontends.tensor.loc import pinned
from arignote.frontends.tensor.nnet import unshared
from arignote.ir.core import Value

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

#: A size: a number, or an integer scalar where it is known at a call.
Size = Any
FORMULA = "(size + low + high - dilation * (filter - 1) - 1) // stride + 1"


# ---------------------------------------------------------------- sizes and arguments
def size_of(x: Value, axis: int) -> Size:
    """The size of an axis: an int, or a variable."""
    size = shapes.dim_of(x, axis)
    return size if isinstance(size, int) else wrap(size)


def sizes_attrs(**sizes: Sequence[Size]) -> tuple[list[Value], dict[str, Any]]:
    """Scalars and attributes that give an op its sizes and paddings, by the names of these."""
    operands: list[Value] = []
    attrs: dict[str, Any] = {}
    for name, values in sizes.items():
        known = shapes.Sizes([scalar_int(v, name) for v in values])
        operands += known.operands
        attrs[name] = known.shape
        if known.bound:
            attrs[f"bound_{name}"] = known.bound
    return operands, attrs


def per_axis(value: Any, count: int, what: str) -> tuple[int, ...]:
    """`count` positive integers: of one for all axes, or of a sequence."""
    given = (value,) * count if isinstance(value, (int, np.integer)) else _listed(value)
    good = len(given) == count and all(isinstance(v, (int, np.integer)) and v >= 1 for v in given)
    if not good:
        raise ValueError(f"{what} must be {count} integers of at least 1, not {value!r}")
    return tuple(int(v) for v in given)


def _listed(value: Any) -> tuple[Any, ...]:
    """The elements of a sequence; none of anything else, symbolic vectors included."""
    return tuple(value) if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else ()


def declared(x: TensorVariable, shape: Any, what: str) -> TensorVariable:
    """`x` with the sizes that a program declares for it, which are checked: now where known, else at the call."""
    if shape is None:
        return x
    given = [known_size(s) for s in shape]
    if len(given) != x.ndim:
        raise ValueError(f"{what} {tuple(shape)!r} has {len(given)} elements, but {label(x)} has {x.ndim} dimensions")
    value = x.value_
    checks = []
    for axis, (size, have) in enumerate(zip(given, value.shape, strict=True)):
        if size is not None and isinstance(have, int) and size != have:
            raise ValueError(f"{what} is {tuple(shape)!r}, but axis {axis} of {label(x)} has {have} elements")
        if size is not None and not isinstance(have, int):
            checks.append(ew.eq(x.shape[axis], size))
    if not checks:
        return x
    sizes = tuple(have if size is None else size for size, have in zip(given, value.shape, strict=True))
    with pinned(f"{what.rpartition(': ')[2]} {tuple(shape)!r}"):
        checked = Assert(f"{what} is {tuple(shape)!r}, but {label(x)} has another shape")(x, *checks)
        return wrap(emit("reshape", checked.value_, shape=sizes))


def known_size(size: Any) -> int | None:
    """A size as a number; None where it is not known."""
    if size is None:
        return None
    found = scalar_int(size, "a declared size")
    return found if isinstance(found, int) else None


def paddings(
    border_mode: Any, sizes: Sequence[Size], windows: Sequence[Size], strides: Sequence[int], dilation: Sequence[int],
    name: str,
) -> tuple[list[Size], list[Size]]:  # fmt: skip
    """(low, high): the padding in front of and behind every axis.

    `valid` is none, `full` as much as the (dilated) filter without one element, `half` the half of the filter, and
    `same` what makes ceil(size / stride) elements; an int or one per axis pads both ends, a pair (low, high) each.
    """
    reach = [d * (r - 1) for r, d in zip(windows, dilation, strict=True)]
    if isinstance(border_mode, str):
        if border_mode == "valid":
            return [0] * len(reach), [0] * len(reach)
        if border_mode == "full":
            return list(reach), list(reach)
        if border_mode == "half":
            return [(r + 1) // 2 for r in reach], [(r + 1) // 2 for r in reach]
        if border_mode == "same":
            totals = [_same(s, r, by) for s, r, by in zip(sizes, reach, strides, strict=True)]
            return [t // 2 for t in totals], [t - t // 2 for t in totals]
        raise ValueError(
            f"{name}: border_mode {border_mode!r} is none of 'valid', 'full', 'half', 'same', an integer, or a tuple"
        )
    one = isinstance(border_mode, (int, np.integer)) or (isinstance(border_mode, Variable) and not border_mode.ndim)
    given = (border_mode,) * len(reach) if one else _listed(border_mode)
    if len(given) != len(reach):
        raise ValueError(f"{name}: border_mode {border_mode!r} needs one padding for each of {len(reach)} axes")
    pairs = [tuple(g) if isinstance(g, (tuple, list)) else (g, g) for g in given]
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(p, Variable) or (_is_int(p) and p >= 0) for p in pair):
            raise ValueError(f"{name}: padding {pair!r} in border_mode {border_mode!r} is no pair of sizes")
    return [p[0] for p in pairs], [p[1] for p in pairs]


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer))


def _same(size: Size, reach: Size, stride: int) -> Size:
    """The padding that makes ceil(size / stride) elements."""
    if stride == 1:
        return reach
    total = ((size + stride - 1) // stride - 1) * stride + reach + 1 - size
    return max(total, 0) if isinstance(total, int) else ew.maximum(total, 0)


def output_size(size: Size, window: Size, low: Size, high: Size, stride: int, dilation: int) -> Size:
    """How many elements a convolution makes along an axis."""
    return (size + low + high - dilation * (window - 1) - 1) // stride + 1


def result_sizes(
    sizes: Sequence[Size], windows: Sequence[Size], low: Sequence[Size], high: Sequence[Size], strides: Sequence[int],
    dilation: Sequence[int], name: str,
) -> list[Size]:  # fmt: skip
    """The spatial sizes of a result; an error where one is known to be none."""
    out = []
    for axis, row in enumerate(zip(sizes, windows, low, high, strides, dilation, strict=True)):
        size = output_size(*row)
        if isinstance(size, int) and size < 1:
            s, r, a, b, by, d = row
            raise ValueError(
                f"{name}: spatial axis {axis}: the filter does not fit into the padded image: {FORMULA} = "
                f"({s} + {a} + {b} - {d} * ({r} - 1) - 1) // {by} + 1 = {size}"
            )
        out.append(size)
    return out


class Geometry:
    """The arguments that a convolution and its gradients share."""

    def __init__(
        self, name: str, space: int, border_mode: Any, subsample: Any, flip: bool, dilation: Any, groups: int,
        alone: bool,
    ) -> None:  # fmt: skip
        if not isinstance(groups, (int, np.integer)) or groups < 1:
            raise ValueError(f"{name}: num_groups must be an integer of at least 1, not {groups!r}")
        self.name, self.space, self.border_mode = name, space, border_mode
        self.strides = per_axis(subsample, space, f"{name}: subsample")
        self.dilation = per_axis(dilation, space, f"{name}: filter_dilation")
        self.flip, self.groups, self.unshared = bool(flip), int(groups), bool(alone)

    def tensor(self, x: Any, what: str, ndim: int | None = None) -> TensorVariable:
        """An image, filter or gradient: of rank `space + 2` unless `ndim` says otherwise."""
        try:
            variable = as_tensor_variable(x)
        except TypeError as e:
            raise TypeError(f"{self.name}: {what}: {e}") from None
        expected = self.space + 2 if ndim is None else ndim
        if variable.ndim != expected:
            raise TypeError(
                f"{self.name}: {what} must be a {expected}-dimensional tensor, but {label(variable)} is {variable.type}"
            )
        return variable

    def filters(self, w: Any, w_shape: Any) -> TensorVariable:
        """Filters, which lie at every place where they are not shared."""
        ndim = 2 * self.space + 2 if self.unshared else None
        return declared(self.tensor(w, "the filters", ndim), w_shape, f"{self.name}: filter_shape")

    def sizes_of(self, x: Any) -> list[Size]:
        """All sizes of a tensor."""
        return [size_of(x.value_, axis) for axis in range(x.ndim)]

    def results(self, sizes: Sequence[Size], windows: Sequence[Size]) -> list[Size]:
        """The spatial sizes of the result."""
        low, high = paddings(self.border_mode, sizes, windows, self.strides, self.dilation, self.name)
        return result_sizes(sizes, windows, low, high, self.strides, self.dilation, self.name)

    def emit(
        self, op: str, a: Value, b: Value, sizes: Sequence[Size], windows: Sequence[Size], out: Sequence[Size] | None,
        groups: int | None = None,
    ) -> TensorVariable:  # fmt: skip
        """The op on operands `a`, `b`. `sizes`, `windows`: of image and filter; `out`: what the op makes, None:
        compute."""
        low, high = paddings(self.border_mode, sizes, windows, self.strides, self.dilation, self.name)
        results = result_sizes(sizes, windows, low, high, self.strides, self.dilation, self.name)
        operands, attrs = sizes_attrs(size=results if out is None else out, low=low, high=high)
        return wrap(
            emit(
                op, a, b, *operands, **attrs, strides=self.strides, dilation=self.dilation,
                groups=self.groups if groups is None else groups, flip=self.flip,
            )
        )  # fmt: skip

    def forward(self, x: Any, w: Any, x_shape: Any, w_shape: Any) -> TensorVariable:
        """The convolution."""
        image = declared(self.tensor(x, "the input"), x_shape, f"{self.name}: input_shape")
        filters = self.filters(w, w_shape)
        if self.unshared:
            return unshared.forward(self, image, filters)
        a, b = unify(floating(image.value_), floating(filters.value_))
        sizes, windows = ([size_of(v, 2 + i) for i in range(self.space)] for v in (a, b))
        return self.emit("conv", a, b, sizes, windows, None)

    def inputs(self, y: Any, w: Any, x_shape: Any, w_shape: Any) -> TensorVariable:
        """The gradient with respect to the image: the transposed convolution."""
        filters = self.filters(w, w_shape)
        sizes = self.sizes(x_shape, "input_shape")
        gradient = self.tensor(y, "the output gradient")
        if self.unshared:
            out = unshared.inputs(self, gradient, filters, sizes[2:])
        else:
            top, b = unify(floating(gradient.value_), floating(filters.value_))
            windows = [size_of(b, 2 + i) for i in range(self.space)]
            out = self.emit("conv_data", top, b, sizes[2:], windows, sizes[2:])
        known = [known_size(s) for s in sizes[:2]]
        return declared(out, [*known, *(None for _ in sizes[2:])], f"{self.name}: input_shape")

    def weights(self, x: Any, y: Any, w_shape: Any, x_shape: Any) -> TensorVariable:
        """The gradient with respect to the filters."""
        image = declared(self.tensor(x, "the input"), x_shape, f"{self.name}: input_shape")
        if self.unshared:
            windows = self.sizes(w_shape, "filter_shape", 2 * self.space + 2)[-self.space :]
            return unshared.weights(self, image, self.tensor(y, "the output gradient"), windows)
        shape = self.sizes(w_shape, "filter_shape")
        a, top = unify(floating(image.value_), floating(self.tensor(y, "the output gradient").value_))
        sizes = [size_of(a, 2 + i) for i in range(self.space)]
        if shape[1] is None:
            channels = size_of(a, 1)
            shape[1] = channels if self.groups == 1 else channels // self.groups
        out = self.emit("conv_weight", a, top, sizes, shape[2:], shape[1:])
        return declared(out, [known_size(shape[0]), *(None for _ in shape[1:])], f"{self.name}: filter_shape")

    def sizes(self, shape: Any, what: str, ndim: int | None = None) -> list[Size]:
        """A shape, of `space + 2` sizes unless `ndim` says otherwise, whose spatial sizes (the last) must be given."""
        ndim = self.space + 2 if ndim is None else ndim
        if isinstance(shape, Variable):
            elements = shapes.sizes_of(shape, what, ndim)
            given: list[Any] = [s if isinstance(s, int) else wrap(s) for s in elements]
        else:
            given = [] if shape is None else list(shape)
        if len(given) == self.space:
            given = [*[None] * (ndim - self.space), *given]
        if len(given) != ndim or any(s is None for s in given[-self.space :]):
            raise ValueError(f"{self.name}: {what} must give the {self.space} spatial sizes, not {shape!r}")
        return [s if isinstance(s, Variable) or s is None else int(s) for s in given]

"""Convolution over any number of spatial axes, and its two gradients.

`conv` is linear in the image x and in the filter w: y = conv(x, w). `conv_data` and `conv_weight` are its
transpositions, the gradients with respect to x and w, and each of the three is what the others' gradients are made of:

    y[n,k,o] = sum over c, r of x[n, c, o * strides + r * dilation - low] w[k,c,r]

with zeros where x is read outside of itself. Axes are N, C, then space in x and y; K, C / groups, then space in w.
`flip` turns w around, which makes a convolution of mathematics out of this correlation. The spatial sizes of x (S), w
(R) and y (O) agree when, on every axis, O = (S + low + high - dilation * (R - 1) - 1) // strides + 1; so `size` says
what this leaves open. Sizes and paddings in `bound_size`, `bound_low` and `bound_high` are symbols that scalar operands
give.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NotRequired, TypedDict, Unpack

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, bind, check_bound, check_kind, widened
from arignote.ir.types import Dim, DimLike, TensorType, prod_dims, same_dim

Shape = tuple[DimLike, ...]
Positions = tuple[int, ...]


class Geometry(TypedDict):
    """The attributes of every op here, besides `size`."""

    strides: Positions
    dilation: Positions
    low: Shape
    high: Shape
    groups: NotRequired[int]
    flip: NotRequired[bool]
    bound_size: NotRequired[Positions]
    bound_low: NotRequired[Positions]
    bound_high: NotRequired[Positions]


FORMULA = "(size + low + high - dilation * (filter - 1) - 1) // stride + 1"


# ---------------------------------------------------------------- inference
def output_size(
    size: DimLike, window: DimLike, low: DimLike, high: DimLike, stride: int, dilation: int
) -> DimLike | None:
    """How often a window of `window` elements, `dilation` apart, fits on an axis; None where that is no polynomial."""
    room = size + low + high - dilation * (window - 1) - 1
    if isinstance(room, int):
        return room // stride + 1
    return room + 1 if stride == 1 else None


def check_axes(
    s: Shape, r: Shape, o: Shape, low: Shape, high: Shape, strides: Positions, dilation: Positions
) -> None:
    """(C5): the spatial sizes of image, filter and result agree."""
    rows = zip(s, r, o, low, high, strides, dilation, strict=True)
    for axis, (size, window, out, before, after, stride, apart) in enumerate(rows):
        expected = output_size(size, window, before, after, stride, apart)
        if expected is None:
            continue
        numbers = f"({size} + {before} + {after} - {apart} * ({window} - 1) - 1) // {stride} + 1"
        where = f"spatial axis {axis}: the size {FORMULA} = {numbers}"
        if isinstance(expected, int):
            require(expected >= 1, f"{where} is {expected}: the filter does not fit into the padded image (C5)")
        require(same_dim(out, expected), f"{where} is {expected}, not {out} (C5)")


def check_conv(
    x: TensorType, w: TensorType, y: TensorType, scalars: Sequence[TensorType], *,
    strides: Positions, dilation: Positions, low: Shape, high: Shape, groups: int = 1, flip: bool = False,
    bound_size: Positions = (), bound_low: Positions = (), bound_high: Positions = (),
) -> None:  # fmt: skip
    """(C1) floats. (C2) one dtype. (C3) ranks and attributes. (C4) channels. (C5) sizes. (C6) bound scalars."""
    check_kind("float", x, w, y)
    require(x.dtype == w.dtype == y.dtype, f"dtypes differ: {x}, {w}, {y} (C2)")
    space = x.ndim - 2
    per_axis = len(strides) == len(dilation) == len(low) == len(high) == space
    require(
        x.ndim == w.ndim == y.ndim and space >= 1 and per_axis,
        f"image {x}, filter {w}, result {y} and attributes have different numbers of spatial axes (C3)",
    )
    positive = min(*strides, *dilation, groups) >= 1
    require(positive, f"strides {strides}, dilation {dilation}, groups {groups} (C3)")
    pads = [p for p in (*low, *high) if isinstance(p, int)]
    require(all(p >= 0 for p in pads), f"padding {low}, {high} is negative (C3)")
    require(
        same_dim(x.shape[1], groups * w.shape[1]),
        f"image {x} has {x.shape[1]} channels, but filters {w} take {w.shape[1]} in each of {groups} groups (C4)",
    )
    filters = w.shape[0]
    require(
        not isinstance(filters, int) or filters % groups == 0,
        f"{filters} filters do not divide into {groups} groups: {w} (C4)",
    )
    require(same_dim(filters, y.shape[1]), f"{filters} filters {w} do not make the channels of {y} (C4)")
    require(same_dim(x.shape[0], y.shape[0]), f"batch sizes differ: {x} and {y} (C4)")
    check_axes(x.shape[2:], w.shape[2:], y.shape[2:], low, high, strides, dilation)
    check_bound(scalars, len(bound_size) + len(bound_low) + len(bound_high), "sizes and paddings (C6)")


def geometry(**attrs: Any) -> dict[str, Any]:
    """The attributes of a convolution that its gradients share; what scalars give is a symbol there."""
    return {k: v for k, v in attrs.items() if k != "size" and not k.startswith("bound_")}


# ---------------------------------------------------------------- evaluation
class Taps:
    """The numbers of a call: `size`, `low` and `high` with what scalars give, and the elements of the filter."""

    def __init__(self, scalars: Sequence[Array], attrs: dict[str, Any]) -> None:
        self.values: dict[str, list[int]] = {}
        left = list(scalars)
        for name in ("size", "low", "high"):
            bound = attrs.get(f"bound_{name}", ())
            self.values[name] = bind(attrs[name], bound, left[: len(bound)])
            left = left[len(bound) :]
        self.strides, self.dilation = attrs["strides"], attrs["dilation"]
        self.groups, self.flip = attrs.get("groups", 1), attrs.get("flip", False)

    def padded(self, space: Sequence[int]) -> tuple[int, ...]:
        """The size of an image with its padding."""
        low, high = self.values["low"], self.values["high"]
        return tuple(a + s + b for a, s, b in zip(low, space, high, strict=True))

    def inside(self, space: Sequence[int]) -> tuple[slice, ...]:
        """The image within its padding."""
        pads = zip(self.values["low"], space, strict=True)
        return (slice(None), slice(None), *(slice(a, a + s) for a, s in pads))

    def each(self, window: Sequence[int], out: Sequence[int]) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """For every element of the filter: where it lies, and what of the padded image it meets."""
        for r in itertools.product(*map(range, window)):
            at = tuple(n - 1 - i for n, i in zip(window, r, strict=True)) if self.flip else r
            rows = zip(r, self.dilation, self.strides, out, strict=True)
            met = tuple(slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, s, o in rows)
            yield (..., *at), (..., *met)

    def split(self, x: Array, axis: int) -> Array:
        """`x` with `axis` cut into groups."""
        return x.reshape(*x.shape[:axis], self.groups, x.shape[axis] // self.groups, *x.shape[axis + 1 :])


def check_fit(x: Sequence[int], w: Sequence[int], y: Sequence[int], t: Taps) -> None:
    """At a call, what inference could not check of symbols."""
    for axis, (s, r, o) in enumerate(zip(x, w, y, strict=True)):
        low, high, stride, dilation = t.values["low"][axis], t.values["high"][axis], t.strides[axis], t.dilation[axis]
        if o < 1 or output_size(s, r, low, high, stride, dilation) != o:
            numbers = f"({s} + {low} + {high} - {dilation} * ({r} - 1) - 1) // {stride} + 1"
            raise ValueError(f"convolution, spatial axis {axis}: {FORMULA} = {numbers} is not {o}")


def _conv(x: Array, w: Array, *scalars: Array, **attrs: Any) -> Array:
    t = Taps(scalars, attrs)
    out = t.values["size"]
    check_fit(x.shape[2:], w.shape[2:], out, t)
    padded = np.zeros((*x.shape[:2], *t.padded(x.shape[2:])), x.dtype)
    padded[t.inside(x.shape[2:])] = x
    image, filters = t.split(padded, 1), t.split(w, 0)
    y = np.zeros((x.shape[0], *filters.shape[:2], *out), x.dtype)
    for at, met in t.each(w.shape[2:], out):
        y += np.einsum("ngc...,gkc->ngk...", image[met], filters[at])
    return y.reshape(x.shape[0], w.shape[0], *out)


def _conv_data(y: Array, w: Array, *scalars: Array, **attrs: Any) -> Array:
    t = Taps(scalars, attrs)
    size = t.values["size"]
    check_fit(size, w.shape[2:], y.shape[2:], t)
    result, filters = t.split(y, 1), t.split(w, 0)
    channels = w.shape[1] * t.groups
    padded = np.zeros((y.shape[0], channels, *t.padded(size)), y.dtype)
    image = t.split(padded, 1)
    for at, met in t.each(w.shape[2:], y.shape[2:]):
        image[met] += np.einsum("ngk...,gkc->ngc...", result, filters[at])
    return np.ascontiguousarray(padded[t.inside(size)])


def _conv_weight(x: Array, y: Array, *scalars: Array, **attrs: Any) -> Array:
    t = Taps(scalars, attrs)
    channels, *window = t.values["size"]
    check_fit(x.shape[2:], window, y.shape[2:], t)
    padded = np.zeros((*x.shape[:2], *t.padded(x.shape[2:])), x.dtype)
    padded[t.inside(x.shape[2:])] = x
    image, result = t.split(padded, 1), t.split(y, 1)
    w = np.zeros((t.groups, y.shape[1] // t.groups, channels, *window), x.dtype)
    space = "uvwxyz"[: len(window)]
    for at, met in t.each(window, y.shape[2:]):
        w[at] = np.einsum(f"ngc{space},ngk{space}->gkc", image[met], result)
    return w.reshape(y.shape[1], channels, *window)


# ---------------------------------------------------------------- costs
def flops_by(filters: Callable[..., DimLike]) -> Callable[..., DimLike]:
    """A multiplication and an addition for each element of y and each element of a filter."""

    def flops(a: TensorType, b: TensorType, *scalars: TensorType, **attrs: Any) -> DimLike:
        return 2 * filters(a, b, **attrs)

    return flops


DIRECT_FLOPS = 500_000  # below, products of matrices do, which take less time to compile
LEAST_PIXELS = 16  # of a result, for sums over pixels in vectors
LEAST_COLUMNS = 32  # elements of a filter, for sums in vectors of filters: these then repay transposing the gradient
SHORT_PIXELS = 512  # of images with rows shorter than a vector that are brought into vectors of channels
MOST_CHANNELS = 512  # of which the transformed tiles of a small image stay in the second-level cache
CACHED_BYTES = 6 * 1024**2  # of a result, which the next kernel then reads from a third-level cache
FILTERS = 16  # in a vector, of which no more than a quarter may be idle


def is_direct(op: str, x: TensorType, w: TensorType, y: TensorType, attrs: dict[str, Any]) -> bool:
    """Whether a convolution is worth loops of its own: all sizes but the batch are known, and there is enough to do."""
    dims = [*x.shape[1:], *w.shape, *y.shape[1:], *attrs["low"]]
    if x.dtype not in ("f32", "f64") or x.ndim > 5 or any(isinstance(d, Dim) for d in dims):
        return False
    pixels = prod_dims(y.shape[2:])
    batch = x.shape[0] if isinstance(x.shape[0], int) else 8
    flops: Any = 2 * (prod_dims(w.shape) * (pixels * batch))
    enough: bool = flops >= DIRECT_FLOPS and (op != "conv_weight" or pixels >= LEAST_PIXELS)  # type: ignore[operator]
    return enough


def is_strided(op: str, x: TensorType, w: TensorType, y: TensorType, attrs: dict[str, Any]) -> bool:
    """Whether a direct `conv` is summed in vectors of filters, or its gradient of the image in vectors of channels:
    where neighbours in the result are none in the image, but for filters of one element."""
    filters: Any = w.shape[1 if op == "conv_data" else 0]
    filled = filters >= FILTERS and 4 * filters >= 3 * -(-filters // FILTERS) * FILTERS
    plain = op != "conv_weight" and attrs["groups"] == 1 and x.ndim <= 4 and attrs["strides"][-1] > 1
    pixels: Any = prod_dims((x if op == "conv_data" else y).shape[2:])
    met = op == "conv" or is_covered(w, attrs)
    return plain and filled and met and pixels >= FILTERS and prod_dims(w.shape[2:]) != 1


def is_covered(w: TensorType, attrs: dict[str, Any]) -> bool:
    """Whether filters are known to meet every element of an image: strides are no longer than they are."""
    sizes: Any = zip(w.shape[2:], attrs["strides"], strict=True)
    return all(d == 1 for d in attrs["dilation"]) and all(r >= by for r, by in sizes)


def is_outer(w: TensorType, groups: int) -> bool:
    """Whether the gradient of the filters is summed in vectors of filters, rather than in vectors of pixels: ratios of
    the times are 0.65 to 0.85 for 64 images and 16 to 256 filters, but 1.1 to 3 where this says no."""
    filters: Any = w.shape[0] // groups  # type: ignore[operator]
    columns: Any = prod_dims(w.shape[1:])
    return columns >= LEAST_COLUMNS and 4 * filters >= 3 * -(-filters // FILTERS) * FILTERS  # type: ignore[no-any-return]


def is_winograd(op: str, x: TensorType, w: TensorType, y: TensorType, attrs: dict[str, Any]) -> bool:
    """Whether a direct convolution or a gradient of one goes by Winograd's F(4 x 4, 3 x 3): in f32, for channels and
    filters that fill vectors, and where tiles of 4 x 4 results cover little beyond the edges."""
    pads = list(zip(attrs["low"], attrs["high"], strict=True))
    plain = attrs["groups"] == 1 and all(v == 1 for a in ("strides", "dilation") for v in attrs[a])
    if x.dtype != "f32" or w.shape[2:] != (3, 3) or not plain:
        return False
    if any(isinstance(v, Dim) or v > 2 for pad in pads for v in pad):
        return False
    source, result = (y, x) if op == "conv_data" else (x, y)
    sizes: Any = (*source.shape[1:], *result.shape[1:])
    c, rows, cols, k, high, wide = sizes
    if min(rows * cols, high * wide) < FILTERS or (cols < FILTERS and rows * cols > SHORT_PIXELS):
        return False
    covered = 16 * -(-high // 4) * -(-wide // 4)
    filled = all(v >= FILTERS and 4 * v >= 3 * -(-v // FILTERS) * FILTERS for v in (c, k))
    return filled and c <= MOST_CHANNELS and covered <= 1.6 * high * wide


def is_cached(result: TensorType) -> bool:
    """Whether a result is known to be so small that the next kernel finds it in a cache."""
    size = result.size * result.itemsize
    return isinstance(size, int) and size <= CACHED_BYTES


def takes_epilogue(op: Op) -> bool:
    """Whether the kernel of a convolution, or of a gradient of its image, computes what elementwise ops make of its
    results: where it is direct, and makes each element at once rather than adding to it here and there; and where that
    saves time, in tiles of pixels always, in vectors of filters for results that leave the caches."""
    if op.name not in ("conv", "conv_data") or len(op.operands) != 2:
        return False
    a, w, out = op.operands[0].type, op.operands[1].type, op.result.type
    x, y = (a, out) if op.name == "conv" else (out, a)
    if not is_direct(op.name, x, w, y, op.attrs):
        return False
    if is_winograd(op.name, x, w, y, op.attrs) or is_strided(op.name, x, w, y, op.attrs):
        return isinstance(out.size, int) and not is_cached(out)
    if op.name == "conv":
        return True
    scattered = all(by == 1 for by in op.attrs["strides"]) and not any((*op.attrs["low"], *op.attrs["high"]))
    return is_covered(w, op.attrs) and not scattered


def scratch_of(op: str, x: TensorType, w: TensorType, y: TensorType, attrs: dict[str, Any]) -> tuple[TensorType, ...]:
    """The workspace: packed filters, sums in vectors of filters, or the columns of an image."""
    if not is_direct(op, x, w, y, attrs):
        return columns_of(x.dtype, w.shape[2:], w.shape[1], y.shape[2:])
    if is_winograd(op, x, w, y, attrs):
        vectors, others = w.shape[:2] if op != "conv_data" else w.shape[1::-1]
        return (w.with_shape((winograd_sums(vectors, others),)),)
    if is_strided(op, x, w, y, attrs):
        vectors, others = w.shape[:2] if op != "conv_data" else w.shape[1::-1]
        return (w.with_shape(((vectors + (FILTERS - 1)) * prod_dims((others, *w.shape[2:])),)),)
    if op == "conv_data":
        return (w.with_shape((w.size,)),)
    if op == "conv" or not is_outer(w, attrs["groups"]):
        return ()
    return (w.with_shape(((w.shape[0] + 63 * attrs["groups"]) * prod_dims(w.shape[1:]),)),)


def winograd_sums(vectors: Any, others: Any) -> Any:
    """The workspace of a convolution by Winograd's algorithm, in elements: for each place of a tile, all filters or
    sums, of which the first axis is filled up to whole groups of vectors, the second to whole vectors."""
    return 36 * (vectors + 63) * (others + FILTERS - 1)


def columns_of(dtype: str, window: Shape, channels: DimLike, out: Shape) -> tuple[TensorType, ...]:
    """The workspace of a convolution as a product of matrices: for one image, what each result is the product with."""
    return (TensorType(dtype, (prod_dims((channels, *window)), prod_dims(out))),)


# ---------------------------------------------------------------- samples
def _case(
    n: int, c: int, k: int, space: tuple[int, ...], window: tuple[int, ...], *, groups: int = 1, flip: bool = False,
    strides: tuple[int, ...] = (), dilation: tuple[int, ...] = (), low: tuple[int, ...] = (),
    high: tuple[int, ...] = (), seed: int = 0,
) -> tuple[Array, Array, Array, dict[str, Any]]:  # fmt: skip
    """(x, w, y) of agreeing sizes, and the attributes without `size`."""
    ones, zeros = (1,) * len(space), (0,) * len(space)
    attrs: dict[str, Any] = {
        "strides": strides or ones, "dilation": dilation or ones, "low": low or zeros, "high": high or zeros,
        "groups": groups, "flip": flip,
    }  # fmt: skip
    sizes = zip(space, window, attrs["low"], attrs["high"], attrs["strides"], attrs["dilation"], strict=True)
    out: list[Any] = [output_size(*row) for row in sizes]
    r = np.random.default_rng(seed)
    x, w = r.normal(size=(n, c, *space)), r.normal(size=(k, c // groups, *window))
    return x, w, r.normal(size=(n, k, *out)), attrs


def _cases() -> list[tuple[Array, Array, Array, dict[str, Any]]]:
    return [
        _case(2, 2, 3, (6, 5), (3, 2)),
        _case(2, 4, 6, (6, 7), (2, 3), groups=2, strides=(2, 3), dilation=(2, 1), low=(1, 0), high=(2, 1), flip=True),
        _case(1, 3, 2, (8,), (3,), strides=(2,), low=(1,), high=(1,)),
        _case(2, 1, 2, (4, 3, 5), (2, 2, 3), strides=(1, 2, 1), low=(0, 1, 1), high=(1, 0, 1)),
        _case(0, 2, 3, (4, 4), (3, 3), low=(1, 1), high=(1, 1)),
        _case(2, 2, 2, (3, 3), (1, 1), strides=(2, 2), groups=2),
    ]


def _bound(arrays: tuple[Array, ...], attrs: dict[str, Any]) -> tuple[tuple[Array, ...], dict[str, Any]]:
    """The sample with a size and both paddings given by scalars."""
    last = len(attrs["low"]) - 1
    scalars = [np.asarray(attrs["size"][-1]), np.asarray(attrs["low"][last]), np.asarray(attrs["high"][last])]
    more = {"bound_size": (len(attrs["size"]) - 1,), "bound_low": (last,), "bound_high": (last,)}
    return (*arrays, *scalars), {**attrs, **more}


def _samples(pick: Callable[[Array, Array, Array], tuple[Array, Array, Sequence[int]]]) -> Callable[[], Samples]:
    def samples() -> Samples:
        out: Samples = []
        for x, w, y, attrs in _cases():
            a, b, size = pick(x, w, y)
            out.append(((a, b), {**attrs, "size": tuple(size)}))
        return [*out, _bound(*out[1])]

    return samples


# ---------------------------------------------------------------- the ops
@defop
class conv:
    """conv(x: F[N,C,S...], w: F[K,C/groups,R...], *scalars: i64[]) {size, strides, dilation, low, high, groups=1,
    flip=false, bound_size=(), bound_low=(), bound_high=()} -> F[N,K,size...]: the correlation of images with filters.
    (C1) floats. (C2) one dtype. (C3) ranks and attributes. (C4) channels and batches. (C5) sizes. (C6) scalars."""

    traits = ("library",)
    eval = widened(_conv)
    lower = "conv"
    flops = flops_by(lambda x, w, size, **attrs: prod_dims(w.shape) * (prod_dims(size) * x.shape[0]))
    samples = _samples(lambda x, w, y: (x, w, y.shape[2:]))

    @staticmethod
    def infer(
        x: TensorType, w: TensorType, *scalars: TensorType, size: Shape, **attrs: Unpack[Geometry]
    ) -> TensorType:
        y = x.with_shape((x.shape[0], *w.shape[:1], *size))
        check_conv(x, w, y, scalars, **attrs)
        return y

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, w: Value, *scalars: Value, **attrs: Any) -> Grads:
        shared = geometry(**attrs)
        dx = b.conv_data(ct, w, size=x.shape[2:], **shared)
        dw = b.conv_weight(x, ct, size=w.shape[1:], **shared)
        return (dx, dw, *(None for _ in scalars))

    @staticmethod
    def scratch(
        x: TensorType, w: TensorType, *scalars: TensorType, size: Shape, **attrs: Any
    ) -> tuple[TensorType, ...]:
        return scratch_of("conv", x, w, conv.infer(x, w, *scalars, size=size, **attrs), attrs)


@defop
class conv_data:
    """conv_data(y: F[N,K,O...], w: F[K,C/groups,R...], *scalars: i64[]) {size, strides, dilation, low, high, groups=1,
    flip=false, bound_size=(), bound_low=(), bound_high=()} -> F[N,C,size...]: the gradient of `conv` with respect to
    its image, of a size that y and w leave open where strides exceed 1: the transposed convolution.
    (C1) to (C6) as for `conv`."""

    traits = ("library",)
    eval = widened(_conv_data)
    lower = "conv_data"
    flops = flops_by(lambda y, w, **attrs: prod_dims(w.shape) * (prod_dims(y.shape[2:]) * y.shape[0]))
    samples = _samples(lambda x, w, y: (y, w, x.shape[2:]))

    @staticmethod
    def infer(
        y: TensorType, w: TensorType, *scalars: TensorType, size: Shape, **attrs: Unpack[Geometry]
    ) -> TensorType:
        channels = attrs.get("groups", 1) * w.shape[1] if w.ndim > 1 else 1
        x = y.with_shape((y.shape[0], channels, *size))
        check_conv(x, w, y, scalars, **attrs)
        return x

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, y: Value, w: Value, *scalars: Value, **attrs: Any) -> Grads:
        shared = geometry(**attrs)
        dy = b.conv(ct, w, size=y.shape[2:], **shared)
        dw = b.conv_weight(ct, y, size=w.shape[1:], **shared)
        return (dy, dw, *(None for _ in scalars))

    @staticmethod
    def scratch(
        y: TensorType, w: TensorType, *scalars: TensorType, size: Shape, **attrs: Any
    ) -> tuple[TensorType, ...]:
        x = conv_data.infer(y, w, *scalars, size=size, **attrs)
        return scratch_of("conv_data", x, w, y, attrs)


@defop
class conv_weight:
    """conv_weight(x: F[N,C,S...], y: F[N,K,O...], *scalars: i64[]) {size, strides, dilation, low, high, groups=1,
    flip=false, bound_size=(), bound_low=(), bound_high=()} -> F[K,size...]: the gradient of `conv` with respect to its
    filters; `size` begins with C / groups. (C1) to (C6) as for `conv`."""

    traits = ("library",)
    eval = widened(_conv_weight)
    lower = "conv_weight"
    flops = flops_by(lambda x, y, size, **attrs: prod_dims(size) * prod_dims(y.shape))
    samples = _samples(lambda x, w, y: (x, y, w.shape[1:]))

    @staticmethod
    def infer(
        x: TensorType, y: TensorType, *scalars: TensorType, size: Shape, **attrs: Unpack[Geometry]
    ) -> TensorType:
        w = x.with_shape((*y.shape[1:2], *size))
        check_conv(x, w, y, scalars, **attrs)
        return w

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, y: Value, *scalars: Value, **attrs: Any) -> Grads:
        shared = geometry(**attrs)
        dx = b.conv_data(y, ct, size=x.shape[2:], **shared)
        dy = b.conv(x, ct, size=y.shape[2:], **shared)
        return (dx, dy, *(None for _ in scalars))

    @staticmethod
    def scratch(
        x: TensorType, y: TensorType, *scalars: TensorType, size: Shape, **attrs: Any
    ) -> tuple[TensorType, ...]:
        w = conv_weight.infer(x, y, *scalars, size=size, **attrs)
        return scratch_of("conv_weight", x, w, y, attrs)



"""Pooling over the last two or three axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import arange
from arignote.frontends.tensor.graph import emit, wrap
from arignote.frontends.tensor.loc import composite
from arignote.frontends.tensor.nnet.geometry import Size, per_axis, size_of, sizes_attrs
from arignote.ir.types import is_float

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["Pool", "max_pool_2d_same_size", "pool_2d", "pool_3d"]

#: Places of a window that code is written out for; and along one axis, where large ones go axis by axis.
LARGEST, LONGEST = 36, 4096
MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


def output_size(size: Size, window: int, stride: int, pad: int, ignore_border: bool) -> Size:
    """How many windows there are along an axis."""
    if ignore_border:
        return (size + 2 * pad - window) // stride + 1
    if stride >= window:
        return (size - 1) // stride + 1
    more = (size - 1 - window + stride) // stride
    return (max(more, 0) if isinstance(more, int) else ew.maximum(more, 0)) + 1


class _Windows:
    """The arguments of pooling over the last `space` axes."""

    def __init__(
        self, name: str, input: Any, window: Any, ignore_border: bool, stride: Any, pad: Any, space: int
    ) -> None:
        x = as_tensor_variable(input)
        if x.ndim < space:
            raise TypeError(f"{name}: {label(x)} must have at least {space} dimensions, but is {x.type}")
        if window is None:
            raise TypeError(f"{name}: give the size of the windows, ws")
        self.name, self.x, self.space, self.ignore_border = name, x, space, ignore_border
        self.window = per_axis(window, space, f"{name}: ws")
        self.strides = self.window if stride is None else per_axis(stride, space, f"{name}: stride")
        pads = (pad,) * space if isinstance(pad, (int, np.integer)) else tuple(pad)
        if len(pads) != space or any(not isinstance(p, (int, np.integer)) or p < 0 for p in pads):
            raise ValueError(f"{name}: pad must be {space} integers of at least 0, not {pad!r}")
        if any(pads) and not ignore_border:
            raise NotImplementedError(f"{name}: padding works only with ignore_border=True")
        if any(p >= w for p, w in zip(pads, self.window, strict=True)):
            raise NotImplementedError(f"{name}: padding {pads} must be smaller than the windows {self.window}")
        self.low = tuple(map(int, pads))
        self.sizes = [size_of(x.value_, x.ndim - space + a) for a in range(space)]
        self.outs = []
        for axis, (s, w, by, p) in enumerate(zip(self.sizes, self.window, self.strides, self.low, strict=True)):
            out = output_size(s, w, by, p, ignore_border)
            if isinstance(out, int) and out < 1:
                raise ValueError(
                    f"{name}: axis {axis}: no window fits: (size + 2 * pad - ws) // stride + 1 = "
                    f"({s} + 2 * {p} - {w}) // {by} + 1 = {out}"
                )
            self.outs.append(out)
        if not ignore_border:  # what is beyond the image is no part of a window
            pairs = zip(self.window, self.sizes, strict=True)
            self.window = tuple(min(w, max(s, 1)) if isinstance(s, int) else w for w, s in pairs)
        if max(self.window) > LONGEST:
            raise NotImplementedError(
                f"{name}: windows {self.window}: code is written out for every place along an axis, at most {LONGEST}; "
                "a maximum, sum or mean over all of an axis is T.max, T.sum or T.mean"
            )

    def by_axis(self) -> Iterator[tuple[list[Any], dict[str, Any]]]:
        """Sizes and attributes of one pooling op after the other that together are this one: of small windows one, of
        large ones one for each axis, the last one first, as code for all places of a window grows with their number.
        The first maximum of rows in the first such row is the first of all."""
        if int(np.prod(self.window)) <= LARGEST:
            scalars, attrs = sizes_attrs(size=self.outs)
            yield scalars, {**attrs, "window": self.window, "strides": self.strides, "low": self.low}
            return
        for axis in reversed(range(self.space)):
            scalars, attrs = sizes_attrs(size=[*self.sizes[:axis], *self.outs[axis:]])
            window, strides, low = [1] * self.space, [1] * self.space, [0] * self.space
            window[axis], strides[axis], low[axis] = self.window[axis], self.strides[axis], self.low[axis]
            yield scalars, {**attrs, "window": tuple(window), "strides": tuple(strides), "low": tuple(low)}

    def reduced(self, op: str) -> TensorVariable:
        """The maxima or sums of the windows."""
        x = self.x.value_
        for scalars, attrs in self.by_axis():
            x = emit(op, x, *scalars, **attrs)
        return wrap(x)

    def kept(self) -> TensorVariable:
        """The input, zero but for the first maximum of each window."""
        x = self.x.value_
        done = []
        for scalars, attrs in self.by_axis():
            done.append((x, scalars, attrs))
            x = emit("pool_max", x, *scalars, **attrs)
        for before, scalars, attrs in reversed(done):
            x = emit("pool_put", before, x, *scalars, **attrs)
        return wrap(x)

    def counts(self, mode: str) -> list[Any] | int:
        """How many elements the mean of a window is over: one number, or a vector for each axis, whose product it
        is."""
        if mode == "average_inc_pad" and self.ignore_border:
            return int(np.prod(self.window))
        out: list[Any] = []
        for s, o, w, by, p in zip(self.sizes, self.outs, self.window, self.strides, self.low, strict=True):
            if isinstance(s, int) and isinstance(o, int):
                first = np.arange(o) * by - p
                out.append(np.minimum(first + w, s) - np.maximum(first, 0))
            else:
                begin = arange(o) * by - p
                out.append(ew.minimum(begin + w, s) - ew.maximum(begin, 0))
        if all(isinstance(c, np.ndarray) and (c == c[0]).all() for c in out):
            return int(np.prod([c[0] for c in out]))
        return out

    def mean(self, mode: str) -> TensorVariable:
        """The mean of each window."""
        if not is_float(self.x.value_.dtype):
            raise TypeError(f"{self.name}: mode {mode} takes floats, but {label(self.x)} is {self.x.type}")
        total, counts = self.reduced("pool_sum"), self.counts(mode)
        if isinstance(counts, int):
            return total * ew.cast(1 / counts, self.x.dtype)
        for axis, count in enumerate(counts):
            shape = ["x"] * self.space
            vector = ew.cast(as_tensor_variable(count), self.x.dtype)
            total = total / vector.dimshuffle(*(0 if a == axis else x for a, x in enumerate(shape)))
        return total


def _one(name: str, new: str, value: Any, old: str, other: Any) -> Any:
    """An argument that has two names."""
    if value is not None and other is not None:
        raise ValueError(f"{name}: {old} is the old name of {new}: give one of them")
    return other if value is None else value


def _pool(
    name: str, space: int, input: Any, window: Any, ignore_border: bool | None, stride: Any, pad: Any, mode: str,
    old: Sequence[Any],
) -> TensorVariable:  # fmt: skip
    ds, st, padding = old
    if mode not in MODES:
        raise ValueError(f"{name}: mode {mode!r} is none of {', '.join(MODES)}")
    window = _one(name, "ws", window, "ds", ds)
    stride = _one(name, "stride", stride, "st", st)
    pad = padding if padding is not None else (0,) * space if pad is None else pad
    work = _Windows(name, input, window, bool(ignore_border), stride, pad, space)
    if mode == "max":
        return work.reduced("pool_max")
    return work.reduced("pool_sum") if mode == "sum" else work.mean(mode)


@composite
def pool_2d(
    input: Any, ws: Any = None, ignore_border: bool | None = None, stride: Any = None, pad: Any = (0, 0),
    mode: str = "max", ds: Any = None, st: Any = None, padding: Any = None,
) -> TensorVariable:  # fmt: skip
    """The maximum, sum or mean of windows of the last two axes.

    Args:
        input: a tensor of rank 2 or more.
        ws: (rows, columns) of a window; `ds` is the old name.
        ignore_border: whether windows that are cut off at the end are left out. None: they are not.
        stride: from window to window; None: as large as these; `st` is the old name.
        pad: rows and columns of padding on both sides, less than a window, with `ignore_border` only; never a maximum,
            zero in sums; `padding` is the old name.
        mode: `max`, `sum`, `average_inc_pad` (the mean with padding) or `average_exc_pad` (without).

    Where several elements are the maximum, the gradient goes to the first of them.
    """
    return _pool("pool_2d", 2, input, ws, ignore_border, stride, pad, mode, (ds, st, padding))


@composite
def pool_3d(
    input: Any, ws: Any = None, ignore_border: bool | None = None, stride: Any = None, pad: Any = (0, 0, 0),
    mode: str = "max", ds: Any = None, st: Any = None, padding: Any = None,
) -> TensorVariable:  # fmt: skip
    """`pool_2d` over the last three axes."""
    return _pool("pool_3d", 3, input, ws, ignore_border, stride, pad, mode, (ds, st, padding))


@composite
def max_pool_2d_same_size(input: Any, patch_size: Any) -> TensorVariable:
    """`input` with all but the first maximum of each patch set to zero."""
    work = _Windows("max_pool_2d_same_size", input, patch_size, True, None, (0, 0), 2)
    return work.kept()


class Pool:
    """Theano's op: `Pool(ignore_border, mode, ndim)(x, ws, stride, pad)`."""

    def __init__(self, ignore_border: bool = False, mode: str = "max", ndim: int = 2, openmp: Any = None) -> None:
        self.ignore_border, self.mode, self.ndim = ignore_border, mode, ndim

    def __call__(self, x: Any, ws: Any, stride: Any = None, pad: Any = None) -> TensorVariable:
        return _pool("Pool", self.ndim, x, ws, self.ignore_border, stride, pad, self.mode, (None, None, None))

    @staticmethod
    def out_shape(
        imgshape: Sequence[Any], ws: Any = None, ignore_border: bool = False, stride: Any = None, pad: Any = None,
        ndim: int = 2, ds: Any = None, st: Any = None, padding: Any = None,
    ) -> list[Any]:  # fmt: skip
        """The shape of the result for images of shape `imgshape`."""
        window = per_axis(ds if ws is None else ws, ndim, "Pool: ws")
        given = st if stride is None else stride
        strides = window if given is None else per_axis(given, ndim, "Pool: stride")
        pads = padding if padding is not None else (0,) * ndim if pad is None else pad
        if len(imgshape) < ndim:
            raise TypeError(f"Pool.out_shape: imgshape must have at least {ndim} elements, not {imgshape!r}")
        rows = zip(imgshape[len(imgshape) - ndim :], window, strides, pads, strict=True)
        return [*imgshape[: len(imgshape) - ndim], *(output_size(*row, ignore_border) for row in rows)]

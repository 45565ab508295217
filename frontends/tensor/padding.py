"""`pad`: tensors with a margin, as `numpy.pad` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import alloc, arange
from arignote.frontends.tensor.indexing import set_subtensor
from arignote.frontends.tensor.loc import composite

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["pad"]

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


@composite
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> TensorVariable:
    """`x` with a margin of elements around it.

    Args:
        x: a tensor.
        pad_width: elements to add: an integer, (before, after) for all axes, or such a pair for each axis.
        mode: where they come from: "constant" (`constant_values`, a number), "edge" (the outermost element),
            "reflect" (mirrored at the outermost element), "symmetric" (mirrored at the edge), "wrap" (from the other
            end).

    Raises:
        ValueError: another mode, negative widths, or widths that do not fit the dimensions.
    """
    tensor = as_tensor_variable(x)
    widths = _widths(pad_width, tensor)
    if mode not in MODES:
        raise ValueError(f"pad: mode is one of {', '.join(MODES)}, not {mode!r}")
    if mode == "constant":
        if not any(map(sum, widths)):
            return tensor
        filling = ew.cast(as_tensor_variable(constant_values), tensor.dtype)
        if filling.ndim:
            raise ValueError(f"pad: constant_values is one number, not {label(filling)}: {filling.type}")
        shape = [tensor.shape[axis] + low + high for axis, (low, high) in enumerate(widths)]
        # An empty slice's end: counted from the front, so that no margin is no special case.
        middle = tuple(slice(low, low + tensor.shape[axis]) for axis, (low, _) in enumerate(widths))
        return set_subtensor(alloc(filling, *shape)[middle], tensor)
    for axis, (low, high) in enumerate(widths):
        if low or high:
            tensor = tensor.take(_sources(mode, tensor.shape[axis], low, high), axis=axis)
    return tensor


def _widths(pad_width: Any, tensor: TensorVariable) -> list[tuple[int, int]]:
    widths: Any = pad_width
    if isinstance(widths, (int, np.integer)):
        widths = [(widths, widths)] * tensor.ndim
    elif isinstance(widths, Sequence) and len(widths) == 2 and all(isinstance(w, (int, np.integer)) for w in widths):
        widths = [tuple(widths)] * tensor.ndim
    pairs = [tuple(w) if isinstance(w, Sequence) else (w, w) for w in widths]
    numbers = all(len(p) == 2 and all(isinstance(w, (int, np.integer)) and w >= 0 for w in p) for p in pairs)
    if len(pairs) != tensor.ndim or not numbers:
        raise ValueError(
            f"pad: {pad_width!r} is no pair (before, after) of whole numbers for each axis of {label(tensor)}: "
            f"{tensor.type}"
        )
    return [(int(low), int(high)) for low, high in pairs]


def _sources(mode: str, size: Any, low: int, high: int) -> Any:
    """The numbers of the elements that a padded axis is made of."""
    at = arange(size + (low + high)) - low
    if mode == "edge":
        return ew.clip(at, np.int64(0), size - 1)
    if mode == "wrap":
        return ew.mod(at, size)
    if mode == "symmetric":
        folded = ew.mod(at, 2 * size)
        return ew.minimum(folded, 2 * size - 1 - folded)
    period = ew.maximum(2 * size - 2, np.int64(1))
    folded = ew.mod(at, period)
    return ew.minimum(folded, period - folded)

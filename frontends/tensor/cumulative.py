"""Running sums and products, and differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import shapes
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.graph import cast_value, emit, wrap
from arignote.frontends.tensor.reduction import one_axis

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["CumOp", "cumprod", "cumsum", "diff"]


def _cumulate(op: str, x: Any, axis: int | None) -> TensorVariable:
    variable = as_tensor_variable(x)
    if axis is None:
        variable, axis = shapes.flatten(variable), 0
    value = variable.value_
    wide = cast_value(value, "i64") if value.dtype == "bool" else value
    return wrap(emit(op, wide, axis=one_axis(axis, variable, op)))


def cumsum(x: Any, axis: int | None = None) -> TensorVariable:
    """The sum of each element and those before it along `axis` (in the flattened `x`). The dtype stays; bools count."""
    return _cumulate("cumsum", x, axis)


def cumprod(x: Any, axis: int | None = None) -> TensorVariable:
    """The product of each element and those before it along `axis` (in the flattened `x`). The dtype stays."""
    return _cumulate("cumprod", x, axis)


def CumOp(axis: int | None = None, mode: str = "add") -> Any:
    """`CumOp(axis, "add")(x)` is `cumsum(x, axis)`; "mul" stands for `cumprod`."""
    if mode not in ("add", "mul"):
        raise ValueError(f"CumOp: mode {mode!r} is neither 'add' nor 'mul'")
    return lambda x: (cumsum if mode == "add" else cumprod)(x, axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> TensorVariable:
    """The differences x[i + 1] - x[i] along `axis`, `n` times over. Of bools: whether neighbours differ."""
    variable = as_tensor_variable(x)
    if n < 0:
        raise ValueError(f"diff: n must not be negative, got {n}")
    lead = (slice(None),) * one_axis(axis, variable, "diff")
    for _ in range(n):
        after, before = variable[(*lead, slice(1, None))], variable[(*lead, slice(None, -1))]
        variable = ew.neq(after, before) if variable.dtype == "bool" else ew.sub(after, before)
    return variable

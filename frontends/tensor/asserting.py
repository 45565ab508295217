"""Assertions in graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.graph import emit, wrap
from arignote.frontends.tensor.loc import composite
from arignote.frontends.tensor.shapes import dim_of, reshape, sizes_of

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable
    from arignote.ir.core import Value

__all__ = ["Assert", "assert_", "assert_op", "specify_shape"]


@dataclass(frozen=True)
class Assert:
    """`Assert(msg)(value, *conditions)` is `value`, where all elements of all conditions are non-zero.

    A call for which one is not raises AssertionError with `msg` and the line of the assertion, before it updates any
    shared variable. What the optimiser finds that nothing needs is not checked.
    """

    msg: str = "Assert failed!"

    def __call__(self, value: Any, *conds: Any) -> TensorVariable:
        variable = as_tensor_variable(value)
        if not conds:
            return variable
        found = [reduction.all(as_tensor_variable(c)).value_ for c in conds]
        return wrap(emit("assert", variable.value_, *found, message=self.msg))


assert_ = assert_op = Assert()


def _written(size: int | Value) -> Any:
    """A size as users write it."""
    return size if isinstance(size, int) else wrap(size)


@composite
def specify_shape(x: Any, shape: Any) -> TensorVariable:
    """`x`, whose shape is `shape`: what is made of it may rely on that, and code is generated for known sizes.

    Args:
        shape: a symbolic integer vector, or an integer, a symbolic scalar or None (any size) for each dimension.

    Raises:
        AssertionError: at a call with another shape, before it updates any shared variable; TypeInferenceError, where
            not even the number of elements is that of the shape.
        TypeError: `shape` has another number of sizes.
        ValueError: the shape is known, and another one.
    """
    variable = as_tensor_variable(x)
    known = [_written(dim_of(variable.value_, axis)) for axis in range(variable.ndim)]
    if isinstance(shape, (list, tuple)) and len(shape) == len(known):
        shape = [d if s is None else s for s, d in zip(shape, known, strict=True)]
    sizes = [_written(s) for s in sizes_of(shape, "specify_shape: shape", variable.ndim)]
    if len(sizes) != variable.ndim:
        raise TypeError(f"specify_shape: {len(sizes)} sizes for {label(variable)}, which is {variable.type}")
    conditions = []
    for axis, (s, d) in enumerate(zip(sizes, known, strict=True)):
        if not (isinstance(s, int) and isinstance(d, int)):
            conditions.append(ew.eq(s, d))
        elif s != d:
            raise ValueError(f"specify_shape: axis {axis} of {label(variable)}, {variable.type}, has size {d}, not {s}")
    wanted = ", ".join(str(s) if isinstance(s, int) else "..." for s in sizes)
    checked = Assert(f"specify_shape: the shape of {label(variable)} is not ({wanted})")(variable, *conditions)
    return reshape(checked, sizes)

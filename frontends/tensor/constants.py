"""What is known of a variable before any function runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.frontends.tensor.convert import constant_array, label
from arignote.frontends.tensor.graph import Variable
from arignote.frontends.tensor.shapes import as_dim
from arignote.ir.core import Value, toposort
from arignote.ir.diag import IRError
from arignote.ir.interp import evaluate
from arignote.ir.opdef import has_trait

__all__ = ["EmptyConstantError", "NotScalarConstantError", "extract_constant", "get_scalar_constant_value"]

#: Ops in a graph beyond which it is not evaluated.
_MOST_OPS = 1000
#: Ops whose result holds one number if the first operand does.
_MOVES = ("broadcast", "reshape", "transpose", "slice", "copy", "assert", "roll", "sort")


class NotScalarConstantError(Exception):
    """A variable that is not known to be one number."""


class EmptyConstantError(NotScalarConstantError):
    """A constant without elements."""


def get_scalar_constant_value(
    orig_v: Any, elemwise: bool = True, only_process_constants: bool = False, max_recur: int = 10
) -> np.ndarray[Any, Any]:
    """The number that all elements of `orig_v` are known to be, as an array without dimensions.

    Known are constants, dimensions of static shapes, what fills or rearranges one number, and what is computed from
    constants alone.

    Args:
        elemwise: evaluate functions of constants as well.
        only_process_constants: look at nothing but constants themselves.
        max_recur: ignored: graphs of any depth are evaluated.

    Raises:
        NotScalarConstantError: it is not known to be one number.
    """
    if orig_v is None:
        raise NotScalarConstantError("None is no number")
    if not isinstance(orig_v, Variable):
        try:
            return _only(constant_array(orig_v))
        except TypeError as e:
            raise NotScalarConstantError(str(e)) from None
    value = orig_v.value_
    while value.owner is not None:
        op = value.owner
        if op.name == "const":
            array = op.attrs["value"]
            moved = value is not orig_v.value_ and array.size != 1
            return _only(_evaluated(orig_v.value_) if moved else array)
        if only_process_constants:
            break
        dim = as_dim(value) if value.dtype == "i64" and value.ndim == 0 else None
        if isinstance(dim, int):
            return np.asarray(dim, np.int64)
        if op.name in _MOVES:
            value = op.operands[0]
            continue
        if elemwise or not has_trait(op.name, "elementwise"):
            return _only(_evaluated(value))
        break
    raise NotScalarConstantError(f"{label(orig_v)} is not known to be one number")


def _only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.size == 0:
        raise EmptyConstantError("there is no number in a tensor without elements")
    first = array.reshape(-1)[0]
    if array.size > 1 and not bool((array == first).all()):
        raise NotScalarConstantError(f"its elements differ: {array.reshape(-1)[:5].tolist()} ...")
    return np.array(first)


def _evaluated(value: Value) -> np.ndarray[Any, Any]:
    ops = toposort([value])
    if len(ops) > _MOST_OPS or any(v.owner is None for op in ops for v in op.operands):
        raise NotScalarConstantError("it is computed from what a call gives")
    if not value.type.static or any(not r.type.static for op in ops for r in op.results):
        raise NotScalarConstantError("its size depends on what a call gives")
    try:
        return evaluate([value], {})[0]
    except IRError as e:
        raise NotScalarConstantError(str(e)) from None


def extract_constant(x: Any, elemwise: bool = True, only_process_constants: bool = False) -> Any:
    """`get_scalar_constant_value`, or `x` itself where that is not known."""
    try:
        return get_scalar_constant_value(x, elemwise, only_process_constants)
    except NotScalarConstantError:
        return x

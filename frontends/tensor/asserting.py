"""Assertions in graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import reduction
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.graph import emit, wrap

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["Assert", "assert_", "assert_op"]


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

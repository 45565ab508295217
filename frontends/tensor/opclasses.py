"""Classes of ops, for programs that ask what kind of op `variable.owner.op` is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.frontends.tensor.owner import OpView
from arignote.ir.opdef import OPS

__all__ = ["Elemwise"]


class _Kind(type):
    """`isinstance(op, Elemwise)` asks the record of the op."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if isinstance(instance, OpView):
            return "elementwise" in OPS[instance.name].traits
        return super().__instancecheck__(instance)


class Elemwise(metaclass=_Kind):
    """Ops that apply a function of numbers to each element: `isinstance(x.owner.op, Elemwise)`.

    `Elemwise(theano.scalar.add)(x, y)` applies a function of `theano.scalar` to tensors, with broadcasting.
    """

    def __init__(self, scalar_op: Callable[..., Any], inplace_pattern: Any = None, name: str | None = None) -> None:
        if not callable(scalar_op):
            raise TypeError(f"Elemwise takes a function of arignote.scalar, not {scalar_op!r}")
        self.scalar_op, self.name = scalar_op, name

    def __call__(self, *inputs: Any) -> Any:
        """The function of each element."""
        return self.scalar_op(*inputs)

    def __repr__(self) -> str:
        return f"Elemwise{{{self.name or getattr(self.scalar_op, '__name__', 'function')},no_inplace}}"

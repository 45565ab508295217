"""`variable.owner`: the recorded op, as Theano's users look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arignote.frontends.tensor import names
from arignote.frontends.tensor.graph import wrap
from arignote.ir.core import Op

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


class OpView:
    """`owner.op`: the operation as Theano's users see it. Equal for equal operations."""

    def __init__(self, op: Op) -> None:
        self.name = op.name
        self.attrs = dict(op.attrs)
        self._label = names.op_label(op)

    def __repr__(self) -> str:
        return self._label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpView) and self._label == other._label

    def __hash__(self) -> int:
        return hash(self._label)


class Apply:
    """`variable.owner`: the op that makes a variable, and what it is applied to. Read only."""

    def __init__(self, op: Op) -> None:
        self._op = op

    @property
    def op(self) -> OpView:
        """The operation."""
        return OpView(self._op)

    @property
    def inputs(self) -> list[TensorVariable]:
        """The operands."""
        return [wrap(v) for v in self._op.operands]

    @property
    def outputs(self) -> list[TensorVariable]:
        """The results."""
        return [wrap(v) for v in self._op.results]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Apply) and self._op is other._op

    def __hash__(self) -> int:
        return hash(self._op)

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.inputs))})"

"""`variable.owner`: the recorded op, as Theano's users look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import names
from arignote.frontends.tensor.graph import Variable, wrap
from arignote.ir.core import Op
from arignote.ir.opdef import has_trait

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


class OpView:
    """`owner.op`: the operation as Theano's users see it. Equal for equal operations."""

    def __init__(self, op: Op) -> None:
        self.name = op.name
        self.attrs = dict(op.attrs)
        self._label = names.op_label(op)
        self._function = names.scalar_name(op) if has_trait(op.name, "elementwise") else None

    @property
    def scalar_op(self) -> Any:
        """The function of `arignote.scalar` that an elementwise op applies to each element."""
        from arignote.frontends.tensor import scalar_types

        found = getattr(scalar_types, self._function or "", None)
        if found is None:
            raise AttributeError(f"{self} has no attribute 'scalar_op'")
        return found

    def __repr__(self) -> str:
        return self._label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpView) and self._label == other._label

    def __hash__(self) -> int:
        return hash(self._label)


class Apply:
    """`variable.owner`: an op applied to variables. Read only.

    `Apply(op, inputs, outputs)` applies an `Op` of the user's own: `outputs` say, by their types and names, what the
    results are, and are replaced by these. `make_node` returns it.
    """

    def __init__(self, op: Any, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        from arignote.frontends.tensor.pyops import record

        self._op = record(op, inputs, outputs)

    @classmethod
    def of(cls, op: Op) -> Apply:
        """The view of a recorded op."""
        self = cls.__new__(cls)
        self._op = op
        return self

    @property
    def _rule(self) -> Any:
        """The rule of an op of the user's own; None for others."""
        rule = self._op.attrs.get("rule")
        return None if getattr(rule, "op", None) is None else rule

    @property
    def op(self) -> Any:
        """The operation: one of the user's own, or an `OpView`."""
        rule = self._rule
        return OpView(self._op) if rule is None else rule.op

    @property
    def inputs(self) -> list[TensorVariable]:
        """The operands."""
        first = 0 if self._rule is None else len(self._op.results)
        return [wrap(v) for v in self._op.operands[first:]]

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

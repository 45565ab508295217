"""`OpFromGraph`: a function of variables made of a recorded graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.cloning import check_same_type, copied
from arignote.frontends.tensor.compiling import pairs_of_givens, pairs_of_updates
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import zeros_like
from arignote.frontends.tensor.gradient import DisconnectedType, NoGradient, grad
from arignote.frontends.tensor.graph import Variable, emit_all, wrap
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.frontends.tensor.updates import OrderedUpdates
from arignote.frontends.tensor.variable import TensorConstant
from arignote.ir.core import Value, toposort
from arignote.ir.ops.markers import Rule
from arignote.ir.types import is_differentiable

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["OpFromGraph"]

#: (inputs, outputs, their gradients) -> one gradient per input, or something that stands for there being none.
PullBack = Callable[[list[Any], list[Any], list[Any]], Sequence[Any]]


class OpFromGraph:
    """`OpFromGraph([x, y], [x * y + w])(a, b)` is `a * b + w`: the recorded graph with other inputs.

    A call records a copy of the graph, so that it is simplified and fused with what is around it. Shared variables in
    it need not be listed.

    Args:
        inputs: variables without an owner.
        outputs: what is computed from them.
        givens: (variable, replacement) pairs, or a dict: what stands for what in outputs and updates.
        updates: (shared variable, new value) pairs, or a dict. A call then gives (outputs, updates), as `scan` does,
            with the updates made of the inputs of the call, to be passed on to `function`.
        inline: accepted for old programs: the graph is always a part of the program that calls it.
        lop_overrides, grad_overrides: gradients to use in place of the derived ones; give one of the two.
            "default" derives them. An `OpFromGraph`, or a callable, gives all: of (inputs, outputs, gradients of the
            outputs) for `lop_overrides`, without the outputs for `grad_overrides`. A list gives them one by one: each
            is "default", such a callable, or a variable (or `NullType(...)()`, `DisconnectedType()()`).
        rop_overrides: kept, and not used by gradients in reverse mode.
        connection_pattern: accepted for old programs: the graph says what depends on what.
        name: what it is called in print.

    Raises:
        TypeError: an input has an owner, is a constant or shared; an output or update depends on a variable that is
            no input; a replacement or update has another type than what it stands for.
        ValueError: something is replaced or updated twice.
        RuntimeError: an input is replaced.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        inline: bool = False,
        lop_overrides: Any = "default",
        grad_overrides: Any = "default",
        rop_overrides: Any = "default",
        connection_pattern: Any = None,
        name: str | None = None,
        givens: Any = None,
        updates: Any = None,
    ) -> None:
        for variables, what in ((inputs, "inputs"), (outputs, "outputs")):
            if not isinstance(variables, (list, tuple)):
                raise TypeError(f"OpFromGraph: {what} must be a list, not {variables!r}")
            for v in variables:
                if not isinstance(v, Variable):
                    raise TypeError(f"OpFromGraph: {what} must be variables, but {v!r} is none")
        for v in inputs:
            if v.value_.owner is not None or isinstance(v, (SharedVariable, TensorConstant)):
                raise TypeError(f"OpFromGraph: inputs must be plain variables, but {label(v)} is not")
        if not _is_default(lop_overrides) and not _is_default(grad_overrides):
            raise ValueError("OpFromGraph takes lop_overrides or grad_overrides, not both")
        for overrides in (lop_overrides, grad_overrides):
            if isinstance(overrides, (list, tuple)) and len(overrides) != len(inputs):
                raise ValueError(f"OpFromGraph: {len(overrides)} overrides for {len(inputs)} inputs")
        self.inputs, self.name = list(inputs), name
        new = pairs_of_updates(updates)
        found = copied([*outputs, *new.values()], pairs_of_givens(givens, inputs))
        self.outputs, self.updates = found[: len(outputs)], dict(zip(new, found[len(outputs) :], strict=True))
        self.lop_overrides, self.grad_overrides, self.rop_overrides = lop_overrides, grad_overrides, rop_overrides
        self._check_leaves()

    def _check_leaves(self) -> None:
        given = {v.value_ for v in self.inputs}
        made = {"an output": [v.value_ for v in self.outputs], "an update": [v.value_ for v in self.updates.values()]}
        for what, values in made.items():
            for v in (*values, *(v for op in toposort(values) for v in op.operands)):
                if v.owner is None and v not in given and not isinstance(wrap(v), SharedVariable):
                    raise TypeError(f"OpFromGraph: {label(wrap(v))} is needed by {what}, and no input")

    def __call__(self, *inputs: Any) -> Any:
        """The outputs for other inputs: a variable, or a list of several; with the updates, if there are any."""
        if len(inputs) != len(self.inputs):
            raise ValueError(f"{self} takes {len(self.inputs)} inputs, got {len(inputs)}")
        given: list[TensorVariable] = [as_tensor_variable(x) for x in inputs]
        for old, new in zip(self.inputs, given, strict=True):
            check_same_type(old, new)
        found = copied([*self.outputs, *self.updates.values()], dict(zip(self.inputs, given, strict=True)))
        found, changed = found[: len(self.outputs)], found[len(self.outputs) :]
        rule = self._rule()
        if rule is not None:
            ys, xs = [v.value_ for v in found], [v.value_ for v in given]
            found = [wrap(v) for v in emit_all("with_gradient", *ys, *xs, count=len(ys), rule=rule)]
        outputs: Any = found if len(found) > 1 else found[0]
        return (outputs, OrderedUpdates(zip(self.updates, changed, strict=True))) if self.updates else outputs

    def _rule(self) -> Rule | None:
        """The rule of the gradients, where they are not derived."""
        if not _is_default(self.lop_overrides):
            pull_back = self._pull_back(self.lop_overrides, True)
        elif not _is_default(self.grad_overrides):
            pull_back = self._pull_back(self.grad_overrides, False)
        else:
            return None

        def apply(cts: Sequence[Value | None], ys: Sequence[Value], xs: Sequence[Value]) -> list[Value | None]:
            outputs = [wrap(y) for y in ys]
            gradients = [zeros_like(y) if ct is None else wrap(ct) for y, ct in zip(outputs, cts, strict=True)]
            found = pull_back([wrap(x) for x in xs], outputs, gradients)
            if len(found) != len(xs):
                raise ValueError(f"the gradient of {self} gave {len(found)} values for {len(xs)} inputs")
            return [gradient_of(g, x) for g, x in zip(found, xs, strict=True)]

        rule = Rule(str(self))
        rule.pull_back = apply
        return rule

    def _pull_back(self, overrides: Any, with_outputs: bool) -> PullBack:
        def call(rule: Any, xs: list[Any], ys: list[Any], gs: list[Any]) -> Any:
            if isinstance(rule, OpFromGraph):
                return rule(*xs, *(ys if with_outputs else []), *gs)
            return rule(xs, ys, gs) if with_outputs else rule(xs, gs)

        def whole(xs: list[Any], ys: list[Any], gs: list[Any]) -> Sequence[Any]:
            found = call(overrides, xs, ys, gs)
            return list(found) if isinstance(found, (list, tuple)) else [found]

        def each(xs: list[Any], ys: list[Any], gs: list[Any]) -> Sequence[Any]:
            derived = self._derived(xs, gs) if any(map(_is_default, overrides)) else [None] * len(xs)
            out = []
            for rule, own in zip(overrides, derived, strict=True):
                if _is_default(rule):
                    out.append(own)
                elif isinstance(rule, (Variable, NoGradient)) or rule is None:
                    out.append(rule)
                else:
                    found = call(rule, xs, ys, gs)
                    out.append(found[0] if isinstance(found, (list, tuple)) else found)
            return out

        return each if isinstance(overrides, (list, tuple)) else whole

    def _derived(self, xs: list[Any], gs: list[Any]) -> list[Any]:
        """The gradients of the graph itself."""
        ys = copied(self.outputs, dict(zip(self.inputs, xs, strict=True)))
        known = {y: g for y, g in zip(ys, gs, strict=True) if is_differentiable(y.value_.dtype)}
        found: list[Any] = grad(
            None, xs, disconnected_inputs="ignore", known_grads=known, return_disconnected="None"
        )
        return found

    def __str__(self) -> str:
        return self.name or "OpFromGraph"

    def __repr__(self) -> str:
        return f"{self}({', '.join(map(str, self.inputs))})"


def _is_default(overrides: Any) -> bool:
    return isinstance(overrides, str) and overrides == "default"


def gradient_of(g: Any, x: Value) -> Any:
    """What a rule of the user's own gave for `x`, as derivation takes it: a value or None. What stands for a gradient
    that is not defined is an error where it is used."""
    if isinstance(g, NoGradient):
        return None if isinstance(g.type, DisconnectedType) else g
    if g is None or not is_differentiable(x.dtype):
        return None
    found = as_tensor_variable(g)
    if found.value_.dtype != x.dtype or found.ndim != x.ndim:
        raise TypeError(f"the gradient of {label(wrap(x))}, which is {wrap(x).type}, came out as {found.type}")
    return found.value_

"""From recorded expressions to an IR function.

The part of the graph that outputs and updates need is copied with its substitutions (`givens`)
made, types inferred anew, and symbols named afresh, so that the same program always gives the same
text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arignote.frontends.tensor.blocks import Block, op_symbols, source_of
from arignote.frontends.tensor.convert import type_text
from arignote.frontends.tensor.errors import MissingInputError
from arignote.frontends.tensor.gradient import made_at
from arignote.frontends.tensor.graph import Leaf, Variable
from arignote.frontends.tensor.names import op_label
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.ir.core import Func, Op, State, Value
from arignote.ir.types import Dim, TensorType

DefaultUpdate = Callable[[SharedVariable], "Variable | None"]


@dataclass
class Traced:
    """A function, the shared variables behind its states, which inputs it does not use, and the recorded ops that it
    was copied from."""

    func: Func
    shared: list[SharedVariable]
    unused: list[int]
    sources: set[Op]


def dim_names() -> Iterator[str]:
    """n, m, k, ..., then n1, m1, ..."""
    letters, round_ = "nmkpqrstuvw", 0
    while True:
        yield from (c + (str(round_) if round_ else "") for c in letters)
        round_ += 1


def identifier(name: str, taken: set[str], fallback: str) -> str:
    """A name for a parameter or state: letters, digits, `_` and `.`, and not taken yet."""
    base = re.sub(r"[^\w.]", "_", name) or fallback
    out, i = base, 1
    while out in taken:
        out, i = f"{base}.{i}", i + 1
    taken.add(out)
    return out


class _Copier(Block):
    """Copies ops, depth first, into a function."""

    def __init__(self, inputs: Sequence[Variable], givens: Mapping[Value, Value]) -> None:
        super().__init__(dim_names())
        self.used: set[Value] = set()
        self.states: list[State] = []
        self.shared: list[SharedVariable] = []
        self.givens = givens
        self._taken: set[str] = set()
        self.params: list[Value] = []
        self._sources: dict[Value, Value] = {}
        for i, variable in enumerate(inputs):
            name = identifier(variable.name or f"in{i}", self._taken, f"in{i}")
            param = Value(self._fresh_type(variable.value_.type), name)
            self.params.append(param)
            self._sources[variable.value_] = param
        self._state_names: set[str] = set()

    def _fresh_type(self, type: TensorType) -> TensorType:
        return type.with_shape(
            d if isinstance(d, int) else Dim.symbol(next(self.names)) for d in type.shape
        )

    # ------------------------------------------------------------ leaves
    def _leaf(self, value: Value, user: Op | None) -> Value:
        variable = value.variable if isinstance(value, Leaf) else None
        if isinstance(variable, SharedVariable):
            name = identifier(value.name or "shared", self._state_names, "shared")
            new = Value(self._fresh_type(value.type), name)
            self.states.append(State(name, new))
            self.shared.append(variable)
            return new
        raise MissingInputError(_missing(value, variable, user))

    def ensure_state(self, shared: SharedVariable) -> None:
        """Make a state of a variable that is updated, though nothing may read it."""
        if not any(shared is s for s in self.shared):
            new = self._leaf(shared.value_, None)
            if shared.value_ not in self.givens:
                self.values[shared.value_] = new

    def _known(self, value: Value) -> bool:
        """Whether a value is copied; an input becomes so when it is first asked for."""
        if value in self.values:
            return True
        if value in self._sources:
            self.values[value] = self._sources[value]
            self.used.add(value)
            return True
        return False

    # ------------------------------------------------------------ the walk
    def copy(self, root: Value) -> Value:
        """The copy of `root`, made with all that it needs."""
        stack: list[tuple[Value, Op | None]] = [(root, None)]
        entered: set[Value] = set()
        while stack:
            value, user = stack[-1]
            if self._known(value):
                stack.pop()
                continue
            needs = self._needs(value)
            missing = [v for v in needs if not self._known(v)]
            if missing:
                if value in entered:
                    raise ValueError(
                        "when givens replace several variables, none of the replacements may "
                        f"depend on a replaced variable: {value.name or type_text(value)} does"
                    )
                entered.add(value)
                op = value.owner if value not in self.givens else None
                stack += [(v, op) for v in reversed(missing)]
                continue
            self._make(value, user)
            stack.pop()
        return self.values[root]

    def _needs(self, value: Value) -> list[Value]:
        if value in self.givens:
            return [self.givens[value]]
        op = value.owner
        if op is None:
            return []
        if op.name == "with_gradient":  # all gradients are derived by now
            return [op.operands[value.index]]
        return [*op.operands, *(source_of(s) for s in op_symbols(op) if s not in self.env)]

    def _make(self, value: Value, user: Op | None) -> None:
        if value in self.givens:
            self.values[value] = self.values[self.givens[value]]
        elif value.owner is None:
            self.values[value] = self._leaf(value, user)
        elif value.owner.name == "with_gradient":
            self.values[value] = self.values[value.owner.operands[value.index]]
        else:
            op = value.owner
            for symbol in op_symbols(op):
                self.resolve(symbol)
            for old, result in zip(op.results, self.op(op), strict=True):
                self.values[old] = result

    def symbol(self, symbol: str) -> Value:
        """As in `Block`; sizes of inputs are read off these."""
        if symbol in self.scalars:
            return self.scalars[symbol]
        for value in (*self.params, *(s.value for s in self.states)):
            for axis, dim in enumerate(value.shape):
                if isinstance(dim, Dim) and str(dim) == symbol:
                    return self.b.dim(value, axis=axis)
        raise AssertionError(f"symbol {symbol} has no source")


def _missing(value: Value, variable: Any, user: Op | None) -> str:
    name = value.name or f"<{type_text(value)}>"
    where = ""
    if user is not None:
        names = ", ".join(v.name or f"<{type_text(v)}>" for v in user.operands)
        place = user.operands.index(value) if value in user.operands else 0
        where = f"Input {place} of the graph (indices start from 0), used to compute "
        where += f"{op_label(user)}({names}), "
        if user.loc is not None:
            where += f"at {user.loc.described()}, "
    made = made_at(variable) if isinstance(variable, Variable) else ""
    return (
        f"Missing input: {name}. {where or 'It '}was not provided and not given a value: pass it "
        f"in the inputs of the function, or replace it by givens.{made}"
    )


def build_func(
    name: str,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    updates: Mapping[SharedVariable, Variable],
    givens: Mapping[Variable, Variable],
    default_update: DefaultUpdate | None = None,
) -> Traced:
    """The function that computes `outputs` and `updates` from `inputs`.

    Args:
        default_update: asked for each shared variable that is used and has no update.

    Raises:
        MissingInputError: something that is needed is not an input.
        ValueError: `givens` that depend on each other.
    """
    work = _Copier(inputs, {k.value_: v.value_ for k, v in givens.items()})
    results = [work.copy(v.value_) for v in outputs]
    pending = dict(updates)
    new: dict[SharedVariable, Value] = {}
    asked: set[SharedVariable] = set()
    while True:
        for target, expression in pending.items():
            new[target] = work.copy(expression.value_)
            work.ensure_state(target)
        pending = {}
        for shared in work.shared:
            if default_update is not None and shared not in new and shared not in asked:
                asked.add(shared)
                update = default_update(shared)
                if update is not None:
                    pending[shared] = update
        if not pending:
            break
    for state, shared in zip(work.states, work.shared, strict=True):
        state.update = new.get(shared)
    func = Func(
        identifier(name, set(), "main"),
        work.params, work.states, work.ops, results, {"stage": "recorded"},
    )  # fmt: skip
    unused = [i for i, v in enumerate(inputs) if v.value_ not in work.used]
    sources = {v.owner for v in work.values if v.owner is not None}
    return Traced(func, work.shared, unused, sources)

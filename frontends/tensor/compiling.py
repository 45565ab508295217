"""`function`: from symbolic expressions to something that can be called."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from arignote.frontends.tensor.arguments import Arguments
from arignote.frontends.tensor.callable import Function
from arignote.frontends.tensor.compiler import compile_func
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.errors import UnusedInputError
from arignote.frontends.tensor.gradient import made_at
from arignote.frontends.tensor.graph import Composite, Variable
from arignote.frontends.tensor.io import In, Out
from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.modes import find_mode
from arignote.frontends.tensor.profiling import find_profile
from arignote.frontends.tensor.scanning import report_forgotten
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.frontends.tensor.sharedvar import shared as shared_variable
from arignote.frontends.tensor.trace import build_func
from arignote.frontends.tensor.variable import TensorConstant, TensorVariable


def function(
    inputs: Sequence[Any],
    outputs: Any = None,
    mode: Any = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: bool | Sequence[SharedVariable] = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
) -> Function:
    """Compile a function.

    Args:
        inputs: variables, or `In`, in the order of the arguments.
        outputs: a variable, or a list or dict of them; None for a function that returns [].
        updates: (shared variable, new value) pairs, or a dict: applied after the outputs are
            computed, all from the old values.
        givens: (variable, replacement) pairs, or a dict.
        mode: "FAST_RUN", "FAST_COMPILE", "None", "reference", or a `Mode`.
        no_default_updates: True, or the shared variables whose `default_update` is not wanted.
        allow_input_downcast: True converts arguments even where precision is lost; None converts
            only Python floats to `floatX`.
        profile: True measures how long ops take, and prints tables at the end of the program, or when
            `f.profile.summary()` is called; a `ProfileStats` adds to it; None asks `config.profile`.
        on_unused_input: "raise", "warn" or "ignore".

    Raises:
        UnusedInputError, MissingInputError: inputs that are not needed, or needed and not given.
        TypeError: an update of another type than its shared variable, and other wrong arguments.
    """
    if _has_composite(inputs, outputs, updates, givens):
        from arignote.frontends.sparse.function import sparse_function

        made: Any = sparse_function(
            function, report_unused, inputs, outputs, updates, givens, on_unused_input, mode=mode,
            no_default_updates=no_default_updates, accept_inplace=accept_inplace, name=name,
            rebuild_strict=rebuild_strict, allow_input_downcast=allow_input_downcast, profile=profile,
        )  # fmt: skip
        return made  # type: ignore[no-any-return]
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(
            "Input variables of a function should be contained in a list, even when there is a "
            f"single input; got {inputs!r}"
        )
    policy = "raise" if on_unused_input is None else on_unused_input
    if policy not in ("raise", "warn", "ignore"):
        raise ValueError(f"on_unused_input is {policy!r}; give 'raise', 'warn' or 'ignore'")
    chosen = find_mode(mode)
    slots = [_input(i, x) for i, x in enumerate(inputs)]
    _check_inputs(slots)
    variables, keys, single = _outputs(outputs)
    replaced = pairs_of_givens(givens, [s.variable for s in slots])
    new = pairs_of_updates(updates)
    states = {i: _state(s) for i, s in enumerate(slots) if s.update is not None}
    for i, state in states.items():
        replaced[slots[i].variable] = state
        new[state] = _fitting(state, slots[i].update)
    given = [s for i, s in enumerate(slots) if i not in states]

    def default_update(shared: SharedVariable) -> Variable | None:
        update = shared.default_update
        skip = no_default_updates if isinstance(no_default_updates, bool) else (
            any(shared is s for s in no_default_updates)
        )
        return None if skip or update is None else pairs_of_updates([(shared, update)])[shared]

    # A plain `main`, so that equal programs give equal text wherever they are written.
    label = name or "main"
    traced = build_func(
        label, [s.variable for s in given], variables, new, replaced, default_update
    )
    for i in traced.unused:
        if given[i].value is None or policy != "ignore":
            report_unused(slots.index(given[i]), given[i], policy)
    report_forgotten(traced.sources, new)
    containers = [s.container for s in traced.shared]
    where = user_loc()
    title = name if name is not None else "" if where is None else str(where)
    stats = find_profile(profile, title)
    if stats is not None:
        chosen = chosen.profiled(stats)
    executable = compile_func(traced.func, containers, chosen)
    arguments = Arguments(slots, states, allow_input_downcast, title)
    return Function(executable, traced, arguments, keys, single, name, chosen)


def _has_composite(*groups: Any) -> bool:
    """Whether there is a sparse matrix among inputs, outputs, updates or givens."""

    def found(x: Any) -> bool:
        if isinstance(x, Composite):
            return True
        if isinstance(x, (In, Out)):
            return isinstance(x.variable, Composite)
        if isinstance(x, Mapping):
            return any(map(found, (*x, *x.values())))
        return isinstance(x, (list, tuple)) and any(map(found, x))

    return any(map(found, groups))


# ---------------------------------------------------------------- inputs
def _input(i: int, x: Any) -> In:
    if isinstance(x, In):
        return x
    if isinstance(x, (list, tuple)) and len(x) == 2 and isinstance(x[0], Variable):
        return In(x[0], value=x[1])
    if not isinstance(x, Variable):
        raise TypeError(f"Unknown parameter type: input {i} is {x!r} of type {type(x).__name__}")
    return In(x)


def _state(slot: In) -> SharedVariable:
    """The variable that holds an input which the function updates itself."""
    if isinstance(slot.value, SharedVariable):
        return slot.value
    type = as_tensor_variable(slot.variable).type
    empty = np.zeros([1 if n is None else n for n in type.shape], type.dtype)
    value = empty if slot.value is None else type.filter(slot.value, slot.strict, slot.allow_downcast)
    return shared_variable(value, slot.name, broadcastable=type.broadcastable)


def _check_inputs(slots: list[In]) -> None:
    seen: dict[Any, int] = {}
    for i, slot in enumerate(slots):
        v = slot.variable
        if isinstance(v, SharedVariable):
            raise TypeError(
                f"Cannot use a shared variable ({v}) as explicit input. Consider substituting a "
                "non-shared variable via the `givens` parameter"
            )
        if isinstance(v, TensorConstant):
            raise TypeError(f"input {i} is the constant {v}; replace it by givens instead")
        if v.value_ in seen:
            raise ValueError(f"the variable {v} is given twice: as inputs {seen[v.value_]} and {i}")
        seen[v.value_] = i


def report_unused(i: int, slot: In, policy: str) -> None:
    """Say that input `i` is not used, as the policy says."""
    message = (
        "function was asked to create a function computing outputs given certain inputs, but the "
        f"provided input variable at index {i} is not part of the computational graph needed to "
        f"compute the outputs: {slot.variable}.{made_at(slot.variable)}"
    )
    if policy == "raise":
        raise UnusedInputError(
            f"{message}\nTo make this error into a warning, you can pass the parameter "
            "on_unused_input='warn' to function. To disable it completely, use "
            "on_unused_input='ignore'."
        )
    if policy == "warn":
        warnings.warn(message, stacklevel=3)


# ---------------------------------------------------------------- outputs
def _outputs(outputs: Any) -> tuple[list[Variable], list[str] | None, bool]:
    """(variables, keys of a dict, whether there is a single one not in a list)."""
    if outputs is None:
        return [], None, False
    if isinstance(outputs, Mapping):
        for key in outputs:
            if not isinstance(key, str):
                raise TypeError(f"keys of outputs must be strings, not {key!r}")
        return [_output(v) for v in outputs.values()], list(outputs), False
    if isinstance(outputs, (list, tuple)):
        return [_output(v) for v in outputs], None, False
    return [_output(outputs)], None, True


def _output(x: Any) -> Variable:
    if isinstance(x, Out):
        x = x.variable
    if not isinstance(x, Variable):
        raise TypeError(
            f"Outputs must be Variable or Out instances. Received {x!r} of type {type(x).__name__}"
        )
    return x


# ---------------------------------------------------------------- updates and givens
def _pairs(items: Any, what: str) -> list[tuple[Any, Any]]:
    if items is None:
        return []
    if isinstance(items, Mapping):
        return list(items.items())
    if not isinstance(items, Iterable):
        raise TypeError(f"{what} must be a list of pairs or a dict, not {items!r}")
    pairs = []
    for item in items:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise TypeError(f"{what} must be a list of pairs or a dict; {item!r} is no pair")
        pairs.append((item[0], item[1]))
    return pairs


def pairs_of_updates(updates: Any) -> dict[SharedVariable, Variable]:
    """Shared variables and their new values, checked."""
    out: dict[SharedVariable, Variable] = {}
    for target, value in _pairs(updates, "updates"):
        if not isinstance(target, SharedVariable):
            raise TypeError(f"update target must be a SharedVariable, not {target!r}")
        if target in out:
            raise ValueError(
                f"this shared variable already has an update expression: {target} is updated "
                f"with {out[target]} and with {value}"
            )
        out[target] = _fitting(target, value)
    return out


def _fitting(target: SharedVariable, value: Any) -> Variable:
    """The new value of a shared variable, which must have its type."""
    if not isinstance(value, Variable):
        array = target.type.filter(np.asarray(value) if isinstance(value, list) else value)
        return as_tensor_variable(array)
    want, have = target.type, as_tensor_variable(value).type
    fits = want.dtype == have.dtype and want.ndim == have.ndim
    if fits and all(b or not a for a, b in zip(want.broadcastable, have.broadcastable, strict=True)):
        return value
    hint = ""
    if want.dtype != have.dtype:
        hint = (
            f" The update would lose precision or change the dtype: cast it with "
            f".astype({want.dtype!r}), or make its operands {want.dtype} (NumPy scalars and "
            "float64 shared variables are float64)."
        )
    elif fits:
        hint = (
            " If the difference is related to the broadcast pattern, you can call "
            "T.addbroadcast(var, axis_to_broadcast[, ...])."
        )
    raise TypeError(
        "An update must have the same type as the original shared variable (shared_var="
        f"{target}, shared_var.type={want}, update_val={value}, update_val.type={have}).{hint}"
        f"{made_at(value)}"
    )


def pairs_of_givens(givens: Any, arguments: Iterable[Variable]) -> dict[Variable, Variable]:
    """Variables and what stands for them, checked: `arguments` cannot be replaced."""
    out: dict[Variable, Variable] = {}
    inputs = {v.value_ for v in arguments}
    for old, new in _pairs(givens, "givens"):
        if not isinstance(old, Variable):
            raise TypeError(f"givens must contain pairs of variables, but {old!r} is no variable")
        if old.value_ in inputs:
            raise RuntimeError(
                f"Input variable is overriden by givens: {old} is both an input and replaced"
            )
        if old in out:
            raise ValueError(f"givens replace {old} twice")
        replacement = new if isinstance(new, Variable) else as_tensor_variable(
            TensorVariable(old.value_).type.filter(new)
        )
        want, have = TensorVariable(old.value_).type, as_tensor_variable(replacement).type
        kept = want.ndim == have.ndim and all(
            b or not a for a, b in zip(want.broadcastable, have.broadcastable, strict=True)
        )
        if want.dtype != have.dtype or not kept:
            raise TypeError(
                f"Cannot convert Type {have} (of Variable {replacement}) into Type {want}. You "
                f"can try to manually convert {replacement} into a {want}."
            )
        out[old] = replacement
    return out

"""`scan`: loops, with Theano's interface."""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.capture import Capture, leaves_of
from arignote.frontends.tensor.checkpoints import Every, emit_in_parts
from arignote.frontends.tensor.convert import as_tensor_variable, label, scalar_int, to_bool, type_text
from arignote.frontends.tensor.errors import MissingInputError
from arignote.frontends.tensor.graph import Variable, wrap
from arignote.frontends.tensor.loc import pinned, user_loc
from arignote.frontends.tensor.loopargs import Output, Sequence_, output_infos, sequence_infos
from arignote.frontends.tensor.shapes import Sizes, as_variable
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.frontends.tensor.updates import OrderedUpdates
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.loops import Loop, element_type
from arignote.ir.types import DimLike, is_integer, same_dim

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

#: Loops and the shared variables that they update: `function` warns where these updates are forgotten.
pending_updates: weakref.WeakKeyDictionary[Op, list[SharedVariable]] = weakref.WeakKeyDictionary()
titles: weakref.WeakKeyDictionary[Op, str] = weakref.WeakKeyDictionary()


class until:  # Theano's name
    """A condition that ends a loop: `fn` returns it behind outputs and updates. The step in which it holds is the last
    one."""

    def __init__(self, condition: Any) -> None:
        self.condition = as_tensor_variable(condition)
        if self.condition.ndim:
            raise TypeError(f"until takes a scalar condition, but {label(self.condition)} is {self.condition.type}")


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: Any = False,
    allow_gc: bool | None = None,
    strict: bool = False,
    return_list: bool = False,
    *,
    checkpoint: Every | None = None,
) -> tuple[Any, OrderedUpdates]:
    """Call `fn` symbolically once, to make the body of a loop; the loop runs it for each element of the sequences.

    Args:
        fn: takes an element of each sequence (one for each tap), then earlier outputs (one for each tap), then the
            non-sequences. Returns the outputs of a step, or pairs of these with updates of shared variables (a dict, or
            pairs) or with `until(condition)`, or all three.
        sequences: variables whose first axis is looped over, or dicts `{"input": x, "taps": [-1, 0]}`.
        outputs_info: for each output None, if it is not fed back; its initial value, which is `fn`'s argument in the
            first step; or a dict `{"initial": x, "taps": [-3, -1]}`, where x has as many rows as the lowest tap says.
        non_sequences: variables that are the same in every step.
        n_steps: the number of steps; by default that of the elements of the shortest sequence.
        truncate_gradient: how many steps, from the last one back, gradients go through; -1 for all.
        go_backwards: begin with the last elements of the sequences, and leave out their first ones where there are more
            elements than steps; outputs are in the order of the steps.
        strict: `fn` uses nothing but its arguments.
        return_list: return a list even for one output.
        checkpoint: gradients keep the carried values of every so many steps only, and compute the others again;
            "sqrt" is the root of the number of steps, which needs the least memory.
        mode, profile, allow_gc: for Theano's programs; the function around the loop decides these.

    Returns:
        The outputs of all steps (initial values excluded) along a new first axis: a variable, a list if there are
        several, None if there is none; and the updates of shared variables, to be given to `function`.

    Raises:
        TypeError, ValueError: arguments that do not fit; the message names the argument and the loop.
    """
    return _Scan(fn, name, strict, checkpoint).build(
        sequence_infos(sequences, name), output_infos(outputs_info, name), _as_list(non_sequences), n_steps,
        truncate_gradient, go_backwards, return_list,
    )  # fmt: skip


scan.until = until  # type: ignore[attr-defined]


def scan_checkpoints(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    name: str | None = None,
    n_steps: Any = None,
    save_every_N: Every = 10,  # Theano's name
    padding: bool = True,
) -> tuple[Any, OrderedUpdates]:
    """`scan` with checkpoints, which returns the outputs of every `save_every_N`-th step, and of the last one.

    The steps that are left behind the last whole part run by themselves; nothing is padded. With `padding=False` there
    must be none.

    Raises:
        ValueError: with `padding=False`, a number of steps that is known and no multiple of `save_every_N`.
    """
    work = _Scan(fn, name, strict=False, every=save_every_N, ends=True)
    seqs = sequence_infos(sequences, name)
    steps, _ = work.steps(seqs, n_steps)
    if not padding and isinstance(steps, int) and isinstance(save_every_N, int) and steps % save_every_N:
        raise ValueError(
            f"{work.title}: {steps} steps are no multiple of save_every_N={save_every_N}, and padding is False"
        )
    return work.build(seqs, output_infos(outputs_info, name), _as_list(non_sequences), n_steps, -1, False, False)


def _as_list(x: Any) -> list[Any]:
    return [] if x is None else list(x) if isinstance(x, (list, tuple)) else [x]


class _Scan:
    def __init__(
        self, fn: Callable[..., Any], name: str | None, strict: bool, every: Every | None, ends: bool = False
    ) -> None:
        from arignote.frontends.tensor.callable import Function

        self.title = f"scan {name!r}" if name else "scan"
        if isinstance(fn, Function):
            raise TypeError(
                f"{self.title}: fn is the compiled {fn!r}; give a Python function that returns symbolic expressions"
            )
        if not callable(fn):
            raise TypeError(f"{self.title}: fn must be callable, not {fn!r}")
        if every not in (None, "sqrt") and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ValueError(f'{self.title}: checkpoint is {every!r}; give a number of steps or "sqrt"')
        self.fn, self.strict, self.every, self.ends = fn, strict, every, ends

    def build(
        self, sequences: list[Sequence_], outputs: list[Output], rest: list[Any], n_steps: Any, truncate: int,
        backwards: bool, return_list: bool,
    ) -> tuple[Any, OrderedUpdates]:  # fmt: skip
        steps, count = self.steps(sequences, n_steps)
        loop = Loop(steps, count=count, reverse=bool(backwards), truncate=self._truncation(truncate))
        if self.every is not None and loop.truncate:
            raise ValueError(f"{self.title}: a loop with checkpoints cannot have truncate_gradient as well")
        arguments: list[Any] = []
        meanings: list[str] = []  # of the arguments, for messages
        stand_ins: dict[Value, Value] = {}  # what `fn` sees -> the parameter

        def argument(param: Value) -> None:
            arguments.append(wrap(param))
            stand_ins[param] = Value(param.type, param.name)

        for i, seq in enumerate(sequences):
            with pinned(f"{self.title}, sequence {i}"):
                for tap, rows in seq.rows(steps, loop.reverse):
                    argument(Value(element_type(rows.type), seq.tap_name(tap)))
                    loop.seqs.append((rows, stand_ins[arguments[-1].value_]))
            meanings += seq.meanings(i)
        states = [self._initial(i, o, loop, stand_ins) for i, o in enumerate(outputs)]
        for i, (o, params) in enumerate(zip(outputs, states, strict=True)):
            arguments += [wrap(params[-tap - 1]) for tap in o.taps]
            meanings += o.meanings(i)
        rest = [as_tensor_variable(v) for v in rest]
        self._check_signature([*meanings, *(f"non-sequence {i}, {label(v)}" for i, v in enumerate(rest))])
        made, updates, stop = self._returned(self.fn(*arguments, *rest), len(outputs) if outputs else None)
        outputs = outputs or [Output() for _ in made]
        states = states or [[] for _ in made]
        if len(outputs) != len(made):
            raise ValueError(
                f"{self.title}: fn returns {len(made)} outputs, but outputs_info has {len(outputs)} entries. Give None "
                "as outputs_info for an output that is not fed back"
            )
        roots = [v.value_ for v in made] + [u.value_ for u in updates.values()]
        roots += [] if stop is None else [stop.value_]
        shared = self._shared(roots, updates, {v.value_ for v in rest})
        for variable in shared:
            carry = loop.carry(variable.value_)
            stand_ins[variable.value_] = carry.param
        body = Capture(stand_ins)
        self._close(loop, body, outputs, made, [shared[v] for v in shared])
        loop.stop = None if stop is None else body.value(to_bool(stop.value_))
        if self.every is not None and loop.stop is not None:
            raise ValueError(f"{self.title}: a loop with checkpoints cannot stop by until(...)")
        loop.ops = body.ops
        loop.invariants = [(v, p) for v, p in body.outside.items()]
        if self.strict:
            self._check_strict(loop, rest)
        return self._results(loop, made, list(shared), return_list)

    # -- arguments --------------------------------------------------------------------------------------------------

    def steps(self, sequences: list[Sequence_], n_steps: Any) -> tuple[DimLike, Value | None]:
        """The number of steps, and the scalar that gives it where no input does."""
        if n_steps is not None:
            number = scalar_int(n_steps, f"{self.title}: n_steps")
            if isinstance(number, int) and number < 0:
                hint = "use go_backwards to go through sequences from their ends"
                raise ValueError(f"{self.title}: n_steps is {number}; {hint}")
        elif not sequences:
            raise ValueError(f"{self.title}: give sequences or n_steps, to say how many steps there are")
        else:
            lengths = list(dict.fromkeys(s.length() for s in sequences))
            if len(lengths) == 1:
                return lengths[0], None
            shortest = as_variable(sequences[0].length_value())
            for s in sequences[1:]:
                shortest = ew.minimum(shortest, as_variable(s.length_value()))
            number = scalar_int(shortest, "n_steps")
        if isinstance(number, int):
            return number, None
        sizes = Sizes([number])
        return sizes.shape[0], sizes.operands[0] if sizes.bound else None

    def _truncation(self, truncate: Any) -> int:
        if isinstance(truncate, bool) or not isinstance(truncate, int) or (truncate < 1 and truncate != -1):
            raise ValueError(f"{self.title}: truncate_gradient is {truncate!r}; give -1 or a number of steps")
        return max(truncate, 0)

    def _check_signature(self, meanings: Sequence[str]) -> None:
        """That `fn` takes as many arguments as the loop gives it."""
        try:
            signature = inspect.signature(self.fn)
        except (TypeError, ValueError):  # some functions that are not written in Python
            return
        try:
            signature.bind(*meanings)
        except TypeError as error:
            raise TypeError(
                f"{self.title}: fn does not take what it is given ({'; '.join(meanings) or 'nothing'}): {error}. "
                "An output is fed back where outputs_info gives its initial value"
            ) from None

    def _initial(self, number: int, output: Output, loop: Loop, stand_ins: dict[Value, Value]) -> list[Value]:
        """The stand-ins for the earlier values of an output, the latest first."""
        out: list[Value] = []
        name = output.name or f"out{number}"
        with pinned(f"{self.title}, initial value of output {number}"):
            initial = output.initial_values()
        for init in initial:
            carry = loop.carry(init, name)
            stand_in = Value(init.type, f"{name}[t-{len(out) + 1}]")
            stand_ins[stand_in] = carry.param
            out.append(stand_in)
        return out

    # -- what fn returned -------------------------------------------------------------------------------------------

    def _returned(
        self, returned: Any, outputs: int | None
    ) -> tuple[list[TensorVariable], OrderedUpdates, TensorVariable | None]:
        parts = list(returned) if _is_mixed(returned) else [returned]
        made: list[Any] = []
        updates = OrderedUpdates()
        stop: TensorVariable | None = None
        for part in parts:
            if isinstance(part, until):
                stop = part.condition
            elif _are_updates(part):
                updates.update(part)
            elif part is not None:
                made += list(part) if isinstance(part, (list, tuple)) else [part]
        for v in made:
            if not isinstance(v, (Variable, int, float)) and not hasattr(v, "dtype"):
                raise TypeError(f"{self.title}: fn returned {v!r}; it returns variables, updates and until(...)")
        new = OrderedUpdates((target, as_tensor_variable(value)) for target, value in updates.items())
        return [as_tensor_variable(v) for v in made], new, stop

    def _shared(
        self, roots: Sequence[Value], updates: OrderedUpdates, rest: Container[Value]
    ) -> dict[SharedVariable, Any]:
        """The shared variables that the loop updates, and their new values: given, or by default.

        What computes the non-sequences `rest`, such as random numbers for all steps, is outside.
        """
        found: dict[SharedVariable, Any] = dict(updates)
        todo = list(roots)
        while todo:
            new = []
            for leaf in leaves_of(todo, rest):
                v = leaf.variable
                if isinstance(v, SharedVariable) and v not in found and v.default_update is not None:
                    found[v] = as_tensor_variable(v.default_update)
                    new.append(found[v].value_)
            todo = new
        return found

    def _close(
        self, loop: Loop, body: Capture, outputs: list[Output], made: list[TensorVariable], shared: list[Any]
    ) -> None:
        """Say what the body yields."""
        at = 0
        for i, (output, v) in enumerate(zip(outputs, made, strict=True)):
            value = body.value(v.value_)
            depth = output.depth
            for j in range(depth):
                carry = loop.carries[at + j]
                carry.next = value if j == 0 else loop.carries[at + j - 1].param
            if depth:
                self._check_state(f"output {i}", value, loop.carries[at].init, v)
            at += depth
            if any(map(body.computes, value.shape)):
                raise TypeError(
                    f"{self.title}: output {i} of fn has a size that is computed in the loop, {value.type}; outputs of "
                    "all steps are stacked, so they have one shape: compute the size before the loop"
                )
            loop.outs.append(value)
        for carry, new in zip(loop.carries[at:], shared, strict=True):
            carry.next = body.value(new.value_)
            self._check_state(f"the update of {carry.init.name or 'a shared variable'}", carry.next, carry.init, new)

    def _check_state(self, what: str, value: Value, init: Value, made: Variable) -> None:
        if value.dtype == init.dtype and value.ndim == init.ndim and all(map(same_dim, value.shape, init.shape)):
            return
        hint = "cast one of them" if value.dtype != init.dtype else "it must keep its shape from step to step"
        raise TypeError(
            f"{self.title}: {what} of fn is {type_text(value)} {value.type}, but its initial value"
            f"{' ' + init.name if init.name else ''} is {type_text(init)} {init.type}: {hint}"
        )

    def _check_strict(self, loop: Loop, rest: list[Any]) -> None:
        given = {v.value_ for v in rest} | {x for x, _ in loop.seqs}
        for outer, _ in loop.invariants:
            if not _is_size(outer) and not given.issuperset(leaves_of([outer], given)):
                raise MissingInputError(
                    f"{self.title}: fn uses {outer.name or type_text(outer)}, which strict=True does not allow: "
                    "pass it in non_sequences"
                )

    # -- results ----------------------------------------------------------------------------------------------------

    def _results(
        self, loop: Loop, made: list[TensorVariable], shared: list[SharedVariable], return_list: bool
    ) -> tuple[Any, OrderedUpdates]:
        with pinned(self.title):
            if self.every is not None:
                lasts, stacks = emit_in_parts(loop, self.every, self.ends)
            else:
                names = [*(c.init.name for c in loop.carries), *(v.name for v in made)]
                lasts, stacks = loop.emit(Builder(loc=user_loc()), names)
        results: list[Any] = [wrap(s) for s in stacks[: len(made)]]
        if loop.reverse:
            results = [r[::-1] for r in results]
        if loop.stop is not None:
            done = wrap(stacks[-1])
            results = [r[:done] for r in results]
        first = len(loop.carries) - len(shared)
        updates = OrderedUpdates(zip(shared, map(wrap, lasts[first:]), strict=True))
        if shared:
            op = lasts[0].owner
            assert op is not None
            pending_updates[op] = shared
            titles[op] = self.title
        if return_list or len(results) > 1:
            return results, updates
        return (results[0] if results else None), updates


def _is_mixed(returned: Any) -> bool:
    """Whether `fn` returned outputs, updates and a condition as separate parts."""
    return isinstance(returned, (list, tuple)) and any(
        isinstance(p, until) or _are_updates(p) or isinstance(p, (list, tuple)) for p in returned
    ) and not _are_updates(returned)


def _are_updates(part: Any) -> bool:
    if isinstance(part, Mapping):
        return True
    return isinstance(part, (list, tuple)) and len(part) > 0 and all(
        isinstance(p, (list, tuple)) and len(p) == 2 and isinstance(p[0], SharedVariable) for p in part
    )


def _is_size(value: Value) -> bool:
    """Whether a scalar is computed from sizes of tensors and constants only."""
    op = value.owner
    if op is None or value.ndim or not (is_integer(value.dtype) or value.dtype == "bool"):
        return False
    return op.name in ("dim", "const") or (bool(op.operands) and all(map(_is_size, op.operands)))


def report_forgotten(ops: Iterable[Op], updates: Container[SharedVariable]) -> None:
    """Warn of loops among `ops` that update shared variables which `updates` leave as they are."""
    for op in ops:
        forgotten = [v for v in pending_updates.get(op, ()) if v not in updates]
        if forgotten:
            names = ", ".join(map(str, forgotten))
            where = "" if op.loc is None else f"\n  built at {op.loc.described()}"
            title = titles.get(op, "scan")
            warnings.warn(
                f"{title} updates {names}, but the function does not: give it the updates that scan returned, "
                f"function(..., updates=updates){where}",
                stacklevel=3,
            )

"""Ops written in Python: `Op` with `make_node`, `perform` and `grad`, and `as_op` for a function of arrays.

Compiled code calls `perform` back (docs/adr/0008-ops-written-in-python.md). What is around such an op is compiled as
ever; the op itself runs at Python's speed, on copies of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor.builders import gradient_of
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.creation import zeros
from arignote.frontends.tensor.errors import NotDifferentiableError
from arignote.frontends.tensor.gradient import NoGradient, NullTypeGradError
from arignote.frontends.tensor.graph import Variable, emit, emit_all, wrap
from arignote.frontends.tensor.loc import pinned
from arignote.frontends.tensor.owner import Apply
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.shapes import Sizes, sizes_of
from arignote.frontends.tensor.tensortype import TensorType
from arignote.frontends.tensor.testvalues import get_test_value
from arignote.ir import callbacks
from arignote.ir.builder import describe
from arignote.ir.core import Op as IrOp
from arignote.ir.core import Value
from arignote.ir.ops.markers import Rule
from arignote.ir.types import is_differentiable

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["Apply", "FromFunctionOp", "Op", "PureOp", "as_op"]


@dataclass(frozen=True)
class Node:
    """What `perform` and `infer_shape` are told of an application: the op, and variables of the types of its inputs
    and outputs."""

    op: Op
    inputs: list[TensorVariable]
    outputs: list[TensorVariable]


class Op:
    """An operation that the user writes: a class derived from it defines `perform`, and `make_node` or `itypes` and
    `otypes`.

    Two ops are the same if they are of one class and have equal attributes, those that `__props__` names; without
    `__props__` an op is only itself. The same op on the same inputs runs once. It must not have side effects: it runs
    as often as values are needed, in any order.

    Attributes:
        itypes, otypes: types of the inputs and outputs, for the `make_node` that is there.
        __props__: names of the attributes that parametrise the op.
        default_output: the number of the output that a call returns; None for all.
    """

    __props__: tuple[str, ...] | None = None
    itypes: Sequence[Any] | None = None
    otypes: Sequence[Any] | None = None
    default_output: int | None = None
    view_map: dict[int, list[int]] = {}  # noqa: RUF012
    destroy_map: dict[int, list[int]] = {}  # noqa: RUF012

    def make_node(self, *inputs: Any) -> Apply:
        """`Apply(self, inputs, outputs)`, where outputs are new variables of the types of the results.

        Raises:
            TypeError: an input is not of the type that `itypes` says.
            NotImplementedError: there are no `itypes` and `otypes`.
        """
        if self.itypes is None or self.otypes is None:
            raise NotImplementedError(f"{self}: define itypes and otypes, or make_node")
        if len(inputs) != len(self.itypes):
            raise ValueError(f"{self} takes {len(self.itypes)} inputs, got {len(inputs)}")
        given = [as_tensor_variable(x) for x in inputs]
        for i, (x, kind) in enumerate(zip(given, self.itypes, strict=True)):
            want = _type(kind)
            if (x.dtype, x.ndim) != (want.dtype, want.ndim):
                raise TypeError(f"{self}: input {i} is {label(x)} of type {x.type}; expected is {want}")
        return Apply(self, given, [_type(t)() for t in self.otypes])

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """The output, or a list of several."""
        with pinned():
            outputs = self.make_node(*inputs, **kwargs).outputs
        if self.default_output is not None:
            return outputs[self.default_output]
        return outputs[0] if len(outputs) == 1 else outputs

    def perform(self, node: Node, inputs: list[Any], output_storage: list[list[Any]]) -> None:
        """Compute: put an array for output i, of its dtype and number of dimensions, into `output_storage[i][0]`."""
        raise NotImplementedError(f"{self} does not define perform; code in C is not used")

    def grad(self, inputs: list[Any], output_grads: list[Any]) -> Sequence[Any]:
        """One expression for each input: the gradient of a cost with respect to it, given those of the outputs.
        `DisconnectedType()()` or None stands for one that the outputs do not depend on."""
        raise NotImplementedError(f"{self} does not define grad")

    def L_op(self, inputs: list[Any], outputs: list[Any], output_grads: list[Any]) -> Sequence[Any]:
        """As `grad`, with the outputs."""
        return self.grad(inputs, output_grads)

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> Sequence[Any]:
        """One expression for each output: its derivative along `eval_points`, None for inputs that do not move. An op
        that does not define it uses the transpose of its gradient."""
        raise NotImplementedError(f"{self} does not define R_op")

    def infer_shape(self, node: Node, shapes: list[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
        """The shape of each output as a tuple of scalars, from those of the inputs. Defined where it can be: memory is
        then planned before the op runs."""
        raise NotImplementedError(f"{self} does not define infer_shape")

    @staticmethod
    def _get_test_value(v: Any) -> Any:
        """The test value of a variable."""
        return get_test_value(v)

    def _props(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__props__ or ())

    def __eq__(self, other: object) -> bool:
        if self.__props__ is None:
            return self is other
        return isinstance(other, Op) and type(self) is type(other) and self._props() == other._props()

    def __hash__(self) -> int:
        return id(self) if self.__props__ is None else hash((type(self), self._props()))

    def __str__(self) -> str:
        props = ", ".join(f"{n}={v}" for n, v in zip(self.__props__ or (), self._props(), strict=True))
        return f"{type(self).__name__}{{{props}}}" if props else type(self).__name__


PureOp = Op


def _type(kind: Any) -> TensorType:
    """A type, of one or of what makes variables of it (`T.dvector`)."""
    if isinstance(kind, TensorType):
        return kind
    made = kind() if callable(kind) else None
    if not isinstance(made, Variable):
        raise TypeError(f"{kind!r} is no type: give T.dmatrix or TensorType(...)")
    return as_tensor_variable(made).type


def _defines(op: Any, *names: str) -> bool:
    """Whether the class of an op has one of these methods of its own."""
    return any(getattr(type(op), name, None) is not getattr(Op, name) for name in names)


# ---------------------------------------------------------------- recording
def record(op: Op, inputs: Sequence[Any], outputs: Sequence[Any]) -> IrOp:
    """Record an application; the op whose results stand for `outputs`.

    Raises:
        TypeError: inputs or outputs are no variables, there is no output, or there is no `perform`.
    """
    for what, variables in (("inputs", inputs), ("outputs", outputs)):
        for v in variables:
            if not isinstance(v, Variable):
                raise TypeError(f"Apply({op}): {what} must be variables, but {v!r} is none")
    if not outputs:
        raise TypeError(f"Apply({op}): an op has one output at least")
    if not _defines(op, "perform"):
        raise TypeError(f"{op} does not define perform, which is what runs: code in C is not used")
    given = [as_tensor_variable(x) for x in inputs]
    types = [as_tensor_variable(y).type for y in outputs]
    node = Node(op, [x.type() for x in given], [t() for t in types])
    ranks, dtypes = tuple(t.ndim for t in types), tuple(y.value_.dtype for y in outputs)

    def make() -> callbacks.Callback:
        return callbacks.Callback(str(op), lambda arrays: _performed(node, arrays), dtypes, ranks)

    target, callee = callbacks.register((op, *(x.type for x in given), None, *types), make)
    xs = [x.value_ for x in given]
    ticket = emit("python_run", *xs, target=target, callee=callee, ranks=ranks)
    sizes = Sizes(_sizes(op, node, given, types, ticket))
    attrs = {"callee": callee, "dtypes": dtypes, "ranks": ranks, **sizes.attrs()}
    ys = emit_all("python_take", ticket, *sizes.operands, **attrs)
    results = emit_all("with_gradient", *ys, *xs, count=len(ys), rule=_rule(op))
    for result, declared in zip(results, outputs, strict=True):
        result.name = declared.name
    made = results[0].owner
    assert made is not None
    return made


def _performed(node: Node, arrays: list[Any]) -> list[Any]:
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    node.op.perform(node, arrays, storage)
    return [cell[0] for cell in storage]


def _sizes(
    op: Op, node: Node, given: list[TensorVariable], types: list[TensorType], ticket: Value
) -> list[int | Value]:
    """The sizes of all outputs: known from their types, said by `infer_shape`, or found when the op has run."""
    inferred: Sequence[Any] = [None] * len(types)
    if any(None in t.shape for t in types) and _defines(op, "infer_shape"):
        inferred = op.infer_shape(node, [tuple(x.shape) for x in given])
        if len(inferred) != len(types):
            raise ValueError(f"{op}: infer_shape gave {len(inferred)} shapes for {len(types)} outputs")
    out: list[int | Value] = []
    for i, (kind, shape) in enumerate(zip(types, inferred, strict=True)):
        said = None if shape is None else sizes_of(shape, f"the shape of output {i} of {op}", kind.ndim)
        if said is not None and len(said) != kind.ndim:
            raise ValueError(f"{op}: infer_shape gave {len(said)} sizes for output {i}, which is {kind}")
        for axis, size in enumerate(kind.shape):
            if size is not None:
                out.append(size)
            elif said is not None:
                out.append(said[axis])
            else:
                part = emit("slice", ticket, start=(1 + len(out),), size=(1,), step=(1,))
                out.append(emit("reshape", part, shape=()))
    return out


# ---------------------------------------------------------------- derivatives
def _rule(op: Op) -> Rule:
    """How gradients and tangents pass through an op."""
    rule = Rule(str(op))
    rule.op = op

    def pull_back(cts: Sequence[Value | None], ys: Sequence[Value], xs: Sequence[Value]) -> list[Value | None]:
        if not _defines(op, "grad", "L_op"):
            loc = ys[0].owner.loc if ys[0].owner is not None else None
            message = "this op does not define grad or L_op"
            raise NotDifferentiableError(describe(str(op), xs, message, loc))
        outputs = [wrap(y) for y in ys]
        gradients = [_zeros(y) if ct is None else wrap(ct) for y, ct in zip(outputs, cts, strict=True)]
        found = op.L_op([wrap(x) for x in xs], outputs, gradients)
        if len(found) != len(xs):
            raise ValueError(f"the gradient of {op} gave {len(found)} values for {len(xs)} inputs")
        return [gradient_of(_as_float(g, x), x) for g, x in zip(found, xs, strict=True)]

    def push_forward(tangents: Sequence[Value | None], xs: Sequence[Value]) -> list[Value | None]:
        found = op.R_op([wrap(x) for x in xs], [None if t is None else wrap(t) for t in tangents])
        return [None if _none(t) else as_tensor_variable(t).value_ for t in found]

    rule.pull_back = pull_back
    if _defines(op, "R_op"):
        rule.push_forward = push_forward
    return rule


def _none(tangent: Any) -> bool:
    if isinstance(tangent, NoGradient):
        why = getattr(tangent.type, "why_null", None)
        if why is not None:
            raise NullTypeGradError(str(why))
        return True
    return tangent is None


def _zeros(y: TensorVariable) -> TensorVariable:
    dtype = y.dtype if is_differentiable(y.value_.dtype) else config.floatX
    return zeros(y.shape, dtype)


def _as_float(gradient: Any, x: Value) -> Any:
    """A gradient in the dtype of `x`, where it is another float."""
    if not isinstance(gradient, Variable) or not is_differentiable(x.dtype):
        return gradient
    return as_tensor_variable(gradient).astype(wrap(x).dtype)


# ---------------------------------------------------------------- functions
class FromFunctionOp(Op):
    """The op of a function of arrays. See `as_op`."""

    def __init__(self, fn: Callable[..., Any], itypes: Sequence[Any], otypes: Sequence[Any], infer_shape: Any) -> None:
        self.fn, self.itypes, self.otypes = fn, [_type(t) for t in itypes], [_type(t) for t in otypes]
        self.__name__, self.__doc__ = getattr(fn, "__name__", "function"), getattr(fn, "__doc__", None)
        self._infer = infer_shape

    def perform(self, node: Node, inputs: list[Any], output_storage: list[list[Any]]) -> None:
        """Call the function."""
        found = self.fn(*inputs)
        outputs = list(found) if isinstance(found, (list, tuple)) else [found]
        if len(outputs) != len(output_storage):
            raise ValueError(f"{self} gave {len(outputs)} results, {len(output_storage)} are declared")
        for cell, x in zip(output_storage, outputs, strict=True):
            cell[0] = np.asarray(x)

    def infer_shape(self, node: Node, shapes: list[tuple[Any, ...]]) -> Sequence[Any]:
        """What the `infer_shape` that was given says, of (node, shapes of the inputs)."""
        if self._infer is None:
            return [None] * len(node.outputs)
        found: Sequence[Any] = self._infer(node, shapes)
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FromFunctionOp):
            return False
        return (self.fn, self.itypes, self.otypes) == (other.fn, other.itypes, other.otypes)

    def __hash__(self) -> int:
        return hash((FromFunctionOp, self.fn))

    def __str__(self) -> str:
        return f"FromFunctionOp{{{self.__name__}}}"


def as_op(
    itypes: Any, otypes: Any, infer_shape: Callable[..., Any] | None = None
) -> Callable[[Callable[..., Any]], FromFunctionOp]:
    """A decorator that makes an op of a function of arrays, which returns one array or several. It has no gradient.

    Args:
        itypes, otypes: a type, or a list of them: `T.dmatrix`, `TensorType("float64", (False,))`.
        infer_shape: (node, shapes of the inputs) -> shapes of the outputs.
    """

    def listed(types: Any) -> list[Any]:
        return list(types) if isinstance(types, (list, tuple)) else [types]

    return lambda fn: FromFunctionOp(fn, listed(itypes), listed(otypes), infer_shape)

"""Theano's `printing`: `pp` writes formulas, `Print` prints while a function runs; `debugprint` (trees), `pydotprint`
(pictures) and the descriptions of variables have files of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arignote.frontends.tensor.callable import Function
from arignote.frontends.tensor.convert import as_tensor_variable, type_text
from arignote.frontends.tensor.descriptors import min_informative_str as min_informative_str
from arignote.frontends.tensor.descriptors import var_descriptor as var_descriptor
from arignote.frontends.tensor.graph import Variable, constant_of, emit, wrap
from arignote.frontends.tensor.names import dimshuffle_pattern, op_label, scalar_name
from arignote.frontends.tensor.pictures import pydotprint as pydotprint
from arignote.frontends.tensor.trees import debugprint as debugprint
from arignote.ir.core import Op, Value
from arignote.ir.effects import Printed, register
from arignote.ir.opdef import OPS
from arignote.ir.types import DTYPES

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "eq": "==", "neq": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "and": "&", "or": "|", "xor": "^", "dot": "\\dot",
}  # fmt: skip
_PREFIX = {"neg": "-", "invert": "~"}


# ---------------------------------------------------------------- pp
def pp(variable: Any) -> str:
    """A variable as a formula: `(x + y)`, with the types of what has no name."""
    if isinstance(variable, Function):
        return ", ".join(pp_value(v) for v in variable.func.roots())
    if not isinstance(variable, Variable):
        raise TypeError(f"pp takes a variable or a function, not {variable!r}")
    return pp_value(variable.value_)


def pp_value(root: Value) -> str:
    """The formula of a value; iterative, as graphs may be deep."""
    texts: dict[Value, str] = {}
    stack = [root]
    while stack:
        value = stack[-1]
        if value in texts:
            stack.pop()
            continue
        named = value.name is not None and value is not root
        if named or value.owner is None or value.owner.name == "const":
            texts[value] = _leaf_text(value)
            stack.pop()
            continue
        missing = [v for v in value.owner.operands if v not in texts]
        if missing:
            stack += reversed(missing)
            continue
        texts[value] = _formula(value.owner, [texts[v] for v in value.owner.operands])
        stack.pop()
    return texts[root]


def _leaf_text(value: Value) -> str:
    if value.name is not None:
        return value.name
    if constant_of(value) is not None:
        return str(wrap(value))
    return f"<{type_text(value)}>"


def _formula(op: Op, args: list[str]) -> str:
    name = op.name
    if name in _INFIX:
        return f"({args[0]} {_INFIX[name]} {args[1]})"
    if name in _PREFIX:
        return f"({_PREFIX[name]}{args[0]})"
    if name == "select":
        return f"Switch({', '.join(args)})"
    if name == "cast":
        return f"Cast{{{DTYPES[op.attrs['dtype']]}}}({args[0]})"
    pattern = dimshuffle_pattern(op)
    if pattern is not None:
        if pattern == (1, 0):
            return f"{args[0]}.T"
        return f"DimShuffle{{{', '.join(map(str, pattern))}}}({args[0]})"
    if name in ("broadcast", "reshape", "iota"):
        shape = f"({', '.join(map(str, op.attrs['shape']))})"
        label = {"broadcast": "fill", "reshape": "Reshape", "iota": "arange"}[name]
        return f"{label}({', '.join([*args[:1], shape])})" if name != "iota" else f"{label}{shape}"
    if name == "dim":
        return f"{args[0]}.shape[{op.attrs['axis']}]"
    if "elementwise" in OPS[name].traits:
        return f"{scalar_name(op)}({', '.join(args)})"
    return f"{op_label(op)}({', '.join(args)})"


pprint = pp

# ---------------------------------------------------------------- Print
class Print:
    """An identity that prints its argument whenever it is computed: `Print("x")(x)`.

    Args:
        message: what is printed before the value.
        attrs: attributes and methods of the array that are printed, a line each.
        global_fn: called instead as `global_fn(self, array)`.

    Printing works in every mode, in loops and branches too, and in the order of the graph. Gradients pass.
    """

    def __init__(
        self, message: str = "", attrs: Sequence[str] = ("__str__",), global_fn: Callable[..., Any] | None = None
    ) -> None:
        self.message = message
        self.attrs = tuple(attrs)
        self.global_fn = global_fn
        self._hook = 0

        def call(printed: Printed) -> None:
            assert global_fn is not None
            global_fn(self, printed.array)

        if global_fn is not None:
            self._hook = register(call)

    def __call__(self, x: Any) -> Any:
        variable = as_tensor_variable(x)
        value = emit("print", variable.value_, message=self.message, show=self.attrs, hook=self._hook)
        return wrap(value)

    def __repr__(self) -> str:
        return f"Print{{message={self.message!r}, attrs={self.attrs}}}"

"""`pp` and `debugprint`: expressions as text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from arignote.frontends.tensor.callable import Function, FunctionGraph
from arignote.frontends.tensor.convert import as_tensor_variable, type_text
from arignote.frontends.tensor.graph import Variable, constant_of, emit, wrap
from arignote.frontends.tensor.names import dimshuffle_pattern, op_label, scalar_name
from arignote.ir.core import Func, Op, Value
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


# ---------------------------------------------------------------- debugprint
def _ids() -> Iterator[str]:
    """A, B, ..., Z, AA, AB, ..."""
    n = 0
    while True:
        text, k = "", n
        while True:
            text = chr(ord("A") + k % 26) + text
            k = k // 26 - 1
            if k < 0:
                break
        yield text
        n += 1


class _Tree:
    def __init__(self, order: dict[Op, int], print_type: bool, depth: int, stop: bool) -> None:
        self.order = order
        self.print_type = print_type
        self.depth = depth
        self.stop_on_name = stop
        self.ids: dict[Value, str] = {}
        self.names = _ids()
        self.done: set[Op] = set()
        self.lines: list[str] = []

    def identity(self, value: Value) -> str:
        if value not in self.ids:
            self.ids[value] = next(self.names)
        return self.ids[value]

    def root(self, value: Value) -> None:
        stack: list[tuple[Value, str, str]] = [(value, "", "")]
        while stack:
            v, lead, rest = stack.pop()
            self.lines.append(lead + self.line(v))
            op = v.owner
            if op is None or op.name == "const" or (self.stop_on_name and v.name):
                continue
            if op in self.done:
                if op.operands:
                    self.lines.append(rest + " |...")
                continue
            if 0 <= self.depth <= len(rest) // 2 + 1:
                continue
            self.done.add(op)
            last = len(op.operands) - 1
            stack += [
                (o, rest + " |", rest + ("  " if i == last else " |"))
                for i, o in reversed(list(enumerate(op.operands)))
            ]

    def line(self, v: Value) -> str:
        kind = f" <{type_text(v)}>" if self.print_type else ""
        if v.owner is None or constant_of(v) is not None:
            text = _leaf_text(v) if v.name or constant_of(v) is not None else f"<{type_text(v)}>"
            return f"{text}{kind} [id {self.identity(v)}]"
        several = f".{v.index}" if len(v.owner.results) > 1 else ""
        name = f" '{v.name}'" if v.name else " ''"
        number = f"   {self.order[v.owner]}" if v.owner in self.order else ""
        return f"{op_label(v.owner)}{several}{kind} [id {self.identity(v)}]{name}{number}"


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: TextIO | str | None = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
) -> str | TextIO:
    """Print expressions as trees: `Elemwise{add,no_inplace} [id A] ''`.

    Args:
        obj: a variable, a function (its optimised graph, ops numbered in order of execution), or a
            list of them.
        depth: levels to print; -1 for all.
        print_type: print the types.
        file: where to; None for standard output, "str" to return the text.
        ids: "CHAR" is the only style.
        stop_on_name: do not descend into what has a name.

    Returns:
        The text if `file` is "str", else the file.
    """
    if ids != "CHAR":
        raise ValueError(f"debugprint: ids={ids!r} is not supported; use 'CHAR'")
    items = obj if isinstance(obj, (list, tuple)) else [obj]
    shown: list[tuple[Value, str | None]] = []
    order: dict[Op, int] = {}
    for item in items:
        if isinstance(item, (Function, FunctionGraph, Func)):
            func = item if isinstance(item, Func) else item.func
            order.update({op: i for i, op in enumerate(o for o in func.ops if o.name != "const")})
            shown += [(v, None) for v in func.results]
            shown += [(s.update, s.name) for s in func.states if s.update is not None]
        elif isinstance(item, Variable):
            shown.append((item.value_, None))
        else:
            raise TypeError(f"debugprint takes variables and functions, not {item!r}")
    tree = _Tree(order, print_type, depth, stop_on_name)
    for value, target in shown:
        if target is not None:
            tree.lines.append(f"update of {target}:")
        tree.root(value)
    text = "\n".join(tree.lines) + "\n"
    if file == "str":
        return text
    out: Any = sys.stdout if file is None else file
    out.write(text)
    return out  # type: ignore[no-any-return]


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

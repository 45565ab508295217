"""Walking recorded graphs, under the names of `theano.gof.graph`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from arignote.frontends.tensor.callable import FunctionGraph as FunctionGraph
from arignote.frontends.tensor.cloning import copied
from arignote.frontends.tensor.errors import MissingInputError as MissingInputError
from arignote.frontends.tensor.graph import Variable as Variable
from arignote.frontends.tensor.graph import wrap
from arignote.frontends.tensor.owner import Apply as Apply
from arignote.frontends.tensor.trace import build_func
from arignote.frontends.tensor.variable import TensorConstant, TensorVariable
from arignote.ir.canonical import equal
from arignote.ir.core import Value, toposort
from arignote.passes.cse import Cse

__all__ = [
    "Apply",
    "Constant",
    "FunctionGraph",
    "MissingInputError",
    "Variable",
    "ancestors",
    "clone",
    "equal_computations",
    "graph_inputs",
    "inputs",
    "io_toposort",
    "is_same_graph",
    "list_of_nodes",
    "ops",
    "variables",
    "walk",
]

Node = TypeVar("Node")
Constant = TensorConstant


def ancestors(
    graphs: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> Iterator[TensorVariable]:
    """The variables of `graphs` and all that they are computed from, depth first, each once.

    Args:
        blockers: variables that are given, but not what they are computed from.
    """
    stops = {v.value_ for v in blockers or ()}
    seen: set[Value] = set()
    stack = [v.value_ for v in graphs][::-1]
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        yield wrap(value)
        if value.owner is not None and value not in stops:
            stack += reversed(value.owner.operands)


def graph_inputs(
    graphs: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> Iterator[TensorVariable]:
    """The variables without an owner that `graphs` are computed from: inputs, shared variables, constants."""
    return (v for v in ancestors(graphs, blockers) if v.owner is None)


def inputs(variable_list: Iterable[Variable], blockers: Iterable[Variable] = ()) -> list[TensorVariable]:
    """`graph_inputs` as a list."""
    return list(graph_inputs(variable_list, blockers))


def io_toposort(
    inputs: Iterable[Variable], outputs: Iterable[Variable], orderings: Any = None
) -> list[Apply]:
    """The ops between `inputs` and `outputs`, operands before users."""
    order = toposort([v.value_ for v in outputs], [v.value_ for v in inputs])
    return [Apply.of(op) for op in order if op.name != "const"]


def ops(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> set[Apply]:
    """The ops between `inputs` and `outputs`."""
    return set(io_toposort(inputs, outputs))


list_of_nodes = ops


def variables(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> set[TensorVariable]:
    """The variables from `inputs` to `outputs`, these included."""
    given = list(inputs)
    return {*ancestors(outputs, given), *(wrap(v.value_) for v in given)}


def walk(
    nodes: Iterable[Node], expand: Callable[[Node], Iterable[Node] | None], bfs: bool = True
) -> Iterator[Node]:
    """`nodes` and all that `expand` leads to, each once; breadth first or depth first."""
    waiting = deque(nodes)
    seen: set[Node] = set()
    while waiting:
        node = waiting.popleft() if bfs else waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        waiting.extend(expand(node) or ())


def clone(
    inputs: Sequence[Variable], outputs: Sequence[Variable], copy_inputs: bool = True
) -> tuple[list[TensorVariable], list[TensorVariable]]:
    """Copies of `inputs` (unless `copy_inputs` is false) and of what `outputs` do with them."""
    given = [wrap(v.value_) for v in inputs]
    new = [v.clone() if copy_inputs else v for v in given]
    return new, copied(outputs, dict(zip(inputs, new, strict=True)))


# ---------------------------------------------------------------- equality
def equal_computations(
    xs: Sequence[Variable],
    ys: Sequence[Variable],
    in_xs: Sequence[Variable] = (),
    in_ys: Sequence[Variable] = (),
) -> bool:
    """Whether each of `xs` is computed as its partner in `ys` is, where `in_xs` stand for `in_ys`. Whether something is
    computed once or twice makes no difference."""
    if len(xs) != len(ys):
        raise ValueError("The number of graphs in each argument must match.")
    if len(in_xs) != len(in_ys):
        raise ValueError("The number of inputs in each argument must match.")
    left, right = (
        [v for v in graph_inputs(outputs, given) if not isinstance(v, TensorConstant) and not _among(v, given)]
        for outputs, given in ((xs, in_xs), (ys, in_ys))
    )
    if set(left) != set(right):
        return False
    first, second = (
        Cse().run(build_func("f", [*given, *left], outputs, {}, {}).func)
        for outputs, given in ((xs, in_xs), (ys, in_ys))
    )
    return equal(first, second)


def _among(variable: Variable, others: Iterable[Variable]) -> bool:
    return any(variable.value_ is v.value_ for v in others)


def is_same_graph(
    var1: Variable,
    var2: Variable,
    givens: Mapping[Variable, Variable] | Iterable[tuple[Variable, Variable]] | None = None,
) -> bool:
    """Whether two variables are the same computation of the same inputs; `givens` are pairs that count as equal."""
    pairs = list(givens.items() if isinstance(givens, Mapping) else givens or ())
    return equal_computations([var1], [var2], [p[0] for p in pairs], [p[1] for p in pairs])

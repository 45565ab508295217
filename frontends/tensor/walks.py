"""Walking recorded graphs, under the names of `theano.gof.graph`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from arignote.frontends.tensor.callable import FunctionGraph as FunctionGraph
from arignote.frontends.tensor.cloning import copied
from arignote.frontends.tensor.errors import MissingInputError as MissingInputError
from arignote.frontends.tensor.graph import Symbol, wrap
from arignote.frontends.tensor.graph import Variable as Variable
from arignote.frontends.tensor.owner import Apply as Apply
from arignote.ir.core import Op, Value, attrs_equal, toposort
from arignote.ir.symbols import attr_dims, subs_attr
from arignote.ir.types import Dim, DimLike

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

Node = TypeVar("Node")


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
    return [Apply(op) for op in order if op.name != "const"]


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
    """Whether each of `xs` is computed as its partner in `ys` is, where `in_xs` stand for `in_ys`."""
    if len(xs) != len(ys):
        raise ValueError("The number of graphs in each argument must match.")
    if len(in_xs) != len(in_ys):
        raise ValueError("The number of inputs in each argument must match.")
    same = _Same({x.value_: y.value_ for x, y in zip(in_xs, in_ys, strict=True)})
    return all(same.values(x.value_, y.value_) for x, y in zip(xs, ys, strict=True))


def is_same_graph(
    var1: Variable,
    var2: Variable,
    givens: Mapping[Variable, Variable] | Iterable[tuple[Variable, Variable]] | None = None,
) -> bool:
    """Whether two variables are the same computation of the same inputs; `givens` name inputs that count as equal."""
    pairs = list(givens.items() if isinstance(givens, Mapping) else givens or ())
    return equal_computations([var1], [var2], [p[0] for p in pairs], [p[1] for p in pairs])


class _Same:
    def __init__(self, pairs: dict[Value, Value]) -> None:
        self.pairs = pairs
        self.symbols: dict[str, DimLike] = {}  # of the first graph -> dimension of the second
        for x, y in pairs.items():
            self._match_symbols(x, y)

    def _match_symbols(self, x: Value, y: Value) -> None:
        if x.ndim == y.ndim:
            for a, b in zip(x.shape, y.shape, strict=True):
                if isinstance(a, Dim):
                    self.symbols.setdefault(str(a), b)

    def values(self, x: Value, y: Value) -> bool:
        """Iterative, as graphs may be deep."""
        stack = [(x, y)]
        while stack:
            a, b = stack.pop()
            if a in self.pairs or a is b:
                if self.pairs.get(a, a) is not b:
                    return False
                continue
            if a.owner is None or b.owner is None or a.index != b.index:
                return False
            needs = list(zip(a.owner.operands, b.owner.operands, strict=False))
            left = [p for p in needs if p[0] is not p[1] and self.pairs.get(p[0]) is not p[1]]
            clash = any(p[0] in self.pairs for p in left)
            if clash or len(a.owner.operands) != len(b.owner.operands) or a.owner.name != b.owner.name:
                return False
            if left:
                if any(self._hopeless(*p) for p in left):
                    return False
                stack += [(a, b), *left]
                continue
            if not self._ops(a.owner, b.owner):
                return False
            self.pairs.update(zip(a.owner.results, b.owner.results, strict=True))
        return True

    @staticmethod
    def _hopeless(a: Value, b: Value) -> bool:
        return a.owner is None or b.owner is None or a.owner.name != b.owner.name

    def _ops(self, a: Op, b: Op) -> bool:
        for attr in a.attrs.values():
            for dim in attr_dims(attr):
                for symbol in dim.symbols() - self.symbols.keys():
                    origin = symbol.origin if isinstance(symbol, Symbol) else None
                    if isinstance(origin, Value) and origin in self.pairs:
                        at = a.operands.index(origin) if origin in a.operands else None
                        others = [d for x in b.attrs.values() for d in attr_dims(x)]
                        for other in others:
                            for s in other.symbols():
                                if at is not None and isinstance(s, Symbol) and s.origin is b.operands[at]:
                                    self.symbols[symbol] = Dim.symbol(s)
        attrs = {k: subs_attr(v, self.symbols) for k, v in a.attrs.items()}
        return attrs_equal(attrs, b.attrs)

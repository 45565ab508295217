"""`function.maker.fgraph`: the graph of a function, to look at and to change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from arignote.frontends.tensor.errors import MissingInputError
from arignote.frontends.tensor.graph import Leaf, Variable, wrap
from arignote.frontends.tensor.io import In
from arignote.frontends.tensor.owner import Apply
from arignote.frontends.tensor.sharedvar import SharedVariable
from arignote.ir.core import Func, Op, State, Value, toposort
from arignote.ir.verify import verify
from arignote.passes.base import with_operands
from arignote.passes.dce import prune

if TYPE_CHECKING:
    from arignote.frontends.tensor.callable import Function
    from arignote.frontends.tensor.variable import TensorVariable


class FunctionGraph:
    """The graph of a function: optimised once it has been called, as recorded before.

        graph = f.maker.fgraph
        for node in graph.toposort():
            print(node.op, [str(v) for v in node.inputs])
        graph.replace(old, T.nnet.relu(old))     # old: a variable of the graph
        g = f.maker.create()                     # a new function with the graph as it is now

    Variables are equal to themselves alone; `variable.owner` is the node that makes one, None for inputs. The graphs
    inside of loops and branches are regions of their nodes: `node.op.attrs`, and `debugprint`, show them.
    """

    def __init__(self, func: Func, shared: Iterable[SharedVariable] = ()) -> None:
        self.func = func
        self.shared = list(shared)
        self.changed = False

    @property
    def inputs(self) -> list[TensorVariable]:
        """Parameters, then shared variables, as variables."""
        return [wrap(v) for v in self.func.inputs()]

    @property
    def outputs(self) -> list[TensorVariable]:
        """Results, then updates, as variables."""
        return [wrap(v) for v in self.func.roots()]

    @property
    def update_mapping(self) -> dict[int, int]:
        """The place of an update among the outputs -> that of its shared variable among the inputs."""
        updated = [i for i, s in enumerate(self.func.states) if s.update is not None]
        first, count = len(self.func.results), len(self.func.params)
        return {first + k: count + i for k, i in enumerate(updated)}

    def toposort(self) -> list[Apply]:
        """The ops in the order of execution, without constants."""
        return [Apply.of(op) for op in self.func.ops if op.name != "const"]

    @property
    def apply_nodes(self) -> set[Apply]:
        """The ops."""
        return set(self.toposort())

    @property
    def variables(self) -> set[TensorVariable]:
        """Inputs, and everything that ops make, constants included."""
        return {*self.inputs, *(wrap(v) for op in self.func.ops for v in op.results)}

    @property
    def clients(self) -> dict[TensorVariable, list[tuple[Apply | str, int]]]:
        """Variable -> (node, number of the operand) of each use; ("output", number) for outputs."""
        out: dict[TensorVariable, list[tuple[Apply | str, int]]] = {v: [] for v in self.inputs}
        for op in self.func.ops:
            for v in op.results:
                out[wrap(v)] = []
        for op in self.func.ops:
            for i, v in enumerate(op.operands):
                out[wrap(v)].append((Apply.of(op), i))
        for i, v in enumerate(self.func.roots()):
            out[wrap(v)].append(("output", i))
        return out

    def replace(self, var: Variable, new_var: Variable, reason: str | None = None, verbose: bool | None = None) -> None:
        """Let everything that reads `var` read `new_var`, which may be computed from it, or from others of the graph.

        Raises:
            TypeError: they are of different dtypes or ranks.
            ValueError: `var` is not in the graph.
            MissingInputError: `new_var` needs an input that the graph does not have.
            VerificationError: the graph would break a rule of the IR.
        """
        old, new = var.value_, new_var.value_
        known = {*self.func.inputs(), *(v for op in self.func.ops for v in op.results)}
        if old not in known:
            raise ValueError(f"replace: {var} is not a variable of this graph")
        if (old.dtype, old.ndim) != (new.dtype, new.ndim):
            raise TypeError(
                f"replace: {var} is {wrap(old).type} and its replacement {new_var} is {wrap(new).type}: "
                "they must have one dtype and one number of dimensions"
            )
        added = toposort([new], known)
        func = self._with_shared(added, new, known)
        before = [op for op in func.ops if op in set(toposort([new]))]  # what the replacement is made of
        ops, mapping = [*before, *added], {old: new}
        done = set(ops)
        for op in func.ops:
            operands = tuple(mapping.get(v, v) for v in op.operands)
            if operands == op.operands:
                ops += [op] if op not in done else []
                continue
            changed = with_operands(op, operands)
            mapping.update(zip(op.results, changed.results, strict=True))
            ops.append(changed)
        out = prune(func.with_ops(ops, mapping))
        verify(out)
        self.func = out
        self.changed = True

    def replace_all(
        self, pairs: Mapping[Variable, Variable] | Iterable[tuple[Variable, Variable]], reason: str | None = None
    ) -> None:
        """`replace` for pairs of variables, one after the other."""
        for old, new in list(pairs.items() if isinstance(pairs, Mapping) else pairs):
            self.replace(old, new, reason)

    def clone(self) -> FunctionGraph:
        """A graph that can be changed on its own."""
        return FunctionGraph(self.func, self.shared)

    def _with_shared(self, added: list[Op], new: Value, known: set[Value]) -> Func:
        """The function with the shared variables that new ops read."""
        func = self.func
        for v in dict.fromkeys([*(v for op in added for v in op.operands), new]):
            if v.owner is not None or v in known:
                continue
            variable = v.variable if isinstance(v, Leaf) else None
            if not isinstance(variable, SharedVariable):
                raise MissingInputError(f"replace: {v.name or wrap(v)} is not an input of this graph")
            names = {s.name for s in func.states}
            name = base = v.name or "shared"
            i = 0
            while name in names:
                name, i = f"{base}.{i}", i + 1
            func = replace(func, states=[*func.states, State(name, v)])
            self.shared.append(variable)
        return func

    def __str__(self) -> str:
        return f"FunctionGraph({', '.join(map(str, self.outputs))})"

    __repr__ = __str__


class Maker:
    """`f.maker`: how a function was made, and how to make it again."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._graph: FunctionGraph | None = None
        self.mode = function.mode

    @property
    def fgraph(self) -> FunctionGraph:
        """The graph. Changes of it take effect in functions that `create` makes."""
        graph = self._graph
        if graph is None or (not graph.changed and graph.func is not self._function.func):
            graph = self._graph = FunctionGraph(self._function.func, self._function.get_shared())
        return graph

    @property
    def inputs(self) -> list[In]:
        """The inputs."""
        return list(self._function.inputs)

    def create(self) -> Function:
        """A new function of the graph as it is now; it shares the shared variables.

        The sizes that the graph was optimised for are those that it takes.
        """
        from arignote.frontends.tensor.arguments import Arguments
        from arignote.frontends.tensor.callable import Function
        from arignote.frontends.tensor.compiler import compile_func
        from arignote.frontends.tensor.trace import Traced

        f, graph = self._function, self.fgraph
        held = f._arguments
        params = iter(graph.func.params)
        slots = []
        for i, slot in enumerate(f.inputs):
            variable = slot.variable if i in held.states else wrap(next(params))
            slots.append(
                In(variable, slot.name, slot.value, strict=slot.strict, allow_downcast=slot.allow_downcast)
            )
        executable = compile_func(graph.func, [s.container for s in graph.shared], f.mode)
        traced = Traced(graph.func, list(graph.shared), [], set())
        arguments = Arguments(slots, held.states, held.allow_downcast, held.title)
        return Function(executable, traced, arguments, f._keys, f._single, f.name, f.mode)

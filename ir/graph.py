"""Functions as graphs for other programs: networkx, JSON, Graphviz.

    graph = ir.to_networkx(func)
    networkx.ancestors(graph, "%loss")

Nodes are called as the text calls values: `%x` for a parameter, `@W` for a state, an op by its first result, `#3` for
the third op of its scope without results, `return` for the end of the function. Inside a region names follow that of
the op that holds it: `%fused/%add`, and `%ifelse/1/%add` in the second region of an op with several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.cost import op_cost
from arignote.ir.diag import Loc
from arignote.ir.placement import host_scalars
from arignote.ir.text import Names, attr_text, op_line, short_array_text
from arignote.ir.types import Dim

if TYPE_CHECKING:
    import networkx as nx


@dataclass(eq=False)
class Node:
    """A node: what it is, how it is printed, and what it reads.

    Attributes:
        kind: `param`, `state`, `op`, `return`, `update`, or in regions `param` and `yield`.
        label: what to write into a box.
        parent: the op that holds the region, and the number of the region; None in the function itself.
        reads: (node, value) for each operand.
    """

    id: str
    kind: str
    label: str
    op: Op | None = None
    type: str = ""
    parent: tuple[str, int] | None = None
    loc: Loc | None = None
    reads: list[tuple[str, Value]] = field(default_factory=list)


def nodes(func: Func) -> Iterator[Node]:
    """The nodes of a function, operands before users, those of regions behind the op that holds them."""
    yield from _Scope(func, "", None).nodes()


class _Scope:
    def __init__(self, body: Func | Region, prefix: str, parent: tuple[str, int] | None) -> None:
        self.body = body
        self.prefix = prefix
        self.parent = parent
        self.names = Names(body)
        self.made: dict[Value, str] = {}

    def node(self, id: str, kind: str, label: str, reads: Sequence[Value] = (), **more: Any) -> Node:
        """A node that reads values of this scope."""
        found = [(self.made.get(v, self.prefix + self.names[v]), v) for v in reads]
        return Node(self.prefix + id, kind, label, parent=self.parent, reads=found, **more)

    def leaf(self, value: Value, kind: str) -> Node:
        """A node for a value without an op."""
        name = self.names[value]
        self.made[value] = self.prefix + name
        return self.node(name, kind, name, type=str(value.type))

    def nodes(self) -> Iterator[Node]:
        """Everything in the scope."""
        body = self.body
        states = body.states if isinstance(body, Func) else []
        for value in body.params:
            yield self.leaf(value, "param")
        for state in states:
            yield self.leaf(state.value, "state")
        for number, op in enumerate(body.ops):
            yield from self.op(number, op)
        for state in states:
            if state.update is not None:
                yield self.node(f"update({self.names[state.value]})", "update", f"update {state.name}", [state.update])
        last = "return" if isinstance(body, Func) else "yield"
        yield self.node(last, last, last, body.results if isinstance(body, Func) else body.yields)

    def op(self, number: int, op: Op) -> Iterator[Node]:
        """An op and what is in its regions."""
        name = self.names[op.results[0]] if op.results else f"#{number}"
        self.made.update((v, self.prefix + name) for v in op.results)
        types = ", ".join(str(r.type) for r in op.results)
        node = self.node(name, "op", op.name, op.operands, op=op, type=types, loc=op.loc)
        yield node
        for i, region in enumerate(op.regions):
            prefix = f"{node.id}/" if len(op.regions) == 1 else f"{node.id}/{i}/"
            yield from _Scope(region, prefix, (node.id, i)).nodes()


def to_networkx(func: Func, costs: bool = True) -> nx.MultiDiGraph:
    """A function as a directed graph of networkx.

    Nodes have the attributes `kind`, `op` (the name of the op, or None), `label`, `type`, `attrs` (as texts), `loc`
    (`file:line` or None), `parent` (the op around it, or None) and, with `costs`, `flops` and `bytes`. Edges lead from
    the maker of a value to its users; their keys are the numbers of the operands, and they have the attributes `value`
    and `type`. Regions are nodes of their own, tied to the rest by `parent` alone, as they see nothing but parameters.
    """
    import networkx as nx

    graph = nx.MultiDiGraph(name=func.name)
    host = host_scalars(func)
    names: dict[Value, str] = {}
    for node in nodes(func):
        attrs: dict[str, Any] = {
            "kind": node.kind, "op": node.op and node.op.name, "label": node.label, "type": node.type,
            "attrs": {} if node.op is None else {k: attr_text(a, short_array_text) for k, a in node.op.attrs.items()},
            "loc": None if node.loc is None else str(node.loc), "parent": node.parent and node.parent[0],
        }  # fmt: skip
        if costs and node.op is not None:
            cost = op_cost(node.op, host)
            attrs |= {"flops": _plain(cost.flops), "bytes": _plain(cost.bytes)}
        graph.add_node(node.id, **attrs)
        for i, (source, value) in enumerate(node.reads):
            name = names.setdefault(value, source if value.index == 0 else f"{source}:{value.index}")
            graph.add_edge(source, node.id, key=i, value=name, type=str(value.type))
    return graph


def to_dict(func: Func, costs: bool = True) -> dict[str, Any]:
    """A function as data for JSON.

    `{"name", "attrs", "params": [{"name", "type"}], "states": [{"name", "type", "update"}], "ops": [op], "results":
    [name]}`, where an op is `{"op", "results": [{"name", "type"}], "operands": [name], "attrs": {name: text}, "loc",
    "regions": [{"params", "ops", "yields"}]}` and, with `costs`, has `"flops"`, `"read"` and `"written"`: numbers, or
    texts where symbols are in them.
    """
    host = host_scalars(func) if costs else None
    names = Names(func)
    states = [
        {**_value(s.value, names), "update": None if s.update is None else names[s.update]} for s in func.states
    ]
    return {
        "name": func.name,
        "attrs": {k: attr_text(a) for k, a in sorted(func.attrs.items())},
        "params": [_value(p, names) for p in func.params],
        "states": states,
        "ops": [_op(op, names, host) for op in func.ops],
        "results": [names[r] for r in func.results],
    }


def _op(op: Op, names: Names, host: set[Value] | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "op": op.name,
        "results": [_value(r, names) for r in op.results],
        "operands": [names[v] for v in op.operands],
        "attrs": {k: attr_text(a) for k, a in sorted(op.attrs.items())},
        "loc": None if op.loc is None else {"file": op.loc.file, "line": op.loc.line},
    }
    if host is not None:
        cost = op_cost(op, host)
        out |= {"flops": _plain(cost.flops), "read": _plain(cost.read), "written": _plain(cost.written)}
    if op.regions:
        out["regions"] = [_region(r, host) for r in op.regions]
    return out


def _region(region: Region, host: set[Value] | None) -> dict[str, Any]:
    names = Names(region)
    return {
        "params": [_value(p, names) for p in region.params],
        "ops": [_op(op, names, host) for op in region.ops],
        "yields": [names[v] for v in region.yields],
    }


def _value(value: Value, names: Names) -> dict[str, str]:
    return {"name": names[value], "type": str(value.type)}


def _plain(amount: object) -> object:
    return str(amount) if isinstance(amount, Dim) else amount


# ---------------------------------------------------------------- Graphviz
_SHAPES = {
    "param": 'shape=ellipse, fillcolor="#dbeafe"', "state": 'shape=cylinder, fillcolor="#dcfce7"',
    "return": 'shape=ellipse, fillcolor="#fee2e2"', "update": 'shape=cylinder, fillcolor="#fef9c3"',
    "yield": 'shape=ellipse, fillcolor="#f3f4f6"',
}  # fmt: skip


def to_dot(func: Func) -> str:
    """A function in the language of Graphviz; each region is a cluster behind the op that holds it."""
    found = list(nodes(func))
    inside: dict[tuple[str, int] | None, list[Node]] = {}
    for node in found:
        inside.setdefault(node.parent, []).append(node)
    lines = [
        f"digraph {_quoted(func.name)} {{",
        '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="monospace", fontsize=10];',
        '  edge [fontname="monospace", fontsize=8, color="#6b7280"];',
    ]

    def scope(parent: tuple[str, int] | None, indent: str) -> None:
        for node in inside.get(parent, ()):
            style = _SHAPES.get(node.kind, "")
            tip = "" if node.op is None else f", tooltip={_quoted(op_line(node.op, Names(), short_array_text).text)}"
            text = _quoted(f"{node.label}\n{node.type}" if node.type else node.label)
            lines.append(f"{indent}{_quoted(node.id)} [label={text}{', ' if style else ''}{style}{tip}];")
            regions = node.op.regions if node.op is not None else ()
            for i in range(len(regions)):
                name = _quoted(f"cluster {node.id} {i}")
                lines.append(f'{indent}subgraph {name} {{ label={_quoted(node.id)}; style="rounded"; color="#9ca3af";')
                scope((node.id, i), indent + "  ")
                lines.append(indent + "}")

    scope(None, "  ")
    for node in found:
        for source, value in node.reads:
            lines.append(f"  {_quoted(source)} -> {_quoted(node.id)} [label={_quoted(str(value.type))}];")
        if node.kind == "yield" and node.parent is not None:
            lines.append(f"  {_quoted(node.id)} -> {_quoted(node.parent[0])} [style=dotted];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

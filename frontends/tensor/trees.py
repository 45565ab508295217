"""`debugprint`: expressions as trees."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from arignote.frontends.tensor.callable import Function, FunctionGraph
from arignote.frontends.tensor.convert import type_text
from arignote.frontends.tensor.graph import Variable, constant_of, wrap
from arignote.frontends.tensor.names import op_label
from arignote.ir.core import Func, Op, Region, Value, every_op, uses
from arignote.ir.text import Names

IDS = ("CHAR", "int", "id", "")


def _letters(n: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    text = ""
    while True:
        text = chr(ord("A") + n % 26) + text
        n = n // 26 - 1
        if n < 0:
            return text


def _leaf_text(value: Value) -> str:
    if value.name is not None:
        return value.name
    return str(wrap(value)) if constant_of(value) is not None else f"<{type_text(value)}>"


class _Tree:
    """The lines of one call."""

    def __init__(
        self, order: dict[Op, int], options: dict[str, Any], done: dict[Any, str], clients: dict[Value, list[Op]]
    ) -> None:
        self.order = order
        self.print_type: bool = options["print_type"]
        self.depth: int = options["depth"]
        self.stop_on_name: bool = options["stop_on_name"]
        self.style: str = options["ids"]
        self.ids = done
        self.clients = clients
        self.seen: set[Op] = set()
        self.regions: list[Op] = []
        self.lines: list[str] = []

    def identity(self, value: Value) -> str:
        """`[id A]`; values keep theirs in all calls that share `done`."""
        if value not in self.ids:
            n = len(self.ids)
            self.ids[value] = {"CHAR": _letters(n), "int": str(n), "id": str(id(value)), "": ""}[self.style]
        return f" [id {self.ids[value]}]" if self.style else ""

    def root(self, value: Value, names: dict[Value, str] | None = None) -> None:
        """A value and what it is made of. `names` are those of a region's parameters."""
        stack: list[tuple[Value, str, str]] = [(value, "", "")]
        while stack:
            v, lead, rest = stack.pop()
            self.lines.append(lead + self.line(v, names or {}))
            op = v.owner
            if op is None or op.name == "const" or (self.stop_on_name and v.name):
                continue
            if op in self.seen:
                if op.operands:
                    self.lines.append(rest + " |...")
                continue
            if 0 <= self.depth <= len(rest) // 2 + 1:
                continue
            self.seen.add(op)
            if op.regions:
                self.regions.append(op)
            last = len(op.operands) - 1
            stack += [
                (o, rest + " |", rest + ("  " if i == last else " |"))
                for i, o in reversed(list(enumerate(op.operands)))
            ]

    def line(self, v: Value, names: dict[Value, str]) -> str:
        """One node: label, type, id, name, number in the order of execution."""
        kind = f" <{type_text(v)}>" if self.print_type else ""
        if v.owner is None or constant_of(v) is not None:
            return f"{names.get(v) or _leaf_text(v)}{kind}{self.identity(v)}"
        several = f".{v.index}" if len(v.owner.results) > 1 else ""
        name = f" '{v.name}'" if v.name else " ''"
        number = f"   {self.order[v.owner]}" if v.owner in self.order else ""
        users = self.clients.get(v, [])
        clients = f" clients:[{', '.join(map(op_label, users))}]" if len(users) > 1 else ""
        return f"{op_label(v.owner)}{several}{kind}{self.identity(v)}{name}{number}{clients}"

    def inner(self) -> None:
        """The graphs in the regions of the ops that were printed, and in those of their ops."""
        if not self.regions:
            return
        self.lines += ["", "Inner graphs:"]
        for op in self.regions:  # grows as it goes
            for i, region in enumerate(op.regions):
                self.lines += ["", f"{op_label(op)}{self.identity(op.results[0]) if op.results else ''} region {i}:"]
                names = _params(region)
                for v in region.yields:
                    self.root(v, names)
                for o in region.ops:  # what is there for its effect alone
                    if o not in self.seen and not any(r in p.operands for p in region.ops for r in o.results):
                        for r in o.results:
                            self.root(r, names)


def _params(region: Region) -> dict[Value, str]:
    names = Names(region)
    return {p: f"*{names[p].removeprefix('%')}" for p in region.params}


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: TextIO | str | None = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
    done: dict[Any, str] | None = None,
    print_storage: bool = False,
    print_clients: bool = False,
    used_ids: dict[Any, str] | None = None,
) -> str | TextIO:
    """Print expressions as trees: `Elemwise{add,no_inplace} [id A] ''`.

    A second occurrence of a node stands as `...`. Of a function, the optimised graph is printed, with the ops numbered
    in order of execution; graphs of loops and branches follow at the end.

    Args:
        obj: a variable, a node, a function, its graph, or a list of them.
        depth: levels to print; -1 for all.
        print_type: print the types.
        file: where to; None for standard output, "str" to return the text.
        ids: "CHAR" (letters), "int", "id" (those of Python), or "" for none.
        stop_on_name: do not descend into what has a name.
        done, used_ids: a dict that keeps the ids of values, for calls that belong together.
        print_storage: not supported: values are not kept after a call.
        print_clients: show what uses a value, where that are several ops.

    Returns:
        The text if `file` is "str", else the file.
    """
    if ids not in IDS:
        raise ValueError(f"debugprint: ids={ids!r} is none of {', '.join(map(repr, IDS))}")
    if print_storage:
        raise NotImplementedError("debugprint: print_storage is not supported: compiled code keeps no values")
    shown: list[tuple[Value, str | None]] = []
    order: dict[Op, int] = {}
    clients: dict[Value, list[Op]] = {}
    for item in obj if isinstance(obj, (list, tuple, set)) else [obj]:
        if isinstance(item, (Function, FunctionGraph, Func)):
            func = item if isinstance(item, Func) else item.func
            order.update({op: i for i, op in enumerate(o for o in func.ops if o.name != "const")})
            clients.update(uses(every_op(func.ops)) if print_clients else {})
            shown += [(v, None) for v in func.results]
            shown += [(s.update, s.name) for s in func.states if s.update is not None]
            unused = [op for op in func.ops if op.name == "print" and not _used(op, func)]
            shown += [(op.result, None) for op in unused]
        elif isinstance(item, Variable):
            shown.append((item.value_, None))
        elif isinstance(getattr(item, "outputs", None), list):
            shown += [(v.value_, None) for v in item.outputs]
        else:
            raise TypeError(f"debugprint takes variables, nodes and functions, not {item!r}")
    options = {"print_type": print_type, "depth": depth, "stop_on_name": stop_on_name, "ids": ids}
    known = done if done is not None else used_ids if used_ids is not None else {}
    tree = _Tree(order, options, known, clients)
    for value, target in shown:
        if target is not None:
            tree.lines.append(f"update of {target}:")
        tree.root(value)
    tree.inner()
    text = "\n".join(tree.lines) + "\n"
    if file == "str":
        return text
    out: Any = sys.stdout if file is None else file
    out.write(text)
    return out  # type: ignore[no-any-return]


def _used(op: Op, func: Func) -> bool:
    return any(r in o.operands for o in func.ops for r in op.results) or op.results[0] in func.roots()


"""The difference of two functions whose ops are matched, line by line."""

from __future__ import annotations

from collections.abc import Sequence

from arignote.ir.changes import ADDED, CHANGED, MOVED, REMOVED, Change, FuncDiff, Part
from arignote.ir.core import Attr, Func, Op, Region, Value
from arignote.ir.match import Matching, Scope
from arignote.ir.text import Names, attr_text, op_line, short_array_text
from arignote.ir.types import Dim


class Comparison:
    """The lines of two functions: `result` is their difference."""

    def __init__(self, before: Func, after: Func) -> None:
        self.m = Matching(before, after)
        self.names = tuple(
            {id(s.body): Names(s.body) for s in side.scopes} for side in (self.m.a, self.m.b)
        )
        self.out = FuncDiff(before, after)

    def result(self) -> FuncDiff:
        """The difference."""
        if self.m.equal:  # not even looked at line by line
            self.out.changes = [self.matched(x, y) for x, y in self.m.pairs.items()]
            for change in self.out.changes:
                change.kind, change.details = "", []
            return self.out
        self.out.header = self.header()
        followed: dict[Op | None, list[Op]] = {}  # removed ops, by what comes behind them
        waiting: list[Op] = []
        for x in self.m.a.ops:
            if x in self.m.pairs:
                followed.setdefault(self.m.pairs[x], []).extend(waiting)
                waiting = []
            else:
                waiting.append(x)
        followed[None] = waiting
        for y in self.m.b.ops:
            self.out.changes += [self.removed(x) for x in followed.get(y, ())]
            partner = self.m.back.get(y)
            self.out.changes.append(self.added(y) if partner is None else self.matched(partner, y))
        self.out.changes += [self.removed(x) for x in followed[None]]
        self.ends()
        return self.out

    # ------------------------------------------------------------ lines
    def name(self, side: int, scope: Scope, value: Value) -> str:
        """How a value is called in its program."""
        return self.names[side][id(scope.body)][value]

    def scope(self, side: int, op: Op) -> Scope:
        """Where an op is."""
        return (self.m.a, self.m.b)[side].scope_of[op]

    def place(self, side: int, op: Op) -> str:
        """The op around an op, by its first result; empty in the function itself."""
        holder = self.scope(side, op).holder
        if holder is None:
            return ""
        if not holder.results:
            return holder.name
        return self.name(side, self.scope(side, holder), holder.results[0])

    def depth(self, side: int, op: Op) -> int:
        """How many regions are around an op."""
        return self.m.depth((self.m.a, self.m.b)[side], op)

    def whole_line(self, side: int, op: Op) -> str:
        """The line of an op in its program."""
        names = self.names[side][id(self.scope(side, op).body)]
        return op_line(op, names, short_array_text).text

    def added(self, op: Op) -> Change:
        """An op without a partner, after."""
        line = self.whole_line(1, op)
        return Change(ADDED, [(None, line)], None, op, ("", self.place(1, op)), depth=self.depth(1, op))

    def removed(self, op: Op) -> Change:
        """An op without a partner, before."""
        line = self.whole_line(0, op)
        return Change(REMOVED, [(line, None)], op, None, (self.place(0, op), ""), depth=self.depth(0, op))

    def matched(self, x: Op, y: Op) -> Change:
        """A pair."""
        a, b = self.scope(0, x), self.scope(1, y)
        change = Change("", [], x, y, (self.place(0, x), self.place(1, y)), depth=self.depth(1, y))
        parts = change.parts
        # Names of results are silent: the new ones are printed.
        results = ", ".join(self.name(1, b, v) for v in y.results)
        text = f"{results} = " if results else ""
        parts += [(text, text), (x.name, y.name), ("(", "(")]
        if x.name != y.name:
            change.details.append(("op", x.name, y.name))
        if not (x.name == "fused" and not self.kernel_changed(x, y)):
            self.values(change, (a, x.operands), (b, y.operands))
        else:
            text = ", ".join(self.name(1, b, v) for v in y.operands)
            parts.append((text, text))
        parts.append((")", ")"))
        self.attrs(change, x, y)
        self.types(change, x.results, y.results)
        moved = self.m.moved(x)
        change.kind = CHANGED if change.details else MOVED if moved else ""
        if moved:
            change.details.append(("place", *change.where))
        return change

    def kernel_changed(self, x: Op, y: Op) -> bool:
        """Whether two kernels read other values, in whatever order."""
        partners = [w for v in x.operands for w in y.operands if self.m.corresponds(v, w)]
        return len(x.operands) != len(y.operands) or len(set(partners)) != len(set(y.operands))

    def values(self, change: Change, old: tuple[Scope, Sequence[Value]], new: tuple[Scope, Sequence[Value]]) -> None:
        """A list of values: operands, or what is returned."""
        (a, before), (b, after) = old, new
        for i in range(max(len(before), len(after))):
            comma = ", " if i else ""
            if i < len(before) and i < len(after) and self.m.corresponds(before[i], after[i]):
                text = comma + self.name(1, b, after[i])
                change.parts.append((text, text))
                continue
            x = self.name(0, a, before[i]) if i < len(before) else None
            y = self.name(1, b, after[i]) if i < len(after) else None
            if x is not None and y is not None:
                change.parts.append((comma, comma))
                if x == y:  # two values of one name
                    x, y = f"{x} (before)", f"{y} (after)"
                change.parts.append((x, y))
            else:
                change.parts.append((comma + x if x else None, comma + y if y else None))
            change.details.append((f"operand {i}", x, y))

    def attrs(self, change: Change, x: Op, y: Op) -> None:
        """The attributes, those that differ in braces."""
        keys = sorted({*x.attrs, *y.attrs})
        if not keys:
            return
        change.parts.append((" {", " {"))
        for i, key in enumerate(keys):
            comma = ", " if i else ""
            old, new = x.attrs.get(key, _NONE), y.attrs.get(key, _NONE)
            if old is not _NONE and new is not _NONE and self.m.symbols.attrs(old, new):
                text = f"{comma}{key}={attr_text(new, short_array_text)}"
                change.parts.append((text, text))
                continue
            texts = [None if v is _NONE else _attr(v) for v in (old, new)]
            if texts[0] is not None and texts[1] is not None:
                change.parts.append((f"{comma}{key}=", f"{comma}{key}="))
                change.parts.append((texts[0], texts[1]))
            else:
                change.parts.append(
                    (None if texts[0] is None else f"{comma}{key}={texts[0]}",
                     None if texts[1] is None else f"{comma}{key}={texts[1]}")
                )  # fmt: skip
            change.details.append((key, texts[0], texts[1]))
        change.parts.append(("}", "}"))

    def types(self, change: Change, old: Sequence[Value], new: Sequence[Value]) -> None:
        """The types of results."""
        for i in range(max(len(old), len(new))):
            lead = ", " if i else " : "
            if i >= len(old) or i >= len(new):
                only = f"{lead}{(old if i < len(old) else new)[i].type}"
                change.parts.append((only, None) if i < len(old) else (None, only))
                change.details.append((f"type {i}", *change.parts[-1]))
                continue
            x, y = old[i].type, new[i].type
            change.parts.append((lead, lead))
            same = self.m.symbols.types(x, y)
            change.parts.append((str(y), str(y)) if same else (str(x), str(y)))
            if not same:
                change.details.append((f"type {i}", str(x), str(y)))

    # ------------------------------------------------------------ the function itself
    def header(self) -> list[Part]:
        """The inputs and attributes: renames are silent, sizes that became known are not."""
        before, after = self.m.a.func, self.m.b.func
        parts: list[Part] = [(f"func @{after.name}(", f"func @{after.name}(")]
        self._inputs(parts, before.params, after.params, "%")
        parts.append((")", ")"))
        if before.states or after.states:
            parts.append((" state(", " state("))
            self._inputs(parts, [s.value for s in before.states], [s.value for s in after.states], "@")
            parts.append((")", ")"))
        keys = sorted({*before.attrs, *after.attrs})
        for key in keys:
            old, new = (None if key not in f.attrs else _attr(f.attrs[key]) for f in (before, after))
            if old != new:
                parts += [(f" {key}=", f" {key}="), (old or "none", new or "none")]
        return parts

    def _inputs(self, parts: list[Part], old: Sequence[Value], new: Sequence[Value], sigil: str) -> None:
        partners = {w: v for v, w in self.m.leaves.items()}
        lead = ""
        for w in new:
            v = partners.get(w)
            text = f"{lead}{sigil}{w.name}: "
            lead = ", "
            if v is None:
                parts.append((None, f"{text}{w.type}"))
                continue
            parts.append((text, text))
            same = (v.dtype, v.ndim) == (w.dtype, w.ndim) and all(
                x == y or (isinstance(x, Dim) and isinstance(y, Dim) and self.m.symbols.same(x, y))
                for x, y in zip(v.shape, w.shape, strict=True)
            )
            parts.append((str(w.type), str(w.type)) if same else (str(v.type), str(w.type)))
        for v in old:
            if v not in self.m.leaves:
                parts.append((f"{lead}{sigil}{v.name}: {v.type}", None))
                lead = ", "

    def ends(self) -> None:
        """What regions yield, what becomes of states, what is returned."""
        for x, y in self.m.pairs.items():
            if x.name == "fused":
                continue
            for r, s in zip(x.regions, y.regions, strict=False):
                self._end("yield", r, s, r.yields, s.yields, self.depth(1, y) + 1)
        before, after = self.m.a.func, self.m.b.func
        updates = {s.value: s for s in after.states}
        partners = {w: v for v, w in self.m.leaves.items()}
        for state in before.states:
            partner = self.m.leaves.get(state.value)
            if partner is not None and partner in updates:
                other = updates[partner]
                old, new = ([] if u.update is None else [u.update] for u in (state, other))
                self._end(f"update @{other.name}", before, after, old, new, 0)
        for state in after.states:
            if state.update is not None and state.value not in partners:
                self._end(f"update @{state.name}", before, after, [], [state.update], 0)
        self._end("return", before, after, before.results, after.results, 0)

    def _end(
        self,
        word: str,
        old: Func | Region,
        new: Func | Region,
        before: Sequence[Value],
        after: Sequence[Value],
        depth: int,
    ) -> None:
        change = Change("", [(f"{word}(", f"{word}(")], depth=depth)
        self.values(change, (Scope(old), before), (Scope(new), after))
        change.parts.append((")", ")"))
        change.kind = CHANGED if change.details else ""
        self.out.changes.append(change)


_NONE = object()


def _attr(value: Attr) -> str:
    return attr_text(value, short_array_text)

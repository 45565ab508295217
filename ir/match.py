"""Which ops of one function are which of another: the matching behind diffs and numeric checks of passes.

Ops are matched by what they compute, from the leaves up, and not by name or place. Then, where something differs, from
the results down (what a pair of matched ops reads in one place), and from the operands up (what does the same to
matched values). Kernels are looked through: an op is the same op inside a fused one and outside of it, and a value
that a kernel hands out is the one inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from arignote.ir.canonical import canonical_order, digest_text, structural_hash
from arignote.ir.core import Func, Op, Region, Value, attrs_equal, uses
from arignote.ir.opdef import has_trait, semantic
from arignote.ir.symbols import subs_attr
from arignote.ir.text import attr_text
from arignote.ir.types import Dim, DimLike, TensorType


@dataclass(eq=False)
class Scope:
    """A function or region: who holds it, and what is in it."""

    body: Func | Region
    holder: Op | None = None
    index: int = 0


class Side:
    """One of the two functions, laid out flat."""

    def __init__(self, func: Func, numbers: dict[object, int]) -> None:
        self.func = func
        self.scopes: list[Scope] = []
        self.scope_of: dict[Op, Scope] = {}
        self.params: dict[Value, tuple[Scope, int]] = {}
        self.looped: set[Op] = set()  # in loops and branches, whose parameters mean something there alone
        self.ops: list[Op] = list(self._enter(Scope(func)))
        self.users = uses(self.ops)
        self.keys = self._flat_keys(numbers)

    def _enter(self, scope: Scope) -> Iterator[Op]:
        self.scopes.append(scope)
        inputs = scope.body.inputs() if isinstance(scope.body, Func) else scope.body.params
        self.params.update((v, (scope, i)) for i, v in enumerate(inputs))
        for op in scope.body.ops:
            self.scope_of[op] = scope
            holder = scope.holder
            if holder is not None and (holder.name != "fused" or holder in self.looped):
                self.looped.add(op)
            yield op
            for i, region in enumerate(op.regions):
                yield from self._enter(Scope(region, op, i))

    def source(self, value: Value) -> Value:
        """The value itself, seen through the walls of kernels."""
        while True:
            owner = value.owner
            if owner is not None and owner.name == "fused" and owner in self.scope_of:
                value = owner.regions[0].yields[value.index]
                continue
            scope, i = self.params.get(value, (None, 0))
            if scope is None or scope.holder is None or scope.holder.name != "fused":
                return value
            value = scope.holder.operands[i]

    def _flat_keys(self, numbers: dict[object, int]) -> dict[Op, int]:
        """Equal numbers for ops that compute the same, wherever they are; annotations do not count.

        `numbers` gives a number to each structure, and is shared by both sides.
        """

        def intern(key: object) -> int:
            return numbers.setdefault(key, len(numbers))

        keys: dict[Op, int] = {}
        for op in self.ops:
            if op.name == "fused":
                keys[op] = intern(op)  # matched by what is in it
                continue
            operands = tuple(self._value_key(self.source(v), keys) for v in op.operands)
            attrs = tuple((k, attr_text(a, digest_text)) for k, a in sorted(semantic(op.attrs).items()))
            inside = tuple(len(r.ops) for r in op.regions)
            keys[op] = intern((op.name, operands, attrs, tuple(map(_type_key, op.results)), inside))
        return keys

    def _value_key(self, value: Value, keys: dict[Op, int]) -> object:
        if value.owner is not None:
            return keys.get(value.owner), value.index
        scope, i = self.params.get(value, (None, -1))
        holder = None if scope is None or scope.holder is None else scope.holder.name
        return "leaf", holder, i, value.dtype, value.ndim


def _type_key(value: Value) -> str:
    """The type, with every symbol alike: a specialised function computes what the general one does."""
    return f"{value.dtype}{value.ndim}"


@dataclass
class Symbols:
    """Which dimensions of the one function are which of the other, learnt as they are compared.

    `n` may be `m`, or `600` once it is so everywhere: it is where the two meet first that they differ.
    """

    forward: dict[str, DimLike] = field(default_factory=dict)
    backward: dict[str, DimLike] = field(default_factory=dict)

    def same(self, a: DimLike, b: DimLike) -> bool:
        """Whether two dimensions agree; symbols that are new on both sides do."""
        if isinstance(a, Dim):
            a = a.subs(self.forward)
        if isinstance(b, Dim) and a != b:
            b = b.subs(self.backward)
        if a == b:
            return True
        if _plain(a) and str(a) not in self.forward and str(a) not in map(str, self.forward.values()):
            if _plain(b) and str(b) in map(str, self.forward.values()):
                return False
            self.forward[str(a)] = b
            return True
        if _plain(b) and str(b) not in self.backward and isinstance(a, int):
            self.backward[str(b)] = a
            return True
        return False

    def types(self, a: TensorType, b: TensorType) -> bool:
        """Whether two types agree."""
        if (a.dtype, a.ndim, a.device) != (b.dtype, b.ndim, b.device):
            return False
        return all([self.same(x, y) for x, y in zip(a.shape, b.shape, strict=True)])

    def attrs(self, a: object, b: object) -> bool:
        """Whether two attributes agree."""
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            return all([self.attrs(x, y) for x, y in zip(a, b, strict=True)])
        if isinstance(a, Dim) or isinstance(b, Dim):
            sizes = [x for x in (a, b) if isinstance(x, Dim) or type(x) is int]
            return len(sizes) == 2 and self.same(*sizes)
        return attrs_equal(subs_attr(a, self.forward), b)


def _plain(d: object) -> bool:
    return isinstance(d, Dim) and d == Dim.symbol(next(iter(d.symbols())))


class Matching:
    """The ops of `before` and `after` in pairs.

    Attributes:
        pairs: op -> its partner in `after`; `back` is the inverse.
        symbols: the dimensions.
    """

    def __init__(self, before: Func, after: Func) -> None:
        numbers: dict[object, int] = {}
        self.a, self.b = Side(before, numbers), Side(after, numbers)
        self.pairs: dict[Op, Op] = {}
        self.back: dict[Op, Op] = {}
        self.leaves: dict[Value, Value] = {}
        self.symbols = Symbols()
        self.equal = structural_hash(before) == structural_hash(after)
        self._inputs()
        if self.equal:
            self._scopes(self.a.scopes[0], self.b.scopes[0], before.roots(), after.roots())
            return
        self._by_structure()
        for _ in range(4):
            count = len(self.pairs)
            self._down()
            self._up()
            if len(self.pairs) == count and not self._replaced():
                break

    # ------------------------------------------------------------ leaves
    def _inputs(self) -> None:
        before, after = self.a.func, self.b.func
        self._leaves(before.params, after.params)
        self._leaves([s.value for s in before.states], [s.value for s in after.states])

    def _leaves(self, old: Sequence[Value], new: Sequence[Value]) -> None:
        """By place where all fit; else by name, and then in order of what fits."""
        if len(old) == len(new) and all(v.ndim == w.ndim for v, w in zip(old, new, strict=True)):
            chosen = list(zip(old, new, strict=True))
        else:
            chosen = [(v, w) for v in old for w in new if v.name == w.name]
            taken = {x for pair in chosen for x in pair}
            for v in old:
                fits = (w for w in new if w not in taken and (w.dtype, w.ndim) == (v.dtype, v.ndim))
                w = next(fits, None) if v not in taken else None
                if w is not None:
                    chosen.append((v, w))
                    taken |= {v, w}
        for v, w in chosen:
            self.leaves[v] = w
            self.symbols.types(v.type, w.type)

    # ------------------------------------------------------------ equal functions
    def _scopes(self, a: Scope, b: Scope, roots: Iterable[Value], partners: Iterable[Value]) -> None:
        """Pair the ops of equal scopes in canonical order."""
        one, two = canonical_order(self.a.func, a.body.ops, roots), canonical_order(self.b.func, b.body.ops, partners)
        for x, y in zip(one, two, strict=True):
            self._pair(x, y)
            for r, s in zip(x.regions, y.regions, strict=True):
                self._scopes(self._scope(self.a, r), self._scope(self.b, s), r.yields, s.yields)

    @staticmethod
    def _scope(side: Side, region: Region) -> Scope:
        return next(s for s in side.scopes if s.body is region)

    # ------------------------------------------------------------ pairs
    def _pair(self, x: Op, y: Op) -> None:
        self.pairs[x] = y
        self.back[y] = x
        for r, s in zip(x.regions, y.regions, strict=False):
            if x.name != "fused":
                self.leaves.update(zip(r.params, s.params, strict=False))
        for v, w in zip(x.results, y.results, strict=False):
            if v.ndim == w.ndim:
                self.symbols.types(v.type, w.type)

    def _free(self, x: Op | None, y: Op | None) -> bool:
        """Whether two ops might be one and are not taken; kernels are matched by what is in them."""
        return (
            x is not None and y is not None and x not in self.pairs and y not in self.back
            and x in self.a.scope_of and y in self.b.scope_of and x.name == y.name
            and len(x.regions) == len(y.regions)
        )  # fmt: skip

    def corresponds(self, v: Value, w: Value) -> bool:
        """Whether two values are one: leaves in one place, the same results of matched ops, or computed alike."""
        v, w = self.a.source(v), self.b.source(w)
        if v.owner is None or w.owner is None:
            return self.leaves.get(v) is w
        if v.index != w.index:
            return False
        same = self.a.keys.get(v.owner) == self.b.keys.get(w.owner) and v.owner not in self.a.looped
        return same or self.pairs.get(v.owner) is w.owner

    def _by_structure(self) -> None:
        groups: dict[int, tuple[list[Op], list[Op]]] = {}
        for side, ops in enumerate((self.a.ops, self.b.ops)):
            keys = (self.a if side == 0 else self.b).keys
            for op in ops:
                groups.setdefault(keys[op], ([], []))[side].append(op)
        for old, new in groups.values():
            if len(old) == len(new) == 1:
                self._pair(old[0], new[0])
        # Of several that are alike, those that matched ops, or the results, read in one place.
        self._down(alike=True)
        for old, new in groups.values():
            left = [op for op in old if op not in self.pairs]
            free = [op for op in new if op not in self.back]
            for x in left:  # at best of the same kind of place
                inside = self.depth(self.a, x)
                y = min(free, key=lambda op: abs(self.depth(self.b, op) - inside), default=None)
                if y is not None and x.name == y.name:
                    self._pair(x, y)
                    free.remove(y)

    @staticmethod
    def depth(side: Side, op: Op) -> int:
        """How many regions are around an op."""
        depth, scope = 0, side.scope_of[op]
        while scope.holder is not None:
            depth, scope = depth + 1, side.scope_of[scope.holder]
        return depth

    # ------------------------------------------------------------ what differs
    def _down(self, alike: bool = False) -> None:
        """From the results: what a pair reads in one place is a pair."""
        self._slots(self.a.func.results, self.b.func.results, alike)
        updates = {s.value: s.update for s in self.b.func.states}
        for state in self.a.func.states:
            partner = self.leaves.get(state.value)
            new = None if partner is None else updates.get(partner)
            if state.update is not None and new is not None:
                self._slots([state.update], [new], alike)
        for x in reversed(self.a.ops):
            y = self.pairs.get(x)
            if y is None:
                continue
            for r, s in zip(x.regions, y.regions, strict=False):
                if x.name != "fused":
                    self._slots(r.yields, s.yields, alike)
            self._slots(x.operands, y.operands, alike)
            if has_trait(x.name, "commutative") and len(x.operands) == len(y.operands) == 2:
                self._slots(x.operands, y.operands[::-1], alike)

    def _slots(self, old: Sequence[Value], new: Sequence[Value], alike: bool) -> None:
        for v, w in zip(old, new, strict=False):
            v, w = self.a.source(v), self.b.source(w)
            x, y = v.owner, w.owner
            if x is None or y is None or v.index != w.index or not self._free(x, y):
                continue
            if self.a.keys[x] == self.b.keys[y] or (not alike and self._near(x, y)):
                self._pair(x, y)

    @staticmethod
    def _near(x: Op, y: Op) -> bool:
        """Whether one op may have become the other: of one rank; constants of one shape."""
        same = [v.ndim for v in x.results] == [w.ndim for w in y.results]
        return same and (x.name != "const" or x.result.shape == y.result.shape)

    def _up(self) -> None:
        """From the operands: of the ops that take a partner of an operand, the one most alike."""
        for x in self.a.ops:
            if x in self.pairs:
                continue
            candidates: dict[Op, float] = {}
            for i, v in enumerate(x.operands):
                for y in self._users_of_partner(v):
                    if self._free(x, y):
                        at_place = i < len(y.operands) and self.corresponds(v, y.operands[i])
                        candidates[y] = candidates.get(y, 0.0) + (1.0 if at_place else 0.5)
            for y in candidates:
                alike = semantic(x.attrs).keys() == semantic(y.attrs).keys() and all(
                    attrs_equal(x.attrs[k], y.attrs[k]) for k in semantic(x.attrs)
                )
                named = x.results[:1] and y.results[:1] and x.results[0].name == y.results[0].name is not None
                candidates[y] += (0.4 if alike else 0.0) + (0.2 if named else 0.0)
            if x.name == "fused":
                self._kernel(x, candidates)
            best = max(candidates, key=lambda y: candidates[y], default=None)
            if best is not None and (candidates[best] >= 1.0 or len(x.operands) > 2):
                self._pair(x, best)

    def _replaced(self) -> bool:
        """Pair ops of different names that are read in one place and take, but for one, the same operands."""
        count = len(self.pairs)
        for user, partner in list(self.pairs.items()):
            for v, w in zip(user.operands, partner.operands, strict=False):
                x, y = self.a.source(v).owner, self.b.source(w).owner
                if x is None or y is None or x in self.pairs or y in self.back or x.regions or y.regions:
                    continue
                same = [self.corresponds(p, q) for p, q in zip(x.operands, y.operands, strict=False)]
                types = [[(r.dtype, r.ndim) for r in op.results] for op in (x, y)]
                alike = types[0] == types[1] and len(x.operands) == len(y.operands)
                if alike and any(same) and same.count(False) <= 1:
                    self._pair(x, y)
        return len(self.pairs) > count

    def _kernel(self, x: Op, candidates: dict[Op, float]) -> None:
        """Kernels that share ops."""
        for inner in x.regions[0].ops:
            partner = self.pairs.get(inner)
            holder = None if partner is None else self.b.scope_of[partner].holder
            if holder is not None and self._free(x, holder) and inner.name != "const":
                candidates[holder] = candidates.get(holder, 0.0) + 1.0

    def _users_of_partner(self, v: Value) -> list[Op]:
        v = self.a.source(v)
        if v.owner is None:
            partner = self.leaves.get(v)
        else:
            y = self.pairs.get(v.owner)
            partner = None if y is None or v.index >= len(y.results) else y.results[v.index]
        if partner is None:
            return []
        found = [op for op in self.b.users.get(partner, []) if op.name != "fused"]
        for op in self.b.users.get(partner, []):
            if op.name == "fused":
                found.append(op)
                for param, operand in zip(op.regions[0].params, op.operands, strict=True):
                    if operand is partner:
                        found += self.b.users.get(param, [])
        return found

    def moved(self, x: Op) -> bool:
        """Whether the partner of `x` is in another kernel, loop or branch."""
        a, b = self.a.scope_of[x], self.b.scope_of[self.pairs[x]]
        if a.holder is None or b.holder is None:
            return (a.holder is None) != (b.holder is None)
        return self.pairs.get(a.holder) is not b.holder or a.index != b.index

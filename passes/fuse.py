"""Fusion: cut a function into kernels.

Each kernel (`fused` op) has one iteration space. Elementwise ops of one shape fuse into `map` kernels with any number
of outputs. A reduction turns its kernel into `rows` (the last axis is reduced: softmax, norms, losses) in which values
per row and further full-size values may follow, or `cols` (the last axis stays: bias gradients), in which only values
of the reduced shape may. Cheap leaves (constants, `iota`, `broadcast` of a scalar) are copied into each kernel. A
concatenation of equal shapes is a `join` at the end of the map that computes its parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value, uses
from arignote.ir.opdef import has_trait
from arignote.ir.ops.fused import row_shapes
from arignote.ir.placement import host_scalars, is_contiguous_view
from arignote.ir.types import DimLike
from arignote.passes.base import Pass

Shape = tuple[DimLike, ...]


@dataclass(eq=False)
class _Group:
    """A kernel in the making. `domain` is its iteration space; `axes` those its reductions drop."""

    index: int
    ops: list[Op]
    domain: Shape = ()
    axes: tuple[int, ...] = ()
    fusable: bool = True
    above: int = 0  # bit set of the groups it depends on
    size: int = field(default=1)

    @property
    def bit(self) -> int:
        return 1 << self.index

    def row_shapes(self) -> tuple[Shape, Shape]:
        """The shape of a value per row: with the reduced axes dropped, and with them kept as 1."""
        return row_shapes(self.domain, self.axes)


def is_free(op: Op) -> bool:
    """Cheap enough to compute again wherever it is used."""
    if op.name == "const":
        return op.result.ndim == 0
    return op.name == "iota" or (op.name == "broadcast" and op.operands[0].ndim == 0 and len(op.operands) == 1)


def _is_join(op: Op) -> bool:
    """Whether `op` puts values of one shape beside each other: the kernel that computes them can store them so."""
    return op.name == "join" or (op.name == "concatenate" and len({v.shape for v in op.operands}) == 1)


def _reads_memory(op: Op) -> bool:
    """Whether `op` reads operands at other places than where its kernel is at."""
    return has_trait(op.name, "index") and op.name not in ("broadcast", "reshape") and not _is_join(op)


@dataclass(frozen=True)
class Fuse(Pass):
    """Group elementwise ops, index ops and reductions into kernels (`fused` ops)."""

    name: ClassVar[str] = "fuse"
    max: int = 64  # ops in one kernel

    def run(self, func: Func) -> Func:
        if any(op.name == "fused" for op in func.ops):
            return func
        return _Fusion(func, self.max, host_scalars(func)).result()


class _Fusion:
    """The kernels of a function, or of a region as one."""

    def __init__(self, func: Func, max_ops: int, host: set[Value]) -> None:
        self.func = func
        self.max_ops = max_ops
        self.host = host
        self.users = uses(func.ops)
        self.roots = set(func.roots())
        self.position = {op: i for i, op in enumerate(func.ops)}
        self.groups: dict[Op, _Group] = {}
        self.all: list[_Group] = []
        self.merged = 0  # bit set of the groups that others have taken in

    def result(self) -> Func:
        for op in self.func.ops:
            self._place(op)
        self._merge_siblings()
        self._merge_again()
        return self._emit()

    # -- grouping ---------------------------------------------------------------------------------------------------

    def _fusable(self, op: Op) -> bool:
        if any(r in self.host for r in op.results):
            return False
        if op.name == "reshape" or (op.name == "slice" and is_contiguous_view(op)):
            return False
        return _is_join(op) or any(has_trait(op.name, t) for t in ("elementwise", "index", "reduction"))

    def _place(self, op: Op) -> None:
        """Give `op` a group, merged with those of its operands where the result is a kernel."""
        reduces = has_trait(op.name, "reduction")
        group = _Group(
            len(self.all),
            [op],
            op.operands[0].shape if reduces or _is_join(op) else op.results[0].shape,
            op.attrs["axes"] if reduces else (),
            self._fusable(op),
        )
        if reduces and not group.axes:
            group.axes, group.domain = (), op.results[0].shape
        self.all.append(group)
        self.groups[op] = group
        producers = [v.owner for v in op.operands if v.owner is not None and v.owner in self.groups]
        for p in producers:
            group.above |= self.groups[p].bit | self.groups[p].above
        if not group.fusable and not self._row_reshape(op):
            return
        if _reads_memory(op):
            return  # an index op reads from memory: a leaf of its kernel
        for p in reversed(producers):
            target = self.groups[p]
            if target is not self.groups[op] and not self._copied(p):
                self._try_merge(target, self.groups[op])

    def _copied(self, op: Op) -> bool:
        """Whether `op` becomes a part of the kernels that use it."""
        return is_free(op) or self._read_in_place(op)

    def _read_in_place(self, op: Op) -> bool:
        """Whether `op` is a slice that one index op reads, which can as well read what it is a slice of."""
        users = self.users.get(op.results[0], []) if op.name == "slice" else []
        once = len(users) == 1 and op.results[0] not in self.roots and len(op.operands) == 1
        return once and _reads_memory(users[0]) and not has_trait(users[0].name, "position") and self._fusable(op)

    def _in_memory(self, v: Value) -> Value:
        """What an index op reads where its operand is `v`."""
        while v.owner is not None and self._read_in_place(v.owner):
            v = v.owner.operands[0]
        return v

    def _row_reshape(self, op: Op) -> bool:
        """A reshape between the two forms of a value per row, `[n]` and `[n,1]`."""
        if op.name != "reshape" or len(op.operands) != 1:
            return False
        owner = op.operands[0].owner
        group = self.groups.get(owner) if owner is not None else None
        if group is None or not group.fusable or not group.axes:
            return False
        return op.operands[0].shape in group.row_shapes() and op.result.shape in group.row_shapes()

    def _try_merge(self, a: _Group, b: _Group) -> bool:
        """Merge `a` and the later group `b` if the union is one kernel and depends on nothing in between."""
        if not a.fusable or a.size + b.size > self.max_ops:
            return False
        if any(map(self._read_in_place, (*a.ops, *b.ops))):
            return False
        if not (a.axes or b.axes) and any(op.name == "reshape" for op in (*a.ops, *b.ops)):
            return False  # only between the two forms of a value per row
        if (a.axes or b.axes) and any(map(_is_join, (*a.ops, *b.ops))):
            return False
        space = self._common_space(a, b)
        if space is None or self._reads_elsewhere(a, b) or self._reads_elsewhere(b, a):
            return False
        # A path a -> x -> b through another group x would become a cycle.
        if any(x is not a and x.above & a.bit for x in self._before(b)) or any(
            x is not b and x.above & b.bit for x in self._before(a)
        ):
            return False
        ops = {*a.ops, *b.ops}
        if not self._aligned(ops, *space) or not self._cols_ok(ops, *space):
            return False
        a.domain, a.axes = space
        a.fusable = b.fusable = True
        a.ops += b.ops
        a.size += b.size
        self.merged |= b.bit
        a.above = (a.above | b.above) & ~(self.merged | a.bit)
        for op in b.ops:
            self.groups[op] = a
        self.all[b.index] = a
        self._tell_followers(a)
        return True

    def _before(self, group: _Group) -> set[_Group]:
        """The groups that `group` reads from."""
        owners = (v.owner for op in group.ops for v in op.operands)
        return {self.groups[p] for p in owners if p is not None and p in self.groups} - {group}

    def _tell_followers(self, group: _Group) -> None:
        """Hand on what `group` depends on to the groups that depend on it, as far as it is new to them."""
        stack = [group]
        while stack:
            g = stack.pop()
            news = g.above | g.bit
            for op in g.ops:
                for r in op.results:
                    for user in self.users.get(r, ()):
                        follower = self.groups.get(user)
                        if follower is not None and follower is not g and news & ~follower.above:
                            follower.above |= news
                            stack.append(follower)

    def _reads_elsewhere(self, a: _Group, b: _Group) -> bool:
        """Whether `b` reads what `a` computes at other places than where it is at: from memory, not within a kernel."""
        return any(
            _reads_memory(op)
            and any(
                v.owner is not None and not is_free(v.owner) and self.groups[v.owner] is a
                for v in map(self._in_memory, op.operands)
            )
            for op in b.ops
        )  # fmt: skip

    def _live(self) -> list[_Group]:
        return [g for i, g in enumerate(self.all) if g.index == i]

    @staticmethod
    def _common_space(a: _Group, b: _Group) -> tuple[Shape, tuple[int, ...]] | None:
        if a.domain == b.domain and (a.axes == b.axes or not a.axes or not b.axes):
            return a.domain, a.axes or b.axes
        if a.axes and not b.axes and b.domain in a.row_shapes():
            return a.domain, a.axes
        if b.axes and not a.axes and a.domain in b.row_shapes():
            return b.domain, b.axes
        return None

    @staticmethod
    def _aligned(inside: set[Op], domain: Shape, axes: tuple[int, ...]) -> bool:
        """Whether broadcasting inside the kernel reads values per row at their own row. `[n]` against `[n,n]` would be
        read by column."""
        if not axes:
            return True
        dropped = tuple(d for a, d in enumerate(domain) if a not in axes)
        for op in inside:
            if not has_trait(op.name, "elementwise") or op.results[0].shape == dropped:
                continue
            if any(v.owner in inside and v.ndim and v.shape == dropped for v in op.operands):
                return False
        return True

    def _cols_ok(self, inside: set[Op], domain: Shape, axes: tuple[int, ...]) -> bool:
        """A `cols` kernel keeps nothing of full size: no full-size value may come after a reduction or leave."""
        if not axes or len(domain) - 1 in axes:
            return True
        late: set[Value] = set()
        for op in sorted(inside, key=self.position.__getitem__):
            full = op.results[0].shape == domain and not has_trait(op.name, "reduction")
            if has_trait(op.name, "reduction") or any(v in late for v in op.operands):
                if full:
                    return False
                late.update(op.results)
            elif full and not is_free(op) and self._used_outside(op.results[0], inside):
                return False
        return True

    def _used_outside(self, v: Value, inside: set[Op]) -> bool:
        return v in self.roots or any(u not in inside for u in self.users.get(v, []))

    def _merge_again(self) -> None:
        """Kernels that met a reduction later may take in values per row that did not fit when they were maps."""
        for op in self.func.ops:
            for v in op.operands:
                group = self.groups[op]
                if group.fusable and v.owner is not None and self.groups[v.owner] is not group:
                    self._try_merge(self.groups[v.owner], group)

    def _merge_siblings(self) -> None:
        """Merge kernels of one space that read a common operand, so that it is read once (multi-output fusion)."""
        readers: dict[Value, list[_Group]] = {}
        for group in self._live():
            if group.fusable:
                for op in group.ops:
                    for v in op.operands:
                        if v.ndim and (v.owner is None or self.groups[v.owner] is not group):
                            readers.setdefault(v, []).append(group)
        for groups in readers.values():
            first = self.all[groups[0].index]
            for other in groups[1:]:
                other = self.all[other.index]
                while self.all[other.index] is not other:
                    other = self.all[other.index]
                while self.all[first.index] is not first:
                    first = self.all[first.index]
                if first is other or first.domain != other.domain or first.axes != other.axes:
                    continue
                if first.above & other.bit or other.above & first.bit:
                    continue
                self._try_merge(first, other)

    # -- emission ---------------------------------------------------------------------------------------------------

    def _emit(self) -> Func:
        ops: list[Op] = []
        builder = Builder(ops)
        mapping: dict[Value, Value] = {}
        for group in self._live():
            group.ops.sort(key=self.position.__getitem__)
        done: set[int] = set()
        for start in self.func.ops:
            self._emit_group(self.groups[start], builder, mapping, done)
        fused = self.func.with_ops(ops, mapping)
        return replace(fused, attrs={**fused.attrs, "stage": "fused"})

    def _emit_group(self, group: _Group, builder: Builder, mapping: dict[Value, Value], done: set[int]) -> None:
        stack = [group]
        while stack:
            current = stack[-1]
            if current.index in done:
                stack.pop()
                continue
            needed = [
                g
                for op in current.ops
                for v in op.operands
                if v.owner is not None and (g := self.groups[v.owner]) is not current and g.index not in done
            ]
            if needed:
                stack.extend(needed)
                continue
            stack.pop()
            done.add(current.index)
            if current.fusable:
                self._emit_kernel(current, builder, mapping)
            else:
                for op in current.ops:
                    operands = [mapping.get(v, v) for v in op.operands]
                    results = builder.emit(
                        op.name, *operands, regions=self._regions(op), loc=op.loc,
                        names=[r.name for r in op.results], **op.attrs,
                    )  # fmt: skip
                    mapping.update(zip(op.results, results, strict=True))

    def _regions(self, op: Op) -> list[Region]:
        """The bodies of loops and branches, cut into kernels of their own."""
        return list(op.regions) if has_trait(op.name, "kernel") else list(map(self._region, op.regions))

    def _region(self, region: Region) -> Region:
        body = Func("body", region.params, [], region.ops, region.yields)
        fused = _Fusion(body, self.max_ops, self.host).result()
        return Region(region.params, fused.ops, fused.results)

    def _emit_kernel(self, group: _Group, builder: Builder, mapping: dict[Value, Value]) -> None:
        inside = set(group.ops)
        outputs = [
            r for op in group.ops for r in op.results
            if r in self.roots or any(self._leaves(u, group) for u in self.users.get(r, []))
        ]  # fmt: skip
        if not outputs:
            return  # a cheap leaf that every user copied
        body: list[Op] = []
        inner = Builder(body)
        local: dict[Value, Value] = {}
        inputs: list[Value] = []
        params: list[Value] = []

        def read(v: Value) -> Value:
            if v in local:
                return local[v]
            if v.owner is not None and v.owner not in inside and self._copied(v.owner):
                copied = [read(u) for u in v.owner.operands]
                (local[v],) = inner.emit(
                    v.owner.name, *copied, loc=v.owner.loc, names=[v.name], **v.owner.attrs
                )
                return local[v]
            local[v] = Value(v.type, v.name)
            inputs.append(mapping.get(v, v))
            params.append(local[v])
            return local[v]

        for op in group.ops:
            operands = [read(v) for v in op.operands]
            name = "join" if _is_join(op) else op.name
            results = inner.emit(name, *operands, loc=op.loc, names=[r.name for r in op.results], **op.attrs)
            local.update(zip(op.results, results, strict=True))
        kind = "map" if not group.axes else "rows" if len(group.domain) - 1 in group.axes else "cols"
        region = Region(params, body, [local[v] for v in outputs])
        results = builder.emit(
            "fused", *inputs, regions=[region], loc=group.ops[-1].loc, names=[v.name for v in outputs],
            kind=kind, axes=group.axes,
        )  # fmt: skip
        mapping.update(zip(outputs, results, strict=True))

    def _leaves(self, user: Op, group: _Group) -> bool:
        """Whether `user` reads a result of `group` from memory."""
        other = self.groups[user]
        return other is not group and not (all(map(self._copied, group.ops)) and other.fusable)

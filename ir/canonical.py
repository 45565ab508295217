"""Structural identity: canonical form, hash, equality. Names, locations and listing do not count.

The canonical order is that of a depth-first walk from the results and updates, operands in order,
which no order of listing can change; ops that nothing needs follow, by the hash of what they
compute. Values are named after their op and order (`%dot.0`), inputs `%arg0` and `@state0`,
dimensions `d0`, all in order of appearance. What counts: ops, attributes (constants by their
bytes; NaNs are all alike), types, the order of operands and inputs, and sharing: a value computed
twice differs from one used twice, so that common subexpression elimination shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from arignote.ir.bound import bound_symbols
from arignote.ir.core import Attr, Func, Module, Op, Region, State, Value
from arignote.ir.diag import IRError
from arignote.ir.opdef import is_ordered
from arignote.ir.symbols import attr_dims, subs_attr
from arignote.ir.text import array_text, attr_text, func_lines, print_module
from arignote.ir.types import Dim, DimLike, TensorType


def canonical(func: Func) -> Func:
    """The canonical form: that of structurally equal functions prints the same, but for `@name`."""
    walk = _Walk(func)
    symbols: dict[str, DimLike] = {}
    mapping: dict[Value, Value] = {}
    for i, param in enumerate(func.params):
        mapping[param] = Value(walk.type(param.type, symbols), f"arg{i}")
    for i, state in enumerate(func.states):
        mapping[state.value] = Value(walk.type(state.value.type, symbols), f"state{i}")
    ops = walk.block(func.ops, func.roots(), symbols, mapping)
    states = [
        State(
            mapping[s.value].name or "",
            mapping[s.value],
            None if s.update is None else _defined(s.update, mapping),
        )
        for s in func.states
    ]
    attrs = {k: walk.attr(func.attrs[k], symbols) for k in sorted(func.attrs)}
    params = [mapping[p] for p in func.params]
    return Func(func.name, params, states, ops, [_defined(r, mapping) for r in func.results], attrs)


def canonical_text(func: Func) -> str:
    """The text of the canonical form."""
    return print_module(canonical(func))


def canonical_order(func: Func, ops: Sequence[Op], roots: Iterable[Value]) -> list[Op]:
    """The ops of a function, or of a region of it, in canonical order; `roots` are its results, or what it yields."""
    return _Walk(func).order(ops, roots, {})


def structural_hash(program: Func | Module) -> str:
    """SHA-256 (hex) of the structure, the same in every process. Modules' function names count."""
    total = hashlib.sha256()
    if isinstance(program, Module):
        for func in program:
            total.update(f"{func.name}={structural_hash(func)}\n".encode())
    else:
        form = canonical(program)
        form.name = "f"
        for line in func_lines(form, array=digest_text):
            total.update(line.encode() + b"\n")
    return total.hexdigest()


def equal(a: Func | Module, b: Func | Module) -> bool:
    """Whether two programs are structurally equal."""
    return type(a) is type(b) and structural_hash(a) == structural_hash(b)


def first_difference(a: Func | Module, b: Func | Module) -> str:
    """Where two programs first differ, in lines of their canonical forms; empty if equal."""
    if isinstance(a, Module) and isinstance(b, Module):
        if [f.name for f in a] != [f.name for f in b]:
            listed = (", ".join("@" + f.name for f in m) or "none" for m in (a, b))
            return "the functions differ:\n- {}\n+ {}".format(*listed)
        pairs = zip(a, b, strict=True)
        return next((text for f, g in pairs if (text := first_difference(f, g))), "")
    if isinstance(a, Module) or isinstance(b, Module):
        return "a function is compared with a module"
    forms = canonical(a), canonical(b)
    forms[1].name = a.name
    left, right = (list(func_lines(form)) for form in forms)
    # Every form ends with `}`, and no line before the last is `}`: a pair differs if any line does.
    for number, (x, y) in enumerate(zip(left, right, strict=False), 1):
        if x != y:
            return f"@{a.name} differs at line {number} of the canonical forms:\n- {x}\n+ {y}"
    return ""


def op_hashes(func: Func) -> dict[Op, str]:
    """A hash of what each op computes: of its name, attributes, types, and operands' hashes.

    It depends neither on names nor on what else the function does; several ops may share one.
    For matching the ops of two functions.
    """
    names = _Walk(func)
    symbols: dict[str, DimLike] = {}
    values: dict[Value, str] = {}
    for kind, inputs in (("arg", func.params), ("state", [s.value for s in func.states])):
        for i, value in enumerate(inputs):
            values[value] = _hash(kind, i, names.type(value.type, symbols))
    hashes: dict[Op, str] = {}
    _hash_ops(func.ops, symbols, values, hashes)
    return hashes


def _hash_ops(
    ops: Iterable[Op],
    symbols: dict[str, DimLike],
    values: dict[Value, str],
    hashes: dict[Op, str],
) -> None:
    for op in ops:
        own = [name for name, _ in bound_symbols(op) if name not in symbols]
        local = {**symbols, **{s: Dim.symbol(f"own.{i}") for i, s in enumerate(own)}}
        regions = [_hash_region(r, dict(local), hashes) for r in op.regions]
        text = _hash(
            op.name,
            *(
                f"{k}={attr_text(_plain(op.attrs[k], local), digest_text)}"
                for k in sorted(op.attrs)
            ),
            *(values.get(v, "undefined") for v in op.operands),
            *(r.type.subs(local) for r in op.results),
            *regions,
        )
        hashes[op] = text
        for i, symbol in enumerate(own):
            symbols[symbol] = Dim.symbol(f"own.{text[:24]}.{i}")
        for i, result in enumerate(op.results):
            values[result] = f"{text}.{i}"


def _hash_region(region: Region, symbols: dict[str, DimLike], hashes: dict[Op, str]) -> str:
    values = {p: _hash("arg", i, p.type.subs(symbols)) for i, p in enumerate(region.params)}
    _hash_ops(region.ops, symbols, values, hashes)
    types = (p.type.subs(symbols) for p in region.params)
    return _hash("region", *types, *(values.get(v, "undefined") for v in region.yields))


def _hash(*parts: object) -> str:
    # Parts hold no newline: names, types, hashes, and attributes, whose strings are JSON.
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def digest_text(array: np.ndarray) -> str:
    """An array in hashed text: large ones by a digest of their bytes."""
    if array.size <= 16:
        return array_text(array)
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return f"{array.dtype.name}{list(array.shape)}{hashlib.sha256(little.tobytes()).hexdigest()}"


def _plain(attr: Attr, symbols: Mapping[str, DimLike]) -> Attr:
    """An attribute with its symbols replaced, and all NaNs of a constant alike."""
    if isinstance(attr, np.ndarray) and attr.dtype.kind in "fc" and np.isnan(attr).any():
        plain = attr.copy()
        parts = plain.reshape(-1).view(plain.real.dtype)
        parts[np.isnan(parts)] = np.nan
        return plain
    return subs_attr(attr, symbols)


class _Walk:
    """Rebuilds a function in canonical order with canonical names."""

    def __init__(self, func: Func) -> None:
        self.func = func
        self.count = 0  # of symbols
        self._hashes: dict[Op, str] | None = None

    def hashes(self) -> dict[Op, str]:
        """Hashes of the ops, where dead ops must be put in order."""
        if self._hashes is None:
            self._hashes = op_hashes(self.func)
        return self._hashes

    def learn(self, dim: DimLike, symbols: dict[str, DimLike]) -> None:
        """Name the new symbols of `dim`; those that appear together, by their places in it."""
        if not isinstance(dim, Dim):
            return
        new = [s for s in dim.symbols() if s not in symbols]
        for symbol in sorted(new, key=lambda s: _place(dim, s, symbols)) if len(new) > 1 else new:
            symbols[symbol] = Dim.symbol(f"d{self.count}")
            self.count += 1

    def type(self, type: TensorType, symbols: dict[str, DimLike]) -> TensorType:
        """A type with canonical symbols."""
        for dim in type.shape:
            self.learn(dim, symbols)
        return type.subs(symbols)

    def attr(self, attr: Attr, symbols: dict[str, DimLike]) -> Attr:
        """An attribute with canonical symbols."""
        for dim in attr_dims(attr):
            self.learn(dim, symbols)
        return _plain(attr, symbols)

    def block(
        self,
        ops: Sequence[Op],
        roots: Iterable[Value],
        symbols: dict[str, DimLike],
        mapping: dict[Value, Value],
    ) -> list[Op]:
        """The ops of a function or region, rebuilt; `mapping` receives their results."""
        counts: dict[str, int] = {}
        out: list[Op] = []
        for op in self.order(ops, roots, symbols):
            operands = [_defined(v, mapping) for v in op.operands]
            attrs = {k: self.attr(op.attrs[k], symbols) for k in sorted(op.attrs)}
            types = [self.type(r.type, symbols) for r in op.results]
            regions = [self.region(r, dict(symbols)) for r in op.regions]
            first = counts.get(op.name, 0)
            counts[op.name] = first + len(types)
            names = [f"{op.name}.{first + i}" for i in range(len(types))]
            new = Op(op.name, operands, attrs, types, regions, op.loc, names)
            mapping.update(zip(op.results, new.results, strict=True))
            out.append(new)
        return out

    def region(self, region: Region, symbols: dict[str, DimLike]) -> Region:
        """A region, rebuilt; `symbols` are its own."""
        mapping: dict[Value, Value] = {}
        for i, param in enumerate(region.params):
            mapping[param] = Value(self.type(param.type, symbols), f"arg{i}")
        ops = self.block(region.ops, region.yields, symbols, mapping)
        params = [mapping[p] for p in region.params]
        return Region(params, ops, [_defined(v, mapping) for v in region.yields])

    def order(
        self, ops: Sequence[Op], roots: Iterable[Value], symbols: Mapping[str, DimLike]
    ) -> list[Op]:
        """`ops` in canonical order."""
        binders: dict[str, Op] = {}
        for op in ops:
            for name, _ in bound_symbols(op):
                if name not in symbols:
                    binders.setdefault(name, op)
        listed = {op: i for i, op in enumerate(ops)}
        done: set[Op] = set()
        out: list[Op] = []

        def visit(root: Op) -> None:
            stack = [root]
            while stack:
                op = stack[-1]
                if op in done:
                    stack.pop()
                    continue
                ready = True
                for needed in reversed(_needs(op, binders)):
                    # Operands come before users; in broken IR this keeps the walk from going round.
                    if needed not in done and listed.get(needed, len(ops)) < listed[op]:
                        stack.append(needed)
                        ready = False
                if ready:
                    stack.pop()
                    done.add(op)
                    out.append(op)

        for value in roots:
            if value.owner is not None and value.owner in listed:
                visit(value.owner)
        for op in ops:  # what the world sees has an order
            if is_ordered(op):
                visit(op)
        if len(done) < len(ops):
            dead = [op for op in ops if op not in done]
            used = {v.owner for op in dead for v in op.operands}
            used |= {needed for op in dead for needed in _needs(op, binders) if needed is not op}
            hashes = self.hashes()
            for op in sorted((op for op in dead if op not in used), key=hashes.__getitem__):
                visit(op)
        return out


def _place(
    dim: Dim, symbol: str, symbols: Mapping[str, DimLike]
) -> tuple[list[tuple[int, int, list[str]]], str]:
    """What tells a symbol of `dim` from the others without its name: the terms it occurs in."""
    terms = [
        (coefficient, dict(monomial)[symbol], sorted(str(symbols.get(s, "")) for s, _ in monomial))
        for monomial, coefficient in dim.terms
        if symbol in dict(monomial)
    ]
    return sorted(terms), symbol


def _defined(value: Value, mapping: Mapping[Value, Value]) -> Value:
    if value not in mapping:
        raise IRError(f"{value!r} is used but not defined before: verify the function first")
    return mapping[value]


def _needs(op: Op, binders: Mapping[str, Op]) -> list[Op]:
    """The ops that come before `op`: those of its operands, and those that bind its symbols."""
    out = [v.owner for v in op.operands if v.owner is not None]
    if binders:
        out += [binders[s] for s in _mentioned(op) if s in binders]
    return out


def _mentioned(op: Op) -> list[str]:
    """The symbols in the attributes of an op and of its regions, in order of appearance."""
    dims = [d for k in sorted(op.attrs) for d in attr_dims(op.attrs[k])]
    for region in op.regions:
        dims += [d for p in region.params for d in p.shape if isinstance(d, Dim)]
        for inner in region.ops:
            dims += [Dim.symbol(s) for s in _mentioned(inner)]
    return list(dict.fromkeys(s for d in dims for s in sorted(d.symbols())))

"""The one greedy rewrite driver: tables of rules by root op, applied forwards until none
applies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from arignote.ir.builder import Builder, make_op
from arignote.ir.core import Func, Op, Region, Value, attrs_equal
from arignote.ir.diag import Diagnostic, IRError, Loc
from arignote.ir.opdef import has_trait
from arignote.ir.types import DimLike, is_complex
from arignote.passes.base import hand_on_names, with_operands
from arignote.passes.dce import prune

#: A rule looks at an op and returns the value that replaces its result, or None where it does not
#: apply.
Rule = Callable[["Rewriter", Op], "Value | None"]
#: Rules by the name of the op they start at; those under "*" are tried on every op, last.
Rules = Mapping[str, Sequence[Rule]]

#: Rewrites per op beyond which rules are taken not to converge, and nesting of rewrites started by
#: rewrites.
STEPS_PER_OP = 64
MAX_DEPTH = 100


def merge_rules(*tables: Rules) -> dict[str, list[Rule]]:
    """One table out of several; earlier tables' rules are tried first."""
    out: dict[str, list[Rule]] = {}
    for table in tables:
        for root, rules in table.items():
            out.setdefault(root, []).extend(rules)
    return out


class Table(dict[str, list[Rule]]):
    """A table of rules that functions are entered into by the decorator `@table("add", "sub")`."""

    def __call__(self, *roots: str) -> Callable[[Rule], Rule]:
        """Enter the decorated function as a rule for ops called `roots`."""

        def enter(rule: Rule) -> Rule:
            for root in roots:
                self.setdefault(root, []).append(rule)
            return rule

        return enter


class Rewriter(Builder):
    """A builder that rewrites each op as it is emitted, so what rules make is itself rewritten.

    `opaque` values keep their identity: rules do not look at the ops that made them. `params` are those of the block.
    """

    ops: list[Op]

    def __init__(
        self, rules: Rules, opaque: Collection[Value] = (), title: str = "rewrite", size: int = 0,
        params: Sequence[Value] = (),
    ):  # fmt: skip
        super().__init__([])
        self.params = params
        self.rules = rules
        self.opaque = frozenset(opaque)
        self.title = title
        self.limit = STEPS_PER_OP * (size + 16)
        self.steps = 0
        self.depth = 0
        self.use_count: dict[Value, int] = {}
        self.current: Op | None = None  # the op of the old function that is being rewritten

    def emit(
        self,
        name: str,
        *operands: Value,
        regions: Iterable[Region] = (),
        loc: Loc | None = None,
        names: Sequence[str | None] = (),
        **attrs: Any,
    ) -> tuple[Value, ...]:
        """Make an op, rewrite it as far as rules go, and return its results or what replaces
        them."""
        return self.place(make_op(name, operands, attrs, regions, loc or self.loc, names))

    @cached_property
    def sizes(self) -> dict[DimLike, tuple[Value, int]]:
        """Symbolic dimension -> a parameter of the block, and its axis of that size."""
        found: dict[DimLike, tuple[Value, int]] = {}
        for v in self.params:
            for axis, d in enumerate(v.shape):
                if not isinstance(d, int):
                    found.setdefault(d, (v, axis))
        return found

    def place(self, op: Op) -> tuple[Value, ...]:
        """Append `op`, or what the first rule that applies makes of it. Rules are of real numbers: `represent` makes
        some of complex ones."""
        if len(op.results) == 1 and not any(is_complex(v.dtype) for v in (op.result, *op.operands)):
            for rule in (*self.rules.get(op.name, ()), *self.rules.get("*", ())):
                mark = len(self.ops)
                self.depth += 1
                if self.depth > MAX_DEPTH:
                    raise self._diverges(rule, op)
                new = rule(self, op)
                self.depth -= 1
                # A replacement of another type (dimensions that are merely assumed equal) would
                # lose a check.
                if new is not None and new is not op.result and new.type == op.result.type:
                    self.steps += 1
                    if self.steps > self.limit:
                        raise self._diverges(rule, op)
                    return (new,)
                del self.ops[mark:]
        self.ops.append(op)
        return op.results

    def _diverges(self, rule: Rule, op: Op) -> IRError:
        name = getattr(rule, "__name__", str(rule))
        message = (
            f"{self.title} does not converge: rule {name} still applies to {op.name} "
            f"after {self.steps} steps"
        )
        return IRError(Diagnostic(message, loc=op.loc))

    def single_use(self, value: Value) -> bool:
        """Whether at most one op or root uses `value`: it disappears when its user absorbs it."""
        return self.use_count.get(value, 0) <= 1

    def match(self, value: Value, *names: str) -> Op | None:
        """The op that made `value`, if it is called one of `names` and may be looked at."""
        op = value.owner
        return op if op is not None and op.name in names and value not in self.opaque else None

    def uniform(self, value: Value) -> Any | None:
        """The Python number that every element of `value` is, if it is a constant; None
        otherwise."""
        while True:
            op = self.match(value, "const", "broadcast", "reshape", "transpose", "cast")
            if op is None:
                return None
            if op.name == "const":
                return uniform_array(op.attrs["value"])
            if op.name == "cast":
                inner = self.uniform(op.operands[0])
                if inner is None:
                    return None
                return _exact_cast(inner, value)
            value = op.operands[0]

    def is_uniform(self, value: Value, number: float) -> bool:
        """Whether every element of `value` is the constant `number`."""
        found = self.uniform(value)
        return found is not None and bool(found == number)

    def same(self, a: Value, b: Value, depth: int = 4) -> bool:
        """Whether `a` and `b` are the same computation, as far as a look `depth` ops deep tells."""
        if a is b:
            return True
        if depth == 0 or a.owner is None or b.owner is None or a.type != b.type:
            return False
        if a in self.opaque or b in self.opaque or a.owner.regions or b.owner.regions:
            return False
        return (
            a.owner.name == b.owner.name
            and a.index == b.index
            and len(a.owner.operands) == len(b.owner.operands)
            and attrs_equal(a.owner.attrs, b.owner.attrs)
            and all(
                self.same(x, y, depth - 1)
                for x, y in zip(a.owner.operands, b.owner.operands, strict=True)
            )
        )


def uniform_array(array: np.ndarray[Any, Any]) -> Any | None:
    """The Python number that fills `array`, or None."""
    if array.size == 0 or array.dtype.kind == "c":
        return None
    first = array.reshape(-1)[0]
    return first.item() if array.size == 1 or bool((array == first).all()) else None


def _exact_cast(number: Any, value: Value) -> Any | None:
    cast = value.type.numpy_dtype.type
    with np.errstate(all="ignore"):
        try:
            out = np.asarray(number).astype(cast).item()
        except (ValueError, OverflowError):
            return None
    return None if isinstance(out, complex) else out


def rewrite_ops(
    ops: Sequence[Op],
    rules: Rules,
    roots: Iterable[Value],
    opaque: Collection[Value] = (),
    title: str = "rewrite",
    keep: Collection[Op] = (),
    params: Sequence[Value] = (),
) -> tuple[list[Op], dict[Value, Value]]:
    """Rewrite `ops` forwards; returns the new ops and the map old -> new value. Ops in `keep` stay
    as they are.

    `rewriter.single_use` counts the uses by `ops` and `roots`.
    """
    b = Rewriter(rules, opaque, title, len(ops), params)
    for v in (*roots, *(v for op in ops for v in op.operands)):
        b.use_count[v] = b.use_count.get(v, 0) + 1
    before = set(ops)
    mapping: dict[Value, Value] = {}
    for op in ops:
        if op in keep:
            b.ops.append(op)
            continue
        b.loc = op.loc
        b.current = op
        operands = tuple(mapping.get(v, v) for v in op.operands)
        regions = tuple(_rewrite_region(r, rules, title) for r in op.regions)
        new = b.place(with_operands(op, operands, regions))
        hand_on_names(op.results, new, lambda made: made not in before)
        for v, w in zip(op.results, new, strict=True):
            if v is not w:
                mapping[v] = w
                b.use_count[w] = b.use_count.get(w, 0) + b.use_count.get(v, 0)
    return b.ops, mapping


def _rewrite_region(region: Region, rules: Rules, title: str) -> Region:
    ops, mapping = rewrite_ops(region.ops, rules, region.yields, title=title, params=region.params)
    yields = [mapping.get(v, v) for v in region.yields]
    if ops == region.ops and yields == region.yields:
        return region
    needed = {v.owner for v in yields if v.owner is not None}
    needed |= {op for op in ops if has_trait(op.name, "effect")}
    live: list[Op] = []
    for op in reversed(ops):
        if op in needed:
            live.append(op)
            needed |= {v.owner for v in op.operands if v.owner is not None}
    return Region(region.params, live[::-1], yields)


def rewrite(func: Func, rules: Rules, title: str) -> Func:
    """Rewrite `func` by `rules` and remove what died; the same object if nothing applied."""
    ops, mapping = rewrite_ops(func.ops, rules, func.roots(), title=title, params=func.inputs())
    if ops == func.ops and not any(v in mapping for v in func.roots()):
        return func
    return prune(func.with_ops(ops, mapping))

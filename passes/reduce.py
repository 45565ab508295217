"""Delta reduction: the smallest program that still shows what a large one shows.

    small = reduce_func(func, lambda f: fails(f))

Simpler programs are tried, large steps first, and kept where they are valid and still interesting: fewer results and
updates, parts of the graph replaced by parameters, operations replaced by their operands, fewer inputs, kernels taken
apart, smaller sizes. After A. Zeller and R. Hildebrandt, *Simplifying and isolating failure-inducing input* (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from arignote.ir.core import Func, Module, Op, every_op
from arignote.ir.diag import IRError
from arignote.ir.verify import verify
from arignote.passes.dce import prune
from arignote.passes.shrink import cut, inlined, inner_candidates, replaced, resized, shorter, sliced, values

Interesting = Callable[[Func], bool]
#: Told of each program that was tried, and whether it was interesting.
Progress = Callable[[Func, bool], None]


def reduce_module(module: Module, interesting: Callable[[Module], bool], progress: Progress | None = None) -> Module:
    """The functions of a module that are needed, each reduced."""
    for func in list(module.funcs):
        rest = Module([f for f in module.funcs if f is not func])
        if rest.funcs and interesting(rest):
            module = rest
    funcs = list(module.funcs)
    for i, func in enumerate(funcs):

        def alone(f: Func, at: int = i) -> bool:
            return interesting(Module([*funcs[:at], f, *funcs[at + 1 :]]))

        funcs[i] = reduce_func(func, alone, progress)
    return Module(funcs)


def reduce_func(func: Func, interesting: Interesting, progress: Progress | None = None) -> Func:
    """The smallest function, found by steps that each keep it interesting.

    Raises:
        IRError: `func` itself is not interesting.
    """
    work = _Reducer(interesting, progress)
    if not work.test(func):
        raise IRError(f"@{func.name} does not show what is to be reduced")
    return work.run(func)


def op_count(func: Func) -> int:
    """How many ops there are, those in regions included."""
    return sum(1 for _ in every_op(func.ops))


def weight(func: Func) -> tuple[int, int, int]:
    """What reduction makes smaller: ops, then inputs and outputs, then elements."""
    ends = len(func.params) + len(func.states) + len(func.roots())
    elements = sum(size for v in values(func) if isinstance(size := v.type.size, int))
    return op_count(func), ends, elements


class _Reducer:
    def __init__(self, interesting: Interesting, progress: Progress | None) -> None:
        self.interesting = interesting
        self.progress = progress

    def test(self, func: Func) -> bool:
        """Whether a candidate is valid and interesting."""
        try:
            verify(func)
            good = self.interesting(func)
        except IRError:
            good = False
        if self.progress is not None:
            self.progress(func, good)
        return good

    def run(self, func: Func) -> Func:
        """All kinds of steps until none helps."""
        steps = (
            self.slices, self.roots, self.cuts, self.shortcuts, self.unwrapped, self.inner, self.inputs, self.shrunk,
        )  # fmt: skip
        while True:
            before = func
            for step in steps:
                func = step(func)
            if func is before:
                return func

    def first(self, func: Func, candidates: Iterable[Func | None]) -> Func | None:
        """The first good one that is smaller."""
        for c in candidates:
            if c is not None and weight(c) < weight(func) and self.test(c):
                return c
        return None

    # ------------------------------------------------------------ steps
    def slices(self, func: Func) -> Func:
        """What a single op needs, which is its result then."""
        if len(func.roots()) == 1 and func.results and func.results[0].owner is func.ops[-1]:
            return func
        return self.first(func, (sliced(func, op) for op in func.ops if op.results and op.name != "const")) or func

    def roots(self, func: Func) -> Func:
        """Fewer results and updates; what nothing needs any more goes too."""

        def without(drop: frozenset[int]) -> Func:
            n = len(func.results)
            states = [replace(s, update=None) if n + i in drop else s for i, s in enumerate(func.states)]
            results = [r for i, r in enumerate(func.results) if i not in drop]
            return prune(replace(func, results=results, states=states))

        count = len(func.results) + len(func.states)
        useful = [i for i in range(count) if i < len(func.results) or func.states[i - len(func.results)].update]
        func = self.minimised(func, useful, without)
        dropped = [op for op in func.ops if op not in set(prune(func).ops)]
        pruned = self.first(func, [prune(func)]) if dropped else None
        func = pruned or func
        # Effects, which pruning leaves alone.
        for op in reversed(list(func.ops)):
            users = any(v in o.operands for o in func.ops for v in op.results)
            if op in func.ops and not users and not any(r in func.roots() for r in op.results):
                func = self.first(func, [func.with_ops([o for o in func.ops if o is not op], {})]) or func
        return func

    def minimised(self, func: Func, items: Sequence[int], without: Callable[[frozenset[int]], Func]) -> Func:
        """Drop as many of the numbered items as can be, by halves, quarters and so on."""
        kept, best, size = list(items), func, len(items)
        dropped: frozenset[int] = frozenset()
        while size >= 1 and kept:
            for start in range(0, len(kept), size):
                chunk = frozenset(kept[start : start + size])
                candidate = without(dropped | chunk)
                if self.test(candidate):
                    dropped, best = dropped | chunk, candidate
                    kept = [i for i in kept if i not in chunk]
                    break
            else:
                size = size // 2
        return best

    def cuts(self, func: Func) -> Func:
        """Runs of ops give way to parameters in the place of what they compute."""
        size = max(len(func.ops) // 2, 1)
        while size >= 1:
            start = 0
            while start < len(func.ops):
                chunk = func.ops[start : start + size]
                found = None
                if any(op.name != "const" for op in chunk):
                    found = self.first(func, [prune(cut(func, chunk))])
                if found is None:
                    start += size
                else:
                    func = found
            size //= 2
        return func

    def shortcuts(self, func: Func) -> Func:
        """Ops give way to an operand, or to an earlier value of their type."""
        for op in reversed(list(func.ops)):
            if op not in func.ops or not op.results:
                continue
            func = self.first(func, (prune(replaced(func, m)) for m in shorter(func, op))) or func
        return func

    def unwrapped(self, func: Func) -> Func:
        """The insides of a kernel in its place."""
        for op in list(func.ops):
            if op.name == "fused" and op in func.ops:
                func = self.first(func, [inlined(func, op)]) or func
        return func

    def inner(self, func: Func) -> Func:
        """Inside of regions: ops give way to what they read, or to parameters."""
        for holder in [op for op in every_op(func.ops) if op.regions]:
            for number, region in enumerate(holder.regions):
                for op in reversed(list(region.ops)):
                    current = _current(func, holder)
                    if current is None or op not in current.regions[number].ops:
                        continue
                    found = self.first(func, inner_candidates(func, current, number, op))
                    if found is not None:
                        func, holder = found, _successor(found, current) or current
        return func

    def inputs(self, func: Func) -> Func:
        """Without the parameters and states that nothing uses."""
        used = {v for op in func.ops for v in op.operands} | set(func.roots())
        params = [p for p in func.params if p in used]
        states = [s for s in func.states if s.value in used or s.update is not None]
        if len(params) == len(func.params) and len(states) == len(func.states):
            return func
        smaller = self.first(func, [replace(func, params=params, states=states)])
        if smaller is not None:
            return smaller
        for p in [p for p in func.params if p not in used]:
            func = self.first(func, [replace(func, params=[q for q in func.params if q is not p])]) or func
        return func

    def shrunk(self, func: Func) -> Func:
        """Smaller sizes in all types and attributes."""
        sizes = sorted(
            {d for v in values(func) for d in v.shape if isinstance(d, int) and d > 3}, reverse=True
        )
        for size in sizes:
            for small in (2, 3):
                found = self.first(func, [resized(func, size, small)])
                if found is not None:
                    func = found
                    break
        return func


def _current(func: Func, op: Op) -> Op | None:
    return op if any(o is op for o in every_op(func.ops)) else None


def _successor(func: Func, old: Op) -> Op | None:
    """The op that took the place of `old`: it has the same place in the user's program and the same name."""
    return next((o for o in every_op(func.ops) if o.name == old.name and o.loc == old.loc and o.regions), None)

"""The tables of a profile, laid out as Theano's users know them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from arignote.frontends.tensor.machine import limits
from arignote.frontends.tensor.profiling import IMPORTED, Code, ProfileStats, Share
from arignote.ir.core import Op
from arignote.ir.cost import Cost, amount, nbytes, op_cost
from arignote.ir.placement import host_scalars
from arignote.passes.lifetimes import occupancy


def report(stats: ProfileStats, n_ops: int, n_apply: int, memory: bool, passes: bool) -> str:
    """The whole text: times, the tables Class, Ops and Apply, and those of memory and passes if asked for."""
    parts = [_head(stats)]
    if stats.calls:
        total = max(stats.ops_ns(), 1)
        parts += [
            _table("Class", stats.classes(), total, n_ops),
            _table("Ops", stats.ops(), total, n_ops),
            _applies(stats, total, n_apply),
        ]
    if memory:
        parts += [_memory(code) for code in stats.codes]
    if passes:
        parts.append(_passes(stats))
    return "\n".join(parts) + "\n"


def _seconds(ns: float) -> str:
    return f"{ns / 1e9:.3e}s"


def _part(ns: float, of: float) -> str:
    return f"{100 * ns / of:.2f}%" if of else "-"


def _head(stats: ProfileStats) -> str:
    run, ops = stats.run_ns, stats.ops_ns()
    passes = sum(p.end - p.begin for p in stats.passes)
    code = sum(c.end - c.begin for c in stats.codes)
    fresh = sum(not c.cached for c in stats.codes)
    nodes = stats.codes[-1].timer.ops if stats.codes else []
    lines = [
        "Function profiling",
        "=" * 18,
        f"  Message: {stats.message or 'a function'}",
        f"  Time in {stats.calls} calls to Function.__call__: {_seconds(stats.call_ns)}",
        f"  Time in the compiled function: {_seconds(run)} ({_part(run, stats.call_ns)})",
        f"  Time in ops: {_seconds(ops)} ({_part(ops, stats.call_ns)})",
        f"    before the first: {_seconds(stats.host_ns())}",
        f"  Total compile time: {_seconds(stats.compile_ns)}",
        f"    Number of Apply nodes: {max(len(nodes) - 1, 0)}",
        f"    Optimizer time: {_seconds(passes)} in {len(stats.passes)} runs of passes",
        f"    Code generation: {_seconds(code)}, {fresh} compiled, {len(stats.codes) - fresh} from the cache",
        f"  Time since arignote import {(time.perf_counter_ns() - IMPORTED) / 1e9:.3f}s",
        "",
    ]
    return "\n".join(lines)


def _table(title: str, shares: Sequence[Share], total: int, most: int) -> str:
    lines = [
        title, "---",
        "<% time> <sum %> <apply time> <time per call> <type> <#call> <#apply> "
        f"<{'Op' if title == 'Ops' else title} name>",
    ]  # fmt: skip
    so_far = 0
    for s in shares[:most]:
        so_far += s.ns
        per_call = s.ns / s.calls if s.calls else 0.0
        lines.append(
            f"{100 * s.ns / total:6.1f}%  {100 * so_far / total:6.1f}%   {s.ns / 1e9:9.3f}s       {per_call / 1e9:.2e}s"
            f"   {s.kind:>4} {s.calls:7d} {s.nodes:8d}   {s.name}"
        )
    lines.append(_rest(title, shares, most, so_far, total))
    return "\n".join(lines) + "\n"


def _rest(title: str, shares: Sequence[Share], most: int, so_far: int, total: int) -> str:
    left = max(len(shares) - most, 0)
    noun = {"Class": "Classes", "Ops": "Ops", "Apply": "Apply instances"}[title]
    rest = sum(s.ns for s in shares) - so_far
    return f"   ... (remaining {left} {noun} account for {100 * rest / total:6.2f}%({rest / 1e9:.2f}s) of the runtime)"


def _applies(stats: ProfileStats, total: int, most: int) -> str:
    shares = stats.applies()
    machine = limits()
    costs = _costs(stats)
    lines = ["Apply", "------", "<% time> <sum %> <apply time> <time per call> <#call> <roofline> <id> <Apply name>"]
    so_far = 0
    for s in shares[:most]:
        so_far += s.ns
        per_call = s.ns / s.calls if s.calls else 0.0
        number, cost = costs[s.ops[0]]
        share = machine.share(cost, per_call, s.ops[0])
        roof = "-" if share is None else f"{100 * share:.0f}%"
        lines.append(
            f"{100 * s.ns / total:6.1f}%  {100 * so_far / total:6.1f}%   {s.ns / 1e9:9.3f}s       {per_call / 1e9:.2e}s"
            f" {s.calls:7d} {roof:>9} {number:5d}   {s.name}"
        )
        if s.calls:
            lines.append(" " * 12 + _about(s.ops[0], cost, per_call))
    lines.append(_rest("Apply", shares, most, so_far, total))
    lines.append(f"   (roofline: the least time on this machine, {machine}, as a share of the time measured)")
    return "\n".join(lines) + "\n"


def _about(op: Op, cost: Cost, ns: float) -> str:
    types = ", ".join(str(r.type) for r in op.results)
    rate = ""
    if isinstance(cost.flops, int) and isinstance(cost.bytes, int) and ns:
        rate = f", {cost.flops / ns:.3g} Gflop/s, {cost.bytes / ns:.3g} GB/s"
    at = f", {op.loc}" if op.loc is not None else ""
    return f"{types}: {amount(cost.flops, 'flop')}, {amount(cost.bytes, 'B')}{rate}{at}"


def _costs(stats: ProfileStats) -> dict[Op, tuple[int, Cost]]:
    """Op -> (its number, its cost each time it runs)."""
    out: dict[Op, tuple[int, Cost]] = {}
    for code in stats.codes:
        host = host_scalars(code.func)
        for number, op in enumerate(code.timer.ops):
            if op is not None:
                # A loop's own account has nothing of its body, which has accounts of its own.
                inner = bool(op.regions) and op.name != "fused"
                out[op] = (number, Cost() if inner else op_cost(op, host))
    return out


def _memory(code: Code) -> str:
    use = occupancy(code.func)
    lines = ["Memory", "---"]
    lines.append(f"    Workspace: {amount(use.arena, 'B')} planned, {amount(use.peak, 'B')} in use at once at most")
    lines.append(f"    Without sharing of memory: {amount(use.total, 'B')}")
    for label, types in (
        ("Arguments", [p.type for p in code.func.params]),
        ("Shared variables", [s.value.type for s in code.func.states]),
        ("Results", [r.type for r in code.func.results]),
    ):
        lines.append(f"    {label}: {' + '.join(amount(nbytes(t), 'B') for t in types) or 'none'}")
    lines.append("    <bytes> <type> <created/inplace/view> <from op> <to op> <Apply node>")
    for life in sorted(use.lives, key=lambda x: -x.size)[:20]:
        lines.append(
            f"    {amount(life.size, 'B'):>10} {life.value.type!s:<20} {life.kind:<8} {life.begin:5d} {life.end:5d}   "
            f"{life.op.name} -> %{life.value.name or '_'}"
        )
    return "\n".join(lines) + "\n"


def _passes(stats: ProfileStats) -> str:
    names = dict.fromkeys(p.name for p in stats.passes)
    rows = []
    for name in names:
        runs = [p for p in stats.passes if p.name == name]
        rows.append((sum(p.end - p.begin for p in runs), len(runs), sum(p.after - p.before for p in runs), name))
    total = max(sum(r[0] for r in rows), 1)
    lines = ["Passes", "---", "<% time> <time> <#run> <ops added> <Pass name>"]
    for ns, count, change, name in sorted(rows, reverse=True):
        lines.append(f"{100 * ns / total:6.1f}%  {_seconds(ns)} {count:6d} {change:+11d}   {name}")
    return "\n".join(lines) + "\n"



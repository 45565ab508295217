"""A branch: one of two regions runs.

    %y = ifelse(%c, %a, %b) : f32[n] {
      (%a: f32[n], %b: f32[n]):
      yield(%a)
    } {
      (%a: f32[n], %b: f32[n]):
      %e = exp(%b) : f32[n]
      yield(%e)
    }
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from arignote.ir.bound import bound_symbols
from arignote.ir.core import Op, Region, Value
from arignote.ir.diag import require
from arignote.ir.loops import copy_ops, needed_ops
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, same_shape
from arignote.ir.types import TensorType, better_dim, is_differentiable


@defop
class ifelse:
    """ifelse(c: bool[], *operands) {region} {region} -> ...: what the first region yields where `c` holds, else what
    the second one yields. Both take all operands; only one runs.

    (C1) a condition bool[] and two regions. (C2) parameters have the types of the operands. (C3) both regions yield
    values of the same types.
    """

    traits = ("region", "library")
    lower = "ifelse"

    @staticmethod
    def infer(c: TensorType, *operands: TensorType, regions: tuple[Region, ...]) -> tuple[TensorType, ...]:
        good = c.dtype == "bool" and c.ndim == 0 and len(regions) == 2
        require(good, f"takes a condition bool[] and two regions, got {c} and {len(regions)} (C1)")
        for region in regions:
            params = tuple(p.type for p in region.params)
            printed = ", ".join(map(str, params))
            require(params == operands, f"a region takes ({printed}), not the types of the operands (C2)")
        then, other = ([v.type for v in r.yields] for r in regions)
        fits = len(then) == len(other) and all(
            a.dtype == b.dtype and same_shape(a.shape, b.shape) for a, b in zip(then, other, strict=True)
        )
        listed = " and ".join("(" + ", ".join(map(str, types)) + ")" for types in (then, other))
        require(fits, f"the branches differ: {listed} (C3)")
        return tuple(
            a.with_shape(map(better_dim, a.shape, b.shape)) for a, b in zip(then, other, strict=True)
        )

    @staticmethod
    def eval(
        c: Array,
        *operands: Array,
        regions: tuple[Region, ...],
        run_region: Callable[[Region, Sequence[Array]], tuple[Array, ...]],
    ) -> tuple[Array, ...]:
        return tuple(x.copy() for x in run_region(regions[0 if c else 1], operands))

    @staticmethod
    def vjp(
        b: Any, ct: Any, out: Any, c: Value, *operands: Value, regions: tuple[Region, ...], wanted: Sequence[int]
    ) -> Grads:
        cts = list(ct) if isinstance(out, tuple) else [ct]
        given = [(i, g) for i, g in enumerate(cts) if g is not None]
        flow = [i - 1 for i in wanted if i and is_differentiable(operands[i - 1].dtype)]
        branches = [_Branch(b, region, [*operands, *(g for _, g in given)], given, flow) for region in regions]
        extra = dict.fromkeys(v for branch in branches for v in branch.free())
        grads = b.emit(
            "ifelse", c, *operands, *(g for _, g in given), *extra, regions=[r.region(extra) for r in branches]
        )
        found = dict(zip(flow, grads, strict=True))
        return (None, *(found.get(i) for i in range(len(operands))))

    @staticmethod
    def samples() -> Samples:
        return []  # made of other ops only: tests/ir/test_scan.py has branches


class _Branch:
    """The gradient of a branch: its ops once more, then those back."""

    def __init__(
        self, b: Any, region: Region, outer: Sequence[Value], given: Sequence[tuple[int, Value]], flow: Sequence[int]
    ) -> None:
        self.params = [Value(v.type, v.name) for v in outer]
        mapping = dict(zip(region.params, self.params, strict=False))
        forward = copy_ops(region.ops, mapping)
        self.ops: list[Op] = list(forward)
        inner = b.inside(dict(s for op in forward for s in bound_symbols(op)), self.ops)
        cts = self.params[len(region.params) :]
        seeds = [(mapping[region.yields[i]], g) for (i, _), g in zip(given, cts, strict=True)]
        wrt = [mapping[region.params[i]] for i in flow]
        found = inner.backward(forward, seeds, wrt)
        self.grads = [g if g is not None else inner.full(0, v.type) for g, v in zip(found, wrt, strict=True)]
        self.ops = needed_ops(self.ops, self.grads)

    def free(self) -> Iterator[Value]:
        """The values from outside that are not among the operands yet."""
        known = {*self.params, *(v for op in self.ops for v in op.results)}
        used = (*(v for op in self.ops for v in op.operands), *self.grads)
        return (v for v in used if v not in known)

    def region(self, extra: Iterable[Value]) -> Region:
        """The branch, with further parameters for `extra`."""
        mapping = {v: Value(v.type, v.name) for v in extra}
        params = [*self.params, *mapping.values()]
        ops = copy_ops(self.ops, mapping)
        return Region(params, ops, [mapping.get(g, g) for g in self.grads])

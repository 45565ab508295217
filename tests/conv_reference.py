"""The definition of convolution, written out: an independent reference for values and both gradients."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Conv:
    """A configuration: sizes and the arguments of `conv2d` and its kin; `pads` are (low, high) per axis."""

    n: int
    c: int
    k: int
    space: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    border: Any
    groups: int
    flip: bool

    @property
    def pads(self) -> list[tuple[int, int]]:
        """The padding that `border` names."""
        reach = [d * (r - 1) for r, d in zip(self.window, self.dilation, strict=True)]
        if self.border == "valid":
            return [(0, 0)] * len(reach)
        if self.border == "full":
            return [(r, r) for r in reach]
        if self.border == "half":
            return [((r + 1) // 2, (r + 1) // 2) for r in reach]
        if self.border == "same":
            out = []
            for s, r, by in zip(self.space, reach, self.strides, strict=True):
                total = max((-(-s // by) - 1) * by + r + 1 - s, 0)
                out.append((total // 2, total - total // 2))
            return out
        return [p if isinstance(p, tuple) else (p, p) for p in self.border]

    @property
    def out(self) -> list[int]:
        """The spatial size of the result; less than 1 where the filter does not fit."""
        rows = zip(self.space, self.window, self.strides, self.dilation, self.pads, strict=True)
        return [(s + low + high - d * (r - 1) - 1) // by + 1 for s, r, by, d, (low, high) in rows]

    def arrays(self, seed: int, dtype: str = "float64") -> tuple[Array, Array, Array]:
        """An image, a filter, and a gradient of the result."""
        r = np.random.default_rng(seed)
        x = r.normal(size=(self.n, self.c, *self.space))
        w = r.normal(size=(self.k, self.c // self.groups, *self.window))
        y = r.normal(size=(self.n, self.k, *self.out))
        return x.astype(dtype), w.astype(dtype), y.astype(dtype)

    def compute(self, x: Array, w: Array, ct: Array) -> tuple[Array, Array, Array]:
        """(result, gradient of x, gradient of w), in float64, element by element."""
        x, w, ct = (v.astype(np.float64) for v in (x, w, ct))
        y: Array = np.zeros_like(ct)
        dx: Array = np.zeros_like(x)
        dw: Array = np.zeros_like(w)
        cg, kg = self.c // self.groups, self.k // self.groups
        for o in itertools.product(*map(range, self.out)):
            for r in itertools.product(*map(range, self.window)):
                i = self.source(o, r)
                if i is None:
                    continue
                at = tuple(n - 1 - t for n, t in zip(self.window, r, strict=True)) if self.flip else r
                for g in range(self.groups):
                    cs, ks = slice(g * cg, (g + 1) * cg), slice(g * kg, (g + 1) * kg)
                    xi: Any = (slice(None), cs, *i)
                    wi: Any = (ks, slice(None), *at)
                    yi: Any = (slice(None), ks, *o)
                    y[yi] += x[xi] @ w[wi].T
                    dx[xi] += ct[yi] @ w[wi]
                    dw[wi] += ct[yi].T @ x[xi]
        return y, dx, dw

    def source(self, o: Sequence[int], r: Sequence[int]) -> tuple[int, ...] | None:
        """The element of the image that element `r` of a filter meets at place `o`; None in the padding."""
        rows = zip(o, self.strides, r, self.dilation, self.pads, self.space, strict=True)
        out = []
        for a, by, t, d, (low, _), size in rows:
            i = a * by + t * d - low
            if not 0 <= i < size:
                return None
            out.append(i)
        return tuple(out)


def configurations(count: int, seed: int, spaces: Sequence[int] = (1, 2, 2, 2, 3), small: int = 7) -> list[Conv]:
    """Configurations at random, all of which have a result."""
    r = np.random.default_rng(seed)
    found: list[Conv] = []

    def pick(*options: Any) -> Any:
        return options[int(r.integers(len(options)))]

    while len(found) < count:
        d = spaces[len(found) % len(spaces)]
        groups = pick(1, 1, 1, 2, 3)
        each = pick(1, 2)
        space = tuple(int(v) for v in r.integers(3, small + (d < 3) * 2, size=d))
        window = tuple(int(v) for v in r.integers(1, 5 if d < 3 else 4, size=d))
        pads = tuple((int(a), int(b)) for a, b in r.integers(0, 3, size=(d, 2)))
        one = Conv(
            n=pick(1, 2, 3), c=groups * each, k=groups * pick(1, 2, 3), space=space, window=window,
            strides=tuple(int(v) for v in r.integers(1, 4, size=d)) if pick(0, 1) else (1,) * d,
            dilation=tuple(int(v) for v in r.integers(1, 3, size=d)) if pick(0, 1) else (1,) * d,
            border=pick("valid", "full", "half", "same", pads, tuple(p[0] for p in pads)),
            groups=groups, flip=bool(pick(0, 1)),
        )  # fmt: skip
        if min(one.out) >= 1:
            found.append(one)
    return found

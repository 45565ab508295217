"""Loops made at random from the options of `scan`, and the same loops written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.scanning import scan, until

Array = np.ndarray[Any, Any]
WIDTH = 3


@dataclass(frozen=True)
class Case:
    """Options of a loop. `outputs` holds the taps of each output, none for one that is not fed back."""

    seed: int
    seqs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    matrix: bool
    steps: int
    given: str  # how the number of steps is given: "", "number" or "symbol"
    backwards: bool
    truncate: int
    stop: bool

    def lengths(self) -> list[int]:
        """How many elements each sequence has."""
        extra = [max(0, *taps) - min(0, *taps) for taps in self.seqs]
        longer = 2 if self.given else 0
        return [self.steps + e + (longer if i else 0) for i, e in enumerate(extra)]

    def weights(self) -> list[Array]:
        """Numbers of the body: for each output one per argument."""
        r = np.random.default_rng(self.seed)
        count = sum(map(len, self.seqs)) + sum(map(len, self.outputs))
        return [r.uniform(-0.9, 0.9, size=count) for _ in self.outputs]

    def arrays(self) -> tuple[list[Array], list[Array], Array]:
        """Sequences, initial values and the matrix."""
        r = np.random.default_rng(self.seed + 1)
        seqs = [r.normal(size=(n, WIDTH)) for n in self.lengths()]
        inits = [
            r.normal(size=(WIDTH,) if taps == (-1,) else (-min(taps), WIDTH)) for taps in self.outputs if taps
        ]
        return seqs, inits, r.normal(size=(WIDTH, WIDTH)) / 2

    def body(self, ns: Any, args: Sequence[Any], matrix: Any) -> list[Any]:
        """The outputs of a step."""
        out = []
        for i, weights in enumerate(self.weights()):
            total: Any = 0.1
            for w, a in zip(weights, args, strict=True):
                total = total + float(w) * a
            if self.matrix:
                total = ns.dot(total + ns.zeros(WIDTH), matrix)
            total = ns.tanh(total) if i % 2 == 0 else total * total * 0.3 + args[0]
            out.append(total)
        return out

    def stops(self, ns: Any, out: Sequence[Any]) -> Any:
        """Whether the loop ends after this step."""
        return ns.sum(out[0]) > 0.9

    def scan(self, seqs: Sequence[Any], inits: Sequence[Any], matrix: Any, n: Any) -> list[Any]:
        """The stacked outputs, by `scan`."""
        left = list(inits)
        infos: list[Any] = []
        for taps in self.outputs:
            if not taps:
                infos.append(None)
            elif taps == (-1,):
                infos.append(left.pop(0))
            else:
                infos.append({"initial": left.pop(0), "taps": list(taps)})

        def fn(*args: Any) -> Any:
            out = self.body(T, args[: len(args) - 1], args[-1])
            return (out, until(self.stops(T, out))) if self.stop else out

        given = {"": None, "number": self.steps, "symbol": n}[self.given]
        made, updates = scan(
            fn,
            [x if taps == (0,) else {"input": x, "taps": list(taps)} for x, taps in zip(seqs, self.seqs, strict=True)],
            infos, [matrix], n_steps=given, truncate_gradient=self.truncate, go_backwards=self.backwards,
            return_list=True, name=f"case {self.seed}",
        )  # fmt: skip
        assert not updates
        assert isinstance(made, list)
        return made

    def written_out(
        self, ns: Any, seqs: Sequence[Any], inits: Sequence[Any], matrix: Any, steps: int | None = None
    ) -> tuple[list[list[Any]], list[Any]]:
        """The outputs of each step, and what gradients must not go through, by a Python loop over `steps` (all, or
        those until the loop stops)."""
        left = list(inits)
        past: list[list[Any]] = []  # of each output, the latest last
        for taps in self.outputs:
            if not taps:
                past.append([])
            else:
                init = left.pop(0)
                past.append([init] if taps == (-1,) else [init[i] for i in range(-min(taps))])
        made: list[list[Any]] = [[] for _ in self.outputs]
        constant: list[Any] = [p for p in past for p in p]
        bounds: list[int] = []
        for t in range(self.steps if steps is None else steps):
            args = []
            for x, taps, length in zip(seqs, self.seqs, self.lengths(), strict=True):
                low, high = min(0, *taps), max(0, *taps)
                p = length - 1 - high + low - t if self.backwards else t
                args += [x[p + tap - low] for tap in taps]
            for taps, values in zip(self.outputs, past, strict=True):
                args += [values[tap] for tap in taps]
            out = self.body(ns, args, matrix)
            for values, row, v in zip(past, made, out, strict=True):
                values.append(v)
                row.append(v)
            bounds.append(len(constant))
            constant += out
            if self.stop and steps is None and bool(self.stops(ns, out)):
                break
        done = len(made[0])
        if 0 < self.truncate < done:
            return made, constant[: bounds[done - self.truncate]]
        return made, []


def cases(count: int, seed: int = 0) -> list[Case]:
    """Loops at random, with each option among them."""
    r = np.random.default_rng(seed)
    out: list[Case] = []

    def pick(choices: Sequence[Any]) -> Any:
        return choices[int(r.integers(len(choices)))]

    taps_in: list[tuple[int, ...]] = [(0,), (0,), (-1, 0), (0, 2), (-2, 1), (1,)]
    taps_out: list[tuple[int, ...]] = [(), (-1,), (-1,), (-2, -1), (-3,), (-1, -3)]
    while len(out) < count:
        seqs = tuple(pick(taps_in) for _ in range(int(r.integers(0, 3))))
        outputs = tuple(pick(taps_out) for _ in range(int(r.integers(1, 4))))
        if not seqs and not any(outputs):
            continue
        given = pick(["number", "symbol"]) if not seqs else pick(["", "", "number", "symbol"])
        out.append(
            Case(
                len(out), seqs, outputs, bool(r.integers(2)), int(pick([1, 2, 4, 5])), given, bool(r.integers(2)),
                int(pick([-1, -1, 1, 3])), bool(r.integers(4) == 0),
            )
        )
    return out


def variables(case: Case) -> tuple[list[Any], list[Any], Any, Any]:
    """Symbolic sequences, initial values, the matrix, and the number of steps."""
    _, inits, _ = case.arrays()
    seqs = [T.dmatrix(f"x{i}") for i in range(len(case.seqs))]
    starts = [T.dvector(f"h{i}") if a.ndim == 1 else T.dmatrix(f"h{i}") for i, a in enumerate(inits)]
    return seqs, starts, T.dmatrix("w"), T.lscalar("n")


def cost_of(outputs: Sequence[Any]) -> Any:
    """A scalar of all outputs, which are stacked."""
    total: Any = 0.0
    for i, y in enumerate(outputs):
        total = total + T.sum(T.sqr(y) * (0.5 + i) + y)
    return total


def functions(case: Case, mode: str) -> Any:
    """Outputs, then the gradients of `cost_of` with respect to sequences, initial values and the matrix."""
    seqs, starts, w, n = variables(case)
    made = case.scan(seqs, starts, w, n)
    wrt = [*seqs, *starts, w]
    grads = ar.grad(cost_of(made), wrt, disconnected_inputs="ignore")
    return ar.function([*seqs, *starts, w, n], [*made, *grads], mode=mode, on_unused_input="ignore")

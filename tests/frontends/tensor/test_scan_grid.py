"""`scan` with every combination of its options, against loops that are written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from tests.frontends.tensor.loops import Case, cases, cost_of, functions, variables

GRID = cases(320)


def _numbers(case: Case) -> tuple[list[Any], list[Any]]:
    """Outputs by NumPy, and gradients by the graph of the loop written out, interpreted."""
    seqs, inits, matrix = case.arrays()
    made, _ = case.written_out(np, seqs, inits, matrix)
    done = len(made[0])
    xs, starts, w, _ = variables(case)
    rows, constant = case.written_out(T, xs, starts, w, done)
    wrt = [*xs, *starts, w]
    cost = cost_of([T.stack(row) for row in rows])
    grads = ar.grad(cost, wrt, consider_constant=constant, disconnected_inputs="ignore")
    reference = ar.function([*xs, *starts, w], grads, mode="reference", on_unused_input="ignore")
    return [np.stack(row) for row in made], reference(*seqs, *inits, matrix)


@pytest.mark.parametrize("case", GRID, ids=lambda c: str(c.seed))
def test_values_and_gradients(case: Case) -> None:
    seqs, inits, matrix = case.arrays()
    outputs, grads = _numbers(case)
    modes = ["reference", "FAST_RUN" if case.seed % 2 else "FAST_COMPILE"]
    for mode in modes:
        found = functions(case, mode)(*seqs, *inits, matrix, case.steps)
        for i, (have, want) in enumerate(zip(found, outputs, strict=False)):
            np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-12, err_msg=f"{case} {mode}: output {i}")
        for i, (have, want) in enumerate(zip(found[len(outputs) :], grads, strict=True)):
            np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-11, err_msg=f"{case} {mode}: gradient {i}")

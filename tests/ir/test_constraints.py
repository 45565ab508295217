"""Every numbered constraint of an op's docstring is broken once, and its label stands in the message.

Rules whose messages matter in detail are in `test_infer_errors.py`, which counts here too.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from arignote.ir.diag import TypeInferenceError
from arignote.ir.opdef import OPS
from tests.ir.broken_layers import LAYERS
from tests.ir.test_infer_errors import BAD, infer

STRIDED = {"start": (0,), "size": (2,), "step": (1,), "mode": "set"}
OF_MATRICES = ("cholesky", "lu", "inv", "det", "logabsdet", "detsign", "eigh", "expm")
SOLVERS = ("solve", "solve_triangular")

Broken = tuple[str, str, str, dict[str, Any]]
BROKEN: list[Broken] = [
    ("assert", "C1", "f32[2]", {"message": ""}), ("assert", "C1", "f32[2] bool[2]", {"message": ""}),
    ("complex", "C1", "f16[2] f16[2]", {}), ("complex", "C2", "f32[2] f64[2]", {}),
    ("complex", "C3", "f32[2] f32[3]", {}),
    ("component", "C1", "f32[3,2]", {"k": 2}),
    *((name, "C1", "f64[2]", {}) for name in ("real", "imag", "conj", "magnitude")),
    ("from_bfloat16", "C1", "f32[2]", {}), ("to_bfloat16", "C1", "f64[2]", {}),
    ("gammainc_order", "C1", "i32[2] i32[2]", {"n": 1}), ("gammainc_order", "C2", "f32[2] f64[2]", {"n": 1}),
    ("gammainc_order", "C3", "f32[2] f32[3]", {"n": 1}), ("gammainc_order", "C4", "f32[2] f32[2]", {"n": 0}),
    ("iota", "C2", "", {"shape": (2,), "axis": 0, "dtype": "bool"}),
    ("iota", "C3", "", {"shape": (2,), "axis": 0, "dtype": "i64", "bound": (0,)}),
    ("recurrence", "C1", "f32[2] f32[2]", {"axis": 1}), ("recurrence", "C2", "bool[2] bool[2]", {"axis": 0}),
    ("recurrence", "C3", "f32[2] f64[2]", {"axis": 0}), ("recurrence", "C4", "f32[2] f32[3]", {"axis": 0}),
    ("print", "C1", "f32[2]", {"show": ("not a name",)}),
    ("join", "C1", "f32[2] f32[3]", {"axis": 0}), ("join", "C2", "f32[2] f32[2]", {"axis": 1}),
    ("scatter", "C1", "f32[4] f32[2] f32[2]", {"mode": "set"}),
    ("scatter", "C2", "f32[4,4] f32[2] i64[2] i64[3]", {"mode": "set"}),
    ("scatter", "C5", "f32[4] f32[3] i64[3]", {"mode": "mul"}),
    ("assume", "C1", "i32[]", {"value": 7}), ("check_indices", "C1", "f32[2]", {"size": 3}),
    ("dot", "C1", "bool[2,3] bool[3,4]", {}), ("batched_dot", "C1", "bool[1,2,3] bool[1,3,4]", {}),
    ("batched_dot", "C2", "f32[1,2,3] f64[1,3,4]", {}), ("batched_dot", "C3", "f32[2,3] f32[3,4]", {}),
    ("batched_dot", "C4", "f32[1,2,3] f32[1,4,4]", {}), ("batched_dot", "C5", "f32[2,2,3] f32[3,3,4]", {}),
    ("gemm", "C1", "i32[2,3] i32[3,4]", {}), ("gemm", "C2", "f32[2,3] f64[3,4]", {}),
    ("gemm", "C3", "f32[2] f32[2,4]", {}),
    ("grad_clip", "C1", "f32[2]", {"low": 1.0, "high": 0.0}),
    ("with_gradient", "C1", "f32[2]", {"count": 2, "rule": "r"}),
    ("softmax", "C1", "f32[2]", {"axis": 1}), ("log_softmax", "C1", "f32[2]", {"axis": 1}),
    ("log_softmax", "C2", "i32[2]", {"axis": 0}), ("logsumexp", "C2", "i32[2]", {"axes": (0,)}),
    ("nonzero", "C1", "i32[3]", {"shape": (2,)}), ("nonzero", "C2", "bool[3]", {"shape": (2, 2)}),
    ("nonzero", "C3", "bool[3]", {"shape": (2,), "bound": (0,)}),
    ("python_run", "C1", "f32[2]", {"target": 0, "callee": "f", "ranks": (1,)}),
    ("python_run", "C2", "f32[2]", {"target": 1, "callee": "f", "ranks": (-1,)}),
    ("python_take", "C1", "i64[2]", {"callee": "f", "dtypes": ("f64",), "ranks": (1, 0), "shape": (2,)}),
    ("python_take", "C2", "i64[1]", {"callee": "f", "dtypes": ("f64",), "ranks": (1,), "shape": (2,)}),
    ("python_take", "C3", "i64[2]", {"callee": "f", "dtypes": ("f64",), "ranks": (1,), "shape": (2,), "bound": (0,)}),
    ("csr_rows", "C1", "i64[3]", {"shape": (2,)}), ("csr_rows", "C2", "i32[3]", {"shape": (2, 2)}),
    ("csr_rows", "C3", "i32[3]", {"shape": (2,), "bound": (0,)}),
    ("csr_dot", "C1", "f32[2] i64[2] i32[3] f32[4,5]", {}), ("csr_dot", "C2", "f32[3] i32[2] i32[3] f32[4,5]", {}),
    ("csr_dot", "C3", "f32[2] i32[2] i32[3] f64[4,5]", {}),
    ("csr_dot_t", "C1", "f32[2] i32[2] i64[3] f32[2,5]", {"shape": (4,)}),
    ("csr_dot_t", "C2", "bool[2] i32[2] i32[3] bool[2,5]", {"shape": (4,)}),
    ("csr_dot_t", "C3", "f32[2] i32[2] i32[3] f32[2]", {"shape": (4,)}),
    ("csr_dot_t", "C4", "f32[2] i32[2] i32[3] f32[3,5]", {"shape": (4,)}),
    ("csr_dot_t", "C5", "f32[2] i32[2] i32[3] f32[2,5]", {"shape": (4, 4)}),
    ("csr_sampled", "C1", "i32[2,2] i32[3] f32[2,5] f32[4,5]", {}),
    ("csr_sampled", "C2", "i32[2] i32[3] f16[2,5] f16[4,5]", {}),
    ("csr_sampled", "C3", "i32[2] i32[3] f32[2,5] f64[4,5]", {}),
    ("csr_sampled", "C4", "i32[2] i32[3] f32[3,5] f32[4,5]", {}),
    ("csr_sampled", "C5", "i32[2] i32[3] f32[2,5] f32[4,6]", {}),
    ("random_bits", "C1", "i32[3]", {"shape": (2,)}), ("random_bits", "C3", "i64[3]", {"shape": (2,), "part": -1}),
    ("random_bits", "C2", "i64[3]", {"shape": (2,), "bound": (0,)}),
    ("random_word", "C1", "i64[] i64[] i64[] i64[] i32[]", {"word": 0}),
    ("random_word", "C3", "i64[2] i64[3] i64[] i64[] i64[]", {"word": 0}),
    ("random_word", "C4", "i64[] i64[] i64[] i64[] i64[]", {"word": 4}),
    ("reshape", "C2", "f32[2]", {"shape": (2,), "bound": (0,)}), ("concatenate", "C1", "f32[2] f32[2]", {"axis": 1}),
    ("shift", "C1", "f32[2]", {"axis": 1, "by": 1}), ("shift", "C2", "bool[2]", {"axis": 0, "by": 1}),
    ("roll", "C1", "f32[2] i64[]", {"axis": 1}), ("roll", "C2", "f32[2] i32[]", {"axis": 0}),
    ("update_slice", "C1", "f32[4] f32[2]", {**STRIDED, "step": (0,)}),
    ("update_slice", "C2", "f32[4] f32[2]", {**STRIDED, "start": (3,)}),
    ("update_slice", "C3", "f32[4] f32[2]", {**STRIDED, "bound_start": (0,)}),
    ("sort", "C1", "c64[2]", {"axis": 0}), ("sort", "C2", "f32[2]", {"axis": 1}),
    ("argsort", "C1", "c64[2]", {"axis": 0}), ("argsort", "C2", "f32[2]", {"axis": 1}),
    ("searchsorted", "C1", "c64[2] c64[2]", {}), ("searchsorted", "C2", "f32[2,2] f32[2]", {}),
    ("searchsorted", "C3", "f32[2] f64[2]", {}),
    ("polygamma", "C1", "i32[2]", {"n": 0}), ("polygamma", "C2", "f32[2]", {"n": -1}),
    ("repeated_square", "C4", "f32[2,2] i32[]", {}), ("repeated_square", "C1", "f16[2,2] i64[]", {}),
    ("repeated_square", "C2", "f32[2] i64[]", {}), ("repeated_square", "C3", "f32[2,3] i64[]", {}),
    ("lu_solve", "C1", "f16[2,2] i32[2] f16[2,1]", {}), ("lu_solve", "C2", "f32[2,2] i32[2] f32[2]", {}),
    ("lu_solve", "C3", "f32[2,3] i32[2] f32[2,1]", {}), ("lu_solve", "C4", "f32[2,2] i32[2] f64[2,1]", {}),
    ("lu_solve", "C5", "f32[2,2] i32[2] f32[3,1]", {}), ("lu_solve", "C6", "f32[2,2] i32[3] f32[2,1]", {}),
    ("svd", "C1", "f16[3,2]", {"shape": (2,)}), ("svd", "C2", "f32[3]", {"shape": (2,)}),
    ("svd", "C3", "f32[3,2]", {"shape": (3,)}),
    ("pinv", "C1", "f16[3,2]", {"shape": (2,), "rcond": 0.0}), ("pinv", "C2", "f32[3]", {"shape": (2,), "rcond": 0.0}),
    ("pinv", "C3", "f32[3,2]", {"shape": (3,), "rcond": 0.0}),
    ("qr", "C1", "f16[3,2]", {"shape": (2,)}), ("qr", "C2", "f32[3]", {"shape": (2,)}),
    ("qr", "C3", "f32[3,2]", {"shape": (3,)}), ("qr", "C4", "f32[3,2]", {"shape": (2,), "mode": "full"}),
    *((name, "C1", "f32[2]", {"axis": 1}) for name in ("cumsum", "cumprod")),
    *((name, "C2", "bool[2]", {"axis": 0}) for name in ("cumsum", "cumprod")),
    *((name, "C3", "f32[0]", {"axes": (0,)}) for name in ("min", "argmax", "argmin")),
    *((name, "C1", "f16[2,2]", {}) for name in OF_MATRICES), *((name, "C2", "f32[2]", {}) for name in OF_MATRICES),
    *((name, "C3", "f32[2,3]", {}) for name in OF_MATRICES),
    *((name, "C1", "f16[2,2] f16[2,1]", {}) for name in SOLVERS),
    *((name, "C2", "f32[2,2] f32[2]", {}) for name in SOLVERS),
    *((name, "C3", "f32[2,3] f32[2,1]", {}) for name in SOLVERS),
    *((name, "C4", "f32[2,2] f64[2,1]", {}) for name in SOLVERS),
    *((name, "C5", "f32[2,2] f32[3,1]", {}) for name in SOLVERS), *LAYERS,
]  # fmt: skip


def refusal(name: str, operands: str, attrs: dict[str, Any]) -> str:
    """The first line of the error."""
    with pytest.raises(TypeInferenceError) as e:
        infer(name, operands, **attrs)
    return str(e.value).split("note:")[0]


@pytest.mark.parametrize(("name", "label", "operands", "attrs"), BROKEN, ids=lambda v: v if isinstance(v, str) else "")
def test_the_rule_is_named(name: str, label: str, operands: str, attrs: dict[str, Any]) -> None:
    text = refusal(name, operands, attrs)
    assert text.startswith(f"{name}: ") and f"({label})" in text, text


def stated(doc: str) -> set[str]:
    """The rules that the docstring of an op numbers, also as `(C1) to (C4)`."""
    ranges = re.findall(r"\(C(\d)\) to \(C(\d)\)", doc)
    return {*re.findall(r"\((C\d)\)", doc), *(f"C{k}" for low, high in ranges for k in range(int(low), int(high) + 1))}


def test_every_rule_is_tested() -> None:
    tested = {(name, label) for name, label, _, _ in BROKEN}
    for name, operands, attrs, _ in BAD:
        tested |= {(name, label) for label in re.findall(r"\((C\d)\)", refusal(name, operands, attrs))}
    wanted = {(record.name, label) for record in OPS.values() for label in stated(record.doc)}
    assert wanted <= tested, f"add cases: {sorted(wanted - tested)}"

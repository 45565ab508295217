"""Loops in CUDA text: the host's loop around the launches of the body's kernels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.codegen.places import UnsupportedError
from arignote.frontends import tensor as T
from arignote.frontends.tensor.branch import ifelse
from arignote.frontends.tensor.scanning import until
from arignote.frontends.tensor.stages import dump_stage


def test_the_host_loops_around_launches() -> None:
    x, h = T.tensor3("x", dtype="float32"), T.matrix("h", dtype="float32")
    w = ar.shared(np.eye(3, dtype=np.float32), "w")
    rows, _ = ar.scan(lambda x, h: T.tanh(x + T.dot(h, w)), x, h, go_backwards=True)
    text = dump_stage(ar.function([x, h], T.exp(rows[-1]), name="f"), "cuda", "cuda")
    comments = [line for line in text.splitlines() if line.startswith("//")]
    (start,) = (i for i, line in enumerate(comments) if "loop of" in line)
    assert re.search(r"//   loop of n steps over the rows of %x\.1, last first -> ", comments[start])
    inside = [line for line in comments[start + 1 :] if line.startswith("//     launch")]
    assert [re.findall(r"k\d+_(\w+)\(", line) for line in inside] == [["dot"], ["map"]]
    assert text.count("__global__") == 2 * sum("launch" in line for line in comments), "declared and defined"


def _comments(f: Any) -> tuple[list[str], str]:
    text = dump_stage(f, "cuda", "cuda")
    return [line.removeprefix("// ") for line in text.splitlines() if line.startswith("//")], text


def _kernels(lines: list[str]) -> list[str]:
    return [re.findall(r"launch k\d+_(\w+)\(", line)[0] for line in lines if "launch" in line]


def test_places_that_the_device_computes() -> None:
    """Rows of a matrix by the integers of a sequence, and the gradient: one row at a time is added."""
    i, w = T.vector("i", dtype="int32"), ar.shared(np.eye(3, dtype=np.float32), "w")
    rows, _ = ar.scan(lambda i, h: T.tanh(h + w[i]), i, T.zeros(3, "float32"))
    lines, text = _comments(ar.function([i], rows, updates=[(w, w - T.grad(rows.sum(), w))], name="f"))
    kernels = _kernels(lines)
    assert "check_index" in kernels and "slice" in kernels
    for name in set(kernels):
        assert re.search(rf"__global__ void .*k\d+_{name}_kernel\(", text)
    (slices,) = {line for line in text.splitlines() if "_slice_kernel(" in line and line.endswith(";")}
    assert slices.count("*") == 3, "the matrix, the place and the row: the host cannot read what the device computed"


def test_scatters_in_order() -> None:
    i, x = T.vector("i", dtype="int64"), T.matrix("x", dtype="float32")
    lines, text = _comments(ar.function([i, x], T.grad((x[i] ** 2).sum(), x), name="f"))
    (at,) = (n for n, line in enumerate(lines) if "_scatter(" in line)
    assert "copy on the device" in lines[at - 1]
    assert "atomic" not in text


def test_loops_that_stop_and_branches() -> None:
    x = T.vector("x", dtype="float32")
    powers, _ = ar.scan(
        lambda p: (p * x.sum(), until(p > 100)), outputs_info=T.constant(np.float32(1)), n_steps=50
    )
    out = ifelse(T.gt(x.sum(), 3), T.exp(powers[-1]), T.dot(x, x))
    lines, _ = _comments(ar.function([x], out, name="f"))
    assert any("loop of at most 50 steps" in line for line in lines)
    (leave,) = (n for n, line in enumerate(lines) if "leave the loop if" in line)
    assert "transfer device -> host" in lines[leave - 1] and "bool[], 1 bytes" in lines[leave - 1]
    (branch,) = (n for n, line in enumerate(lines) if line.strip().startswith("if %"))
    (other,) = (n for n, line in enumerate(lines) if line.strip() == "otherwise")
    assert "launch" in lines[branch + 1] or "launch" in lines[other + 1]
    assert branch < other


def test_equal_kernels_are_one() -> None:
    x = T.TensorType("float32", shape=(2, 3))("x")
    y, w = x, [ar.shared(np.eye(3, dtype=np.float32), f"w{k}") for k in range(3)]
    for v in w:
        y = T.tanh(T.dot(y, v))
    lines, text = _comments(ar.function([x], y, name="f"))
    assert len(_kernels(lines)) == 6 and text.count("__global__") == 2 * 2


def test_sorting_is_refused() -> None:
    x = T.vector("x", dtype="float32")
    with pytest.raises(UnsupportedError, match="sort has no CUDA kernel"):
        dump_stage(ar.function([x], T.sort(x)), "cuda", "cuda")

"""Loops in CUDA text: the host's loop around the launches of the body's kernels."""

from __future__ import annotations

import re

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.codegen.places import UnsupportedError
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


def test_places_that_the_device_computes_are_refused() -> None:
    i, w = T.vector("i", dtype="int32"), ar.shared(np.eye(3, dtype=np.float32), "w")
    rows, _ = ar.scan(lambda i, h: h + w[i], i, T.zeros(3, "float32"))
    with pytest.raises(UnsupportedError, match="no CUDA kernel"):
        dump_stage(ar.function([i], rows), "cuda", "cuda")

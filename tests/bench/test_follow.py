"""Word vectors beside PyTorch's: the same losses at every step, also with random words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import curves_page, follow
from bench.report import envelope, save


@pytest.mark.parametrize("name", ["cbow", "skipgram"])
def test_losses_are_those_of_pytorch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    r = np.random.default_rng(0)
    text = tmp_path / "text.txt"
    text.write_text(" ".join("abcdefghijkl"[i] * 2 for i in r.integers(0, 12, 2500) ** 2 // 12))
    (tmp_path / "questions-words.txt").write_text(": letters\naa bb cc dd\n")
    (tmp_path / "EN-X.txt").write_text("aa bb 2\naa zz 1\n")
    found = follow.measure(
        name, str(text), str(tmp_path), epochs=2, every=20, seed=1, log=lambda _: None,
        settings=("embedding=6", "batch=20", "rate=0.5", "subsample=none"),
    )  # fmt: skip
    assert found["at"] == [*range(0, 224, 20), 223] and found["analogies"] == {"asked": 1, "right": 0}
    assert found["worst"] < 1e-4 and found["arignote"][-1] < found["arignote"][0]
    assert found["spearman"] == {"X": {"rho": None, "pairs": 1}}
    report = envelope("follow", [found], command=[], seed=1, versions=follow.versions())  # a valid record
    assert curves_page.followed(tmp_path) == ""
    save(report, tmp_path)
    assert f"| {name} | {found['data']} | 224 | {found['worst']:.0e} |" in curves_page.followed(tmp_path)

"""Models beside PyTorch's: from the same values, the losses of the first steps are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import curves, follow, twins
from bench.report import envelope

QUIET = ("drop_words=0", "drop_inputs=0", "drop_states=0", "drop_outputs=0", "hidden=7", "layers=2", "steps=5")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resnet", ("batch=8", "filters=2")),
        ("densenet", ("batch=8", "depth=7", "growth=2", "filters=3")),
        ("stn", ("dropout=0", "filters=2", "hidden=5", "size=60", "images=2000")),
        ("mnist_cnn", ("dropout=0", "filters=2", "hidden=5")),
        ("char_rnn", ("hidden=6", "truncate=4")),
        ("char_lstm", ("hidden=6",)),
        ("char_gru", ("hidden=6",)),
        ("stacked_rnn", QUIET),
        ("stacked_lstm", QUIET),
        ("deep_transition", QUIET),
        ("rhn", (*QUIET, "depth=2")),
        ("bilstm_sentiment", ("hidden=5", "embedding=4", "vocabulary=300")),
    ],
)
def test_first_losses_are_those_of_pytorch(name: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = curves.measure(name, None, epochs=1, steps=5, validations=1, seed=3, log=lambda _: None, settings=settings)
    first = np.array(found["first"])
    assert first.shape == (5, 2) and found["validations"][0]["step"] == 5
    np.testing.assert_allclose(first[:, 0], first[:, 1], rtol=2e-4)
    ours, theirs = (found["validations"][0][which]["valid_loss"] for which in curves.STYLES)
    np.testing.assert_allclose(ours, theirs, rtol=2e-3)
    envelope("curves", [found], command=[], seed=3, versions=follow.versions())  # a valid record
    pytest.importorskip("matplotlib")
    curves.picture(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize(("name", "why"), [("logreg", "not written for PyTorch"), ("rhn", "drop_states=0")])
def test_models_that_cannot_be_compared_say_why(name: str, why: str) -> None:
    pytest.importorskip("torch")
    with pytest.raises(twins.NoTwinError, match=why):
        curves.measure(name, None, epochs=1, validations=1, seed=0, log=lambda _: None)

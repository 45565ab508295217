"""Models beside PyTorch's: from the same values, the losses of the first steps are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import curves, curves_page, follow, twins
from bench.report import envelope, save

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
    command = ["curves", *(word for one in settings for word in ("--set", one)), name]
    save(envelope("curves", [found], command=command, seed=3, versions=follow.versions()), tmp_path)  # a valid record
    assert curves_page.write(tmp_path, tmp_path / "CURVES.md") == 1
    page = (tmp_path / "CURVES.md").read_text()
    shown = ", ".join([name, *(one for one in settings if not one.startswith("drop_")), "seed 3"])
    assert f"| {shown} | {found['data']} | {found['parameters']:,} |" in page
    assert ("Words per second" in page) == ("drop_words" in found["settings"])
    pytest.importorskip("matplotlib")
    curves.picture(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_without_validations_the_training_losses_are_judged(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = curves.measure("char_rnn", None, epochs=2, steps=100, validations=0, seed=3, log=lambda _: None,
                           settings=("hidden=6",))  # fmt: skip
    assert found["validations"] == [] and found["steps"] == 100
    trained = found["training"]
    assert trained["every"] == 2 and len(trained["torch"]) == 50
    assert trained["arignote"][0] == pytest.approx(np.mean([ours for ours, _ in found["first"][:2]]))
    what, ends, best = curves_page.judged(found)
    assert what == "training perplexity" and not best
    assert ends["torch"] == pytest.approx(np.exp(np.mean(trained["torch"][-5:])))
    stopped = curves.measure("char_rnn", None, epochs=1, minutes=0.0, validations=1, seed=3, log=lambda _: None,
                             settings=("hidden=6",))  # fmt: skip
    assert stopped["steps"] < 10 and stopped["validations"][-1]["step"] == stopped["steps"]
    pytest.importorskip("matplotlib")
    curves.picture(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize(("name", "why"), [("logreg", "not written for PyTorch"), ("rhn", "drop_states=0")])
def test_models_that_cannot_be_compared_say_why(name: str, why: str) -> None:
    pytest.importorskip("torch")
    with pytest.raises(twins.NoTwinError, match=why):
        curves.measure(name, None, epochs=1, validations=1, seed=0, log=lambda _: None)


def test_the_best_validation_is_the_least_error() -> None:
    rows = [{which: {"valid_loss": 1.0, "valid_error": error + i / 8} for i, which in enumerate(curves.STYLES)}
            for error in (0.5, 0.25, 0.75)]  # fmt: skip
    what, last, best = curves_page.judged({"validations": rows, "by_loss": False})
    assert what == "validation accuracy, %"
    assert (last["arignote"], best["arignote"], best["torch"]) == (25, 75, 62.5)

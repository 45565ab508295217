"""What runs reached: read from their folders, kept as results, shown in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from arignote.models.book.dcgan import Dcgan
from arignote.models.commands import folder
from arignote.models.commands import predict as predict_command
from arignote.models.data import load_digits
from arignote.models.training import Checkpoint, History, checkpoint
from bench import main as command_line
from bench import quality, reading, report, schema

RECORD = {
    "epoch": 0, "minibatch": 83, "iteration": 82, "train_loss": 1.23456789, "valid_loss": 0.5, "valid_error": 0.125,
    "test_loss": 0.75, "test_error": 0.25, "seconds": 2.5,
}  # fmt: skip
WORSE = {**RECORD, "epoch": 1, "valid_error": 0.5, "test_loss": None, "test_error": None, "seconds": 4.0}


def run(path: Path, *, records: Sequence[Mapping[str, object]], model: str = "mlp") -> Path:
    made = folder.RunFolder(path)
    made.prepare()
    settings = {"batch": None, "rate": 0.02, "hidden": 500}
    made.write_record(folder.RunRecord(model, "MNIST", "/data/mnist", settings, 3, 2, 83, None))
    array = {"w": np.zeros(2, np.float32)}
    checkpoint.save(made.checkpoint, Checkpoint(model, array, array, {"records": list(records)}))
    return path


def test_a_run_is_kept_with_the_command_that_makes_it_again(tmp_path: Path) -> None:
    found = quality.record(run(tmp_path / "mlp", records=[RECORD, WORSE]))
    options = "--data mnist --epochs 2 --validate-every 83 --seed 3 --set rate=0.02"
    assert found["command"] == f"arignote train mlp {options}"
    assert found["seconds"] == 4.0 and found["records"][0]["train_loss"] == 1.23457
    assert quality.best(found["records"])["valid_error"] == 0.125


def test_the_page_has_the_newest_run_of_each_model(tmp_path: Path) -> None:
    result = quality.record(run(tmp_path / "mlp", records=[RECORD, WORSE]))
    older = {**result, "records": [{**RECORD, "valid_error": 0.9}]}
    text = quality.page([
        {"date": "2026-02-01", "results": [result]},
        {"date": "2026-01-01", "results": [older]},
        {"date": "2026-01-01", "results": [{**result, "model": "logreg"}]},
    ])  # fmt: skip
    lines = text.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["`logreg`", "`mlp`"]
    assert "| MNIST | 0 | 12.50 % | 25.00 % | 0.5000 | 0.7500 | 4 s | MNIST: validation error 10.2 %" in lines[3]
    assert result["command"] in lines


def test_folders_become_result_files(tmp_path: Path) -> None:
    arguments = ["quality", "--out", str(tmp_path / "out"), str(run(tmp_path / "mlp", records=[RECORD]))]
    done = CliRunner().invoke(command_line.main, arguments)
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "out").glob("train-*.json")
    document = report.load(path)
    assert document["results"][0]["model"] == "mlp" and document["seed"] == 3
    document["results"][0]["records"][0]["valid_error"] = -1
    with pytest.raises(schema.SchemaError, match=r"records\[0\].valid_error"):
        schema.validate(document)


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, message in ((tmp_path / "empty", "holds no run"), (run(tmp_path / "short", records=[]), "ended before")):
        done = CliRunner().invoke(command_line.main, ["quality", str(path)])
        assert done.exit_code == 1 and message in done.output


def test_what_a_generator_draws_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier that takes everything for a 3 reads a tenth of it, and as many real images as are 3."""
    pytest.importorskip("sklearn")
    model = Dcgan(filters=2, units=4, noise=3)
    made, read = folder.RunFolder(tmp_path / "made"), folder.RunFolder(tmp_path / "read")
    for one, name, settings in ((made, "dcgan", asdict(model)), (read, "mnist_cnn", {})):
        one.prepare()
        one.write_record(folder.RunRecord(name, "digits", None, settings, 0, 1, 1, None))
    model.task(None, seed=0).save(made.weights, History())
    seen: list[Any] = []

    def classify(images: Any) -> tuple[Any, None]:
        seen.append(images)
        return np.full(len(images), 3), None

    monkeypatch.setattr(predict_command, "load_classifier", lambda *_: (None, SimpleNamespace(classify=classify)))
    arguments = ["reading", str(made.path), str(read.path), "--count", "4", "--out", str(tmp_path)]
    done = CliRunner().invoke(command_line.main, arguments)
    assert done.exit_code == 0, done.output
    (path,) = tmp_path.glob("reading-*.json")
    (result,) = report.load(path)["results"]
    assert result["shares"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0] and result["share"] == pytest.approx(0.1)
    assert seen[0].shape == (40, 784) and 0 <= seen[0].min() < seen[0].max() <= 1
    test = load_digits().test.y
    assert result["real"] == np.mean(test == 3)
    row = reading.page([report.load(path)]).splitlines()[-1]
    assert row.startswith("| `dcgan` | digits | 10.0 % | 0.0 % | 40 | `mnist_cnn` |")
    done = CliRunner().invoke(command_line.main, ["reading", str(read.path), str(made.path)])
    assert done.exit_code == 1 and "no runs of a generator and of a classifier" in done.output

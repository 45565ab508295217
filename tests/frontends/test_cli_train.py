"""`arignote train` and `arignote predict`, from the first epoch to a label."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from arignote.frontends.cli.main import main
from arignote.models.commands import train as train_command
from arignote.models.data import load_digits
from arignote.models.training import checkpoint as checkpoints

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def trained(*arguments: str) -> Result:
    result = run("train", "logreg", "--epochs", "2", *arguments)
    assert result.exit_code == 0, result.output
    return result


def weights(path: Path) -> dict[str, Any]:
    return dict(checkpoints.load(path).parameters)


def test_training_tells_and_keeps_everything(folder: Path) -> None:
    result = trained("--validate-every", "65")
    lines = result.output.splitlines()
    assert lines[0] == "logreg: Softmax regression: 784-10, zero initial weights (chapter 2)"
    assert lines[1] == "data: digits, 1300 training, 240 validation, 240 test images"
    assert lines[2] == "batch 20, rate 0.13, seed 0; 2 epochs of 65 minibatches"
    assert re.fullmatch(
        r"epoch 0, minibatch 1/65, validation error \d+\.\d\d %, loss \d\.\d{7}", lines[3]
    )
    assert [line.partition(",")[0] for line in lines[3:6]] == ["epoch 0", "epoch 1", "epoch 1"]
    assert re.fullmatch(
        r"best validation error \d+\.\d\d % at epoch 1, test error \d+\.\d\d %", lines[6]
    )
    assert re.fullmatch(r"2 epochs in \d+\.\d s( \(.* epochs/s once compiled\))?", lines[7])
    runs = Path("runs") / "logreg"
    assert lines[8] == f"pictures: {runs / 'learning_curves.png'}, {runs / 'confusion.png'}"
    assert lines[9] == f"weights: {runs / 'weights.npz'}"
    assert {file.name for file in (folder / runs).iterdir()} == {
        "confusion.png",
        "learning_curves.png",
        "run.ckpt.npz",
        "run.json",
        "weights.npz",
    }
    for name in ("confusion.png", "learning_curves.png"):
        assert (folder / runs / name).read_bytes().startswith(b"\x89PNG")
        assert (folder / runs / name).stat().st_mode & 0o444 == 0o444


def test_an_interrupted_run_resumes_exactly(folder: Path) -> None:
    trained("--out", "whole", "--epochs", "4", "--validate-every", "50")
    trained("--out", "parts", "--epochs", "2", "--validate-every", "50")
    # The settings are the run's own; only its length is new.
    result = run("train", "logreg", "--out", "parts", "--epochs", "4", "--resume")
    assert result.exit_code == 0, result.output
    whole, parts = (
        checkpoints.load(folder / name / "run.ckpt.npz").parameters for name in ("whole", "parts")
    )
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array)


def test_resume_keeps_settings_and_refuses_others(folder: Path) -> None:
    settings = ("--set", "hidden=5", "--set", "batch=40")
    assert run("train", "mlp", "--epochs", "1", *settings).exit_code == 0
    result = run("train", "mlp", "--resume", "--epochs", "2")
    assert result.exit_code == 0, result.output
    assert "batch 40, rate 0.01, hidden 5, seed 0; 2 epochs of 32 minibatches" in result.output
    result = run("train", "mlp", "--resume", "--set", "rate=0.5", "--seed", "7")
    assert result.exit_code == 1
    assert "was made with rate=0.01, not 0.5; seed 0, not 7" in result.output


def test_resume_without_a_run_begins_one() -> None:
    assert "nothing to resume in runs/logreg" in trained("--resume").output


def test_a_new_run_puts_the_old_checkpoint_aside(folder: Path) -> None:
    trained()
    old = (folder / "runs/logreg/run.ckpt.npz").read_bytes()
    result = trained("--set", "rate=0.01")
    assert "kept as runs/logreg/previous.ckpt.npz" in result.output
    assert (folder / "runs/logreg/previous.ckpt.npz").read_bytes() == old
    record = json.loads((folder / "runs/logreg/run.json").read_text())
    assert record["settings"] == {"batch": None, "rate": 0.01}


def test_seeds_decide_the_weights(folder: Path) -> None:
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        options = ("--epochs", "1", "--set", "hidden=4", "--seed", seed, "--out", out)
        assert run("train", "mlp", *options).exit_code == 0
    a, b, c = (weights(folder / out / "weights.npz")["W0"] for out in "abc")
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.01


def test_early_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_command, "PATIENCE", 1)
    result = run(
        "train", "logreg", "--epochs", "50", "--early-stop", "--validate-every", "10",
        "--set", "rate=1e-9",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "stopped early: no improvement in 1 validations" in result.output


def test_divergence_is_reported(folder: Path) -> None:
    result = run("train", "mlp", "--epochs", "1", "--set", "hidden=4", "--set", "rate=1e38")
    assert result.exit_code == 1
    assert "the loss is no longer finite" in result.output
    assert "--set rate=1e+37" in result.output
    assert not (folder / "runs/mlp/weights.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mlp", "--data", "nowhere"], "nowhere: expected a folder with data sets, found nothing"),
        (["mlp", "--set", "hidden=0"], "hidden must be at least 1"),
        (["mlp", "--set", "batch=241"], "batch=241, but a part of digits has 240 examples only"),
        (["cnn2"], "there is no model 'cnn2'"),
    ],
)
def test_mistakes_are_one_message(arguments: list[str], message: str, folder: Path) -> None:
    result = run("train", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_unknown_modes_are_usage_errors() -> None:
    result = run("train", "mlp", "--mode", "FAST_RUM")
    assert result.exit_code == 2
    assert "did you mean 'FAST_RUN'" in result.output


def test_ctrl_c_says_how_to_go_on(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "arignote.frontends.cli.main", "train", "logreg",
         "--epochs", "1000000", "--validate-every", "65", "--out", "long"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 1,"):
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert errors == "interrupted; go on with: arignote train logreg --out long --resume\n"
    assert "best validation error" in output
    assert (folder / "long/weights.npz").is_file()
    assert not list((folder / "long").glob("*.tmp"))


def test_predict_test_images() -> None:
    trained()
    result = run("predict", "logreg", "--count", "2")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    labels = load_digits().test.y
    assert re.fullmatch(rf"image 0: \d \(\d+\.\d %\), labelled {labels[0]}", lines[0])
    values = re.findall(r"(\d): (\d\.\d{4})", lines[1])
    assert sorted(digit for digit, _ in values) == list("0123456789")
    assert sum(float(p) for _, p in values) == pytest.approx(1, abs=1e-3)
    assert [p for _, p in values] == sorted((p for _, p in values), reverse=True)
    assert lines[-2] == "... 238 more (--count 240 lists all)"
    error = json.loads(re.sub(r"error (\S+) %.*", r"\1", lines[-1]))
    progress = checkpoints.load("runs/logreg/weights.npz").progress
    assert error == pytest.approx(100 * progress["test_error"], abs=0.005)


def test_predict_files(folder: Path) -> None:
    from PIL import Image

    trained("--epochs", "20")
    part = load_digits().test
    image = part.x[0].reshape(28, 28)
    np.save("one.npy", image)
    np.save("bytes.npy", (part.x[:3] * 256).round().astype(np.uint8))
    # As people draw: dark on white paper, larger.
    paper = Image.fromarray(255 - (image * 255).round().astype(np.uint8)).resize((112, 112))
    paper.save("drawn.png")
    expected = run("predict", "logreg", "--count", "3").output.splitlines()
    labels = [line.split(" (")[0] for line in expected if line.startswith("image")]
    assert run("predict", "logreg", "--data", "one.npy").output.startswith(labels[0])
    assert run("predict", "logreg", "--data", "drawn.png").output.startswith(labels[0])
    result = run("predict", "logreg", "--data", "bytes.npy")
    assert [line.split(" (")[0] for line in result.output.splitlines()[::2]] == labels


def test_predict_refuses_what_it_cannot_use(folder: Path) -> None:
    trained()
    np.save("small.npy", np.zeros((3, 5)))
    np.save("bright.npy", np.full((28, 28), 255.0))
    (folder / "text.png").write_text("no picture")
    for data, message in (
        ("missing.png", "expected a file, found none"),
        ("small.npy", "found float64[3, 5]"),
        ("bright.npy", "expected values in [0, 1], or bytes"),
        ("text.png", "expected a picture"),
    ):
        result = run("predict", "logreg", "--data", data)
        assert (result.exit_code, "Traceback" in result.output) == (1, False)
        assert message in result.output
    for weights_file, message in (
        ("nothing.npz", "does not exist"),
        ("small.npy", "is damaged or no checkpoint"),
        ("runs/logreg/run.ckpt.npz", "Use the weights.npz that `arignote train` wrote"),
    ):
        result = run("predict", "logreg", "--weights", weights_file)
        assert result.exit_code == 1
        assert message in result.output
    result = run("predict", "mlp", "--weights", "runs/logreg/weights.npz")
    assert "is of the model 'logreg', not of 'mlp'" in result.output

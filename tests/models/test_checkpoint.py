"""Checkpoints: exact, safe to read, and never half written."""

import errno
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arignote.models.training import checkpoint as checkpoints
from arignote.models.training.checkpoint import Checkpoint, CheckpointError, load, save

PARAMETERS = {
    "W": np.arange(6, dtype=np.float32).reshape(2, 3),
    "file": np.array(1.5),  # the name of a parameter of np.savez
    "steps": np.array([1, 2], np.int64),
    "empty": np.zeros((0, 3), np.float16),
}
PROGRESS = {"iteration": 12, "loss": 0.1 + 0.2, "best": float("inf"), "records": [{"a": None}]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "mlp.ckpt.npz"


def saved(path: Path, **changes: Any) -> Checkpoint:
    values = {"model": "mlp", "parameters": PARAMETERS, "progress": PROGRESS, **changes}
    checkpoint = Checkpoint(**values)
    save(path, checkpoint)
    return checkpoint


def test_round_trip_is_exact(path: Path) -> None:
    saved(path, best={name: array + 1 for name, array in PARAMETERS.items()})
    loaded = load(path, model="mlp", like=PARAMETERS)
    assert loaded.model == "mlp"
    assert loaded.progress == PROGRESS
    assert list(loaded.parameters) == list(PARAMETERS)
    for name, array in PARAMETERS.items():
        assert loaded.parameters[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.parameters[name], array)
        np.testing.assert_array_equal(loaded.best[name], array + 1)


def test_plain_numpy_reads_it(path: Path) -> None:
    saved(path)
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["parameters/W"], PARAMETERS["W"])


def test_permissions_follow_the_umask(path: Path) -> None:
    mask = os.umask(0o027)
    try:
        saved(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_objects_are_not_saved(path: Path) -> None:
    with pytest.raises(TypeError, match=r"parameters 'W': object cannot be saved"):
        saved(path, parameters={"W": np.array([None])})
    assert not path.exists()


def test_pickles_inside_are_not_executed(path: Path, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'witness'}",)

    path.parent.mkdir()
    np.savez(path, metadata=np.array([Touch()], dtype=object))
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        load(path)
    path.write_bytes(pickle.dumps(Touch()))
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        load(path)
    assert not (tmp_path / "witness").exists()


class _Failing:
    """A function of the operating system that fails with an error code."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise OSError(self.code, os.strerror(self.code))


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ("os.fsync", errno.ENOSPC, "No space left on device"),
        ("os.fsync", errno.EIO, "Input/output error"),
        ("numpy.lib.format.write_array", errno.ENOSPC, "No space left on device"),
        ("tempfile.mkstemp", errno.EROFS, "Read-only file system"),
        ("tempfile.mkstemp", errno.EACCES, "Permission denied"),
        ("os.replace", errno.EACCES, "Permission denied"),
    ],
)
def test_failed_writes_leave_the_previous_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, target: str, code: int, message: str
) -> None:
    saved(path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(target, _Failing(code))
        with pytest.raises(CheckpointError, match=rf"{path.name}: cannot be written \({message}"):
            saved(path, progress={"iteration": 13})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_interrupted_writes_leave_the_previous_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    saved(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        saved(path, progress={})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")
def test_read_only_folder(path: Path) -> None:
    path.parent.mkdir(mode=0o555)
    with pytest.raises(CheckpointError, match="Permission denied"):
        saved(path)


def test_folder_that_is_a_file(path: Path) -> None:
    path.parent.touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        saved(path)


def test_missing_and_unreadable_files(path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load(path)
    path.mkdir(parents=True)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_truncated_files(path: Path, share: float) -> None:
    saved(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
        load(path)


def test_every_flipped_byte_of_an_array_is_noticed(path: Path) -> None:
    saved(path)
    data = path.read_bytes()
    start = data.index(PARAMETERS["W"].tobytes())
    for position in range(start, start + PARAMETERS["W"].nbytes):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(CheckpointError, match="is damaged"):
            load(path)


def test_other_model(path: Path) -> None:
    saved(path)
    with pytest.raises(CheckpointError, match="is of the model 'mlp', not of 'cnn'"):
        load(path, model="cnn")


def test_every_parameter_that_differs_is_listed(path: Path) -> None:
    saved(path)
    like = {
        "W": np.zeros((2, 4), np.float32),
        "file": np.zeros((), np.float32),
        "steps": PARAMETERS["steps"],
        "b": np.zeros(3),
    }
    with pytest.raises(CheckpointError) as caught:
        load(path, like=like)
    for part in (
        "b is missing",
        "empty is unknown",
        "W is float32[2, 3], not float32[2, 4]",
        "file is float64[], not float32[]",
    ):
        assert part in str(caught.value)
    assert "steps" not in str(caught.value)


def test_best_parameters_must_fit_as_well(path: Path) -> None:
    saved(path, best={"W": np.zeros(3)})
    with pytest.raises(CheckpointError, match="best: file is missing"):
        load(path, like=PARAMETERS)


def rewrite_metadata(path: Path, **changes: Any) -> None:
    """Change the JSON inside a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(load_metadata(path)) | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if name == "metadata.npy":
                with archive.open(name, "w") as member:
                    text = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
                    np.lib.format.write_array(member, text)
            else:
                archive.writestr(name, data)


def load_metadata(path: Path) -> bytes:
    with np.load(path) as archive:
        return bytes(archive["metadata"].tobytes())


def test_other_versions(path: Path) -> None:
    saved(path)
    rewrite_metadata(path, version=checkpoints.VERSION + 1)
    with pytest.raises(CheckpointError, match=r"has version 2 of the format, this .* version 1"):
        load(path)


def test_other_archives(path: Path) -> None:
    saved(path)
    rewrite_metadata(path, format="something else")
    with pytest.raises(CheckpointError, match="is no Arignote checkpoint"):
        load(path)
    np.savez(path, W=np.zeros(3))
    with pytest.raises(CheckpointError, match="is no Arignote checkpoint"):
        load(path)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    with pytest.raises(CheckpointError, match=r"damaged or no checkpoint.*not an \.npz"):
        load(path.with_suffix(".npy"))

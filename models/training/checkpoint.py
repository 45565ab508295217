"""Checkpoints: named arrays and JSON in one .npz file.

A checkpoint is data only: opening a stranger's file runs nothing. `arignote._archive` writes it so that
the path always holds either the previous or the new one completely.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote import _archive as archive

VERSION = 1

_FORMAT = "arignote checkpoint"
_METADATA = "metadata"  # the member that holds the JSON, as uint8[n] of UTF-8
_GROUPS = ("parameters", "best")

Arrays = Mapping[str, NDArray[Any]]


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read, or belongs to something else. Names the file."""

    def __init__(self, path: str | os.PathLike[str], problem: str, remedy: str) -> None:
        super().__init__(f"checkpoint {os.fspath(path)}: {problem}. {remedy}")
        self.path = Path(path)


@dataclass(frozen=True)
class Checkpoint:
    """What a training run needs to go on, or a trained model to be used.

    - `model`: the model's name;
    - `parameters`: name -> array, any shapes, of numbers or booleans;
    - `best`: the parameters with the lowest validation error so far (may be empty);
    - `progress`: JSON values (the training loop keeps its state and history here). Floats survive
      exactly, infinities and NaN included.
    """

    model: str
    parameters: Arrays
    best: Arrays = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)


def save(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path`, replacing what is there; the folder is made if necessary.

    Raises `CheckpointError` when that fails (no permission, read-only or full disk). The previous
    file is then intact and nothing else is left behind.
    """
    path = Path(path)
    metadata = {
        "format": _FORMAT,
        "version": VERSION,
        "model": checkpoint.model,
        "progress": checkpoint.progress,
    }
    members = {_METADATA: np.frombuffer(json.dumps(metadata).encode(), dtype=np.uint8)}
    for group in _GROUPS:
        for name, array in getattr(checkpoint, group).items():
            if np.asarray(array).dtype.kind not in "biufc":
                raise TypeError(f"{group} {name!r}: {np.asarray(array).dtype} cannot be saved")
            members[f"{group}/{name}"] = np.asarray(array)
    try:
        archive.write(path, members)
    except archive.ArchiveError as error:
        raise CheckpointError(path, error.problem, error.remedy) from error.__cause__


def load(
    path: str | os.PathLike[str], *, model: str | None = None, like: Arrays | None = None
) -> Checkpoint:
    """Read a checkpoint.

    - `model`: if given, the name that it must have;
    - `like`: if given, arrays whose names, shapes and dtypes its parameters must have.

    Raises `CheckpointError` when the file is missing, damaged, from another version of the format,
    or of another model; the message lists every parameter that differs.
    """
    path = Path(path)
    try:
        members = archive.read(path)
    except archive.ArchiveError as error:
        raise CheckpointError(path, error.problem, error.remedy) from error.__cause__
    try:
        metadata = json.loads(members.pop(_METADATA).tobytes())
        if metadata["format"] != _FORMAT:
            raise ValueError(metadata["format"])
        version, name, progress = metadata["version"], metadata["model"], metadata["progress"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            path, f"is no Arignote checkpoint ({error!r})", "Check the path."
        ) from error
    if version != VERSION:
        raise CheckpointError(
            path,
            f"has version {version} of the format, this program reads version {VERSION}",
            "Use the version of Arignote that wrote it, or train again.",
        )
    groups: dict[str, dict[str, NDArray[Any]]] = {group: {} for group in _GROUPS}
    for member, array in members.items():
        group, _, parameter = member.partition("/")
        if group not in groups:
            raise CheckpointError(path, f"has an unknown part {member!r}", "Check the path.")
        groups[group][parameter] = array
    if model is not None and name != model:
        raise CheckpointError(
            path, f"is of the model {name!r}, not of {model!r}", f"Use it with {name!r}."
        )
    if like is not None:
        # Of the best parameters there may be none yet; if there are, they must fit as well.
        for group in _GROUPS if groups["best"] else _GROUPS[:1]:
            if differences := _differences(groups[group], like):
                raise CheckpointError(
                    path,
                    f"does not fit this model: {group}: {'; '.join(differences)}",
                    "Use the sizes that it was trained with.",
                )
    return Checkpoint(name, groups["parameters"], groups["best"], progress)


def _differences(have: Arrays, want: Arrays) -> list[str]:
    differences = [f"{name} is missing" for name in want if name not in have]
    differences += [f"{name} is unknown" for name in have if name not in want]
    for name in want:
        if name in have:
            expected, found = np.asarray(want[name]), have[name]
            if (expected.shape, expected.dtype) != (found.shape, found.dtype):
                differences.append(
                    f"{name} is {found.dtype}{list(found.shape)}, "
                    f"not {expected.dtype}{list(expected.shape)}"
                )
    return differences

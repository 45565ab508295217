"""The folder of a training run: what it holds, and writing it so that nothing is half-written."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arignote.models.training import CheckpointError


@dataclass(frozen=True)
class RunRecord:
    """What a run was started with: its `run.json`.

    - `model`, `data`: names; `data_option`: what `--data` said;
    - `settings`: hyper-parameters by name; `seed`; `epochs`: planned;
    - `interval`: iterations from one validation to the next; `early_stop`: validations without
      improvement after which to stop, or None.
    """

    model: str
    data: str
    data_option: str | None
    settings: dict[str, Any]
    seed: int
    epochs: int
    interval: int
    early_stop: int | None


@dataclass(frozen=True)
class RunFolder:
    """Paths in a run's folder.

    - `checkpoint`: for `--resume`; `previous`: the one of the run before, if it was replaced;
    - `weights`: the best parameters, for `arignote predict`.
    """

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The state of the run."""
        return self.path / "run.ckpt.npz"

    @property
    def previous(self) -> Path:
        """The state of the run before."""
        return self.path / "previous.ckpt.npz"

    @property
    def weights(self) -> Path:
        """The best parameters."""
        return self.path / "weights.npz"

    @property
    def record(self) -> Path:
        """The `RunRecord`, as JSON."""
        return self.path / "run.json"

    def prepare(self) -> None:
        """Make the folder. Raises `CheckpointError` when that is not possible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                self.path, f"cannot be made ({error.strerror or error})", "Choose another --out."
            ) from error

    def put_aside(self) -> bool:
        """Keep an earlier run's checkpoint under another name; whether there was one."""
        if not self.checkpoint.exists():
            return False
        os.replace(self.checkpoint, self.previous)
        return True

    def read_record(self) -> RunRecord | None:
        """What the run was started with; None if nothing says so."""
        try:
            return RunRecord(**json.loads(self.record.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, TypeError, ValueError) as error:
            raise CheckpointError(
                self.record, f"cannot be read ({error})", "Train anew, without --resume."
            ) from error

    def write_record(self, record: RunRecord) -> None:
        """Keep what the run was started with."""
        text = json.dumps(asdict(record), indent=2) + "\n"
        write(self.record, lambda path: path.write_text(text, encoding="utf-8"))


def write(path: Path, produce: Callable[[Path], object]) -> None:
    """Let `produce` write a file beside `path` and move it there when it is complete."""
    with _temporary(path) as name:
        produce(name)
        mask = os.umask(0)
        os.umask(mask)
        name.chmod(0o666 & ~mask)  # temporary files are private, results are ordinary files
        os.replace(name, path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        with contextlib.suppress(FileNotFoundError):  # moved
            os.unlink(name)

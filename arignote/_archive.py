"""Named arrays in one .npz file: written completely or not at all, read without running anything.

The file is written beside its final place, flushed to the disk and then renamed over it, so that at any moment, power
cuts included, the path holds either the previous or the new one completely. It is read with `allow_pickle=False`.
"""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class ArchiveError(RuntimeError):
    """A file cannot be written or read: `problem`, and a `remedy`."""

    def __init__(self, path: str | os.PathLike[str], problem: str, remedy: str) -> None:
        super().__init__(f"{os.fspath(path)}: {problem}. {remedy}")
        self.path, self.problem, self.remedy = Path(path), problem, remedy


def write(path: str | os.PathLike[str], members: Arrays) -> None:
    """Write arrays of numbers or booleans, replacing what is there; the folder is made if necessary.

    Raises:
        TypeError: an array of other things.
        ArchiveError: it fails (no permission, read-only or full disk). The previous file is then intact, and nothing
            else is left behind.
    """
    path = Path(path)
    for name, array in members.items():
        if np.asarray(array).dtype.kind not in "biufc":
            raise TypeError(f"{name!r}: {np.asarray(array).dtype} cannot be saved")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, members)
    except OSError as error:
        raise ArchiveError(
            path,
            f"cannot be written ({error.strerror or error})",
            "An earlier file there, if any, is intact. Free space or choose another folder.",
        ) from error


def read(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a file. Raises `ArchiveError` when it is missing, cannot be read, or is damaged."""
    try:
        # Opened here: np.load leaves its own file open when an archive turns out to be damaged.
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("not an .npz archive")
            with archive:
                return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise ArchiveError(path, "does not exist", "Check the path.") from error
    except OSError as error:
        raise ArchiveError(path, f"cannot be read ({error.strerror or error})", "Check its permissions.") from error
    except Exception as error:
        # zipfile and NumPy report damage by many types: BadZipFile, zlib.error, ValueError,
        # EOFError, NotImplementedError, SyntaxError, ...
        raise ArchiveError(
            path,
            f"is damaged or no checkpoint ({type(error).__name__}: {error})",
            "Use an earlier one, or train again.",
        ) from error


def _write_atomically(path: Path, members: Arrays) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write_members(file, members)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are private; these get the permissions of any new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    # The rename is only as durable as the folder's own entry. Not every file system can flush a
    # folder; the file itself is complete in any case.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write_members(file: IO[bytes], members: Arrays) -> None:
    # np.savez takes names as keyword arguments, one of which ("file") a parameter may be called
    # too; so the archive, of the same form, is written here.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)

"""Reading the files of data sets, with errors that say what to do."""

import gzip
import zlib
from pathlib import Path

from arignote.models.data.errors import DataError

AGAIN = "Get the file again from where it was downloaded."


def existing(folder: Path, *names: str) -> Path | None:
    """The first of `names` that is a file of the folder, or None."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read(path: Path) -> bytes:
    """The contents of a file, unpacked where its name ends in .gz. Raises `DataError`."""
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(path, expected="a complete gzip file", found=f"damage ({error})", remedy=AGAIN) from error
    except OSError as error:
        raise DataError(
            path,
            expected="a readable file",
            found=f"an error ({error.strerror or error})",
            remedy="Check its permissions.",
        ) from error

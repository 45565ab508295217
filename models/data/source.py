"""Where data sets are looked for.

In this order: the folder that the caller names, the environment variable `ARIGNOTE_DATA`, and
`../shared/data` beside a source checkout (the one this package lies in, or the one around the
current directory). The first two are the user's word: when they are wrong, that is an error and
the search does not go on.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from arignote.models.data.errors import DataError

ENVIRONMENT_VARIABLE = "ARIGNOTE_DATA"


def find_folder(
    name: str, contains: Sequence[str], explicit: str | os.PathLike[str] | None = None
) -> Path:
    """The folder of the data set `name`: the first candidate that holds a file of `contains`.

    `explicit` (as well as `ARIGNOTE_DATA`) may be the data set's own folder or its parent.
    Raises `DataError` that lists the places looked at when there is none.
    """
    tried: list[Path] = []
    for root in _roots(explicit):
        for folder in (root / name, root):
            tried.append(folder)
            if any((folder / file).is_file() for file in contains):
                return folder
    raise DataError(
        f"data set {name!r}",
        expected=f"a folder with {' or '.join(contains)}",
        found="none in " + (", ".join(map(str, tried)) or "any place (none to look in)"),
        remedy=f"Name the folder, or its parent, by --data or {ENVIRONMENT_VARIABLE}; "
        "the data sets 'digits', 'shapes' and 'scenes' need no files.",
    )


def _roots(explicit: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Folders to search. What the user named is searched alone."""
    named = explicit if explicit is not None else os.environ.get(ENVIRONMENT_VARIABLE) or None
    if named is not None:
        root = Path(named).expanduser()
        if not root.is_dir():
            raise DataError(
                root,
                expected="a folder with data sets",
                found="a file" if root.exists() else "nothing",
                remedy="Correct --data."
                if explicit is not None
                else f"Correct or unset the environment variable {ENVIRONMENT_VARIABLE}.",
            )
        yield root
        return
    seen = set()
    # The real path: in a checkout this folder is reached by a link.
    for start in (Path(__file__).resolve().parent, Path.cwd()):
        checkout = _checkout(start)
        if checkout and checkout not in seen:
            seen.add(checkout)
            yield checkout.parent / "shared" / "data"


def _checkout(start: Path) -> Path | None:
    """The source checkout that holds `start`, or None."""
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "arignote/__init__.py").is_file():
            return folder
    return None

"""The one error that data loaders raise."""

from pathlib import Path


class DataError(ValueError):
    """A data set is missing, damaged or not what its name says.

    Every message answers the same four questions, which are also attributes:

    - `where`: the file or folder concerned (or a word for data that has none);
    - `expected`: what the loader needs there;
    - `found`: what is there instead;
    - `remedy`: what the user can do about it.
    """

    def __init__(self, where: Path | str, *, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"{where}: expected {expected}, found {found}. {remedy}")
        self.where = where
        self.expected = expected
        self.found = found
        self.remedy = remedy

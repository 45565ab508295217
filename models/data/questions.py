"""What word vectors are asked: analogies and similarities of words, as published sets have them."""

import os
from dataclasses import dataclass
from pathlib import Path

from arignote.models.data.errors import DataError
from arignote.models.data.source import find_folder

ANALOGIES = "questions-words.txt"


@dataclass(frozen=True)
class Section:
    """Analogies of one kind: each (a, b, c, d) says that a is to b as c is to d."""

    name: str
    questions: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Similarities:
    """Pairs of words with people's judgement of their similarity; higher is more similar."""

    name: str
    pairs: tuple[tuple[str, str, float], ...]


def load_analogies(path: str | os.PathLike[str] | None = None) -> list[Section]:
    """Google's set (T. Mikolov and others, 2013), in lower case: lines of four words below `: name of the section`.

    `path` is the file, or a folder that holds `questions-words.txt`. Raises `DataError` for other files.
    """
    if path is not None and Path(path).is_file():
        file = Path(path)
    else:
        file = find_folder("word2vec", [ANALOGIES], path) / ANALOGIES
    found: list[tuple[str, list[tuple[str, str, str, str]]]] = []
    for number, line in enumerate(_text(file).splitlines(), 1):
        if line.startswith(":"):
            found.append((line[1:].strip(), []))
        elif words := line.lower().split():
            if len(words) != 4 or not found:
                raise DataError(
                    f"{file}:{number}", expected="four words below a line ': section'", found=repr(line[:60]),
                    remedy="Use questions-words.txt of word2vec.",
                )  # fmt: skip
            found[-1][1].append((words[0], words[1], words[2], words[3]))
    return [Section(name, tuple(questions)) for name, questions in found]


def load_similarities(path: str | os.PathLike[str] | None = None) -> list[Similarities]:
    """The sets `EN-*.txt` in a folder, or in one file: lines of two words and a number, in lower case.

    Such are WordSim-353 (L. Finkelstein and others, 2002), SimLex-999 (F. Hill and others, 2015), MEN (E. Bruni and
    others, 2014), RG-65 (H. Rubenstein, J. Goodenough, 1965) and MC-30 (G. Miller, W. Charles, 1991).
    """
    if path is not None and Path(path).is_file():
        files = [Path(path)]
    else:
        files = sorted(find_folder("word2vec", ["EN-WS-353-ALL.txt", ANALOGIES], path).glob("EN-*.txt"))
    sets = []
    for file in files:
        pairs = []
        for number, line in enumerate(_text(file).splitlines(), 1):
            parts = line.lower().split()
            try:
                a, b, score = parts
                pairs.append((a, b, float(score)))
            except ValueError:
                raise DataError(
                    f"{file}:{number}", expected="two words and a number", found=repr(line[:60]),
                    remedy="Use a set of word similarities.",
                ) from None  # fmt: skip
        sets.append(Similarities(file.stem.removeprefix("EN-"), tuple(pairs)))
    return sets


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(file, expected="text", found=f"an error ({error})", remedy="Check the file.") from error

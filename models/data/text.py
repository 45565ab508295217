"""Texts as numbers: vocabularies, corpora, and where they come from.

`load_corpus(data)` is the entry: `reference` (embedded: the language reference in Python's own `pydoc`), `ptb` and
`wikitext2` (searched, see `source`), the folder of one of these, or a text file such as text8.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arignote.models.data.errors import DataError
from arignote.models.data.source import find_folder

PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"
#: A running text is cut into these shares: training, validation, test.
SHARES = (0.9, 0.05, 0.05)
PTB_FILES = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")
WIKITEXT_FILES = ("wiki.train.raw", "wiki.train.tokens", "wiki.valid.raw", "wiki.valid.tokens")
FEWEST_WORDS = 100


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers: `<pad>` (if there is padding) and `<unk>`, then the others, the most frequent first.

    - `words`: by number; `counts`: how often each occurs in the training text (`<unk>`: all others together).
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]

    @staticmethod
    def of(text: Sequence[str], min_count: int = 1, *, padding: bool = True) -> "Vocabulary":
        """The words that occur `min_count` times or more; of equally frequent ones, in alphabetical order."""
        counts = Counter(text)
        unknown = counts.pop(UNKNOWN, 0)
        counts.pop(PAD, None)
        kept = sorted(((-n, word) for word, n in counts.items() if n >= min_count))
        rest = unknown + sum(n for n in counts.values() if n < min_count)
        words, frequencies = [word for _, word in kept], [-n for n, _ in kept]
        pad = [PAD] if padding else []
        return Vocabulary((*pad, UNKNOWN, *words), (*(0 for _ in pad), rest, *frequencies))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word."""
        return {word: i for i, word in enumerate(self.words)}

    def encode(self, text: Iterable[str]) -> NDArray[np.int32]:
        """The numbers int32[n] of words; `<unk>`'s for those that are not in it."""
        known, unknown = self.numbers, self.numbers[UNKNOWN]
        return np.fromiter((known.get(word, unknown) for word in text), np.int32)


@dataclass(frozen=True)
class Corpus:
    """Texts as words: `train`, `valid` and `test`, each in its order; `source` says where they came from."""

    name: str
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        for part in ("train", "valid", "test"):
            if len(getattr(self, part)) < FEWEST_WORDS:
                raise DataError(
                    self.source,
                    expected=f"{part} text of at least {FEWEST_WORDS} words",
                    found=str(len(getattr(self, part))),
                    remedy="Use a longer text.",
                )


def load_corpus(data: str | os.PathLike[str] | None = None) -> Corpus:
    """The corpus that `--data` names: `reference` (None), `ptb`, `wikitext2`, a folder of these, or a text file.

    Raises `DataError` for what is missing, empty or no text.
    """
    if data is None or data == "reference":
        return load_reference()
    if data == "ptb":
        return load_ptb()
    if data == "wikitext2":
        return load_wikitext()
    path = Path(data).expanduser()
    if path.is_file():
        return load_text(path)
    for root in (path, path / "ptb"):
        if (root / PTB_FILES[0]).is_file():
            return load_ptb(root)
    for root in (path, path / "wikitext2"):
        if any((root / file).is_file() for file in WIKITEXT_FILES):
            return load_wikitext(root)
    raise DataError(
        path,
        expected="a text file, or a folder with ptb.train.txt or wiki.train.raw",
        found="a folder without them" if path.is_dir() else "nothing",
        remedy="Correct --data; 'reference' needs no files.",
    )


def load_ptb(folder: str | os.PathLike[str] | None = None) -> Corpus:
    """The words of the Penn Treebank (M. Marcus and others, 1993) as T. Mikolov prepared them (2010): lower case,
    10,000 words, numbers as `N`; lines end with `<eos>`."""
    place = find_folder("ptb", PTB_FILES[:1], folder)
    train, valid, test = (tuple(_lines(place / file)) for file in PTB_FILES)
    return Corpus("ptb", train, valid, test, str(place))


def load_wikitext(folder: str | os.PathLike[str] | None = None) -> Corpus:
    """WikiText-2 (S. Merity and others, 2016) in the manner of text8: lower case, letters only, without headings.

    Where the training part is missing, the validation part is trained on, and the test part is cut into halves.
    """
    place = find_folder("wikitext2", WIKITEXT_FILES, folder)
    parts = {part: _wiki_part(place, part) for part in ("train", "valid", "test")}
    valid, test = parts["valid"], parts["test"]
    if (train := parts["train"]) is not None and valid is not None and test is not None:
        return Corpus("wikitext2", train, valid, test, str(place))
    if valid is None or test is None:
        missing = "valid" if valid is None else "test"
        raise DataError(
            place, expected=f"wiki.{missing}.raw", found="none", remedy="Complete the folder of WikiText-2."
        )
    half = len(test) // 2
    return Corpus("wikitext2", valid, test[:half], test[half:], f"{place} (validation and test parts)")


def load_text(path: str | os.PathLike[str]) -> Corpus:
    """A running text such as text8: lower case, letters only; cut into training, validation and test text."""
    return _running(Path(path).stem, letters(read_text(Path(path))), str(path))


def load_reference() -> Corpus:
    """The language reference that Python's `pydoc` contains, in the manner of text8; its text depends on the
    version of Python."""
    from pydoc_data.topics import topics

    return _running("reference", letters("\n".join(topics[k] for k in sorted(topics))), "Python's language reference")


def letters(text: str) -> list[str]:
    """Words of lower-case letters a to z; everything else separates them."""
    return re.findall(r"[a-z]+", text.lower())


def _running(name: str, words: Sequence[str], source: str) -> Corpus:
    first = int(len(words) * SHARES[0])
    second = first + int(len(words) * SHARES[1])
    return Corpus(name, tuple(words[:first]), tuple(words[first:second]), tuple(words[second:]), source)


def _lines(path: Path) -> Iterable[str]:
    for line in read_text(path).splitlines():
        yield from line.split()
        yield END


def _wiki_part(folder: Path, part: str) -> tuple[str, ...] | None:
    for kind in ("raw", "tokens"):
        path = folder / f"wiki.{part}.{kind}"
        if path.is_file():
            text = read_text(path).replace("<unk>", " ")
            lines = (line for line in text.splitlines() if not line.strip().startswith("="))
            return tuple(word for line in lines for word in letters(line))
    return None


def read_text(path: Path) -> str:
    """The text of a file in UTF-8. Raises `DataError`."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(path, expected="a text file", found="nothing", remedy="Complete the folder.") from None
    except UnicodeDecodeError as error:
        raise DataError(
            path, expected="text in UTF-8", found=f"other bytes at position {error.start}", remedy="Convert it."
        ) from error
    except OSError as error:
        raise DataError(path, expected="a text file", found=f"an error ({error})", remedy="Check the file.") from error

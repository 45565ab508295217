"""Sentences as numbers, of characters or of words (chapter 4).

`load_sentences(data, level, vocabulary)` is the entry: `tale` (embedded), `shakespeare` (searched, see `source`), or a
text file.
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
from arignote.models.data.tale import TALE
from arignote.models.data.text import SHARES, read_text

START, END, UNKNOWN = "<start>", "<end>", "<unk>"
LEVELS = ("char", "word")
SHAKESPEARE = "input.txt"
FEWEST_SENTENCES = 40

_PARAGRAPH = re.compile(r"\n\s*\n")
_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")
_SENTENCE_END = re.compile(r"""(?:(?<=[.!?])|(?<=[.!?]["')\]]))\s+""")
_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")

Tokens = NDArray[np.int32]


@dataclass(frozen=True)
class Alphabet:
    """Tokens and their numbers: `<start>` is 0, `<end>` 1, `<unk>` 2, then the others, the most frequent first."""

    tokens: tuple[str, ...]

    @staticmethod
    def of(sentences: Iterable[Sequence[str]], size: int) -> "Alphabet":
        """The most frequent tokens, `size` of them with the three above; of equally frequent ones, in their order."""
        counts = Counter(token for sentence in sentences for token in sentence)
        kept = sorted(counts, key=lambda token: (-counts[token], token))[: max(0, size - 3)]
        return Alphabet((START, END, UNKNOWN, *kept))

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each token."""
        return {token: i for i, token in enumerate(self.tokens)}

    def encode(self, sentence: Sequence[str]) -> Tokens:
        """The numbers int32[n + 2] of a sentence between `<start>` and `<end>`."""
        known, unknown = self.numbers, self.numbers[UNKNOWN]
        inner = (known.get(token, unknown) for token in sentence)
        return np.fromiter((self.numbers[START], *inner, self.numbers[END]), np.int32)


@dataclass(frozen=True)
class Sentences:
    """Sentences in numbers, each from `<start>` to `<end>`: `train`, `valid` and `test` in the order of the text.

    `level` is `char` or `word`; `source` says where the text came from.
    """

    name: str
    level: str
    alphabet: Alphabet
    train: tuple[Tokens, ...]
    valid: tuple[Tokens, ...]
    test: tuple[Tokens, ...]
    source: str


def load_sentences(
    data: str | os.PathLike[str] | None = None, level: str = "char", vocabulary: int = 9000
) -> Sentences:
    """The sentences that `--data` names: `tale` (None), `shakespeare`, a folder that holds it, or a text file.

    Args:
        level: `char` keeps the text as it is; `word` makes it lower case and cuts it into words and punctuation.
        vocabulary: the most tokens that are told apart; others are `<unk>`. It is taken from the training part.

    Raises `DataError` for what is missing, no text, or too short.
    """
    if level not in LEVELS:
        raise ValueError(f"level is one of {', '.join(LEVELS)}, not {level!r}")
    if data is None or data == "tale":
        name, text, source = "tale", _LINE_END.sub(" ", TALE), "a tale that comes along"
    else:
        path = Path(data).expanduser()
        if data == "shakespeare" or not path.is_file():
            path = find_folder("tinyshakespeare", (SHAKESPEARE,), None if data == "shakespeare" else path) / SHAKESPEARE
        name = "shakespeare" if path.name == SHAKESPEARE else path.stem
        text, source = read_text(path), str(path)
    sentences = [tokens(sentence, level) for sentence in split(text)]
    if len(sentences) < FEWEST_SENTENCES:
        raise DataError(
            source,
            expected=f"at least {FEWEST_SENTENCES} sentences",
            found=str(len(sentences)),
            remedy="Use a longer text.",
        )
    first = int(len(sentences) * SHARES[0])
    second = first + max(1, int(len(sentences) * SHARES[1]))
    alphabet = Alphabet.of(sentences[:first], vocabulary)
    train, valid, test = (
        tuple(map(alphabet.encode, part)) for part in (sentences[:first], sentences[first:second], sentences[second:])
    )
    return Sentences(name, level, alphabet, train, valid, test, source)


def split(text: str) -> list[str]:
    """The sentences of a text: they end behind `.`, `!` or `?` and closing quotes, and at empty lines."""
    paragraphs = (paragraph.strip() for paragraph in _PARAGRAPH.split(text))
    return [s.strip() for paragraph in paragraphs if paragraph for s in _SENTENCE_END.split(paragraph) if s.strip()]


def tokens(sentence: str, level: str) -> list[str]:
    """The characters of a sentence, or its words and punctuation marks in lower case."""
    return list(sentence) if level == "char" else _WORD.findall(sentence.lower())


def joined(found: Sequence[str], level: str) -> str:
    """Tokens as text: words with spaces between them, but not before punctuation."""
    if level == "char":
        return "".join(found)
    return re.sub(r" (?=[.,;:!?])", "", " ".join(found))

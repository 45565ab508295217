"""Texts with a sentiment: SemEval-2013's tweets, the Stanford treebank's sentences, and an embedded set.

Tweets (task 2 of SemEval-2013) are lines of six fields between tabs: two identifiers, first and last
word of the part that is judged, `positive`, `negative` or `neutral`, and the text. Sentences of the
treebank (R. Socher et al., 2013) are lines of a class and the text, split into words already.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arignote.models.data.errors import DataError
from arignote.models.data.files import read
from arignote.models.data.remarks import CLASSES as REMARK_CLASSES
from arignote.models.data.remarks import remarks
from arignote.models.data.source import find_folder

PARTS = ("train", "dev", "test")
SEMEVAL_FILES = tuple(f"sem_eval2103.{part}" for part in PARTS)
SEMEVAL_CLASSES = ("negative", "neutral", "positive")
SST_CLASSES = {
    "binary": ("negative", "positive"),
    "fine": ("very negative", "negative", "neutral", "positive", "very positive"),
}
SENTIMENT_NAMES = ("remarks", "semeval", "sst", "sst-fine")

Words = tuple[str, ...]


class Texts(NamedTuple):
    """Texts as words, and their classes, int32[n]."""

    x: Sequence[Words]
    y: NDArray[np.int32]


@dataclass(frozen=True)
class SentimentData:
    """Training, validation and test texts.

    - `name`: as on the command line; `classes`: the names of classes 0, 1, ...; `source`: where it came from.
    """

    name: str
    train: Texts
    valid: Texts
    test: Texts
    classes: tuple[str, ...]
    source: str


# Names of what the vocabulary does not tell apart, as the book has them.
_TOKEN = re.compile(
    r"(?P<url>https?://\S+|www\.\S+)|(?P<user>@\w+)|(?P<hashtag>#\w+)|(?P<number>[-+]?\d+(?:[.,:]\d+)*)"
    r"|<\w+>|[:;=8][-o*']?[)\](\[dp/:}{@|]|[^\W\d_]+(?:['’][^\W\d_]+)*|[^\w\s]|_"
)


def tokenise(text: str) -> Words:
    """The words of a text in small letters; addresses, users, hashtags and numbers as `<url>` and so on."""
    found = _TOKEN.finditer(text.lower())
    return tuple(f"<{match.lastgroup}>" if match.lastgroup else match[0] for match in found)


class Vocabulary:
    """Numbers for words: the most frequent ones, from 1 on; 0 is any other word.

    - `words`: in the order of their numbers, the first being number 1.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        self._numbers = {word: i + 1 for i, word in enumerate(self.words)}

    @staticmethod
    def of(texts: Iterable[Words], size: int) -> "Vocabulary":
        """The words of these texts; `size` numbers at most, 0 included."""
        counts = Counter(word for text in texts for word in text)
        return Vocabulary(word for word, _ in counts.most_common(size - 1))

    def __len__(self) -> int:
        return len(self.words) + 1

    def numbers(self, texts: Sequence[Words], length: int) -> NDArray[np.int32]:
        """Texts as int32[n, length], with zeros in front; of longer ones the last words."""
        out = np.zeros((len(texts), length), np.int32)
        for row, text in enumerate(texts):
            kept = [self._numbers.get(word, 0) for word in text[-length:]]
            if kept:
                out[row, -len(kept) :] = kept
        return out


def load_sentiment(data: str | os.PathLike[str] | None = None) -> SentimentData:
    """The data set of that name of `SENTIMENT_NAMES` (None: `remarks`, which is embedded), or in that folder.

    Raises `DataError` when files are missing, or hold something else.
    """
    if data is None or data == "remarks":
        return load_remarks()
    if data == "semeval":
        return load_semeval()
    if data in ("sst", "sst-fine"):
        return load_sst(fine=data == "sst-fine")
    folder = Path(data)
    holds_tweets = any((f / SEMEVAL_FILES[0]).is_file() for f in (folder, folder / "twitter"))
    return load_semeval(folder) if holds_tweets else load_sst(folder)


def load_semeval(data: str | os.PathLike[str] | None = None) -> SentimentData:
    """Tweets of SemEval-2013, three classes; `data` is the folder of the files or its parent."""
    folder = find_folder("twitter", SEMEVAL_FILES[:1], data)

    def row(line: str) -> tuple[str, str]:
        fields = line.split("\t")
        if len(fields) != 6:
            raise ValueError(f"{len(fields)} fields between tabs, not 6")
        return fields[4], fields[5]

    train, valid, test = (_texts(folder / file, row, SEMEVAL_CLASSES) for file in SEMEVAL_FILES)
    return SentimentData("semeval", train, valid, test, SEMEVAL_CLASSES, str(folder))


def load_sst(data: str | os.PathLike[str] | None = None, fine: bool = False) -> SentimentData:
    """Sentences of the Stanford sentiment treebank, in two classes or (`fine`) five."""
    kind = "fine" if fine else "binary"
    files = [f"stsa.{kind}.{part}" for part in PARTS]
    folder = find_folder("sst", files[:1], data)
    classes = SST_CLASSES[kind]

    def row(line: str) -> tuple[str, str]:
        label, space, text = line.partition(" ")
        if not space or label not in map(str, range(len(classes))):
            raise ValueError(f"{line[:20]!r} does not begin with a class 0..{len(classes) - 1}")
        return classes[int(label)], text

    train, valid, test = (_texts(folder / file, row, classes) for file in files)
    return SentimentData("sst-fine" if fine else "sst", train, valid, test, classes, str(folder))


def load_remarks() -> SentimentData:
    """The embedded set: short remarks of three classes, made by a small grammar."""
    train, valid, test = (
        Texts([tokenise(t) for t, _ in part], np.array([c for _, c in part], np.int32)) for part in remarks()
    )
    return SentimentData("remarks", train, valid, test, REMARK_CLASSES, "remarks made by a grammar")


def _texts(path: Path, row: Any, classes: Sequence[str]) -> Texts:
    def wrong(expected: str, found: str) -> DataError:
        return DataError(path, expected=expected, found=found, remedy="Get the file again, or name another folder.")

    try:
        lines = read(path).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise wrong("text in UTF-8", f"other bytes ({error.reason})") from error
    texts, labels = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            label, text = row(line)
            labels.append(classes.index(label))
        except ValueError as error:
            raise wrong(f"lines of texts and their classes ({', '.join(classes)})", f"line {number}: {error}") from None
        texts.append(tokenise(text))
    if not texts:
        raise wrong("texts", "none")
    return Texts(texts, np.array(labels, np.int32))

"""What word vectors know: neighbours, analogies, similarities, and a picture."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote.models.data.questions import Section, Similarities
from arignote.models.data.text import END, PAD, UNKNOWN
from arignote.models.training import curves

Question = tuple[str, str, str, str]
#: Questions that are answered at once: their similarities to all words are in memory together.
AT_ONCE = 512
PICTURED = 500
PERPLEXITY = 30


class UnknownWordError(LookupError):
    """A word that has no vector."""


@dataclass(frozen=True)
class Answers:
    """How many questions of a section could be asked, and how many were answered right."""

    name: str
    asked: int
    right: int
    skipped: int

    @property
    def precision(self) -> float:
        """Right answers over those asked; NaN if there were none."""
        return self.right / self.asked if self.asked else float("nan")


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation with a set of judgements, NaN for fewer than two pairs; the pairs it is over, and
    those with an unknown word."""

    name: str
    rho: float
    pairs: int
    skipped: int


@dataclass(frozen=True)
class WordVectors:
    """Words, and a vector for each: float[words, embedding]."""

    words: tuple[str, ...]
    vectors: NDArray[Any]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word that stands for something."""
        return {word: i for i, word in enumerate(self.words) if word not in (PAD, UNKNOWN, END)}

    def number(self, word: str) -> int:
        """The number of a word. Raises `UnknownWordError`."""
        try:
            return self.numbers[word]
        except KeyError:
            raise UnknownWordError(f"{word!r} is not among the {len(self.numbers)} words with vectors") from None

    @cached_property
    def _unit(self) -> NDArray[Any]:
        """The vectors at length 1; zeros remain."""
        norms = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return np.asarray(self.vectors / np.where(norms > 0, norms, 1), self.vectors.dtype)

    @cached_property
    def cosines(self) -> Any:
        """Compiled function from vectors [n, embedding] to the cosines of their angles with all words, [n, words]."""
        queries = T.matrix("queries", dtype=self.vectors.dtype.name)
        known = ar.shared(self._unit, name="words")
        length = T.sqrt(T.sum(T.sqr(queries), axis=1, keepdims=True))
        return ar.function([queries], T.dot(queries / T.maximum(length, np.float32(1e-12)), known.T), name="cosines")

    def neighbours(self, words: Sequence[str], count: int = 8) -> dict[str, list[tuple[str, float]]]:
        """The `count` nearest words of each, with the cosines, the nearest first. Raises `UnknownWordError`."""
        numbers = [self.number(word) for word in words]
        near = self._nearest(self.vectors[numbers], [{n} for n in numbers], count)
        return dict(zip(words, near, strict=True))

    def analogy(self, a: str, b: str, c: str, count: int = 4) -> list[tuple[str, float]]:
        """What is to `c` as `b` is to `a`: the words nearest to b - a + c of the unit vectors, these three excluded.

        T. Mikolov, W. Yih, G. Zweig, "Linguistic regularities in continuous space word representations", 2013.
        """
        numbers = np.array([[self.number(word) for word in (a, b, c)]])
        return self._nearest(self._sought(numbers), [set(numbers[0])], count)[0]

    def answer(self, sections: Iterable[Section]) -> list[Answers]:
        """How often the nearest word is the right one. Questions with unknown words are skipped."""
        return [self._answer(section) for section in sections]

    def _answer(self, section: Section) -> Answers:
        asked = [q for q in section.questions if all(word in self.numbers for word in q)]
        right = 0
        for i in range(0, len(asked), AT_ONCE):
            numbers = np.array([[self.numbers[word] for word in q] for q in asked[i : i + AT_ONCE]])
            found = self.cosines(self._sought(numbers[:, :3]))
            found[:, self._meaningless] = -np.inf
            np.put_along_axis(found, numbers[:, :3], -np.inf, axis=1)
            right += int((found.argmax(axis=1) == numbers[:, 3]).sum())
        return Answers(section.name, len(asked), right, len(section.questions) - len(asked))

    def correlate(self, sets: Iterable[Similarities]) -> list[Correlation]:
        """Spearman's rank correlation of cosines with each set; pairs with unknown words are skipped."""
        from scipy.stats import spearmanr

        out = []
        for known in sets:
            pairs = [(self.numbers[a], self.numbers[b], s) for a, b, s in known.pairs
                     if a in self.numbers and b in self.numbers]  # fmt: skip
            rho = float("nan")
            if len(pairs) > 1:
                a, b, scores = zip(*pairs, strict=True)
                cosines = np.sum(self._unit[list(a)] * self._unit[list(b)], axis=1)
                rho = float(spearmanr(cosines, scores).statistic)
            out.append(Correlation(known.name, rho, len(pairs), len(known.pairs) - len(pairs)))
        return out

    def picture(self, path: str | os.PathLike[str], *, title: str, count: int = PICTURED, seed: int = 0) -> Path:
        """Draw the `count` first words, the most frequent ones, in the plane: neighbours there are neighbours.

        L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", 2008, by scikit-learn. Raises ImportError
        without it or matplotlib.
        """
        try:
            from sklearn.manifold import TSNE
        except ImportError as error:
            raise ImportError("pictures need scikit-learn: pip install 'arignote[models]'") from error
        shown = list(self.numbers.items())[:count]
        perplexity = min(PERPLEXITY, (len(shown) - 1) / 3)
        plane = TSNE(perplexity=perplexity, init="pca", random_state=seed)
        places = plane.fit_transform(self._unit[[i for _, i in shown]].astype(np.float64))
        return curves.labelled_points(places, [word for word, _ in shown], path, title=title)

    def _sought(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """b - a + c for each row (a, b, c) of numbers."""
        a, b, c = numbers.T
        return np.ascontiguousarray(self._unit[b] - self._unit[a] + self._unit[c])

    @cached_property
    def _meaningless(self) -> list[int]:
        return [i for i, word in enumerate(self.words) if word not in self.numbers]

    def _nearest(
        self, queries: NDArray[Any], without: Sequence[set[int]], count: int
    ) -> list[list[tuple[str, float]]]:
        out = []
        for row, excluded in zip(self.cosines(queries), without, strict=True):
            row[[*self._meaningless, *excluded]] = -np.inf
            order = np.argsort(-row, kind="stable")[:count]
            out.append([(self.words[i], float(row[i])) for i in order if np.isfinite(row[i])])
        return out

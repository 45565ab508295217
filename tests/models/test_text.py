"""Vocabularies, corpora and question sets: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arignote.models.data import DataError
from arignote.models.data.questions import load_analogies, load_similarities
from arignote.models.data.text import Vocabulary, letters, load_corpus, load_ptb, load_reference, load_text

LINE = "the cat sat on the mat and <unk> saw it all day\n"


def test_a_vocabulary_is_ordered_by_frequency_and_knows_unknown_words() -> None:
    text = ["b", "a", "b", "c", "a", "b", "<unk>", "d"]
    vocabulary = Vocabulary.of(text, min_count=2)
    assert vocabulary.words == ("<pad>", "<unk>", "b", "a")
    assert vocabulary.counts == (0, 3, 3, 2)  # <unk>: itself, c and d
    assert sum(vocabulary.counts) == len(text)
    codes = vocabulary.encode(["a", "c", "b", "<unk>", "new"])
    assert codes.dtype == np.int32 and codes.tolist() == [3, 1, 2, 1, 1]
    assert Vocabulary.of(["y", "x"]).words[2:] == ("x", "y")  # equal counts: alphabetical


def test_text_is_lower_case_letters_cut_in_order(tmp_path: Path) -> None:
    assert letters("It's 3 Fish-and-chips, İ!") == ["it", "s", "fish", "and", "chips", "i"]
    file = tmp_path / "text8"
    words = [chr(97 + i % 26) for i in range(4000)]
    file.write_text(" ".join(words))
    corpus = load_text(file)
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (3600, 200, 200)
    assert [*corpus.train, *corpus.valid, *corpus.test] == words
    assert load_corpus(file) == corpus


def test_the_embedded_text_needs_no_files() -> None:
    corpus = load_reference()
    assert len(corpus.train) > 40_000 and corpus == load_corpus(None)
    assert len(Vocabulary.of(corpus.train, 5)) > 1000


def test_ptb_lines_end_with_a_word_of_their_own(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        (tmp_path / f"ptb.{part}.txt").write_text(LINE * 20)
    corpus = load_ptb(tmp_path)
    assert corpus.train[:13] == (*LINE.split(), "<eos>")
    assert load_corpus(tmp_path) == corpus
    assert Vocabulary.of(corpus.train).words[:3] == ("<pad>", "<unk>", "the")


def test_wikitext_without_headings_and_its_missing_part(tmp_path: Path) -> None:
    page = " = Title = \n\n The <unk> Cat @-@ like , 3 times \n = = Part = = \n"
    (tmp_path / "wiki.valid.raw").write_text(page * 30)
    (tmp_path / "wiki.test.raw").write_text(page * 60)
    corpus = load_corpus(tmp_path)
    assert corpus.train[:5] == ("the", "cat", "like", "times", "the") and len(corpus.train) == 120
    assert len(corpus.valid) == len(corpus.test) == 120
    (tmp_path / "wiki.train.tokens").write_text(page * 100)
    assert len(load_corpus(tmp_path).train) == 400 and len(load_corpus(tmp_path).test) == 240


@pytest.mark.parametrize(
    ("files", "ask", "message"),
    [
        ({"short.txt": "a few words"}, "short.txt", "expected train text of at least 100 words, found 2"),
        ({"bytes.txt": b"\xff\xfe\x00"}, "bytes.txt", "expected text in UTF-8, found other bytes at position 0"),
        ({"other.txt": "x"}, ".", "expected a text file, or a folder with ptb.train.txt"),
        ({"ptb.train.txt": LINE * 20}, ".", "ptb.valid.txt: expected a text file, found nothing"),
        ({"wiki.valid.raw": LINE * 20}, ".", "expected wiki.test.raw, found none"),
        ({}, "nothing.txt", "nothing.txt: expected a text file.*, found nothing"),
    ],
)
def test_what_is_no_text_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], ask: str, message: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        load_corpus(tmp_path / ask)


def test_questions(tmp_path: Path) -> None:
    file = tmp_path / "questions-words.txt"
    file.write_text(": capitals\nAthens Greece Oslo Norway\n\n: family\nboy girl king queen\n")
    sections = load_analogies(tmp_path)
    assert [(s.name, s.questions) for s in sections] == [
        ("capitals", (("athens", "greece", "oslo", "norway"),)), ("family", (("boy", "girl", "king", "queen"),)),
    ]  # fmt: skip
    assert load_analogies(file) == sections
    (tmp_path / "EN-MC-30.txt").write_text("Car\tautomobile\t3.92\n")
    (known,) = load_similarities(tmp_path)
    assert known.name == "MC-30" and known.pairs == (("car", "automobile", 3.92),)
    file.write_text(": capitals\nAthens Greece Oslo\n")
    with pytest.raises(DataError, match=r"questions-words.txt:2: expected four words"):
        load_analogies(file)
    (tmp_path / "EN-MC-30.txt").write_text("car automobile\n")
    with pytest.raises(DataError, match=r"EN-MC-30.txt:1: expected two words and a number"):
        load_similarities(tmp_path)

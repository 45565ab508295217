"""Texts that are no IR, found by coverage-guided fuzzing (`tests/fuzz/parser.py`): one in each line, as JSON."""

from __future__ import annotations

import gc
import json
import re
import tracemalloc
from pathlib import Path

from arignote.ir.lexer import ParseError
from arignote.ir.parse import parse_module

CASES = [json.loads(line) for line in Path(__file__).with_name("malformed.txt").read_text("ascii").splitlines()]
HEAD = re.compile(r"<text>:(\d+):(\d+): error: \S.*")


def diagnose(text: str) -> str:
    """The message; anything but a `ParseError` fails the test."""
    try:
        parse_module(text)
    except ParseError as error:
        return str(error)
    raise AssertionError(f"this is IR: {text!r}")


def test_the_corpus_is_large_and_varied() -> None:
    assert len(CASES) == len(set(CASES)) >= 320
    heads = {re.sub(r"'[^']*'|[%@][\w.]+|\d+", "_", diagnose(text).splitlines()[0]) for text in CASES}
    assert len(heads) > 190, "kinds of errors"


def test_each_is_diagnosed_with_line_column_and_caret() -> None:
    for text in CASES:
        message = diagnose(text).splitlines()
        head = HEAD.match(message[0])
        assert head is not None, (text, message)
        line, column = int(head[1]), int(head[2])
        lines = text.split("\n")
        assert 1 <= line <= len(lines), (text, message)
        assert 1 <= column <= len(lines[line - 1]) + 1, (text, message)
        carets = [m for m in message[1:] if m.strip(" |^~") == "" and m.count("^") == 1]
        assert len(carets) == 1, (text, message)
        shown = message[message.index(carets[0]) - 1]
        assert carets[0].index("^") <= len(shown), (text, message)


def test_none_speaks_of_the_program_that_reads() -> None:
    for text in CASES:
        head = re.sub(r"'[^']*'|\"[^\"]*\"", "", diagnose(text).splitlines()[0])
        leak = re.search(r"positional|keyword-only|argument|object has|NoneType|<class|Error|infer\(\)|iterable", head)
        assert leak is None, head


def test_memory_does_not_grow() -> None:
    for text in CASES:  # caches fill
        diagnose(text)
    gc.collect()
    tracemalloc.start()
    try:
        for text in CASES:
            diagnose(text)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200_000, "what the second round left behind, in bytes"
    assert peak < 20_000_000

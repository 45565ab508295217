"""The generator against the known answers of its authors, and the layout of a draw."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.ir.opdef import OPS
from arignote.ir.ops.random import blocks

BITS = OPS["random_bits"]

#: philox4x32-10: counter, key, result (`kat_vectors` of the Random123 distribution).
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(w, 16) for w in text.split()]


def state_of(counter: list[int], key: list[int]) -> np.ndarray:
    halves = [key[0] | key[1] << 32, counter[0] | counter[1] << 32, counter[2] | counter[3] << 32]
    return np.array(halves, np.uint64).astype(np.int64)


def draw(state: np.ndarray, count: int, part: int = 0) -> np.ndarray:
    out: np.ndarray = BITS.eval(state, shape=(count,), part=part)
    return out


def moved(state: np.ndarray, low: int, high: int = 0) -> np.ndarray:
    out: np.ndarray = state + np.array([0, low, high])
    return out


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter: str, key: str, result: str) -> None:
    out = draw(state_of(words(counter), words(key)), 64)
    assert out.dtype == np.uint32
    assert [int(w) for w in out[::16]] == words(result)


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers_word_by_word(counter: str, key: str, result: str) -> None:
    state = [np.asarray(v) for v in state_of(words(counter), words(key))]
    word = OPS["random_word"].eval
    zero = np.asarray(0)
    assert [int(word(*state, zero, zero, word=i)) for i in range(4)] == words(result)


def test_words_are_those_of_the_draws() -> None:
    state = np.array([11, -5, 3])
    parts = [np.asarray(v) for v in (*state, 4)]
    blocks_ = np.arange(16)
    for i in range(4):
        got = OPS["random_word"].eval(*parts, blocks_, word=i)
        np.testing.assert_array_equal(got, draw(state, 64, part=4)[16 * i : 16 * (i + 1)])


def test_lanes_are_consecutive_blocks() -> None:
    state = np.array([7, 100, 3])
    whole = draw(state, 256)
    for lane in (1, 5, 15):
        np.testing.assert_array_equal(draw(moved(state, lane), 64)[::16], whole[lane:64:16])
    np.testing.assert_array_equal(draw(moved(state, 16), 192), whole[64:])


def test_a_draw_is_a_prefix_of_a_longer_one_whatever_its_shape() -> None:
    state = np.array([1, 2, 3])
    whole = draw(state, 1000)
    np.testing.assert_array_equal(draw(state, 77), whole[:77])
    np.testing.assert_array_equal(BITS.eval(state, shape=(4, 0, 2)).shape, (4, 0, 2))
    np.testing.assert_array_equal(BITS.eval(state, shape=(5, 20)).ravel(), whole[:100])
    assert BITS.eval(state, shape=()) == whole[0]


def test_the_counter_advances_by_what_was_drawn() -> None:
    assert [blocks(n) for n in (0, 1, 64, 65, 129)] == [0, 16, 16, 32, 48]
    state = np.array([1, 2, 3])
    np.testing.assert_array_equal(draw(moved(state, blocks(128)), 10), draw(state, 138)[128:])


def test_parts_are_other_counters() -> None:
    state = np.array([1, 2, 3])
    np.testing.assert_array_equal(draw(state, 64, part=5), draw(moved(state, 0, 5 << 32), 64))
    assert not np.intersect1d(draw(state, 64), draw(state, 64, part=1)).size


def test_the_lower_half_of_the_counter_wraps() -> None:
    state = np.array([9, -2, 4])
    np.testing.assert_array_equal(draw(state, 64)[2:16], draw(np.array([9, 0, 4]), 64)[:14])

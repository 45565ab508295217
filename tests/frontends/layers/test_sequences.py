"""Padding, sorting and buckets."""

import numpy as np
import pytest

from arignote import layers as L


def test_padding() -> None:
    x, mask = L.pad_sequences([[1, 2, 3], [], [4]])
    np.testing.assert_array_equal(x, [[1, 2, 3], [0, 0, 0], [0, 0, 4]])
    np.testing.assert_array_equal(mask, [[1, 1, 1], [0, 0, 0], [0, 0, 1]])
    assert x.dtype == np.int32 and mask.dtype == np.float32
    x, mask = L.pad_sequences([[1, 2, 3], [4]], length=2, side="behind", value=-1)
    np.testing.assert_array_equal(x, [[2, 3], [4, -1]])
    np.testing.assert_array_equal(mask, [[1, 1], [1, 0]])
    x, _ = L.pad_sequences([[1, 2, 3]], length=2, truncate="behind")
    np.testing.assert_array_equal(x, [[1, 2]])
    x, _ = L.pad_sequences([np.ones((2, 3)), np.ones((1, 3))], dtype="float32")
    assert x.shape == (2, 2, 3) and x.sum() == 9


def test_what_cannot_be_padded() -> None:
    with pytest.raises(ValueError, match="no sequences"):
        L.pad_sequences([])
    with pytest.raises(ValueError, match="elements of different shapes"):
        L.pad_sequences([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(ValueError, match="side is 'front' or 'behind', not 'pre'"):
        L.pad_sequences([[1]], side="pre")  # type: ignore[arg-type]


def test_buckets() -> None:
    lengths = [5, 1, 9, 3, 3, 7, 2, 8]
    np.testing.assert_array_equal(L.sort_by_length([[0] * n for n in lengths]), [1, 6, 3, 4, 0, 5, 7, 2])
    assert [list(b) for b in L.buckets(lengths, 3)] == [[1, 6, 3], [4, 0, 5], [7, 2]]
    assert [list(b) for b in L.buckets(lengths, 2, [3, 7])] == [[1, 3], [4, 6], [0, 5], [2, 7]]
    shuffled = L.buckets(lengths, 2, [3, 7], np.random.RandomState(0))
    assert sorted(int(i) for b in shuffled for i in b) == list(range(8))
    for b in shuffled:
        assert len({np.searchsorted([3, 7], lengths[i]) for i in b}) == 1
    with pytest.raises(ValueError, match="boundaries must rise"):
        L.buckets(lengths, 2, [3, 3])


def test_minibatches_are_padded_to_their_own_longest() -> None:
    sequences = [[1], [2, 2, 2], [3], [4, 4, 4, 4]]
    data = L.Buckets(sequences, [10, 20, 30, 40], batch=2, seed=1)
    assert len(data) == 2
    for _ in range(2):
        found = {tuple(sorted(y)): x.shape[1] for x, y in data}
        assert found == {(10, 30): 1, (20, 40): 4}
    with pytest.raises(ValueError, match="4 sequences, but 1 targets"):
        L.Buckets(sequences, [1], 2)

"""CIFAR-10's loader on small files of the same format, good and bad; the generated shapes."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from arignote.models.data import DataError, load_cifar10, load_dataset, load_shapes


def write(folder: Path, name: str, n: int, seed: int, *, gz: bool = False, text: bool = False) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (n, 3072), dtype=np.uint8)
    keys = ("data", "labels") if text else (b"data", b"labels")
    content = pickle.dumps({keys[0]: images, keys[1]: [int(i) for i in random.integers(0, 10, n)]}, 2)
    (folder / (name + ".gz" * gz)).write_bytes(gzip.compress(content) if gz else content)
    return images


def test_batches_in_order_with_the_last_tenth_for_validation(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10"
    first = write(folder, "data_batch_1", 12, 0)
    second = write(folder, "data_batch_2", 8, 1, gz=True, text=True)
    test = write(folder, "test_batch", 5, 2)
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"c%d" % i for i in range(10)]}))
    data = load_dataset("cifar10", tmp_path)
    assert (data.image_shape, data.n_classes) == ((3, 32, 32), 10)
    assert data.classes == tuple(f"c{i}" for i in range(10))
    assert [len(part.x) for part in (data.train, data.valid, data.test)] == [18, 2, 5]
    np.testing.assert_array_equal(np.concatenate([data.train.x, data.valid.x]) * 256, np.concatenate([first, second]))
    np.testing.assert_array_equal(data.test.x * 256, test)
    assert data.train.y.dtype == np.int32


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    write(tmp_path, "test_batch", 5, 2)
    with pytest.raises(DataError, match="no data_batch"):
        load_cifar10(tmp_path)
    batch = tmp_path / "data_batch_1"
    for content, message in (
        (b"nonsense", "a complete pickle"),
        (pickle.dumps([1]), "expected a pickled dictionary, found a list"),
        (pickle.dumps({"data": np.zeros((2, 9), np.uint8)}), r"uint8\[n, 3072\], found uint8\[2, 9\]"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}), "a list of 2 integers, found 1 entries"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 10]}), "labels in 0..9, found 10"),
        (pickle.dumps({"data": Path}), "pathlib"),
    ):
        batch.write_bytes(content)
        with pytest.raises(DataError, match=message):
            load_cifar10(tmp_path)


def test_shapes_are_balanced_and_the_same_every_time() -> None:
    data = load_shapes()
    assert data.image_shape == (3, 32, 32) and len(data.classes) == 10
    for part in (data.train, data.valid, data.test):
        assert set(np.bincount(part.y)) == {len(part.y) // 10}
    np.testing.assert_array_equal(load_shapes().valid.x, data.valid.x)
    # The shapes cannot be told from the colours: the mean colours of the classes agree.
    means = [data.train.x[data.train.y == k].mean() for k in range(10)]
    assert np.ptp(means) < 0.15

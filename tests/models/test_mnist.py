"""MNIST's loaders on small files of the same formats, good and bad."""

import gzip
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arignote.models.data import DataError, Dataset, load_dataset, load_mnist
from arignote.models.data.mnist import read_idx

SIZES = (6, 2, 3)
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

Bytes = NDArray[np.uint8]


@pytest.fixture
def arrays() -> dict[str, Bytes]:
    random = np.random.default_rng(0)
    return {
        TRAIN_IMAGES: random.integers(0, 256, (8, 28, 28), dtype=np.uint8),
        TRAIN_LABELS: random.integers(0, 10, 8, dtype=np.uint8),
        TEST_IMAGES: random.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        TEST_LABELS: random.integers(0, 10, 3, dtype=np.uint8),
    }


def idx_bytes(array: Bytes) -> bytes:
    return struct.pack(f">i{array.ndim}i", 0x800 + array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, arrays: dict[str, Bytes], *, gz: bool = True) -> None:
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        data = idx_bytes(array)
        (folder / (name + ".gz" * gz)).write_bytes(gzip.compress(data) if gz else data)


def pickled(arrays: dict[str, Bytes]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    def images(name: str) -> NDArray[np.float32]:
        return arrays[name].reshape(-1, 784).astype(np.float32) / np.float32(256)

    def labels(name: str) -> NDArray[np.int64]:
        return arrays[name].astype(np.int64)

    x, y = images(TRAIN_IMAGES), labels(TRAIN_LABELS)
    return [(x[:6], y[:6]), (x[6:], y[6:]), (images(TEST_IMAGES), labels(TEST_LABELS))]


def write_pickle(folder: Path, value: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(value, 2)))
    return path


def check_equal(a: Dataset, b: Dataset) -> None:
    for part in ("train", "valid", "test"):
        for left, right in zip(getattr(a, part), getattr(b, part), strict=True):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("gz", [True, False], ids=["gz", "plain"])
def test_idx_files(tmp_path: Path, arrays: dict[str, Bytes], gz: bool) -> None:
    write_idx(tmp_path, arrays, gz=gz)
    data = load_mnist(tmp_path, sizes=SIZES)
    assert [len(p.x) for p in (data.train, data.valid, data.test)] == list(SIZES)
    assert data.train.x.dtype == np.float32
    assert data.valid.x.flags.c_contiguous
    assert data.train.y.dtype == np.int32
    assert (data.n_classes, data.image_shape) == (10, (28, 28))
    # A pixel is its byte / 256, exactly; validation images follow the training images.
    np.testing.assert_array_equal(data.valid.x[0] * 256, arrays[TRAIN_IMAGES][6].reshape(-1))
    np.testing.assert_array_equal(data.valid.y, arrays[TRAIN_LABELS][6:])
    np.testing.assert_array_equal(data.test.y, arrays[TEST_LABELS])


def test_both_forms_give_the_same(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    write_idx(tmp_path / "idx", arrays)
    write_pickle(tmp_path / "pkl", pickled(arrays))
    for dtype in (np.int32, np.int64):
        a = load_mnist(tmp_path / "idx", sizes=SIZES, label_dtype=dtype)
        b = load_mnist(tmp_path / "pkl", sizes=SIZES, label_dtype=dtype)
        assert a.train.y.dtype == dtype
        check_equal(a, b)


def test_folder_or_its_parent(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    write_idx(tmp_path / "mnist", arrays)
    check_equal(load_mnist(tmp_path, sizes=SIZES), load_mnist(str(tmp_path / "mnist"), sizes=SIZES))


def test_missing_idx_file_is_named(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    del arrays[TEST_LABELS]
    write_idx(tmp_path, arrays)
    with pytest.raises(DataError, match=rf"found all but {TEST_LABELS}\. Add"):
        load_mnist(tmp_path, sizes=SIZES)


def test_pickle_is_used_where_idx_files_are_incomplete(
    tmp_path: Path, arrays: dict[str, Bytes]
) -> None:
    write_pickle(tmp_path, pickled(arrays))
    del arrays[TEST_LABELS]
    write_idx(tmp_path, arrays)
    assert load_mnist(tmp_path, sizes=SIZES).source.endswith("mnist.pkl.gz")


def test_wrong_sizes(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    write_idx(tmp_path / "idx", arrays)
    with pytest.raises(
        DataError, match=r"train-images.*expected shape \[60000, 28, 28\], found shape \[8, 28, 28"
    ):
        load_mnist(tmp_path / "idx")
    write_pickle(tmp_path / "pkl", pickled(arrays))
    with pytest.raises(DataError, match=r"lengths \[50000, 10000, 10000\], found lengths \[6, 2"):
        load_mnist(tmp_path / "pkl")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "a complete gzip file, found damage"),
        (lambda data: b"", "magic 00000803.*0 bytes that starts with nothing"),
        (lambda data: b"no gzip file at all", "a complete gzip file, found damage"),
        (lambda data: data[:40] + b"\xff" * 40 + data[80:], "a complete gzip file, found damage"),
        (
            lambda data: gzip.compress(b"\0\0\x0d\x03" + gzip.decompress(data)[4:]),
            r"magic 00000803\), found .* starts with 00000d03",
        ),
        (
            lambda data: gzip.compress(gzip.decompress(data)[:-1]),
            r"6272 bytes for shape \[8, 28, 28\], found 6271",
        ),
        (lambda data: gzip.compress(gzip.decompress(data)[:9]), "a file of 9 bytes"),
    ],
    ids=["truncated", "empty", "not gzip", "corrupt", "magic", "short", "header"],
)
def test_damaged_idx_files(
    tmp_path: Path, arrays: dict[str, Bytes], spoil: Callable[[bytes], bytes], message: str
) -> None:
    write_idx(tmp_path, arrays)
    path = tmp_path / (TRAIN_IMAGES + ".gz")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        load_mnist(tmp_path, sizes=SIZES)
    assert caught.value.where == path
    assert caught.value.remedy


def test_swapped_files(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    path = tmp_path / "labels"
    path.write_bytes(idx_bytes(arrays[TRAIN_LABELS]))
    with pytest.raises(DataError, match="swapped"):
        read_idx(path, (None, 28, 28))
    np.testing.assert_array_equal(read_idx(path, (None,)), arrays[TRAIN_LABELS])


def test_label_out_of_range(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    arrays[TRAIN_LABELS][5] = 10
    write_idx(tmp_path / "idx", arrays)
    with pytest.raises(DataError, match=rf"{TRAIN_LABELS}.*labels in 0\.\.9, found 10 at pos.* 5"):
        load_mnist(tmp_path / "idx", sizes=SIZES)
    value = pickled(arrays)
    value[0][1][5] = -1
    write_pickle(tmp_path / "pkl", value)
    with pytest.raises(DataError, match=r"labels in 0\.\.9, found -1 at position 5"):
        load_mnist(tmp_path / "pkl", sizes=SIZES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: {"train": parts}, "three pairs.*found a dict"),
        (lambda parts: parts[:2], r"found lengths \[6, 2\]"),
        (lambda parts: [parts[0], parts[1], parts[2][0]], r"lengths \[6, 2, None\]"),
        (lambda parts: [(parts[0][0][:, :700], parts[0][1]), *parts[1:]], r"shape \[6, 700\]"),
        (lambda parts: [(parts[0][0].astype("f8"), parts[0][1]), *parts[1:]], "found float64"),
        (lambda parts: [(parts[0][0], parts[0][1][:4]), *parts[1:]], r"found int64\[4\]"),
        (lambda parts: [(parts[0][0] * np.nan, parts[0][1]), *parts[1:]], "finite images"),
    ],
    ids=["dict", "two parts", "no pair", "pixels", "dtype", "labels", "nan"],
)
def test_other_pickles(
    tmp_path: Path, arrays: dict[str, Bytes], change: Callable[[Any], Any], message: str
) -> None:
    path = write_pickle(tmp_path, change(pickled(arrays)))
    with pytest.raises(DataError, match=message) as caught:
        load_mnist(tmp_path, sizes=SIZES)
    assert str(path) in str(caught.value)


def test_truncated_pickle(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    path = write_pickle(tmp_path, pickled(arrays))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"mnist\.pkl\.gz: expected a complete gzip file"):
        load_mnist(tmp_path, sizes=SIZES)


def test_unreadable_file(
    tmp_path: Path, arrays: dict[str, Bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Permissions do not stop every user, so the refusal is simulated.
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    write_idx(tmp_path, arrays, gz=False)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"Permission denied.*Check its permissions"):
        load_mnist(tmp_path, sizes=SIZES)


def test_auto_does_not_hide_damaged_files(tmp_path: Path, arrays: dict[str, Bytes]) -> None:
    write_idx(tmp_path, arrays)
    with pytest.raises(DataError, match="train-images"):
        load_dataset("auto", tmp_path)

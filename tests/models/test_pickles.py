"""The restricted unpickler: what it rebuilds, and what it refuses."""

import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arignote.models.data import DataError
from arignote.models.data.pickles import load


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array([1, -2, 3], dtype=">i2"),
        np.array([True, False]),
        np.zeros((0, 5), np.uint8),
        np.array(2.5),
    ],
    ids=["f32", "fortran", "big-endian", "bool", "empty", "0-d"],
)
def test_arrays_survive_every_protocol(array: np.ndarray[Any, Any], protocol: int) -> None:
    loaded = load(pickle.dumps(array, protocol), "data")
    assert loaded.dtype == array.dtype
    assert loaded.shape == array.shape
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_survive_every_protocol(protocol: int) -> None:
    value = ([1, 2.5, True, None], ("text", b"bytes \xff", b""), {"key": [10**30]})
    assert load(pickle.dumps(value, protocol), "data") == value


def test_numpy_scalars_become_arrays_without_dimensions() -> None:
    loaded = load(pickle.dumps((np.float32(0.1), np.int64(7))), "data")
    assert [(value.dtype, value.shape) for value in loaded] == [("f4", ()), ("i8", ())]
    assert loaded[0] == np.float32(0.1)
    assert loaded[1] == 7


def test_python_2_array_with_byte_string_contents() -> None:
    # What Python 2 writes: the old module name, and contents as a str (opcode U).
    contents = np.array([1.5, -2.0], "<f4").tobytes()
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08" + contents + b"tb."
    )
    np.testing.assert_array_equal(load(data, "data"), np.array([1.5, -2.0], np.float32))


def test_shared_and_recursive_objects() -> None:
    array = np.arange(3)
    value: list[Any] = [array, array]
    value.append(value)
    loaded = load(pickle.dumps(value), "data")
    assert loaded[0] is loaded[1]
    assert loaded[2] is loaded


class _RunsCommand:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_a_malicious_pickle_is_refused_by_name_and_does_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    data = pickle.dumps([np.zeros(3), _RunsCommand(f"touch {witness}")])
    with pytest.raises(DataError, match=rf"bad\.pkl.*{os.system.__module__}\.system"):
        load(data, tmp_path / "bad.pkl")
    assert not witness.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "load"),
        ("numpy", "ndarray.tofile"),
        ("numpy.core.multiarray", "fromfile"),
        ("subprocess", "Popen"),
    ],
)
def test_other_names_are_refused(module: str, name: str) -> None:
    data = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)
    )
    with pytest.raises(DataError, match=rf"{module}\.{name}"):
        load(data + b"\x93.", "data")


@pytest.mark.parametrize(
    "value",
    [np.array([None]), np.array(["text"]), np.zeros(2, [("a", "f4")]), np.zeros(1, "M8[s]")],
    ids=["object", "text", "structured", "time"],
)
def test_arrays_of_anything_but_numbers_are_refused(value: np.ndarray[Any, Any]) -> None:
    with pytest.raises(DataError, match="found the dtype"):
        load(pickle.dumps(value, 2), "data")


def test_names_cannot_be_changed_by_the_pickle() -> None:
    # BUILD (b) with a dict on a name would set attributes of a function.
    with pytest.raises(DataError, match="a change to a function"):
        load(b"\x80\x02cnumpy\ndtype\n}b.", "data")


def test_a_name_itself_is_no_value() -> None:
    with pytest.raises(DataError, match="a value of type"):
        load(b"\x80\x02cnumpy\ndtype\n.", "data")


def test_contents_that_do_not_fit_the_shape() -> None:
    data = pickle.dumps(np.zeros(4, np.float32), 4)
    broken = data.replace(b"K\x04\x85", b"K\x05\x85")
    assert broken != data
    with pytest.raises(DataError, match=r"16 bytes for float32\[5\]"):
        load(broken, "data")


@pytest.mark.parametrize("cut", [0, 1, 10, 60, -1])
def test_truncated_pickles(cut: int) -> None:
    data = pickle.dumps(np.arange(100))
    with pytest.raises(DataError, match=r"a complete pickle.*Get the file again"):
        load(data[:cut], "data")


def test_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    stream = io.BytesIO(b"\x80\x02cthis\ns\n.")
    with pytest.raises(DataError, match=r"this\.s"):
        load(stream.getvalue(), "data")
    assert "this" not in sys.modules

"""Functions that were compiled before are found by what was recorded: no pass runs, results are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor import compiler
from arignote.frontends.tensor.profiling import ProfileStats
from arignote.frontends.tensor.pyops import as_op
from arignote.frontends.tensor.settings import change_flags


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARIGNOTE_CACHE_DIR", str(tmp_path))
    return tmp_path


def twice(make: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """What `make(no_passes)` returns, compiled and then found: the second time the passes may not run."""

    def fail(*args: Any) -> Any:
        raise AssertionError("passes ran")

    made = []
    for again in (False, True):
        with monkeypatch.context() as patch:
            if again:
                patch.setattr(compiler, "optimise", fail)
            made.append(make())
    return made[0], made[1]


def text(f: Any) -> str:
    return str(f.func)


def test_results_updates_and_constants(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).standard_normal((5, 40))
    x, i = T.dmatrix("x"), T.ivector("i")

    def make() -> Any:
        w = ar.shared(np.arange(5.0), name="w")
        y = T.dot(x, w) + T.as_tensor_variable(table)[i].sum(axis=1)
        f = ar.function([x, i], [y, T.cast(y, "complex64")], updates=[(w, w + y[0])])
        given = np.arange(15.0).reshape(3, 5), np.array([4, 0, 2], np.int32)
        return f, w, [f(*given), f(*given)]

    (f, w, first), (g, v, second) = twice(make, monkeypatch)
    want = np.arange(15.0).reshape(3, 5) @ np.arange(5.0) + table[[4, 0, 2]].sum(axis=1)
    for results in (first, second):
        np.testing.assert_allclose(results[0][0], want)
        assert results[0][1].dtype == np.complex64
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(w.get_value(), v.get_value())
    assert text(f) == text(g), "the optimised function can still be asked for"
    with pytest.raises(ValueError, match="dot"):
        g(np.zeros((3, 4)), np.zeros(3, np.int32))


def test_messages_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, i = T.dvector("x"), T.ivector("i")

    def make() -> tuple[list[str], list[str]]:
        f = ar.function([x, i], T.exp(x * 2)[i])
        messages, notes = [], []
        for index in (7, -4):
            with change_flags(exception_verbosity="high"), pytest.raises(IndexError) as e:
                f(np.zeros(3), np.array([index], np.int32))
            messages.append(str(e.value))
            notes += e.value.__notes__
        return messages, notes

    first, second = twice(make, monkeypatch)
    assert first == second
    assert "index 7 is out of bounds for axis 0 with size 3" in first[0][0] and "built at" in first[0][0]
    assert first[1][0].count("= fused(") == 2, "the graph around the op"


def test_sizes_of_runs_and_other_shapes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, k = T.dvector("x"), T.lscalar("k")

    def make() -> list[Any]:
        f = ar.function([x, k], T.cumsum(x[k * 4 : (k + 1) * 4]))
        values = np.arange(10.0)
        return [f(values, n).tolist() for n in (0, 1, 2, 3)] + [f(values[:7], n).tolist() for n in (0, 1)]

    first, second = twice(make, monkeypatch)
    assert first == second
    assert second[2] == [8, 17] and second[3] == [] and second[5] == [4, 9, 15]


def test_what_counts(folder: Path) -> None:
    """Values of constants, sizes, modes and lines of the program lead to code of their own."""
    x = T.dvector("x")
    values = np.arange(3.0)

    def recipes() -> int:
        return len(list(folder.glob("*.recipe")))

    for factor, mode in ((2.0, None), (3.0, None), (2.0, None), (2.0, "FAST_COMPILE")):
        np.testing.assert_array_equal(ar.function([x], x * factor, mode=mode)(values), values * factor)
    assert recipes() == 3
    np.testing.assert_array_equal(ar.function([x], x * 2.0)(values), values * 2)
    assert recipes() == 4, "of another line"
    assert len(list(folder.glob("*.aro"))) == 3, "but its code is the same"


@pytest.mark.parametrize("kind", ["recipe", "aro"])
@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_what_is_lost_is_made_again(folder: Path, kind: str, damage: str) -> None:
    x = T.dvector("x")
    values = np.arange(3.0)
    for _ in range(3):
        np.testing.assert_array_equal(ar.function([x], x + 1)(values), values + 1)
        for path in folder.glob(f"*.{kind}"):
            if damage == "lost":
                path.unlink()
            else:
                path.write_bytes(path.read_bytes()[:-1])


def test_functions_of_python_are_not_kept(folder: Path) -> None:
    for factor in (2, 3):

        @as_op(itypes=[T.dvector], otypes=[T.dvector])
        def scaled(x: Any, factor: int = factor) -> Any:
            return x * factor

        x = T.dvector("x")
        assert ar.function([x], scaled(x))(np.ones(2)).tolist() == [factor, factor]
    assert not list(folder.glob("*.recipe"))


def test_profiles_see_passes(folder: Path) -> None:
    x = T.dvector("x")
    for _ in range(2):
        stats = ProfileStats()
        ar.function([x], T.exp(x).sum(), profile=stats)(np.zeros(3))
        assert stats.passes

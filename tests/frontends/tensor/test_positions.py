"""Choosing by integers, places, counting, sorting and spaced numbers, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function
from arignote.frontends.tensor.constants import EmptyConstantError
from tests.frontends.tensor.checks import check, check_gradients

RNG = np.random.default_rng(5)
V, A, C = (np.round(RNG.normal(size=s), 2) for s in ((7,), (3, 4), (2, 3, 4)))
K = np.array([2, 0, -1, 1], "int32")


def test_take_choose_compress(mode: str) -> None:
    x, k, c, far = T.matrix("x"), T.ivector("k"), T.tensor3("c"), T.lvector("far")
    away = np.array([-9, 2, 7])
    which = T.imatrix("which")
    w = RNG.integers(0, 2, (3, 4)).astype("int32")
    check(
        {
            "take": (T.take(x, k), A.take(K)),
            "take axis": (T.take(x, k[:3], axis=0), A.take(K[:3], 0)),
            "take method": (x.take([[0, 1], [2, 2]], axis=1), A.take([[0, 1], [2, 2]], 1)),
            "take wrap": (T.take(x, far, axis=1, mode="wrap"), A.take(away, 1, mode="wrap")),
            "take clip": (x.take(far, mode="clip"), A.take(away, mode="clip")),
            "take one": (T.take(x, 1, axis=-1), A.take(1, -1)),
            "choose": (T.choose(which, [x, -x]), np.choose(w, [A, -A])),
            "choose broadcast": (which.choose([x[0], 7]), np.choose(w, [A[0], 7])),
            "choose of a tensor": (T.choose(which, c), np.choose(w, C)),
            "choose of a row": (T.choose(which, c[:, :1]), np.choose(w, C[:, 0][:, None])),
            "choose wrap": (T.choose(which + 5, [x, -x], mode="wrap"), np.choose(w + 5, [A, -A], mode="wrap")),
            "choose clip": (T.choose(which * 9 - 4, c, mode="clip"), np.choose(w * 9 - 4, C, mode="clip")),
            "compress": (T.compress([True, False, True], x, axis=0), A.compress([True, False, True], 0)),
            "compress flat": (x.compress([0, 1, 0, 2]), A.compress([0, 1, 0, 1])),
        },
        {x: A, k: K, c: C, far: away, which: w},
    )  # fmt: skip
    with pytest.raises(IndexError, match=r"index 7 is out of bounds for axis 1 with size 4"):
        function([x, far], x.take(far[2:], axis=1))(A, away)
    with pytest.raises(AssertionError, match=r"(?s)choose: an index is out of bounds.*test_positions.py"):
        function([which, x], T.choose(which, [x, -x]))(w + 1, A)
    with pytest.raises(ValueError, match=r"mode 'round' is not one of 'raise', 'wrap', 'clip'"):
        T.choose(which, [x, x], mode="round")
    with pytest.raises(TypeError, match=r"numbers of choices must be integers, but x is"):
        T.choose(x, [x, x])
    with pytest.raises(TypeError, match=r"compress: the condition k is symbolic"):
        T.compress(k, x)
    with pytest.raises(ValueError, match=r"choose: out is not supported"):
        T.choose(which, [x, x], out=x)


def test_diagonals(mode: str) -> None:
    x, s, n, c = T.matrix("x"), T.scalar("s"), T.lscalar("n"), T.tensor3("c")
    square = np.ones((3, 3, 3))

    def filled(offset: int) -> Any:
        return np.where(np.eye(3, 4, offset) > 0, 5.0, A)

    check(
        {
            "main": (T.fill_diagonal(x, 5.0), filled(0)),
            "tall": (T.fill_diagonal(x.T, s), filled(0).T),
            **{f"offset {k}": (T.fill_diagonal_offset(x, s, k), filled(k)) for k in (-2, 1, 3, 9)},
            "symbolic offset": (T.fill_diagonal_offset(x, s, n), filled(-1)),
            "three": (T.fill_diagonal(c, 5), np.where(np.arange(27).reshape(3, 3, 3) % 13 == 0, 5.0, square)),
        },
        {x: A, s: 5.0, n: -1, c: square},
    )
    with pytest.raises(AssertionError, match=r"fill_diagonal: the dimensions differ"):
        function([c], T.fill_diagonal(c, 1))(C)
    with pytest.raises(TypeError, match=r"a value of float32 does not fit into i"):
        T.fill_diagonal(T.imatrix("i"), 0.5)
    with pytest.raises(TypeError, match=r"the value must be a scalar, but x is"):
        T.fill_diagonal(x, x)


def test_places_in_flat_tensors(mode: str) -> None:
    i, p, q, d = T.lmatrix("i"), T.ivector("p"), T.ivector("q"), T.lvector("d")
    flat = np.array([[22, 41], [37, 0]])
    at = np.array([3, 6, 6], "int32"), np.array([4, 5, 1], "int32")
    cases: dict[str, Any] = {}
    for order in ("C", "F"):
        for dims in ((7, 6), d):
            found = T.unravel_index(i, dims, order=order, ndim=2)
            want = np.unravel_index(flat, (7, 6), order=order)
            cases |= {f"unravel {order} {dims} {a}": pair for a, pair in enumerate(zip(found, want, strict=True))}
            got = T.ravel_multi_index((p, q), dims, order=order)
            cases[f"ravel {order} {dims}"] = got, np.ravel_multi_index(at, (7, 6), order=order)
    away = [a + 5 for a in at]
    cases["wrap"] = T.ravel_multi_index((p + 5, q + 5), (7, 6), mode="wrap"), np.ravel_multi_index(away, (7, 6), "wrap")
    modes: Any = ("clip", "wrap")
    cases["modes"] = T.ravel_multi_index((p + 5, q + 5), (7, 6), modes), np.ravel_multi_index(away, (7, 6), modes)
    check(cases, {i: flat, p: at[0], q: at[1], d: np.array([7, 6])})
    with pytest.raises(AssertionError, match=r"unravel_index: an index is out of bounds"):
        function([i], T.unravel_index(i, (6, 6)))(flat)
    with pytest.raises(AssertionError, match=r"ravel_multi_index: an index is out of bounds"):
        function([p, q], T.ravel_multi_index((p, q), (7, 5)))(*at)
    with pytest.raises(AssertionError, match=r"dims \(d\) must have 2 elements"):
        function([i, d], T.unravel_index(i, d, ndim=2))(flat, [7, 3, 2])
    with pytest.raises(ValueError, match=r"2 indices for 3 dimensions"):
        T.ravel_multi_index((p, q), (7, 6, 2))


def test_counting(mode: str) -> None:
    n, w = T.lscalar("n"), T.vector("w")
    k = np.array([3, 1, 1, 6])
    weights = np.array([0.5, 1.5, -2.0, 4.0])
    y = T.ivector("y")
    check(
        {
            "count": (T.bincount(k), np.bincount(k)),
            "weights": (T.bincount(k, w), np.bincount(k, weights)),
            "minlength": (T.bincount(k, minlength=9), np.bincount(k, minlength=9)),
            "none": (T.bincount(np.zeros(0, int), minlength=n), np.zeros(5, int)),
            "hot": (T.to_one_hot(y, 4), np.eye(4)[[2, 0, 3, 1]]),
            "hot symbolic": (T.to_one_hot(y, n, "int32"), np.eye(5, dtype="int32")[[2, 0, 3, 1]]),
        },
        {n: 5, w: weights, y: np.array([2, 0, 3, 1], "int32")},
    )
    with pytest.raises(ValueError, match=r"bincount: -1 is negative"):
        T.bincount([1, -1])
    with pytest.raises(TypeError, match=r"what is counted must be integers, but w is"):
        T.bincount(w)


def test_counting_what_only_the_call_knows() -> None:
    k = T.ivector("k")
    f = function([k], [T.bincount(k), T.bincount(k, minlength=9)], mode="reference")
    for data in ([3, 1, 1, 6], [0], []):
        array = np.array(data, "int32")
        for got, want in zip(f(array), (np.bincount(array), np.bincount(array, minlength=9)), strict=True):
            np.testing.assert_array_equal(got, want)
    f = function([k], T.bincount(k, assert_nonneg=True), mode="reference")
    with pytest.raises(AssertionError, match=r"a number is negative"):
        f([-1, 2])


def test_sorting(mode: str) -> None:
    x, c, i, n = T.matrix("x"), T.tensor3("c"), T.bvector("i"), T.lscalar("n")
    data = A.copy()
    data[1, 2] = np.nan
    numbers = np.array([5, -3, 5, 0, 7, -3, 1], "int8")
    ranked = np.sort(data, axis=1)
    cases: dict[str, Any] = {
        "sort": (T.sort(x), np.sort(data)),
        "sort flat": (T.sort(x, axis=None), np.sort(data, axis=None)),
        "sort first": (x.sort(0), np.sort(data, axis=0)),
        "argsort": (T.argsort(x), np.argsort(data, kind="stable")),
        "argsort middle": (c.argsort(1), np.argsort(C, axis=1, kind="stable")),
        "argsort flat": (T.argsort(i, None), np.argsort(numbers, kind="stable")),
        "topk": (T.topk(x, 3), ranked[:, 1:]),
        "topk smallest": (T.topk(x, -2), ranked[:, :2]),
        "topk first": (T.topk(x, 1, axis=0), np.sort(data, axis=0)[-1:]),
        "topk flat": (T.topk(c, 4, axis=None), np.sort(C, axis=None)[-4:]),
        "topk symbolic": (T.topk(x, n), ranked[:, 2:]),
        "topk symbolic smallest": (T.topk(x, -n), ranked[:, :2]),
        "argtopk": (T.argtopk(x, 3), np.argsort(data, kind="stable")[:, 1:]),
        "argtopk dtype": (T.argtopk(i, 2, idx_dtype="int32"), np.argsort(numbers, kind="stable")[-2:].astype("int32")),
        "partition": (T.partition(x, 2), np.sort(data)),
        "argpartition": (T.argpartition(i, 2), np.argsort(numbers, kind="stable")),
        "median": (T.median(c), np.median(C)),
        "median axis": (T.median(c, axis=1), np.median(C, axis=1)),
        "median axes": (T.median(c, axis=(0, 2), keepdims=True), np.median(C, axis=(0, 2), keepdims=True)),
        "median nan": (T.median(x, axis=1), np.median(data, axis=1)),
        "median of integers": (T.median(i), np.float32(np.median(numbers))),
        "percentiles": (T.percentile(c, [0, 12.5, 60, 100], axis=2), np.percentile(C, [0, 12.5, 60, 100], axis=2)),
        "quantile": (T.quantile(c, 0.3, axis=0, keepdims=True), np.quantile(C, 0.3, axis=0, keepdims=True)),
    }
    for axis in (-1, 0, None):
        values, places = T.topk_and_argtopk(c, 2, axis=axis)
        want = np.argsort(C, axis=axis, kind="stable")
        want = want[-2:] if axis is None else want.take([-2, -1], axis)
        cases[f"both {axis}"] = places, want
        top = C.reshape(-1)[want] if axis is None else np.take_along_axis(C, want, axis)
        cases[f"both {axis} values"] = values, top
    check(cases, {x: data, c: C, i: numbers, n: 2}, rtol=1e-6)
    with pytest.raises(ValueError, match=r"topk: kth cannot be 0"):
        T.topk(x, 0)
    with pytest.raises(ValueError, match=r"topk: kth=5 of an axis of 4 elements"):
        T.topk(T.matrix(shape=(3, 4)), 5)
    with pytest.raises(ValueError, match=r"partition: kth=4 of an axis of 4 elements"):
        T.partition(T.matrix(shape=(3, 4)), 4)
    with pytest.raises(ValueError, match=r"sort: order='f'"):
        T.sort(x, order="f")
    with pytest.raises(ValueError, match=r"numbers of 0 to 1, not 2"):
        T.quantile(x, 2)


def test_search(mode: str) -> None:
    x, v, i = T.vector("x"), T.matrix("v"), T.ivector("i")
    bins = np.array([-1.0, -0.2, -0.2, 0.5, np.inf, np.nan])
    values = np.array([[-0.2, np.nan, 9.0], [0.5, -7.0, np.inf]])
    loose = np.array([4, 1, 3], "int32")
    check(
        {
            "left": (T.searchsorted(x, v), np.searchsorted(bins, values)),
            "right": (x.searchsorted(v, side="right"), np.searchsorted(bins, values, side="right")),
            "number": (T.searchsorted(x, 0), np.searchsorted(bins, 0)),
            "other dtype": (T.searchsorted(x, i), np.searchsorted(bins, loose)),
            "sorter": (T.searchsorted(i, [2, 4], sorter=np.argsort(loose)), np.searchsorted(np.sort(loose), [2, 4])),
            "nowhere": (T.searchsorted(x[:0], v), np.searchsorted(bins[:0], values)),
            "digitize": (T.digitize(v, x[:4]), np.digitize(values, bins[:4])),
            "digitize right": (T.digitize(v, x[:4], right=True), np.digitize(values, bins[:4], right=True)),
            "bools": (T.searchsorted(T.gt(x, 0)[:4], True), np.searchsorted(bins[:4] > 0, True)),
            "order": (T.argsort(i), np.argsort(loose)),
        },
        {x: bins, v: values, i: loose},
    )
    with pytest.raises(ValueError, match=r"side 'middle' is neither"):
        T.searchsorted(x, v, side="middle")
    with pytest.raises(ValueError, match=r"searchsorted takes a vector, but v is"):
        T.searchsorted(v, x)


def test_spaced_numbers(mode: str) -> None:
    n, a, b, v = T.lscalar("n"), T.scalar("a"), T.fscalar("b"), T.vector("v")
    f32 = np.float32
    grid = T.mgrid[0:3, 1:5:2]
    open_ = T.ogrid[:n, 0:2]
    check(
        {
            "linspace": (T.linspace(0, 1, 7), np.linspace(0, 1, 7)),
            "symbolic": (T.linspace(a, 4.0, n), np.linspace(1.5, 4, 5)),
            "no end": (T.linspace(a, 4.0, n, endpoint=False), np.linspace(1.5, 4, 5, endpoint=False)),
            "one": (T.linspace(a, 4.0, 1), np.array([1.5])),
            "none": (T.linspace(a, 4.0, 0), np.zeros(0)),
            "single": (T.linspace(b, 3, 4), np.linspace(f32(2), f32(3), 4, dtype="float32")),
            "integers": (T.linspace(0, 9, 4, dtype="int64"), np.linspace(0, 9, 4, dtype="int64")),
            "tensors": (T.linspace(v, 0.0, 3), np.linspace(V, 0, 3)),
            "tensors, last axis": (T.linspace(v, 2 * v, 3, axis=-1), np.linspace(V, 2 * V, 3, axis=-1)),
            "logspace": (T.logspace(0, 2, 5), np.logspace(0, 2, 5)),
            "logspace base": (T.logspace(0, 3, n, base=2), np.logspace(0, 3, 5, base=2)),
            "geomspace": (T.geomspace(-1.0, -1000.0, 4), np.geomspace(-1, -1000, 4)),
            "mgrid": (T.stack(grid), np.mgrid[0:3, 1:5:2]),
            "ogrid": (open_[0] * 10 + open_[1], np.arange(5)[:, None] * 10 + np.arange(2)),
            "one slice": (T.mgrid[2:n], np.mgrid[2:5]),
            "imaginary step": (T.mgrid[0:1:5j], np.mgrid[0:1:5j]),
        },
        {n: 5, a: 1.5, b: f32(2), v: V},
        rtol=2e-7,
    )
    with pytest.raises(TypeError, match=r"mgrid takes slices, not 3"):
        T.mgrid[3]
    with pytest.raises(ValueError, match=r"ogrid: a slice needs an end"):
        T.ogrid[1:, 0:2]
    with pytest.raises(ValueError, match=r"num must not be negative, got -1"):
        T.linspace(0, 1, -1)


def test_gradients(mode: str) -> None:
    w = RNG.normal(size=(3, 4))
    check_gradients(
        {
            "take": lambda x, w: (T.take(x, [1, 1, 0], axis=1) ** 2 * w[:, :3]).sum(),
            "choose": lambda x, w: (T.choose(np.array([0, 1, 1, 0]), [x, w]) ** 2 * w).sum(),
            "choose of a tensor": lambda x, w: (T.choose(np.array([[0, 2, 1, 0]]), x[:, None, :]) ** 2 * w[:1]).sum(),
            "diagonal": lambda x, w: (T.fill_diagonal(x, w[0, 0]) ** 2 * w).sum(),
            "sort": lambda x, w: (T.sort(x, axis=0) ** 2 * w).sum(),
            "topk": lambda x, w: (T.topk_and_argtopk(x, 2)[0] ** 2 * w[:, :2]).sum() + T.topk(w, 3, axis=None).sum(),
            "median": lambda x, w: (T.median(x, axis=1) ** 2).sum() + T.percentile(w, 30),
            "linspace": lambda x, w: (T.linspace(x[0], w[0], 3) ** 2 * w).sum(),
            "geomspace": lambda x, w: (T.geomspace(x[0, 0] ** 2, 1 + w[0, 0] ** 2, 4) * w[1]).sum(),
            "average": lambda x, w: (T.average(x, 1, w[0] ** 2) ** 2).sum() + T.average(x, weights=w**2) * w[0, 0],
        },
        [A, w],
    )


def test_known_numbers() -> None:
    x, s = T.matrix("x"), T.matrix("s", shape=(3, 5))
    known: list[tuple[Any, Any]] = [
        (3, 3), (np.float32(2.5), 2.5), (np.full((2, 2), 7), 7), (T.constant([4, 4]), 4), (T.zeros((x.shape[0], 2)), 0),
        (T.constant(3) * 2 + 1, 7), (s.shape[1], 5), (s.shape[0] * 2, 6), (T.fill(x, 1.5).T, 1.5),
        (T.as_tensor_variable([2, 3])[1], 3), (T.sum(T.constant([1, 2])), 3), (T.cast(T.constant(2.7), "int8"), 2),
    ]  # fmt: skip
    for expression, want in known:
        found = T.get_scalar_constant_value(expression)
        assert found == want and found.ndim == 0, expression
    assert T.constant(5).get_scalar_constant_value() == 5
    for unknown in (x, x.sum(), x.shape[0], T.constant([1, 2]), None, "text", T.arange(x.shape[0])[0] * 0):
        with pytest.raises(T.NotScalarConstantError):
            T.get_scalar_constant_value(unknown)
    with pytest.raises(T.NotScalarConstantError):
        T.get_scalar_constant_value(T.constant(3) * 2, only_process_constants=True)
    with pytest.raises(T.NotScalarConstantError):
        T.get_scalar_constant_value(T.constant(3) * 2, elemwise=False)
    with pytest.raises(EmptyConstantError):
        T.get_scalar_constant_value(np.zeros(0))
    assert T.extract_constant(x) is x

"""Indexing and set_subtensor against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T

A = np.arange(20.0).reshape(4, 5)
C = np.arange(60.0).reshape(3, 4, 5)
V = np.arange(7.0)


class _Key:
    """`K[1:2, 0]` is the index itself."""

    def __getitem__(self, index: Any) -> Any:
        return index


K = _Key()
S = slice(None)
BASIC = [
    K[0], K[-1], K[2, 3], K[-4, -5], K[1:3], K[:-1], K[1:], K[:, 2], K[:, -1], K[::2], K[::-1],
    K[3:0:-2], K[-2:], K[..., 0], K[0, ...], K[None], K[:, None, 1:3], K[1:100], K[100:], K[-100:2],
    K[2:1], K[:, ::-2], K[None, 0, None], K[...], K[:], K[()], K[-1:-3:-1, 1], K[10:0:-1],
    K[:0:-1], K[1:-1, 1:-1], K[3::-1], K[:-10:-1],
]  # fmt: skip


@pytest.mark.parametrize("index", BASIC, ids=[str(i) for i in BASIC])
@pytest.mark.parametrize("static", [False, True])
def test_basic(index: Any, static: bool, mode: str) -> None:
    x = T.matrix("x", shape=A.shape if static else None)
    out = T.function([x], x[index], mode=mode)(A)
    np.testing.assert_array_equal(out, A[index])
    assert out.shape == A[index].shape


@pytest.mark.parametrize("lo,hi", [(0, 3), (2, 7), (-3, 100), (-100, -2), (5, 2), (7, 9), (-1, 2)])
@pytest.mark.parametrize("step", [None, 2, -1, -3])
def test_symbolic_bounds_wrap_and_clip(lo: int, hi: int, step: int | None, mode: str) -> None:
    x, a, b = T.vector("x"), T.lscalar("a"), T.iscalar("b")
    outs = T.function([x, a, b], [x[a:b:step], x[a::step], x[:b:step], x[a : b + 1 : step]], mode=mode)(
        V, lo, hi
    )
    wants = [V[lo:hi:step], V[lo::step], V[:hi:step], V[lo : hi + 1 : step]]
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_slices_of_little(n: int, mode: str) -> None:
    x = T.vector("x")
    slices = [S, K[1:], K[:-1], K[::-1], K[::2], K[-3:], K[:5], K[2:0:-1]]
    f = T.function([x], [x[s] for s in slices], mode=mode)
    for s, out in zip(slices, f(V[:n]), strict=True):
        np.testing.assert_array_equal(out, V[:n][s], err_msg=str(s))


def test_symbolic_integers(mode: str) -> None:
    x, i, j = T.matrix("x"), T.iscalar("i"), T.lscalar("j")
    outs = T.function([x, i, j], [x[i], x[i, j], x[:, j], x[i, 1:], x[i, None]], mode=mode)(A, -1, 2)
    for out, want in zip(outs, [A[-1], A[-1, 2], A[:, 2], A[-1, 1:], A[-1, None]], strict=True):
        np.testing.assert_array_equal(out, want)
    f = T.function([x, i], x[i], mode=mode)
    with pytest.raises(IndexError, match=r"index 4 is out of bounds for axis 0 with size 4"):
        f(A, 4)
    with pytest.raises(IndexError, match=r"index -5 is out of bounds"):
        f(A, -5)
    with pytest.raises(IndexError, match=r"out of bounds|out of range"):
        T.function([x], x[7], mode=mode)(A)


def test_integer_arrays(mode: str) -> None:
    t, i, j, m = T.tensor3("t"), T.ivector("i"), T.lvector("j"), T.imatrix("m")
    p, q = np.array([0, 2, -1], "int32"), np.array([3, 0, -4])
    r = np.array([[0, 1], [2, 0]], "int32")
    outs = T.function(
        [t, i, j, m],
        [t[i], t[i, j], t[m], t[:, j], t[i, :, 0], t[0, :, i], t[i, 1:3], t[:, :, m], t[i, j, 2],
         t[i, None, j], t[T.arange(3), j], t[[0, 2]], t[[2, 1], 1:, [0, 4]], t[..., [1, 2]],
         t[np.array([0, 1]), j[:2]], t[None, i], t[m, i[:2]]],
        mode=mode,
    )(C, p, q, r)  # fmt: skip
    wants = [C[p], C[p, q], C[r], C[:, q], C[p, :, 0], C[0, :, p], C[p, 1:3], C[:, :, r],
             C[p, q, 2], C[p, None, q], C[np.arange(3), q], C[[0, 2]], C[[2, 1], 1:, [0, 4]],
             C[..., [1, 2]], C[[0, 1], q[:2]], C[None, p], C[r, p[:2]]]  # fmt: skip
    for k, (out, want) in enumerate(zip(outs, wants, strict=True)):
        np.testing.assert_array_equal(out, want, err_msg=str(k))


def test_constant_masks(mode: str) -> None:
    x = T.matrix("x")
    keep = np.array([True, False, True, True])
    np.testing.assert_array_equal(T.function([x], x[keep], mode=mode)(A), A[keep])


def test_index_errors() -> None:
    x, s = T.matrix("x"), T.matrix("s", shape=(4, 5))
    with pytest.raises(IndexError, match=r"too many indices for x: it has 2 dimensions, got 3"):
        x[0, 0, 0]
    with pytest.raises(IndexError, match=r"index 4 is out of bounds for axis 0 with size 4"):
        s[4]
    with pytest.raises(TypeError, match=r"indices must be integers, but v is"):
        x[T.vector("v")]
    with pytest.raises(TypeError, match=r"the start of a slice must be an integer"):
        x[1.5:]
    with pytest.raises(TypeError, match=r"step of a slice must be a number"):
        x[:: T.iscalar()]
    with pytest.raises(ValueError, match=r"step cannot be zero"):
        x[::0]
    with pytest.raises(IndexError, match=r"single ellipsis"):
        x[..., ...]
    with pytest.raises(TypeError, match=r"bool is no index"):
        x[True]


WRITES = [
    K[1:3], K[0], K[:, 2], K[::2, ::-1], K[1, 2], K[-1:], K[:, None, 1:], K[...], K[[0, 2, 0]],
    K[[0, 1], [2, 2]], K[:, [1, 3, 3]], K[1:, [0, 0, 4]], K[[3, 3]],
]  # fmt: skip


@pytest.mark.parametrize("index", WRITES, ids=[str(i) for i in WRITES])
@pytest.mark.parametrize("static", [False, True])
def test_set_and_inc(index: Any, static: bool, mode: str) -> None:
    x = T.matrix("x", shape=A.shape if static else None)
    y = T.TensorType("float64", (False,) * A[index].ndim)("y")
    v = 100 + np.arange(A[index].size, dtype=float).reshape(A[index].shape)
    f = T.function(
        [x, y],
        [T.set_subtensor(x[index], y), T.inc_subtensor(x[index], y), T.set_subtensor(x[index], 7),
         T.inc_subtensor(x[index], y, set_instead_of_inc=True)],
        mode=mode,
    )  # fmt: skip
    outs = f(A, v)
    was_set, was_added, sevens = A.copy(), A.copy(), A.copy()
    was_set[index] = v
    if isinstance(index, tuple) and any(i is None for i in index):
        was_added[index] += v
    else:
        np.add.at(was_added, index, v)
    sevens[index] = 7
    for out, want in zip(outs, [was_set, was_added, sevens, was_set], strict=True):
        np.testing.assert_array_equal(out, want)
    np.testing.assert_array_equal(A, np.arange(20.0).reshape(4, 5))


def test_writing_at_symbolic_places(mode: str) -> None:
    x, i, a, b, k = T.matrix("x"), T.lscalar("i"), T.lscalar("a"), T.lscalar("b"), T.ivector("k")
    outs = T.function(
        [x, i, a, b, k],
        [T.set_subtensor(x[i], 1), T.inc_subtensor(x[a:b], 1), T.set_subtensor(x[k], x[k] * 2),
         T.inc_subtensor(x[a:b, k], 5), T.set_subtensor(x[a:b], T.arange(5.0))],
        mode=mode,
    )(A, -2, 1, 99, [1, 1, 0])  # fmt: skip
    wants = [A.copy() for _ in range(5)]
    wants[0][-2] = 1
    wants[1][1:99] += 1
    wants[2][[1, 1, 0]] *= 2
    places: Any = (slice(1, 99), [1, 1, 0])
    np.add.at(wants[3], places, 5)
    wants[4][1:99] = np.arange(5.0)
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(out, want)


def test_what_is_written_takes_the_dtype_of_what_it_is_written_to() -> None:
    x, y = T.fvector("x"), T.dscalar("y")
    out = T.set_subtensor(x[:1], y)
    f = T.function([x, y], [out, T.grad((out**2).sum(), y)])
    value, gradient = f(np.ones(2, np.float32), 0.1)
    assert value.dtype == np.float32 and value.tolist() == [np.float32(0.1), 1]
    assert gradient.dtype == np.float64 and gradient == pytest.approx(0.2, rel=1e-6)


def test_write_errors() -> None:
    x = T.fmatrix("x")
    with pytest.raises(TypeError, match=r"takes an indexed variable.*not x"):
        T.set_subtensor(x, 1)
    with pytest.raises(TypeError, match=r"Trying to increment a int64 subtensor with a float64"):
        T.inc_subtensor(T.lmatrix()[0], T.dvector())
    with pytest.raises(ValueError, match=r"cannot write"):
        T.set_subtensor(x[0], T.fmatrix())


@pytest.mark.parametrize(
    "make",
    [
        lambda x, a, k: (x[1:] ** 2).sum(), lambda x, a, k: (x[a:] ** 2).sum(),
        lambda x, a, k: (x[k] ** 3).sum(), lambda x, a, k: (x[::-2, 1:a] * 3).sum(),
        lambda x, a, k: (T.set_subtensor(x[a], x[0] ** 2) ** 2).sum(),
        lambda x, a, k: (T.inc_subtensor(x[k], x[:3] ** 2) ** 2).sum(),
        lambda x, a, k: (x[T.arange(x.shape[0]), a] ** 2).sum(),
        lambda x, a, k: (x[:a].sum() * x[a:, ::2].mean() + T.zeros(x[a:].shape).sum()),
        lambda x, a, k: (x[k, k] ** 2).sum() + x[a, a] ** 2,
    ],
)  # fmt: skip
def test_gradients(make: Any, mode: str) -> None:
    x, a, k = T.matrix("x"), T.lscalar("a"), T.ivector("k")
    cost = make(x, a, k)
    f = T.function([x, a, k], cost, mode=mode, on_unused_input="ignore")
    g = T.function([x, a, k], T.grad(cost, x), mode=mode, on_unused_input="ignore")
    data, args = A / 10, (2, np.array([1, 3, 1], "int32"))
    want = np.zeros_like(data)
    for at in np.ndindex(data.shape):
        step = np.zeros_like(data)
        step[at] = 1e-6
        want[at] = (f(data + step, *args) - f(data - step, *args)) / 2e-6
    np.testing.assert_allclose(g(data, *args), want, atol=1e-6)

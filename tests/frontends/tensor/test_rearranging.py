"""Repeating, rolling and reordering, and running sums, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function
from tests.frontends.tensor.checks import check, check_gradients

RNG = np.random.default_rng(3)
V, A, C = (np.round(RNG.normal(size=s), 2) for s in ((5,), (3, 4), (2, 3, 4)))


def test_tile_and_repeat(mode: str) -> None:
    v, x, c, n, m = T.vector("v"), T.matrix("x"), T.tensor3("c"), T.iscalar("n"), T.lscalar("m")
    reps = T.lvector("reps")
    check(
        {
            "number": (T.tile(x, 2), np.tile(A, 2)),
            "list": (T.tile(x, (2, 3)), np.tile(A, (2, 3))),
            "longer": (T.tile(x, (2, 1, 3)), np.tile(A, (2, 1, 3))),
            "shorter": (T.tile(c, (3,)), np.tile(C, (3,))),
            "once": (T.tile(x, 1), A),
            "never": (T.tile(v, 0), np.tile(V, 0)),
            "scalar": (T.tile(n, 4), np.tile(np.int32(2), 4)),
            "symbolic": (T.tile(x, (n, m)), np.tile(A, (2, 3))),
            "vector": (T.tile(x, reps, ndim=2), np.tile(A, (2, 3))),
            "ndim": (T.tile(v, 2, ndim=3), np.tile(V.reshape(1, 1, 5), 2)),
            "repeat": (T.repeat(x, 3), A.repeat(3)),
            "repeat axis": (T.repeat(x, 2, axis=1), A.repeat(2, 1)),
            "repeat symbolic": (x.repeat(n, axis=0), A.repeat(2, 0)),
            "repeat each": (T.repeat(x, [2, 0, 1], axis=0), A.repeat([2, 0, 1], 0)),
            "repeat negative axis": (T.repeat(c, np.array([1, 0, 2]), axis=-2), C.repeat([1, 0, 2], 1)),
            "repeat ones": (T.repeat(x, [2], axis=0), A.repeat([2], 0)),
        },
        {v: V, x: A, c: C, n: 2, m: 3, reps: np.array([2, 3])},
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"tile: ndim=1 is less than the 2 dimensions"):
        T.tile(x, 2, ndim=1)
    with pytest.raises(ValueError, match=r"negative repetitions in \(1, -1\)"):
        T.tile(x, -1)
    with pytest.raises(TypeError, match=r"repeats must be integers, but v is"):
        T.repeat(x, v)
    with pytest.raises(ValueError, match=r"must not be negative, got \[1, -1, 2\]"):
        T.repeat(x, [1, -1, 2], axis=0)
    with pytest.raises(ValueError, match=r"a number or a vector, but x is"):
        T.repeat(x, T.cast(x, "int64").copy("x"), axis=0)
    with pytest.raises(ValueError, match=r"repeat: axis 2 is out of bounds for x"):
        T.repeat(x, 2, axis=2)


def test_repeat_by_a_vector_that_only_the_call_knows() -> None:
    x, r = T.vector("x"), T.lvector("r")
    f = function([x, r], T.repeat(x, r), mode="reference")
    np.testing.assert_array_equal(f(V, [0, 1, 3, 0, 2]), V.repeat([0, 1, 3, 0, 2]))


def test_roll_and_axes(mode: str) -> None:
    x, c, n = T.matrix("x"), T.tensor3("c"), T.lscalar("n")
    check(
        {
            **{f"roll {s} {a}": (T.roll(x, s, a), np.roll(A, s, a)) for s in (1, -1, 0, 7, -9) for a in (0, 1, None)},
            "roll symbolic": (T.roll(x, n, axis=1), np.roll(A, -5, 1)),
            "roll of little": (T.roll(x[:0], 1, axis=0), A[:0]),
            "flip": (T.flip(c), np.flip(C)),
            "flip one": (T.flip(c, 1), np.flip(C, 1)),
            **{f"rollaxis {a} {s}": (T.rollaxis(c, a, s), np.rollaxis(C, a, s)) for a in (0, 2) for s in (0, 1, -1)},
            "moveaxis": (T.moveaxis(c, 0, -1), np.moveaxis(C, 0, -1)),
            "moveaxis several": (T.moveaxis(c, [0, 1], [-1, 0]), np.moveaxis(C, [0, 1], [-1, 0])),
            "squeeze": (T.squeeze(c[:, :1, None], axis=2), C[:, :1]),
            "squeeze all": (x[None, :, None].squeeze(), A),
            "1d": (T.atleast_1d(n), np.array([-5])),
            "2d": (T.atleast_2d(x[0]), A[:1]),
            "3d": (T.atleast_3d(x), A[:, :, None]),
            "3d of a vector": (T.atleast_3d(x[0]), np.atleast_3d(A[0])),
            "nd": (T.atleast_nd(x, 4), A[None, None]),
            "nd right": (T.atleast_nd(x, 3, left=False), A[..., None]),
            "horizontal": (T.horizontal_stack(x, x), np.hstack([A, A])),
            "vertical": (T.vertical_stack(x, x[:1]), np.vstack([A, A[:1]])),
        },
        {x: A, c: C, n: -5},
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"rollaxis: start=5 of c with 3 dimensions"):
        T.rollaxis(c, 0, 5)
    with pytest.raises(ValueError, match=r"moveaxis: 2 axes are to go to 1 places"):
        T.moveaxis(c, [0, 1], 2)
    with pytest.raises(ValueError, match=r"moveaxis: an axis is given twice"):
        T.moveaxis(c, [0, -3], [0, 1])
    with pytest.raises(ValueError, match=r"cannot drop dimension 0 of x"):
        T.squeeze(x, 0)
    with pytest.raises(ValueError, match=r"horizontal_stack takes matrices, but c is"):
        T.horizontal_stack(x, c)


def test_permutations(mode: str) -> None:
    p, q, x, c = T.ivector("p"), T.lmatrix("q"), T.matrix("x"), T.tensor3("c")
    order, orders = np.array([2, 0, 3, 1], "int32"), np.array([RNG.permutation(4) for _ in range(3)])
    back = np.argsort(orders, axis=1)
    rows = np.arange(3)[:, None]
    check(
        {
            "inverse": (T.inverse_permutation(p), np.argsort(order).astype("int32")),
            "of rows": (T.inverse_permutation(q), back),
            "one order": (T.permute_row_elements(x, p), A[:, order]),
            "an order for each": (T.permute_row_elements(x, q), A[rows, orders]),
            "back": (T.permute_row_elements(x, q, 1), A[rows, back]),
            "one row": (T.permute_row_elements(x[0], q), A[0][orders]),
            "more": (T.permute_row_elements(c, p), C[..., order]),
        },
        {p: order, q: orders, x: A, c: C},
    )
    with pytest.raises(TypeError, match=r"an order must be integers, but x is"):
        T.permute_row_elements(c, x)


CUMULATIVE: list[tuple[str, Any]] = [("cumsum", np.cumsum), ("cumprod", np.cumprod)]


@pytest.mark.parametrize("name, reference", CUMULATIVE)
def test_running_values(name: str, reference: Any, mode: str) -> None:
    x, c, i, b = T.matrix("x"), T.tensor3("c"), T.bmatrix("i"), T.matrix("b")
    run = getattr(T, name)
    small = RNG.integers(-3, 4, (3, 4)).astype("int8")
    check(
        {
            "flat": (run(x), reference(A)),
            **{f"axis {a}": (run(c, axis=a), reference(C, axis=a)) for a in (0, 1, 2, -1, -3)},
            "method": (getattr(x, name)(axis=1), reference(A, axis=1)),
            "integers": (run(i, axis=0), reference(small, axis=0, dtype="int8")),
            "bools": (run(T.gt(b, 0), axis=1), reference(A > 0, axis=1)),
            "nothing": (run(x[:0]), reference(A[:0])),
            "op": (T.CumOp(1, "add" if name == "cumsum" else "mul")(x), reference(A, axis=1)),
        },
        {x: A, c: C, i: small, b: A},
    )
    with pytest.raises(ValueError, match=rf"{name}: axis 2 is out of bounds"):
        run(x, axis=2)


def test_diff(mode: str) -> None:
    x, v = T.matrix("x"), T.lvector("v")
    k = np.array([1, 4, 4, -2])
    check(
        {
            "first": (T.diff(x), np.diff(A)),
            "second": (T.diff(x, 2, axis=0), np.diff(A, 2, axis=0)),
            "none": (T.diff(x, 0), A),
            "integers": (T.diff(v), np.diff(k)),
            "bools": (T.diff(T.gt(v, 1)), np.diff(k > 1)),
        },
        {x: A, v: k},
    )
    with pytest.raises(ValueError, match=r"n must not be negative, got -1"):
        T.diff(x, -1)


def test_gradients(mode: str) -> None:
    zeros = A.copy()
    zeros[0, 1] = zeros[1, 2] = zeros[1, 3] = 0
    w = RNG.normal(size=(3, 4))
    check_gradients(
        {
            "tile": lambda x, w: (T.tile(x, (2, 3)) ** 2 * T.tile(w, (2, 3))).sum(),
            "repeat": lambda x, w: (T.repeat(x, [2, 0, 1], axis=0) ** 2 * w[:3]).sum(),
            "roll": lambda x, w: (T.roll(x, 2, axis=1) ** 2 * w).sum() + (T.roll(w, -1) * w).sum(),
            "permute": lambda x, w: (T.permute_row_elements(x, np.array([3, 1, 0, 2])) ** 2 * w).sum(),
            "cumsum": lambda x, w: (T.cumsum(x, axis=0) ** 2 * w).sum(),
            "cumprod": lambda x, w: (T.cumprod(x, axis=1) ** 2 * w).sum(),
            "cumprod flat": lambda x, w: T.dot(T.cumprod(w), x.flatten()),
            "diff": lambda x, w: (T.diff(x, 2) ** 2 * w[:, 2:]).sum(),
        },
        [zeros, w],
    )

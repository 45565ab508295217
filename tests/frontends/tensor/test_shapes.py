"""Shapes, joining, creation, reductions and products against NumPy."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.ir.diag import TypeInferenceError

RNG = np.random.default_rng(3)
A = RNG.normal(size=(3, 4))
C = RNG.normal(size=(2, 3, 4))


def run(inputs: list[Any], outputs: Any, *args: Any, mode: str) -> Any:
    return T.function(inputs, outputs, mode=mode)(*args)


def test_dimshuffle_and_transpose(mode: str) -> None:
    x, t = T.matrix("x"), T.tensor3("t")
    outs = run(
        [x, t],
        [x.T, x.dimshuffle("x", 1, 0), x.dimshuffle(0, "x", 1), t.transpose(2, 0, 1), t.T,
         t.swapaxes(0, -1), T.shape_padleft(x, 2), T.shape_padright(x), T.shape_padaxis(x, -1),
         t.dimshuffle([1, 2, 0]), T.transpose(t, (1, 0, 2))],
        A, C, mode=mode,
    )  # fmt: skip
    wants = [A.T, A.T[None], A[:, None], C.transpose(2, 0, 1), C.T, C.swapaxes(0, -1), A[None, None],
             A[..., None], A[..., None], C.transpose(1, 2, 0), C.transpose(1, 0, 2)]  # fmt: skip
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(out, want)


def test_dimshuffle_errors() -> None:
    x = T.matrix("x")
    with pytest.raises(ValueError, match=r"cannot drop dimension 1 of x"):
        x.dimshuffle(0)
    with pytest.raises(ValueError, match=r"x has no dimension 2"):
        x.dimshuffle(0, 1, 2)
    with pytest.raises(ValueError, match=r"given twice"):
        x.dimshuffle(0, 0)
    with pytest.raises(TypeError, match=r"not 'y'"):
        x.dimshuffle("y", 0, 1)
    assert T.row().dimshuffle(1).ndim == 1


@pytest.mark.parametrize("shape", [(4, 3), (2, -1), (-1,), (12,), (2, 2, 3), (-1, 1, 12)])
def test_reshape(shape: tuple[int, ...], mode: str) -> None:
    x = T.matrix("x")
    np.testing.assert_array_equal(run([x], x.reshape(shape), A, mode=mode), A.reshape(shape))
    np.testing.assert_array_equal(run([x], x.reshape(*shape), A, mode=mode), A.reshape(shape))


def test_symbolic_reshape(mode: str) -> None:
    x, n, s = T.tensor3("x"), T.lscalar("n"), T.lvector("s")
    outs = run(
        [x, n, s],
        [x.reshape((n, -1)), x.reshape((-1, n)), x.reshape(s, ndim=2), T.reshape(x, s, 2),
         x.reshape((x.shape[0] * x.shape[1], x.shape[2])), x.reshape((x.shape[0], -1)),
         x.reshape(T.stack([n, 24 // n])), x.reshape(x.shape[::-1]), x.flatten(2),
         x.flatten(), x.ravel(), x.reshape([x.size // n, n])],
        C, 6, [8, 3], mode=mode,
    )  # fmt: skip
    wants = [C.reshape(6, 4), C.reshape(4, 6), C.reshape(8, 3), C.reshape(8, 3), C.reshape(6, 4),
             C.reshape(2, 12), C.reshape(6, 4), C.reshape(4, 3, 2), C.reshape(2, 12), C.ravel(),
             C.ravel(), C.reshape(4, 6)]  # fmt: skip
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(out, want)


def test_reshape_errors() -> None:
    x = T.matrix("x")
    with pytest.raises(ValueError, match=r"only one size can be -1"):
        x.reshape((-1, -1))
    with pytest.raises(ValueError, match=r"the number of dimensions"):
        x.reshape(T.lvector("s"))
    with pytest.raises(ValueError, match=r"ndim=3, but newshape has 2"):
        x.reshape((2, 3), ndim=3)
    with pytest.raises(TypeError, match=r"each element of newshape must be an integer"):
        x.reshape((2.5, 3))
    with pytest.raises(ValueError, match=r"flatten: ndim=3"):
        x.flatten(3)


def test_shape_values(mode: str) -> None:
    x = T.tensor3("x")
    shape, first, part, product, size = run(
        [x], [x.shape, x.shape[0], x.shape[1:], T.prod(x.shape), x.size], C, mode=mode
    )
    assert shape.tolist() == [2, 3, 4] and shape.dtype == np.int64
    assert (int(first), part.tolist(), int(product), int(size)) == (2, [3, 4], 24, 24)
    assert run([x], T.shape(x) * 2, C, mode=mode).tolist() == [4, 6, 8]


def test_creation(mode: str) -> None:
    n, x = T.lscalar("n"), T.matrix("x")
    outs = run(
        [n, x],
        [T.zeros((n, 2)), T.ones((2, n), dtype="int32"), T.zeros_like(x), T.ones_like(x, "int8"),
         T.eye(n), T.eye(3, n, 1), T.identity_like(x), T.arange(n), T.arange(1, n * 2, 3),
         T.arange(n, 0, -2), T.alloc(5.0, n, 2), T.fill(x, 7), T.full((n,), 2), T.full_like(x, 3),
         T.alloc(x[0], 2, x.shape[1]), T.arange(0, 1, 0.25), T.zeros(n), x.fill(2.0),
         T.zeros([]), T.arange(3 - n)],
        5, A, mode=mode,
    )  # fmt: skip
    wants = [np.zeros((5, 2)), np.ones((2, 5)), 0 * A, np.ones((3, 4)), np.eye(5), np.eye(3, 5, 1),
             np.eye(3, 4), np.arange(5), np.arange(1, 10, 3), np.arange(5, 0, -2),
             np.full((5, 2), 5.0), np.full((3, 4), 7.0), np.full(5, 2), np.full((3, 4), 3.0),
             np.stack([A[0]] * 2), np.arange(0, 1, 0.25), np.zeros(5), np.full((3, 4), 2.0),
             np.zeros(()), np.arange(0)]  # fmt: skip
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(out, want)
    assert T.arange(T.lscalar()).shape.eval is not None
    assert T.arange(n).shape.eval({n: 10}).tolist() == [10]


def test_joining(mode: str) -> None:
    x, y, v = T.matrix("x"), T.matrix("y"), T.vector("v")
    outs = run(
        [x, y, v],
        [T.concatenate([x, y]), T.concatenate([x, y[:3]], axis=1), T.join(0, x, y),
         T.concatenate([x, v.dimshuffle("x", 0)], axis=-2), T.stack([v, v * 2]),
         T.stack([v, v], axis=1), T.stack(v, v), T.stack([v[0], v[1]]), T.stacklists([[v, v], [v, v]]),
         *T.split(x, [1, 2], 2), T.concatenate([x.shape, [7]])],
        A, A + 1, A[0], mode=mode,
    )  # fmt: skip
    v = A[0]
    wants = [np.concatenate([A, A + 1]), np.concatenate([A, A + 1], 1), np.concatenate([A, A + 1]),
             np.concatenate([A, v[None]]), np.stack([v, v * 2]), np.stack([v, v], 1),
             np.stack([v, v]), v[:2], np.stack([np.stack([v, v])] * 2), A[:1], A[1:],
             [3, 4, 7]]  # fmt: skip
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(out, want)
    with pytest.raises(TypeError, match=r"differ in their number of dimensions: x has 2, v has 1"):
        T.concatenate([x, T.vector("v")])
    with pytest.raises(TypeError, match=r"use stack"):
        T.concatenate([T.scalar(), T.scalar()])
    with pytest.raises(TypeError, match=r"list or tuple"):
        T.concatenate(cast(Any, x))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), [1]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(axis: Any, keepdims: bool, mode: str) -> None:
    x = T.tensor3("x")
    names = ["sum", "prod", "mean", "max", "min", "var", "std", "all", "any"]
    outs = run([x], [getattr(T, n)(x, axis=axis, keepdims=keepdims) for n in names], C, mode=mode)
    where = tuple(axis) if isinstance(axis, list) else axis
    for name, out in zip(names, outs, strict=True):
        want = getattr(np, name)(C, axis=where, keepdims=keepdims)
        np.testing.assert_allclose(out, want, err_msg=name)


def test_arg_reductions(mode: str) -> None:
    x = T.tensor3("x")
    outs = run(
        [x], [x.argmax(), x.argmax(1), T.argmin(x, axis=-1), T.argmax(x, 0, keepdims=True),
              *T.max_and_argmax(x, axis=1), x.ptp(0)], C, mode=mode
    )  # fmt: skip
    wants = [C.argmax(), C.argmax(1), C.argmin(-1), C.argmax(0, keepdims=True), C.max(1),
             C.argmax(1), np.ptp(C, 0)]  # fmt: skip
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(out, want)


def test_reduction_options(mode: str) -> None:
    x, i = T.matrix("x"), T.ivector("i")
    k = np.array([3, 4, 5], "int32")
    outs = run(
        [x, i],
        [T.sum(i), i.mean(), T.sum(x, dtype="float32"), T.var(x, ddof=1), T.mean(i, dtype="float32"),
         x.norm(2), x.norm(1, axis=1), x.norm(np.inf), T.logsumexp(x, axis=1), T.any(i > 4),
         T.sum(x > 0)],
        A, k, mode=mode,
    )  # fmt: skip
    assert [o.dtype.name for o in outs[:3]] == ["int64", "float64", "float32"]
    wants = [12, 4.0, A.sum(), A.var(ddof=1), 4.0, np.linalg.norm(A), np.abs(A).sum(1),
             np.abs(A).max(), np.log(np.exp(A).sum(1)), True, (A > 0).sum()]  # fmt: skip
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_allclose(out, want, rtol=1e-6)
    with pytest.raises(ValueError, match=r"axis 2 is out of bounds for x, which has 2 dimensions"):
        x.sum(2)
    with pytest.raises(ValueError, match=r"an axis is given twice"):
        x.sum((0, -2))
    with pytest.raises(TypeError, match=r"axis must be None"):
        x.max(axis="rows")


def test_products(mode: str) -> None:
    x, y, u, v, t = T.matrix("x"), T.matrix("y"), T.vector("u"), T.vector("v"), T.tensor3("t")
    b, a1, a2 = RNG.normal(size=(4, 2)), RNG.normal(size=3), RNG.normal(size=4)
    outs = run(
        [x, y, u, v, t],
        [x.dot(y), T.dot(u, x), T.dot(x, v), T.dot(u, u), x @ y, T.outer(u, v), T.dot(t, y),
         T.batched_dot(t, t.dimshuffle(0, 2, 1)), T.tensordot(t, x, [[1, 2], [0, 1]]),
         T.tensordot(t, x, 2), T.batched_tensordot(t, t, [[1, 2], [1, 2]]), T.dot(x, 2.0),
         T.batched_dot(x, x), T.batched_dot(t, x[:2])],
        A, b, a1, a2, C, mode=mode,
    )  # fmt: skip
    wants = [A @ b, a1 @ A, A @ a2, a1 @ a1, A @ b, np.outer(a1, a2), C @ b,
             C @ C.transpose(0, 2, 1), np.tensordot(C, A, ([1, 2], [0, 1])), np.tensordot(C, A, 2),
             (C * C).sum((1, 2)), A * 2, (A * A).sum(1), np.einsum("bij,bj->bi", C, A[:2])]  # fmt: skip
    for out, want in zip(outs, wants, strict=True):
        np.testing.assert_allclose(out, want)


def test_broadcasting_needs_a_declared_one(mode: str) -> None:
    x, y, r, c = T.matrix("x"), T.matrix("y"), T.row("r"), T.col("c")
    np.testing.assert_array_equal(run([r, c], r * c, A[:1], A[:, :1], mode=mode), A[:1] * A[:, :1])
    with pytest.raises(Exception, match=r"(?i)stretch|dimension|broadcast"):
        run([x, y], x + y, A, A[:1], mode=mode)
    np.testing.assert_array_equal(
        run([x, y], x + T.addbroadcast(y, 0), A, A[:1], mode=mode), A + A[:1]
    )


def test_copy_take_squeeze(mode: str) -> None:
    x, r = T.matrix("x"), T.row("r")
    c = x.copy(name="c")
    assert c is not x and c.name == "c"
    outs = run(
        [x, r], [c, x.take([2, 0], axis=0), x.take(5), T.squeeze(r), x.take([1, -1], axis=1)],
        A, A[:1], mode=mode,
    )  # fmt: skip
    for out, want in zip(outs, [A, A[[2, 0]], A.ravel()[5], A[0], A[:, [1, -1]]], strict=True):
        np.testing.assert_array_equal(out, want)


def test_specified_shapes() -> None:
    x, n, v = T.dmatrix("x"), T.lscalar("n"), T.lvector("v")
    y = T.specify_shape(x, (3, None))
    z = T.specify_shape(x, (n, 2))
    f = T.function([x, n], [(y**2).sum(axis=0), T.grad((z**3).sum(), x)])
    g = T.function([x, v], T.specify_shape(x, v) * 2)
    a = np.arange(6.0).reshape(3, 2)
    for got, want in zip([*f(a, 3), g(a, [3, 2])], [(a**2).sum(0), 3 * a**2, 2 * a], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    assert T.specify_shape(y, (3, 2)).type == x.type
    with pytest.raises(AssertionError, match="the shape of x is not"):
        g(a, [2, 3])
    with pytest.raises((AssertionError, TypeInferenceError), match="3,2"):
        f(a, 4)
    for shape, message in (((1, 2, 3), "3 sizes"), ((2.5, 2), "must be an integer"), (2, "1 sizes")):
        with pytest.raises(TypeError, match=message):
            T.specify_shape(x, shape)
    with pytest.raises(ValueError, match=r"axis 0 .* has size 3, not 4"):
        T.specify_shape(y, (4, 2))

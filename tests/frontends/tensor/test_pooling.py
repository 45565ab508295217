"""Pooling, batch normalisation and patches against their definitions, with gradients."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.frontends.tensor.asserting import specify_shape
from arignote.frontends.tensor.derivatives import Rop
from arignote.frontends.tensor.nnet.bn import batch_normalization, batch_normalization_test, batch_normalization_train
from arignote.frontends.tensor.nnet.neighbours import images2neibs, neibs2images
from arignote.frontends.tensor.signal.downsample import max_pool_2d
from arignote.frontends.tensor.signal.pool import Pool, max_pool_2d_same_size, pool_2d, pool_3d

rng = np.random.default_rng(11)
Array = np.ndarray[Any, Any]


def windows(size: int, ws: int, stride: int, pad: int, ignore: bool) -> list[tuple[int, int]]:
    """(first, end) of the windows of an axis, cut to the padded axis, by going along it."""
    out, start = [], -pad
    while start < size + pad and (start + ws <= size + pad if ignore else True):
        out.append((start, min(start + ws, size + pad)))
        if not ignore and start + ws >= size + pad:
            break  # nothing is left, though another window might begin
        start += stride
    return out


def pooled(x: Array, ct: Array | None, ws: Any, ignore: bool, stride: Any, pad: Any, mode: str) -> tuple[Array, Array]:
    """(result, gradient of sum(ct * result)) by the definition, window by window."""
    d = len(ws)
    rows = [windows(*r, ignore) for r in zip(x.shape[-d:], ws, stride, pad, strict=True)]
    lead = x.shape[:-d]
    y, dx = np.zeros((*lead, *map(len, rows)), x.dtype), np.zeros_like(x)
    ct = np.ones_like(y) if ct is None else ct
    for o in itertools.product(*(range(len(r)) for r in rows)):
        spans = [rows[a][i] for a, i in enumerate(o)]
        at: Any = tuple(slice(max(lo, 0), min(hi, s)) for (lo, hi), s in zip(spans, x.shape[-d:], strict=True))
        n: Any
        for n in itertools.product(*map(range, lead)):
            part = x[(*n, *at)]
            if mode == "max":
                y[(*n, *o)] = part.max()
                i: Any = np.unravel_index(part.argmax(), part.shape)
                place: Any = (*n, *(s.start + j for s, j in zip(at, i, strict=True)))
                dx[place] += ct[(*n, *o)]
                continue
            padded = float(np.prod([hi - lo for lo, hi in spans]))
            count = {"sum": 1.0, "average_inc_pad": padded, "average_exc_pad": float(part.size)}[mode]
            y[(*n, *o)] = part.sum() / count
            dx[(*n, *at)] += ct[(*n, *o)] / count
    return y, dx


GRID = [
    (shape, ws, stride, pad, ignore, mode)
    for shape in ((2, 1, 7, 6), (3, 5, 8))
    for ws, stride in (((2, 2), None), ((3, 2), (2, 1)), ((2, 3), (3, 4)), ((1, 1), (2, 2)), ((3, 3), (1, 1)))
    for pad, ignore in (((0, 0), True), ((0, 0), False), ((1, 2), True))
    for mode in ("max", "sum", "average_inc_pad", "average_exc_pad")
    if all(p < w for p, w in zip(pad, ws, strict=True))
]


@pytest.mark.parametrize(("symbolic", "dtype"), [(False, "float64"), (False, "float32"), (True, "float64")])
def test_a_grid_of_pools(symbolic: bool, dtype: str) -> None:
    inputs, outputs, given = [], [], []
    arrays = {s: rng.permutation(int(np.prod(s))).reshape(s).astype(dtype) / 8 for s in {g[0] for g in GRID}}
    for s, a in arrays.items():
        inputs.append(T.TensorType(dtype, shape=(None,) * len(s) if symbolic else s)())
        given.append(a)
    chosen = GRID[::5] if symbolic else GRID
    for shape, ws, stride, pad, ignore, mode in chosen:
        x = inputs[list(arrays).index(shape)]
        y = pool_2d(x, ws, ignore, stride, pad, mode)
        outputs += [y.flatten(), T.grad(T.sqr(y).sum(), x).flatten()]
    f = ar.function(inputs, T.concatenate(outputs))
    if symbolic:  # a version for all sizes
        f(*(np.ones([n + 1 for n in a.shape], dtype) for a in given))
    at = 0
    result: Any = f(*given)
    for shape, ws, stride, pad, ignore, mode in chosen:
        call = f"{shape} {ws} {stride} {pad} {ignore} {mode}"
        args = (ws, ignore, stride or ws, pad, mode)
        values = pooled(arrays[shape], None, *args)[0]
        for want in (values, pooled(arrays[shape], 2 * values, *args)[1]):
            got: Array = result[at : at + want.size].reshape(want.shape)
            np.testing.assert_allclose(got, want, rtol=1e-9 if dtype == "float64" else 1e-4, atol=1e-4, err_msg=call)
            at += want.size
    assert at == result.size


#: Rows longer than a vector and shorter ones, of which some lie one behind the other; cut and padded borders; volumes.
VECTORS: list[tuple[tuple[int, ...], Any, Any, Any, bool]] = [
    ((3, 2, 24, 24), (2, 2), (2, 2), (0, 0), True),
    ((1, 1, 5, 75), (2, 2), (2, 2), (0, 0), True),
    ((1, 4, 34), (2, 2), (2, 2), (0, 0), True),
    ((1, 4, 19), (3, 3), (1, 1), (1, 1), True),
    ((1, 2, 5, 75), (2, 2), (2, 2), (0, 0), False),
    ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0), True),
    ((5, 11, 6), (2, 2), (2, 2), (0, 0), True),
    ((2, 10, 9), (2, 3), (2, 3), (0, 0), True),
    ((2, 12, 9), (2, 1), (3, 2), (0, 0), True),
    ((1, 9, 7), (2, 2), (3, 3), (0, 0), True),
    ((1, 9, 40), (3, 3), (2, 2), (1, 1), True),
    ((2, 6, 38), (3, 2), (1, 1), (0, 1), True),
    ((1, 7, 50), (1, 4), (2, 3), (0, 2), True),
    ((2, 4, 4, 8), (2, 2, 2), (2, 2, 2), (0, 0, 0), True),
    ((1, 5, 6, 20), (3, 2, 2), (1, 2, 2), (1, 0, 0), True),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pools_in_vectors_with_ties(dtype: str) -> None:
    arrays = [rng.integers(0, 4, shape).astype(dtype) for shape, *_ in VECTORS]
    inputs = [T.TensorType(dtype, shape=a.shape)() for a in arrays]
    outputs = []
    for x, (_, ws, stride, pad, ignore) in zip(inputs, VECTORS, strict=True):
        pool = pool_2d if len(ws) == 2 else pool_3d
        for mode in ("max", "sum"):
            y = pool(x, ws, ignore, stride, pad, mode)
            outputs += [y, T.grad(T.sqr(y + 1).sum(), x)]
    results = iter(ar.function(inputs, outputs)(*arrays))
    for a, (_, *args) in zip(arrays, VECTORS, strict=True):
        ws, stride, pad, ignore = args
        for mode in ("max", "sum"):
            values = pooled(a, None, ws, ignore, stride, pad, mode)[0]
            np.testing.assert_allclose(next(results), values, rtol=1e-6, err_msg=f"{a.shape} {args} {mode}")
            want = pooled(a, 2 * (values + 1), ws, ignore, stride, pad, mode)[1]
            np.testing.assert_allclose(next(results), want, rtol=1e-6, err_msg=f"gradient {a.shape} {args} {mode}")


@pytest.mark.parametrize("shape", [(1, 6, 6), (1, 4, 40), (1, 3, 3)])
def test_of_elements_that_are_no_number_the_first_counts(shape: tuple[int, ...]) -> None:
    x, v = T.TensorType("float32", shape=shape)(), T.TensorType("float32", shape=shape)()
    step = 1 if shape[-1] == 3 else 2
    y = pool_2d(x, (2, 2), True, (step, step))
    f = ar.function([x, v], [y, T.grad(y.sum(), x), Rop(y, x, v)])
    for nans in itertools.product((False, True), repeat=4):
        a = rng.integers(0, 4, shape).astype("float32")
        a[..., :2, :2][..., np.reshape(nans, (2, 2))] = np.nan
        b = rng.normal(size=shape).astype("float32")
        got, gradient, derivative = f(a, b)
        np.testing.assert_array_equal(got, pooled(a, None, (2, 2), True, (step, step), (0, 0), "max")[0])
        want = pooled(a, None, (2, 2), True, (step, step), (0, 0), "max")[1]  # argmax takes the first one, too
        np.testing.assert_array_equal(gradient, want)
        if step == 2:
            tall, wide = shape[1] // 2, shape[2] // 2
            np.testing.assert_array_equal(derivative, (want * b).reshape(1, tall, 2, wide, 2).sum(axis=(2, 4)))


def test_volumes_and_old_names() -> None:
    x = rng.normal(size=(2, 4, 5, 6))
    outputs = [
        pool_3d(x, (2, 2, 3), True),
        pool_3d(x, (2, 2, 2), False, mode="average_exc_pad"),
        max_pool_2d(x, (2, 3), ignore_border=True),
        pool_2d(x, ds=(2, 2), st=(1, 2), ignore_border=True, padding=(1, 0)),
        Pool(ignore_border=True, mode="sum")(x, (2, 2)),
    ]
    got = ar.function([], outputs)()
    zero = (0, 0, 0)
    wants = [
        pooled(x, None, (2, 2, 3), True, (2, 2, 3), zero, "max")[0],
        pooled(x, None, (2, 2, 2), False, (2, 2, 2), zero, "average_exc_pad")[0],
        pooled(x, None, (2, 3), True, (2, 3), (0, 0), "max")[0],
        pooled(x, None, (2, 2), True, (1, 2), (1, 0), "max")[0],
        pooled(x, None, (2, 2), True, (2, 2), (0, 0), "sum")[0],
    ]
    for a, b in zip(got, wants, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert Pool.out_shape((10, 3, 7, 6), (2, 2), ignore_border=False) == [10, 3, 4, 3]
    assert Pool.out_shape((7, 6), (3, 3), ignore_border=True, stride=(2, 2), pad=(1, 1)) == [4, 3]


def test_the_gradient_of_a_tie_goes_to_the_first_maximum() -> None:
    x = T.tensor4(dtype="float64")
    y = pool_2d(x, (2, 2), True)
    ones = np.ones((1, 1, 4, 4))
    gradient, same = ar.function([x], [T.grad(y.sum(), x), max_pool_2d_same_size(x, (2, 2))])(ones)
    want = np.zeros((4, 4))
    want[::2, ::2] = 1
    np.testing.assert_array_equal(gradient[0, 0], want)
    np.testing.assert_array_equal(same[0, 0], want)
    a = np.array([[[[1.0, np.nan], [2.0, 3.0]]]])
    assert np.isnan(ar.function([x], y)(a)).all()


def test_second_derivatives_of_pools() -> None:
    x, v = T.tensor4(dtype="float64"), T.tensor4(dtype="float64")
    cost = sum(T.tanh(pool_2d(x, (2, 2), True, mode=m, stride=(1, 2))).sum() for m in ("max", "average_exc_pad"))
    gradient = T.grad(cost, x)
    f = ar.function([x, v], [gradient, Rop(gradient, x, v)])
    a, b = rng.normal(size=(2, 1, 4, 4)), rng.normal(size=(2, 1, 4, 4))
    eps = 1e-6
    want = (f(a + eps * b, b)[0] - f(a - eps * b, b)[0]) / (2 * eps)
    np.testing.assert_allclose(f(a, b)[1], want, rtol=1e-5, atol=1e-7)


POOL_ERRORS: list[tuple[tuple[int, ...], dict[str, Any], str]] = [
    ((1, 1, 2, 2), {"ws": (3, 3), "ignore_border": True}, r"\(2 \+ 2 \* 0 - 3\) // 3 \+ 1 = 0"),
    ((1, 1, 4, 4), {"ws": (2, 2), "pad": (1, 1)}, "padding works only with ignore_border=True"),
    ((1, 1, 4, 4), {"ws": (2, 2), "pad": (2, 1), "ignore_border": True}, "must be smaller than the windows"),
    ((1, 1, 4, 4), {"ws": (2, 2), "mode": "mean"}, "mode 'mean' is none of max, sum"),
    ((1, 1, 4, 4), {"ws": (2, 2, 2)}, "ws must be 2 integers"),
    ((4,), {"ws": (2, 2)}, "at least 2 dimensions"),
    ((1, 1, 9, 9), {"ws": (2**31 + 1, 2), "pad": (2**31, 0), "ignore_border": True}, "at most 4096"),
]


@pytest.mark.parametrize(("shape", "options", "message"), POOL_ERRORS, ids=range(len(POOL_ERRORS)))
def test_pool_errors(shape: tuple[int, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=message):
        pool_2d(np.zeros(shape), **options)


# ---------------------------------------------------------------- batch normalisation
def test_windows_that_do_not_fit_at_a_call() -> None:
    x = T.tensor4("x", dtype="float64")
    f = ar.function([x], pool_2d(x, (3, 3), ignore_border=True))
    assert f(np.ones((1, 1, 3, 8))).shape == (1, 1, 1, 2)
    message = r"axis 0 of f64\[1,1,2,8\]: no window fits: .*\(2 \+ 2 \* 0 - 3\) // 3 \+ 1 = 0[\s\S]*\(pool_2d\)"
    with pytest.raises(ValueError, match=message):
        f(np.ones((1, 1, 2, 8)))
    with pytest.raises(ValueError, match="pool_2d: ws must be 2 integers of at least 1, not size"):
        pool_2d(T.matrix(), T.vector("size", dtype="int32"))
    with pytest.raises(ValueError, match="ds is the old name of ws"):
        pool_2d(x, ws=(2, 2), ds=(2, 2))


def test_batch_normalisation() -> None:
    x, g, b = T.tensor4(dtype="float64"), T.vector(dtype="float64"), T.vector(dtype="float64")
    mean, var = T.vector(dtype="float64"), T.vector(dtype="float64")
    train = batch_normalization_train(x, g, b, "spatial", 1e-3, 0.2, mean, var)
    weights = rng.normal(size=(3, 2, 4, 5))
    cost = (train[0] * weights).sum()
    test = batch_normalization_test(x, g, b, mean, var, "spatial", 1e-3)
    gg, bb, mm, vv = (v.dimshuffle("x", 0, "x", "x") for v in (g, b, mean, var))
    plain = batch_normalization(x, gg, bb, mm, vv)
    f = ar.function([x, g, b, mean, var], [*train, test, plain, *T.grad(cost, [x, g, b])])
    a, (gamma, beta, m, v) = rng.normal(size=(3, 2, 4, 5)), rng.uniform(0.5, 2, size=(4, 2))
    got = f(a, gamma, beta, m, v)
    axes, lift = (0, 2, 3), (None, slice(None), None, None)
    mu, sigma = a.mean(axes), a.var(axes)
    inv = 1 / np.sqrt(sigma + 1e-3)
    z = (a - mu[lift]) * inv[lift]
    count = a.size // 2
    wants = [
        z * gamma[lift] + beta[lift], mu, inv, 0.8 * m + 0.2 * mu, 0.8 * v + 0.2 * sigma * count / (count - 1),
        (a - m[lift]) / np.sqrt(v + 1e-3)[lift] * gamma[lift] + beta[lift],
        (a - m[lift]) * gamma[lift] / v[lift] + beta[lift],
        (gamma * inv)[lift] * (
            weights - weights.mean(axes)[lift] - z * (weights * z).mean(axes)[lift]
        ),
        (weights * z).sum(axes), weights.sum(axes),
    ]  # fmt: skip
    for i, (value, want) in enumerate(zip(got, wants, strict=True)):
        np.testing.assert_allclose(value, want, rtol=1e-9, atol=1e-10, err_msg=str(i))


def test_batch_normalisation_per_activation_and_errors() -> None:
    x = T.matrix(dtype="float32")
    g = np.ones((1, 3), "float32")
    out, mean, inv = batch_normalization_train(x, g, 0 * g)
    a = rng.normal(size=(5, 3)).astype("float32")
    values = ar.function([x], [out, mean, inv])(a)
    assert [v.dtype for v in values] == ["float32"] * 3
    assert values[1].shape == (1, 3)
    np.testing.assert_allclose(values[0], (a - a.mean(0)) / np.sqrt(a.var(0) + 1e-4), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="epsilon must be at least 1e-5"):
        batch_normalization_train(x, g, g, epsilon=1e-6)
    with pytest.raises(ValueError, match="axes must be 'per-activation', 'spatial' or a tuple"):
        batch_normalization_train(x, g, g, axes="all")
    with pytest.raises(ValueError, match="beta must have 2 dimensions"):
        batch_normalization_train(x, g, g[0])


# ---------------------------------------------------------------- patches
def test_patches_of_images() -> None:
    a = rng.normal(size=(2, 3, 6, 8))
    x = T.tensor4(dtype="float64")
    outputs = [
        images2neibs(x, (2, 4)),
        images2neibs(x, (3, 3), (1, 2), mode="ignore_borders"),
        images2neibs(x, (3, 3), (1, 1), mode="wrap_centered"),
        images2neibs(x, (2, 2), (1, 2), mode="half"),
    ]
    back = neibs2images(outputs[0], (2, 4), x.shape)
    short = neibs2images(images2neibs(x, (4, 3), mode="ignore_borders"), (4, 3), (2, 3, 6, 8), mode="ignore_borders")
    gradient = T.grad(T.sqr(outputs[1]).sum(), x)
    got = ar.function([x], [*outputs, back, short, gradient])(a)

    def patches(image: Array, shape: tuple[int, int], step: tuple[int, int]) -> Array:
        planes = image.reshape(-1, *image.shape[2:])
        rows = range(0, planes.shape[1] - shape[0] + 1, step[0])
        columns = range(0, planes.shape[2] - shape[1] + 1, step[1])
        cut = [p[i : i + shape[0], j : j + shape[1]].ravel() for p in planes for i in rows for j in columns]
        return np.stack(cut)

    around = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="wrap")
    zeros = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
    covered = np.zeros_like(a)
    covered[:, :, :4, :6] = a[:, :, :4, :6]
    times = sum(
        np.pad(np.ones((3, 3)), ((i, 3 - i), (j, 5 - j))) for i in range(4) for j in (0, 2, 4)
    )
    wants = [
        patches(a, (2, 4), (2, 4)), patches(a, (3, 3), (1, 2)), patches(around, (3, 3), (1, 1)),
        patches(zeros, (2, 2), (1, 2)), a, covered, 2 * a * times,
    ]  # fmt: skip
    for i, (value, want) in enumerate(zip(got, wants, strict=True)):
        np.testing.assert_allclose(value, want, rtol=1e-12, err_msg=str(i))
    with pytest.raises(ValueError, match=r"\(size - 4\) of axis 2 is no multiple of 4: the size is 6"):
        images2neibs(a, (4, 4))
    with pytest.raises(AssertionError, match=r"\(size - 5\) of axis 2 is no multiple of 5"):
        ar.function([x], images2neibs(x, (5, 4)))(a)


@pytest.mark.parametrize("mode", ["max", "sum", "average_exc_pad"])
def test_large_windows(mode: str) -> None:
    x, ct = T.tensor4("x", dtype="float64"), T.tensor4("ct", dtype="float64")
    y = pool_2d(x, (24, 19), ignore_border=True, stride=(2, 3), pad=(3, 1), mode=mode)
    f = ar.function([x, ct], [y, T.grad((y * ct).sum(), x)])
    assert max(int(np.prod(op.attrs["window"])) for op in f.recorded.ops if op.name.startswith("pool")) <= 24
    for size in ((25, 20), (22, 31)):
        a = np.round(rng.normal(size=(2, 1, *size)) * 2)  # with ties
        counts = [(s + 2 * p - w) // by + 1 for s, p, w, by in zip(size, (3, 1), (24, 19), (2, 3), strict=True)]
        c = rng.normal(size=(2, 1, *counts))
        want, gradient = np.zeros_like(c), np.zeros_like(a)
        for i, j in np.ndindex(*counts):
            rows, columns = slice(max(2 * i - 3, 0), 2 * i + 21), slice(max(3 * j - 1, 0), 3 * j + 18)
            for n in range(2):
                part, into = a[n, 0, rows, columns], gradient[n, 0, rows, columns]
                if mode == "max":
                    want[n, 0, i, j] = part.max()
                    into[np.unravel_index(part.argmax(), part.shape)] += c[n, 0, i, j]
                else:
                    count = part.size if mode != "sum" else 1
                    want[n, 0, i, j] = part.sum() / count
                    into += c[n, 0, i, j] / count
        got = f(a, c)
        np.testing.assert_allclose(got[0], want, atol=1e-11)
        np.testing.assert_allclose(got[1], gradient, atol=1e-11)


def test_windows_beyond_the_image() -> None:
    a = rng.normal(size=(2, 3, 4, 5))
    whole = T.tensor4("whole", dtype="float64")
    x = specify_shape(whole, a.shape)
    parts = [pool_2d(x, ws, False, mode=m) for ws in ((2**62, 2**40), (3, 2**62)) for m in ("max", "sum")]
    parts.append(pool_2d(x, (2**62, 2), False, mode="average_inc_pad"))
    *got, mean = ar.function([whole], parts)(a)
    reducers: list[Any] = [np.max, np.sum]
    for n, reduce in enumerate(reducers):
        np.testing.assert_allclose(got[n][..., 0, 0], reduce(a, axis=(2, 3)), rtol=1e-12)
        np.testing.assert_allclose(got[2 + n][..., 1, 0], reduce(a[..., 3:, :], axis=(2, 3)), rtol=1e-12)
    np.testing.assert_allclose(mean[..., 0, 2], a[..., 4].mean(-1), rtol=1e-12)


def test_first_maxima_of_large_patches() -> None:
    a = np.round(rng.normal(size=(2, 16, 21)) * 2)  # with ties
    want = np.zeros_like(a)
    for n, i, j in np.ndindex(2, 2, 3):
        part = a[n, 8 * i : 8 * i + 8, 7 * j : 7 * j + 7]
        row, column = np.unravel_index(part.argmax(), part.shape)
        want[n, 8 * i + row, 7 * j + column] = part.max()
    x = T.tensor3("x", dtype="float64")
    f = ar.function([x], max_pool_2d_same_size(x, (8, 7)))
    assert max(int(np.prod(op.attrs["window"])) for op in f.recorded.ops if op.name.startswith("pool")) == 8
    np.testing.assert_array_equal(f(a), want)

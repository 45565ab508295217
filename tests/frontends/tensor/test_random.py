"""Random streams: what they draw is decided by seed, stream and call alone; shapes, dtypes, gradients and errors."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.random import MRG_RandomStreams, RandomStateSharedVariable, RandomStreams
from arignote.frontends.tensor.stages import func_at
from arignote.ir.ops.random import blocks

SEED = 71
KINDS = ("uniform", "normal")


def everything(s: RandomStreams, n: Any) -> dict[str, Any]:
    """A draw of every kind."""
    p = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
    rate = T.as_tensor_variable(np.array([0.5, 4.0, 11.0, 60.0]))[T.arange(n) % 4]
    return {
        "uniform": s.uniform((n,), -1, 2),
        "unit": s.uniform((n,)),
        "unit32": s.uniform((n,), dtype="float32"),
        "unit16": s.uniform((n,), dtype="float16"),
        "normal": s.normal((n,), 1, 2),
        "normal32": s.normal((n,), dtype="float32"),
        "normal16": s.normal((n,), dtype="float16"),
        "truncated": s.truncated_normal((n,)),
        "exponential": s.exponential((n,)),
        "laplace": s.laplace((n,)),
        "gamma": s.gamma(alpha=rate),
        "beta": s.beta((n,), rate, 2.0),
        "mask": s.binomial((n,), p=0.4, dtype="float32"),
        "trials": s.binomial((n,), p=T.minimum(rate / 40, 1), n=1),
        "binomial": s.binomial((n,), n=T.cast(rate * 5, "int64"), p=0.3),
        "poisson": s.poisson(lam=rate),
        "geometric": s.geometric((n,), 0.3),
        "integers": s.random_integers((n,), -3, 3),
        "bounds": s.randint((n,), 0, T.cast(rate * 1e15, "int64")),
        "choice": s.choice((n,), 5, p=[0.1, 0.2, 0.3, 0.4, 0.0]),
        "items": s.choice((4,), np.array([2.5, 3.5, 4.5, 5.5]), replace=False),
        "multinomial": s.multinomial(n=3, pvals=p),
        "permutation": s.permutation((2,), n),
        "shuffled": s.shuffle_row_elements(T.arange(2 * n).reshape((2, n))),
    }


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return run("reference", 2)[-1]


def run(mode: str, calls: int) -> list[dict[str, Any]]:
    n = T.scalar("n", dtype="int64")
    f = ar.function([n], everything(RandomStreams(SEED), n), mode=mode)
    return [f(77) for _ in range(calls)]


@pytest.fixture(params=["1", "2"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("ARIGNOTE_NUM_THREADS", request.param)
    yield request.param


def assert_same(got: dict[str, Any], want: dict[str, Any]) -> None:
    tolerance = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3}
    for name, x in want.items():
        assert got[name].dtype == x.dtype, name
        if x.dtype.kind == "f" and not name.startswith(("unit", "mask")):
            np.testing.assert_allclose(got[name], x, tolerance[x.dtype.name], 1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(got[name], x, err_msg=name)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "None"])
def test_every_mode_draws_the_same(reference: dict[str, Any], mode: str) -> None:
    first, second = run(mode, 2)
    assert_same(second, reference)
    assert all((first[name] != second[name]).any() for name in ("uniform", "poisson", "permutation", "gamma"))


@pytest.mark.usefixtures("threads")
def test_threads_change_nothing() -> None:
    s = RandomStreams(SEED)
    x, g, m = ar.function([], [s.uniform((70, 1000)), s.gamma((5000,), 2.0), s.binomial((300, 77), p=0.5)])()
    assert float(x.sum()) == pytest.approx(35015.358266, abs=1e-3), "the numbers of this seed are the same for ever"
    assert float(g.sum()) == pytest.approx(9995.582444, abs=1e-3)
    assert int(m.sum()) == 11456


# ---------------------------------------------------------------- states
def test_every_call_draws_anew_unless_told_not_to() -> None:
    s = RandomStreams(SEED)
    u, v = s.uniform((2, 2)), s.normal((2, 2))
    f, g = ar.function([], u), ar.function([], v, no_default_updates=True)
    both = ar.function([], u + u - 2 * u)
    assert not np.array_equal(f(), f())
    np.testing.assert_array_equal(g(), g())
    np.testing.assert_array_equal(both(), np.zeros((2, 2)))
    kept = ar.function([], [u, v], no_default_updates=[v.rng])
    one, two = kept(), kept()
    assert not np.array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_states_can_be_kept_set_and_seeded() -> None:
    s = RandomStreams(SEED)
    u, v = s.uniform((3,)), s.uniform((3,))
    f, g = ar.function([], u), ar.function([], v)
    first, other = f(), g()
    assert not np.array_equal(first, other), "streams differ"
    state = u.rng.get_value()
    second = f()
    u.rng.set_value(state)
    np.testing.assert_array_equal(f(), second)
    s.seed()
    np.testing.assert_array_equal(f(), first)
    s[u.rng] = state
    np.testing.assert_array_equal(s[u], state)
    np.testing.assert_array_equal(f(), second)
    s.seed(5)
    t = RandomStreams(5)
    np.testing.assert_array_equal(f(), ar.function([], t.uniform((3,)))())
    with pytest.raises(KeyError, match="no stream of this object"):
        _ = s[t.state_updates[0][0]]


def test_updates_are_pairs_that_functions_take() -> None:
    s = RandomStreams(SEED)
    u = s.uniform((3,))
    ((state, following),) = s.updates()
    assert isinstance(state, RandomStateSharedVariable)
    assert (state, following) == u.update == s.state_updates[0]
    assert state.default_update is following
    step = ar.function([], [], updates=s.updates())
    before = state.get_value()
    step()
    np.testing.assert_array_equal(state.get_value() - before, [0, blocks(3), 0])


def test_draws_advance_the_counter_by_the_blocks_they_may_use() -> None:
    s = RandomStreams(SEED)
    counts = {0: 0, 1: 16, 64: 16, 65: 32, 1000: 256}
    for size, want in counts.items():
        ar.function([], [], updates=[s.normal((size,)).update])()
        assert s.state_updates[-1][0].get_value()[1] == want
    ar.function([], [], updates=[s.gamma((65,)).update])()  # its loop takes a block for every element
    assert s.state_updates[-1][0].get_value()[1] == 128
    assert [int(state.get_value()[2]) for state, _ in s.state_updates] == list(range(6)), "no stream meets another"
    assert len({int(state.get_value()[0]) for state, _ in s.state_updates}) == 1


def test_draws_do_not_use_words_twice() -> None:
    """The parts and blocks of everything that one draw takes."""
    s = RandomStreams(SEED)
    func = ar.function([], [*everything(s, 8).values(), s.beta((8,), 0.5, 0.5)]).recorded
    used: set[tuple[Any, int]] = set()
    for op in func.ops:
        if op.name == "random_bits":
            place = (op.operands[0], op.attrs["part"])
            assert place not in used
            used.add(place)
    loops = [op for op in func.ops if op.name == "iterate"]
    bases = [
        int(inner.attrs["value"]) for op in loops for inner in op.regions[0].ops
        if inner.name == "const" and inner.result.dtype == "i64"
    ]  # fmt: skip
    assert set(bases) <= {1 << 16, 2 << 16} and bases.count(2 << 16) >= 2, "each loop of a draw has parts of its own"
    assert all(op.attrs["limit"] <= 1 << 16 for op in loops)


def test_seeds() -> None:
    draws = [ar.function([], RandomStreams(seed).uniform((4,)))() for seed in (0, 2**64 - 1, [1, 2, 3, 4, 5, 6])]
    assert len({x.tobytes() for x in draws}) == 3
    assert ar.function([], MRG_RandomStreams().uniform((4,)))().tolist() == (
        ar.function([], MRG_RandomStreams(12345).uniform((4,)))().tolist()
    )
    assert RandomStreams()._key != RandomStreams()._key
    with pytest.raises(ValueError, match=r"below 2\*\*64, not -1"):
        RandomStreams(-1)
    with pytest.raises(TypeError, match="a seed is an integer"):
        RandomStreams(1.5)


# ---------------------------------------------------------------- sizes and dtypes
def test_sizes_are_given_or_those_of_the_parameters() -> None:
    s = RandomStreams(SEED)
    x, n, shape = T.matrix("x", dtype="float64"), T.scalar("n", dtype="int64"), T.vector("shape", dtype="int64")
    cases = [
        (s.uniform(), ()),
        (s.normal(4), (4,)),
        (s.uniform((n, 2)), (3, 2)),
        (s.uniform(x.shape), (2, 5)),
        (s.uniform((x.shape[0], n)), (2, 3)),
        (s.uniform(shape, ndim=3), (1, 2, 3)),
        (s.normal(avg=x), (2, 5)),
        (s.normal(avg=x, std=T.ones((2, 1))), (2, 5)),
        (s.normal((4, 2, 5), avg=x), (4, 2, 5)),
        (s.binomial((n, 5), p=T.nnet.sigmoid(x[0])), (3, 5)),
        (s.poisson(lam=T.exp(x)), (2, 5)),
        (s.multinomial((2,), 1, T.nnet.softmax(x)), (2, 5)),
        (s.multinomial((n,), n, [0.5, 0.5]), (3, 2)),
        (s.permutation((n,), n + 1), (3, 4)),
        (s.choice((n, 2), x.shape[1]), (3, 2)),
        (s.choice((n,), x[0], replace=False), (3,)),
        (s.randint(size=None, low=n), ()),
    ]
    f = ar.function([x, n, shape], [v for v, _ in cases])
    for out, (_, want) in zip(f(np.zeros((2, 5)), 3, np.array([1, 2, 3])), cases, strict=True):
        assert out.shape == want
    assert [v.ndim for v, _ in cases] == [len(want) for _, want in cases]


def test_dtypes_follow_theano() -> None:
    s = RandomStreams(SEED)
    with ar.config.change_flags(floatX="float32"):
        assert s.uniform((2,)).dtype == "float32"
        assert s.uniform((2,), low=np.float64(0)).dtype == "float64"
        assert s.normal((2,), dtype="floatX").dtype == "float32"
        assert s.binomial((2,)).dtype == "int64"
        assert s.binomial((2,), dtype="floatX").dtype == "float32"
    for dtype in ("int8", "int32", "uint8", "uint64", "float16", "float32", "float64", "bool"):
        values = ar.function([], [s.binomial((50,), dtype=dtype), s.binomial((50,), n=3, dtype=dtype)])()
        assert all(v.dtype == dtype for v in values)
        assert set(values[0].tolist()) == {0, 1}
    for dtype in ("float16", "float32", "float64"):
        low, high = ar.function([], [s.uniform((2000,), dtype=dtype), s.uniform((2000,), -3, 5, dtype=dtype)])()
        assert low.dtype == high.dtype == dtype
        assert 0 <= low.min() < 0.01 and 0.99 < low.max() < 1
        assert high.min() >= -3 and high.max() <= 5


def test_extreme_parameters() -> None:
    s = RandomStreams(SEED)
    p, lam, k = T.vector("p", dtype="float64"), T.vector("lam", dtype="float64"), T.vector("k", dtype="int64")
    f = ar.function([p, lam, k], [s.binomial(p=p), s.binomial(n=k, p=p), s.poisson(lam=lam), s.gamma(alpha=lam),
                                  s.beta(a=lam, b=lam), s.geometric(p=p)])  # fmt: skip
    certain, all_, none, tiny, betas, first = f(np.ones(3), np.array([1e-9, 1e-3, 1e12]), np.array([0, 7, 10**6]))
    assert certain.tolist() == [1, 1, 1] and first.tolist() == [1, 1, 1]
    assert all_.tolist() == [0, 7, 10**6]
    assert none[0] == 0 and abs(none[2] - 1e12) < 1e7
    assert tiny[2] == pytest.approx(1e12, rel=1e-5) and (tiny >= 0).all()
    assert np.isfinite(betas).all() and (betas >= 0).all() and (betas <= 1).all()
    never = f(np.full(3, 1e-300), np.ones(3), np.array([1, 7, 10**6]))
    assert never[0].tolist() == [0, 0, 0] and never[1].tolist() == [0, 0, 0]


# ---------------------------------------------------------------- gradients and kernels
def test_gradients_flow_to_what_places_and_scales() -> None:
    s = RandomStreams(SEED)
    low, high, std = (T.scalar(name, dtype="float64") for name in ("low", "high", "std"))
    cost = T.sum(s.uniform((50,), low, high)) + T.sum(s.normal((50,), low, std) ** 2)
    grads = T.grad(cost, [low, high, std])
    f = ar.function([low, high, std], [cost, *grads], no_default_updates=True)
    at = np.array([0.2, 1.5, 0.7])
    for i, got in enumerate(f(*at)[1:]):
        step = np.eye(3)[i] * 1e-6
        slope = (f(*(at + step))[0] - f(*(at - step))[0]) / 2e-6
        assert got == pytest.approx(slope, rel=1e-6)
    scale, alpha = T.scalar("scale", dtype="float64"), T.scalar("alpha", dtype="float64")
    total = T.sum(s.gamma((20,), alpha, scale))
    assert T.grad(total, scale).ndim == 0
    with pytest.raises(T.GradientError, match="this op has no gradient"):
        T.grad(total, alpha)


def test_discrete_draws_are_disconnected() -> None:
    s = RandomStreams(SEED)
    p = T.scalar("p", dtype="float64")
    for draw in (s.binomial((3,), p=p, dtype="float64"), s.poisson((3,), p, dtype="float64"),
                 s.binomial((3,), n=5, p=p, dtype="float64"), s.geometric((3,), p, dtype="float64")):  # fmt: skip
        with pytest.raises(T.DisconnectedInputError):
            T.grad(T.sum(draw), p)
        assert T.grad(T.sum(draw) * p, p).ndim == 0


def test_dropout_is_one_kernel() -> None:
    with ar.config.change_flags(floatX="float32"):
        s, x = RandomStreams(SEED), T.matrix("x", dtype="float32")
        f = ar.function([x], x * s.binomial(x.shape, p=0.5, dtype="floatX"))
        planned = func_at(f, "planned")
    kernels = [op for op in planned.ops if op.name == "fused"]
    assert len(kernels) == 2, "the draw with the product, and the three numbers of the state"
    assert [inner.name for inner in kernels[0].regions[0].ops][-3:] == ["lt", "cast", "mul"]
    assert planned.attrs["arena"] == 0, "nothing is kept in between"
    out = f(np.full((30, 40), 2, np.float32))
    assert set(np.unique(out)) == {0, 2}


# ---------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda s: s.binomial((2,), p=1.5), r"p must be within 0 and 1, not 1\.5"),
        (lambda s: s.binomial((2,), p=np.array([0.5, np.nan])), r"p must be within 0 and 1, not nan"),
        (lambda s: s.binomial((2,), n=-1), r"n must be 0 or more, not -1"),
        (lambda s: s.normal((2,), std=-1.0), r"std must be 0 or more, not -1\.0"),
        (lambda s: s.exponential((2,), -2.0), r"scale must be 0 or more, not -2\.0"),
        (lambda s: s.gamma((2,), alpha=0.0), r"alpha must be positive, not 0\.0"),
        (lambda s: s.beta((2,), 1.0, -1.0), r"b must be positive, not -1\.0"),
        (lambda s: s.poisson((2,), -1.0), r"lam must be 0 or more, not -1\.0"),
        (lambda s: s.geometric((2,), 0.0), r"p must be above 0 and at most 1, not 0\.0"),
        (lambda s: s.multinomial((2,), 1, [0.5, 0.6]), r"pvals must sum to 1, not to 1\.1"),
        (lambda s: s.multinomial((2,), 1, [1.5, -0.5]), r"pvals must be 0 or more, not -0\.5"),
        (lambda s: s.multinomial((2,), -1, [0.5, 0.5]), r"n must be 0 or more, not -1"),
        (lambda s: s.multinomial((), 1, 0.5), r"pvals must have a dimension of probabilities"),
        (lambda s: s.random_integers((2,), 3, 1), r"there is no integer from 3 to 1"),
        (lambda s: s.randint((2,), 0), r"there is no integer from 0 to -1"),
        (lambda s: s.choice((3,), 2, replace=False), r"without replacement of 3 elements from 2"),
        (lambda s: s.choice((3,), 0), r"a must be positive, not 0"),
        (lambda s: s.choice((3,), 2, p=[0.2, 0.2]), r"p must sum to 1, not to 0\.4"),
        (lambda s: s.uniform((2, 3), ndim=1), r"ndim=1, but the size has 2 dimensions"),
        (lambda s: s.normal((3,), avg=np.zeros((2, 3))), r"has 2 dimensions, but the size has 1"),
        (lambda s: s.normal((3,), avg=np.zeros(2)), r"does not stretch: f64\[2\] to f64\[3\]"),
        (lambda s: s.shuffle_row_elements(1.0), r"takes a vector or more dimensions"),
    ],
)
def test_wrong_values_are_refused_at_the_users_line(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build(RandomStreams(SEED))
    assert "test_random.py" in str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda s: s.uniform((2,), dtype="int32"), "uniform draws floating-point numbers, but dtype=int32"),
        (lambda s: s.binomial((2,), n=1.5), "n must be integers"),
        (lambda s: s.randint((2,), 1.5), "high must be integers"),
        (lambda s: s.uniform("ab"), "each element of size must be an integer"),
        (lambda s: MRG_RandomStreams().multinomial(), "needs pvals"),
        (lambda s: MRG_RandomStreams().choice(a=3), "a must be None"),
        (lambda s: MRG_RandomStreams().multinomial_wo_replacement(size=(2,)), "size must be None"),
    ],
)
def test_wrong_kinds_are_refused(build: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        build(RandomStreams(SEED))


def test_old_paths() -> None:
    rng_mrg, raw_random, shared_randomstreams = (
        importlib.import_module(f"arignote.{path}")
        for path in ("sandbox.rng_mrg", "tensor.raw_random", "tensor.shared_randomstreams")
    )
    assert shared_randomstreams.RandomStreams is RandomStreams
    assert rng_mrg.MRG_RandomStreams is MRG_RandomStreams
    state = raw_random.random_state_type("state")
    following, draw = raw_random.uniform(state, (3,), 0, 1)
    f = ar.function([state], [draw, following])
    at, out = f(np.array([1, 2, 3])), None
    assert at[1].tolist() == [1, 18, 3]
    out = f(at[1])[0]
    assert not np.array_equal(at[0], out)

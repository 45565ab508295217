"""`scan` as programs use it: its arguments, what it returns, and what it says when something is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.scanning import until
from arignote.frontends.tensor.stages import func_at
from arignote.ir.verify import verify
from arignote.passes.specialize import Specialize

f64 = np.float64


def compiled(inputs: Any, outputs: Any, **options: Any) -> Any:
    """A function that is compiled, and one that is interpreted, which must agree."""
    fast = ar.function(inputs, outputs, **options)
    slow = ar.function(inputs, outputs, mode="reference", **options)

    def both(*args: Any) -> Any:
        a, b = fast(*args), slow(*args)
        for x, y in zip(a, b, strict=True) if isinstance(a, list) else [(a, b)]:
            np.testing.assert_allclose(x, y, rtol=1e-12)
        return a

    return both


def test_cumulative_sum() -> None:
    x = T.dvector("x")
    sums, updates = ar.scan(lambda a, s: s + a, sequences=x, outputs_info=f64(0))
    assert not updates
    assert compiled([x], sums)(np.array([0.0, 3.0, 5.0])).tolist() == [0, 3, 8]


def test_power_with_a_symbolic_number_of_steps() -> None:
    k, a = T.iscalar("k"), T.dvector("a")
    powers, _ = ar.scan(lambda p, a: p * a, outputs_info=T.ones_like(a), non_sequences=a, n_steps=k)
    f = compiled([a, k], powers[-1])
    for steps in (2, 3, 7):
        np.testing.assert_array_equal(f(np.arange(4.0), steps), np.arange(4.0) ** steps)


def test_the_shortest_sequence_decides() -> None:
    c, x = T.dvector("c"), T.dscalar("x")
    terms, _ = ar.scan(lambda c, p, x: c * x**p, sequences=[c, T.arange(1000)], non_sequences=x)
    f = compiled([c, x], [terms.sum(), ar.grad(terms.sum(), x)])
    for coefficients in ([1.0, 2.0, 3.0], [4.0], [0.5, 0.0, 0.0, 2.0]):
        value, slope = f(np.array(coefficients), 2.0)
        p = np.polynomial.Polynomial(coefficients)
        assert value == pytest.approx(p(2.0))
        assert slope == pytest.approx(p.deriv()(2.0))


def test_no_steps() -> None:
    x, h = T.dmatrix("x"), T.dvector("h")
    sums, _ = ar.scan(lambda a, s: s + a, sequences=x, outputs_info=h)
    f = ar.function([x, h], [sums, ar.grad((sums**2).sum() + h.sum(), h)])
    for rows in (2, 0, 3):
        out, slope = f(np.ones((rows, 2)), np.zeros(2))
        assert out.shape == (rows, 2)
        assert slope.tolist() == [1 + sum(2.0 * t for t in range(1, rows + 1))] * 2


def test_returns_one_several_or_none() -> None:
    x = T.dvector("x")
    one, _ = ar.scan(lambda a: a + 1, sequences=x)
    assert isinstance(one, T.TensorVariable)
    listed, _ = ar.scan(lambda a: a + 1, sequences=x, return_list=True)
    assert isinstance(listed, list)
    two, _ = ar.scan(lambda a: [a + 1, a * 2], sequences=[x])
    assert isinstance(two, list)
    assert [v.tolist() for v in compiled([x], two)(np.array([1.0, 2.0]))] == [[2, 3], [2, 4]]
    count = ar.shared(0, "count")
    none, updates = ar.scan(lambda: {count: count + 1}, n_steps=5)
    assert none is None
    f = ar.function([], [], updates=updates)
    f()
    f()
    assert count.get_value() == 10


def test_updates_apply_from_step_to_step() -> None:
    x, scale = T.dvector("x"), ar.shared(1.0, "scale")
    out, updates = ar.scan(lambda a: (a * scale, [(scale, scale * 2)]), sequences=x)
    f = ar.function([x], out, updates=updates)
    assert f(np.ones(3)).tolist() == [1, 2, 4]
    assert scale.get_value() == 8
    assert f(np.ones(2)).tolist() == [8, 16]


def test_a_default_update_is_taken() -> None:
    counter = ar.shared(0, "counter")
    counter.default_update = counter + 1
    out, updates = ar.scan(lambda: counter * 10, n_steps=3)
    assert list(updates) == [counter]
    assert ar.function([], out, updates=updates)().tolist() == [0, 10, 20]
    assert counter.get_value() == 3


def test_forgotten_updates_are_reported() -> None:
    counter = ar.shared(0, "counter")
    out, updates = ar.scan(lambda: (counter * 10, {counter: counter + 1}), n_steps=3, name="count")
    with pytest.warns(UserWarning, match=r"(?s)scan 'count'.*counter.*updates=.*test_scan.py"):
        ar.function([], out)
    ar.function([], out, updates=updates)


def test_shared_variables_need_not_be_passed() -> None:
    w, x = ar.shared(np.eye(2) * 3, "w"), T.dmatrix("x")
    out, _ = ar.scan(lambda a: T.dot(a, w), sequences=x)
    f = ar.function([x], out)
    np.testing.assert_array_equal(f(np.ones((2, 2))), 3 * np.ones((2, 2)))
    w.set_value(np.eye(2) * 5)
    np.testing.assert_array_equal(f(np.ones((2, 2))), 5 * np.ones((2, 2)))


def test_until() -> None:
    limit = T.dscalar("limit")
    values, _ = ar.scan(
        lambda p, limit: (p * 2, until(p * 2 > limit)), outputs_info=f64(1), non_sequences=limit, n_steps=1024
    )
    f = compiled([limit], values)
    assert f(45.0).tolist() == [2, 4, 8, 16, 32, 64]
    assert f(1.0).tolist() == [2]
    assert f(1e300).shape == (997,)


def test_gradient_through_a_loop_that_stops_early() -> None:
    x, limit = T.dvector("x"), T.dscalar("limit")

    def step(a: Any, s: Any) -> Any:
        return (s + a * a, until(s + a * a > limit))

    sums, _ = ar.scan(step, sequences=x, outputs_info=f64(0))
    f = compiled([x, limit], [sums, ar.grad(sums[-1], x), ar.grad(sums.sum(), x)])
    data = np.array([1.0, 2.0, 3.0, 4.0])
    _, last, total = f(data, 4.0)
    assert last.tolist() == [2, 4, 0, 0]
    assert total.tolist() == [4, 4, 0, 0]
    assert f(data, 1e9)[1].tolist() == [2, 4, 6, 8]


def test_nested_loops() -> None:
    m = T.dmatrix("m")

    def row(r: Any) -> Any:
        total, _ = ar.scan(lambda e, s: s * 0.5 + e * e, sequences=r, outputs_info=f64(0))
        return total[-1]

    sums, _ = ar.scan(row, sequences=m)
    g = ar.grad((sums**2).sum(), m)
    f = compiled([m], [sums, g])
    data = np.random.default_rng(0).normal(size=(3, 4))
    found, slope = f(data)
    weights = 0.5 ** np.arange(3, -1, -1)
    np.testing.assert_allclose(found, (data**2) @ weights)
    np.testing.assert_allclose(slope, 2 * found[:, None] * 2 * data * weights)


def test_second_derivatives() -> None:
    """d/dW of |dc/dW|^2 of a small recurrent net, against finite differences of the first derivative."""
    x, w = T.dmatrix("x"), T.dmatrix("w")
    hs, _ = ar.scan(lambda a, h, w: T.tanh(T.dot(h, w) + a), sequences=x, outputs_info=T.zeros((3,), "float64"),
                    non_sequences=w)  # fmt: skip
    g = ar.grad((hs[-1] ** 2).sum() + hs.sum(), w)
    size = (g**2).sum()
    f = compiled([x, w], [size, ar.grad(size, w), ar.grad(size, x)])
    r = np.random.default_rng(0)
    a, b = r.normal(size=(4, 3)), r.normal(size=(3, 3)) / 2
    _, dw, dx = f(a, b)
    value = ar.function([x, w], size)
    for array, found in ((b, dw), (a, dx)):
        d, e = r.normal(size=array.shape), 1e-6
        args = [(a, b + s * e * d) if array is b else (a + s * e * d, b) for s in (1, -1)]
        slope = (value(*args[0]) - value(*args[1])) / (2 * e)
        assert slope == pytest.approx(float((found * d).sum()), rel=1e-6)


def test_parts_of_symbolic_width() -> None:
    """Columns of a product with shared weights, whose width the recorded program does not know."""
    rng = np.random.default_rng(0)
    xs, w = T.dmatrix("xs"), ar.shared(rng.normal(size=(2, 4)), name="w")
    n = 2

    def step(x: Any, h: Any) -> Any:
        both = x + T.dot(h, w)
        return T.tanh(both[:n]) * T.nnet.sigmoid(both[n : 2 * n])

    hs, _ = ar.scan(step, xs, T.zeros(n))
    f = ar.function([xs], [hs, T.grad(hs.sum(), w)])
    for func in (func_at(f, "recorded"), func_at(f, "grad")):
        verify(func)
        verify(Specialize(()).run(func))
    given = rng.normal(size=(5, 4))

    def loop(weights: Any) -> Any:
        h, rows = np.zeros(n), []
        for x in given:
            both = x + h @ weights
            h = np.tanh(both[:n]) / (1 + np.exp(-both[n:]))
            rows.append(h)
        return np.array(rows)

    rows, gradient = f(given)
    weights, step_size = w.get_value(), 1e-6
    np.testing.assert_allclose(rows, loop(weights), rtol=1e-12)
    for at in np.ndindex(2, 4):
        shift = np.zeros((2, 4))
        shift[at] = step_size
        slope = (loop(weights + shift).sum() - loop(weights - shift).sum()) / (2 * step_size)
        np.testing.assert_allclose(gradient[at], slope, rtol=1e-6)


def test_map_reduce_and_folds() -> None:
    x = T.dvector("x")
    doubled, _ = ar.map(lambda a: a * 2, x)
    product, _ = ar.reduce(lambda a, p: a * p, x, f64(1))
    left, _ = ar.foldl(lambda a, s: s * 10 + a, x, f64(0))
    right, _ = ar.foldr(lambda a, s: s * 10 + a, x, f64(0))
    out = compiled([x], [doubled, product, left, right])(np.array([1.0, 2.0, 3.0]))
    assert out[0].tolist() == [2, 4, 6]
    assert [float(v) for v in out[1:]] == [6, 123, 321]


def test_jacobian_by_a_loop_over_elements() -> None:
    x = T.dvector("x")
    y = x**2 * T.arange(x.shape[0])
    rows, _ = ar.scan(lambda i, y, x: ar.grad(y[i], x), sequences=T.arange(y.shape[0]), non_sequences=[y, x])
    data = np.array([4.0, 5.0, 3.0])
    np.testing.assert_allclose(compiled([x], rows)(data), np.diag(2 * data * np.arange(3)))


def test_indexing_by_the_position() -> None:
    x, n = T.dmatrix("x"), T.lscalar("n")
    out, _ = ar.scan(lambda i, s, x: s + x[i] * T.cast(i, "float64"), sequences=T.arange(n), outputs_info=x[0] * 0,
                     non_sequences=x)  # fmt: skip
    f = compiled([x, n], out)
    data = np.arange(8.0).reshape(4, 2)
    for count in (4, 2, 0):
        np.testing.assert_allclose(f(data, count), np.cumsum(data[:count] * np.arange(count)[:, None], 0))
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis 0 with size 4"):
        ar.function([x, n], out)(data, 5)


def test_a_loop_of_10000_steps() -> None:
    x = T.dvector("x")
    s, _ = ar.scan(lambda a, s: 0.9 * s + a, sequences=x, outputs_info=f64(0))
    f = ar.function([x], [s[-1], ar.grad(s[-1], x)])
    last, slope = f(np.ones(10000))
    assert last == pytest.approx(10.0)
    np.testing.assert_allclose(slope[-3:], [0.81, 0.9, 1.0])


def test_equal_text_for_equal_programs() -> None:
    def program() -> str:
        x, h = T.fmatrix("x"), T.fvector("h")
        out, _ = ar.scan(lambda a, s: T.tanh(a + s), sequences=x, outputs_info=h)
        return str(ar.function([x, h], [out, ar.grad(out.sum(), h)]).recorded)

    assert program() == program()


# ---------------------------------------------------------------- errors
def test_a_state_that_changes_its_dtype() -> None:
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"(?s)scan 'run': output 0 of fn is .*float64.*initial value.*float32.*cast"):
        ar.scan(lambda a, s: s + a, sequences=x, outputs_info=np.float32(0), name="run")


def test_a_state_that_changes_its_rank() -> None:
    x, h = T.dmatrix("x"), T.dvector("h")
    with pytest.raises(TypeError, match=r"output 0 of fn is .*row.*initial value h is .*vector"):
        ar.scan(lambda a, s: s.dimshuffle("x", 0) + a, sequences=x, outputs_info=h)


def test_a_state_that_changes_its_shape_at_a_call() -> None:
    x, h, w = T.dmatrix("x"), T.dvector("h"), T.dmatrix("w")
    out, _ = ar.scan(lambda a, s: T.dot(s, w) + a, sequences=x, outputs_info=h, name="grows")
    f = ar.function([x, h, w], out)
    f(np.ones((2, 3)), np.ones(3), np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"(?s)carried value 0 \(h\) is f64\[2\] and becomes f64\[3\].*'grows'"):
        f(np.ones((2, 3)), np.ones(2), np.ones((2, 3)))


def test_sequences_that_are_too_short() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    with pytest.raises(ValueError, match=r"sequence 0, .*, has 2 elements, too few for its taps \[-1, 2\]"):
        ar.scan(lambda a, b: a + b, sequences={"input": T.constant(np.ones(2)), "taps": [-1, 2]})
    out, _ = ar.scan(lambda a: a + 1, sequences=x, n_steps=n)
    f = ar.function([x, n], out)
    assert f(np.ones(5), 3).shape == (3,)
    with pytest.raises(ValueError, match=r"(?s)sequence 0 \(x\[t\]\) is f64\[2\], but there are 3 steps.*test_scan.py"):
        f(np.ones(2), 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, r"give sequences or n_steps"),
        ({"n_steps": -2}, ValueError, r"n_steps is -2"),
        ({"n_steps": 1.5}, TypeError, r"n_steps must be an integer"),
        ({"sequences": T.constant(1.0)}, TypeError, r"sequence 0, .*, is a scalar"),
        ({"sequences": {"taps": [0]}}, ValueError, r"takes 'input' and 'taps'"),
        ({"sequences": {"input": T.constant([1.0]), "taps": ["a"]}}, TypeError, r"taps are integers"),
        ({"n_steps": 2, "outputs_info": {"taps": [-1]}}, ValueError, r"output 0 has taps \[-1\], but no initial value"),
        ({"n_steps": 2, "outputs_info": {"initial": T.constant([1.0]), "taps": [0]}}, ValueError, r"has the tap 0"),
        ({"n_steps": 2, "outputs_info": {"initial": T.constant([1.0]), "taps": [-2]}}, ValueError, r"needs 2 rows"),
        ({"n_steps": 2, "outputs_info": [None, None]}, ValueError, r"fn returns 1 outputs, but outputs_info has 2"),
        ({"n_steps": 2, "truncate_gradient": 0}, ValueError, r"truncate_gradient is 0"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"scan 'here': .*{message}|scan 'here'.*{message}"):
        ar.scan(lambda *args: T.constant(1.0), name="here", **arguments)


def test_a_compiled_function_is_no_body() -> None:
    x = T.dvector("x")
    f = ar.function([x], x * 2)
    with pytest.raises(TypeError, match=r"scan: fn is the compiled .*; give a Python function"):
        ar.scan(f, sequences=T.dmatrix())


def test_strict_bodies() -> None:
    x, w = T.dvector("x"), ar.shared(2.0, "w")
    ar.scan(lambda a, w: a * w, sequences=x, non_sequences=w, strict=True)
    with pytest.raises(T.MissingInputError, match=r"fn uses w, which strict=True does not allow"):
        ar.scan(lambda a: a * w, sequences=x, strict=True)
    m, b = T.dmatrix("m"), T.dvector("b")
    with pytest.raises(T.MissingInputError, match=r"which strict=True does not allow"):
        ar.scan(lambda a, m: T.dot(a, m) + b.dimshuffle("x", 0), sequences=x, non_sequences=m, strict=True)
    # What is made of what is given, and sizes, are given too.
    rows, _ = ar.scan(
        lambda a, *_: (a * m + b.dimshuffle("x", 0))[:, : m.shape[1] - 1], sequences=x, non_sequences=[m, b],
        strict=True,
    )  # fmt: skip
    got = ar.function([x, m, b], rows)(np.array([1.0, 2.0]), np.ones((1, 3)), np.arange(3.0))
    np.testing.assert_array_equal(got, [[[1, 2]], [[2, 3]]])


def test_a_function_that_is_not_symbolic() -> None:
    with pytest.raises(TypeError, match=r"fn returned 'text'"):
        ar.scan(lambda a: "text", sequences=T.dvector("x"))


def test_a_size_that_differs_from_step_to_step() -> None:
    x, n = T.dvector("x"), T.lvector("n")
    with pytest.raises(TypeError, match=r"output 0 of fn has a size that is computed in the loop"):
        ar.scan(lambda k: x[:k], sequences=n)
    total, _ = ar.scan(lambda k: x[:k].sum(), sequences=n)
    f = ar.function([x, n], total)
    assert f(np.arange(5.0), np.array([0, 2, 5, 9])).tolist() == [0, 1, 10, 10]


def test_sentences_of_many_lengths_compile_at_most_three_times() -> None:
    """One version for the first length, one for any length, and one for lengths under `truncate_gradient`."""
    from arignote.frontends.tensor.compiler import default_backend, set_backend

    made = []

    def counting(*args: Any) -> Any:
        made.append(args)
        return default_backend(*args)

    w = ar.shared(np.eye(4) / 2, "w")
    x = T.ivector("x")
    h, _ = ar.scan(
        lambda i, h: T.tanh(w[i] + T.dot(h, w)), x, T.zeros(4, dtype="float64"), truncate_gradient=10
    )
    cost = (h**2).mean()
    before = set_backend(counting)
    try:
        f = ar.function([x], cost, updates=[(w, w - 0.1 * T.grad(cost, w))])
        slow = ar.function([x], cost, mode="reference")
        rng = np.random.default_rng(3)
        for i, length in enumerate(rng.permutation(200) + 1):
            xs = rng.integers(0, 4, size=length).astype(np.int32)
            want = slow(xs) if i % 20 == 0 else None
            cost_now = f(xs)
            assert want is None or cost_now == pytest.approx(want, rel=1e-10)
    finally:
        set_backend(before)
    assert len(made) <= 3


def test_a_sequence_that_is_too_short_for_its_taps_is_named_when_its_length_is_known() -> None:
    x = T.dmatrix("x")
    y, _ = ar.scan(lambda now, before: now + before, sequences={"input": x, "taps": [0, -2]})
    f = ar.function([x], y)
    np.testing.assert_array_equal(f(np.ones((3, 2))), [[2, 2]])
    with pytest.raises(ValueError, match=r"too short for its taps: -1 steps[\s\S]*x\[t-2\]"):
        f(np.ones((1, 2)))


def test_loops_that_go_backwards_begin_at_the_ends_of_sequences() -> None:
    """As in Theano: of sequences with more elements than steps the first ones are left out."""
    x, y, n = T.dvector("x"), T.dvector("y"), T.lscalar("n")
    fewer, _ = ar.scan(lambda a: a, x, n_steps=n, go_backwards=True)
    both, _ = ar.scan(lambda a, b: 100 * a + b, [x, y], go_backwards=True)
    taps, _ = ar.scan(lambda a, b: 10 * a + b, {"input": x, "taps": [-1, 1]}, n_steps=2, go_backwards=True)
    slopes = ar.grad(T.dot(fewer, T.arange(n, dtype="float64") + 1), x)
    for mode in ("reference", "FAST_RUN"):
        f = ar.function([x, y, n], [fewer, both, taps, slopes], mode=mode)
        found = f(np.arange(5.0), np.arange(3.0), 3)
        assert [v.tolist() for v in found] == [[4, 3, 2], [402, 301, 200], [24, 13], [0, 0, 3, 2, 1]]
        assert f(np.arange(5.0), np.arange(3.0), 0)[0].shape == (0,)
        with pytest.raises(ValueError, match=r"sequence .*5.* 6 steps"):
            f(np.arange(5.0), np.arange(3.0), 6)


def test_a_body_that_does_not_take_its_arguments() -> None:
    x, w = T.dvector("x"), T.dscalar("w")
    missing = r"scan 'rnn': fn does not take .*sequence 0, x.*missing .*'s'.*outputs_info gives its initial value"
    for info in (None, [None]):
        with pytest.raises(TypeError, match=missing):
            ar.scan(lambda a, s: a + s, x, info, name="rnn")
    with pytest.raises(TypeError, match=r"output 0 at t-2; output 0 at t-1; non-sequence 0, w\): too many"):
        ar.scan(lambda a, s: a + s, x, {"initial": T.dvector(), "taps": [-2, -1]}, w)
    with pytest.raises(ZeroDivisionError):  # errors of the body are the body's own
        ar.scan(lambda a: a + 1 // 0, x)


def test_errors_of_a_call_name_the_loop_and_the_argument() -> None:
    x, h, n = T.dvector("x"), T.dvector("h"), T.lscalar("n")
    out, _ = ar.scan(lambda a, p, q: a + p + q, x, {"initial": h, "taps": [-3, -1]}, n_steps=n, name="rnn")
    f = ar.function([x, h, n], out)
    with pytest.raises(IndexError, match=r"index 2 .*size 2\n.*test_scan.py.*scan 'rnn', initial value of output 0"):
        f(np.ones(3), np.ones(2), 3)
    with pytest.raises(ValueError, match=r"the number of steps would be -1[\s\S]*test_scan.py.*scan 'rnn'"):
        f(np.ones(3), np.ones(3), -1)

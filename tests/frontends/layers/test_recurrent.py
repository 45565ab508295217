"""Recurrent layers against loops of NumPy: values, masks, directions, sticky states, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote import layers as L

RNG = np.random.default_rng(11)
B, T, F, N = 3, 6, 4, 5


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def rnn(p: Any, x: Any, h: Any) -> Any:
    return (np.tanh(x @ p["W"] + h[0] @ p["U"] + p["b"]),)


def lstm(p: Any, x: Any, s: Any) -> Any:
    h, c = s
    i, f, o, g = np.split(x @ p["W"] + h @ p["U"] + p["b"], 4, axis=1)
    peep = p.get("P", np.zeros((3, N)))
    c2 = sigmoid(f + c * peep[1]) * c + sigmoid(i + c * peep[0]) * np.tanh(g)
    return sigmoid(o + c2 * peep[2]) * np.tanh(c2), c2


def gru(p: Any, x: Any, s: Any) -> Any:
    (h,) = s
    (xz, xr, xc), (hz, hr, hc) = np.split(x @ p["W"] + p["b"], 3, axis=1), np.split(h @ p["U"], 3, axis=1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return ((1 - z) * h + z * np.tanh(xc + r * hc),)


def gru_before(p: Any, x: Any, s: Any) -> Any:
    (h,) = s
    (xz, xr, xc), (uz, ur, uc) = np.split(x @ p["W"] + p["b"], 3, axis=1), np.split(p["U"], 3, axis=1)
    z, r = sigmoid(xz + h @ uz), sigmoid(xr + h @ ur)
    return ((1 - z) * h + z * np.tanh(xc + (r * h) @ uc),)


KINDS: list[tuple[Any, Any, int]] = [
    (lambda **o: L.RNN(N, **o), rnn, 1),
    (lambda **o: L.LSTM(N, **o), lstm, 2),
    (lambda **o: L.LSTM(N, peepholes=True, **o), lstm, 2),
    (lambda **o: L.GRU(N, **o), gru, 1),
    (lambda **o: L.GRU(N, reset_after=False, **o), gru_before, 1),
]
NAMES = ["rnn", "lstm", "peepholes", "gru", "reset before"]


def randomise(layer: L.Layer) -> dict[str, Any]:
    for p in layer.params.values():
        p.set_value(RNG.normal(size=p.get_value().shape) * 0.5)
    return {name: p.get_value() for name, p in layer.params.items()}


def loop(step: Any, p: Any, x: Any, mask: Any, states: int, start: Any = None, backwards: bool = False) -> Any:
    s = start or tuple(np.zeros((len(x), N)) for _ in range(states))
    outs = [np.zeros((len(x), N))] * x.shape[1]
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        keep = mask[:, t, None] != 0
        s = tuple(np.where(keep, new, old) for new, old in zip(step(p, x[:, t], s), s, strict=True))
        outs[t] = s[0]
    return np.stack(outs, axis=1), s


@pytest.mark.parametrize(("make", "step", "states"), KINDS, ids=NAMES)
def test_values(make: Any, step: Any, states: int) -> None:
    x, m = L.Input((None, None, F)), L.Input((None, None))
    nodes = {}
    for backwards in (False, True):
        for masked in (False, True):
            for whole in (False, True):
                below = [x, m] if masked else x
                nodes[backwards, masked, whole] = make(backwards=backwards, return_sequences=whole)(below)
    ps = {key: randomise(node) for key, node in nodes.items()}
    f = ar.function([x.variable, m.variable], L.get_output(list(nodes.values())))
    X = RNG.normal(size=(B, T, F))
    M = np.array([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 1, 0, 1, 1]], float)
    for (key, p), got in zip(ps.items(), f(X, M), strict=True):
        backwards, masked, whole = key
        rows, final = loop(step, p, X, M if masked else np.ones((B, T)), states, backwards=backwards)
        np.testing.assert_allclose(got, rows if whole else final[0], rtol=1e-11, atol=1e-13, err_msg=str(key))
        assert nodes[key].output_shape == ((None, None, N) if whole else (None, N))


@pytest.mark.parametrize(("make", "step", "states"), KINDS[1:4], ids=NAMES[1:4])
def test_gradients(make: Any, step: Any, states: int) -> None:
    x, m = L.Input((B, T, F)), L.Input((B, T))
    node = make(learn_init=True)([x, m])
    randomise(node)
    params = L.get_all_params(node, trainable=True)
    cost = (L.get_output(node) ** 2).sum()
    f = ar.function([x.variable, m.variable], ar.grad(cost, params))
    X, M = RNG.normal(size=(B, T, F)), (RNG.random((B, T)) < 0.7).astype(float)
    start = {name: node.params[name] for name in ("h0", "c0")[:states]}

    def value() -> float:
        p = {name: q.get_value() for name, q in node.params.items()}
        first = tuple(np.tile(q.get_value(), (B, 1)) for q in start.values())
        return float((loop(step, p, X, M, states, first)[1][0] ** 2).sum())

    for p, slope in zip(params, f(X, M), strict=True):
        where = tuple(RNG.integers(n) for n in p.get_value().shape)
        sides = []
        for delta in (1e-6, -1e-6):
            moved = p.get_value()
            moved[where] += delta
            p.set_value(moved)
            sides.append(value())
            moved[where] -= delta
            p.set_value(moved)
        np.testing.assert_allclose(slope[where], (sides[0] - sides[1]) / 2e-6, rtol=1e-6, atol=1e-8, err_msg=str(p))


def test_bidirectional_and_stacked_with_masks_of_the_embedding() -> None:
    x = L.Input((None, None), dtype="int32")
    table = L.Embedding(x, 9, F, mask_zero=True)
    both = L.Bidirectional(table, L.LSTM(N, return_sequences=True))
    top = L.Bidirectional(both, L.GRU(N), merge="sum")
    for layer in (table, both, top):
        randomise(layer)
    assert both.output_shape == (None, None, 2 * N) and top.output_shape == (None, N)
    f = ar.function([x.variable], L.get_output([both, top]))
    X = np.array([[0, 0, 3, 1], [2, 5, 8, 7]], np.int32)
    E, M = table.W.get_value()[X], (X != 0).astype(float)
    parts: dict[str, Any] = {}
    for layer, step, states, below in ((both, lstm, 2, E), (top, gru, 1, None)):
        given = parts["whole"] if below is None else below
        found = []
        for direction in ("forward", "backward"):
            p = {n: layer.params[f"{direction}.{n}"].get_value() for n in ("W", "U", "b")}
            found.append(loop(step, p, given, M, states, backwards=direction == "backward"))
        parts["whole"] = np.concatenate([found[0][0], found[1][0]], axis=2)
        parts[layer.kind + step.__name__] = found[0][1][0] + found[1][1][0]
    whole, last = f(X)
    np.testing.assert_allclose(last, parts["Bidirectionalgru"], rtol=1e-11)
    held = np.concatenate([whole[..., :N], whole[..., N:]], axis=2)
    assert held.shape == (2, 4, 2 * N)
    # Padding, in front or behind, changes nothing.
    padded = np.concatenate([np.zeros((2, 3), np.int32), X, np.zeros((2, 2), np.int32)], axis=1)
    np.testing.assert_allclose(f(padded)[1], last, rtol=1e-12)


def test_sticky_states() -> None:
    x = L.Input((B, None, F))
    node = L.LSTM(x, N, stateful=True, return_sequences=True)
    p = randomise(node)
    updates: dict[Any, Any] = {}
    f = ar.function([x.variable], L.get_output(node, updates=updates), updates=updates)
    X = RNG.normal(size=(B, 2 * T, F))
    want, _ = loop(lstm, p, X, np.ones((B, 2 * T)), 2)
    np.testing.assert_allclose(np.concatenate([f(X[:, :T]), f(X[:, T:])], axis=1), want, rtol=1e-11)
    node.reset_states()
    np.testing.assert_allclose(f(X[:, :T]), want[:, :T], rtol=1e-11)
    assert L.count_params(node) == 4 * N * (F + N + 1)
    with pytest.raises(ValueError, match="h changes with every call"):
        L.get_output(node)


def test_truncated_gradients_and_checkpoints() -> None:
    x = L.Input((B, T, F))
    X = RNG.normal(size=(B, T, F))

    def slopes(**options: Any) -> Any:
        with L.seeded(4):
            node = L.GRU(x, N, **options)
        return ar.function([x.variable], ar.grad((L.get_output(node) ** 2).sum(), node.U))(X)

    whole = slopes()
    np.testing.assert_allclose(slopes(checkpoint=2), whole, rtol=1e-10)
    assert np.abs(slopes(truncate_gradient=2) - whole).max() > 1e-3


def test_initial_values_of_gates() -> None:
    node = L.LSTM(L.Input((None, None, F)), N)
    np.testing.assert_array_equal(node.b.get_value(), np.repeat([0, 1, 0, 0], N))
    U = node.U.get_value()
    for gate in range(4):
        block = U[:, gate * N : (gate + 1) * N]
        np.testing.assert_allclose(block @ block.T, np.eye(N), atol=1e-12)


@pytest.mark.parametrize(("make", "torch_name"), [(L.RNN, "RNN"), (L.LSTM, "LSTM")])
def test_like_torch(make: Any, torch_name: str) -> None:
    torch = pytest.importorskip("torch")
    x = L.Input((None, None, F))
    node = L.Bidirectional(x, make(N, return_sequences=True))
    randomise(node)
    other = getattr(torch.nn, torch_name)(F, N, batch_first=True, bidirectional=True).double()
    order = [0, 1, 3, 2] if torch_name == "LSTM" else [0]  # torch: i, f, c, o
    with torch.no_grad():
        for direction, suffix in (("forward", ""), ("backward", "_reverse")):
            for name, theirs in (("W", "weight_ih_l0"), ("U", "weight_hh_l0"), ("b", "bias_ih_l0")):
                gates = np.split(node.params[f"{direction}.{name}"].get_value(), len(order), axis=-1)
                value = np.concatenate([gates[g] for g in order], axis=-1).T
                getattr(other, theirs + suffix).copy_(torch.from_numpy(value.copy()))
            getattr(other, "bias_hh_l0" + suffix).zero_()
        X = RNG.normal(size=(B, T, F))
        want = other(torch.from_numpy(X))[0].numpy()
    np.testing.assert_allclose(ar.function([x.variable], L.get_output(node))(X), want, rtol=1e-9, atol=1e-12)

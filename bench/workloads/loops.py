"""Workloads 4 and 8 to 10: recurrent networks, a restricted Boltzmann machine, a neural Turing machine.

The mathematics of a step is in `bench/peers/cells.py`, once for all libraries; each runs it in the loop that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from bench.workloads.mnist import digits
from bench.workloads.spec import Array, Params, Workload

FLOAT = 4
PIECES = 40  # of the text, which are read in turn
TORCH = "torch-eager"


def _weights(rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]]) -> Params:
    """Matrices uniform within +-sqrt(3 / rows), vectors of zeros."""
    out: Params = {}
    for name, shape in shapes.items():
        high = np.sqrt(3 / shape[0])
        drawn = rng.uniform(-high, high, shape) if len(shape) > 1 else np.zeros(shape)
        out[name] = drawn.astype(np.float32)
    return out


def _text_arrays(
    rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]], words: int, steps: int, batch: int | None
) -> Params:
    """A text of words, int32[n] or for a batch int32[n, batch], and weights."""
    n = PIECES * steps + 1
    drawn = (words * rng.random(n if batch is None else (n, batch)) ** 2).astype(np.int32)
    return {"text": drawn, **_weights(rng, shapes)}


def _of_text(
    name: str, title: str, family: str, shapes: Mapping[str, tuple[int, ...]], macs: float, rate: float,
    *, words: int, steps: int, batch: int | None = None, **sizes: int,
) -> Workload:  # fmt: skip
    """`macs`: products of a token's forward step; either gradient has as many."""
    tokens = steps * (batch or 1)
    return Workload(
        name=name,
        title=title,
        family=family,
        sizes={"batch": 1, "examples": PIECES, "words": words, "steps": steps, "rows": batch or 1, **sizes},
        maker=partial(_text_arrays, shapes=shapes, words=words, steps=steps, batch=batch),
        trained=tuple(shapes),
        flops=3 * 2.0 * tokens * macs,
        resident=float(2 * FLOAT * sum(int(np.prod(s)) for s in shapes.values())),
        rate=rate,
        reference=TORCH,
    )


def char_lstm(hidden: int = 500, words: int = 65, steps: int = 50, name: str = "char-lstm") -> Workload:
    """An LSTM with peepholes over full matrices, one sentence at a time."""
    n = hidden
    shapes = {
        "Wx": (words, 4 * n), "Wh": (n, 4 * n), "Wc": (n, 2 * n), "Wo": (n, n), "b": (4 * n,),
        "Wy": (n, words), "by": (words,),
    }  # fmt: skip
    title = f"peephole LSTM {n}, {words} characters, batch 1, {steps} steps"
    return _of_text(name, title, "char_lstm", shapes, 7 * n * n + n * words, 0.1, words=words, steps=steps, hidden=n)


def lstm_arrays(rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]], size: tuple[int, ...]) -> Params:
    """Inputs and wanted outputs [steps, batch, hidden], and weights."""
    x = rng.standard_normal(size, dtype=np.float32)
    y = rng.uniform(-0.5, 0.5, size).astype(np.float32)
    return {"x": x, "y": y, **_weights(rng, shapes)}


def lstm(hidden: int = 256, steps: int = 64, batch: int = 32, name: str = "lstm-32") -> Workload:
    """An LSTM over a batch, with the mean square of the difference from wanted outputs."""
    n = hidden
    shapes = {"W0": (n, 4 * n), "R0": (n, 4 * n), "b0": (4 * n,)}
    return Workload(
        name=name,
        title=f"LSTM {n}, batch {batch}, {steps} steps",
        family="lstm",
        sizes={"batch": batch, "examples": batch, "steps": steps, "hidden": n, "layers": 1},
        maker=partial(lstm_arrays, shapes=shapes, size=(steps, batch, n)),
        trained=tuple(shapes),
        flops=2.0 * steps * batch * 4 * n * n * (3 + 2),  # inputs have no gradient
        resident=float(2 * FLOAT * 8 * n * n + 2 * FLOAT * steps * batch * n),
        rate=0.5,
        reference=TORCH,
    )


def stacked_lstm(
    hidden: int = 650, layers: int = 2, words: int = 10_000, steps: int = 35, batch: int = 20,
    name: str = "stacked-lstm",
) -> Workload:  # fmt: skip
    """Stacked LSTM layers over words; inputs and outputs have one table of vectors."""
    n = hidden
    shapes: dict[str, tuple[int, ...]] = {"words": (words, n), "by": (words,)}
    for k in range(layers):
        shapes.update({f"W{k}": (n, 4 * n), f"R{k}": (n, 4 * n), f"b{k}": (4 * n,)})
    title = f"stacked LSTM {layers}x{n}, batch {batch}, {steps} steps, {words} words"
    macs = layers * 8 * n * n + n * words
    return _of_text(
        name, title, "stacked_lstm", shapes, macs, 0.5, words=words, steps=steps, batch=batch, hidden=n, layers=layers
    )


def rhn(
    hidden: int = 830, depth: int = 10, words: int = 10_000, steps: int = 35, batch: int = 20, name: str = "rhn"
) -> Workload:
    """A layer of a recurrent highway network; T begins at sigmoid(-2)."""
    n = hidden
    shapes: dict[str, tuple[int, ...]] = {"words": (words, n), "by": (words,), "W": (n, 2 * n)}
    for d in range(depth):
        shapes.update({f"R{d}": (n, 2 * n), f"b{d}": (2 * n,)})
    title = f"RHN {n}, depth {depth}, batch {batch}, {steps} steps, {words} words"
    macs = (depth + 1) * 2 * n * n + n * words
    return _of_text(
        name, title, "rhn", shapes, macs, 0.2, words=words, steps=steps, batch=batch, hidden=n, depth=depth
    )


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def rbm_arrays(rng: np.random.Generator, examples: int, batch: int, hidden: int, k: int) -> Params:
    """Images, a machine, its chains, and the uniform numbers that units are drawn with.

    Libraries round differently, so a number next to the probability that it is compared with would be another unit in
    one of them. Numbers that are so near in the first three steps are moved away.
    """
    x = (digits(rng, examples)["x"] > 0).astype(np.float32)
    visible = x.shape[1]
    high = 4 * np.sqrt(6 / (visible + hidden))
    start = {
        "W": rng.uniform(-high, high, (visible, hidden)).astype(np.float32),
        "b": np.zeros(visible, np.float32), "c": np.zeros(hidden, np.float32),
        "h": np.zeros((batch, hidden), np.float32),
    }  # fmt: skip
    u, w = (rng.random((k, batch, n), dtype=np.float32) for n in (visible, hidden))
    while _moved(x, start, u, w, batch):
        pass
    return {"x": x, "u": u, "w": w, **start}


def _moved(x: Array, start: Params, u: Array, w: Array, batch: int) -> bool:
    """Whether a number was near its probability in a run of three steps."""
    p, near = {name: a.astype(np.float64) for name, a in start.items()}, False

    def drawn(chance: Array, numbers: Array) -> Array:
        nonlocal near
        close = np.abs(chance - numbers) < 2e-5
        near |= bool(close.any())
        numbers[close] = (chance[close] + np.where(chance[close] < 0.5, 1e-3, -1e-3)).astype(np.float32)
        return (numbers < chance).astype(np.float64)

    for i in range(3):
        v = p["h"]
        for j in range(len(u)):
            v = drawn(sigmoid(p["h"] @ p["W"].T + p["b"]), u[j])
            p["h"] = drawn(sigmoid(v @ p["W"] + p["c"]), w[j])
        rbm_update(p, x[i * batch : (i + 1) * batch], v, RBM_RATE)
    return near


RBM_RATE = 0.1


def rbm_update(p: Params, x: Array, v: Array, rate: float) -> None:
    """Change `W`, `b`, `c` in place by the difference of the statistics of images and of the chains' ends."""
    up, down = sigmoid(x @ p["W"] + p["c"]), sigmoid(v @ p["W"] + p["c"])
    scale = p["W"].dtype.type(rate / len(x))
    p["W"] += scale * (x.T @ up - v.T @ down)
    p["b"] += scale * (x - v).sum(axis=0)
    p["c"] += scale * (up - down).sum(axis=0)


def rbm(
    hidden: int = 500, batch: int = 20, k: int = 15, examples: int = 4000, name: str = "rbm"
) -> Workload:
    """Contrastive divergence of `k` steps with persistent chains; the loss is the mean free energy of the images."""
    visible = 784
    return Workload(
        name=name,
        title=f"RBM {visible}x{hidden}, CD-{k}, batch {batch}",
        family="rbm",
        sizes={"batch": batch, "examples": examples, "visible": visible, "hidden": hidden, "k": k},
        maker=partial(rbm_arrays, examples=examples, batch=batch, hidden=hidden, k=k),
        trained=("W", "b", "c", "h"),
        flops=2.0 * batch * visible * hidden * (2 * k + 4),
        streamed=float(FLOAT * batch * visible),
        resident=float(FLOAT * (2 * visible * hidden + k * batch * (visible + hidden))),
        rate=RBM_RATE,
    )


def ntm_arrays(rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]], bits: int, steps: int) -> Params:
    """Sequences of random bits with an end mark, what is to be repeated, and weights."""
    half = steps // 2
    y = rng.integers(0, 2, (PIECES, half, bits)).astype(np.float32)
    x = np.zeros((PIECES, steps, bits + 1), np.float32)
    x[:, :half, :bits] = y
    x[:, half - 1, bits] = 1
    return {"x": x, "y": y, **_weights(rng, shapes), "M": rng.uniform(-0.1, 0.1, shapes["M"]).astype(np.float32)}


def ntm(
    rows: int = 128, width: int = 20, hidden: int = 100, bits: int = 8, steps: int = 40, name: str = "ntm"
) -> Workload:
    """A neural Turing machine with one head, on the task of repeating; the loss is of the second half of the steps."""
    given = bits + 1 + width
    shapes = {
        "Wx": (given, hidden), "bx": (hidden,), "Wk": (hidden, width), "bk": (width,),
        "Wg": (hidden, 3), "bg": (3,), "Ws": (hidden, 3), "bs": (3,),
        "We": (hidden, width), "be": (width,), "Wa": (hidden, width), "ba": (width,),
        "Wy": (hidden + width, bits), "by": (bits,), "M": (rows, width),
    }  # fmt: skip
    macs = sum(a * b for a, b in (s for k, s in shapes.items() if len(s) == 2 and k != "M")) + 5 * rows * width
    return Workload(
        name=name,
        title=f"NTM {rows}x{width}, {steps} steps, batch 1",
        family="ntm",
        sizes={"batch": 1, "examples": PIECES, "steps": steps, "rows": rows, "width": width, "hidden": hidden},
        maker=partial(ntm_arrays, shapes=shapes, bits=bits, steps=steps),
        trained=tuple(shapes),
        flops=3 * 2.0 * steps * macs,
        resident=float(2 * FLOAT * sum(int(np.prod(s)) for s in shapes.values()) + FLOAT * steps * rows * (width + 1)),
        rate=0.1,
        reference=TORCH,
    )

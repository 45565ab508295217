"""The mathematics of one step of each recurrent workload, written once for all libraries.

`o` is a library's namespace (`Ops`), `p` its arrays by name; states and results are its arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

P = Mapping[str, Any]
TINY = np.float32(1e-6)


class Ops(Protocol):
    """What a step needs of a library."""

    def dot(self, a: Any, b: Any) -> Any:
        """Matrix product, of vectors too."""

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent."""

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""

    def softplus(self, x: Any) -> Any:
        """log(1 + exp(x))."""

    def softmax(self, x: Any) -> Any:
        """Of a vector."""

    def concatenate(self, parts: list[Any]) -> Any:
        """Of vectors."""

    def norms(self, x: Any) -> Any:
        """The root of the sum of squares along the last axis, which is never quite 0."""

    def outer(self, a: Any, b: Any) -> Any:
        """Of two vectors."""


def gates(a: Any, n: int) -> tuple[Any, Any, Any, Any]:
    """The four parts of the last axis."""
    return a[..., :n], a[..., n : 2 * n], a[..., 2 * n : 3 * n], a[..., 3 * n :]


def peephole(o: Ops, p: P, n: int, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The next h and c [n] behind character x; gates i, f and o see c through matrices."""
    i, f, g, last = gates(p["Wx"][x] + o.dot(h, p["Wh"]) + p["b"], n)
    seen = o.dot(c, p["Wc"])
    c = o.sigmoid(f + seen[n:]) * c + o.sigmoid(i + seen[:n]) * o.tanh(g)
    return o.sigmoid(last + o.dot(c, p["Wo"])) * o.tanh(c), c


def lstm(o: Ops, R: Any, n: int, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The next h and c [batch, n]; x [batch, 4 n] is the inputs' product with their weights, and the bias."""
    i, f, g, last = gates(x + o.dot(h, R), n)
    c = o.sigmoid(f) * c + o.sigmoid(i) * o.tanh(g)
    return o.sigmoid(last) * o.tanh(c), c


def highway(o: Ops, p: P, n: int, depth: int, x: Any, s: Any) -> Any:
    """The next s [batch, n]; x [batch, 2 n] is the inputs' product with their weights."""
    for d in range(depth):
        a = o.dot(s, p[f"R{d}"]) + p[f"b{d}"]
        if d == 0:
            a = a + x
        t = o.sigmoid(a[..., n:] - 2.0)
        s = o.tanh(a[..., :n]) * t + s * (1.0 - t)
    return s


def turing(o: Ops, p: P, x: Any, memory: Any, w: Any, r: Any) -> tuple[Any, Any, Any, Any]:
    """The next memory [rows, width], weights of its rows, what is read, and the score of each bit."""
    h = o.tanh(o.dot(o.concatenate([x, r]), p["Wx"]) + p["bx"])
    key = o.tanh(o.dot(h, p["Wk"]) + p["bk"])
    three = o.dot(h, p["Wg"]) + p["bg"]
    sharp, gate, power = o.softplus(three[0]), o.sigmoid(three[1]), 1.0 + o.softplus(three[2])
    like = o.dot(memory, key) / (o.norms(memory) * o.norms(key))
    mixed = gate * o.softmax(sharp * like) + (1.0 - gate) * w
    shift = o.softmax(o.dot(h, p["Ws"]) + p["bs"])
    left, right = o.concatenate([mixed[1:], mixed[:1]]), o.concatenate([mixed[-1:], mixed[:-1]])
    raised = (shift[0] * left + shift[1] * mixed + shift[2] * right + TINY) ** power
    w = raised / raised.sum()
    erase, add = o.sigmoid(o.dot(h, p["We"]) + p["be"]), o.tanh(o.dot(h, p["Wa"]) + p["ba"])
    memory = memory * (1.0 - o.outer(w, erase)) + o.outer(w, add)
    r = o.dot(w, memory)
    return memory, w, r, o.dot(o.concatenate([h, r]), p["Wy"]) + p["by"]

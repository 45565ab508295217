"""What the ops of `bench/workloads/ops.py` are called in each library: name -> function of x, y, v and i."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.peers.base import Runner
from bench.workloads.spec import Params, Workload

Table = dict[str, Callable[..., Any]]

#: Written in the same way everywhere.
COMMON: Table = {
    "neg": lambda x, y, v, i: -x, "sqr": lambda x, y, v, i: x * x, "add": lambda x, y, v, i: x + y,
    "sub": lambda x, y, v, i: x - y, "mul": lambda x, y, v, i: x * y, "div": lambda x, y, v, i: x / y,
    "pow": lambda x, y, v, i: x**y, "less": lambda x, y, v, i: x < y, "add-row": lambda x, y, v, i: x + v,
    "gather": lambda x, y, v, i: x[i], "sum": lambda x, y, v, i: x.sum(), "mean": lambda x, y, v, i: x.mean(),
}  # fmt: skip


def _named(lib: Any, **names: str) -> Table:
    """Functions of one or two matrices, by the library's names where they differ."""
    one = ("exp", "log", "log1p", "expm1", "tanh", "sqrt", "abs", "floor", "sin", "cos")

    def of_one(f: Any) -> Callable[..., Any]:
        return lambda x, y, v, i: f(x)

    def of_two(f: Any) -> Callable[..., Any]:
        return lambda x, y, v, i: f(x, y)

    table = {n: of_one(getattr(lib, names.get(n, n))) for n in one}
    return table | {n: of_two(getattr(lib, n)) for n in ("maximum", "arctan2")}


def numpy_ops() -> Table:
    """NumPy."""

    def exp_shifted(x: Any) -> Any:
        return np.exp(x - x.max(1, keepdims=True))

    def softmax(x: Any) -> Any:
        e = exp_shifted(x)
        return e / e.sum(1, keepdims=True)

    def put(x: Any, y: Any) -> Any:
        out = x.copy()
        out[::2] = y[::2]
        return out

    def add_at(x: Any, y: Any, i: Any) -> Any:
        out = x.copy()
        np.add.at(out, i, y)
        return out

    slow = {f.__name__: np.vectorize(f, otypes=[np.float32]) for f in (math.erf, math.lgamma)}
    return COMMON | _named(np) | {
        "sigmoid": lambda x, y, v, i: 1 / (1 + np.exp(-x)), "softplus": lambda x, y, v, i: np.log1p(np.exp(x)),
        "relu": lambda x, y, v, i: np.maximum(x - 1, 0), "erf": lambda x, y, v, i: slow["erf"](x),
        "gammaln": lambda x, y, v, i: slow["lgamma"](x), "clip": lambda x, y, v, i: np.clip(x, 0.5, 1.5),
        "switch": lambda x, y, v, i: np.where(x > 1, x, y), "astype": lambda x, y, v, i: x.astype(np.int32),
        "transpose": lambda x, y, v, i: np.ascontiguousarray(x.T), "reverse": lambda x, y, v, i: x[::-1, ::-1].copy(),
        "cumsum": lambda x, y, v, i: np.cumsum(x, 1), "softmax": lambda x, y, v, i: softmax(x),
        "logsoftmax": lambda x, y, v, i: np.log(softmax(x)), "sort": lambda x, y, v, i: np.sort(x, 1),
        "argsort": lambda x, y, v, i: np.argsort(x, 1, kind="stable"), "roll": lambda x, y, v, i: np.roll(x, 7, 1),
        "concatenate": lambda x, y, v, i: np.concatenate([x, y], 1), "repeat": lambda x, y, v, i: np.repeat(x, 2, 1),
        "tile": lambda x, y, v, i: np.tile(x, (1, 2)), "set-rows": lambda x, y, v, i: put(x, y),
        "scatter-add": lambda x, y, v, i: add_at(x, y, i),
        "one-hot": lambda x, y, v, i: np.eye(*x.shape, dtype=np.float32)[i % min(x.shape)],
        "fill": lambda x, y, v, i: np.full_like(x, 3), "eye": lambda x, y, v, i: np.eye(*x.shape, dtype=np.float32),
        "sum-rows": lambda x, y, v, i: x.sum(1), "sum-columns": lambda x, y, v, i: x.sum(0),
        "max-rows": lambda x, y, v, i: x.max(1), "argmax-rows": lambda x, y, v, i: x.argmax(1),
        "var-rows": lambda x, y, v, i: x.var(1),
        "logsumexp-rows": lambda x, y, v, i: np.log(exp_shifted(x).sum(1)) + x.max(1),
    }  # fmt: skip


def torch_ops(torch: Any) -> Table:
    """PyTorch."""

    def put(x: Any, y: Any) -> Any:
        out = x.clone()
        out[::2] = y[::2]
        return out

    f = torch.nn.functional
    return COMMON | _named(torch) | {
        "sigmoid": lambda x, y, v, i: torch.sigmoid(x), "softplus": lambda x, y, v, i: f.softplus(x),
        "relu": lambda x, y, v, i: torch.relu(x - 1), "erf": lambda x, y, v, i: torch.erf(x),
        "gammaln": lambda x, y, v, i: torch.lgamma(x), "clip": lambda x, y, v, i: torch.clip(x, 0.5, 1.5),
        "switch": lambda x, y, v, i: torch.where(x > 1, x, y), "astype": lambda x, y, v, i: x.to(torch.int32),
        "transpose": lambda x, y, v, i: x.T.contiguous(), "reverse": lambda x, y, v, i: torch.flip(x, (0, 1)),
        "cumsum": lambda x, y, v, i: torch.cumsum(x, 1), "softmax": lambda x, y, v, i: torch.softmax(x, 1),
        "logsoftmax": lambda x, y, v, i: torch.log_softmax(x, 1), "sort": lambda x, y, v, i: torch.sort(x, 1)[0],
        "argsort": lambda x, y, v, i: torch.argsort(x, dim=1, stable=True),
        "roll": lambda x, y, v, i: torch.roll(x, 7, 1),
        "concatenate": lambda x, y, v, i: torch.cat([x, y], 1),
        "repeat": lambda x, y, v, i: torch.repeat_interleave(x, 2, 1),
        "tile": lambda x, y, v, i: torch.tile(x, (1, 2)), "set-rows": lambda x, y, v, i: put(x, y),
        "scatter-add": lambda x, y, v, i: x.index_add(0, i, y),
        "one-hot": lambda x, y, v, i: f.one_hot(i % min(x.shape), x.shape[1]).to(torch.float32),
        "fill": lambda x, y, v, i: torch.full_like(x, 3), "eye": lambda x, y, v, i: torch.eye(*x.shape),
        "sum-rows": lambda x, y, v, i: x.sum(1), "sum-columns": lambda x, y, v, i: x.sum(0),
        "max-rows": lambda x, y, v, i: x.amax(1), "argmax-rows": lambda x, y, v, i: x.argmax(1),
        "var-rows": lambda x, y, v, i: torch.var(x, 1, correction=0),
        "logsumexp-rows": lambda x, y, v, i: torch.logsumexp(x, 1),
    }  # fmt: skip


def jax_ops(jax: Any, jnp: Any) -> Table:
    """JAX."""
    nn, special = jax.nn, jax.scipy.special
    return COMMON | _named(jnp) | {
        "sigmoid": lambda x, y, v, i: nn.sigmoid(x), "softplus": lambda x, y, v, i: nn.softplus(x),
        "relu": lambda x, y, v, i: nn.relu(x - 1), "erf": lambda x, y, v, i: special.erf(x),
        "gammaln": lambda x, y, v, i: special.gammaln(x), "clip": lambda x, y, v, i: jnp.clip(x, 0.5, 1.5),
        "switch": lambda x, y, v, i: jnp.where(x > 1, x, y), "astype": lambda x, y, v, i: x.astype(jnp.int32),
        "transpose": lambda x, y, v, i: x.T, "reverse": lambda x, y, v, i: x[::-1, ::-1],
        "cumsum": lambda x, y, v, i: jnp.cumsum(x, 1), "softmax": lambda x, y, v, i: nn.softmax(x, 1),
        "logsoftmax": lambda x, y, v, i: nn.log_softmax(x, 1), "sort": lambda x, y, v, i: jnp.sort(x, 1),
        "argsort": lambda x, y, v, i: jnp.argsort(x, 1, stable=True), "roll": lambda x, y, v, i: jnp.roll(x, 7, 1),
        "concatenate": lambda x, y, v, i: jnp.concatenate([x, y], 1), "repeat": lambda x, y, v, i: jnp.repeat(x, 2, 1),
        "tile": lambda x, y, v, i: jnp.tile(x, (1, 2)), "set-rows": lambda x, y, v, i: x.at[::2].set(y[::2]),
        "scatter-add": lambda x, y, v, i: x.at[i].add(y),
        "one-hot": lambda x, y, v, i: nn.one_hot(i % min(x.shape), x.shape[1], dtype=jnp.float32),
        "fill": lambda x, y, v, i: jnp.full_like(x, 3), "eye": lambda x, y, v, i: jnp.eye(*x.shape, dtype=jnp.float32),
        "sum-rows": lambda x, y, v, i: x.sum(1), "sum-columns": lambda x, y, v, i: x.sum(0),
        "max-rows": lambda x, y, v, i: x.max(1), "argmax-rows": lambda x, y, v, i: x.argmax(1),
        "var-rows": lambda x, y, v, i: x.var(1), "logsumexp-rows": lambda x, y, v, i: special.logsumexp(x, 1),
    }  # fmt: skip


def arignote_ops(t: Any) -> Table:
    """Arignote, of symbolic variables."""
    return COMMON | _named(t, abs="abs_") | {
        "sigmoid": lambda x, y, v, i: t.nnet.sigmoid(x), "softplus": lambda x, y, v, i: t.nnet.softplus(x),
        "relu": lambda x, y, v, i: t.nnet.relu(x - np.float32(1)), "erf": lambda x, y, v, i: t.erf(x),
        "gammaln": lambda x, y, v, i: t.gammaln(x), "clip": lambda x, y, v, i: t.clip(x, 0.5, 1.5),
        "switch": lambda x, y, v, i: t.switch(x > 1, x, y), "astype": lambda x, y, v, i: x.astype("int32"),
        "transpose": lambda x, y, v, i: x.T, "reverse": lambda x, y, v, i: x[::-1, ::-1],
        "cumsum": lambda x, y, v, i: t.cumsum(x, 1), "softmax": lambda x, y, v, i: t.nnet.softmax(x),
        "logsoftmax": lambda x, y, v, i: t.nnet.logsoftmax(x), "sort": lambda x, y, v, i: t.sort(x, 1),
        "argsort": lambda x, y, v, i: t.argsort(x, 1, kind="mergesort"), "roll": lambda x, y, v, i: t.roll(x, 7, 1),
        "concatenate": lambda x, y, v, i: t.concatenate([x, y], 1), "repeat": lambda x, y, v, i: t.repeat(x, 2, 1),
        "tile": lambda x, y, v, i: t.tile(x, (1, 2)), "set-rows": lambda x, y, v, i: t.set_subtensor(x[::2], y[::2]),
        "scatter-add": lambda x, y, v, i: t.inc_subtensor(x[i], y),
        "one-hot": lambda x, y, v, i: t.to_one_hot(i % t.minimum(x.shape[0], x.shape[1]), x.shape[1], "float32"),
        "fill": lambda x, y, v, i: t.fill(x, np.float32(3)),
        "eye": lambda x, y, v, i: t.eye(x.shape[0], x.shape[1], 0, dtype="float32"),
        "sum-rows": lambda x, y, v, i: x.sum(1), "sum-columns": lambda x, y, v, i: x.sum(0),
        "max-rows": lambda x, y, v, i: x.max(1), "argmax-rows": lambda x, y, v, i: x.argmax(1),
        "var-rows": lambda x, y, v, i: x.var(1), "logsumexp-rows": lambda x, y, v, i: t.logsumexp(x, axis=1),
    }  # fmt: skip


def op_name(workload: Workload) -> str:
    """The op's name in the tables."""
    return workload.title


def runner(call: Callable[[], Any], wait: Callable[[Any], Any] = lambda out: out) -> Runner:
    """A step that computes the op and drops the result; `out` is computed once more when asked for."""

    def step() -> float:
        wait(call())
        return 0.0

    def params() -> Params:
        return {"out": np.asarray(call()).astype(np.float32)}

    return Runner(step, params)

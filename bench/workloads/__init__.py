"""The registry of workloads, by name."""

from __future__ import annotations

from bench.workloads.calls import calls
from bench.workloads.chain import chain
from bench.workloads.convolutions import CONVOLUTIONS, SMALL_CONVOLUTIONS
from bench.workloads.images import dcgan, densenet, lenet, predict, resnet
from bench.workloads.loops import char_lstm, lstm, ntm, rbm, rhn, stacked_lstm
from bench.workloads.mnist import logreg, mlp
from bench.workloads.ops import OPS
from bench.workloads.spec import Array, Params, Workload
from bench.workloads.words import cbow

TRAIN: tuple[str, ...] = (
    "logreg", "mlp-600", "mlp-20", "cbow", "chain-1e3", "chain-1e5", "chain-1e7",
)  # fmt: skip
LOOPS: tuple[str, ...] = ("char-lstm", "lstm-32", "stacked-lstm", "rhn", "rbm", "ntm")
IMAGES: tuple[str, ...] = ("lenet-600", "lenet-100", "resnet-20", "densenet-40", "dcgan")
# Whose compilation is measured: three depths of one network, and those with the most layers.
COMPILED: tuple[str, ...] = ("logreg", "mlp-600", "lenet-100", "resnet-20", "resnet-56", "resnet-110", "densenet-40")
PREDICT: tuple[str, ...] = tuple(f"predict-{network}-{n}" for network in ("mlp", "lenet", "resnet") for n in (1, 64))
OVERHEAD: tuple[str, ...] = ("call-1", "call-2", "call-10", "call-50")
# Small enough to check every peer within seconds; never part of the default run.
SMALL: tuple[str, ...] = (
    "logreg-small", "mlp-small", "cbow-small", "chain-small",
    "lenet-small", "resnet-small", "densenet-small", "dcgan-small", "predict-lenet-1",
    "char-lstm-small", "lstm-small", "stacked-lstm-small", "rhn-small", "rbm-small", "ntm-small",
)  # fmt: skip

REGISTRY: dict[str, Workload] = {
    w.name: w
    for w in (
        logreg(),
        mlp(600),
        mlp(20),
        cbow(),
        char_lstm(),
        lstm(),
        stacked_lstm(),
        rhn(),
        rbm(),
        ntm(),
        chain(1_000, "chain-1e3"),
        chain(100_000, "chain-1e5"),
        chain(10_000_000, "chain-1e7"),
        calls(1),
        calls(2),
        calls(10),
        calls(50),
        logreg(batch=20, examples=100, name="logreg-small"),
        mlp(batch=20, hidden=16, examples=100, name="mlp-small"),
        cbow(words=50, embedding=8, batch=10, examples=100, name="cbow-small"),
        chain(64, "chain-small"),
        lenet(600),
        lenet(100),
        resnet(),
        resnet(n=9),
        resnet(n=18),
        densenet(),
        dcgan(),
        *(predict(network, n) for network in ("mlp", "lenet", "resnet") for n in (1, 64)),
        lenet(5, examples=20, filters=(3, 4), hidden=6, name="lenet-small"),
        resnet(4, n=1, filters=4, size=8, examples=16, name="resnet-small"),
        densenet(4, layers=2, growth=3, filters=4, size=8, examples=16, name="densenet-small"),
        dcgan(4, noise=3, units=6, filters=2, examples=16, name="dcgan-small"),
        char_lstm(8, 6, 5, "char-lstm-small"),
        lstm(6, 5, 3, "lstm-small"),
        stacked_lstm(6, 2, 12, 4, 3, "stacked-lstm-small"),
        rhn(6, 3, 12, 4, 3, "rhn-small"),
        rbm(8, 4, 2, 40, "rbm-small"),
        ntm(8, 4, 6, 3, 6, "ntm-small"),
        *OPS.values(),
        *CONVOLUTIONS.values(),
        *SMALL_CONVOLUTIONS.values(),
    )
}


def small(family: str) -> Workload:
    """A small workload of a family."""
    return next(REGISTRY[name] for name in SMALL if REGISTRY[name].family == family)


def find(name: str) -> Workload:
    """The workload called ``name``; the error names the ones there are."""
    try:
        return REGISTRY[name]
    except KeyError:
        known = ", ".join(REGISTRY)
        raise ValueError(f"no workload is called {name!r}; there are {known}") from None


__all__ = [
    "COMPILED", "CONVOLUTIONS", "IMAGES", "LOOPS", "OPS", "OVERHEAD", "PREDICT", "REGISTRY", "SMALL",
    "SMALL_CONVOLUTIONS", "TRAIN", "Array", "Params", "Workload", "find",
]  # fmt: skip

"""The registry of peers, by name; nothing is imported until a peer is loaded."""

from __future__ import annotations

from bench.peers.arignote_ import ArignotePeer
from bench.peers.base import Peer, Runner
from bench.peers.jax_ import JaxLastPeer, JaxPeer
from bench.peers.numpy_ import NumpyPeer
from bench.peers.onnxruntime_ import OnnxRuntimePeer
from bench.peers.pytensor_ import PytensorCPeer, PytensorPeer
from bench.peers.torch_ import TorchCompilePeer, TorchLastPeer, TorchPeer

OURS = "arignote"
REFERENCE = "numpy"

REGISTRY: dict[str, type[Peer]] = {
    cls.name: cls
    for cls in (
        ArignotePeer,
        TorchPeer,
        TorchLastPeer,
        TorchCompilePeer,
        JaxPeer,
        JaxLastPeer,
        OnnxRuntimePeer,
        PytensorPeer,
        PytensorCPeer,
        NumpyPeer,
    )
}


def find(name: str) -> Peer:
    """A new peer called ``name``; the error names the ones there are."""
    try:
        return REGISTRY[name]()
    except KeyError:
        known = ", ".join(REGISTRY)
        raise ValueError(f"no peer is called {name!r}; there are {known}") from None


__all__ = ["OURS", "REFERENCE", "REGISTRY", "Peer", "Runner", "find"]

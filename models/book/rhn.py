"""Recurrent highway networks (chapter 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import arignote as ar
import arignote.tensor as T
from arignote.models.model import SettingError
from arignote.models.wordstream import Noise, StreamModel, given, masked


@dataclass(frozen=True)
class Rhn(StreamModel):
    """Recurrent highway network: 5 layers of depth 10, 830 units, variational dropout, 84.2 million parameters"""

    name: ClassVar[str] = "rhn"
    quality: ClassVar[str] = "PTB: 84.2 million parameters, perplexity falls as PyTorch's"

    depth: int = 10
    """Highway layers from one state to the next."""
    tied_noise: bool = True
    """One mask of the state for H and T, not one each."""
    carry: float = 2.0
    """The biases of T begin at its negative, so that states are carried on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth < 1:
            raise SettingError(f"{self.name}: depth must be at least 1, not {self.depth}")

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        n, found = self.hidden, dict[str, tuple[int, ...]]()
        for k in range(self.layers):
            for g in "HT":
                found[f"W{g}{k}"] = (n, n)
                for d in range(self.depth):
                    found.update({f"R{g}{k}_{d}": (n, n), f"b{g}{k}_{d}": (n,)})
        return found

    def biases(self) -> Mapping[str, float]:
        return {name: -self.carry for name in self.shapes() if name.startswith("bT")}

    def run(self, p: Mapping[str, Any], x: Any, states: Sequence[Any], noise: Noise) -> tuple[Any, list[Any]]:
        """s = H T + s (1 - T), `depth` times; H = tanh(x WH + s RH + bH), T = sigmoid(x WT + s RT + bT), the input in
        the first of them only (J. Zilly and others, "Recurrent highway networks", 2017)."""
        last = []
        for k, s0 in enumerate(states):
            entering = [
                T.dot(masked(x, self.mask(noise, self.drop_inputs)), p[f"W{g}{k}"]) + p[f"b{g}{k}_0"] for g in "HT"
            ]
            kept = [self.mask(noise, self.drop_states) for _ in range(1 if self.tied_noise else 2)]
            x, _ = ar.scan(self._step(p, k), entering, s0, given(kept), name=f"layer{k}")
            last.append(x[-1])
        return x, last

    def _step(self, p: Mapping[str, Any], k: int) -> Any:
        def step(xh: Any, xt: Any, s: Any, *masks: Any) -> Any:
            kept = masks or (None,)
            for d in range(self.depth):
                h = T.dot(masked(s, kept[0]), p[f"RH{k}_{d}"]) + (xh if d == 0 else p[f"bH{k}_{d}"])
                t = T.dot(masked(s, kept[-1]), p[f"RT{k}_{d}"]) + (xt if d == 0 else p[f"bT{k}_{d}"])
                gate = T.nnet.sigmoid(t)
                s = T.tanh(h) * gate + s * (1 - gate)
            return s

        return step

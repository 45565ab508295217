"""Deep transition from one state to the next (chapter 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import arignote as ar
import arignote.tensor as T
from arignote.models.wordstream import Noise, StreamModel, given, masked


@dataclass(frozen=True)
class DeepTransition(StreamModel):
    """Deep transition network: 5 layers of 830 from state to state, variational dropout"""

    name: ClassVar[str] = "deep_transition"
    quality: ClassVar[str] = "PTB: perplexity falls as PyTorch's"

    def stack(self) -> int:
        return 1

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        n = self.hidden
        found: dict[str, tuple[int, ...]] = {"W": (n, n)}
        for k in range(self.layers):
            found.update({f"R{k}": (n, n), f"b{k}": (n,)})
        return found

    def run(self, p: Mapping[str, Any], x: Any, states: Sequence[Any], noise: Noise) -> tuple[Any, list[Any]]:
        """h = tanh(x W + h R0 + b0), then h = tanh(h Rk + bk) for the other layers: the input enters the first only."""
        x = T.dot(masked(x, self.mask(noise, self.drop_inputs)), p["W"]) + p["b0"]
        kept = self.mask(noise, self.drop_states)

        def step(x: Any, h: Any, mask: Any = None) -> Any:
            h = T.tanh(x + T.dot(masked(h, mask), p["R0"]))
            for k in range(1, self.layers):
                h = T.tanh(T.dot(masked(h, mask), p[f"R{k}"]) + p[f"b{k}"])
            return h

        out, _ = ar.scan(step, x, states[0], given([kept]), name="transition")
        return out, [out[-1]]

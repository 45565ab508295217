"""Stacked recurrent layers (chapter 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import arignote as ar
import arignote.tensor as T
from arignote.models.wordstream import Noise, StreamModel, given, masked


@dataclass(frozen=True)
class StackedRnn(StreamModel):
    """Stacked simple recurrent layers: 5 x 830, variational dropout, 15.2 million parameters"""

    name: ClassVar[str] = "stacked_rnn"
    quality: ClassVar[str] = "PTB: 15,203,150 parameters, above 326 words/s on a CPU, perplexity falls as PyTorch's"

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        n, found = self.hidden, dict[str, tuple[int, ...]]()
        for k in range(self.layers):
            found.update({f"W{k}": (n, n), f"R{k}": (n, n), f"b{k}": (n,)})
        return found

    def run(self, p: Mapping[str, Any], x: Any, states: Sequence[Any], noise: Noise) -> tuple[Any, list[Any]]:
        """h' = tanh(x W + h R + b), layer after layer."""
        last = []
        for k, h0 in enumerate(states):
            x = T.dot(masked(x, self.mask(noise, self.drop_inputs)), p[f"W{k}"]) + p[f"b{k}"]
            kept, R = self.mask(noise, self.drop_states), p[f"R{k}"]

            def step(x: Any, h: Any, mask: Any = None, *, R: Any = R) -> Any:
                return T.tanh(x + T.dot(masked(h, mask), R))

            x, _ = ar.scan(step, x, h0, given([kept]), name=f"layer{k}")
            last.append(x[-1])
        return x, last

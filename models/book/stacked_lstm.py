"""Stacked layers with long short-term memory (chapter 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import arignote as ar
import arignote.tensor as T
from arignote.models.wordstream import Noise, StreamModel, given, masked


@dataclass(frozen=True)
class StackedLstm(StreamModel):
    """Stacked LSTM layers: 5 x 830, variational dropout, 35.9 million parameters"""

    name: ClassVar[str] = "stacked_lstm"
    quality: ClassVar[str] = "PTB: 35,882,600 parameters, perplexity falls as PyTorch's"
    n_states: ClassVar[int] = 2

    tied_noise: bool = True
    """One mask of the state for all four gates, not one each."""

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        n, found = self.hidden, dict[str, tuple[int, ...]]()
        for k in range(self.layers):
            found.update({f"W{k}": (n, 4 * n), f"R{k}": (n, 4 * n), f"b{k}": (4 * n,)})
        return found

    def run(self, p: Mapping[str, Any], x: Any, states: Sequence[Any], noise: Noise) -> tuple[Any, list[Any]]:
        """c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'); i, f, o, g are parts of x W + h R + b."""
        last = []
        for k in range(self.layers):
            x = T.dot(masked(x, self.mask(noise, self.drop_inputs)), p[f"W{k}"]) + p[f"b{k}"]
            kept = [self.mask(noise, self.drop_states) for _ in range(1 if self.tied_noise else 4)]
            step = self._step(p[f"R{k}"])
            (x, cells), _ = ar.scan(step, x, list(states[2 * k : 2 * k + 2]), given(kept), name=f"layer{k}")
            last += [x[-1], cells[-1]]
        return x, last

    def _step(self, R: Any) -> Any:
        n = self.hidden

        def step(x: Any, h: Any, c: Any, *kept: Any) -> list[Any]:
            if len(kept) < 4:
                gates = x + T.dot(masked(h, *kept or (None,)), R)
                parts = [gates[:, g * n : (g + 1) * n] for g in range(4)]
            else:
                parts = [
                    x[:, g * n : (g + 1) * n] + T.dot(masked(h, kept[g]), R[:, g * n : (g + 1) * n]) for g in range(4)
                ]
            i, f, o = map(T.nnet.sigmoid, parts[:3])
            c = f * c + i * T.tanh(parts[3])
            return [o * T.tanh(c), c]

        return step

"""The network with gated recurrent units for text (chapter 4)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import arignote.tensor as T
from arignote.models.language import Cell, LanguageModel, glorot, zeros


@dataclass(frozen=True)
class CharGru(LanguageModel):
    """Gated recurrent units for text, by characters or words: hidden 500"""

    name: ClassVar[str] = "char_gru"

    def cell(self, n_tokens: int, rng: np.random.RandomState, dtype: str) -> Cell:
        """z, r = sigmoid(U[x] + h W + b), each with its own; c = tanh(Uc[x] + r (h Wc) + bc); h' = (1 - z) h + z c."""
        p: dict[str, Any] = {}
        for gate in "zrc":
            p[f"Wx{gate}"] = glorot(f"Wx{gate}", rng, (n_tokens, self.hidden), dtype)
            p[f"Wh{gate}"] = glorot(f"Wh{gate}", rng, (self.hidden, self.hidden), dtype)
            p[f"b{gate}"] = zeros(f"b{gate}", self.hidden, dtype)

        def step(x: Any, h: Any) -> list[Any]:
            z, r = (T.nnet.sigmoid(p[f"Wx{g}"][x] + T.dot(h, p[f"Wh{g}"]) + p[f"b{g}"]) for g in "zr")
            candidate = T.tanh(p["Wxc"][x] + r * T.dot(h, p["Whc"]) + p["bc"])
            return [(1 - z) * h + z * candidate]

        return Cell(p, step)

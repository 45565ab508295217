"""The simple recurrent network for text (chapter 4)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import arignote.tensor as T
from arignote.models.language import Cell, LanguageModel, glorot, zeros


@dataclass(frozen=True)
class CharRnn(LanguageModel):
    """Simple recurrent network for text, by characters or words: hidden 500, tanh"""

    name: ClassVar[str] = "char_rnn"

    def cell(self, n_tokens: int, rng: np.random.RandomState, dtype: str) -> Cell:
        """h' = tanh(U[x] + h W + bh)."""
        U = glorot("Wxh", rng, (n_tokens, self.hidden), dtype)
        W = glorot("Whh", rng, (self.hidden, self.hidden), dtype)
        b = zeros("bh", self.hidden, dtype)

        def step(x: Any, h: Any) -> list[Any]:
            return [T.tanh(U[x] + T.dot(h, W) + b)]

        return Cell({"Wxh": U, "Whh": W, "bh": b}, step)

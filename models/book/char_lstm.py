"""The network with long short-term memory for text (chapter 4)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import arignote.tensor as T
from arignote.models.language import Cell, LanguageModel, glorot, zeros


@dataclass(frozen=True)
class CharLstm(LanguageModel):
    """LSTM with peepholes for text, by characters or words: hidden 500"""

    name: ClassVar[str] = "char_lstm"

    def cell(self, n_tokens: int, rng: np.random.RandomState, dtype: str) -> Cell:
        """Gates see the token, the output h and the memory c, each through a full matrix.

        i = sigmoid(Ui[x] + h Vi + c Pi + bi), f likewise; c' = f c + i tanh(Uc[x] + h Vc + bc);
        o = sigmoid(Uo[x] + h Vo + c' Po + bo), which sees the new memory; h' = o tanh(c').
        """
        p: dict[str, Any] = {}
        for gate in "ifco":
            p[f"Wx{gate}"] = glorot(f"Wx{gate}", rng, (n_tokens, self.hidden), dtype)
            p[f"Wh{gate}"] = glorot(f"Wh{gate}", rng, (self.hidden, self.hidden), dtype)
            if gate != "c":
                p[f"Wc{gate}"] = glorot(f"Wc{gate}", rng, (self.hidden, self.hidden), dtype)
            p[f"b{gate}"] = zeros(f"b{gate}", self.hidden, dtype)

        def sees(gate: str, x: Any, h: Any) -> Any:
            return p[f"Wx{gate}"][x] + T.dot(h, p[f"Wh{gate}"]) + p[f"b{gate}"]

        def step(x: Any, h: Any, c: Any) -> list[Any]:
            i = T.nnet.sigmoid(sees("i", x, h) + T.dot(c, p["Wci"]))
            f = T.nnet.sigmoid(sees("f", x, h) + T.dot(c, p["Wcf"]))
            c = f * c + i * T.tanh(sees("c", x, h))
            o = T.nnet.sigmoid(sees("o", x, h) + T.dot(c, p["Wco"]))
            return [o * T.tanh(c), c]

        return Cell(p, step, n_states=2)

"""The recurrent network for source code: which token follows, and whether there is a type error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote.models.codetask import CodeTask
from arignote.models.data.statements import NUMBER, STRING, Code, Statement, load_statements
from arignote.models.language import glorot, zeros
from arignote.models.model import ModelBase, SettingError

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class CodeRnn(ModelBase):
    """Recurrent network for source code: one-hot tokens, heads for the next token and for type errors"""

    name: ClassVar[str] = "code_rnn"
    chapter: ClassVar[int] = 4
    quality: ClassVar[str] = "standard library: type errors that were put in are told above chance (50 %)"

    cell: str = "lstm"
    """`rnn`, `gru` or `lstm`."""
    hidden: int = 128
    vocabulary: int = 400
    """Tokens that are told apart."""
    batch: int = 32
    rate: float = 0.002

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in GATES:
            raise SettingError(f"{self.name}: cell is {', '.join(GATES)}, not {self.cell!r}")

    def parameters(self, n_tokens: int, seed: int, dtype: str) -> dict[str, Any]:
        """Newly initialised shared variables by name."""
        rng, n = np.random.RandomState(seed), self.hidden
        wide = GATES[self.cell] * n
        return {
            "Wx": glorot("Wx", rng, (n_tokens, wide), dtype), "Wh": glorot("Wh", rng, (n, wide), dtype),
            "b": zeros("b", wide, dtype),
            "Wy": glorot("Wy", rng, (n, n_tokens), dtype), "by": zeros("by", n_tokens, dtype),
            "Wc": glorot("Wc", rng, (n, 2), dtype), "bc": zeros("bc", 2, dtype),
        }  # fmt: skip

    def run(self, p: dict[str, Any], x: Any, mask: Any) -> Any:
        """The states [T, B, hidden] after each of the tokens, one-hot [T, B, tokens]; where the mask [T, B] is 0 they
        stay as they were."""
        n = self.hidden
        zero = T.zeros((self.batch, n), mask.dtype)

        def part(both: Any, g: int) -> Any:
            return both[:, g * n : (g + 1) * n]

        def rnn(x: Any, h: Any) -> list[Any]:
            return [T.tanh(x + T.dot(h, p["Wh"]))]

        def gru(x: Any, h: Any) -> list[Any]:
            more = T.dot(h, p["Wh"])
            r, z = (T.nnet.sigmoid(part(x, g) + part(more, g)) for g in range(2))
            return [z * h + (1 - z) * T.tanh(part(x, 2) + r * part(more, 2))]

        def lstm(x: Any, h: Any, c: Any) -> list[Any]:
            gates = x + T.dot(h, p["Wh"])
            i, f, o = (T.nnet.sigmoid(part(gates, g)) for g in range(3))
            c = f * c + i * T.tanh(part(gates, 3))
            return [o * T.tanh(c), c]

        cells: dict[str, Callable[..., list[Any]]] = {"rnn": rnn, "gru": gru, "lstm": lstm}
        cell = cells[self.cell]

        def step(x: Any, m: Any, *states: Any) -> list[Any]:
            m = m.dimshuffle(0, "x")
            return [m * new + (1 - m) * old for new, old in zip(cell(x, *states), states, strict=True)]

        begin = [zero] * (2 if self.cell == "lstm" else 1)
        states, _ = ar.scan(step, [T.dot(x, p["Wx"]) + p["b"], mask], begin, return_list=True, name="tokens")
        return states[0]

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> CodeTask:
        return CodeTask(self, load_statements(data), seed=seed, mode=mode)

    def blank(self, *, seed: int = 0) -> CodeTask:
        tokens = (*(f"w{i}" for i in range(20)), "-", NUMBER)
        part = (Statement(tokens, None, True), Statement((*tokens[:-1], STRING), len(tokens) - 1, True)) * self.batch
        return CodeTask(self, Code("blank", part, part, part, "made up"), seed=seed)

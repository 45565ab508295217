"""Models that continue sentences (chapter 4), in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.twins import NoTwinError


class SentenceTwin:
    """The cell step by step; gradients end `truncate` steps before the end of a sentence, as the model's do."""

    def __init__(self, task: Any) -> None:
        import torch

        self.torch, self.task, self.model = torch, task, task.model
        self.p = {name: torch.from_numpy(v.get_value().copy()) for name, v in task.language.parameters.items()}
        for parameter in self.p.values():
            parameter.requires_grad_()
        cells: dict[str, Callable[..., list[Any]]] = {"char_rnn": self._rnn, "char_lstm": self._lstm,
                                                      "char_gru": self._gru}  # fmt: skip
        if task.model.name not in cells:
            raise NoTwinError(f"the cell of {task.model.name} is not written for PyTorch")
        self.cell = cells[task.model.name]
        self.rate, self.last = float(task.model.rate), float("inf")

    def train(self, epoch: int, epochs: int, minibatch: int) -> float:
        loss, _ = self._loss(self.task.data.train[minibatch], self.model.truncate)
        parameters = list(self.p.values())
        gradients = self.torch.autograd.grad(loss, parameters, allow_unused=True)
        with self.torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.sub_(gradient, alpha=self.rate)
        return float(loss.detach())

    def validate(self) -> tuple[float, float]:
        sums, count = np.zeros(2), 0
        with self.torch.no_grad():
            for sentence in self.task.data.valid:
                n = len(sentence) - 1
                loss, scores = self._loss(sentence, 0)
                wrong = (scores.argmax(1).numpy() != sentence[1:]).mean()
                sums += n * np.array([float(loss), wrong])
                count += n
        loss, error = sums / count
        return float(loss), float(error)

    def end_epoch(self, loss: float) -> None:
        """The rate is halved when the loss rises."""
        if not loss <= self.last:
            self.rate /= 2
        self.last = loss

    def _loss(self, sentence: Any, truncate: int) -> tuple[Any, Any]:
        torch, p = self.torch, self.p
        tokens = torch.from_numpy(sentence).long()
        states = [torch.zeros(self.model.hidden) for _ in range(self.task.language.cell.n_states)]
        seen = []
        n = len(tokens) - 1
        for t in range(n):
            # What comes before is constant: gradients go through the last steps only.
            with torch.set_grad_enabled(torch.is_grad_enabled() and t >= n - truncate):
                states = self.cell(tokens[t], *states)
            seen.append(states[0])
        scores = torch.stack(seen) @ p["Why"] + p["by"]
        return torch.nn.functional.cross_entropy(scores, tokens[1:]), scores

    def _rnn(self, x: Any, h: Any) -> list[Any]:
        p = self.p
        return [self.torch.tanh(p["Wxh"][x] + h @ p["Whh"] + p["bh"])]

    def _sees(self, gate: str, x: Any, h: Any) -> Any:
        p = self.p
        return p[f"Wx{gate}"][x] + h @ p[f"Wh{gate}"] + p[f"b{gate}"]

    def _lstm(self, x: Any, h: Any, c: Any) -> list[Any]:
        torch, p = self.torch, self.p
        i = torch.sigmoid(self._sees("i", x, h) + c @ p["Wci"])
        f = torch.sigmoid(self._sees("f", x, h) + c @ p["Wcf"])
        c = f * c + i * torch.tanh(self._sees("c", x, h))
        o = torch.sigmoid(self._sees("o", x, h) + c @ p["Wco"])
        return [o * torch.tanh(c), c]

    def _gru(self, x: Any, h: Any) -> list[Any]:
        torch, p = self.torch, self.p
        z, r = torch.sigmoid(self._sees("z", x, h)), torch.sigmoid(self._sees("r", x, h))
        candidate = torch.tanh(p["Wxc"][x] + r * (h @ p["Whc"]) + p["bc"])
        return [(1 - z) * h + z * candidate]

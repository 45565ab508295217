"""Classifiers of sentences (chapter 5), in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.twins import NoTwinError


class TextTwin:
    """PyTorch's own embedding and bidirectional LSTM; RMSProp by its formula, for PyTorch's adds epsilon elsewhere."""

    RHO, EPSILON = 0.9, 1e-6

    def __init__(self, task: Any) -> None:
        import torch

        model = task.model
        if model.mask:
            raise NoTwinError("LSTMs that leave out padding are not written for PyTorch: mask=false")
        self.torch, self.task, self.batch, self.rate = torch, task, task.batch, model.rate
        _, table, both, out = task.network.layers
        self.words, self.W, self.b = (_copy(torch, v).requires_grad_() for v in (table.W, out.W, out.b))
        self.lstm = torch.nn.LSTM(model.embedding, model.hidden, batch_first=True, bidirectional=True)
        for suffix, one in (("l0", both.both["forward"]), ("l0_reverse", both.both["backward"])):
            for name, variable in (("weight_ih", one.W), ("weight_hh", one.U), ("bias_ih", one.b)):
                i, f, o, g = _copy(torch, variable).movedim(-1, 0).chunk(4)  # PyTorch's gates are in another order
                getattr(self.lstm, f"{name}_{suffix}").data.copy_(torch.cat([i, f, g, o]))
            getattr(self.lstm, f"bias_hh_{suffix}").requires_grad_(False).zero_()  # one bias is enough
        inner = [p for p in self.lstm.parameters() if p.requires_grad]
        self.trained = [self.words, *inner, self.W, self.b]
        self.squares = [torch.zeros_like(p) for p in self.trained]

    def train(self, epoch: int, epochs: int, minibatch: int) -> float:
        rows = slice(minibatch * self.batch, (minibatch + 1) * self.batch)
        x, y = self.task.training
        loss, _ = self._loss(x[rows], y[rows])
        gradients = self.torch.autograd.grad(loss, self.trained)
        with self.torch.no_grad():
            for p, g, s in zip(self.trained, gradients, self.squares, strict=True):
                s.mul_(self.RHO).addcmul_(g, g, value=1 - self.RHO)
                p.addcdiv_(g, (s + self.EPSILON).sqrt_(), value=-self.rate)
        return float(loss.detach())

    def validate(self) -> tuple[float, float]:
        x, y = self.task.arrays(self.task.data.valid)
        with self.torch.no_grad():
            loss, scores = self._loss(x, y)
        return float(loss), float((scores.argmax(1).numpy() != y).mean())

    def end_epoch(self, loss: float) -> None:
        """The rate stays."""

    def _loss(self, x: Any, y: Any) -> tuple[Any, Any]:
        torch, functional = self.torch, self.torch.nn.functional
        words = functional.embedding(torch.from_numpy(np.ascontiguousarray(x)), self.words)
        _, (last, _) = self.lstm(words)
        scores = torch.cat([last[0], last[1]], dim=1) @ self.W + self.b
        return functional.cross_entropy(scores, torch.from_numpy(np.ascontiguousarray(y)).long()), scores


def _copy(torch: Any, variable: Any) -> Any:
    return torch.from_numpy(variable.get_value().copy())

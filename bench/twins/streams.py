"""Deep recurrent networks of running text (chapter 10), in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.twins import NoTwinError

NOISE = ("drop_words", "drop_inputs", "drop_states", "drop_outputs")


class StreamTwin:
    """Layer by layer and step by step. Without dropout, whose masks would be other ones: `--set drop_states=0` ..."""

    def __init__(self, task: Any) -> None:
        import torch

        self.torch, self.task, self.model = torch, task, task.model
        if any(getattr(task.model, name) for name in NOISE):
            raise NoTwinError("dropout would draw other masks in PyTorch: " + ", ".join(f"{n}=0" for n in NOISE))
        runs: dict[str, Callable[..., tuple[Any, list[Any]]]] = {
            "stacked_rnn": self._rnn, "stacked_lstm": self._lstm, "deep_transition": self._transition, "rhn": self._rhn,
        }  # fmt: skip
        if task.model.name not in runs:
            raise NoTwinError(f"{task.model.name} is not written for PyTorch")
        self.run = runs[task.model.name]
        self.p = {name: torch.from_numpy(v.get_value().copy()) for name, v in task.parameters.items()}
        for parameter in self.p.values():
            parameter.requires_grad_()
        self.rate, self.last = float(task.model.rate), float("inf")
        self.states = self._zeros()

    def _zeros(self) -> list[Any]:
        model = self.model
        return [self.torch.zeros(model.batch, model.hidden) for _ in range(model.n_states * model.stack())]

    def train(self, epoch: int, epochs: int, minibatch: int) -> float:
        if minibatch == 0:
            self.states = self._zeros()
        parameters = list(self.p.values())
        loss, states = self._loss("train", minibatch, self.states)
        gradients = self.torch.autograd.grad(loss, parameters)
        norm = float(sum((g * g).sum() for g in gradients)) ** 0.5
        with self.torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=self.rate * min(1.0, self.model.clip / max(norm, 1e-12)))
        self.states = [state.detach() for state in states]
        return float(loss.detach())

    def validate(self) -> tuple[float, float]:
        states, losses = self._zeros(), []
        with self.torch.no_grad():
            for i in range((len(self.task.texts["valid"]) - 1) // self.model.steps):
                loss, states = self._loss("valid", i, states)
                losses.append(float(loss))
        return float(np.mean(losses)), float(np.mean(losses))

    def end_epoch(self, loss: float) -> None:
        """The rate is halved when the loss rises."""
        if not loss <= self.last:
            self.rate /= 2
        self.last = loss

    def _loss(self, part: str, piece: int, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        torch, p, steps = self.torch, self.p, self.model.steps
        text = torch.from_numpy(self.task.texts[part][piece * steps : (piece + 1) * steps + 1]).long()
        out, states = self.run(p["words"][text[:-1]], list(states))
        scores = out.reshape(-1, self.model.hidden) @ p["words"].T + p["by"]
        return torch.nn.functional.cross_entropy(scores, text[1:].reshape(-1)), states

    def _rnn(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        torch, p, last = self.torch, self.p, []
        for k, h in enumerate(states):
            entering, seen = x @ p[f"W{k}"] + p[f"b{k}"], []
            for e in entering:
                h = torch.tanh(e + h @ p[f"R{k}"])
                seen.append(h)
            x = torch.stack(seen)
            last.append(h)
        return x, last

    def _lstm(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        torch, p, last = self.torch, self.p, []
        for k in range(self.model.layers):
            h, c = states[2 * k : 2 * k + 2]
            entering, seen = x @ p[f"W{k}"] + p[f"b{k}"], []
            for e in entering:
                i, f, o, g = (e + h @ p[f"R{k}"]).chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
                seen.append(h)
            x = torch.stack(seen)
            last += [h, c]
        return x, last

    def _transition(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        torch, p, seen, h = self.torch, self.p, [], states[0]
        for e in x @ p["W"] + p["b0"]:
            h = torch.tanh(e + h @ p["R0"])
            for k in range(1, self.model.layers):
                h = torch.tanh(h @ p[f"R{k}"] + p[f"b{k}"])
            seen.append(h)
        return torch.stack(seen), [h]

    def _rhn(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        torch, p, last = self.torch, self.p, []
        for k, s in enumerate(states):
            xh, xt = (x @ p[f"W{g}{k}"] + p[f"b{g}{k}_0"] for g in "HT")
            seen = []
            for eh, et in zip(xh, xt, strict=True):
                for d in range(self.model.depth):
                    h = s @ p[f"RH{k}_{d}"] + (eh if d == 0 else p[f"bH{k}_{d}"])
                    t = s @ p[f"RT{k}_{d}"] + (et if d == 0 else p[f"bT{k}_{d}"])
                    gate = torch.sigmoid(t)
                    s = torch.tanh(h) * gate + s * (1 - gate)
                seen.append(s)
            x = torch.stack(seen)
            last.append(s)
        return x, last

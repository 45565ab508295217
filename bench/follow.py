"""Word vectors trained twice: by Arignote and by PyTorch, from the same vectors on the same minibatches.

Both losses are taken at every step; those of every so many steps are compared and kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

TOLERANCE = 0.01


def versions() -> dict[str, str]:
    """Versions of both libraries."""
    import torch

    import arignote

    return {"arignote": arignote.__version__, "torch": torch.__version__}


def measure(
    name: str, data: str, questions: str | None, *, epochs: int, every: int, seed: int, log: Callable[[str], None],
    settings: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Train the model `name`, and compare: the record that is kept, with answers to questions after training."""
    from arignote.models import registry
    from arignote.models.data.questions import load_analogies, load_similarities
    from arignote.models.data.text import load_corpus
    from arignote.models.wordmodel import WordModel, WordTask

    model = registry.find(name).with_settings(settings)
    if not isinstance(model, WordModel):
        raise ValueError(f"{name} is no model of word vectors")
    task = WordTask(model, load_corpus(data), seed=seed)
    log(f"{name} on {task.data_name}: {task.about()}")
    analogies, similarities = load_analogies(questions), load_similarities(questions)
    peer = _Torch(task)
    at, ours, theirs = [], [], []
    seconds = {"arignote": 0.0, "torch": 0.0}
    steps = epochs * task.n_batches
    for step in range(steps):
        batch, begun = step % task.n_batches, time.perf_counter()
        mine = float(task.train(batch))
        turned = time.perf_counter()
        other = peer.step(batch)
        seconds["arignote"] += turned - begun
        seconds["torch"] += time.perf_counter() - turned
        if step % every == 0 or step + 1 == steps:
            at.append(step)
            ours.append(mine)
            theirs.append(other)
            log(f"step {step}: arignote {mine:.6f}, torch {other:.6f}, difference {100 * abs(mine / other - 1):.4f} %")
    worst = max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True))
    log(f"largest difference {100 * worst:.4f} %; " + ", ".join(f"{k} {s:.1f} s" for k, s in seconds.items()))
    answers = task.words.answer(analogies)
    asked, right = sum(a.asked for a in answers), sum(a.right for a in answers)
    log(f"analogies: {right} of {asked} right, {sum(a.skipped for a in answers)} skipped")
    found = task.words.correlate(similarities)
    for one in found:
        log(f"{one.name}: Spearman {one.rho:.3f} over {one.pairs} pairs, {one.skipped} skipped")
    return {
        "model": name, "data": task.data_name, "settings": asdict(model), "at": at, "arignote": ours, "torch": theirs,
        "worst": worst, "seconds": seconds, "analogies": {"asked": asked, "right": right},
        "spearman": {s.name: {"rho": s.rho if s.rho == s.rho else None, "pairs": s.pairs} for s in found},
    }  # fmt: skip


class _Torch:
    """The same training in PyTorch: the loss of its own functions, its automatic derivatives."""

    def __init__(self, task: Any) -> None:
        import torch

        self.torch, self.task, self.model = torch, task, task.model
        self.vectors = [torch.from_numpy(p.get_value()).requires_grad_() for p in task.parameters.values()]
        window = task.model.window
        self.text = torch.from_numpy(np.pad(task.texts["train"], window)).long()
        self.around = torch.tensor([i for i in range(2 * window + 1) if i != window])
        self.noise = self._noise() if task.model.negatives else None

    def _noise(self) -> Iterator[Any]:
        """The negative words of each step: drawn from the same stream."""
        import arignote as ar
        from arignote.models.wordmodel import noise_table

        drawn = ar.function([], self.task.draw(self.model.negatives))
        table = noise_table(self.task.vocabulary)
        while True:
            yield self.torch.from_numpy(table[drawn()]).long()

    def step(self, batch: int) -> float:
        torch, size = self.torch, self.task.batch
        at = batch * size + torch.arange(size)
        centre, context = self.text[at + self.model.window], self.text[at[:, None] + self.around]
        loss = self._loss(centre, context)
        grads = torch.autograd.grad(loss, self.vectors)
        with torch.no_grad():
            for vectors, grad in zip(self.vectors, grads, strict=True):
                vectors.sub_(grad, alpha=self.model.rate)
        return float(loss.detach())

    def _loss(self, centre: Any, context: Any) -> Any:
        functional = self.torch.nn.functional
        w, u = self.vectors[0], self.vectors[-1]
        bag = self.model.targets() == 1
        h = functional.embedding(context, w).mean(dim=1) if bag else functional.embedding(centre, w)
        words = centre[:, None] if bag else context
        if self.noise is None:
            logits = functional.linear(h, u)
            return functional.cross_entropy(logits.repeat_interleave(words.shape[1], dim=0), words.flatten())
        right = self.torch.bmm(functional.embedding(words, u), h[:, :, None])
        wrong = self.torch.bmm(functional.embedding(next(self.noise), u), h[:, :, None])
        return -(functional.logsigmoid(right).sum() + functional.logsigmoid(-wrong).sum()) / words.numel()

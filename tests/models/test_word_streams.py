"""Deep recurrent networks of chapter 10: parameters, training against PyTorch, masks, states that go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arignote.models.book.deep_transition import DeepTransition
from arignote.models.book.rhn import Rhn
from arignote.models.book.stacked_lstm import StackedLstm
from arignote.models.book.stacked_rnn import StackedRnn
from arignote.models.data.text import Corpus
from arignote.models.model import SettingError
from arignote.models.training import Schedule, train
from arignote.models.wordstream import Noise, StreamModel, StreamTask, pieces

BATCH, STEPS, HIDDEN, LAYERS = 3, 5, 6, 2
KINDS: list[type[StreamModel]] = [StackedRnn, StackedLstm, DeepTransition, Rhn]
NO_NOISE: dict[str, Any] = dict.fromkeys(("drop_words", "drop_inputs", "drop_states", "drop_outputs"), 0.0)


def corpus() -> Corpus:
    words = [f"w{i}" for i in np.random.RandomState(0).randint(0, 12, size=300)]
    return Corpus("made up", tuple(words), tuple(words[:120]), tuple(words[:120]), "a test")


def made(kind: type[StreamModel], dtype: str = "float64", **settings: Any) -> StreamTask:
    if kind is Rhn:
        settings = {"depth": 3, **settings}
    sizes: dict[str, Any] = {"batch": BATCH, "steps": STEPS, "hidden": HIDDEN, "layers": LAYERS}
    sizes.update(init=0.5, clip=0.5)
    return StreamTask(kind(**{**sizes, **settings}), corpus(), seed=1, dtype=dtype)


def test_parameters_are_as_many_as_the_books() -> None:
    assert StackedRnn().count() == 15_203_150
    assert StackedLstm().count() == 35_882_600
    assert Rhn().count() == 84_172_000
    task = made(Rhn)
    assert task.model.count(len(task.vocabulary)) == sum(p.get_value().size for p in task.parameters.values())


def states_after(torch: Any, kind: type[StreamModel], p: Any, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    """One step of the whole stack, as the formulas say."""
    states, n = list(states), HIDDEN
    if kind is DeepTransition:
        h = torch.tanh(x @ p["W"] + states[0] @ p["R0"] + p["b0"])
        for k in range(1, LAYERS):
            h = torch.tanh(h @ p[f"R{k}"] + p[f"b{k}"])
        return h, [h]
    for k in range(LAYERS):
        if kind is StackedRnn:
            x = states[k] = torch.tanh(x @ p[f"W{k}"] + states[k] @ p[f"R{k}"] + p[f"b{k}"])
        elif kind is StackedLstm:
            h, c = states[2 * k : 2 * k + 2]
            gates = x @ p[f"W{k}"] + h @ p[f"R{k}"] + p[f"b{k}"]
            i, f, o = (torch.sigmoid(gates[:, g * n : (g + 1) * n]) for g in range(3))
            c = f * c + i * torch.tanh(gates[:, 3 * n :])
            x = o * torch.tanh(c)
            states[2 * k : 2 * k + 2] = [x, c]
        else:
            s = states[k]
            for d in range(3):
                h = s @ p[f"RH{k}_{d}"] + p[f"bH{k}_{d}"]
                t = s @ p[f"RT{k}_{d}"] + p[f"bT{k}_{d}"]
                if d == 0:
                    h, t = h + x @ p[f"WH{k}"], t + x @ p[f"WT{k}"]
                s = torch.tanh(h) * torch.sigmoid(t) + s * (1 - torch.sigmoid(t))
            x = states[k] = s
    return x, states


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_that_of_pytorch(kind: type[StreamModel]) -> None:
    """Losses of pieces of text that follow each other, with clipped gradients, and the parameters afterwards."""
    torch = pytest.importorskip("torch")
    task = made(kind, **NO_NOISE)
    p = {name: torch.tensor(v.get_value(), requires_grad=True) for name, v in task.parameters.items()}
    text = torch.tensor(pieces(task.vocabulary.encode(corpus().train), BATCH)).long()
    states = [torch.zeros(BATCH, HIDDEN, dtype=torch.float64)] * (task.model.n_states * task.model.stack())
    ours, theirs = [], []
    for i in range(4):
        states, scores = [s.detach() for s in states], []
        for t in range(i * STEPS, (i + 1) * STEPS):
            h, states = states_after(torch, kind, p, p["words"][text[t]], states)
            scores.append(h @ p["words"].T + p["by"])
        wanted = text[i * STEPS + 1 : (i + 1) * STEPS + 1].flatten()
        loss = torch.nn.functional.cross_entropy(torch.cat(scores), wanted)
        theirs.append(loss.item())
        gradients = torch.autograd.grad(loss, list(p.values()))
        norm = torch.sqrt(sum((g**2).sum() for g in gradients))
        with torch.no_grad():
            for q, g in zip(p.values(), gradients, strict=True):
                q -= 0.2 * g * 0.5 / max(norm, torch.tensor(0.5, dtype=torch.float64))
        ours.append(float(task.steps.train(i)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    for name, q in p.items():
        value = task.parameters[name].get_value()
        np.testing.assert_allclose(value, q.detach().numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_change_from_piece_to_piece_and_runs_resume(kind: type[StreamModel], tmp_path: Path) -> None:
    def run(epochs: int, name: str, resume: bool) -> StreamTask:
        task = made(kind, dtype="float32")
        schedule = Schedule(epochs, task.n_batches, interval=7, by_loss=True)
        train(task.steps, schedule, path=tmp_path / name, resume=resume)
        return task

    whole = run(2, "whole", False)
    run(1, "parts", False)
    parts = run(2, "parts", True)
    for name, value in whole.snapshot().items():
        np.testing.assert_array_equal(parts.snapshot()[name], value, err_msg=name)
    before = whole.snapshot()
    losses = []
    for _ in range(2):  # the same parameters and states, other masks
        whole.restore({**before, **{k: v for k, v in whole.snapshot().items() if k.startswith("noise")}})
        losses.append(float(whole.train(1, 0.0)))
    assert losses[0] != losses[1]


def test_a_mask_stays_over_the_steps() -> None:
    """With inputs and weights of one, what comes out shows the mask: it is the same in every step."""
    import arignote as ar
    import arignote.tensor as T
    from arignote.frontends.tensor.random import RandomStreams

    model = StackedRnn(batch=4, hidden=50, layers=1, **{**NO_NOISE, "drop_states": 0.5})
    p = {"W0": T.zeros((50, 50)), "R0": T.constant(np.eye(50)), "b0": T.zeros((50,))}
    x = T.tensor3("x", dtype="float64")
    noise = Noise(RandomStreams(2), "float64")
    out, _ = model.run(p, x, [T.ones((4, 50), "float64")], noise)
    f = ar.function([x], out)
    first, second = f(np.zeros((3, 4, 50))), f(np.zeros((3, 4, 50)))
    zero = first == 0
    assert 0.3 < zero.mean() < 0.7
    assert (zero == zero[:1]).all(), "one mask for all steps"
    np.testing.assert_allclose(first[0][~zero[0]], np.tanh(2.0))
    assert (second[0] != first[0]).any(), "another one in the next call"


def test_bad_settings() -> None:
    with pytest.raises(SettingError, match=r"stacked_rnn: drop_states is at least 0 and below 1, not 1\.0"):
        StackedRnn(drop_states=1.0)
    with pytest.raises(SettingError, match="rhn: depth must be at least 1, not 0"):
        Rhn(depth=0)
    with pytest.raises(SettingError, match="the train text of made up has 300 words"):
        made(StackedRnn, batch=100)

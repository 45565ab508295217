"""The network for source code: statements and their type errors, masks, training against PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import arignote as ar
from arignote.frontends.cli.main import main
from arignote.models.book.code_rnn import CodeRnn
from arignote.models.codetask import CodeTask
from arignote.models.data import DataError
from arignote.models.data.statements import Code, load_statements, places, statements, with_errors
from arignote.models.model import SettingError
from arignote.models.training import Schedule, train

HIDDEN = 5
SOURCE = '''"""A text."""
def area(side, scale=2):  # a remark
    return side * side - 1

if area(3) >= 4.5:
    print("%d units" % area(3),
          "end")
name = "-".join(f"{n + 1}" "s" for n in range(9))
'''


def task(cell: str = "lstm", dtype: str = "float64", **settings: Any) -> CodeTask:
    found = list(with_errors(list(statements(SOURCE)) * 3, 0))
    model = CodeRnn(cell=cell, hidden=HIDDEN, batch=4, **settings)
    return CodeTask(model, Code("made up", *(tuple(found),) * 3, "a test"), seed=1, dtype=dtype)


def test_statements_and_places_for_errors() -> None:
    found = [" ".join(s) for s in statements(SOURCE)]
    assert found == [
        "def area ( side , scale = <number> ) :",
        "return side * side - <number>",
        "if area ( <number> ) >= <number> :",
        "print ( <string> % area ( <number> ) , <string> )",
        "name = <string> . join ( <string> <string> for n in range ( <number> ) )",
    ]
    assert [[s.split()[i] for i in places(s.split())] for s in found] == [
        [], ["<number>"], ["<number>"], ["<string>"], ["<string>"],
    ]  # fmt: skip
    assert list(statements("x = (1 +\n")) == []
    many = list(with_errors([tuple(found[1].split())] * 400, 0))
    assert 150 < sum(s.error is not None for s in many) < 250
    wrong = next(s for s in many if s.error is not None)
    assert wrong.error == 5 and wrong.tokens[5] == "<string>" and wrong.judged


def test_the_standard_library() -> None:
    code = load_statements(most=3000)
    assert [len(part) for part in (code.train, code.valid, code.test)] == [2700, 150, 150]
    judged = [s for s in code.train if s.judged]
    assert 0.3 < np.mean([s.error is not None for s in judged]) < 0.7


def test_minibatches() -> None:
    made = task()
    x, y, mask, wrong, clean, judged = made.minibatches["train"][-1]
    assert x.shape == y.shape == mask.shape == wrong.shape and x.shape[1] == 4
    for column in range(4):
        n = int(mask[:, column].sum())
        if n:
            assert x[0, column] == 0 and y[n - 1, column] == 1, "from <start> to <end>"
            assert wrong[n - 1, column] == 1 - clean[column]
            assert judged[column] or clean[column]
    rows = sum(int(b[2].any(0).sum()) for b in made.minibatches["train"])
    assert rows == 15


def torch_states(torch: Any, cell: str, p: Any, hot: Any, mask: Any) -> Any:
    """States after each token, as the formulas say."""
    h = torch.zeros(4, HIDDEN, dtype=torch.float64)
    c, n, out = h, HIDDEN, []
    for x, m in zip(hot @ p["Wx"] + p["b"], mask[..., None], strict=True):
        more = h @ p["Wh"]
        if cell == "rnn":
            new = torch.tanh(x + more)
        elif cell == "gru":
            r, z = (torch.sigmoid((x + more)[:, g * n : (g + 1) * n]) for g in range(2))
            new = z * h + (1 - z) * torch.tanh(x[:, 2 * n :] + r * more[:, 2 * n :])
        else:
            i, f, o = (torch.sigmoid((x + more)[:, g * n : (g + 1) * n]) for g in range(3))
            cell_state = f * c + i * torch.tanh((x + more)[:, 3 * n :])
            new, c = o * torch.tanh(cell_state), m * cell_state + (1 - m) * c
        h = m * new + (1 - m) * h
        out.append(h)
    return torch.stack(out)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_training_is_that_of_pytorch(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("arignote.optim.adam", ar.optim.sgd)  # the two Adams differ in where epsilon is added
    made = task(cell, rate=0.5)
    p = {name: torch.tensor(v.get_value(), requires_grad=True) for name, v in made.parameters.items()}
    optimiser = torch.optim.SGD(p.values(), lr=made.model.rate)
    for batch in made.minibatches["train"][:3]:
        x, y, mask, wrong, clean, judged = map(torch.tensor, batch)
        hot = torch.nn.functional.one_hot(x.long(), len(made.alphabet)).double()
        states = torch_states(torch, cell, p, hot, mask)

        def loss(W: Any, b: Any, wanted: Any, weights: Any, states: Any = states) -> Any:
            logs = torch.log_softmax(states @ W + b, -1)
            picked = torch.gather(logs, 2, wanted.long()[..., None])[..., 0]
            return -(picked * weights).sum() / max(1, weights.sum())

        cost = loss(p["Wy"], p["by"], y, mask * clean) + loss(p["Wc"], p["bc"], wrong, mask * judged)
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
        np.testing.assert_allclose(float(made.train(*batch)), cost.item(), rtol=1e-9)
    for name, q in p.items():
        np.testing.assert_allclose(made.parameters[name].get_value(), q.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_padding_changes_nothing() -> None:
    made = task()
    batch = made.minibatches["train"][0]
    *rows, clean, judged = batch
    longer = [np.pad(a, [(0, 3), (0, 0)]) for a in rows]
    longer[3][-3:] = rows[3][-1]
    np.testing.assert_allclose(made.valid(*longer, clean, judged), made.valid(*batch), rtol=1e-12)


def test_it_learns_and_resumes(tmp_path: Path) -> None:
    def run(epochs: int, name: str, resume: bool) -> CodeTask:
        made = task(dtype="float32", rate=0.02)
        train(made.steps, Schedule(epochs, made.n_batches, interval=50), path=tmp_path / name, resume=resume)
        return made

    run(10, "parts", False)
    again, whole = run(40, "parts", True), run(40, "whole", False)
    loss, error = whole.measured("train")
    assert loss < 1 and error < 0.2
    for name, value in whole.snapshot().items():
        np.testing.assert_array_equal(again.snapshot()[name], value, err_msg=name)


def test_the_command_and_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sources").mkdir()
    for i in range(12):
        Path(f"sources/part{i}.py").write_text(SOURCE * 4)
    options = ["--data", "sources", "--epochs", "1", "--set", "hidden=8"]
    result = CliRunner().invoke(main, ["train", "code_rnn", *options])
    assert result.exit_code == 0, result.output
    assert "type errors told right" in result.output and Path("runs/code_rnn/learning_curves.png").exists()
    Path("sources/part0.py").rename("one.py")
    with pytest.raises(DataError, match="100 statements or more, found 20"):
        load_statements("one.py")
    with pytest.raises(SettingError, match="cell is rnn, gru, lstm, not 'elman'"):
        CodeRnn(cell="elman")

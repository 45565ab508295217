"""`arignote explore`: the data of a page, and the page in Chromium, where it is installed."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import arignote as ar
import arignote.tensor as T
from arignote.frontends.cli.main import main
from arignote.frontends.explore.page import page as make_page
from arignote.frontends.explore.record import Recording, record
from arignote.ir.parse import parse_module

PROGRAM = Path(__file__).with_name("program.ari")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def recording() -> Recording:
    """A training step with a loop, called."""
    x = T.tensor3("x", dtype="float32")
    w = ar.shared(np.full((4, 4), 0.1, np.float32), name="w")
    h0 = T.zeros((8, 4), "float32")
    hs, _ = ar.scan(lambda xt, h: T.tanh(xt + T.dot(h, w)), sequences=[x], outputs_info=[h0])
    cost = T.mean(T.sqr(hs[-1]))
    train = ar.function([x], cost, updates=[(w, w - np.float32(0.1) * ar.grad(cost, w))], name="train")
    return record(train, [np.ones((12, 8, 4), np.float32)])


@pytest.fixture(scope="module")
def html(recording: Recording) -> str:
    return make_page(recording)


def part(html: str, name: str) -> Any:
    found = re.search(rf'<script type="application/octet-stream" id="{name}">([^<]*)</script>', html)
    assert found is not None
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def test_a_page_asks_for_nothing_else(html: str) -> None:
    assert not re.findall(r"(?:https?:)?//[\w.]+\.\w+/|<link|\bimport\(|fetch\(|src=", html)
    assert "@STYLE@" not in html and "@SCRIPT@" not in html and "@PARTS@" not in html


def test_steps_are_the_passes_that_changed_something(html: str, recording: Recording) -> None:
    index = part(html, "index")
    titles = [s["title"] for s in index["steps"]]
    assert titles[:3] == ["recorded", "grad", "specialize"] and titles[-2:] == ["fuse", "plan"]
    assert all(any(s["changes"]) for s in index["steps"][1:])
    for i, step in enumerate(recording.steps):
        columns = part(html, f"part-{i}")
        lengths = {len(columns[k]) for k in ("text", "depth", "scope", "op", "change", "was", "loc", "cost", "fold")}
        assert len(lengths) == 1
        texts = [index["texts"][t] for t, c in zip(columns["text"], columns["change"], strict=True) if c != 4]
        printed = str(step.func).splitlines()
        assert len(texts) == len(printed)
        assert [t.strip() for t in texts[1:-1]] == [p.strip() for p in printed[1:-1]]
        ops = [op for op, c in zip(columns["op"], columns["change"], strict=True) if op >= 0]
        assert len(set(ops)) == len(ops), "a number is one op"


def test_ops_keep_their_numbers_and_have_times_and_kernels(html: str, recording: Recording) -> None:
    index = part(html, "index")
    last = len(index["steps"]) - 1

    def tanh(i: int) -> int:
        columns = part(html, f"part-{i}")
        texts = [index["texts"][t] for t in columns["text"]]
        rows = [r for r, t in enumerate(texts) if "= tanh(" in t and columns["change"][r] != 4]
        assert len(rows) == 1
        file, line, around = index["locs"][columns["loc"][rows[0]]]
        assert Path(file).resolve() == Path(__file__).resolve() and "T.tanh" in around[min(2, line - 1)]
        return int(columns["op"][rows[0]])

    assert tanh(last - 2) == tanh(last - 1) == tanh(last)
    number = str(tanh(last))
    (holder,) = index["times"][number]
    count, ns = index["times"][str(-1 - holder)]
    assert count == 12 * index["calls"] and ns > 0
    (name,) = index["kernels"][str(-1 - holder)]
    assert "def " + index["texts"][name] in index["texts"][index["code"][str(name)]]
    total = sum(ns for _, ns in recording.times.values())
    assert 0 < total <= index["callNs"]
    memory = index["memory"]
    assert memory["lives"] and max(memory["curve"]) == memory["peak"] <= memory["arena"]


def test_the_command_writes_pages_of_files(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["explore", str(PROGRAM), "-o", str(out)])
    assert done.exit_code == 0, done.output
    index = part(out.read_text(), "index")
    assert index["name"] == "step" and index["calls"] == 0 and index["times"] == {}
    cse = next(i for i, s in enumerate(index["steps"]) if s["title"] in ("cse", "canonicalize"))
    assert index["steps"][cse]["changes"][3] >= 0
    cuda = CliRunner().invoke(main, ["explore", str(PROGRAM), "-o", str(out), "--device", "cuda"])
    assert cuda.exit_code == 0, cuda.output
    titles = [s["title"] for s in part(out.read_text(), "index")["steps"]]
    assert "place" in titles, "transfers are a step of their own"


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["explore", str(tmp_path / "no.ari")])
    assert done.exit_code == 1 and "no.ari" in done.output and "Traceback" not in done.output


# ---------------------------------------------------------------- in a browser
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[dev]')")
    path = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if path is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    with playwright.sync_playwright() as p:
        running = p.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def view(browser: Any, html: str, tmp_path: Path) -> Iterator[Any]:
    file = tmp_path / "page.html"
    file.write_text(html, encoding="utf-8")
    context = browser.new_context(viewport={"width": 1300, "height": 850}, color_scheme="light", offline=True)
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda e: errors.append(str(e)))
    tab.goto(file.as_uri())
    tab.wait_for_selector("body[data-ready]")
    yield tab
    context.close()
    assert not errors


def at_step(view: Any, i: int) -> None:
    view.wait_for_selector(f'body[data-step="{i}"]')


def colours(view: Any, id: str) -> int:
    """How many different colours a canvas shows."""
    script = """id => { const c = document.getElementById(id);
        const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
        return new Set(d).size }"""
    return int(view.evaluate(script, id))


def pixels(view: Any) -> np.ndarray:
    """A screenshot as red, green and blue in 0..1."""
    image = pytest.importorskip("matplotlib.image")
    return np.asarray(image.imread(io.BytesIO(view.screenshot())))[:, :, :3]


def different(a: np.ndarray, b: np.ndarray) -> float:
    """The share of pixels that differ visibly: edges of glyphs may be drawn a little differently each time."""
    return float((np.abs(a - b).max(axis=2) > 0.1).mean())


def test_sliding_searching_and_clicking(view: Any, recording: Recording) -> None:
    last = len(recording.steps) - 1
    at_step(view, 0)
    assert "func @train" in view.inner_text(".row >> nth=0")
    view.keyboard.press("End")
    at_step(view, last)
    view.fill("#search", "fused(")
    fused = sum(op.name == "fused" for op in recording.steps[-1].func.ops)
    found = int(view.inner_text("#hits").split()[0])
    assert found >= fused > 0
    view.press("#search", "Enter")
    assert view.inner_text("#hits") == f"1 of {found}"
    assert "fused" in view.inner_text(".row.sel")
    details = view.inner_text("#details")
    assert "Kernel k" in details and "T.prim_func" in details and "Measured" in details
    assert "test_page.py" in view.inner_text("#loc")
    selected = view.evaluate("page.selected")
    view.keyboard.press("Escape")
    view.evaluate("document.getElementById('text').focus()")
    view.keyboard.press("ArrowLeft")
    at_step(view, last - 1)
    assert view.evaluate("page.part.op.includes(page.selected)") and view.evaluate("page.selected") == selected


def test_uses_of_a_value_are_marked(view: Any) -> None:
    view.keyboard.press("ArrowRight")
    at_step(view, 1)
    value = view.locator(".row .v").nth(3)
    name = value.inner_text()
    value.click()
    marked = view.eval_on_selector_all(".use", "all => all.map(e => e.textContent)")
    assert len(marked) >= 2 and set(marked) == {name}


def test_regions_fold_and_only_changes_are_shown(view: Any, recording: Recording) -> None:
    view.keyboard.press("End")
    at_step(view, len(recording.steps) - 1)
    rows = view.evaluate("page.text.visible.length")
    view.keyboard.press("f")
    assert view.evaluate("page.text.visible.length") < rows
    view.keyboard.press("f")
    assert view.evaluate("page.text.visible.length") == rows
    view.keyboard.press("Home")
    at_step(view, 0)
    view.keyboard.press("ArrowRight")
    view.keyboard.press("ArrowRight")
    at_step(view, 2)
    view.keyboard.press("o")
    shown = view.evaluate("page.text.visible.map(r => [page.part.change[r], page.part.depth[r]])")
    assert shown and all(change or depth == 0 for change, depth in shown)
    view.keyboard.press("c")
    assert view.evaluate("page.part.change[page.currentRow()]") > 0


def test_graph_and_workspace_are_drawn_and_answer_clicks(view: Any, recording: Recording) -> None:
    view.keyboard.press("End")
    at_step(view, len(recording.steps) - 1)
    assert colours(view, "graph") > 20 and colours(view, "arena") > 3
    place = view.evaluate(
        """() => { const g = page.graph, b = g.boxes.find(b => page.part.op[b[0]] >= 0 && b[2] === 0);
        const r = g.canvas.getBoundingClientRect(); g.x = 20 - b[3] * g.scale; g.y = 20 - b[4] * g.scale; g.draw();
        return [r.x + 20 + 8 * g.scale, r.y + 20 + 8 * g.scale, page.part.op[b[0]]] }"""
    )
    view.mouse.click(place[0], place[1])
    assert view.evaluate("page.selected") == place[2]
    assert "Operation" in view.inner_text("#details")
    life = view.evaluate(
        """() => { const r = page.arena.canvas.getBoundingClientRect(), l = page.arena.memory.lives.at(-1);
        const [x, y, w, h] = page.arena.box(l); return [r.x + x + w / 2, r.y + y + h / 2] }"""
    )
    view.mouse.click(*life)
    assert "arena+" in view.inner_text("#details")


def test_light_dark_and_print(view: Any) -> None:
    light = view.evaluate("getComputedStyle(document.body).backgroundColor")
    shot = pixels(view)
    assert different(pixels(view), shot) < 0.002, "nothing moves by itself"
    view.keyboard.press("t")
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert different(pixels(view), shot) > 0.9
    view.keyboard.press("t")
    assert different(pixels(view), shot) < 0.002
    view.keyboard.press("ArrowRight")
    at_step(view, 1)
    assert 0.002 < different(pixels(view), shot) < 0.6
    view.emulate_media(media="print")
    view.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert view.locator(".row").count() == view.evaluate("page.text.visible.length")
    assert view.pdf()[:4] == b"%PDF"


def test_long_lines_and_marks_cost_little(browser: Any, tmp_path: Path) -> None:
    """Of a long line only a part is in the page; a selection draws marks, not the picture again."""
    params = ", ".join(f"%input{i}: f32[4]" for i in range(120))
    sums = "".join(f"  %s{i} = add(%{f's{i - 1}' if i else 'input0'}, %input{i}) : f32[4]\n" for i in range(120))
    text = f"func @wide({params}) -> (f32[4]) {{\n{sums}  return(%s119)\n}}\n"
    file = tmp_path / "wide.html"
    file.write_text(make_page(record(parse_module(text)["wide"])), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1300, "height": 850})
    tab.goto(file.as_uri())
    tab.wait_for_selector("body[data-ready]")
    head = tab.locator(".row").first
    assert "%input5:" in head.inner_text() and "%input119" not in head.inner_text()
    assert re.search(r"… \d+ more characters$", head.inner_text())
    tab.fill("#search", "input119")
    tab.press("#search", "Enter")
    assert head.locator(".hit").first.inner_text() == "input119" and "%input5:" not in head.inner_text()
    tab.press("#search", "Escape")
    counted = """() => { globalThis.painted = 0; const g = page.graph, paint = g.paint.bind(g);
        g.paint = (c) => { painted++; paint(c); }; g.zoom(0.5); g.zoom(2); return painted }"""
    assert tab.evaluate(counted) == 2
    at = """() => { const g = page.graph, r = g.canvas.getBoundingClientRect();
        const b = g.boxes.find(b => page.part.op[b[0]] >= 0);
        g.x = 40 - b[3] * g.scale; g.y = 40 - b[4] * g.scale; g.draw();
        return [r.x + 45, r.y + 45, page.part.op[b[0]]] }"""
    x, y, op = tab.evaluate(at)
    before = tab.evaluate("page.graph.canvas.toDataURL()")
    tab.mouse.click(x, y)
    assert tab.evaluate("page.selected") == op and tab.locator(".row.sel").count() == 1
    assert tab.evaluate("page.graph.canvas.toDataURL()") != before
    tab.keyboard.press("Escape")
    assert tab.evaluate("page.graph.canvas.toDataURL()") == before
    assert tab.evaluate("painted") == 3, "only the marks are drawn for a selection"
    tab.close()

"""The documents agree with the program: dumps, examples and commands."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType

import pytest

import arignote as ar
from arignote.frontends.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{name}.md" for name in ("architecture", "gallery", "layers", "lesson", "theano-users")),
)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["architecture.md", "lesson.md"])
def test_dumps_are_up_to_date(name: str, generate: ModuleType) -> None:
    document = (ROOT / "docs" / name).read_text(encoding="utf-8")
    found = generate.DOCUMENTS[name]()
    assert generate.renew(document, found) == document, "run: python docs/generate.py"
    # Blocks that nobody fills, and dumps that nobody shows; some are made on x86-64 only.
    named = {match[2] for match in generate.BLOCK.finditer(document)}
    assert named - {"llvm", "asm"} == found.keys() - {"llvm", "asm"}


def test_renew_replaces_only_what_it_is_given(generate: ModuleType) -> None:
    text = (
        "a\n<!-- dump: one -->\n```\nold\n```\n<!-- end -->\nb\n"
        "<!-- dump: two -->\n```python\nkept\n```\n<!-- end -->\n"
    )
    assert generate.renew(text, {"one": "new\n"}) == text.replace("old", "new")


def python_blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)


def test_the_example_of_the_readme_runs() -> None:
    (example,) = python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    scope: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), scope)
    assert float(scope["loss"]) == pytest.approx(2.302585, rel=1e-6)  # type: ignore[arg-type]


def test_the_examples_for_users_of_theano_run() -> None:
    document = (ROOT / "docs" / "theano-users.md").read_text(encoding="utf-8")
    scope: dict[str, object] = {}
    blocks = python_blocks(document)
    assert blocks
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block, "theano-users.md", "exec"), scope)


def test_the_examples_of_layers_run() -> None:
    document = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    scope: dict[str, object] = {"__name__": "layers_md"}
    before = ar.config.floatX
    try:
        for block in python_blocks(document):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block, "layers.md", "exec"), scope)
    finally:
        ar.config.floatX = before


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_commands_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^)arignote ([a-z]+)", text, re.MULTILINE))
    assert named <= set(COMMANDS), named - set(COMMANDS)
    assert set(COMMANDS) <= named, "the overview lists every command"
    targets = set(re.findall(r"^make (\w+)", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"\n{target}:" in makefile for target in targets)


def test_the_readme_has_a_place_for_benchmarks() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- bench:begin -->") == text.count("<!-- bench:end -->") == 1
    assert text.index("<!-- bench:begin -->") < text.index("<!-- bench:end -->")

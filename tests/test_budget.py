"""Files stay short enough to be read in one sitting."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 500  # lines; the aim is 400
FOLDERS = ("arignote", "ir", "passes", "codegen", "frontends", "models", "tests", "bench")


def sources() -> list[Path]:
    """All Python files, each once (links are not followed)."""
    return [
        file
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*.py")
        if not any(parent.is_symlink() for parent in file.parents)
    ]


def test_no_source_file_is_longer_than_the_limit() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in sources()
    }
    assert "models/training/loop.py" in lengths
    assert {file: n for file, n in lengths.items() if n > LIMIT} == {}

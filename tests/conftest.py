"""Options of the whole test suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` rewrites the expected halves of golden tests; review the difference."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the expected output of golden tests instead of comparing with it",
    )


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled code of the tests is kept apart: neither read from the user's cache nor left in it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARIGNOTE_CACHE_DIR", str(folder))
        yield folder

"""Options of the whole test suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` rewrites the expected halves of golden tests; review the difference."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the expected output of golden tests instead of comparing with it",
    )

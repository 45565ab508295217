"""The package's public names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from arignote import ir


@pytest.mark.parametrize("name", ir.__all__)
def test_public_names_load(name: str) -> None:
    assert getattr(ir, name).__name__ == name
    assert name in dir(ir)


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ir.nothing


def test_importing_the_package_loads_nothing_else() -> None:
    script = "import sys, arignote.ir; print('numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"

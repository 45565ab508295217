"""Modes that functions are run in, and settings that do not leak from one test to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from arignote.frontends.tensor import config
from arignote.frontends.tensor.compiler import Executable, Reference, set_backend
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.sharedvar import Container
from arignote.ir.core import Func


def interpreting_backend(func: Func, containers: Sequence[Container], mode: Mode) -> Executable:
    """Runs the optimised, specialised function with the interpreter."""
    return Reference(func, containers)


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """The default settings."""
    with config.change_flags(
        floatX="float64", device="cpu", mode="FAST_RUN", optimizer="fast_run"
    ):
        yield


@pytest.fixture
def interpreted() -> Iterator[None]:
    """Optimised functions are interpreted."""
    before = set_backend(interpreting_backend)
    yield
    set_backend(before)


@pytest.fixture(params=["reference", "optimised", "native"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each way to run a function: as recorded; specialised and optimised; as machine code."""
    if request.param == "reference":
        with config.change_flags(mode="reference"):
            yield "reference"
        return
    before = set_backend(interpreting_backend if request.param == "optimised" else None)
    yield "FAST_RUN"
    set_backend(before)

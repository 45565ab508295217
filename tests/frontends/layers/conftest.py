"""Layers in float64, from one seed."""

from collections.abc import Iterator

import pytest

import arignote as ar
from arignote import layers as L


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    with ar.change_flags(floatX="float64"), L.seeded(3):
        yield

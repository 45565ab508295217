"""Errors of building and calling functions."""

from __future__ import annotations

from arignote.ir.diag import LinAlgError as LinAlgError
from arignote.passes.grad import DisconnectedInputError as DisconnectedInputError
from arignote.passes.grad import GradientError as GradientError
from arignote.passes.grad import NotDifferentiableError as NotDifferentiableError


class UnusedInputError(Exception):
    """An input of a function that its outputs and updates do not need."""


class MissingInputError(Exception):
    """A variable that outputs or updates need, but that is no input of the function."""


class ShapeGuardError(Exception):
    """Raised by an executable before it changes anything: a dimension that it was specialised to
    has another size in this call. `sizes` maps the symbols to their sizes."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__(", ".join(f"{s} is {n}" for s, n in sizes.items()))
        self.sizes = sizes

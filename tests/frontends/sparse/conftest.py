"""Modes and settings, as in the tests of tensors."""

from tests.frontends.tensor.conftest import mode as mode
from tests.frontends.tensor.conftest import settings as settings

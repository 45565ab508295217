"""Passes: functions in, functions out. `pipelines` lists them; `grad` derives gradients."""

from __future__ import annotations

from arignote.passes.base import Pass, Pipeline, find_pass, list_passes, parse_pipeline, rebuild
from arignote.passes.grad import (
    DisconnectedInputError,
    GradientError,
    NotDifferentiableError,
    derive,
)
from arignote.passes.pipelines import FAST_COMPILE, NONE, OPTIMIZE, PIPELINES, specialized

__all__ = [
    "FAST_COMPILE",
    "NONE",
    "OPTIMIZE",
    "PIPELINES",
    "DisconnectedInputError",
    "GradientError",
    "NotDifferentiableError",
    "Pass",
    "Pipeline",
    "derive",
    "find_pass",
    "list_passes",
    "parse_pipeline",
    "rebuild",
    "specialized",
]

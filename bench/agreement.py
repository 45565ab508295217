"""Peers must compute the same thing before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.workloads import Params

STEPS = 3
FIRST = 1e-4  # for losses before anything was updated, also where rounding makes later ones differ more


class Disagreement(RuntimeError):
    """Peers computed different results, so timing them would compare different work."""


def loss_error(reference: Sequence[float], losses: Sequence[float]) -> float:
    """Largest relative difference of two lists of losses; infinite for a NaN or another length."""
    if len(reference) != len(losses):
        return float("inf")
    worst = 0.0
    for want, got in zip(reference, losses, strict=True):
        scale = max(abs(want), 1e-12)
        error = 0.0 if want == got else abs(got - want) / scale
        worst = max(worst, error if np.isfinite(error) else float("inf"))
    return worst


def params_error(reference: Params, params: Params) -> float:
    """Largest difference of any trained array, relative to the reference's largest entry."""
    if set(reference) != set(params):
        return float("inf")
    worst = 0.0
    for name, want in reference.items():
        got = params[name]
        if got.shape != want.shape or got.dtype != want.dtype or not np.all(np.isfinite(got)):
            return float("inf")
        if want.size:
            scale = max(float(np.abs(want).max()), 1e-12)
            worst = max(worst, float(np.abs(got - want).max()) / scale)
    return worst


def losses_agree(want: Sequence[float], got: Sequence[float], tolerance: float) -> bool:
    """Whether losses of the same steps differ by no more than `tolerance`, and the first ones by `FIRST`."""
    first = loss_error(want[:1], got[:1])
    return first <= min(FIRST, tolerance) and loss_error(want, got) <= tolerance


def check(
    reference: str,
    losses: Mapping[str, Sequence[float]],
    params: Mapping[str, Params],
    tolerance: float = 1e-4,
) -> dict[str, Any]:
    """The record of an agreement, or ``Disagreement`` naming every peer that is off."""
    errors: dict[str, dict[str, float]] = {}
    off: list[str] = []
    for name in losses:
        error = {
            "loss": loss_error(losses[reference], losses[name]),
            "params": params_error(params[reference], params[name]),
        }
        errors[name] = error
        if not losses_agree(losses[reference], losses[name], tolerance):
            off.append(f"{name} has losses {_show(losses[name])} (relative {error['loss']:.1e})")
        elif error["params"] > tolerance:
            off.append(f"{name} has other parameters (relative {error['params']:.1e})")
    if off:
        raise Disagreement(
            f"refused to time: after {len(losses[reference])} steps {reference} has losses "
            f"{_show(losses[reference])}, but {'; '.join(off)}; tolerance {tolerance:.0e}"
        )
    return {
        "reference": reference,
        "steps": len(losses[reference]),
        "tolerance": tolerance,
        "losses": {name: [float(v) for v in values] for name, values in losses.items()},
        "errors": errors,
    }


def _show(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{v:.6g}" for v in values) + "]"

"""``import arignote`` against ``import numpy``, in fresh processes that take turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from bench.environment import ROOT, child_environment, scrub

GOAL_ABOVE_NUMPY_S = 0.15
MODULES = {
    "numpy": "pip install numpy",
    "arignote": "pip install -e . in the root of the checkout",
    "torch": "pip install torch",
    "jax": "pip install jax jaxlib",
    "pytensor": "pip install pytensor",
}
# The loaded compiler is reported too: importing Arignote must not load TVM.
_CODE = (
    "import time; start = time.perf_counter(); import {module}; "
    "took = time.perf_counter() - start; import json, sys; "
    "print(json.dumps([took, 'tvm' in sys.modules]))"
)


def once(module: str, python: str) -> tuple[float, bool] | str:
    """Seconds of one import and whether it loaded TVM, or the reason why it failed."""
    done = subprocess.run(
        [python, "-c", _CODE.format(module=module)],
        cwd=ROOT,
        env=child_environment(1),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        return scrub((done.stderr.strip().splitlines() or ["no message"])[-1])
    seconds, tvm = json.loads(done.stdout.strip().splitlines()[-1])
    return float(seconds), bool(tvm)


def measure(
    modules: Sequence[str], *, repeats: int, log: Callable[[str], None], python: str | None = None
) -> dict[str, Any]:
    """Medians over ``repeats`` processes of each module, after one that is not counted."""
    times: dict[str, list[float]] = {}
    loads_tvm: dict[str, bool] = {}
    missing: dict[str, dict[str, str]] = {}
    for repeat in range(repeats + 1):
        for module in modules:
            if module in missing:
                continue
            took = once(module, python or sys.executable)
            if isinstance(took, str):
                missing[module] = {"reason": took, "remedy": MODULES[module]}
                log(f"missing: {module}: {took} (remedy: {MODULES[module]})")
            elif repeat > 0:  # the first import also writes byte code and fills the page cache
                times.setdefault(module, []).append(took[0])
                loads_tvm[module] = took[1]
    result: dict[str, Any] = {"modules": {}, "missing": missing}
    for module, values in times.items():
        result["modules"][module] = {
            "median_s": statistics.median(values),
            "min_s": min(values),
            "loads_tvm": loads_tvm[module],
        }
        log(f"  {module:10} {statistics.median(values):.3f} s")
    return result

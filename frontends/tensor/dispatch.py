"""The short way from a call to compiled code.

A function that is called a million times must not spend its time in checks: for every function a
small Python function is written, which looks at the arguments once, by identity where that is
possible, and finds the executable by their shapes. Whatever it does not recognise it leaves to the
long way, which converts, checks and explains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from arignote.frontends.tensor.sharedvar import Container
from arignote.frontends.tensor.tensortype import TensorType

#: Calls compiled code, or returns None where it does not know how.
Quick = Callable[..., "list[np.ndarray[Any, Any]] | None"]


def quick_call(
    types: Sequence[TensorType], containers: Sequence[Container], table: Mapping[Any, Any],
    saw_call: Callable[[int, int, int, int], None] | None = None,
) -> Quick:  # fmt: skip
    """The short way for arguments of `types`; `table` has executables by the shapes of arguments
    and shared variables; `saw_call` is told the times of calls, as `ProfileStats` takes them."""
    names = [f"a{i}" for i in range(len(types))]
    scope: dict[str, Any] = {"array": np.array, "ndarray": np.ndarray, "find": table.get}
    lines = [f"def quick({', '.join(names)}):"]
    if saw_call is not None:
        scope |= {"now": time.perf_counter_ns, "saw_call": saw_call}
        lines.append("    begin = now()")
    for name, type in zip(names, types, strict=True):
        scope[f"d_{name}"] = type.numpy_dtype
        # Python numbers that are exact in the dtype of a scalar.
        if type.ndim == 0 and type.dtype == "int64":
            lines += [f"    if {name}.__class__ is int and -0x7fffffff <= {name} <= 0x7fffffff:",
                      f"        {name} = array({name}, d_{name})"]  # fmt: skip
        elif type.ndim == 0 and type.dtype == "float64":
            lines += [f"    if {name}.__class__ is float:", f"        {name} = array({name})"]
    for name in names:
        lines += [f"    if {name}.__class__ is not ndarray or {name}.dtype is not d_{name}:",
                  "        return None"]  # fmt: skip
    for i, container in enumerate(containers):
        scope[f"c{i}"] = container
    shapes = [f"{n}.shape" for n in names] + [f"c{i}.array.shape" for i in range(len(containers))]
    lines += [f"    run = find(({''.join(s + ', ' for s in shapes)}))", "    if run is None:", "        return None"]
    if saw_call is None:
        lines.append(f"    return run({', '.join(names)})")
    else:
        lines += ["    start = now()", f"    results = run({', '.join(names)})", "    end = now()",
                  "    saw_call(begin, end - start, end, 0)", "    return results"]  # fmt: skip
    exec("\n".join(lines), scope)
    quick: Quick = scope["quick"]
    return quick

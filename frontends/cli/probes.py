"""Questions to the machine that may crash or hang: each is asked in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 120.0  # seconds; importing TVM for the first time reads hundreds of megabytes

LLVM = """
import json, tvm
cpu = tvm.get_global_func("tvm.codegen.llvm.GetHostCPUName", allow_missing=True)
print(json.dumps({"tvm": tvm.__version__, "cpu": str(cpu()) if cpu else None}))
"""

BLAS = """
import ctypes, json, pathlib, scipy_openblas32 as blas
path = pathlib.Path(blas.get_lib_dir()) / blas.get_library(fullname=True)
lib = ctypes.CDLL(str(path))
for name in ("scipy_openblas_get_config", "scipy_openblas_get_corename"):
    getattr(lib, name).restype = ctypes.c_char_p
x = (ctypes.c_double * 3)(1, 2, 3)
lib.scipy_cblas_ddot.restype = ctypes.c_double
assert lib.scipy_cblas_ddot(3, x, 1, x, 1) == 14, "a wrong dot product"
print(json.dumps({
    "config": lib.scipy_openblas_get_config().decode(),
    "core": lib.scipy_openblas_get_corename().decode(),
}))
"""

CUDA = """
import ctypes, json
try:
    driver = ctypes.CDLL("libcuda.so.1")
except OSError:
    print(json.dumps({"driver": None}))
    raise SystemExit
version, count = ctypes.c_int(), ctypes.c_int()
driver.cuDriverGetVersion(ctypes.byref(version))
status = driver.cuInit(0)
names = []
if status == 0:
    driver.cuDeviceGetCount(ctypes.byref(count))
    for i in range(count.value):
        name = ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(name, 256, i)
        names.append(name.value.decode(errors="replace"))
driver_version = f"{version.value // 1000}.{version.value % 1000 // 10}"
print(json.dumps({"driver": driver_version, "status": status, "devices": names}))
"""

# The smallest function that needs a kernel, a matrix product and a state.
COMPILE = """
import json, numpy as np, arignote as ar, arignote.tensor as T
x = T.matrix("x", dtype="float32")
w = ar.shared(np.eye(3, dtype=np.float32), name="w")
f = ar.function([x], T.tanh(T.dot(x, w)).sum(), updates=[(w, w + np.float32(1))])
x = np.arange(6, dtype=np.float32).reshape(2, 3)
assert abs(f(x) - np.tanh(x).sum()) < 1e-4 and w.get_value()[0, 0] == 2, "a wrong result"
print(json.dumps({}))
"""


@dataclass(frozen=True)
class Answer:
    """What a probe found: `values`, or None and the `problem`."""

    values: dict[str, Any] | None
    problem: str = ""


def ask(code: str, **environment: str) -> Answer:
    """Run `code` in a fresh interpreter; its last line of output is JSON."""
    # The package may have been found through PYTHONPATH or the current folder.
    root = str(Path(__file__).resolve().parents[2])
    paths = [*(p for p in sys.path if p), *([root] if (Path(root) / "arignote").is_dir() else [])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(None, f"no answer in {TIMEOUT:g} s")
    except OSError as error:
        return Answer(None, str(error))
    if done.returncode < 0:
        return Answer(None, f"the process was ended by signal {-done.returncode}")
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        errors = done.stderr.strip().splitlines()
        return Answer(None, errors[-1] if errors else f"exit code {done.returncode}")
    try:
        values = json.loads(lines[-1])
    except ValueError:
        return Answer(None, f"an unexpected answer: {lines[-1]}")
    return Answer(values) if isinstance(values, dict) else Answer(None, lines[-1])

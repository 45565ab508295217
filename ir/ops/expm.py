"""The matrix exponential, and the repeated squaring that it ends with."""

from __future__ import annotations

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.linalg import t
from arignote.ir.ops.matrices import infer_square, regular
from arignote.ir.ops.rules import Array, Grads, Samples, matrix_flops
from arignote.ir.types import TensorType

#: The largest norm for which the [13/13] Pade approximant is exact to f64's rounding, and its numerator's coefficients
#: (N. Higham, *The scaling and squaring method for the matrix exponential revisited*, SIAM J. Matrix Anal. Appl. 26,
#: 2005, table 2.3 and eq. 2.3), divided by the first one.
THETA = 5.371920351148152
PADE = [1.0]
for _j in range(1, 14):
    PADE.append(PADE[-1] * (14 - _j) / (_j * (27 - _j)))


def _expm(x: Array) -> Array:
    one = np.eye(len(x), dtype=x.dtype)
    norm = np.abs(x).sum(axis=0).max(initial=0)
    times = max(0, int(np.ceil(np.log2(norm / THETA)))) if THETA < norm < np.inf else 0
    a = x / x.dtype.type(2.0**times)
    powers = [one, a @ a]
    powers += [powers[1] @ powers[1]]
    powers += [powers[1] @ powers[2]]
    c = [x.dtype.type(p) for p in PADE]
    even = sum(c[2 * i] * powers[i] for i in range(4)) + powers[3] @ sum(
        c[6 + 2 * i] * powers[i] for i in range(1, 4)
    )
    odd = a @ (
        sum(c[2 * i + 1] * powers[i] for i in range(4))
        + powers[3] @ sum(c[7 + 2 * i] * powers[i] for i in range(1, 4))
    )
    if not np.isfinite(even).all() or not np.isfinite(odd).all():
        return np.full_like(x, np.nan)
    return _repeated_square(np.linalg.solve(even - odd, even + odd), np.asarray(times))


@defop
class expm:
    """expm(a: F[n,n]) -> F[n,n]: the exponential of a matrix, by scaling, a [13/13] Pade approximant, and squaring
    (Higham 2005). Gradient: that of the transpose in the direction of the cotangent, as a block of the exponential of
    a matrix twice as large (R. Mathias, *A chain rule for matrix functions and applications*, SIAM J. Matrix Anal.
    Appl. 17, 1996, th. 2.1). (C1) f32 or f64. (C2) a matrix. (C3) square."""

    traits = ("library", "fallible")
    infer = infer_square
    eval = _expm
    lower = "decompose"
    flops = matrix_flops(20)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        n = out.shape[0]
        a = t(b, x)
        zero = b.full(0, out.type)
        top = b.concatenate(a, ct, axis=1)
        both = b.expm(b.concatenate(top, b.concatenate(zero, a, axis=1), axis=0))
        return (b.slice(both, start=(0, n), size=(n, n), step=(1, 1)),)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        return [((r.normal(size=(n, n)) * scale,), {}) for n, scale in ((3, 0.5), (1, 1.0), (0, 1.0), (2, 5.0))]


def _repeated_square(x: Array, times: Array) -> Array:
    for _ in range(int(times)):
        x = x @ x
    return x.copy()


@defop
class repeated_square:
    """repeated_square(a: F[n,n], times: i64[]) -> F[n,n]: `a` squared so many times. Made of expm by a pass.
    (C1) f32 or f64. (C2) a matrix. (C3) square. (C4) times is i64[]."""

    traits = ("library",)
    eval = _repeated_square
    vjp = None
    lower = "repeated_square"

    @staticmethod
    def infer(x: TensorType, times: TensorType) -> TensorType:
        require(times.dtype == "i64" and times.ndim == 0, f"takes i64[], got {times} (C4)")
        return infer_square(x)

    @staticmethod
    def scratch(x: TensorType, times: TensorType) -> tuple[TensorType, ...]:
        return (x,)

    @staticmethod
    def samples() -> Samples:
        return [((regular(n) / 2, np.asarray(times)), {}) for n, times in ((3, 3), (2, 0), (1, 1), (0, 2))]

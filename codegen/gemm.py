"""Matrix products as generated code, for sizes that are known when compiling: which kernel, and its call.

OpenBLAS chooses its kernels by processor names and environment variables, and packs thin products as it does large
ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.codegen.bitkernel import Bits, takes
from arignote.codegen.dotkernel import Dot
from arignote.codegen.emit import Pointer
from arignote.codegen.exprs import ZERO
from arignote.codegen.microkernels import ITEM, Product, ProductKernel
from arignote.codegen.target import Target
from arignote.codegen.tilekernel import Tile
from arignote.codegen.toolchain import tirx

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter


def dot_rows(p: Product, lanes: int) -> int:
    """The most rows of A for which A.B^T is better done without transposing B: each row has its final sums, which weigh
    less the longer k is, and transposition costs as much for all. Measured at n = 500 to 10000 and k = 64 to 784; where
    n has no two whole vectors, nothing is transposed in registers."""
    return 4 + p.k // 40 if p.n >= 2 * lanes else 64


def choose(p: Product, target: Target) -> str:
    """The kernel for a product: `dot`, `swap`, `tile`, or `blas` where none applies.

    By the static sizes alone, with L lanes in a vector:
    * `dot` where both operands lie along k and B would be transposed for few rows (A.B^T, see `dot_rows`; matrix times
      vector), and for thin A.B, whose n would fill less than 3/4 of its vectors; k must be long enough for the final
      sums.
    * `swap` for thin A^T.B: n <= L < m.
    * `tile` for all others, `blas` for what is empty or not f32 or f64.
    """
    if target.kind != "cpu" or p.dtype not in ITEM or 0 in (p.m, p.n, p.k):
        return "blas"
    lanes = target.lanes(ITEM[p.dtype])
    if not p.ta and p.k >= 4 * lanes:
        most = 12 if target.vector_bytes >= 64 else 6
        thin = not p.tb and p.m > 3 and p.n <= most and 4 * p.n <= 3 * -(-p.n // lanes) * lanes
        if p.n == 1 or (p.tb and p.m <= dot_rows(p, lanes)) or thin:
            return "dot"
    if p.ta and not p.tb and p.n <= lanes < p.m:
        return "swap"
    return "tile"


def kernel(p: Product, kind: str, target: Target) -> ProductKernel:
    """What `choose` chose, or `bits`."""
    if kind == "bits":
        return Bits(p, target)
    return Dot(p, target) if kind == "dot" else Tile(p, target, swap=kind == "swap")


def emit_product(
    host: HostEmitter, p: Product, kind: str, operands: tuple[Pointer, Pointer, Pointer], alpha: Any, binary: bool
) -> None:
    """Call the kernel of a product of a, b, c; equal products share one. `binary`: whether `a` is likely to hold only 0
    and 1."""
    args = [*(x.address() for x in operands), alpha]
    if not (binary and takes(p, host.target)):
        _call(host, p, kind, args)
        return
    _call(host, p, "bits", [*args, host.status.var.data])
    host.when(tirx.NE(host.status.load(ZERO), ZERO), lambda: _call(host, p, kind, args))


def _call(host: HostEmitter, p: Product, kind: str, args: list[Any]) -> None:
    key = f"gemm {kind} {p}"
    if key not in host.known:
        function = kernel(p, kind, host.target).function()
        host.known[key] = (host.define(f"gemm{len(host.functions)}_{kind}", function), None)
    host.invoke(host.known[key][0], args)

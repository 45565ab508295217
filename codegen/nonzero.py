"""The places of true elements, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, i64, mul
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter


def places_of_true(host: HostEmitter, op: Op) -> None:
    """Call a private function of (x, a result for each axis, the sizes of x, the number of places)."""
    x, rank = op.operands[0], op.operands[0].ndim
    key = f"nonzero {rank}"
    if key not in host.known:
        host.known[key] = (host.define(f"nonzero{len(host.functions)}", _function(rank)), None)
    pointers = [host.pointer(v).address() for v in (x, *op.results)]
    host.invoke(host.known[key][0], [*pointers, *map(host.dim, x.shape), host.dim(op.results[0].shape[0])])


def _function(rank: int) -> Any:
    e = Emitter()
    dtypes = ["bool", *["i64"] * rank]
    pointers = [pointer_var(f"p{i}", dtype) for i, dtype in enumerate(dtypes)]
    x, *outs = buffers = [Buffer(f"p{i}_b", dtype, i64(1)) for i, dtype in enumerate(dtypes)]
    sizes = [tirx.Var(f"n{a}", "int64") for a in range(rank)]
    count = tirx.Var("count", "int64")
    found = e.local("found", "i64", 1)
    e.add(found.store(ZERO, ZERO))

    def axis(places: list[Any], flat: Any) -> None:
        if len(places) < rank:
            size = sizes[len(places)]
            e.loop(size, lambda i: axis([*places, i], add(mul(flat, size), i) if places else i))
            return
        at = found.load(ZERO)

        def write() -> None:
            for out, place in zip(outs, places, strict=True):
                e.add(out.store(at, place))
            e.add(found.store(ZERO, at + i64(1)))

        e.when(tirx.And(K.cast(x.load(flat), "bool"), tirx.LT(at, count)), write)

    axis([], ZERO)
    return private_function([*pointers, *sizes, count], dict(zip(pointers, buffers, strict=True)), e.stmts)

"""Which symbols an op mentions, and which it binds to scalar operands."""

from __future__ import annotations

from arignote.ir.core import Op, Region, Value
from arignote.ir.symbols import attr_dims
from arignote.ir.types import Dim, DimLike

_CONV = (("size", "bound_size"), ("low", "bound_low"), ("high", "bound_high"))

#: op -> (attribute with dimensions, attribute that lists the bound positions), in the order of trailing operands
BOUND: dict[str, tuple[tuple[str, str], ...]] = {
    "broadcast": (("shape", "bound"),),
    "reshape": (("shape", "bound"),),
    "iota": (("shape", "bound"),),
    "svd": (("shape", "bound"),),
    "qr": (("shape", "bound"),),
    "pinv": (("shape", "bound"),),
    "nonzero": (("shape", "bound"),),
    "python_take": (("shape", "bound"),),
    "random_bits": (("shape", "bound"),),
    "csr_rows": (("shape", "bound"),),
    "csr_dot_t": (("shape", "bound"),),
    "scan": (("steps", "bound"),),
    "slice": (("start", "bound_start"), ("size", "bound_size")),
    "update_slice": (("start", "bound_start"), ("size", "bound_size")),
    "conv": _CONV,
    "conv_data": _CONV,
    "conv_weight": _CONV,
    **{f"pool_{kind}": (("size", "bound_size"),) for kind in ("max", "pick", "put", "sum", "spread")},
}


def bound_positions(op: Op) -> list[tuple[str, str, int, Value]]:
    """(attribute, attribute that lists it, position, scalar operand) of each place an operand determines."""
    places = [
        (attr, listing, int(position))
        for attr, listing in BOUND.get(op.name, ())
        for position in op.attrs.get(listing, ())
    ]
    scalars = op.operands[len(op.operands) - len(places) :]
    return [(*place, scalar) for place, scalar in zip(places, scalars, strict=True)]


def bound_dims(op: Op) -> list[tuple[DimLike, Value]]:
    """The dimensions of `op` that are given by scalar operands at run time: its own, and those of its regions that
    are the same whenever a region runs."""
    out = [(op.attrs[attr][i], v) for attr, _, i, v in bound_positions(op) if attr != "start"]
    for region in op.regions:
        outer = dict(_constant(op, region))
        out += [(d, outer[v]) for inner in region.ops for d, v in bound_dims(inner) if v in outer]
    return out


def _constant(op: Op, region: Region) -> list[tuple[Value, Value]]:
    """(parameter of a region, operand that is its value whenever the region runs)."""
    if op.name == "ifelse":
        return list(zip(region.params, op.operands[1:], strict=True))
    own = op.attrs["seqs"] + op.attrs["carry"] if op.name == "scan" else 0
    count = len(op.operands) - len(bound_positions(op)) - own
    params = region.params[len(region.params) - count :]
    return list(zip(params, op.operands[own : own + count], strict=True))


def bound_symbols(op: Op) -> list[tuple[str, Value]]:
    """The symbols that `op` binds, each with the scalar that is its value."""
    return [
        (name, v)
        for d, v in bound_dims(op)
        if isinstance(d, Dim) and len(d.symbols()) == 1
        for name in d.symbols()
        if d == Dim.symbol(name)
    ]


def symbols_of(op: Op) -> set[str]:
    """The symbols in the types and attributes of `op` and of the ops in its regions."""
    out = {s for r in op.results for d in r.shape if isinstance(d, Dim) for s in d.symbols()}
    for attr in op.attrs.values():
        for dim in attr_dims(attr):
            out |= dim.symbols()
    for region in op.regions:
        for inner in region.ops:
            out |= symbols_of(inner)
    return out

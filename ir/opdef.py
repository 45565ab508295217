"""One record per op: everything Arignote knows about it, checked for completeness at import.

An op is one class body in `ir/ops/<family>.py`, read by `@defop` into a frozen `OpDef`:

    @defop
    class exp:
        \"\"\"exp(x: T[...]) -> T[...]: e to the power x, elementwise. T is a float or complex dtype.\"\"\"
        traits = ("elementwise",)
        infer, eval, vjp, lower, samples = ...

A field that is absent is an error; what does not apply is written `vjp = None`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import numpy as np

from arignote.ir.types import BFLOAT16

#: Facts about ops that passes and the code generator rely on:
#: elementwise   result[i] depends on operand[i] only, operands broadcast; `lower(k, *scalars, **attrs)`: the scalar
#: index         result[i] reads operands at computed places; `lower(k, idx, *reads, **attrs)` gives the scalar at `idx`
#: position      with index: `idx` is one number, the place in C order, and operands are read whole (random numbers)
#: reduction     reduces `axes`; `lower(k, dtype, **attrs)` gives a Reducer
#: library       lowered by a routine of the code generator: `lower` is its name
#: host          a scalar known on the host without touching tensor data (`dim`)
#: region        has regions: blocks of ops that run one after the other
#: kernel        with region: its region is the code of one kernel, and no block
#: effect        kept although nothing uses its result
#: ordered       with effect: the world sees it, so none is dropped, doubled, or exchanged with another
#: commutative, associative, idempotent   algebra of binary elementwise ops
#: nan           may make a NaN or infinity out of finite operands
#: marker        gives its operands; `vjp` is what the program says, no derivative
#: iterative     with elementwise: `lower` makes loops (`k.repeat`), which have no vector form
#: fallible      may refuse values at run time (a singular matrix); never computed into a shared variable
TRAITS = frozenset(
    (
        "elementwise", "index", "position", "reduction", "library", "host", "region", "kernel", "effect",
        "commutative", "associative", "idempotent", "nan", "marker", "fallible", "ordered", "iterative",
    )
)
REQUIRED = ("traits", "infer", "eval", "vjp", "lower", "samples")
OPTIONAL = ("fold", "scratch", "flops", "trips", "cuts", "fixed")
#: Attributes that any op may carry and that change no value: where the plan puts the results in memory.
ANNOTATIONS = ("mem",)


@dataclass(frozen=True, slots=True)
class OpDef:
    """The record of an op. Signatures, with types for `infer`, arrays for `eval`, values for the rest:

    infer(*types, **attrs) -> TensorType | tuple[TensorType, ...]
    eval(*arrays, **attrs) -> array | tuple                  the NumPy oracle; never changes its arguments
    vjp(b, ct, out, *operands, **attrs) -> tuple[Value | None, ...]     one cotangent per operand, None where no
        gradient flows; for several results `ct` and `out` are tuples (a ct may be None). The derivation sums the
        cotangents of elementwise operands over the dimensions that broadcast.
    lower: see TRAITS
    samples() -> list[(arrays, attrs)]                       inputs for every generic test, float64 where real
    fold(b, op) -> Value | None                              local algebra; may emit ops through the builder `b`
    scratch(*types, **attrs) -> tuple[TensorType, ...]       workspace that the routine of a library op needs as it runs
    flops(*types, **attrs) -> DimLike                        arithmetic, where `cost.py` cannot tell it from the traits
    trips(*types, **attrs) -> DimLike                        how often the regions run, where that is not once
    fixed: {position: name}                                  operands that have no gradient though they are floats:
        one that is asked for is an error, and `vjp` gives None for them
    """

    name: str
    doc: str
    traits: frozenset[str]
    infer: Callable[..., Any]
    eval: Callable[..., Any]
    vjp: Callable[..., Any] | None
    lower: Callable[..., Any] | str | None
    samples: Callable[[], list[tuple[tuple[Any, ...], dict[str, Any]]]]
    fold: Callable[..., Any] | None = None
    scratch: Callable[..., Any] | None = None
    flops: Callable[..., Any] | None = None
    trips: Callable[..., Any] | None = None
    cuts: Callable[..., Any] | None = None
    fixed: Mapping[int, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Reducer:
    """How a reduction accumulates: start from `init`, then `combine(acc, x)`; scalars of the code generator.

    For argmax and argmin `indexed` is true: acc and x are (value, index) pairs and the result is the index;
    `follow(acc, x)` combines with an element whose index is above all those before it.
    """

    init: Any
    combine: Callable[[Any, Any], Any]
    indexed: bool = False
    follow: Callable[[Any, Any], Any] | None = None


OPS: dict[str, OpDef] = {}


def on_float32(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """`evaluate` for bf16 too: computed in float32 and rounded once, as compiled code does."""

    def is_narrow(x: Any) -> bool:
        return getattr(x, "dtype", None) == BFLOAT16

    def narrowed(out: Any) -> Any:
        return out.astype(BFLOAT16) if out.dtype == np.float32 else out

    @wraps(evaluate)
    def run(*xs: Any, **attrs: Any) -> Any:
        if not any(map(is_narrow, xs)):
            return evaluate(*xs, **attrs)
        out = evaluate(*(x.astype(np.float32) if is_narrow(x) else x for x in xs), **attrs)
        return tuple(map(narrowed, out)) if isinstance(out, tuple) else narrowed(out)

    return run


def defop(cls: type) -> OpDef:
    """Read a class body into an `OpDef` and register it under the class's name (a trailing `_` is dropped)."""
    name = cls.__name__.rstrip("_")
    fields: dict[str, Any] = {k: v.__func__ if isinstance(v, staticmethod) else v for k, v in vars(cls).items()}
    missing = [f for f in REQUIRED if f not in fields]
    if missing:
        raise TypeError(f"op {name}: missing {', '.join(missing)} (write `vjp = None` if not differentiable)")
    if not cls.__doc__:
        raise TypeError(f"op {name}: missing docstring")
    unknown = sorted(set(fields["traits"]) - TRAITS)
    if unknown:
        raise TypeError(f"op {name}: unknown traits {', '.join(unknown)}; known are {', '.join(sorted(TRAITS))}")
    extra = [f for f in fields if not f.startswith("__") and f not in REQUIRED + OPTIONAL]
    if extra:
        raise TypeError(f"op {name}: unknown fields {', '.join(extra)}")
    if name in OPS:
        raise TypeError(f"op {name} is defined twice")
    for f in ("infer", "eval", "samples"):
        if not callable(fields[f]):
            raise TypeError(f"op {name}: {f} must be a function")
    op = OpDef(
        name,
        cls.__doc__.strip(),
        frozenset(fields["traits"]),
        fields["infer"],
        fields["eval"] if "region" in fields["traits"] or name == "cast" else on_float32(fields["eval"]),
        fields["vjp"],
        fields["lower"],
        fields["samples"],
        fields.get("fold"),
        fields.get("scratch"),
        fields.get("flops"),
        fields.get("trips"),
        fields.get("cuts"),
        fields.get("fixed", {}),
    )
    OPS[name] = op
    return op


def opdef(name: str) -> OpDef:
    """The record of `name`; an error that lists near names otherwise."""
    try:
        return OPS[name]
    except KeyError:
        import difflib

        from arignote.ir.diag import IRError

        near = difflib.get_close_matches(name, OPS, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise IRError(f"unknown op {name!r}{hint}") from None


def has_trait(name: str, trait: str) -> bool:
    """Whether the op called `name` has `trait`."""
    return trait in OPS[name].traits


def is_ordered(op: Any) -> bool:
    """Whether an op, or one in its regions, has an effect that the world sees."""
    return "ordered" in OPS[op.name].traits or any(is_ordered(o) for r in op.regions for o in r.ops)


def semantic(attrs: dict[str, Any]) -> dict[str, Any]:
    """The attributes that an op's record knows: without the annotations."""
    return {k: v for k, v in attrs.items() if k not in ANNOTATIONS}


def all_ops() -> Iterator[OpDef]:
    """Every registered op, by name."""
    return iter(OPS[name] for name in sorted(OPS))

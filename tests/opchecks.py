"""Checks that hold for every op, as functions of its record: used over the whole registry.

Each raises AssertionError where a record contradicts itself: `infer` against `eval`, `vjp` against
finite differences of `eval`, `fold` and `lower` against `eval`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import arignote.ir.ops  # noqa: F401  (fills the registry)
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value, toposort
from arignote.ir.diag import IRError
from arignote.ir.opdef import OPS, OpDef
from arignote.ir.types import (
    DTYPES,
    Dim,
    DimLike,
    TensorType,
    is_differentiable,
    is_float,
    type_of,
)
from arignote.passes.forward import push_forward

Array = np.ndarray[Any, Any]
Sample = tuple[tuple[Array, ...], dict[str, Any]]

#: Attributes that hold dimensions of the result.
DIM_ATTRS = ("shape", "size")


# ---------------------------------------------------------------- samples
def records() -> list[OpDef]:
    """Every record that can be checked on its own: ops with regions are made of others, and those that run functions
    of a program need one (tests/frontends/tensor/test_pyops.py)."""
    python = ("python_run", "python_take")
    return [OPS[name] for name in sorted(OPS) if "region" not in OPS[name].traits and name not in python]


def as_dtype(x: Array, dtype: str) -> Array:
    """A float64 sample in another dtype, spread over a few integers; others are left alone."""
    if x.dtype != np.float64:
        return x
    if is_float(dtype):
        return np.asarray(x.astype(DTYPES[dtype]))
    if dtype == "bool":
        return np.asarray(x > 0)
    whole = np.rint(3 * x)
    return np.asarray((np.abs(whole) if dtype[0] == "u" else whole).astype(DTYPES[dtype]))


def samples(record: OpDef, dtype: str = "f64") -> Iterator[Sample]:
    """The samples of a record with their floats in `dtype`, where the op takes them so."""
    for arrays, attrs in record.samples():
        inputs = tuple(as_dtype(np.asarray(x), dtype) for x in arrays)
        try:
            record.infer(*map(type_of, inputs), **attrs)
        except IRError:
            assert dtype != "f64", f"{record.name} rejects its own sample {inputs} {attrs}"
            continue
        yield inputs, attrs


def describe(record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> str:
    """The call, for messages."""
    types = ", ".join(str(type_of(x)) for x in arrays)
    return f"{record.name}({types}) {dict(attrs)}"


def several(x: Any) -> tuple[Any, ...]:
    """What a record says of one result or of several, as a tuple."""
    return x if isinstance(x, tuple) else (x,)


# ---------------------------------------------------------------- types
def check_types(record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> Array:
    """`infer` says what `eval` returns, and `eval` leaves its arguments alone. Returns the (first)
    result."""
    call = describe(record, arrays, attrs)
    before = [x.copy() for x in arrays]
    outs = several(record.eval(*arrays, **attrs))
    for out in outs:
        assert isinstance(out, np.ndarray), f"{call}: eval returned {type(out).__name__}"
    inferred = several(record.infer(*map(type_of, arrays), **attrs))
    found = tuple(map(type_of, outs))
    assert found == inferred, (
        f"{call}: inferred {', '.join(map(str, inferred))}, evaluated to {', '.join(map(str, found))}"
    )
    for i, (old, new) in enumerate(zip(before, arrays, strict=True)):
        assert old.tobytes() == new.tobytes(), f"{call}: eval changed operand {i}"
    first: Array = outs[0]
    return first


def check_symbolic(record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> None:
    """With symbols for sizes, in all operands or only some, `infer` says the same thing."""
    call = describe(record, arrays, attrs)
    types = [type_of(x) for x in arrays]
    expected = several(record.infer(*types, **attrs))
    own_dims = {k for k in DIM_ATTRS if isinstance(attrs.get(k), tuple)}
    sizes = {d for x in arrays for d in x.shape} | {d for k in own_dims for d in attrs[k]}
    symbol: dict[int, DimLike] = {d: Dim.symbol(f"n{d}") for d in sizes if d != 1}
    env = {f"n{d}": d for d in sizes}

    def symbolic(shape: Sequence[int]) -> tuple[DimLike, ...]:
        return tuple(symbol.get(d, d) for d in shape)

    masks = itertools.product((False, True), repeat=len(types)) if len(types) < 4 else ()
    for mask, dims in itertools.product([*masks, (True,) * len(types)], (False, True)):
        some = [
            t.with_shape(symbolic(x.shape)) if m else t
            for t, x, m in zip(types, arrays, mask, strict=True)
        ]
        own = {k: symbolic(v) if dims and k in own_dims else v for k, v in attrs.items()}
        got = tuple(t.subs(env) for t in several(record.infer(*some, **own)))
        assert got == expected, f"{call}: {some} {own} gave {got}, not {expected}"


# ---------------------------------------------------------------- evaluation of graphs
def evaluate(roots: Sequence[Value], env: Mapping[Value, Array]) -> list[Array]:
    """The values of `roots`, by the `eval` of every op on the way."""
    known = dict(env)
    for op in toposort(roots, stop=known):
        outs = several(OPS[op.name].eval(*(known[v] for v in op.operands), **op.attrs))
        for v, out in zip(op.results, outs, strict=True):
            known[v] = out
            assert type_of(out) == v.type, f"{op} is {out!r}"
    return [known[v] for v in roots]


def pull_back(
    b: Builder, op: Op, *cts: Value | None, record: OpDef | None = None
) -> tuple[Value | None, ...]:
    """The cotangents of an op's operands, in their shapes, from those of its results."""
    record = record or OPS[op.name]
    if record.vjp is None:
        return (None,) * len(op.operands)
    ct, result = (cts[0], op.result) if len(op.results) == 1 else (cts, op.results)
    grads = record.vjp(b, ct, result, *op.operands, **op.attrs)
    assert len(grads) == len(op.operands), f"{op.name}: {len(grads)} cotangents"
    if "elementwise" in record.traits:
        pairs = zip(grads, op.operands, strict=True)
        grads = tuple(None if g is None else b.sum_to(g, v.shape) for g, v in pairs)
    return tuple(grads)


def derive(b: Builder, seeds: Mapping[Value, Value], wrt: Sequence[Value]) -> list[Value | None]:
    """Reverse-mode derivation: the gradients of sum(seed * value) with respect to `wrt`."""
    total: dict[Value, Value] = {}

    def add(v: Value, ct: Value) -> None:
        total[v] = b.add(total[v], ct) if v in total else ct

    for v, ct in seeds.items():
        add(v, ct)
    for op in reversed(toposort(list(seeds), stop=wrt)):
        if any(r in total for r in op.results):
            cts = [total.get(r) for r in op.results]
            for v, g in zip(op.operands, pull_back(b, op, *cts), strict=True):
                if g is not None:
                    add(v, g)
    return [total.get(v) for v in wrt]


def params(arrays: Sequence[Array]) -> list[Value]:
    """A parameter for each array."""
    return [Value(type_of(x), f"x{i}") for i, x in enumerate(arrays)]


# ---------------------------------------------------------------- gradients
def cotangents(results: Sequence[Value]) -> list[Value | None]:
    """A parameter for the cotangent of each result, None where it is no float."""
    names = ["ct", *(f"ct{i}" for i in range(1, len(results)))]
    pairs = zip(results, names, strict=True)
    return [Value(r.type, name) if is_differentiable(r.dtype) else None for r, name in pairs]


def _normal(rng: np.random.Generator, x: Array) -> Array:
    return np.asarray(rng.normal(size=x.shape))


def _slope(fn: Any, arrays: Sequence[Array], directions: Mapping[int, Array]) -> Any:
    """The central difference of `fn` along `directions` of some of its arguments."""
    eps = 1e-6

    def at(step: float) -> Any:
        return fn(
            *(x + step * directions[i] if i in directions else x for i, x in enumerate(arrays))
        )

    return (at(eps) - at(-eps)) / (2 * eps)


def check_vjp(record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> None:
    """`vjp` against central differences of `eval` in float64, in a random direction per operand;
    operands that are not floats get no gradient."""
    call = describe(record, arrays, attrs)
    rng = np.random.default_rng(1)
    outs = several(record.eval(*arrays, **attrs))
    b, xs = Builder(), params(arrays)
    results = b.emit(record.name, *xs, **attrs)
    assert results[0].owner is not None
    cts = cotangents(results)
    grads = pull_back(b, results[0].owner, *cts, record=record)
    if not any(cts):
        assert all(g is None for g in grads), f"{call}: gradients through {results[0].dtype}"
        return
    weights = [_normal(rng, out) for out in outs]
    env = dict(zip(xs, arrays, strict=True))
    env |= {ct: w.astype(r.type.numpy_dtype) for ct, w, r in zip(cts, weights, results, strict=True) if ct}
    for i, (x, g) in enumerate(zip(xs, grads, strict=True)):
        if not is_differentiable(x.dtype) or i in record.fixed:
            assert g is None, f"{call}: operand {i} is {x.dtype} and has a gradient"
            continue
        if g is None:
            assert record.vjp is None, f"{call}: operand {i} has no gradient"
            continue
        assert g.type == x.type, f"{call}: the gradient of operand {i} is {g.type}"
        value = evaluate([g], env)[0]
        if x.type.size == 0 or x.dtype != "f64" or any(ct.dtype != "f64" for ct in cts if ct):
            continue  # nothing to vary, or too coarse for differences
        direction = _normal(rng, arrays[i])

        def along(*inputs: Array) -> Any:
            pairs = zip(cts, weights, several(record.eval(*inputs, **attrs)), strict=True)
            return sum(np.sum(w * out) for ct, w, out in pairs if ct)

        want = _slope(along, arrays, {i: direction})
        got = np.sum(value * direction)
        message = f"{call}: gradient of operand {i}"
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7, err_msg=message)


def check_second_order(record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> None:
    """The gradient of the gradient's IR against central differences of the gradient."""
    call = describe(record, arrays, attrs)
    rng = np.random.default_rng(2)
    b, xs = Builder(), params(arrays)
    results = b.emit(record.name, *xs, **attrs)
    assert results[0].owner is not None
    found = cotangents(results)
    cts = [ct for ct in found if ct]
    if not cts or any(is_differentiable(v.dtype) and v.dtype != "f64" for v in (*xs, *cts)):
        return  # differences need f64
    grads = [g for g in pull_back(b, results[0].owner, *found, record=record) if g is not None]
    wrt = [*[x for i, x in enumerate(xs) if is_float(x.dtype) and i not in record.fixed], *cts]
    inputs = [*arrays, *(_normal(rng, np.zeros(ct.shape)) for ct in cts)]
    env = dict(zip([*xs, *cts], inputs, strict=True))
    weights = [Value(g.type, "w") for g in grads]
    env |= {w: np.asarray(rng.normal(size=w.shape)) for w in weights}

    def total(*values: Array) -> Any:
        point = {**env, **dict(zip([*xs, *cts], values, strict=True))}
        outs = evaluate(grads, point)
        return sum(float(np.sum(env[w] * o)) for w, o in zip(weights, outs, strict=True))

    seeds: dict[Value, Value] = {}
    for g, w in zip(grads, weights, strict=True):
        seeds[g] = b.add(seeds[g], w) if g in seeds else w
    seconds = derive(b, seeds, wrt)
    for v, second in zip(wrt, seconds, strict=True):
        i = [*xs, *cts].index(v)
        direction = _normal(rng, inputs[i])
        want = _slope(total, inputs, {i: direction})
        got = 0.0 if second is None else np.sum(evaluate([second], env)[0] * direction)
        message = f"{call}: second derivative along {v.name}"
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=message)


def check_jvp(record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> None:
    """The pushforward, which is made from `vjp`, against central differences of `eval` along all operands."""
    call = describe(record, arrays, attrs)
    rng = np.random.default_rng(3)
    b, xs = Builder(), params(arrays)
    results = b.emit(record.name, *xs, **attrs)
    moving = [i for i, x in enumerate(xs) if is_differentiable(x.dtype) and i not in record.fixed]
    if any(is_differentiable(v.dtype) and v.dtype != "f64" for v in (*xs, *results)):
        return  # differences need f64
    tangents = {xs[i]: Value(xs[i].type, "t") for i in moving}
    directions = {i: _normal(rng, arrays[i]) for i in moving}
    env = dict(zip(xs, arrays, strict=True)) | {tangents[xs[i]]: directions[i] for i in moving}
    for k, (r, t) in enumerate(zip(results, push_forward(results, tangents), strict=True)):
        if t is None:
            continue
        assert is_differentiable(r.dtype) and t.type == r.type, f"{call}: the tangent of result {k} is {t.type}"
        got = evaluate([t], env)[0]
        if 0 in r.shape or not all(x.size for x in arrays):
            continue  # nothing varies
        want = _slope(lambda *inputs, k=k: several(record.eval(*inputs, **attrs))[k], arrays, directions)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7, err_msg=f"{call}: tangent of result {k}")


# ---------------------------------------------------------------- folds
def check_fold(op: Op, env: Mapping[Value, Array], record: OpDef | None = None) -> Value | None:
    """What `fold` makes of an op, if anything, has its type and its value."""
    fold = (record or OPS[op.name]).fold
    folded: Value | None = fold(Builder(), op) if fold is not None else None
    if folded is None:
        return None
    assert folded.type == op.result.type, f"{op} of {op.result.type} folds to {folded.type}"
    want, got = evaluate([op.result], env)[0], evaluate([folded], env)[0]
    np.testing.assert_allclose(got, want, rtol=1e-12, err_msg=f"fold of {op!r} {op.attrs}")
    return folded


def fold_variants(
    record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any]
) -> Iterator[tuple[Op, dict[Value, Array]]]:
    """The op of a sample with an operand replaced by a constant, and with equal operands."""
    numbers = (0, 1, 2, -1, 0.5)
    for position in range(len(arrays)):
        kind = arrays[position].dtype
        for number in numbers if kind.kind in "f" else numbers[:4] if kind.kind == "i" else (0, 1):
            for shape in {arrays[position].shape, ()} if attrs == {} else {arrays[position].shape}:
                b, xs = Builder(), params(arrays)
                filled = TensorType(xs[position].dtype, shape)
                operands = [*xs[:position], b.full(number, filled), *xs[position + 1 :]]
                try:
                    result = b.emit(record.name, *operands, **attrs)[0]
                except IRError:
                    continue
                assert result.owner is not None
                yield result.owner, dict(zip(xs, arrays, strict=True))
    if len(arrays) > 1 and arrays[-1].shape == arrays[-2].shape:
        b, xs = Builder(), params(arrays)
        try:
            result = b.emit(record.name, *xs[:-1], xs[-2], **attrs)[0]
        except IRError:
            return
        assert result.owner is not None
        yield result.owner, dict(zip(xs, arrays, strict=True))

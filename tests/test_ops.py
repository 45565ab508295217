"""What must hold for every op of the registry, on the samples of its record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.opdef import OPS, OpDef
from arignote.ir.types import DTYPES, is_differentiable
from tests import opchecks
from tests.scalars import run_lower

DTYPES_TESTED = ("f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u8", "bool")
RECORDS = opchecks.records()

every_op = pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.name)
differentiable = pytest.mark.parametrize(
    "record", [r for r in RECORDS if r.vjp is not None and "marker" not in r.traits], ids=lambda r: r.name
)


@every_op
def test_samples_cover_the_edges(record: OpDef) -> None:
    samples = list(opchecks.samples(record))
    assert samples
    shapes = [tuple(x.shape for x in xs) for xs, _ in samples]
    if record.traits & {"elementwise", "index", "reduction"}:
        shapes_out = [np.shape(record.eval(*xs, **attrs)) for xs, attrs in samples]
        assert any(0 in s for group in [*shapes, shapes_out] for s in group), "no empty sample"
    if "elementwise" in record.traits:
        assert any(all(s == () for s in group) for group in shapes), "no 0-d sample"
        if len(shapes[0]) > 1:
            assert any(len(set(group)) > 1 for group in shapes), "no broadcasting sample"


@every_op
def test_docstring_gives_the_signature(record: OpDef) -> None:
    assert record.doc.startswith(f"{record.name}("), record.doc
    assert "->" in record.doc


@every_op
@pytest.mark.parametrize("dtype", DTYPES_TESTED)
def test_infer_is_the_type_of_eval(record: OpDef, dtype: str) -> None:
    for arrays, attrs in opchecks.samples(record, dtype):
        opchecks.check_types(record, arrays, attrs)


@every_op
def test_infer_with_symbols(record: OpDef) -> None:
    for arrays, attrs in opchecks.samples(record):
        opchecks.check_symbolic(record, arrays, attrs)


@differentiable
def test_gradient(record: OpDef) -> None:
    for arrays, attrs in opchecks.samples(record):
        opchecks.check_vjp(record, arrays, attrs)


@differentiable
def test_second_gradient(record: OpDef) -> None:
    for arrays, attrs in opchecks.samples(record):
        opchecks.check_second_order(record, arrays, attrs)


@differentiable
def test_forward_gradient(record: OpDef) -> None:
    for arrays, attrs in opchecks.samples(record):
        opchecks.check_jvp(record, arrays, attrs)


@differentiable
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "i32", "u8", "bool"])
def test_gradient_keeps_the_dtype(record: OpDef, dtype: str) -> None:
    for arrays, attrs in opchecks.samples(record, dtype):
        b, xs = Builder(), opchecks.params(arrays)
        results = b.emit(record.name, *xs, **attrs)
        assert results[0].owner is not None
        cts = [Value(r.type, "ct") for r in results]
        grads = opchecks.pull_back(b, results[0].owner, *cts, record=record)
        for i, (x, g) in enumerate(zip(xs, grads, strict=True)):
            ends = is_differentiable(x.dtype), any(is_differentiable(r.dtype) for r in results)
            flows = all(ends) and i not in record.fixed
            assert g is None if not flows else g is not None and g.type == x.type


@pytest.mark.parametrize("record", [r for r in RECORDS if r.fold], ids=lambda r: r.name)
@pytest.mark.parametrize("dtype", ["f64", "i32", "u8", "bool"])
def test_fold_keeps_type_and_value(record: OpDef, dtype: str) -> None:
    for arrays, attrs in opchecks.samples(record, dtype):
        for op, env in opchecks.fold_variants(record, arrays, attrs):
            opchecks.check_fold(op, env)
            hard = {v: _with_specials(x) for v, x in env.items()}
            if "elementwise" in record.traits:
                opchecks.check_fold(op, hard)


def _with_specials(x: opchecks.Array) -> opchecks.Array:
    if x.dtype.kind != "f" or x.size < 2:
        return x
    out = x.copy()
    out.flat[0], out.flat[1] = np.nan, np.inf
    return out


SCALAR = [r for r in RECORDS if r.traits & {"elementwise", "index", "reduction"} and r.lower is not None]


@pytest.mark.parametrize("record", SCALAR, ids=lambda r: r.name)
@pytest.mark.parametrize("dtype", ["f64", "i32", "bool"])
def test_lower_defines_eval(record: OpDef, dtype: str) -> None:
    for arrays, attrs in opchecks.samples(record, dtype):
        want = np.asarray(record.eval(*arrays, **attrs))
        got = run_lower(record, arrays, attrs, want)
        message = opchecks.describe(record, arrays, attrs)
        np.testing.assert_allclose(got, want, rtol=1e-12, err_msg=message)


# ---------------------------------------------------------------- special values
SPECIALS = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 800.0, -800.0])
NUMPY = {
    "abs": np.abs, "neg": np.negative, "sgn": np.sign, "sqr": np.square, "sqrt": np.sqrt,
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint,
    "isnan": np.isnan, "isinf": np.isinf, "copy": np.positive,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "mod": np.mod,
    "floordiv": lambda x, y: np.floor(x / y), "pow": np.power,
    "maximum": np.maximum, "minimum": np.minimum, "arctan2": np.arctan2,
    "eq": np.equal, "neq": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal,
    **{
        name: getattr(np, name)
        for name in [
            "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin",
            "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
        ]
    },
}  # fmt: skip


#: Compared to their stated accuracy. At infinity the Bessel functions are 0 here, where SciPy's are NaN.
SCIPY = {
    "gamma": special.gamma, "gammaln": special.gammaln, "polygamma": special.psi, "erfinv": special.erfinv,
    "erfcinv": special.erfcinv, "erfcx": special.erfcx, "xlogx": lambda x: special.xlogy(x, x), "xlogy": special.xlogy,
    "gammainc": special.gammainc, "gammaincc": special.gammaincc,
    "jv": lambda v, x: np.where(np.isinf(v), np.nan, np.where(np.isinf(x) & ~np.isnan(v), 0, special.jv(v, x))),
}  # fmt: skip


def _float_elementwise() -> list[OpDef]:
    out = []
    for r in RECORDS:
        if "elementwise" in r.traits and "marker" not in r.traits and r.name not in ("select", "cast"):
            arrays, _ = next(opchecks.samples(r))
            if arrays[0].dtype == np.float64:
                out.append(r)
    return out


@pytest.mark.parametrize("record", _float_elementwise(), ids=lambda r: r.name)
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_special_values_are_numpys(record: OpDef, dtype: str) -> None:
    x = SPECIALS.astype(DTYPES[dtype])
    binary = len(next(opchecks.samples(record))[0]) == 2
    operands = (x[:, None], x[None, :]) if binary else (x,)
    got = opchecks.check_types(record, operands, next(opchecks.samples(record))[1])
    if record.name in SCIPY:
        with np.errstate(all="ignore"):
            want = SCIPY[record.name](*(v.astype(np.float64) for v in operands))
            if record.name == "xlogy":  # Theano's: 0 even where y is NaN
                want = np.where(operands[0] == 0, 0, want)
            np.testing.assert_allclose(got, want.astype(got.dtype), rtol=1e-6 if dtype == "f32" else 1e-13)
    elif record.name in NUMPY:
        with np.errstate(all="ignore"):
            want = NUMPY[record.name](*operands)
        np.testing.assert_array_equal(got, want)
        if want.dtype.kind == "f":
            numbers = ~np.isnan(want)
            np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers])
    elif binary:  # of parameters that must be positive
        assert np.isnan(got[:3]).sum() and np.isnan(got[:, 0]).all() and not np.isnan(got[5, 3:6]).any()
    else:  # no such function in NumPy
        assert np.isnan(got[0]) and not np.isnan(got[3:]).any()


def test_special_values_of_our_own_functions() -> None:
    x = np.array([-np.inf, -800.0, -40.0, 0.0, 40.0, 800.0, np.inf])
    np.testing.assert_array_equal(
        OPS["sigmoid"].eval(x), [0, 0, np.exp(-40.0) / (1 + np.exp(-40.0)), 0.5, 1, 1, 1]
    )
    np.testing.assert_allclose(
        OPS["softplus"].eval(x), [0, 0, np.exp(-40.0), np.log(2), 40, 800, np.inf], rtol=1e-15
    )
    np.testing.assert_array_equal(OPS["erf"].eval(x), [-1, -1, -1, 0, 1, 1, 1])
    np.testing.assert_array_equal(OPS["erfc"].eval(x), [2, 2, 2, 1, 0, 0, 0])
    assert OPS["erfc"].eval(np.array(10.0)) == pytest.approx(2.088487583762545e-45)
    f16 = OPS["sigmoid"].eval(np.array([-15.0], np.float16))
    assert f16[0] == np.float16(1 / (1 + np.exp(15.0)))


def test_pow_of_integers_truncates_negative_powers() -> None:
    base = np.array([0, 1, -1, -1, 2, -2, 3], np.int32)
    power = np.array([-1, -3, -3, -2, -1, 3, 4], np.int32)
    got = opchecks.check_types(OPS["pow"], (base, power), {})
    np.testing.assert_array_equal(got, [0, 1, -1, 1, 0, -8, 81])


def test_integers_divided_by_zero_give_zero() -> None:
    x, zero = np.array([5, -5], np.int32), np.zeros(2, np.int32)
    np.testing.assert_array_equal(OPS["floordiv"].eval(x, zero), [0, 0])
    np.testing.assert_array_equal(OPS["mod"].eval(x, zero), [0, 0])


@pytest.mark.parametrize(
    ("name", "wins"), [("maximum", [[1, 1], [1, 0]]), ("minimum", [[1, 0], [1, 1]])]
)
def test_both_operands_get_the_gradient_at_a_tie(name: str, wins: list[list[int]]) -> None:
    data = [np.ones(2), np.array([1.0, 0.5])]
    b, xs = Builder(), opchecks.params(data)
    out = b.emit(name, *xs)[0]
    ct = Value(out.type, "ct")
    grads = [g for g in opchecks.derive(b, {out: ct}, xs) if g is not None]
    weight = np.array([3.0, 4.0])
    got = opchecks.evaluate(grads, {**dict(zip(xs, data, strict=True)), ct: weight})
    np.testing.assert_array_equal(got, np.array(wins) * weight)


def test_every_tied_element_of_max_gets_the_gradient() -> None:
    b, (x,) = Builder(), opchecks.params([np.zeros((2, 3))])
    out = b.max(x, axes=(1,))
    ct = Value(out.type, "ct")
    (grad,) = opchecks.derive(b, {out: ct}, [x])
    assert grad is not None
    data = np.array([[1.0, 2.0, 2.0], [4.0, 4.0, 4.0]])
    got = opchecks.evaluate([grad], {x: data, ct: np.array([1.0, 2.0])})[0]
    np.testing.assert_array_equal(got, [[0, 1, 1], [2, 2, 2]])


@pytest.mark.parametrize(
    ("name", "data", "want"),
    [
        ("argmax", [[1.0, 3.0, 3.0], [3.0, 0.0, 0.0]], 1),
        ("argmax", [[1.0, np.nan, 3.0], [np.nan, 0.0, 9.0]], 1),
        ("argmin", [[1.0, -3.0, 3.0], [-3.0, 0.0, 0.0]], 1),
        ("argmin", [[1.0, 5.0, 3.0], [np.nan, -2.0, 0.0]], 3),
        ("argmax", [[-np.inf, -np.inf]], 0),
    ],
)
def test_positions_of_ties_and_nan(name: str, data: Any, want: int) -> None:
    x, attrs = np.array(data), {"axes": (0, 1)}
    got = opchecks.check_types(OPS[name], (x,), attrs)
    assert got == want
    assert run_lower(OPS[name], (x,), attrs, got) == want


# ---------------------------------------------------------------- the checks find mistakes
def test_a_wrong_gradient_is_caught() -> None:
    def wrong(b: Builder, ct: Value, out: Value, x: Value) -> tuple[Value]:
        return (b.mul(ct, b.exp(b.neg(x))),)

    broken = replace(OPS["exp"], vjp=wrong)
    with pytest.raises(AssertionError, match="gradient of operand 0"):
        for arrays, attrs in opchecks.samples(broken):
            opchecks.check_vjp(broken, arrays, attrs)


def test_a_wrong_second_gradient_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(b: Builder, ct: Value, out: Value, x: Value) -> tuple[Value]:
        return (b.mul(ct, b.sin(x)),)  # without the minus sign

    monkeypatch.setitem(OPS, "cos", replace(OPS["cos"], vjp=wrong))
    with pytest.raises(AssertionError, match="second derivative along x0"):
        for arrays, attrs in opchecks.samples(OPS["sin"]):
            opchecks.check_second_order(OPS["sin"], arrays, attrs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: np.exp(x).astype(np.float64), "evaluated to f64"),
        (lambda x: np.exp(x)[None], r"evaluated to f32\[1"),
        (lambda x: np.exp(x, out=x), "changed operand 0"),
        (lambda x: float(x.sum()), "returned float"),
    ],
)
def test_a_wrong_eval_is_caught(wrong: Any, message: str) -> None:
    broken = replace(OPS["exp"], eval=wrong)
    arrays, attrs = next(opchecks.samples(broken, "f32"))
    with pytest.raises(AssertionError, match=message):
        opchecks.check_types(broken, tuple(x.copy() for x in arrays), attrs)


def test_a_wrong_value_is_caught_by_the_gradient_check() -> None:
    broken = replace(OPS["exp"], eval=lambda x: np.exp(-x))
    with pytest.raises(AssertionError, match="gradient of operand 0"):
        for arrays, attrs in opchecks.samples(broken):
            opchecks.check_vjp(broken, arrays, attrs)


def test_a_wrong_infer_is_caught() -> None:
    broken = replace(OPS["transpose"], infer=lambda x, perm: x)
    with pytest.raises(AssertionError, match="inferred"):
        for arrays, attrs in opchecks.samples(broken):
            opchecks.check_types(broken, arrays, attrs)


def test_a_wrong_fold_is_caught() -> None:
    broken = replace(OPS["sub"], fold=lambda b, op: op.operands[0])
    with pytest.raises(AssertionError):
        for arrays, attrs in opchecks.samples(broken):
            for op, env in opchecks.fold_variants(broken, arrays, attrs):
                opchecks.check_fold(op, env, broken)

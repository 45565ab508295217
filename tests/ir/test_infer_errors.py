"""What ops refuse: the rule with its label, the types, and errors of `eval` at run time."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import arignote.ir.ops  # noqa: F401  (fills the registry)
from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import Loc, TypeInferenceError
from arignote.ir.opdef import OPS, OpDef
from arignote.ir.signature import misfit
from arignote.ir.types import Dim, DimLike, TensorType


def types(text: str) -> list[TensorType]:
    """The types in e.g. `f32[2,n] i64[]`."""
    out = []
    for dtype, dims in re.findall(r"(\w+)\[([^\]]*)\]", text):
        shape: list[DimLike] = [
            int(d) if d.isdigit() else Dim.symbol(d) for d in dims.split(",") if d
        ]
        out.append(TensorType(dtype, tuple(shape)))
    return out


def infer(name: str, operands: str, **attrs: Any) -> str:
    values = [Value(t, f"v{i}") for i, t in enumerate(types(operands))]
    return str(Builder().emit(name, *values, **attrs)[0].type)


whole: dict[str, Any] = {"start": (0,), "size": (2,), "step": (1,)}

flat: dict[str, Any] = {"strides": (1, 1), "dilation": (1, 1), "low": (0, 0), "high": (0, 0)}
pairs: dict[str, Any] = {"window": (2,), "strides": (2,), "low": (0,)}

BAD: list[tuple[str, str, dict[str, Any], str]] = [
    ("add", "bool[2] bool[2]", {}, "takes integers, floats or complex numbers, got bool[2] (C1)"),
    ("exp", "i32[2]", {}, "takes floats or complex numbers, got i32[2] (C1)"),
    ("and", "f32[2] f32[2]", {}, "takes bools or integers, got f32[2] (C1)"),
    ("lt", "bool[2] bool[2]", {}, "takes integers or floats, got bool[2] (C1)"),
    ("lt", "c64[2] c64[2]", {}, "takes integers or floats, got c64[2] (C1)"),
    ("mul", "f32[2] f64[n]", {}, "dtypes differ: f32[2], f64[n] (C2)"),
    ("sub", "f32[2,3] f32[4]", {}, "shapes (2,3) and (4) do not broadcast"),
    ("sub", "f32[2,3] f32[4]", {}, "3 against 4 on axis -1 (C3)"),
    ("select", "i8[2] f32[2] f32[2]", {}, "the condition is not bool: i8[2] (C1)"),
    ("select", "bool[2] f32[2] f64[2]", {}, "dtypes differ: f32[2], f64[2] (C2)"),
    ("select", "bool[3] f32[2] f32[]", {}, "do not broadcast"),
    ("cast", "f32[2]", {"dtype": "f31"}, "unknown dtype 'f31'"),
    ("cast", "c64[2]", {"dtype": "f32"}, "complex numbers do not convert to real ones: c64[2] to f32; take real"),
    ("broadcast", "f32[3]", {"shape": (3, 2)}, "does not stretch: f32[3] to f32[3,2] (C1)"),
    ("broadcast", "f32[1,3]", {"shape": (3,)}, "does not stretch: f32[1,3] to f32[3] (C1)"),
    ("broadcast", "f32[] i32[]", {"shape": (2,), "bound": (0,)}, "takes 1 scalars i64[]"),
    ("iota", "", {"shape": (2,), "axis": 1, "dtype": "i64"}, "axis 1 is not an axis of i64[2]"),
    ("iota", "", {"shape": (2,), "axis": 0, "dtype": "bool"}, "takes integers or floats"),
    ("dim", "f32[n]", {"axis": -1}, "axis -1 is not an axis of f32[n] (C1)"),
    ("sum", "f32[2,n]", {"axes": (2,)}, "axes (2,) are not ascending axes of f32[2,n] (C1)"),
    ("sum", "f32[2,n]", {"axes": (1, 0)}, "axes (1, 0) are not ascending"),
    ("sum", "bool[2]", {"axes": (0,)}, "takes integers, floats or complex numbers, got bool[2] (C1)"),
    ("max", "f32[0,3]", {"axes": (0,)}, "nothing to choose from: f32[0,3] over axes (0,) (C3)"),
    ("all", "i8[2]", {"axes": (0,)}, "takes bools, got i8[2] (C2)"),
    ("reshape", "f32[2,3]", {"shape": (4,)}, "number of elements differs: f32[2,3] to f32[4]"),
    ("reshape", "f32[2,3]", {"shape": (4, Dim.symbol("k"))}, "f32[2,3] to f32[4,k] (C1)"),
    ("transpose", "f32[2,3]", {"perm": (0, 0)}, "(0, 0) is not a permutation of the axes"),
    ("concatenate", "", {"axis": 0}, "takes at least one operand (C3)"),
    ("concatenate", "f32[2,3] f32[2,4]", {"axis": 0}, "besides axis 0 differ: f32[2,3] and f32"),
    ("concatenate", "f32[2] f64[2]", {"axis": 0}, "dtypes differ: f32[2], f64[2] (C2)"),
    ("slice", "f32[2,2]", whole, "do not fit f32[2,2] (C1)"),
    ("slice", "f32[1]", whole, "axis 0 of f32[1]: 2 elements from 0 by 1 are out of range (C2)"),
    ("slice", "f32[4]", {**whole, "step": (0,)}, "(C1)"),
    ("slice", "f32[4]", {**whole, "step": (-1,)}, "2 elements from 0 by -1 are out of range (C2)"),
    ("slice", "f32[4]", {**whole, "bound_start": (0,)}, "takes 1 scalars i64[] for its bound"),
    ("update_slice", "f32[4] f32[3]", {**whole, "mode": "set"}, "f32[3] is written to places"),
    ("update_slice", "f32[4] f64[2]", {**whole, "mode": "set"}, "dtypes differ: f32[4], f64[2]"),
    ("update_slice", "f32[4] f32[2]", {**whole, "mode": "mul"}, "mode 'mul' is neither"),
    ("update_slice", "bool[4] bool[2]", {**whole, "mode": "add"}, "bools do not add: bool[4]"),
    ("gather", "f32[4]", {}, "takes 1 to 1 indices of f32[4], got 0 (C1)"),
    ("gather", "f32[4] f32[2]", {}, "indices are integers, got f32[2] (C1)"),
    ("gather", "f32[4,4] i64[2] i64[3]", {}, "do not broadcast: 2 against 3 on axis -1 (C2)"),
    ("conv", "f32[1,2,3,3] f32[4,3,2,2]", {**flat, "size": (2, 2)}, "has 2 channels, but filters f32[4,3,2,2] take 3"),
    ("conv", "f32[1,2,3,3] f32[3,1,2,2]", {**flat, "size": (2, 2), "groups": 2}, "3 filters do not divide into 2"),
    ("conv", "f32[1,2,3,3] f32[4,2,5,2]", {**flat, "size": (1, 2)}, "(3 + 0 + 0 - 1 * (5 - 1) - 1) // 1 + 1 is -1"),
    ("conv", "f32[1,2,3,3] f32[4,2,2,2]", {**flat, "size": (2, 3)}, "is 2, not 3 (C5)"),
    ("conv", "f32[1,2,3,3] f32[4,2,2]", {**flat, "size": (2, 2)}, "different numbers of spatial axes (C3)"),
    ("conv", "f32[1,2,3,3] f64[4,2,2,2]", {**flat, "size": (2, 2)}, "dtypes differ"),
    ("conv", "i32[1,2,3,3] i32[4,2,2,2]", {**flat, "size": (2, 2)}, "takes floats"),
    ("conv", "f32[1,2,3,3] f32[4,2,2,2]", {**flat, "size": (2, 2), "strides": (0, 1)}, "strides (0, 1)"),
    ("conv", "f32[1,2,3,3] f32[4,2,2,2]", {**flat, "size": (2, 2), "low": (-1, 0)}, "padding (-1, 0)"),
    ("conv", "f32[1,2,n,3] f32[4,2,2,2]", {**flat, "size": (2, 2), "bound_size": (0,)}, "takes 1 scalars i64[]"),
    ("conv_data", "f32[1,4,2,2] f32[4,2,2,2]", {**flat, "size": (4, 3)}, "is 3, not 2 (C5)"),
    ("conv_weight", "f32[2,2,3,3] f32[1,4,2,2]", {**flat, "size": (2, 2, 2)}, "batch sizes differ"),
    ("pool_max", "f32[5]", {**pairs, "size": (4,)}, "(4 - 1) * 2 - 0, or padding 0 is no less than the window 2"),
    ("pool_max", "f32[5]", {**pairs, "size": (2,), "low": (2,)}, "padding 2 is no less than the window 2"),
    ("pool_max", "f32[]", {**pairs, "size": (2,)}, "do not fit f32[] (C2)"),
    ("pool_sum", "bool[4]", {**pairs, "size": (2,)}, "takes integers or floats"),
    ("pool_put", "f32[4] f32[3]", {**pairs, "size": (2,)}, "has not the shape f32[2] (C6)"),
    ("pool_pick", "f32[4] f64[4]", {**pairs, "size": (2,)}, "dtypes differ"),
    ("scatter", "f32[4] f32[2] i64[3]", {"mode": "set"}, "f32[2] is written to f32[3] (C4)"),
    ("scatter", "f32[4] f64[3] i64[3]", {"mode": "set"}, "dtypes differ: f32[4], f64[3] (C3)"),
    ("check_index", "i32[] i64[]", {}, "takes two scalars i64[], got i32[] and i64[] (C1)"),
    ("dot", "f32[2,3] f32[4,5]", {}, "inner dimensions differ: f32[2,3] . f32[4,5] (C4)"),
    ("dot", "f32[2,3] f64[3,5]", {}, "dtypes differ: f32[2,3] . f64[3,5] (C2)"),
    ("dot", "f32[3] f32[3,5]", {}, "takes two operands of rank 2, got f32[3] . f32[3,5] (C3)"),
    ("batched_dot", "f32[2,3,4] f32[3,4,5]", {}, "batch dimensions differ"),
    ("gemm", "f32[2,3] f32[4,3]", {}, "inner dimensions differ: f32[2,3] . f32[4,3] (C4)"),
    ("gemm", "f32[2,3] f32[3,4]", {"acc": True}, "takes further operands f32[2,4], got none (C5)"),
    ("softmax", "i32[2]", {"axis": 0}, "takes floats, got i32[2] (C2)"),
    ("logsumexp", "f32[2]", {"axes": (1,)}, "axes (1,) are not ascending axes of f32[2] (C1)"),
]


@pytest.mark.parametrize(("name", "operands", "attrs", "message"), BAD)
def test_the_rule_is_told(name: str, operands: str, attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeInferenceError) as e:
        infer(name, operands, **attrs)
    text = str(e.value)
    assert text.startswith(f"{name}: ") and message in text, text
    for i, t in enumerate(types(operands)):
        assert f"note: operand {i} is v{i}: {t}" in text


MISFITS: list[tuple[str, str, dict[str, Any], str]] = [
    ("add", "f32[2]", {}, "takes 2 operands, got 1"),
    ("neg", "f32[2] f32[2]", {}, "takes 1 operand, got 2"),
    ("const", "f32[2]", {}, "takes no operands, got 1"),
    ("scatter", "f32[2]", {"mode": "set"}, "takes 2 operands or more, got 1"),
    ("sum", "f32[2]", {"axis": 0}, "takes the attribute axes, got axis"),
    ("neg", "f32[2]", {"k": 1, "j": 2}, "takes no attributes, got j and k"),
    ("cumsum", "f32[2]", {}, "takes the attributes axis and reverse; axis is missing"),
    ("grad_clip", "f32[2]", {}, "takes the attributes low and high; low and high are missing"),
    ("conv", "f32[1,2,3,3] f32[4,2,2,2]", {**flat, "size": (2, 2), "pad": 1}, "bound_low and bound_high, got pad"),
    ("conv", "f32[1,2,3,3] f32[4,2,2,2]", {}, "; size, strides, dilation, low and high are missing"),
    ("pool_max", "f32[4]", {"window": (2,)}, "; size, strides and low are missing"),
    ("grad_scale", "f32[4]", {"by": 2.0}, "takes the attribute factor, got by"),
    ("stop_gradient", "f32[4]", {"by": 2.0}, "takes the attribute connected, got by"),
    ("cumsum", "f32[2]", {"axis": "last"}, 'the attribute axis is an integer, not "last"'),
    ("sum", "f32[2]", {"axes": 0}, "the attribute axes is a list of integers, not 0"),
    ("const", "", {"value": 2.5}, "the attribute value is an array, not 2.5"),
    ("grad_clip", "f32[2]", {"low": "a", "high": 1}, 'the attribute low is a number, not "a"'),
    ("reshape", "f32[2]", {"shape": None}, "the attribute shape is a list of dimensions, not none"),
]


@pytest.mark.parametrize(("name", "operands", "attrs", "message"), MISFITS)
def test_what_an_op_takes_is_told(name: str, operands: str, attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeInferenceError) as e:
        infer(name, operands, **attrs)
    head = str(e.value).splitlines()[0]
    assert head.startswith(f"{name}: ") and message in head, head


@pytest.mark.parametrize("record", OPS.values(), ids=OPS.keys())
def test_every_op_says_what_it_takes(record: OpDef) -> None:
    """Every annotation of a rule has words."""
    assert "takes" in misfit(record, 99, {"no_such_attribute": 0})
    for operands, attrs in record.samples()[:1]:
        for name in attrs:
            wrong = misfit(record, len(operands), {**attrs, name: Loc})
            assert wrong.startswith(f"the attribute {name} is "), wrong
        assert " do not fit the op" in misfit(record, len(operands), attrs), "nothing is wrong with the sample"


def test_the_users_line_is_told() -> None:
    here = Loc(__file__, 1)
    x = Value(TensorType("i32", ()), "x")
    with pytest.raises(TypeInferenceError, match=r"test_infer_errors.py:1: \"\"\"What ops refuse"):
        Builder(loc=here).exp(x)


GOOD: list[tuple[str, str, dict[str, Any], str]] = [
    ("add", "f32[n,1] f32[m]", {}, "f32[n,m]"),
    ("add", "f32[n] f32[7]", {}, "f32[7]"),
    ("eq", "bool[n] bool[]", {}, "bool[n]"),
    ("sum", "i32[n,m,2]", {"axes": (0, 2)}, "i32[m]"),
    ("argmax", "f32[n,m]", {"axes": (1,)}, "i64[n]"),
    ("max", "f32[n]", {"axes": (0,)}, "f32[]"),
    ("concatenate", "f32[n,3] f32[m,k] f32[2,3]", {"axis": 0}, "f32[m+n+2,3]"),
    ("gather", "f32[n,m] i32[k,2]", {}, "f32[k,2,m]"),
    ("gather", "f32[n,m] i32[k,1] u8[2]", {}, "f32[k,2]"),
    ("dot", "f32[n,k] f32[3,m]", {}, "f32[n,m]"),
    ("batched_dot", "f32[n,2,k] f32[5,k,m]", {}, "f32[5,2,m]"),
    ("gemm", "f32[k,n] f32[m,k] f32[n,m] f32[]", {"ta": True, "tb": True, "acc": True,
     "scaled": True}, "f32[n,m]"),
    ("logsumexp", "f16[n,m]", {"axes": (1,)}, "f16[n]"),
    ("broadcast", "f32[n] i64[]", {"shape": (Dim.symbol("k"), Dim.symbol("n")), "bound": (0,)},
     "f32[k,n]"),
    ("reshape", "c64[2,n]", {"shape": (Dim.symbol("n"), 2)}, "c64[n,2]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "operands", "attrs", "want"), GOOD)
def test_symbols_are_accepted(name: str, operands: str, attrs: dict[str, Any], want: str) -> None:
    assert infer(name, operands, **attrs) == want


# ---------------------------------------------------------------- at run time
def arrays(*data: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(x) for x in data]


RUN_TIME: list[tuple[str, list[Any], dict[str, Any], str]] = [
    ("gather", arrays(np.zeros(10), [3, 12]), {},
     "index 12 is out of bounds for axis 0 with size 10"),
    ("gather", arrays(np.zeros((4, 3)), [0], [-4]), {},
     "index -4 is out of bounds for axis 1 with size 3"),
    ("scatter", arrays(np.zeros(10), [1.0], [-11]), {"mode": "add"},
     "index -11 is out of bounds for axis 0 with size 10"),
    ("scatter", arrays(np.zeros(10), [1.0], [10]), {"mode": "set"},
     "index 10 is out of bounds for axis 0 with size 10"),
    ("check_index", arrays(12, 10), {"axis": 1},
     "index 12 is out of bounds for axis 1 with size 10"),
    ("check_index", arrays(-11, 10), {}, "index -11 is out of bounds for a dimension of size 10"),
    ("slice", arrays(np.zeros(3), 2), {**whole, "bound_start": (0,)},
     "index 3 is out of bounds for axis 0 with size 3"),
    ("update_slice", arrays(np.zeros(3), np.ones(2), -1),
     {**whole, "mode": "set", "bound_start": (0,)},
     "index -1 is out of bounds for axis 0 with size 3"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "operands", "attrs", "message"), RUN_TIME)
def test_indices_out_of_range(
    name: str, operands: list[Any], attrs: dict[str, Any], message: str
) -> None:
    with pytest.raises(IndexError, match=re.escape(message)):
        OPS[name].eval(*operands, **attrs)


def test_reshape_to_another_size() -> None:
    with pytest.raises(ValueError, match=r"cannot reshape \(6,\) to \(4, 2\)"):
        OPS["reshape"].eval(np.zeros(6), np.asarray(4), shape=(0, 2), bound=(0,))

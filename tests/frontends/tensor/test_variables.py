"""Variables: constructors, types, names, dtypes of results."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.frontends.tensor as T
from arignote.frontends.tensor import TensorType, config


def test_reprs_are_theanos() -> None:
    assert repr(T.fmatrix()) == "<TensorType(float32, matrix)>"
    assert str(T.fmatrix("x")) == "x"
    assert str(TensorType("float32", (False, False))) == "TensorType(float32, matrix)"
    assert str(T.row().type) == "TensorType(float64, row)"
    assert str(T.col().type) == "TensorType(float64, col)"
    assert str(T.iscalar().type) == "TensorType(int32, scalar)"
    assert str(T.tensor4().type) == "TensorType(float64, 4D)"
    odd = TensorType("int8", (True, False, False))
    assert str(odd) == "TensorType(int8, (True, False, False))"
    x, y = T.matrices("x", "y")
    assert repr(x + y) == "Elemwise{add,no_inplace}.0"
    assert repr(T.constant(2)) == "TensorConstant{2}"
    assert repr(x.T) == "InplaceDimShuffle{1,0}.0"
    assert repr(T.dot(x, y)) == "dot.0"


@pytest.mark.parametrize(
    "prefix,dtype",
    [("b", "int8"), ("w", "int16"), ("i", "int32"), ("l", "int64"), ("f", "float32"),
     ("d", "float64"), ("c", "complex64"), ("z", "complex128")],
)  # fmt: skip
def test_prefixes_fix_the_dtype(prefix: str, dtype: str) -> None:
    kinds = {"scalar": 0, "vector": 1, "matrix": 2, "row": 2, "col": 2, "tensor3": 3, "tensor4": 4}
    for kind, ndim in kinds.items():
        v = getattr(T, prefix + kind)("v")
        assert (v.dtype, v.ndim, v.name) == (dtype, ndim, "v")
    assert [v.dtype for v in getattr(T, prefix + "vectors")(2)] == [dtype] * 2


def test_plural_forms() -> None:
    assert [v.name for v in T.fmatrices("a", "b", "c")] == ["a", "b", "c"]
    assert len(T.scalars(3)) == 3
    assert T.matrices(("only",)).name == "only"


def test_floatX_decides_the_default_dtype() -> None:
    assert T.matrix().dtype == "float64"
    with config.change_flags(floatX="float32"):
        assert T.matrix().dtype == "float32"
        assert T.matrix(dtype="int32").dtype == "int32"


def test_static_shapes() -> None:
    x = T.fmatrix("x", shape=(None, 784))
    assert x.type.shape == (None, 784)
    assert x.shape[1].eval() == 784
    with pytest.raises(ValueError, match=r"a matrix has 2 dimensions"):
        T.matrix(shape=(1, 2, 3))
    assert T.matrix(shape=(1, None)).broadcastable == (True, False)


def test_types_are_values() -> None:
    a, b = TensorType("float32", (False, True)), TensorType("float32", shape=(None, 1))
    assert a == b and hash(a) == hash(b) and a != TensorType("float64", (False, True))
    assert T.fmatrix().type == T.fmatrix(shape=(3, 4)).type
    assert a("name").name == "name"
    assert a.clone(dtype="int32").dtype == "int32"
    with pytest.raises(TypeError, match=r"unsupported dtype 'float33'"):
        TensorType("float33", ())


def test_variables_are_keys_and_equality_is_identity() -> None:
    x, y = T.vectors("x", "y")
    assert x == x and x != y and len({x, y, x}) == 2
    assert (x + y).owner is not None
    z = x + y
    assert z.owner is not None and z.owner.inputs[0] is x
    assert z.owner == z.owner
    other = (y * 1 + x).owner
    assert other is not None and z.owner.op == other.op
    with pytest.raises(TypeError, match=r"do not support boolean operations"):
        bool(T.eq(x, y))
    with pytest.raises(TypeError, match=r"length is not known"):
        list(x)
    with pytest.raises(TypeError, match=r"set_subtensor"):
        x[0] = 1


def test_names_and_tags() -> None:
    x = T.vector("x")
    x.name = "renamed"
    assert str(x) == "renamed"
    x.tag.test_value = np.zeros(3)
    assert x.tag.test_value.shape == (3,)
    with pytest.raises(TypeError, match=r"name is a string"):
        setattr(x, "name", 3)  # noqa: B010


@pytest.mark.parametrize(
    "x,y,floatX,result",
    [
        ("fvector", 2, "float64", "float32"),
        ("fvector", 0.5, "float64", "float32"),  # exact in float32
        ("fvector", 0.1, "float64", "float64"),
        ("fvector", 0.1, "float32", "float32"),
        ("fvector", np.float64(0.1), "float32", "float64"),
        ("fvector", np.float32(0.1), "float64", "float32"),
        ("fvector", 2**40, "float32", "float64"),
        ("ivector", 2, "float64", "int32"),
        ("bvector", 200, "float64", "int16"),
        ("ivector", 0.5, "float32", "float64"),
        ("wvector", 0.5, "float32", "float32"),
        ("fvector", "ivector", "float32", "float64"),
        ("fvector", "wvector", "float32", "float32"),
        ("fvector", "dscalar", "float32", "float64"),
        ("lvector", "ivector", "float32", "int64"),
    ],
)
def test_upcasting(x: str, y: Any, floatX: str, result: str) -> None:
    with config.change_flags(floatX=floatX):
        other = getattr(T, y)() if isinstance(y, str) else y
        v = getattr(T, x)()
        assert (v + other).dtype == result
        assert (other * v).dtype == result


def test_division_of_integers_is_floatX() -> None:
    i, b = T.iscalar(), T.bscalar()
    with config.change_flags(floatX="float32"):
        assert (i / 2).dtype == "float32"
        assert (b / b).dtype == "float32"
    assert (i / 2).dtype == "float64"
    assert (i // 2).dtype == "int32"
    assert (T.fscalar() / i).dtype == "float64"


def test_dtypes_of_functions() -> None:
    assert T.exp(T.ivector()).dtype == "float64"
    assert T.exp(T.wvector()).dtype == "float32"
    assert T.eq(T.vector(), 0).dtype == "bool"
    assert (T.vector() > 0).dtype == "bool"
    assert (1 - T.eq(T.vector(), 0)).dtype == "int8"
    assert T.sum(T.bvector()).dtype == "int64"
    assert T.sum(T.fvector()).dtype == "float32"
    assert T.mean(T.ivector()).dtype == "float64"
    assert T.mean(T.fvector()).dtype == "float32"
    assert T.argmax(T.fmatrix(), axis=1).dtype == "int64"
    assert T.arange(T.iscalar()).dtype == "int64"
    assert T.switch(T.ivector(), T.fvector(), 0).dtype == "float32"
    assert T.sum(T.eq(T.vector(), 0)).dtype == "int64"


def test_dtype_errors() -> None:
    with pytest.raises(TypeError, match=r"sub of bool"):
        T.eq(T.vector(), 0) - T.eq(T.vector(), 0)
    with pytest.raises(TypeError, match=r"invert takes bools or integers"):
        ~T.vector()
    with pytest.raises(TypeError, match=r"and_ takes bools or integers, not float64"):
        T.vector() & T.vector()
    with pytest.raises(TypeError, match=r"cannot make a tensor variable of 'abc'"):
        T.exp("abc")
    with pytest.raises(TypeError, match=r"cannot make a tensor variable of None"):
        T.vector() + None


def test_as_tensor_variable() -> None:
    x = T.scalar("x")
    assert T.as_tensor_variable(x) is x
    assert T.as_tensor_variable([x, 1.0, x * 2]).type.shape == (3,)
    assert T.as_tensor_variable([[1, 2], [3, 4]]).dtype == "int64"
    assert T.as_tensor_variable(x, ndim=2).broadcastable == (True, True)
    c = T.constant([1.0, 2.0], name="c")
    assert (str(c), c.value.tolist(), c.ndim) == ("c", [1.0, 2.0], 1)
    assert isinstance(c, T.TensorConstant) and c.owner is None
    with pytest.raises(ValueError, match=r"read-only"):
        c.value[0] = 3


def test_numpy_arrays_leave_operators_to_variables() -> None:
    x = T.matrix("x")
    for v in (np.ones((2, 2)) * x, np.float64(2) * x, np.ones((2, 2)) @ x, np.ones(2) > x):
        assert isinstance(v, T.TensorVariable)


def test_constants_and_shared_variables_are_told_from_symbolic_ones() -> None:
    x, c, s = T.vector("x"), T.constant(2.0), ar.shared(np.ones(2))
    assert [isinstance(v, T.TensorVariable) for v in (x, x + 1, c, s, c + s)] == [True, True, False, False, True]
    assert isinstance(s, T.sharedvar.TensorSharedVariable) and not isinstance(x, T.sharedvar.TensorSharedVariable)
    assert all(isinstance(v, ar.Variable) for v in (x, c, s)), "all are variables"


def test_letters_of_one_text_name_several_variables() -> None:
    assert [v.name for v in T.dmatrices("ab")] == ["a", "b"]
    assert [v.name for v in T.vectors("long", "names")] == ["long", "names"]
    assert T.scalars("x").name == "x" and len(T.ivectors(3)) == 3


def test_shapes_are_known_symbolically() -> None:
    x = T.matrix("x")
    assert len(x.shape) == 2
    n, m = x.shape
    assert n.dtype == "int64" and n.ndim == 0
    assert T.zeros((n, m)).value_.shape == x.value_.shape
    assert T.zeros(x.shape).value_.shape == x.value_.shape
    assert T.zeros(x.shape[:1]).value_.shape == x.value_.shape[:1]
    assert x.reshape((x.shape[0], -1)).value_.shape == x.value_.shape
    assert x.flatten().value_.shape == T.zeros((n * m,)).value_.shape
    assert T.arange(x.shape[0]).value_.shape == x.value_.shape[:1]
    with pytest.raises(IndexError, match=r"dimension 2 of a tensor with 2"):
        x.shape[2]


def test_locations_are_the_users_lines() -> None:
    x = T.matrix("x")
    z = T.nnet.softmax(x).sum()
    op = z.value_.owner
    assert op is not None and op.loc is not None
    assert op.loc.file == __file__ and op.loc.source() == "z = T.nnet.softmax(x).sum()"
    with pytest.raises(TypeError, match=r"do not broadcast.*\n.*\n?") as e:
        _ = T.zeros((2, 3)) + T.zeros((2, 4))
    assert "test_variables.py" in str(e.value)


def test_graphs_are_collected() -> None:
    x = T.matrix("x")
    shared = T.shared(np.zeros(3), "s")
    seen: list[Any] = [weakref.ref(x), weakref.ref(shared)]
    y = T.grad((x + T.zeros_like(shared)).sum(), x)
    del x, shared, y
    gc.collect()
    assert [r() for r in seen] == [None, None]

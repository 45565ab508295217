"""What a call may be given: arrays of any layout, and clear errors for all that does not fit."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from arignote.codegen.executable import Executable
from arignote.codegen.memory import aligned_empty
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, State, Value
from arignote.ir.types import Dim, TensorType
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan
from tests.codegen.harness import Held, bind, function, one_thread

N = Dim.symbol("n")
X = np.arange(12, dtype=np.float32).reshape(3, 4)


def compiled(func: Func, states: dict[str, Held] | None = None) -> Executable:
    return bind(Plan().run(Fuse().run(func)), one_thread(), states or {})


@pytest.fixture(scope="module")
def f() -> Executable:
    """x[3,4] * s + k, not b; and y[n,2] + z[n,2]."""

    def build(b: Builder, xs: list[Value]) -> list[Value]:
        x, s, k, b_, y, z = xs
        return [b.add(b.mul(x, s), b.cast(k, dtype="f32")), b.invert(b_), b.add(y, z)]

    i32, two = TensorType("i32", ()), TensorType("f64", (N, 2))
    types = (TensorType("f32", (3, 4)), TensorType("f32", ()), i32, TensorType("bool", (2,)), two, two)
    return compiled(function(build, *types))


def given(**changed: Any) -> list[Any]:
    args = {"x": X, "s": 2.0, "k": 3, "b": np.array([True, False]), "y": np.ones((5, 2)), "z": np.ones((5, 2))}
    return list({**args, **changed}.values())


def misaligned() -> np.ndarray:
    return np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 4)


def read_only() -> np.ndarray:
    out = X.copy()
    out.flags.writeable = False
    return out


LAYOUTS = {
    "plain": X, "columns": np.asfortranarray(X), "strided": np.repeat(X, 2, axis=1)[:, ::2], "reversed": X[::-1][::-1],
    "misaligned": misaligned(), "read-only": read_only(), "unpickled": pickle.loads(pickle.dumps(X)),
    "a dtype of its own": X.view(np.dtype(np.float32, metadata={"unit": "m"})),
    "a subclass": X.view(type("Other", (np.ndarray,), {})),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arguments_of_any_layout(f: Executable, layout: str) -> None:
    scaled, flipped, _ = f(*given(x=LAYOUTS[layout]))
    np.testing.assert_array_equal(scaled, X * 2 + 3)
    assert flipped.tolist() == [False, True] and flipped.dtype == np.bool_


def test_numbers(f: Executable) -> None:
    assert f(*given(s=1, k=True))[0][0, 1] == 2
    assert f(*given(s=True, k=-(2**31)))[0][0, 0] == np.float32(-(2**31))


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "dtype": ({"x": X.astype(np.float64)}, TypeError, r"argument 0 is f32\[3,4\].*float64 and shape \(3, 4\)"),
    "byte order": ({"x": X.astype(">f4")}, TypeError, "argument 0 is f32.*>f4"),
    "bytes for truth": ({"b": np.zeros(2, np.int8)}, TypeError, r"argument 3 is bool\[2\].*int8"),
    "rank": ({"x": X.ravel()}, ValueError, r"argument 0 is f32\[3,4\].*shape \(12,\)"),
    "more axes": ({"x": X[None]}, ValueError, r"argument 0 .*shape \(1, 3, 4\)"),
    "shape": ({"x": X.T.copy()}, ValueError, r"argument 0 .*shape \(4, 3\)"),
    "no elements": ({"x": X[:0]}, ValueError, r"argument 0 .*shape \(0, 4\)"),
    "sizes that differ": ({"z": np.ones((4, 2))}, ValueError, r"argument 5 is f64\[n,2\].*shape \(4, 2\).*do not fit"),
    "symbolic rank": ({"y": np.ones(2)}, ValueError, r"argument 4 is f64\[n,2\].*shape \(2,\)"),
    "no array": ({"x": X.tolist()}, TypeError, r"argument 0 is f32\[3,4\], but a list was given"),
    "an address": ({"x": 4096}, TypeError, "argument 0 .* int was given"),
    "None": ({"b": None}, TypeError, "argument 3 .* NoneType was given"),
    "a number that is none": ({"s": None}, TypeError, r"argument 1 is f32\[\], but None was given"),
    "text": ({"s": "one"}, TypeError, r"argument 1 is f32\[\], but 'one' was given"),
    "a fraction": ({"k": 1.5}, TypeError, r"argument 2 is i32\[\], but 1.5 was given"),
    "an array for a number": ({"k": np.zeros(1)}, TypeError, r"argument 2 is i32\[\], but array"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_named(f: Executable, case: str) -> None:
    changed, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        f(*given(**changed))
    assert f(*given())[2].tolist() == [[2, 2]] * 5, "the next call is as good as the first"


def test_the_number_of_arguments(f: Executable) -> None:
    for args in (given()[:-1], [*given(), X], []):
        with pytest.raises(TypeError, match=f"6 arguments expected, {len(args)} given"):
            f(*args)


@pytest.fixture(scope="module")
def counter() -> tuple[Executable, Held]:
    """Adds x[4] to the shared variable w[4]."""
    ops: list[Op] = []
    x, w = Value(TensorType("f32", (4,)), "x"), Value(TensorType("f32", (4,)), "w")
    total = Builder(ops).add(w, x)
    held = Held(np.zeros(4, np.float32))
    return compiled(Func("f", [x], [State("w", w, total)], ops, []), {"w": held}), held


def test_shared_variables_are_looked_at_in_every_call(counter: tuple[Executable, Held]) -> None:
    f, held = counter
    one = np.ones(4, np.float32)
    room = aligned_empty(64, np.float32)
    room[...] = 5
    wrong: list[tuple[Any, type[Exception], str]] = [
        (room[1:5], ValueError, "shared variable w must be C-contiguous, writable and aligned to 64 bytes"),
        (room[:8:2], ValueError, r"shared variable w must be C-contiguous.*strides are \(8,\)"),
        (room[:5], ValueError, r"shared variable w is f32\[4\].*shape \(5,\)"),
        (room[:4].view(np.int32), TypeError, "shared variable w .*int32"),
        (room[:4].reshape(2, 2), ValueError, r"shape \(2, 2\)"),
        ([0.0] * 4, TypeError, "shared variable w .* list"),
    ]
    for array, kind, message in wrong:
        held.array = array
        with pytest.raises(kind, match=message):
            f(one)
    assert (room == 5).all()
    held.array = room[:4]
    f(one)
    assert room[:6].tolist() == [6, 6, 6, 6, 5, 5]
    held.array.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        f(one)
    held.array = room[:4].view(np.dtype(np.float32, metadata={"unit": "m"}))
    f(one)
    f(one)
    assert room[:6].tolist() == [8, 8, 8, 8, 5, 5], "updated in place, whatever object describes the dtype"

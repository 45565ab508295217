"""`verify_grad` finds what is wrong, and lets pass what is right; settings and names of old programs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote
import arignote.frontends.tensor as T
from arignote.frontends.tensor import checks, config
from arignote.frontends.tensor import configparser as cp
from arignote.frontends.tensor import scalar_types as scalars
from arignote.frontends.tensor.builders import OpFromGraph
from arignote.frontends.tensor.settings import Config, ConfigError

A = np.random.default_rng(0).normal(size=(2, 3))


def test_right_gradients_pass() -> None:
    T.verify_grad(lambda x: T.exp(x) * x, [A], rng=np.random.RandomState(1))
    T.verify_grad(T.dot, [A, A.T], rng=np.random.default_rng(0), n_tests=1)
    T.verify_grad(T.tanh, [A.astype("float32")], mode="reference")
    T.verify_grad(lambda x: T.cast(x, "float32"), [A])
    T.verify_grad(T.sqr, [A[:1]], out_type="float32", cast_to_output_type=True)
    T.verify_grad(lambda x, y: x.sum() * 2, [A, A])


def test_wrong_gradients_are_found() -> None:
    x = T.matrix("x")
    wrong = OpFromGraph([x], [x**2], grad_overrides=lambda xs, gs: [gs[0] * xs[0] * 2.1])
    with pytest.raises(checks.GradientMismatch, match=r"gradient of argument 0 at \(\d, \d\) is .* but differences"):
        T.verify_grad(wrong, [A])
    nan = OpFromGraph([x], [x * 1], grad_overrides=lambda xs, gs: [gs[0] * np.nan])
    with pytest.raises(checks.verify_grad.E_grad):  # type: ignore[attr-defined]
        T.verify_grad(nan, [A])
    T.verify_grad(wrong, [A], rel_tol=0.2)


def test_wrong_arguments() -> None:
    for message, fun, pt in [
        (r"takes a list of arrays", T.exp, A), (r"number 0 is int64", T.exp, [np.arange(3)]),
        (r"returns one variable", lambda x: [x, x], [A]), (r"returns floats, not", lambda x: x > 0, [A]),
    ]:  # fmt: skip
        with pytest.raises(TypeError, match=message):
            T.verify_grad(fun, pt)  # type: ignore[arg-type]


def test_numeric_gradients() -> None:
    np.testing.assert_allclose(T.numeric_grad(lambda x: (x**3).sum(), A).gf, 3 * A**2, rtol=1e-6)
    first, second = T.numeric_grad(lambda x, y: (x * y).sum(), [A, 2 * A]).gf
    np.testing.assert_allclose(first, 2 * A, rtol=1e-6)
    np.testing.assert_allclose(second, A, rtol=1e-6)


def test_tools_of_old_tests() -> None:
    tools = importlib.import_module("arignote.tests.unittest_tools")
    tools.verify_grad(T.exp, [A])
    assert tools.seed_rng(5) == 5
    first = np.random.rand()
    tools.seed_rng(5)
    assert np.random.rand() == first and tools.fetch_seed() == tools.seed_rng()
    tools.assert_allclose(np.float32(1), np.float32(1.000001))
    with pytest.raises(AssertionError):
        tools.assert_allclose(1.0, 1.000001)


# ---------------------------------------------------------------- settings
def test_settings_of_programs_own(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"no setting 'mine.size'"):
        c = Config({"THEANO_FLAGS": "mine.size=7"}, tmp_path)
    cp.AddConfigVar("mine.size", "How many.", cp.IntParam(3, lambda n: n > 0), root=c)
    cp.AddConfigVar("mine.kind", "Which.", cp.EnumStr("a", "b"), root=c)
    cp.AddConfigVar("loud", "Whether to shout.", cp.BoolParam(False), root=c)
    cp.AddConfigVar("rate", "How fast.", cp.FloatParam(0.5, allow_override=False), root=c)
    cp.AddConfigVar("title", "What it is called.", cp.StrParam("none"), root=c)
    cp.AddConfigVar("any", "Anything.", cp.ConfigParam(None), root=c)
    assert (c.mine.size, c.mine.kind, c.loud, c.rate, c.title, c.any) == (7, "a", False, 0.5, "none", None)
    c.mine.size = "9"
    c.loud, c.title, c.any = "yes", 5, [1]
    assert (c.mine.size, c.loud, c.title, c.any) == (9, True, "5", [1])
    with c.change_flags({"mine.kind": "b"}, loud=False):
        assert (c.mine.kind, c.loud) == ("b", False)
    assert (c.mine.kind, c.loud) == ("a", True)
    for message, name, value in [
        (r"mine.size cannot be -1: it is not valid", "mine.size", -1), (r"choices are a, b", "mine.kind", "c"),
        (r"neither true nor false", "loud", "perhaps"), (r"config.rate cannot be changed", "rate", 1.0),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            c.set(name, value, "code")
    with pytest.raises(AttributeError, match=r"has a setting 'loud' already"):
        cp.AddConfigVar("loud", "Again.", cp.BoolParam(True), root=c)
    assert "loud=True" in repr(c) and "loud" in dir(c)


def test_change_flags_as_a_decorator() -> None:
    @arignote.change_flags(floatX="float32")
    def make() -> str:
        return T.matrix().dtype

    assert make() == "float32" and T.matrix().dtype == config.floatX == "float64"


# ---------------------------------------------------------------- names
def test_scalars() -> None:
    x = scalars.float32("x")
    assert x.type == T.fscalar().type and x.name == "x" and str(scalars.float32) == "Scalar(float32)"
    assert scalars.upcast("float32", "int8") == "float32" and scalars.upcast("int32", "float32") == "float64"
    assert scalars.upcast("uint8", "int8") == "int16" and scalars.upcast("bool") == "bool"
    assert scalars.upcast_out(scalars.int8, scalars.float16)[0].dtype == "float16"
    assert {t.dtype for t in scalars.all_types} >= {"bool", "int64", "uint8", "float16", "complex64"}
    assert scalars.get_scalar_type("int8") == scalars.int8 and scalars.int8 in scalars.discrete_types
    assert scalars.as_scalar(3).ndim == 0 and scalars.as_scalar(T.matrix(shape=(1, 1))).ndim == 0
    with pytest.raises(TypeError, match=r"takes a number, but x is"):
        scalars.as_scalar(T.vector("x"))
    assert float(scalars.mul(x, 3).eval({x: np.float32(2)})) == 6
    assert scalars.identity(x) is x


def test_odd_names() -> None:
    assert arignote._asarray([1, 2], "floatX").dtype == config.floatX
    paths: list[tuple[str, str, Any]] = [
        ("scalar", "float64", scalars.float64), ("compile.mode", "get_default_mode", None),
        ("gof", "Constant", T.TensorConstant), ("graph.op", "get_test_value", None), ("version", "version", None),
        ("tensor.raise_op", "Assert", T.Assert), ("tensor.opt", "Assert", T.Assert),
        ("updates", "OrderedUpdates", None),
        ("compile.builders", "OpFromGraph", OpFromGraph), ("sandbox.softsign", "softsign", T.nnet.softsign),
        ("gradient", "disconnected_grad", None), ("configparser", "AddConfigVar", cp.AddConfigVar),
    ]  # fmt: skip
    for path, name, want in paths:
        found = getattr(importlib.import_module(f"arignote.{path}"), name)
        assert want is None or found is want
    mode = importlib.import_module("arignote.compile.mode")
    assert mode.get_default_mode().name == "FAST_RUN" and mode.get_mode("FAST_COMPILE").name == "FAST_COMPILE"
    assert arignote.dot is T.dot and arignote.clone is T.clone and arignote.Variable is T.Variable
    assert importlib.import_module("arignote.version").version == arignote.__version__

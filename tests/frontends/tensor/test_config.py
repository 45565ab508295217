"""Settings: sources, precedence, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor.modes import Mode, find_mode
from arignote.frontends.tensor.settings import Config, ConfigError


def test_defaults_are_theanos() -> None:
    c = Config({}, None)
    assert (c.floatX, c.device, c.mode, c.optimizer) == ("float64", "cpu", "FAST_RUN", "fast_run")


def test_precedence_is_code_arignote_flags_theano_flags_file(tmp_path: Path) -> None:
    (tmp_path / ".theanorc").write_text("[global]\nfloatX = float16\ndevice = gpu0\n")
    c = Config({}, tmp_path)
    assert (c.floatX, c.device) == ("float16", "cuda0")
    c = Config({"THEANO_FLAGS": "floatX=float32"}, tmp_path)
    assert (c.floatX, c.device) == ("float32", "cuda0")
    c = Config({"THEANO_FLAGS": "floatX=float32", "ARIGNOTE_FLAGS": "floatX=float64"}, tmp_path)
    assert c.floatX == "float64"
    c.floatX = "float32"
    assert c.floatX == "float32"
    (tmp_path / ".arignoterc").write_text("[global]\nfloatX = float64\n")
    assert Config({}, tmp_path).floatX == "float64"


def test_theanos_irrelevant_flags_are_kept_aside(tmp_path: Path) -> None:
    (tmp_path / ".theanorc").write_text("[gpuarray]\npreallocate=0.8\n[nvcc]\nfastmath=True\n")
    c = Config({"THEANO_FLAGS": "allow_gc=False,gcc.cxxflags=-O3 -ffast-math"}, tmp_path)
    assert c.ignored == {
        "gpuarray.preallocate": "0.8",
        "nvcc.fastmath": "True",
        "allow_gc": "False",
        "gcc.cxxflags": "-O3 -ffast-math",
    }
    assert c.gpuarray.preallocate == "0.8"
    c.gpuarray.sync = True
    assert c.ignored["gpuarray.sync"] is True


def test_unknown_names_and_values_say_what_is_near() -> None:
    c = Config({}, None)
    with pytest.raises(ConfigError, match=r"no setting 'floatx'; did you mean floatX"):
        c.floatx = "float32"
    with pytest.raises(AttributeError, match=r"no setting 'optimiser'; did you mean optimizer"):
        _ = c.optimiser
    with pytest.raises(ConfigError, match=r"config.floatX cannot be 'float31'.*float32"):
        c.floatX = "float31"
    with pytest.raises(ConfigError, match=r"ARIGNOTE_FLAGS: config has no setting 'flotX'"):
        Config({"ARIGNOTE_FLAGS": "flotX=float32"}, None)
    with pytest.raises(ConfigError, match=r"'floatX' is not of the form name=value"):
        Config({"ARIGNOTE_FLAGS": "floatX"}, None)
    with pytest.raises(ConfigError, match=r"config.device cannot be 'tpu'; give cpu, cuda"):
        c.device = "tpu"
    with pytest.warns(UserWarning, match=r"THEANO_FLAGS: config has no setting 'whatever'"):
        Config({"THEANO_FLAGS": "whatever=1"}, None)


def test_change_flags_restores_also_after_errors() -> None:
    with pytest.raises(RuntimeError), T.config.change_flags(floatX="float32"):
        assert T.matrix().dtype == "float32"
        raise RuntimeError
    assert T.config.floatX == "float64"

    @T.config.change_flags(floatX="float16")
    def f() -> str:
        return T.scalar().dtype

    assert f() == "float16"
    assert T.config.floatX == "float64"


def test_modes() -> None:
    assert find_mode("FAST_COMPILE").pipeline == "fast_compile"
    assert find_mode(None).name == "FAST_RUN"
    assert Mode(linker="cvm", optimizer="fast_compile").name == "FAST_COMPILE"
    assert Mode("reference") != Mode(name="reference")
    assert Mode(name="reference").reference
    with T.config.change_flags(optimizer="None"):
        assert find_mode(None).name == "None"
    with pytest.raises(ValueError, match=r"no mode is called 'FAST'.*FAST_RUN, FAST_COMPILE"):
        T.function([], [], mode="FAST")
    with pytest.raises(ValueError, match=r"no optimizer is called 'o9'"):
        Mode(optimizer="o9")
    with pytest.raises(ValueError, match=r"no mode is called 'Fast'"):
        T.config.mode = "Fast"


def test_floatX_is_an_alias_for_dtypes() -> None:
    with T.config.change_flags(floatX="float32"):
        assert T.cast(T.ivector(), "floatX").dtype == "float32"
        assert T.ivector().astype("floatX").dtype == "float32"
        assert T.zeros(3).dtype == "float32"
        assert T.constant(np.arange(3), dtype="floatX").dtype == "float32"

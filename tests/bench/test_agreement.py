"""Peers that compute something else are refused before anything is timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench import main as command_line
from bench import peers, report, timing, workloads
from bench.agreement import Disagreement, check, loss_error, params_error
from bench.workloads.images import resnet

LOSSES = [2.3, 2.2, 2.1]
PARAMS = {"W": np.ones((2, 2), np.float32)}


def test_agreement_is_recorded() -> None:
    record = check(
        "numpy", {"numpy": LOSSES, "jax": [2.3, 2.2, 2.1001]}, {"numpy": PARAMS, "jax": PARAMS}
    )
    assert record["steps"] == 3
    assert record["errors"]["jax"]["loss"] == pytest.approx(1e-4 / 2.1, rel=1e-3)


def test_other_losses_are_refused_with_their_values() -> None:
    with pytest.raises(Disagreement, match=r"refused to time.*jax has losses \[2\.3, 2\.2, 2\.2\]"):
        check("numpy", {"numpy": LOSSES, "jax": [2.3, 2.2, 2.2]}, {"numpy": PARAMS, "jax": PARAMS})


def test_other_parameters_are_refused() -> None:
    off = {"W": PARAMS["W"] * np.float32(1.01)}
    with pytest.raises(Disagreement, match="jax has other parameters"):
        check("numpy", {"numpy": LOSSES, "jax": LOSSES}, {"numpy": PARAMS, "jax": off})


def test_a_lower_precision_or_another_shape_never_agrees() -> None:
    half = {"W": PARAMS["W"].astype(np.float16)}
    assert params_error(PARAMS, half) == float("inf")
    assert params_error(PARAMS, {"W": np.ones(4, np.float32)}) == float("inf")
    assert params_error(PARAMS, {}) == float("inf")


def test_not_a_number_never_agrees() -> None:
    assert loss_error([1.0], [float("nan")]) == float("inf")
    assert loss_error([float("nan")], [float("nan")]) == float("inf")
    assert loss_error([1.0, 1.0], [1.0]) == float("inf")
    assert params_error(PARAMS, {"W": PARAMS["W"] * np.float32(np.nan)}) == float("inf")


def test_a_run_is_refused_when_a_worker_disagrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: a real worker, a reference that was made wrong, a command that fails."""

    def wrong(reference: str, losses: object, params: object, tolerance: float) -> dict[str, object]:
        values = {reference: [1.0], "other": [2.0]}
        return check(reference, values, dict.fromkeys(values, PARAMS))

    monkeypatch.setattr(timing, "check", wrong)
    done = CliRunner().invoke(
        command_line.main,
        [
            "run",
            "chain-small",
            "--threads",
            "1",
            "--peers",
            "numpy",
            "--no-limits",
            "--rounds",
            "1",
            "--out",
            str(tmp_path),
        ],
    )
    assert done.exit_code == 1, done.output
    assert "refused to time" in done.output
    (path,) = tmp_path.glob("run-*.json")
    (result,) = report.load(path)["results"]
    assert result["peers"] == {} and "other has losses [2]" in result["refused"]


@pytest.mark.filterwarnings("ignore")  # of the peers' own making
@pytest.mark.parametrize("name", list(peers.REGISTRY))
@pytest.mark.parametrize("workload", [*workloads.SMALL, "call-2"])
def test_each_peer_agrees_with_the_reference(name: str, workload: str) -> None:
    """Where a peer is installed; the benchmarks' own extra installs them."""
    peer = peers.find(name)
    reason = peer.available()
    if reason is not None:
        pytest.skip(reason)
    spec = workloads.find(workload)
    peer.load(1)
    if spec.family not in peer.builders():
        pytest.skip(f"{name} has no implementation of {spec.family}")
    if spec.reference == "torch-eager" and name.startswith(("torch-compile", "pytensor")):
        pytest.skip("takes minutes to compile loops; the benchmark checks it")
    if name == spec.reference:
        pytest.skip("nothing to compare")
    if (missing := peers.find(spec.reference).available()) is not None:
        pytest.skip(missing)
    losses, params = {}, {}
    for one in (peers.find(spec.reference), peer):
        runner = one.build(spec, spec.make(7), 1)
        losses[one.name] = [runner.step() for _ in range(3)]
        params[one.name] = runner.params()
    check(spec.reference, losses, params)


@pytest.mark.parametrize("workload", ["predict-mlp-1", "predict-resnet-1"])
def test_onnx_models_are_the_networks(workload: str) -> None:
    peer = peers.find("onnxruntime")
    if (reason := peer.available()) is not None:
        pytest.skip(reason)
    spec = workloads.find(workload)
    params = {}
    for one in (peers.find("numpy"), peer):
        runner = one.build(spec, spec.make(7), 1)
        runner.step()
        params[one.name] = runner.params()
    check("numpy", {name: [0.0] for name in params}, params)


def test_kernels_that_a_step_calls_are_counted_apart_from_those_that_differ() -> None:
    peer, counts = peers.find("arignote"), []
    for n in (2, 3):
        spec = resnet(4, n=n, filters=4, size=8, examples=16)
        runner = peer.build(spec, spec.make(7), 1)
        found = peer.kernels()
        assert found is not None
        counts.append(found)
        del runner
    shallow, deep = counts
    assert deep["compiled"] == shallow["compiled"] < shallow["called"] < deep["called"]
    assert peers.find("numpy").kernels() is None


def test_first_losses_agree_better_than_those_behind_updates() -> None:
    params = dict.fromkeys(("numpy", "jax"), PARAMS)
    later = {"numpy": LOSSES, "jax": [2.3, 2.2, 2.1 * (1 + 5e-4)]}
    assert check("numpy", later, params, 1e-3)["tolerance"] == 1e-3
    with pytest.raises(Disagreement, match="jax has losses"):
        check("numpy", {"numpy": LOSSES, "jax": [2.3 * (1 + 5e-4), 2.2, 2.1]}, params, 1e-3)

"""What runs a network: onnxruntime as torch would, and no accelerator that computes something else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from networks import SMALL, SMALL_RECORD, stirred
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from raw_scenes import noise_frame

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.weights import load_weights, save_weights
from synthnoise.denoising import graph_cache, networks
from synthnoise.denoising.graph_cache import Graph, keep_graph, kept_graph
from synthnoise.denoising.networks import load_denoiser
from synthnoise.denoising.onnx_network import (
    CPU,
    OnnxNetwork,
    Trial,
    largest_difference,
    on_accelerator,
    on_onnxruntime,
    on_provider,
    open_session,
)
from synthnoise.errors import InputError, UsageError
from synthnoise.export import export_onnx
from synthnoise.raw.dng import write_dng

TRIAL = Trial(channels=4, sigma=1.0, multiple_of=1)
CUDA = "CUDAExecutionProvider"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    save_weights(folder / "net.safetensors", stirred(SMALL), SMALL_RECORD)
    export_onnx(folder / "net.safetensors", folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_weights_run_on_onnxruntime_as_in_torch(name: str) -> None:
    loaded = load_denoiser(name, {}, "cpu")
    assert isinstance(loaded.network, OnnxNetwork)
    assert loaded.remark is None
    path = bundled_weights(name)
    assert path is not None
    network, record = load_weights(path)
    trial = Trial(channels=record.channels, sigma=record.noise_range[1], multiple_of=record.multiple_of)
    expected = trial.run(network)
    difference = largest_difference(trial.run(loaded.network), expected)
    assert difference <= 1e-5 * max(1.0, float(np.abs(expected).max()))


def test_the_second_process_needs_no_torch(tmp_path: Path) -> None:
    # A noise level of its own, which otherwise would be estimated.
    write_dng(tmp_path / "a.dng", noise_frame("RGGB", (64, 96)), noise_profile=((1e-3, 1e-6),))
    script = (
        "import sys; from synthnoise.denoising import denoise_files\n"
        "(found,) = denoise_files([sys.argv[1]], on_existing='overwrite')\n"
        "sys.exit(str(found.error) if found.error else 10 + ('torch' in sys.modules))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    results = []
    for code in (11, 10):
        command = [sys.executable, "-c", script, str(tmp_path / "a.dng")]
        assert subprocess.run(command, env=environment, check=False).returncode == code
        results.append((tmp_path / "a-denoised.dng").read_bytes())
    assert results[0] == results[1]


def test_kept_graphs_are_those_of_the_weights_and_damaged_ones_are_not_used(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    weights = model.with_suffix(".safetensors")
    assert kept_graph(weights) is None
    expected = TRIAL.run(stirred(SMALL))
    networks._loaded.cache_clear()
    load_denoiser(str(weights), {}, "cpu")
    (place,) = graph_cache.cache_folder().iterdir()
    kept = kept_graph(weights)
    assert kept is not None
    assert largest_difference(kept.expected, expected) < 1e-5
    place.write_bytes(place.read_bytes()[:1000])
    assert kept_graph(weights) is None
    # A graph that gives something else is written anew.
    keep_graph(weights, Graph(kept.model, kept.expected + np.float32(0.1)))
    networks._loaded.cache_clear()
    assert load_denoiser(str(weights), {}, "cpu").remark is None
    again = kept_graph(weights)
    assert again is not None
    assert largest_difference(again.expected, expected) < 1e-5


def test_without_onnxruntime_torch_does_it_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import util

    find = util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "onnxruntime" else find(name, *rest)
    )
    network = stirred(SMALL)
    found, _, remark = on_onnxruntime(network, 1, TRIAL)
    assert found is network
    assert remark is not None
    assert "pip install 'synthnoise[onnx]'" in remark


def test_what_cannot_be_written_as_a_graph_runs_in_torch() -> None:
    class Sorted(torch.nn.Module):
        def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return noisy.sort(dim=-1).values * sigma

    network = Sorted()
    found, _, remark = on_onnxruntime(network, 1, TRIAL)
    assert found is network
    assert remark is not None
    assert "aten.sort" in remark


class Spoilt:
    """A session on a device that is broken in some way, in front of a real one."""

    def __init__(self, session: Any, spoil: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> None:
        self.session, self.spoil = session, spoil

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, names: Any, feed: Any, *options: Any) -> Any:
        return [self.spoil(result) for result in self.session.run(names, feed, *options)]


def smear(result: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.roll(result, 1, axis=3)


def blacken(result: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return result * np.float32(np.nan)


def crash(result: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    raise RuntimeError("driver lost\nand more")


def fail(result: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    # Neither onnxruntime's failures nor Python's have an ancestor below Exception in common.
    raise Fail("driver gone\nand more")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(smear, "something else, by"), (blacken, "by inf"), (crash, ": driver lost"), (fail, ": driver gone")],
)
def test_a_provider_that_computes_something_else_is_not_used(model: Path, spoil: Any, reason: str) -> None:
    reference = OnnxNetwork(open_session(model, CPU))

    def open_on(path: bytes | Path, provider: str) -> Any:
        return Spoilt(open_session(path, CPU), spoil)

    network, remark = on_provider(
        model, "auto", TRIAL, available=[CUDA, CPU], reference=reference, open_on=open_on
    )
    assert network is reference
    assert remark is not None
    assert remark.startswith(f"on the CPU, as {CUDA} ")
    assert reason in remark
    assert "\n" not in remark


def test_a_provider_that_rounds_to_half_precision_is_used(model: Path) -> None:
    reference = OnnxNetwork(open_session(model, CPU))

    def open_on(path: bytes | Path, provider: str) -> Any:
        return Spoilt(open_session(path, CPU), lambda result: result + np.float32(1e-3))

    network, remark = on_provider(
        model, "cuda", TRIAL, available=[CUDA, CPU], reference=reference, open_on=open_on
    )
    assert network is not reference
    assert remark is None


def test_a_device_asked_for_by_name_has_to_be_there(model: Path) -> None:
    assert CUDA not in onnxruntime.get_available_providers()
    with pytest.raises(UsageError, match="no provider"):
        load_denoiser(str(model), {}, "cuda")


class Drifting(torch.nn.Module):
    """A network that computes something else once it was moved."""

    moved = False

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy + 0.5 * float(self.moved) * sigma

    def to(self, *place: Any, **rest: Any) -> torch.nn.Module:
        self.moved = True
        return self


def test_a_torch_device_that_computes_something_else_is_not_used() -> None:
    _, remark = on_accelerator(Drifting(), torch.device("cpu"), TRIAL)
    assert remark is not None
    assert "something else" in remark
    assert on_accelerator(stirred(SMALL), torch.device("cpu"), TRIAL)[1] is None


def test_a_file_of_one_size_is_refused_for_pictures_of_any(model: Path, tmp_path: Path) -> None:
    export_onnx(model.with_suffix(".safetensors"), tmp_path / "net.onnx", static=(64, 64))
    with pytest.raises(InputError, match="64 x 64 pixels alone"):
        load_denoiser(str(tmp_path / "net.onnx"), {}, "cpu")

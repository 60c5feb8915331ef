"""What runs a network: onnxruntime as torch would, and no accelerator that computes something else."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import SMALL, SMALL_RECORD, stirred
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from PIL import Image
from raw_scenes import noise_frame
from torch.nn import functional

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.weights import WeightsRecord, load_weights, save_weights
from synthnoise.denoising import Denoiser, Settings, denoise_files, graph_cache, networks
from synthnoise.denoising.graph_cache import Graph, keep_graph, kept_graph
from synthnoise.denoising.networks import load_denoiser
from synthnoise.denoising.onnx_network import (
    CPU,
    OnnxNetwork,
    ProviderOptions,
    Trial,
    largest_difference,
    on_accelerator,
    on_onnxruntime,
    on_provider,
    open_session,
    providers_of,
)
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.export import describe_onnx, export_onnx
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


class Plain(torch.nn.Module):
    """A convolution, and after it something that torch does in more than one way."""

    def __init__(self, after: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.convolution, self.after = torch.nn.Conv2d(4, 4, 3, padding=1), after

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy - self.after(self.convolution(noisy)) * sigma


@pytest.mark.parametrize(
    "after",
    [
        lambda x: x.mean((2, 3), keepdim=True, dtype=torch.float64).float(),
        lambda x: functional.avg_pool2d(x, 1, divisor_override=2),
    ],
)
def test_operations_are_not_written_down_as_what_they_are_not(
    after: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    network = Plain(after).eval()
    found, _, remark = on_onnxruntime(network, 1, TRIAL)
    assert found is network
    assert remark is not None
    assert "no ONNX operation is known" in remark


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

    def open_on(path: bytes | Path, provider: str, told: ProviderOptions) -> Any:
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

    def open_on(path: bytes | Path, provider: str, told: ProviderOptions) -> Any:
        return Spoilt(open_session(path, CPU), lambda result: result + np.float32(1e-3))

    network, remark = on_provider(
        model, "cuda", TRIAL, available=[CUDA, CPU], reference=reference, open_on=open_on
    )
    assert network is not reference
    assert remark is None


def test_a_provider_that_does_not_start_is_not_taken_for_the_cpu(model: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxruntime's own, of which its wheel for GPUs has none
        reference = OnnxNetwork(open_session(model, CPU))
        network, remark = on_provider(model, "auto", TRIAL, available=[CUDA], reference=reference)
    assert network is reference
    assert remark == (
        f"on the CPU, as {CUDA} fails: onnxruntime cannot start it here: its driver or libraries are missing"
    )


def test_a_driver_without_words_is_told_by_the_name_of_its_error() -> None:
    class Mute(torch.nn.Module):
        moved = False

        def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            if self.moved:
                raise RuntimeError
            return noisy

        def to(self, *place: Any, **rest: Any) -> torch.nn.Module:
            self.moved = True
            return self

    assert on_accelerator(Mute(), torch.device("cpu"), TRIAL)[1] == "on the CPU, as cpu fails: RuntimeError"


def test_a_device_that_fails_in_the_middle_is_one_line(model: Path) -> None:
    class Lost(torch.nn.Module):
        def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("driver lost\nand more")

    denoiser = Denoiser(Settings(denoiser=str(model)))
    denoiser.network, denoiser.device = Lost(), torch.device("meta")
    with pytest.raises(SynthnoiseError, match=r"^meta fails: driver lost$") as failure:
        denoiser.denoised(np.zeros((1, 4, 16, 16), np.float32), (1e-3,) * 4, (1e-6,) * 4)
    assert failure.value.hint == "--device cpu"


def test_a_file_is_opened_once_for_many_pictures(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "NET.ONNX"
    path.write_bytes(model.read_bytes())
    first = load_denoiser(str(path), {}, "cpu")
    assert load_denoiser(str(path), {}, "cpu").network is first.network
    export_onnx(model.with_suffix(".safetensors"), tmp_path / "net.onnx", static=(30, 50))
    path.write_bytes((tmp_path / "net.onnx").read_bytes())
    assert load_denoiser(str(path), {}, "cpu").network is not first.network


def test_a_device_asked_for_by_name_has_to_be_there(model: Path) -> None:
    assert CUDA not in onnxruntime.get_available_providers()
    with pytest.raises(UsageError, match="no provider"):
        load_denoiser(str(model), {}, "cuda")


@pytest.mark.parametrize(
    ("device", "asked"),
    [
        ("cuda", {"use_tf32": "0"}),
        ("auto", {"use_tf32": "0"}),
        ("cuda:0", {"use_tf32": "0", "device_id": "0"}),
        ("cuda:1", {"use_tf32": "0", "device_id": "1"}),
    ],
)
def test_the_number_of_a_device_reaches_its_provider(model: Path, device: str, asked: dict[str, str]) -> None:
    reference, opened = OnnxNetwork(open_session(model, CPU)), []

    def open_on(path: bytes | Path, provider: str, told: ProviderOptions) -> Any:
        opened.append((provider, dict(told)))
        return open_session(path, CPU)

    on_provider(model, device, TRIAL, available=[CUDA, CPU], reference=reference, open_on=open_on)
    assert opened == [(CUDA, asked)]


def test_providers_are_told_what_they_know() -> None:
    rocm, directml, apple = (f"{name}ExecutionProvider" for name in ("ROCM", "Dml", "CoreML"))
    assert providers_of("cuda:2", [rocm, CPU]) == [(rocm, {"device_id": "2"})]
    assert providers_of("mps:0", [apple, CPU]) == [(apple, {})]
    assert providers_of("auto", [directml, CPU]) == [(directml, {})]
    assert providers_of("cpu", [CUDA, CPU]) == []


def test_a_device_of_a_number_that_does_not_start_is_one_line(model: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxruntime's own, of which its wheel for GPUs has none
        reference = OnnxNetwork(open_session(model, CPU))
        with pytest.raises(UsageError, match=r"^--device cuda:7: onnxruntime cannot start it") as refusal:
            on_provider(model, "cuda:7", TRIAL, available=[CUDA], reference=reference)
    assert refusal.value.hint == "use --device auto, or another number"


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "auto:1", "cpu:1", "mps:1"])
def test_a_device_that_cannot_be_is_one_line(model: Path, device: str) -> None:
    for name in (str(model), "wiener"):
        with pytest.raises(UsageError, match=f"^--device '?{device}'?: (unknown|no such device here)$"):
            load_denoiser(name, {}, device)


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


SIZES = {"dncnn": (30, 50), "drunet": (61, 90), "nafnet": (64, 64)}
"""Fixed sizes. The second is padded inside, as the network takes multiples of 4; the third sees the whole."""
WALKED: dict[str, dict[str, Any]] = {
    "dncnn": SMALL,
    "drunet": {"channels": 4, "widths": [4, 8, 8], "blocks": 1},
    "nafnet": {"channels": 4, "width": 4},
}


@pytest.mark.parametrize("name", SIZES)
def test_a_file_of_a_fixed_size_denoises_as_the_one_of_any(name: str, tmp_path: Path) -> None:
    network = stirred(WALKED[name], denoiser=name)
    record = WeightsRecord(
        denoiser=name,
        domain="bayer",
        channels=4,
        options=WALKED[name],
        stabilised=True,
        halo=int(getattr(network, "halo", 0)),
        multiple_of=int(getattr(network, "multiple_of", 1)),
        global_context=name == "nafnet",
        noise_range=(1, 1),
    )
    save_weights(tmp_path / "net.safetensors", network, record)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "any.onnx")
    export_onnx(tmp_path / "net.safetensors", tmp_path / "fixed.onnx", static=SIZES[name])
    free, fixed = (Denoiser(Settings(denoiser=str(tmp_path / f"{kind}.onnx"))) for kind in ("any", "fixed"))
    noise = (1e-3,) * 4, (1e-6,) * 4
    for batch, height, width in ((1, 9, 7), (2, 41, 70), (1, 97, 131)):  # smaller, in between and larger
        planes = np.random.default_rng(width).random((batch, 4, height, width), dtype=np.float32)
        expected = free.denoised(planes, *noise)
        assert np.abs(expected - planes).max() > 1e-3
        np.testing.assert_allclose(fixed.denoised(planes, *noise), expected, rtol=0, atol=1e-5)
    assert fixed.remarks == ()
    assert "takes any" in describe_onnx(tmp_path / "fixed.onnx")["size"]
    assert "size" not in describe_onnx(tmp_path / "any.onnx")


def test_files_of_a_fixed_size_denoise_raw_and_pictures_tile_by_tile(tmp_path: Path) -> None:
    write_dng(tmp_path / "raw.dng", noise_frame("RGGB", (97, 131)), noise_profile=((1e-3, 1e-6),))
    picture = np.random.default_rng(0).integers(0, 256, (97, 131, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    for name, facts in (("raw.dng", {}), ("picture.png", {"domain": "srgb", "channels": 3})):
        weights, options = tmp_path / f"{name}.safetensors", {**SMALL, "channels": facts.get("channels", 4)}
        record = dataclasses.replace(
            SMALL_RECORD, options=options, stabilised=not facts, noise_range=(0.5, 1), **facts
        )
        save_weights(weights, stirred(options), record)
        results = []
        for kind, size in (("any", None), ("fixed", (32, 40))):
            export_onnx(weights, tmp_path / f"{kind}.onnx", static=size, overwrite=True)
            target = tmp_path / f"{kind}-{name}"
            settings = Settings(denoiser=str(tmp_path / f"{kind}.onnx"), tile=64)
            (outcome,) = denoise_files([tmp_path / name], target, settings)
            assert outcome.error is None
            results.append(target.read_bytes())
        assert results[0] == results[1]


def test_a_truncated_file_is_refused_with_a_way_out(model: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(model.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cut\.onnx: not an ONNX file") as refusal:
        load_denoiser(str(tmp_path / "cut.onnx"), {}, "cpu")
    assert refusal.value.hint is not None
    assert refusal.value.hint.startswith("fetch or export it again")


def test_a_graph_that_holds_its_size_is_refused_in_one_line(model: Path, tmp_path: Path) -> None:
    export_onnx(model.with_suffix(".safetensors"), tmp_path / "net.onnx", static=(30, 50))
    held = onnx.load(tmp_path / "net.onnx")
    last = held.graph.node[-1]
    last.output[0] = "free"
    shape = onnx.numpy_helper.from_array(np.array([1, 4, 30, 50]), "shape")
    held.graph.initializer.append(shape)
    held.graph.node.append(onnx.helper.make_node("Reshape", ["free", "shape"], ["denoised"]))
    onnx.save(held, tmp_path / "held.onnx")
    with pytest.raises(InputError, match=r"held\.onnx: onnxruntime does not run the network") as refusal:
        load_denoiser(str(tmp_path / "held.onnx"), {}, "cpu")
    assert refusal.value.hint == "its graph runs at 30 x 50 pixels alone: export it without --static"


def test_a_network_that_gives_another_shape_at_some_size_is_one_line(model: Path, tmp_path: Path) -> None:
    cut = onnx.load(model)
    cut.graph.node[-1].output[0] = "whole"
    values = {"zero": [0, 0], "end": [64, 64], "axes": [2, 3]}
    cut.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array(value), name) for name, value in values.items()
    )
    cut.graph.node.append(onnx.helper.make_node("Slice", ["whole", *values], ["denoised"]))
    onnx.save(cut, tmp_path / "cut.onnx")
    denoiser = Denoiser(Settings(denoiser=str(tmp_path / "cut.onnx")))
    planes = np.zeros((1, 4, 64, 80), np.float32)
    with pytest.raises(SynthnoiseError, match=r"gives an image of shape \(1, 4, 64, 64\) for"):
        denoiser.denoised(planes, (1e-3,) * 4, (1e-6,) * 4)

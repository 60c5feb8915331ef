"""ONNX files: what onnxruntime computes is what torch computes, and nothing of this machine is inside."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import SMALL_RECORD, stirred
from torch.nn import functional

from synthnoise import specs
from synthnoise.denoisers.onnx_course import depends_on_size
from synthnoise.denoisers.onnx_graph import GraphOptions, onnx_model
from synthnoise.denoisers.weights import (
    WeightsRecord,
    build_network,
    content_hash,
    load_weights,
    save_weights,
)
from synthnoise.denoising.onnx_network import Trial, on_onnxruntime
from synthnoise.errors import InputError, MissingExtraError, OutputExistsError, SynthnoiseError, UsageError
from synthnoise.export import describe_onnx, export_darktable, export_onnx, halve_weights
from synthnoise.export.half_precision import in_half_precision
from synthnoise.export.onnx import model_of, session_of
from synthnoise.hookspecs import hookimpl
from synthnoise.plugins import Plugins

SMALL = {"channels": 4, "depth": 4, "width": 8}
MACHINE = {
    *(str(path) for path in (Path(torch.__file__).parents[1], Path(__file__).parents[1])),
    *(path.name for path in (Path(torch.__file__).parents[1], Path(__file__))),
    "stack_trace",
    "Traceback",
}
"""What a file would hold that said where and by what it was made."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


def weights(folder: Path, name: str, values: dict[str, Any], **record: Any) -> Path:
    path = folder / f"{name}.safetensors"
    network = stirred(values, seed=5)
    planes = int(values.get("sigma_planes", 1))
    facts = {"channels": int(values["channels"]), "sigma_planes": planes, "noise_range": (0.0, 1.0)}
    facts["halo"] = int(values["depth"])
    save_weights(
        path, network, WeightsRecord(denoiser="dncnn", options=values, domain="bayer", **facts, **record)
    )
    return path


@pytest.fixture(scope="module")
def exported(folder: Path) -> tuple[Path, Path]:
    source = weights(folder, "net", SMALL, stabilised=True, seed=5, steps=9, recipe={"images": "dead-leaves"})
    target = folder / "net.onnx"
    export_onnx(source, target)
    return source, target


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 9), (2, 33, 41), (3, 64, 16), (1, 5, 257)])
def test_onnxruntime_agrees_with_torch_at_any_size(
    exported: tuple[Path, Path], shape: tuple[int, int, int]
) -> None:
    network, _ = load_weights(exported[0])
    batch, height, width = shape
    rng = np.random.default_rng(1)
    noisy = rng.standard_normal((batch, 4, height, width), dtype=np.float32)
    sigma = rng.random((batch, 1, height, width), dtype=np.float32)
    session = onnxruntime.InferenceSession(exported[1], providers=["CPUExecutionProvider"])
    (found,) = session.run(["denoised"], {"noisy": noisy, "sigma": sigma})
    with torch.no_grad():
        expected = network(torch.from_numpy(noisy), torch.from_numpy(sigma)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - noisy).max() > 3e-5


def test_the_file_says_what_is_needed_to_run_it(exported: tuple[Path, Path]) -> None:
    network, _ = load_weights(exported[0])
    session = onnxruntime.InferenceSession(exported[1], providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["synthnoise"])
    assert facts["denoiser"] == "dncnn"
    assert (facts["domain"], facts["channels"], facts["sigma_planes"]) == ("bayer", 4, 1)
    assert (facts["halo"], facts["multiple_of"], facts["noise_range"]) == (4, 1, [0.0, 1.0])
    assert facts["sha256"] == content_hash(network)
    assert "Anscombe" in facts["normalisation"]
    assert facts["card"]["recipe"] == {"images": "dead-leaves"}
    assert {i.name: i.shape for i in session.get_inputs()} == {
        "noisy": ["batch", 4, "h", "w"],
        "sigma": ["batch", 1, "h", "w"],
    }
    assert {o.name: o.shape for o in session.get_outputs()} == {"denoised": ["batch", 4, "h", "w"]}


def test_the_file_is_one_valid_file_with_nothing_of_the_machine(exported: tuple[Path, Path]) -> None:
    model = onnx.load(exported[1])
    onnx.checker.check_model(model, full_check=True)
    assert [p.name for p in exported[1].parent.iterdir() if "onnx" in p.name] == ["net.onnx"]
    data = exported[1].read_bytes()
    for place in MACHINE | {exported[0].parent.name}:
        assert place.encode() not in data


def test_same_weights_same_bytes_and_not_a_word(
    exported: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    summary = export_onnx(exported[0], tmp_path / "again.onnx")
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "again.onnx").read_bytes() == exported[1].read_bytes()
    assert summary.max_error < 1e-5
    assert summary.size == (tmp_path / "again.onnx").stat().st_size


@pytest.mark.parametrize(
    "values",
    [
        {"channels": 1, "depth": 3, "width": 4, "sigma_planes": 0},
        {"channels": 3, "depth": 3, "width": 4, "sigma_planes": 3, "centred": False},
        {"channels": 3, "depth": 3, "width": 4, "bias_free": False, "batch_norm": True},
    ],
)
def test_every_conditioning_exports(folder: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    export_onnx(weights(tmp_path, "net", values), tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["noisy", "sigma"]


def test_a_file_can_be_asked_what_it_is(exported: tuple[Path, Path]) -> None:
    facts = describe_onnx(exported[1])
    assert facts["input noisy"] == "batch x 4 x h x w"
    assert facts["output denoised"] == "batch x 4 x h x w"
    assert (facts["denoiser"], facts["domain"], facts["opset"]) == ("dncnn", "bayer", 20)
    assert facts["tile"] == [512 + 2 * facts["halo"]] * 2


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"\x08\x0a", None])
def test_what_is_no_onnx_file_is_refused(
    exported: tuple[Path, Path], tmp_path: Path, content: bytes | None
) -> None:
    whole = exported[1].read_bytes()
    (tmp_path / "net.onnx").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError):
        describe_onnx(tmp_path / "net.onnx")


ARCHITECTURES: dict[str, dict[str, Any]] = {
    "drunet": {"channels": 4, "widths": [4, 8, 8], "blocks": 1, "residual": True, "centred": True},
    "u-dru": {"widths": [4, 8], "blocks": 1},
    "unet": {"channels": 4, "widths": [4, 8]},
    "ffdnet": {"depth": 3, "width": 8},
    "autoencoder": {"width": 4},
    "ridnet": {"width": 16, "modules": 1},
    "nafnet": {"channels": 4, "width": 4},
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_exports_exactly_at_odd_sizes_and_in_half_precision(
    tmp_path: Path, name: str
) -> None:
    values = ARCHITECTURES[name]
    network = stirred(values, denoiser=name)
    record = WeightsRecord(
        denoiser=name,
        options=values,
        domain="bayer",
        channels=int(network.channels),
        halo=int(getattr(network, "halo", 0)),
        multiple_of=int(getattr(network, "multiple_of", 1)),
        global_context=bool(getattr(network, "global_context", name == "ridnet")),
        noise_range=(0.5, 1.0),
    )
    save_weights(tmp_path / "net.safetensors", network, record)
    summary = export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx")
    half = export_onnx(tmp_path / "net.safetensors", tmp_path / "half.onnx", half=True)
    onnx.checker.check_model(onnx.load(tmp_path / "half.onnx"), full_check=True)
    # That it is what torch computes is verified before the file gets its name.
    assert 0 < summary.max_error < half.max_error
    assert half.size < 0.8 * summary.size
    # Graphs of them are written without asking.
    step = record.multiple_of
    shapes = [(2, planes, 32 * step, 33 * step) for planes in (record.channels, 1)]
    assert not depends_on_size(network, shapes, step)


def test_static_files_have_one_size_and_no_other(exported: tuple[Path, Path], tmp_path: Path) -> None:
    export_onnx(exported[0], tmp_path / "net.onnx", static=(30, 50))
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert [item.shape for item in session.get_inputs()] == [[1, 4, 30, 50], [1, 1, 30, 50]]
    assert [item.shape for item in session.get_outputs()] == [[1, 4, 30, 50]]
    facts = describe_onnx(tmp_path / "net.onnx")
    assert facts["input noisy"] == "1 x 4 x 30 x 50"
    assert facts["tile"] == [30, 50]
    with pytest.raises(UsageError, match="no pixel"):
        export_onnx(exported[0], tmp_path / "none.onnx", static=(0, 5))


class Halving(torch.nn.Module):
    """Works at half the size, so it needs even heights and widths."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.down = torch.nn.Conv2d(channels + 1, 8, 2, stride=2)
        self.up = torch.nn.ConvTranspose2d(8, channels, 2, stride=2)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        # This softplus is none of the operations that are written down here, so torch's exporter has to.
        return noisy - self.up(functional.softplus(self.down(torch.cat((noisy, sigma), 1)), beta=2))


@pytest.fixture
def halving(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    module = ModuleType("halving_plugin")

    @hookimpl
    def synthnoise_denoisers() -> list[specs.DenoiserSpec]:
        return [
            specs.DenoiserSpec(name="halving", summary="Halves.", factory=Halving, channels=2, multiple_of=2),
            specs.DenoiserSpec(
                name="halving-colours",
                summary="Halves.",
                factory=lambda: Halving(3),
                channels=3,
                multiple_of=2,
            ),
        ]

    module.synthnoise_denoisers = synthnoise_denoisers  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Plugins([EntryPoint("halving", module.__name__, "synthnoise")])


def test_a_plugins_network_that_needs_even_sizes_takes_odd_ones(tmp_path: Path, halving: Plugins) -> None:
    network = build_network("halving", {}, seed=0, plugins=halving)
    record = WeightsRecord(denoiser="halving", domain="bayer", channels=2, multiple_of=2, noise_range=(0, 1))
    save_weights(tmp_path / "net.safetensors", network, record)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx", plugins=halving)
    data = (tmp_path / "net.onnx").read_bytes()
    for place in MACHINE | {tmp_path.name}:  # of which torch's exporter writes a lot
        assert place.encode() not in data
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    noisy = np.random.default_rng(0).random((1, 2, 13, 1), dtype=np.float32)
    (found,) = session.run(None, {"noisy": noisy, "sigma": np.ones((1, 1, 13, 1), np.float32)})
    padded = torch.from_numpy(np.pad(noisy, ((0, 0), (0, 0), (0, 1), (0, 1)), mode="edge"))
    with torch.no_grad():
        expected = network(padded, torch.ones(1, 1, 14, 2))[..., :13, :1].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)

    halved = in_half_precision(onnx.load(tmp_path / "net.onnx"))
    onnx.checker.check_model(halved, full_check=True)
    assert {value.data_type for value in halved.graph.initializer} >= {onnx.TensorProto.FLOAT16}
    session = onnxruntime.InferenceSession(halved.SerializeToString(), providers=["CPUExecutionProvider"])
    # A level of 200 is added to nothing in half precision, of which its last digit would be 0.125.
    bright = network(padded + 200, torch.ones(1, 1, 14, 2))[..., :13, :1].detach().numpy()
    (found,) = session.run(None, {"noisy": noisy + 200, "sigma": np.ones((1, 1, 13, 1), np.float32)})
    features = np.abs(bright - noisy - 200).max()
    assert features > 1
    np.testing.assert_allclose(found, bright, atol=features * 2e-3)


class Cropping(torch.nn.Module):
    """Crops by a number that is its own size less one, which only another size tells from a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        left = noisy.shape[3] - 1
        return noisy - functional.pad(self.layer(noisy)[..., left:], (left, 0)) * sigma


def test_a_graph_that_is_wrong_at_other_sizes_does_not_denoise() -> None:
    network = Cropping().eval()
    onnx_model(network, channels=2, sigma_planes=1)
    found, _, remark = on_onnxruntime(network, 1, Trial(channels=2, sigma=1.0, multiple_of=1))
    assert found is network
    assert str(remark).startswith("on torch, slower: onnxruntime gives something else, by ")


@pytest.mark.slow
def test_a_graph_that_is_wrong_at_other_sizes_does_not_leave() -> None:
    network = Cropping().eval()
    record = WeightsRecord(denoiser="cropping", domain="bayer", channels=2, noise_range=(0, 1))
    session = session_of(model_of(network, record, GraphOptions()).SerializeToString())
    noisy, sigma = torch.rand(1, 2, 33, 41), torch.rand(1, 1, 33, 41)
    with torch.no_grad():
        expected = network(noisy, sigma).numpy()
    (found,) = session.run(None, {"noisy": noisy.numpy(), "sigma": sigma.numpy()})
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_a_plugins_network_leaves_with_a_fixed_size_and_for_darktable(
    tmp_path: Path, halving: Plugins
) -> None:
    network = build_network("halving-colours", {}, seed=0, plugins=halving)
    record = WeightsRecord(
        denoiser="halving-colours", domain="srgb", channels=3, multiple_of=2, noise_range=(0, 1)
    )
    save_weights(tmp_path / "net.safetensors", network, record)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx", static=(15, 22), plugins=halving)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert [item.shape for item in session.get_inputs()] == [[1, 3, 15, 22], [1, 1, 15, 22]]
    assert [item.shape for item in session.get_outputs()] == [[1, 3, 15, 22]]
    # That it computes what torch does is verified before the package gets its name.
    summary = export_darktable(
        tmp_path / "net.safetensors", tmp_path / "net.dtmodel", static=(32, 32), plugins=halving
    )
    assert summary.max_error < 1e-5
    half = export_onnx(tmp_path / "net.safetensors", tmp_path / "half.onnx", half=True, plugins=halving)
    assert 1e-6 < half.max_error < 1e-2


def mixed(last: onnx.NodeProto) -> onnx.ModelProto:
    """Return a graph of a convolution, an exponential and another node."""
    helper = onnx.helper
    kernel = onnx.numpy_helper.from_array(np.full((1, 1, 1, 1), 0.1, np.float32), "kernel")
    image, result = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 4, 4]) for name in ("x", "y")
    )
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["a"]), helper.make_node("Exp", ["a"], ["b"]), last]
    graph = helper.make_graph(nodes, "mixed", [image], [result], [kernel])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_weights_are_stored_in_half_precision(tmp_path: Path) -> None:
    """A file of half the size, read back in single precision, that denoises as before within its promise."""
    options = {"channels": 4, "depth": 6, "width": 24}
    network = stirred(options)
    record = dataclasses.replace(SMALL_RECORD, options=options)
    whole, small = tmp_path / "whole.safetensors", tmp_path / "small.safetensors"
    save_weights(whole, network, record)
    summary = halve_weights(whole, small)
    assert summary.size < 0.6 * whole.stat().st_size
    read, small_record = load_weights(small)
    assert small_record == record
    noisy = torch.randn(1, 4, 24, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = read(noisy, torch.ones_like(noisy[:, :1])) - network(
            noisy, torch.ones_like(noisy[:, :1])
        )
    assert all(value.dtype == torch.float32 for value in read.parameters())
    assert 0 < float(difference.abs().max()) < 10 * summary.max_error < 0.1
    with pytest.raises(OutputExistsError):
        halve_weights(whole, small)
    with pytest.raises(UsageError, match="does not end in"):
        halve_weights(whole, tmp_path / "x.onnx")
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(1e3)
    save_weights(tmp_path / "wild.safetensors", network, record)
    with pytest.raises(SynthnoiseError, match="in half precision it would differ"):
        halve_weights(tmp_path / "wild.safetensors", tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_weights_of_a_coarse_network_are_stored_in_half_precision_too(tmp_path: Path) -> None:
    """Its strides do not divide the image that it is tried on."""
    options = {"channels": 4, "widths": [4] * 8, "blocks": 1}
    record = dataclasses.replace(SMALL_RECORD, denoiser="drunet", options=options, multiple_of=128)
    save_weights(tmp_path / "coarse.safetensors", stirred(options, denoiser="drunet"), record)
    assert halve_weights(tmp_path / "coarse.safetensors", tmp_path / "half.safetensors").max_error > 0


def test_operations_that_half_precision_has_no_room_for_are_computed_in_single() -> None:
    halved = in_half_precision(mixed(onnx.helper.make_node("Log", ["b"], ["y"])))
    onnx.checker.check_model(halved, full_check=True)
    session = onnxruntime.InferenceSession(halved.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.linspace(150, 400, 16, dtype=np.float32).reshape(1, 1, 4, 4)  # e to 40 is too large for half
    (found,) = session.run(None, {"x": x})
    np.testing.assert_allclose(found, x / 10, rtol=1e-3)


def test_graphs_with_branches_are_not_halved() -> None:
    helper = onnx.helper
    value = helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, [1, 1, 4, 4])
    part = helper.make_graph([helper.make_node("Identity", ["b"], ["c"])], "part", [], [value])
    branch = helper.make_node("If", ["yes"], ["y"], then_branch=part, else_branch=part)
    model = mixed(branch)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "yes"))
    with pytest.raises(UsageError, match="branches") as refusal:
        in_half_precision(model)
    assert refusal.value.hint == "leave out --half"


def hide(package: str) -> Callable[..., Any]:
    from importlib import util

    find = util.find_spec
    return lambda name, *rest: None if name == package else find(name, *rest)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(
    exported: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", hide(package))
    with pytest.raises(MissingExtraError, match=package) as refusal:
        export_onnx(exported[0], tmp_path / "net.onnx")
    assert refusal.value.hint == "pip install 'synthnoise[onnx]'"


def test_refusals_leave_no_file_and_harm_none(exported: tuple[Path, Path], tmp_path: Path) -> None:
    before = exported[1].read_bytes()
    with pytest.raises(OutputExistsError):
        export_onnx(*exported)
    assert exported[1].read_bytes() == before
    with pytest.raises(InputError, match="is what export writes, and it takes weights"):
        export_onnx(exported[1], tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="opset"):
        export_onnx(exported[0], tmp_path / "net.onnx", opset=7)
    assert not list(tmp_path.iterdir())

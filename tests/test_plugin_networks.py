"""The network of a plugin, written as networks are: trained, resumed, loaded, denoised with and evaluated."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib import util
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from synthnoise import DenoiserSpec, hookimpl, plugins
from synthnoise.cli.main import app
from synthnoise.denoisers.weights import WeightsRecord, load_weights, save_weights
from synthnoise.denoising import Denoiser, Settings
from synthnoise.errors import PluginError
from synthnoise.evaluation.denoiser import evaluate_denoisers
from synthnoise.progress import Silent
from synthnoise.testing import check_denoiser
from synthnoise.training import TrainingInterrupted, train

SHORT: dict[str, Any] = {
    "images": "mondrian",
    "noise": "gaussian",
    "noise_options": {"sigma": 10, "sigma_max": 50},
    "ratio": (1.0, 1.0),
    "batch": 2,
    "crop": 16,
    "device": "cpu",
}


class Mixing(nn.Module):
    """Asks for values of tensors while it is built, shares weights between layers, drops features out."""

    multiple_of = 2

    def __init__(self) -> None:
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 0.2, 3)]
        self.down, self.up = nn.Conv2d(4, 8, 2, 2), nn.ConvTranspose2d(8, 3, 2, 2)
        self.first, self.second = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.second.weight = self.first.weight
        self.dropout = nn.Dropout2d(rates[-1])

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        x = self.first(self.down(torch.cat((noisy, sigma), 1)))
        return noisy - self.up(self.dropout(self.second(torch.relu(x))))


class Shrinking(nn.Module):
    """Gives images that are smaller than those it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return self.layer(noisy)


class Grey(Shrinking):
    """Gives one plane, which would be compared with each of the three."""

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return noisy.mean(1, keepdim=True) * self.layer.weight.mean()


class Rigid(nn.Module):
    """Has a parameter for each pixel of one size."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(3, 16, 16))

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return noisy + self.offset


class Halving(Mixing):
    """Does not say that it needs even sizes."""

    multiple_of = 1


class Learnt(nn.Module):
    """Brings weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 3, 1)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return noisy + self.layer(torch.cat((noisy, sigma), 1))


class Nothing(nn.Module):
    """Gives NaN, as a network whose weights overflowed does."""

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return torch.where(noisy > noisy.mean(), torch.nan, noisy)


class Every(nn.Module):
    """Gives every second row."""

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return noisy[..., ::2, :]


class Raising(nn.Module):
    """Raises something of its own, in two lines."""

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        raise ValueError("no such\nthing")


class Moody(Learnt):
    """Cannot be made when it is not in the mood, as one that fetches something cannot without a network."""

    able = True

    def __init__(self) -> None:
        super().__init__()
        if not self.able:
            raise OSError("the server says\nno")


FAULTY = tuple(
    DenoiserSpec(name=n.__name__.lower(), summary="At fault.", factory=n, halo=0, trainable=False)
    for n in (Nothing, Every, Raising)
)
NETWORKS = (Mixing, Shrinking, Grey, Rigid, Halving, Moody)
BROUGHT = DenoiserSpec(
    name="learnt", summary="A network.", factory=Learnt, domain="srgb", channels=3, trainable=False
)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("plugin_with_networks")

    @hookimpl
    def synthnoise_denoisers() -> list[DenoiserSpec]:
        networks = (DenoiserSpec(name=n.__name__.lower(), summary="A network.", factory=n) for n in NETWORKS)
        return [*networks, BROUGHT, *FAULTY]

    module.synthnoise_denoisers = synthnoise_denoisers  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = EntryPoint("written", module.__name__, "synthnoise")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])
    plugins.default_plugins.cache_clear()
    yield
    plugins.default_plugins.cache_clear()


class Stopping(Silent):
    """Interrupts the run at the third report."""

    left = 3

    def note(self, text: str) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGINT)


def test_it_goes_all_the_way_as_ours_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On torch, as on a GPU: making a graph of it for onnxruntime takes longer than all the rest.
    find = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name, *rest: find(name, *rest) if "onnx" not in name else None
    )
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(output=whole, denoiser="mixing", steps=6, **SHORT)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    with pytest.raises(TrainingInterrupted):
        train(output=parts, denoiser="mixing", steps=6, progress=Stopping(), **SHORT)
    train(output=parts, denoiser="mixing", steps=6, resume=True, **SHORT)
    # Dropout draws from the generator of torch, which is to be that of the seed, too.
    assert parts.read_bytes() == whole.read_bytes()

    network, record = load_weights(whole)
    assert (record.channels, record.multiple_of, record.global_context) == (3, 2, False)
    assert record.halo >= 1
    noisy = np.random.default_rng(0).random((1, 3, 15, 22), dtype=np.float32)
    denoised = Denoiser(Settings(denoiser=str(whole), device="cpu"), domain="srgb").restore(
        noisy, (0.0,) * 3, (0.01,) * 3
    )
    padded = torch.from_numpy(np.pad(noisy, ((0, 0), (0, 0), (0, 1), (0, 0)), mode="edge"))
    with torch.no_grad():
        expected = network(padded, torch.full_like(padded[:, :1], 0.1))[..., :15, :].numpy()
    np.testing.assert_allclose(denoised, expected, atol=1e-4)

    Image.linear_gradient("L").resize((48, 40)).convert("RGB").save(tmp_path / "ramp.png")
    table = evaluate_denoisers([str(whole)], folder=tmp_path, sigmas=[25.0], device="cpu")
    assert [row[0] for row in table.rows] == ["noisy", "whole.safetensors"]
    app(["inspect", str(whole), "--json"], standalone_mode=False)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["denoiser"], facts["domain"]) == ("mixing", "srgb")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shrinking", r"gives \(1, 3, 14, 14\) for images \(1, 3, 16, 16\)"),
        ("grey", r"gives \(1, 1, 16, 16\) for images \(1, 3, 16, 16\)"),
        ("rigid", "fails on 3 planes of 16x17 pixels"),
        ("halving", r"gives \(1, 3, 16, 16\) for|fails on 3 planes of 16x17"),
    ],
)
def test_what_is_no_denoiser_is_refused_before_the_training(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(PluginError, match=f"{name}: {said}") as error:
        train(output=tmp_path / "net.safetensors", denoiser=name, steps=2, **SHORT)
    assert "multiple_of" in str(error.value.hint)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "nothing: gives NaN or infinity"),
        ("every", "every: gives (1, 3, 20, 48) for planes (1, 3, 40, 48)"),
        ("raising", "raising: fails: ValueError: no such"),
    ],
)
def test_what_goes_wrong_in_a_plugin_is_said_in_one_line_and_nothing_is_written(
    tmp_path: Path, name: str, said: str
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 48, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    done = CliRunner().invoke(app, ["denoise", str(tmp_path / "picture.png"), "-d", name])
    assert done.exit_code == PluginError.exit_code, done.output
    assert done.output.splitlines()[-2] == f"error: {said}"
    assert done.output.splitlines()[-1].startswith("hint: ")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_weights_whose_network_its_plugin_cannot_make_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.safetensors"
    save_weights(path, Moody(), WeightsRecord(denoiser="moody", domain="srgb", channels=3, halo=1))
    load_weights(path)
    monkeypatch.setattr(Moody, "able", False)
    with pytest.raises(PluginError) as caught:
        load_weights(path)
    assert caught.value.message == f"{path}: moody: cannot be made: OSError: the server says"
    assert "author" in str(caught.value.hint)


def test_one_that_brings_its_weights_is_told_the_noise_level_in_one_plane() -> None:
    check_denoiser(BROUGHT)
    noisy = np.random.default_rng(0).random((1, 3, 12, 10), dtype=np.float32)
    denoiser = Denoiser(Settings(denoiser="learnt", device="cpu"), domain="srgb")
    assert denoiser.restore(noisy, (0.0,) * 3, (0.01, 0.02, 0.03)).shape == noisy.shape

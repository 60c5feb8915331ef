"""Fine-tuning keeps what was learnt; the network is that of the weights, misfits are refused in one line."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from synthnoise.cli.main import app
from synthnoise.denoisers.bundled import bundled_weights
from synthnoise.denoisers.weights import content_hash, load_weights, read_record
from synthnoise.denoising import denoise_frame
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.plugins import default_plugins
from synthnoise.progress import Silent
from synthnoise.raw.cfa import linear_planes
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.training import TrainingInterrupted, train
from synthnoise.training.start import origin, read_start
from synthnoise.training.trainer import IMAGES

RAW: dict[str, Any] = {
    "noise": "poisson-gaussian",
    "noise_options": {"shot": 4e-3, "read": 1e-5},
    "ratio": (5.0, 20.0),
    "batch": 2,
    "crop": 16,
    "device": "cpu",
}
RGB = RAW | {"noise": "gaussian", "noise_options": {"sigma": 25}, "ratio": (1.0, 1.0)}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network for RAW that has learnt something."""
    output = tmp_path_factory.mktemp("first") / "first.safetensors"
    options = {"depth": 4, "width": 8}
    train(output=output, steps=40, denoiser="dncnn", denoiser_options=options, lr=5e-3, **RAW)
    return output


def test_training_goes_on_from_the_weights(first: Path, tmp_path: Path) -> None:
    """Steps too small to change anything leave the weights as they were; a new network would know nothing."""
    summary = train(output=tmp_path / "second", start=first, steps=2, lr=1e-9, average=0, **RAW)
    before, record = load_weights(first)
    after, _ = load_weights(summary.output)
    for name, value in after.state_dict().items():
        torch.testing.assert_close(value, before.state_dict()[name], rtol=0, atol=1e-7)
    assert summary.psnr == pytest.approx(record.figures["psnr"], abs=0.05)
    fresh = train(
        output=tmp_path / "fresh",
        denoiser="dncnn",
        denoiser_options={"depth": 4, "width": 8},
        steps=2,
        lr=1e-9,
        average=0,
        **RAW,
    )
    assert summary.psnr > fresh.psnr + 1


def test_the_summary_says_what_the_weights_knew_before(first: Path, tmp_path: Path) -> None:
    """Seed and noise are those of the first run, and so are the pairs that both are judged on."""
    known = read_record(first).figures["psnr"]
    summary = train(output=tmp_path / "second", start=first, steps=2, lr=0.1, average=0, **RAW)
    assert summary.start_psnr == pytest.approx(known, abs=1e-3)
    # The rate is far too high on purpose.
    assert abs(summary.psnr - known) > 0.1
    assert f" {summary.psnr:.2f} dB, {known:.2f} before, noisy " in summary.lines()[1]
    network = {"denoiser": "dncnn", "denoiser_options": {"depth": 4, "width": 8}}
    fresh = train(output=tmp_path / "fresh", steps=1, **network, **RAW)
    assert fresh.start_psnr is None
    assert "before" not in fresh.lines()[1]


def test_the_weights_file_says_what_it_is_and_where_it_began(first: Path, tmp_path: Path) -> None:
    changed = RAW | {"noise_options": {"shot": 1e-3, "read": 1e-5}}
    train(output=tmp_path / "second", start=first, steps=3, seed=7, **changed)
    (before, begun), (after, record) = load_weights(first), load_weights(tmp_path / "second")
    for name in ("denoiser", "options", "domain", "channels", "stabilised", "sigma_planes"):
        assert getattr(record, name) == getattr(begun, name), name
    assert (record.multiple_of, record.global_context) == (begun.multiple_of, begun.global_context)
    assert (record.steps, record.seed, record.recipe["lr"]) == (3, 7, 2e-4)
    assert begun.recipe["lr"] == 5e-3
    assert (record.recipe["start"], record.recipe["start_sha256"]) == (first.name, content_hash(before))
    assert str(first.parent) not in record.as_json()
    assert content_hash(after) != content_hash(before)
    # What was learnt of is what the fine-tuning saw.
    assert record.recipe["noise_options"] == {"shot": 1e-3, "read": 1e-5}


def test_stopped_and_resumed_fine_tuning_ends_with_the_same_bytes(first: Path, tmp_path: Path) -> None:
    class Stop:
        reports = 0

        def start(self, title: str, total: float | None = None) -> None: ...
        def advance(self, steps: float = 1) -> None: ...
        def note(self, text: str) -> None:
            self.reports += 1
            if self.reports == 1:
                os.kill(os.getpid(), signal.SIGINT)

    settings = RAW | {"start": first, "steps": 10}
    with pytest.raises(TrainingInterrupted):
        train(output=tmp_path / "parts", progress=Stop(), **settings)
    with pytest.raises(UsageError, match="was begun with denoiser dncnn"):
        train(output=tmp_path / "parts", resume=True, **settings | {"start": None})
    train(output=tmp_path / "parts", resume=True, **settings)
    train(output=tmp_path / "whole", **settings)
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


def test_bundled_weights_are_begun_from_by_name(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('start = "rgb"\nnoise = "gaussian"\nnoise_options = { sigma = 30 }\nratio = [1, 1]\n')
    arguments = ["train", "--recipe", str(recipe), "--steps", "1", "--batch", "1", "--crop", "16"]
    app([*arguments, "-o", str(tmp_path / "mine"), "--device", "cpu", "--json"], standalone_mode=False)
    path = bundled_weights("rgb")
    assert path is not None
    record, bundled = read_record(tmp_path / "mine"), read_record(path)
    assert (record.denoiser, record.domain) == ("u-dru", "srgb")
    assert record.recipe["start"] == "rgb"
    assert record.recipe["denoiser_options"].items() >= bundled.options.items()
    with safe_open(path, framework="pt") as old, safe_open(tmp_path / "mine", framework="pt") as new:
        assert set(old.keys()) == set(new.keys())
        moved = [float((old.get_tensor(n).float() - new.get_tensor(n)).abs().max()) for n in old.keys()]  # noqa: SIM118
    assert 0 < max(moved) < 1e-4


def test_a_recipe_goes_on_from_other_weights_than_its_own(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'start = "gone.safetensors"\nstart_sha256 = "{"0" * 64}"\nnoise = "gaussian"\n')
    arguments = ["train", "--recipe", str(recipe), "--start", "rgb", "--steps", "1", "--batch", "1"]
    app([*arguments, "--crop", "16", "-o", str(tmp_path / "mine"), "--json"], standalone_mode=False)
    assert read_record(tmp_path / "mine").recipe["start"] == "rgb"


def test_without_a_word_the_noise_is_that_of_the_weights(first: Path, tmp_path: Path) -> None:
    settings = {key: value for key, value in RAW.items() if not key.startswith("noise")}
    train(output=tmp_path / "net", steps=1, start=first, **settings)
    recipe = read_record(tmp_path / "net").recipe
    assert (recipe["noise"], recipe["noise_options"]) == (RAW["noise"], RAW["noise_options"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (RGB, "is for 4 planes of bayer, the noise gaussian gives 3 planes of srgb"),
        ({"denoiser": "u-dru"}, "is a dncnn, not a u-dru"),
        ({"denoiser_options": {"depth": "5"}}, "its depth is 4, not 5"),
        ({"start": "rgb"}, "is for 3 planes of srgb, the noise poisson-gaussian gives 4 planes of bayer"),
        ({"start": "rbg"}, "no weights called rbg"),
        ({"start": "none.safetensors"}, "no such file"),
        ({"start_sha256": "0" * 64}, "are other weights than asked for"),
    ],
)
def test_misfits_are_refused_before_anything_is_written(
    first: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((UsageError, InputError), match=message) as refusal:
        train(output=tmp_path / "net", steps=1, **RAW | {"start": first} | changes)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_what_is_said_again_of_the_network_may_agree(first: Path, tmp_path: Path) -> None:
    again = {"denoiser": "dncnn", "denoiser_options": {"depth": "4", "width": 8}}
    digest = read_start(first, default_plugins()).sha256
    train(output=tmp_path / "net", start=first, start_sha256=digest, steps=1, **again, **RAW)


def test_damaged_weights_are_refused(first: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(first.read_bytes()[:-50])
    with pytest.raises(SynthnoiseError, match="not a weights file"):
        train(output=tmp_path / "net", start=broken, steps=1, **RAW)


def test_the_command_names_the_denoiser_of_the_weights(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = ["--noise-option", "shot=0.004", "--noise-option", "read=1e-5"]
    sizes = ["--steps", "1", "--batch", "1", "--crop", "16", "--device", "cpu", "--json"]
    app(["train", "--start", str(first), *noise, *sizes, "-o", str(tmp_path / "net")], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["parameters"] > 0
    assert read_record(tmp_path / "net").denoiser == "dncnn"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"profile": "virtual-hard"}, "raw"),
        ({"profile": ["virtual-hard", "virtual-mild"], "noise": "poisson-gaussian"}, "raw"),
        ({"profile": "virtual-x-trans"}, "raw-x-trans"),
        ({"profile": "virtual-hard", "start": "rgb"}, "rgb"),
        ({"profile": "virtual-hard", "start": "random"}, None),
        ({"profile": "virtual-hard", "denoiser": "dncnn"}, None),
        ({"profile": "virtual-hard", "denoiser_options": {"blocks": 1}}, None),
        ({"profile": "virtual-hard", "noise": "gaussian"}, None),
        ({"noise": "poisson-gaussian"}, None),
    ],
)
def test_a_camera_begins_from_what_is_known_of_cameras(arguments: dict[str, Any], name: str | None) -> None:
    """And a network that somebody chooses, or noise that belongs to no camera, from nothing."""
    found = origin(arguments, default_plugins())
    assert (found and found.name) == name


def test_what_is_begun_from_unasked_is_said(tmp_path: Path) -> None:
    class Listener(Silent):
        said = ""

        def note(self, text: str) -> None:
            self.said += text

    small = {"images": "mondrian", "steps": 1, "batch": 1, "crop": 16, "average": 0, "device": "cpu"}
    known, fresh = Listener(), Listener()
    begun = train(output=tmp_path / "a", profile="virtual-hard", lr=1e-9, progress=known, **small)
    assert "begins from raw" in known.said
    assert "--start random" in known.said
    after, before = (load_weights(path)[0].state_dict() for path in (begun.output, bundled_weights("raw")))
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, rtol=0, atol=1e-6)
    other = train(output=tmp_path / "b", profile="virtual-hard", start="random", progress=fresh, **small)
    assert "begins from" not in fresh.said
    assert read_record(other.output).recipe["denoiser"] == "raw-dru"
    assert read_record(begun.output).recipe["start"] == "raw"


def test_a_camera_of_another_mosaic_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="raw: is for 4 planes of bayer") as error:
        train(output=tmp_path / "x", start="raw", profile="virtual-x-trans", steps=1, device="cpu")
    assert "colour filter array" in str(error.value.hint)


def test_pairs_are_cut_from_the_images_that_the_weights_know(first: Path, tmp_path: Path) -> None:
    """Unless others are named; what was drawn with options that may be files is not."""
    common = RAW | {"steps": 1, "average": 0}
    known = tmp_path / "known.safetensors"
    train(output=known, start=first, images="mondrian", scene=48, cuts=3, **common)
    drawn = {"mondrian": (48, 3), "dead-leaves": (None, 1)}
    for name, chosen in {"mondrian": {}, "dead-leaves": {"images": "dead-leaves"}}.items():
        recipe = read_record(train(output=tmp_path / name, start=known, **chosen, **common).output).recipe
        assert (recipe["images"], recipe["scene"], recipe["cuts"]) == (name, *drawn[name])
    other = tmp_path / "other.safetensors"
    train(output=other, start=first, images="vibrant-leaves", image_options={"colours": "grey"}, **common)
    last = train(output=tmp_path / "last", start=other, **common)
    assert read_record(last.output).recipe["images"] == IMAGES
    train(output=other, start=first, images="mondrian", image_options={"line": 2.0}, overwrite=True, **common)
    recipe = read_record(train(output=last.output, start=other, overwrite=True, **common).output).recipe
    assert (recipe["images"], recipe["image_options"]) == ("mondrian", {"line": 2.0})
    recipe = read_record(train(output=tmp_path / "raw", start="raw", **common).output).recipe
    assert (recipe["images"], recipe["image_options"]) == ("vibrant-leaves", {"preset": "paper-2025"})


@pytest.mark.slow
def test_fine_tuning_for_a_camera_does_no_harm_to_its_own_frames(tmp_path: Path) -> None:
    """Validation pairs come from the model that the training's do; the camera tells whether it is right."""
    summary = train(
        output=tmp_path / "hard.safetensors",
        start="raw",
        profile="virtual-hard",
        ratio=(100.0, 300.0),
        steps=120,
        batch=4,
        crop=64,
        scene=512,
        cuts=48,
        loss="psnr",
        optimiser="muon",
        lr=3e-4,
        average=0.9,
        device="cpu",
    )
    sensor = SENSORS["hard"]
    camera = VirtualCamera(sensor)
    light = camera.sensor.camera_rgb(dead_leaves(sensor.size, seed=5))
    noisy, clean = (camera.shoot(light, ratio=100, clean=clean) for clean in (False, True))
    errors = []
    for denoiser in ("raw", str(summary.output)):
        frame = denoise_frame(noisy, denoiser=denoiser, profile="virtual-hard").frame
        errors.append(float(np.mean((linear_planes(frame) - linear_planes(clean)) ** 2)))
    # It took 0.7 dB when pairs were stabilised for another level of noise than denoising is told.
    assert errors[1] < 10**0.015 * errors[0]

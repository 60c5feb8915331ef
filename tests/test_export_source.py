"""What exported files say of where their weights come from, and where they may not be written."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from networks import stirred

from synthnoise.denoisers.bundled import bundled_names
from synthnoise.denoisers.model_card import training_data
from synthnoise.denoisers.published_weights import LAYOUTS
from synthnoise.denoisers.weights import WeightsRecord, save_weights
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.export import describe_onnx, export_darktable, export_onnx

SYNTHETIC = {"images": "dead-leaves", "noise": "gaussian"}
IMPORTED = {"imported": "net.mat", "source": LAYOUTS["ffdnet-matconvnet"].source}
VALUES: dict[str, Any] = {"depth": 3, "width": 8}


def weights(folder: Path, recipe: dict[str, Any]) -> Path:
    record = WeightsRecord(
        denoiser="ffdnet",
        options=VALUES,
        domain="srgb",
        channels=3,
        noise_range=(0.0, 0.3),
        halo=7,
        multiple_of=2,
        recipe=recipe,
    )
    save_weights(folder / "net.safetensors", stirred(VALUES, denoiser="ffdnet"), record)
    return folder / "net.safetensors"


@pytest.mark.parametrize(
    ("recipe", "said", "unsaid"),
    [
        (SYNTHETIC, "synthetic images (dead-leaves) and synthetic noise (gaussian)", "unknown"),
        ({}, "unknown", "synthetic"),
        ({"images": "dead-leaves"}, "unknown", "synthetic"),
        (IMPORTED, "unknown: weights of others, FFDNet_color.mat", "synthetic"),
        (SYNTHETIC | {"images": "folder", "image_options": {"path": "cats"}}, "photographs", "synthetic im"),
        (SYNTHETIC | {"image_options": {"colours": "cats"}}, "colours of photographs", "unknown"),
        (SYNTHETIC | {"image_options": {"colours": "uniform"}}, "synthetic images (dead", "photographs"),
        (SYNTHETIC | {"images": "random-phase", "image_options": {"path": "cats"}}, "photographs", "unknown"),
        (SYNTHETIC | {"images": "of-a-plugin"}, "of which nothing is known", "synthetic im"),
        (SYNTHETIC | {"noise": "of-a-plugin"}, "of which nothing is known", "synthetic noise"),
        (
            SYNTHETIC | {"noise": "pmn", "profile": "mine"},
            "dark frames of a camera (pmn, camera",
            "synthetic n",
        ),
        (SYNTHETIC | {"noise": "noise-flow", "noise_options": {"weights": "flow"}}, "unknown", "synthetic n"),
        (SYNTHETIC | {"noise": "spectral", "profile": "mine"}, "camera profile mine", "unknown"),
        (
            SYNTHETIC | {"start": "other.safetensors"},
            "begun from other.safetensors, trained on what",
            "before",
        ),
        (SYNTHETIC | {"start": "rgb"}, "before, as the bundled rgb: synthetic images", "unknown"),
    ],
)
def test_the_data_are_what_the_record_says(recipe: dict[str, Any], said: str, unsaid: str) -> None:
    text = training_data(WeightsRecord(denoiser="ffdnet", domain="srgb", channels=3, recipe=recipe))
    assert said in text
    assert unsaid not in text


@pytest.mark.parametrize("recipe", [IMPORTED, SYNTHETIC])
def test_weights_of_others_get_no_licence_of_ours(tmp_path: Path, recipe: dict[str, Any]) -> None:
    source = weights(tmp_path, recipe)
    export_onnx(source, tmp_path / "net.onnx")
    export_darktable(source, tmp_path / "net.dtmodel", static=(32, 32))
    card = describe_onnx(tmp_path / "net.onnx")["card"]
    with zipfile.ZipFile(tmp_path / "net.dtmodel") as package:
        theirs = json.loads(package.read("denoise-net/config.json"))["model_card"]
    assert card["data"] == theirs["training_data"]
    assert ("unknown" in card["data"]) == (recipe == IMPORTED)
    assert not {"license", "source"} & {*card, *theirs}


def test_bundled_weights_go_by_name_and_say_whose_they_are(tmp_path: Path) -> None:
    export_darktable("rgb", tmp_path / "rgb.dtmodel", static=(32, 32))
    with zipfile.ZipFile(tmp_path / "rgb.dtmodel") as package:
        card = json.loads(package.read("denoise-rgb/config.json"))["model_card"]
    assert card["license"] == "MIT"
    assert "synthetic images" in card["training_data"]
    assert "unknown" not in card["training_data"]
    with pytest.raises(UsageError) as other:
        export_darktable("raw", tmp_path / "raw.dtmodel")
    assert other.value.message.startswith("raw: darktable takes no such")
    with pytest.raises(InputError) as refusal:
        export_onnx("nothing", tmp_path / "nothing.onnx")
    assert ", ".join(bundled_names()) in str(refusal.value.hint)


@pytest.mark.parametrize(
    "name", ["net.safetensors", "link.onnx", "new.safetensors", "new", "folder", "new.ONNX"]
)
def test_weights_are_never_replaced_by_what_is_made_of_them(tmp_path: Path, name: str) -> None:
    source = weights(tmp_path, SYNTHETIC)
    (tmp_path / "link.onnx").hardlink_to(source)
    (tmp_path / "folder").mkdir()
    before = source.read_bytes()
    there = sorted(tmp_path.iterdir())
    for export in (export_onnx, export_darktable):
        with pytest.raises(SynthnoiseError) as refusal:
            export(source, tmp_path / name, overwrite=True)
        assert isinstance(refusal.value, UsageError)
    assert source.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == there

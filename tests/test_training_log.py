"""The log, the sheets, TensorBoard's events, and validation on a folder."""

from __future__ import annotations

import csv
import importlib.util
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from synthnoise.denoisers.weights import read_record
from synthnoise.errors import InputError, MissingExtraError
from synthnoise.plugins import default_plugins
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import write_png
from synthnoise.training import TrainingInterrupted, train
from synthnoise.training.budget import Budget
from synthnoise.training.examples import Example, Examples
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.sheets import sheets_path, views_of
from synthnoise.training.validation import Validation

RAW: dict[str, Any] = {
    "noise": "poisson-gaussian",
    "noise_options": {"shot": 1e-4, "read": 1e-6},
    "denoiser": "dncnn",
    "denoiser_options": {"depth": 3, "width": 4},
    "ratio": (1.0, 1.0),
    "batch": 1,
    "crop": 16,
}
RGB = RAW | {"noise": "gaussian", "noise_options": {"sigma": 10}}
CPU = torch.device("cpu")


def examples_of(settings: dict[str, Any]) -> Examples:
    plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), **settings)
    return Examples(plan, CPU, default_plugins())


def lines(output: Path) -> list[dict[str, str]]:
    with output.with_name(output.name + ".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def grey(folder: Path, name: str, size: tuple[int, int], value: int = 128) -> None:
    write_png(folder / name, np.full((*size, 3), value, np.uint8))


def test_the_psnr_of_a_folder_is_that_of_the_noise(tmp_path: Path) -> None:
    """An untrained network does nothing: grey with noise of 10/255 has 28.13 dB, before and after."""
    for number in range(3):
        grey(tmp_path, f"{number}.png", (100, 70))
    output = tmp_path / "net"
    summary = train(
        output=output, steps=1, lr=1e-9, average=0, device="cpu", validate=tmp_path, overwrite=True, **RGB
    )
    samples = 3 * 96 * 64 * 3
    error = 10 / np.log(10) * (2 / samples) ** 0.5
    assert summary.folder_noisy_psnr == pytest.approx(-20 * np.log10(10 / 255), abs=5 * error)
    assert summary.folder_psnr == pytest.approx(summary.folder_noisy_psnr, abs=1e-3)
    assert float(lines(output)[-1]["folder_psnr"]) == pytest.approx(summary.folder_psnr, abs=1e-3)
    assert read_record(output).figures["folder_psnr"] == summary.folder_psnr
    assert any("folder" in line for line in summary.lines())
    assert " parameters, 1 step in " in summary.lines()[0]


def test_without_a_folder_its_columns_are_empty(tmp_path: Path) -> None:
    summary = train(output=tmp_path / "net", steps=1, device="cpu", **RGB)
    assert summary.folder_psnr is None
    assert {row["folder_psnr"] for row in lines(tmp_path / "net")} == {""}
    assert set(read_record(tmp_path / "net").figures) == {"psnr", "noisy_psnr"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net", "net.csv"]


@pytest.mark.parametrize("cfa", [((0, 1), (1, 2)), ((2, 1), (1, 0)), ((1, 0), (2, 1))])
def test_raw_files_are_packed_red_first(tmp_path: Path, cfa: tuple[tuple[int, int], ...]) -> None:
    """Of a file whose red is 0.3, green 0.5 and blue 0.7 of white."""
    levels, size = np.array([0.3, 0.5, 0.7]), (70, 90)
    colours = np.tile(np.array(cfa, np.uint8), (size[0] // 2, size[1] // 2))
    mosaic = np.rint(100 + levels[colours] * 10_000).astype(np.uint16)
    frame = Frame(
        mosaic=mosaic, cfa=np.array(cfa, np.uint8), black=np.full((2, 2), 100.0), white=10_100.0, path=None
    )
    write_dng(tmp_path / "flat.dng", frame)
    validation = Validation(examples_of(RAW), tmp_path, default_plugins())
    (example,) = validation.pictures
    assert example.noisy.shape == (1, 4, 32, 32)
    means = example.pair.clean.mean((0, 2, 3)).numpy()
    np.testing.assert_allclose(means, levels[[0, 1, 1, 2]], atol=1e-4)
    deviation = (example.pair.noisy - example.pair.clean).std((0, 2, 3)).numpy()
    np.testing.assert_allclose(deviation**2, 1e-4 * means + 1e-6, rtol=5 * (2 / 1024) ** 0.5)


def test_pictures_become_raw_of_the_plan_and_only_their_middles_count(tmp_path: Path) -> None:
    grey(tmp_path, "large.png", (600, 900), 255)
    (example,) = Validation(examples_of(RAW), tmp_path, default_plugins()).pictures
    assert example.noisy.shape == (1, 4, 192, 192)
    # White light through a drawn camera: one level per colour, none above white.
    assert float(example.pair.clean.std((2, 3)).max()) < 1e-6
    assert float(example.pair.clean.max()) <= 1


def test_pictures_have_sizes_that_the_network_takes(tmp_path: Path) -> None:
    grey(tmp_path, "small.png", (160, 150), 255)
    (example,) = Validation(examples_of(RAW), tmp_path, default_plugins(), multiple=32).pictures
    assert example.noisy.shape == (1, 4, 64, 64)


def test_folders_that_cannot_serve_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    settings = RGB | {"steps": 1, "device": "cpu", "validate": folder, "output": tmp_path / "net"}
    with pytest.raises(InputError, match="no such folder"):
        train(**settings)
    folder.mkdir()
    with pytest.raises(InputError, match="holds no file that can be read"):
        train(**settings)
    grey(folder, "small.png", (10, 50))
    with pytest.raises(InputError, match="50x10 pixels are too few"):
        train(**settings)
    (folder / "small.png").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"small\.png"):
        train(**settings)
    (folder / "small.png").unlink()
    light = np.full((48, 48, 3), 0.5, np.float32)
    light[20, 20, 0] = np.nan
    tifffile.imwrite(folder / "hole.tif", light, photometric="rgb")
    with pytest.raises(InputError, match=r"hole\.tif: holds NaN"):
        train(**settings)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_figures_that_are_no_numbers_do_not_cost_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a network or a plugin's noise overflows on one picture of the folder."""
    grey(tmp_path, "grey.png", (48, 48))
    draw = Examples.of_scene

    def overflowing(*arguments: Any) -> Example:
        example = draw(*arguments)
        example.noisy.fill_(torch.nan)
        return example

    monkeypatch.setattr(Examples, "of_scene", overflowing)
    train(output=tmp_path / "net", validate=tmp_path, **RGB | {"steps": 1, "device": "cpu"})
    assert read_record(tmp_path / "net").figures.keys() == {"psnr", "noisy_psnr"}


def test_a_sheet_for_every_report(tmp_path: Path) -> None:
    grey(tmp_path, "grey.png", (48, 48))
    output = tmp_path / "net"
    train(output=output, steps=2, device="cpu", sheets=True, validate=tmp_path, **RAW)
    names = sorted(path.name for path in sheets_path(output).iterdir())
    assert names == ["step-0000001.png", "step-0000002.png"]
    with Image.open(sheets_path(output) / names[-1]) as sheet:
        # Three panels of 192 pixels beside each other, five rows of them below each other.
        assert sheet.width > 3 * 192
        assert sheet.height > 5 * 192


def test_views_of_raw_are_grey_where_the_scene_is() -> None:
    """Planes of a camera that sees grey as (0.2, 0.4, 0.1): balanced, the noisy one like the clean one."""
    level = torch.linspace(0.2, 1, 64).view(1, 8, 8)
    planes = level * torch.tensor([0.2, 0.4, 0.4, 0.1]).view(4, 1, 1)
    half, whole = views_of([planes / 2, planes], (0, 1, 1, 2))
    assert whole.shape == (192, 192, 3)
    assert int(np.ptp(whole.astype(int), axis=2).max()) == 0
    assert whole.max() == 255
    assert np.all(half[level[0].numpy().repeat(24, 0).repeat(24, 1) < 0.9] < 255)
    picture = torch.rand(3, 200, 10, generator=torch.Generator().manual_seed(0))
    (same,) = views_of([picture], None)
    np.testing.assert_array_equal(same, np.rint(picture.permute(1, 2, 0).numpy() * 255).astype(np.uint8))


class Stop:
    """Progress that interrupts at the third report."""

    reports = 0

    def start(self, title: str, total: float | None = None) -> None: ...
    def advance(self, steps: float = 1) -> None: ...
    def note(self, text: str) -> None:
        self.reports += 1
        if self.reports == 3:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_has_what_the_csv_has(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs synthnoise[tensorboard]"
    )
    output = tmp_path / "net"
    settings = RAW | {"output": output, "steps": 6, "device": "cpu", "tensorboard": True}
    with pytest.raises(TrainingInterrupted):
        train(progress=Stop(), **settings)
    train(resume=True, **settings)
    events = accumulator.EventAccumulator(str(tmp_path / "net.tensorboard")).Reload()
    table = lines(output)
    assert [int(row["step"]) for row in table] == [1, 2, 3, 4, 5, 6]
    for name in ("loss", "psnr", "lr"):
        scalars = [(event.step, event.value) for event in events.Scalars(name)]
        assert scalars == [(int(row["step"]), pytest.approx(float(row[name]), rel=1e-4)) for row in table]
    assert len(events.Images("samples")) > 0


def test_tensorboard_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="tensorboard"):
        train(output=tmp_path / "net", steps=1, device="cpu", tensorboard=True, **RAW)
    assert not list(tmp_path.iterdir())

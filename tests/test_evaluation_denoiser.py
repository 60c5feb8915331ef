"""Tables of denoisers: the noisy row is what theory says, and denoisers are better than it."""

from __future__ import annotations

import dataclasses
import math
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
from networks import stirred

from synthnoise import DatasetRequest, synthesize
from synthnoise.cli.main import app
from synthnoise.denoisers.weights import WeightsRecord, save_weights
from synthnoise.errors import InputError, PluginError, UsageError
from synthnoise.evaluation.denoiser import evaluate_denoisers, headings, image_files, read_clean
from synthnoise.evaluation.metrics import Metric, load_metrics
from synthnoise.hookspecs import hookimpl
from synthnoise.plugins import Plugins
from synthnoise.raw.images import write_png
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.specs import MetricSpec


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two soft pictures in mid grey, where no noise is clipped."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        scene = dead_leaves((96, 120), seed, blur=2)
        write_png(folder / f"{seed}.png", np.rint(90 + 60 * scene.transpose(1, 2, 0)).astype(np.uint8))
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_pictures_get_the_noise_they_are_said_to_get(pictures: Path) -> None:
    table = evaluate_denoisers(["patch-dct"], folder=pictures, sigmas=[15, 25], device="cpu")
    assert table.columns == ("denoiser", "on", "PSNR dB", "SSIM", "CPU-s/MPix")
    assert [row[:2] for row in table.rows] == [
        ("noisy", "sigma 15"),
        ("patch-dct", "sigma 15"),
        ("noisy", "sigma 25"),
        ("patch-dct", "sigma 25"),
    ]
    values = 96 * 120 * 3
    spread = 10 / math.log(10) * math.sqrt(2 / values)  # of 10 log10 of a mean of that many squares
    noisy = table.column("PSNR dB")[0::2]
    for level, found in zip((15, 25), noisy, strict=True):
        assert found == pytest.approx(-20 * math.log10(level / 255), abs=5 * spread)
    denoised = table.column("PSNR dB")[1::2]
    for before, after in zip(noisy, denoised, strict=True):
        assert float(after) > float(before) + 5
    assert all(
        float(after) > float(before)
        for before, after in zip(table.column("SSIM")[::2], table.column("SSIM")[1::2], strict=True)
    )
    assert all(0 < float(cost) < 100 for cost in table.column("CPU-s/MPix")[1::2])


def test_a_dataset_is_the_same_images_in_every_format(tmp_path: Path) -> None:
    """PNG holds sRGB, TIFF linear light, and neither the contact sheet."""
    request = DatasetRequest(n=2, size=(64, 80), options={"reduction": 2})
    for name in ("png", "tiff"):
        synthesize(request, tmp_path / name, format=name, contact_sheet=True)
    pngs, tiffs = (image_files(tmp_path / name) for name in ("png", "tiff"))
    assert [path.stem for path in pngs] == [path.stem for path in tiffs] == ["00000000", "00000001"]
    for png, tiff in zip(pngs, tiffs, strict=True):
        assert np.abs(read_clean(png) - read_clean(tiff)).max() < 0.51 / 255


def test_weights_stand_in_the_table_under_their_file_name(pictures: Path, tmp_path: Path) -> None:
    options = {"channels": 3, "depth": 3, "width": 4}
    record = WeightsRecord(denoiser="dncnn", options=options, domain="srgb", channels=3, halo=3)
    save_weights(tmp_path / "net.safetensors", stirred(options), record)
    table = evaluate_denoisers(
        [str(tmp_path / "net.safetensors")], folder=pictures, sigmas=[25], device="cpu"
    )
    assert table.row("net.safetensors")["PSNR dB"] != table.row("noisy")["PSNR dB"]


@pytest.fixture
def small_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the virtual cameras a quarter as large."""
    for name, sensor in list(SENSORS.items()):
        small = (sensor.size[0] // 2, sensor.size[1] // 2)
        monkeypatch.setitem(SENSORS, name, dataclasses.replace(sensor, size=small))


@pytest.mark.usefixtures("small_cameras")
def test_a_camera_gets_the_noise_it_has() -> None:
    """The noisy row against the mean squared error of the frame, computed from its mosaic in DN."""
    table = evaluate_denoisers(["patch-dct"], sensors=["phone"], ratios=[4], device="cpu")
    camera = VirtualCamera(SENSORS["phone"])
    scene = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, 0))
    span = camera.sensor.white - camera.sensor.black
    levels = [
        4 * (frame.mosaic.astype(np.float64) - camera.sensor.black) / span
        for frame in (camera.shoot(scene, ratio=4), camera.shoot(scene, ratio=4, clean=True))
    ]
    error = np.mean((levels[0].clip(0, 1) - levels[1].clip(0, 1)) ** 2)
    noisy, denoised = table.row("noisy"), table.row("patch-dct")
    assert noisy["on"] == "phone x4"
    assert noisy["PSNR dB"] == pytest.approx(-10 * math.log10(error), abs=1e-3)
    assert float(denoised["PSNR dB"]) > float(noisy["PSNR dB"]) + 3
    assert float(denoised["SSIM"]) > float(noisy["SSIM"])


class _Refuses:
    """Progress of what must not begin."""

    def start(self, title: str, total: float | None = None) -> None:
        raise AssertionError(title)

    advance = note = start


def test_an_image_that_cannot_be_measured_is_named(tmp_path: Path) -> None:
    light = np.full((32, 40, 3), 0.5, np.float32)
    tifffile.imwrite(tmp_path / "even.tif", light, photometric="rgb")
    light[3, 4, 1] = np.nan
    tifffile.imwrite(tmp_path / "hole.tif", light, photometric="rgb")
    with pytest.raises(InputError, match=r"hole\.tif: holds NaN"):
        evaluate_denoisers(["wiener"], folder=tmp_path, sigmas=[25])
    (tmp_path / "hole.tif").unlink()
    tifffile.imwrite(tmp_path / "small.tif", light[8:18], photometric="rgb")
    with pytest.raises(InputError, match=r"small\.tif: SSIM needs at least 11"):
        evaluate_denoisers(["wiener"], folder=tmp_path, sigmas=[25])


def test_what_cannot_be_measured_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no virtual camera"):
        evaluate_denoisers(["patch-dct"], sensors=["toaster"])
    with pytest.raises(InputError, match="no images"):
        evaluate_denoisers(["patch-dct"], folder=tmp_path)
    with pytest.raises(InputError, match="no images"):
        evaluate_denoisers(["patch-dct"], folder=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="trained first"):
        evaluate_denoisers(["dncnn"], folder=pictures)
    with pytest.raises(PluginError):
        evaluate_denoisers(["no-such"], folder=pictures)
    with pytest.raises(PluginError, match="no metric called 'vmaf'"):
        evaluate_denoisers(["patch-dct"], folder=pictures, metrics=["psnr", "vmaf"])
    for level in (-5, math.nan, math.inf):
        with pytest.raises(UsageError, match=f"sigma {level:g} is no noise"):
            evaluate_denoisers(["patch-dct"], folder=pictures, sigmas=[25, level])
    with pytest.raises(UsageError, match="no virtual camera called 'toaster'"):
        evaluate_denoisers(["patch-dct"], sensors=["mild", "toaster"], progress=_Refuses())
    with pytest.raises(UsageError, match="no sensor"):
        evaluate_denoisers(["patch-dct"], folder=pictures, sensors=["mild"])
    for of_images in ({"sigmas": [25.0]}, {"every": 2}, {"per_image": True}):
        with pytest.raises(UsageError, match="images of a folder"):
            evaluate_denoisers(["patch-dct"], **of_images)
    command = ["evaluate", "denoiser", "wiener", "tv", "--folder", str(pictures), "--invariance"]
    for unheeded in (["--sigma", "15,25"], ["--metric", "ssim"], ["--per-image"], ["--camera", "mild"]):
        with pytest.raises(UsageError, match="at one noise level"):
            app([*command, *unheeded], standalone_mode=False)


def test_files_of_one_name_are_told_apart() -> None:
    assert headings(["noisy", "rgb", "runs/1/net.onnx", "b.safetensors", "runs/2/net.onnx"]) == {
        "noisy": "noisy",
        "rgb": "rgb",
        "runs/1/net.onnx": "runs/1/net.onnx",
        "b.safetensors": "b.safetensors",
        "runs/2/net.onnx": "runs/2/net.onnx",
    }
    assert headings(["noisy", "runs/1/net.onnx"])["runs/1/net.onnx"] == "net.onnx"


def test_every_nth_image_by_name_is_taken(pictures: Path) -> None:
    both = evaluate_denoisers(["wiener"], folder=pictures, sigmas=[25], device="cpu")
    first = evaluate_denoisers(["wiener"], folder=pictures, sigmas=[25], every=2, device="cpu")
    assert (both.title, first.title) == ("2 images of pictures0", "1 images of pictures0")
    assert both.column("PSNR dB") != first.column("PSNR dB")


def test_each_image_has_its_rows_and_their_mean_is_that_of_the_set(pictures: Path) -> None:
    table = evaluate_denoisers(["wiener"], folder=pictures, sigmas=[15], per_image=True, device="cpu")
    assert table.column("on") == ["sigma 15"] * 6
    assert table.column("image") == ["all"] * 2 + ["0.png"] * 2 + ["1.png"] * 2
    values = [float(value) for value in table.column("PSNR dB")]
    assert values[1] == pytest.approx((values[3] + values[5]) / 2)


@pytest.mark.usefixtures("small_cameras")
def test_cameras_ratios_and_levels_can_be_lists(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    arguments = ["evaluate", "denoiser", "wiener", "--camera", "mild,hard", "--ratios", "100", "--json"]
    app(arguments, standalone_mode=False)
    rows = json.loads(capsys.readouterr().out)["denoisers"]
    assert [row["on"] for row in rows if row["denoiser"] == "wiener"] == [
        "mild x100",
        "hard x100",
    ]
    with pytest.raises(UsageError, match="not numbers"):
        app([*arguments[:-2], "100,many"], standalone_mode=False)
    arguments = ["evaluate", "denoiser", "wiener", "--folder", str(pictures), "--sigma", "15,25", "--json"]
    app(arguments, standalone_mode=False)
    rows = json.loads(capsys.readouterr().out)["denoisers"]
    assert [row["on"] for row in rows] == ["sigma 15"] * 2 + ["sigma 25"] * 2


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """Return the plugins with one that has a metric."""
    module = ModuleType("plugin_with_a_metric")

    @hookimpl
    def synthnoise_metrics() -> list[MetricSpec]:
        return [MetricSpec(name="linf", summary="Largest error.", factory=largest_error, unit="of 255")]

    module.synthnoise_metrics = synthnoise_metrics  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    plugins = Plugins([EntryPoint("another", module.__name__, "synthnoise")])
    monkeypatch.setattr("synthnoise.evaluation.metrics.default_plugins", lambda: plugins)
    return plugins


def largest_error() -> Metric:
    """Return the metric."""
    return lambda prediction, target: 255 * (prediction - target).abs().amax((1, 2, 3))


def test_metrics_of_plugins_have_a_column(pictures: Path, another: Plugins) -> None:
    table = evaluate_denoisers(
        ["wiener"], folder=pictures, sigmas=[15], metrics=["linf", "ssim"], device="cpu"
    )
    assert table.columns == ("denoiser", "on", "LINF of 255", "SSIM", "CPU-s/MPix")
    # The largest of 34560 Gaussian variates is near 4.2 standard deviations.
    assert 3.5 * 15 < float(table.row("noisy")["LINF of 255"]) < 6 * 15
    assert list(load_metrics(["another/linf"], plugins=another)) == ["LINF of 255"]

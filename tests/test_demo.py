"""The demonstration passes, says so truthfully, and finds out what is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import rawpy

from synthnoise.demo import (
    NIGHT,
    PRESET,
    SIZE,
    Check,
    DemoReport,
    Shots,
    calibration_checks,
    denoising_checks,
    noise_checks,
    run_demo,
)
from synthnoise.errors import OutputExistsError, SynthnoiseError
from synthnoise.profiles.store import load_profile
from synthnoise.raw.dng import write_dng
from synthnoise.raw.images import read_image
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.virtual_camera import VirtualCamera


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def report(folder):
    return run_demo(folder)


def test_every_claim_holds(report):
    report.raise_on_failure()
    assert report.passed
    assert len(report.checks) >= 10
    assert report.cpu_seconds < 60


def test_the_files_are_those_it_lists(report, folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(report.files)
    assert {"dark.dng", "photograph.dng", "night.dng", "night-denoised.dng", "profile"} <= set(report.files)
    sheet = read_image(folder / "contact-sheet.png")
    assert min(sheet.shape[:2]) > 800


def test_the_json_report_is_the_report(report, folder):
    document = json.loads((folder / "report.json").read_text())
    assert document["passed"] is True
    assert [check["name"] for check in document["checks"]] == [check.name for check in report.checks]
    gain = document["checks"][0]
    assert gain["truth"] == SENSORS[PRESET].gain
    assert gain["measured"] == pytest.approx(gain["truth"], rel=0.1)


def test_the_lines_name_every_claim(report):
    text = "\n".join(report.lines())
    assert all(check.name in text for check in report.checks)


def test_libraw_sees_less_noise_in_the_denoised_file(report, folder):
    """Neighbours of one colour differ less, as LibRaw alone reads both files; the level stays."""
    roughness, level = [], []
    for name in ("night.dng", "night-denoised.dng"):
        with rawpy.imread(str(folder / name)) as raw:
            assert raw.raw_image_visible.shape == SIZE
            signal = raw.raw_image_visible.astype(float) - raw.black_level_per_channel[0]
        roughness.append(np.median(np.abs(np.diff(signal[:, ::2], axis=1))))
        level.append(signal.mean())
    assert roughness[1] < 0.3 * roughness[0]
    assert level[1] == pytest.approx(level[0], rel=0.01)
    assert level[0] < 0.7 * (16383 - 512) / NIGHT


def test_a_report_is_not_overwritten_unasked(report, folder):
    before = (folder / "report.json").read_bytes()
    with pytest.raises(OutputExistsError):
        run_demo(folder)
    assert (folder / "report.json").read_bytes() == before


def test_a_failed_claim_is_named():
    good = Check("gain", "DN/e-", 4.0, 4.1, "within 10 %", True, (3.8, 4.2))
    bad = Check("read noise", "DN", 9.0, 6.0, "within 5 %", False)
    report = DemoReport(folder=Path("out"), files=(), checks=(good, bad), cpu_seconds=1.0)
    assert not report.passed
    with pytest.raises(SynthnoiseError, match=r"read noise: 9 DN \(truth: 6\)") as caught:
        report.raise_on_failure()
    assert "gain" not in caught.value.message
    assert any("FAILED" in line and "read noise" in line for line in report.lines())


@pytest.fixture(scope="module")
def shots():
    camera = VirtualCamera(dataclasses.replace(SENSORS[PRESET], size=(256, 384)))
    scene = np.full((256, 384), 0.3, dtype=np.float32)
    night, clean = (camera.shoot(scene, ratio=NIGHT, clean=clean) for clean in (False, True))
    return Shots(camera, camera.dark(), night, night, clean)


def failures(checks):
    return {check.name.removeprefix("two-shots: ") for check in checks if not check.passed}


def test_wrong_noise_is_found_out(shots):
    real = {
        "night": shots.camera.burst(np.full((256, 384), 0.3), 2, ratio=NIGHT)[1],
        "dark": shots.camera.dark(7),
    }
    assert failures(noise_checks("two-shots", real, shots)) == set()
    clean, night = (frame.mosaic.astype(np.float32) for frame in (shots.clean, real["night"]))
    louder, brighter = clean + 1.08 * (night - clean), night + 0.05 * (clean.mean() - 512)
    noise = np.random.default_rng(1).normal(512, 6, clean.shape).astype(np.float32)
    for changes, found in (
        ({"night": louder}, "variance"),
        ({"night": brighter}, "mean level"),
        ({"dark": noise}, "banding"),
    ):
        wrong = {
            name: dataclasses.replace(shots.clean, mosaic=changes.get(name, frame.mosaic))
            for name, frame in real.items()
        }
        assert found in failures(noise_checks("two-shots", wrong, shots))


def test_a_denoiser_that_does_nothing_is_found_out(shots, tmp_path):
    write_dng(tmp_path / "night-denoised.dng", shots.night)
    assert failures(denoising_checks(tmp_path, shots.night, shots)) == {"PSNR that denoising adds"}
    clean = np.rint(shots.clean.mosaic).astype(np.uint16)
    found = failures(denoising_checks(tmp_path, dataclasses.replace(shots.night, mosaic=clean), shots))
    assert "read otherwise by LibRaw" in found
    assert "PSNR that denoising adds" not in found


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("gain", "gain"),
        ("row_noise", "row noise"),
        ("column_noise", "column noise"),
        ("hot_pixel_fraction", "hot and telegraph pixels"),
    ],
)
def test_a_wrong_profile_is_found_out(report, folder, shots, field, found):
    profile = load_profile(folder / "profile")
    noise = profile.isos[3200.0]
    wrong = dataclasses.replace(noise, **{field: 1.5 * getattr(noise, field), "gain_interval": (5.9, 6.1)})
    assert found in failures(calibration_checks(shots, dataclasses.replace(profile, isos={3200.0: wrong})))

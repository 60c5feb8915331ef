"""Files of one camera that state other black and white levels than its profile: noise is the same in DN."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from synthnoise.calibration import calibrate
from synthnoise.plugins import default_plugins
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.stream.noising import Settings, add_noise_files

SENSOR = dataclasses.replace(SENSORS["mild"], size=(192, 256), black_bias=(1.5, 1.5, 1.5, 1.5))
LOW, HIGH = 800.0, 6400.0
PEDESTAL = 8
"""DN by which black is higher at the higher ISO, as its files state."""


def pair(iso: float, black: float, white: float) -> tuple[Frame, Frame]:
    """Return a dark and a photograph whose files state some levels; what they hold is above that black."""
    camera = VirtualCamera(SENSOR)
    photograph = SENSOR.camera_rgb(dead_leaves(SENSOR.size, seed=2))
    moved = int(black - SENSOR.black)
    frames = [camera.dark(), camera.shoot(photograph, ratio=20, index=1)]
    dark, lit = (
        dataclasses.replace(
            frame,
            mosaic=np.clip(frame.mosaic.astype(int) + moved, 0, int(white)).astype(np.uint16),
            black=frame.black + moved,
            white=white,
            iso=iso,
        )
        for frame in frames
    )
    return dark, lit


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a profile of two ISOs that state different levels, merged from two calls."""
    where = tmp_path_factory.mktemp("levels")
    for iso, black, white in ((LOW, SENSOR.black, SENSOR.white), (HIGH, SENSOR.black + PEDESTAL, 13000.0)):
        frames = pair(iso, black, white)
        for name, frame in zip(("dark", "noisy"), frames, strict=True):
            write_dng(where / f"{name}-{iso:g}.dng", frame)
        calibrate(
            [where / f"dark-{iso:g}.dng"], [where / f"noisy-{iso:g}.dng"], output=where / "p", merge=True
        )
    return where


@pytest.fixture(scope="module")
def profile(folder) -> CameraProfile:
    return load_profile(folder / "p")


def test_the_offset_is_above_the_black_that_files_of_the_iso_state(profile):
    low, high = profile.isos[LOW], profile.isos[HIGH]
    assert profile.black == (SENSOR.black,) * 4
    # The same frames but for their pedestal: 1.5 DN of bias, and no 8 DN besides at the higher ISO.
    assert high.offset == pytest.approx(low.offset, abs=1e-6)
    assert abs(np.mean(high.offset) - 1.5) < 1


def test_two_isos_of_one_call_are_told_apart_likewise(folder, profile):
    both = calibrate(
        [folder / f"dark-{iso:g}.dng" for iso in (LOW, HIGH)],
        [folder / f"noisy-{iso:g}.dng" for iso in (LOW, HIGH)],
    ).profile
    for iso in (LOW, HIGH):
        assert both.isos[iso].offset == pytest.approx(profile.isos[iso].offset, abs=1e-6)


def test_shading_does_not_lift_a_frame_by_what_its_own_black_says(folder, profile, tmp_path):
    noisy = read_frame(folder / f"noisy-{HIGH:g}.dng")
    even = dataclasses.replace(noisy, mosaic=np.full_like(noisy.mosaic, int(noisy.black[0, 0])))
    write_dng(tmp_path / "even.dng", even)
    settings = Settings(
        model="spectral", options={"shading": True, "unit": 0}, profile=str(folder / "p"), iso=HIGH
    )
    (outcome,) = add_noise_files([tmp_path / "even.dng"], tmp_path / "out.dng", settings=settings)
    assert outcome.error is None
    added = read_frame(tmp_path / "out.dng").mosaic.astype(float) - noisy.black[0, 0]
    dark = read_frame(folder / f"dark-{HIGH:g}.dng")
    truth = dark.mosaic.astype(float) - dark.black[0, 0]
    # Rows of both drift by themselves.
    assert abs(added.mean() - truth.mean()) < 1.5 < PEDESTAL


@pytest.mark.parametrize(
    "model", ["sfrn", "pmn", "two-shots", "two-shots-fast", "spectral", "poisson-gaussian"]
)
def test_noise_is_the_same_in_dn_whatever_white_the_dark_states(profile, model):
    noise = default_plugins().create("noise_models", model)
    found = {}
    for iso in (LOW, HIGH):
        known = noise.parameters(profile, iso)
        clean = torch.zeros(4, 4, 96, 128)
        dark = noise.sample(clean, known, Rng(1, torch.arange(4))).double()
        ends = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 4, 1, 2)
        black, white = noise.variance(ends, known)[0, :, 0].double().T
        scale = profile.white - profile.black[0]
        assert np.allclose((white - black) * scale, profile.isos[iso].gain, rtol=1e-5)
        found[iso] = float(dark.std()) * scale, float(black.mean().sqrt()) * scale
    # The frames are the same, and so are the draws; levels are 20 % apart.
    assert found[HIGH] == pytest.approx(found[LOW], rel=0.01)

"""The shipped profiles: readable, small, with provenance, and the virtual ones true."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synthnoise.naming import camera_name, folder_name
from synthnoise.profiles.iso_law import iso_law
from synthnoise.profiles.store import load_profile, shipped_folder
from synthnoise.sensors.presets import SENSORS

NAMES = sorted(path.parent.name for path in shipped_folder().glob("*/profile.toml"))
LARGEST = 100_000
"""Bytes per ISO of a Bayer camera; the 36 positions of X-Trans take twice as many."""


def test_the_published_bodies_and_all_virtual_cameras_are_there():
    virtual = {folder_name(camera_name("Virtual", sensor.model)) for sensor in SENSORS.values()}
    bodies = {"sony-ilce-7sm2", "sony-ilce-7m4", "nikon-d850", "canon-eos-5d-mark-iv", "canon-eos-70d"}
    assert virtual | bodies | {"canon-eos-700d", "xiaomi-redmi-k30-imx686"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_loads_is_small_and_says_where_it_is_from(name):
    profile = load_profile(shipped_folder() / name)
    folder = shipped_folder() / name
    assert folder_name(profile.name) == name
    assert len(profile.provenance) > 40
    assert not list(folder.glob("*.dng"))
    largest = 2 * LARGEST if len(profile.colours) > 4 else LARGEST
    assert sum(file.stat().st_size for file in folder.iterdir()) < largest * len(profile.isos)
    law = iso_law(profile)
    assert law.outliers == ()
    for noise in profile.isos.values():
        assert noise.gain_interval[0] < noise.gain < noise.gain_interval[1]
        assert noise.gain_se > 0
        assert min(noise.read_noise_se) > 0


@pytest.mark.parametrize("name", sorted(SENSORS))
def test_the_profile_of_a_virtual_camera_holds_its_parameters(name):
    sensor = SENSORS[name]
    noise = load_profile(shipped_folder() / folder_name(camera_name("Virtual", sensor.model))).isos[
        sensor.iso
    ]
    assert noise.gain == pytest.approx(sensor.gain, abs=5 * noise.gain_se)
    assert noise.gain_se < 0.01 * sensor.gain
    fixed = math.hypot(sensor.dsnu, sensor.column_pattern)
    for quantity, truth in (("dsnu", fixed), ("prnu", sensor.prnu)):
        value, error = noise.quantities[quantity]
        # telegraph pixels and slow shading add to the fixed pattern
        assert value == pytest.approx(truth, abs=5 * error + 0.1 * truth), quantity
    assert noise.arrays["pixel_quantiles"].shape[0] == sensor.colours.size


def test_the_published_gain_of_the_d850_is_what_another_group_found():
    # SFRN measured 3.356, 6.688 and 13.33 DN/e- at ISO 800, 1600 and 3200
    isos = load_profile(shipped_folder() / "nikon-d850").isos
    ours = np.array([isos[iso].gain for iso in (800.0, 1600.0, 3200.0)])
    assert ours / [3.356, 6.688, 13.33] == pytest.approx(1, rel=0.02)

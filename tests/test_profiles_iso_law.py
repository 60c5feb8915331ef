"""The law over ISO: its parameters are those of the sensor, steps are found, strangers are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_profiles_store import camera, noise

from synthnoise.calibration import calibrate
from synthnoise.errors import UsageError
from synthnoise.profiles.interpolation import noise_at
from synthnoise.profiles.iso_law import iso_law
from synthnoise.profiles.store import load_profile
from synthnoise.sensors.presets import MILD
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

DUAL = replace(
    MILD, size=(128, 192), dsnu=0.0, row_noise=0.0, column_noise=0.0, column_pattern=0.0, dark_current=0.0
)
ISOS = (400, 800, 1600, 3200, 6400, 12800)


def stated(sensor: Sensor, isos=ISOS, error=0.01):
    """Return the profile that a calibration without any error would give."""
    return camera(isos={float(iso): iso_noise(sensor.at_iso(iso), error) for iso in isos})


def iso_noise(sensor: Sensor, error: float):
    read = sensor.dark_noise()
    return noise(
        sensor.iso,
        gain=sensor.gain,
        gain_se=error * sensor.gain,
        gain_interval=(sensor.gain * (1 - 2 * error), sensor.gain * (1 + 2 * error)),
        read_noise=(read,) * 4,
        read_noise_se=(error * read,) * 4,
    )


def test_a_dual_gain_sensor_has_two_branches_with_its_parameters():
    law = iso_law(stated(DUAL))
    assert [branch.isos for branch in law.branches] == [(400, 800, 1600), (3200, 6400, 12800)]
    assert law.outliers == ()
    for branch, factor in zip(law.branches, (2.4, 1.0), strict=True):
        assert branch.gain_per_iso.value == pytest.approx(MILD.gain / 6400)
        electrons = factor * MILD.read_noise / MILD.gain
        assert branch.noise_before.value == pytest.approx(electrons, rel=0.02)
        assert 0 < branch.noise_before.se < 0.1 * electrons
        # the converter's noise and the rounding
        assert branch.noise_after.value == pytest.approx(np.sqrt(1 + 1 / 12), rel=0.02)


@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_one_conversion_gain_is_one_branch(factor):
    law = iso_law(stated(replace(DUAL, dual_gain_factor=factor)))
    assert [branch.isos for branch in law.branches] == [ISOS]


def test_a_step_is_found_where_noise_does_not_fall():
    # half an octave of factor, ISOs an octave apart: read noise still rises
    profile = stated(replace(DUAL, dual_gain_factor=1.45))
    read = [n.read_noise[0] for n in profile.isos.values()]
    assert np.all(np.diff(read) > 0)
    law = iso_law(profile)
    assert [branch.isos[0] for branch in law.branches] == [400, 3200]
    assert noise_at(profile, 1000).gain == pytest.approx(DUAL.at_iso(1000).gain)
    with pytest.raises(UsageError, match="conversion"):
        noise_at(profile, 2500)


def test_an_iso_outside_the_law_is_named():
    profile = stated(DUAL)
    wrong = replace(profile.isos[1600.0], gain=1.3 * profile.isos[1600.0].gain)
    law = iso_law(replace(profile, isos=profile.isos | {1600.0: wrong}))
    assert [outlier.iso for outlier in law.outliers] == [1600]
    assert law.outliers[0].factor == pytest.approx(1.3)
    unsure = replace(wrong, gain_interval=(0.5 * wrong.gain, 2 * wrong.gain))
    assert iso_law(replace(profile, isos=profile.isos | {1600.0: unsure})).outliers == ()


def test_the_published_table_of_a_dual_gain_camera_shows_its_step():
    law = iso_law(load_profile("sony-ilce-7sm2"))
    assert [branch.isos[0] for branch in law.branches] == [100, 2000]
    assert law.branches[1].noise_before.value < 0.5 * law.branches[0].noise_before.value


def test_one_iso_has_no_law_in_words():
    assert iso_law(camera()).lines() == []
    assert iso_law(replace(camera(), isos={})).branches == ()


def test_calibrating_a_virtual_camera_finds_its_law():
    shots = [VirtualCamera(DUAL.at_iso(iso)) for iso in (800, 1600, 3200, 6400)]
    darks = [device.dark(i) for device in shots for i in (0, 1)]
    flats = [device.flat(0.3 * device.sensor.saturation, i) for device in shots for i in (0, 1)]
    result = calibrate(darks, [], flats)
    law = iso_law(result.profile)
    assert [branch.isos for branch in law.branches] == [(800, 1600), (3200, 6400)]
    for branch, factor in zip(law.branches, (2.4, 1.0), strict=True):
        k, before = branch.gain_per_iso, branch.noise_before
        assert k.value == pytest.approx(MILD.gain / 6400, abs=5 * k.se)
        assert before.value == pytest.approx(factor * MILD.read_noise / MILD.gain, abs=5 * before.se)
    assert any("before and" in line for line in result.report)

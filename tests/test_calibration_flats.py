"""Flats and exposure series, against virtual cameras: EMVA 1288 quantities within their own errors."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

from synthnoise.calibration import calibrate
from synthnoise.calibration.dark import measure_darks
from synthnoise.calibration.flats import largest_variance, measure_flats, measure_pair
from synthnoise.calibration.photon_transfer import difference_correlation, transfer_points
from synthnoise.calibration.quantities import dark_current
from synthnoise.errors import InputError, UsageError
from synthnoise.profiles.store import load_profile
from synthnoise.raw.dng import write_dng
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

SENSOR = Sensor(
    size=(256, 384),
    gain=2.0,
    read_noise=5.0,
    dsnu=1.5,
    column_pattern=1.0,
    row_noise=0.6,
    prnu=0.01,
    full_well=5000,
    black_bias=(0.3, -0.2, 0.1, -0.4),
)
CAMERA = VirtualCamera(SENSOR)
SHARES = (0.1, 0.3, 0.5, 0.65, 0.9, 1.3)
"""Of the full well; the exposure time in seconds is a tenth of it."""


@functools.cache
def two(share: float):
    """Return a pair of flats."""
    return [CAMERA.flat(share * SENSOR.saturation, i, exposure_time=share / 10) for i in (0, 1)]


@functools.cache
def pair(share: float):
    return measure_pair(*two(share))


@functools.cache
def darks(count: int):
    return measure_darks([CAMERA.dark(i) for i in range(count)])


def test_a_series_of_flats_gives_every_quantity_within_its_error():
    series = measure_flats([pair(share) for share in reversed(SHARES)], darks(3))
    gain = series.gain
    assert gain.standard_error < 0.01 * SENSOR.gain
    assert gain.gain == pytest.approx(SENSOR.gain, abs=5 * gain.standard_error)
    assert gain.interval[0] < SENSOR.gain < gain.interval[1]
    truth = {
        "saturation_capacity": (largest_variance(5000), 50),
        "prnu": (0.01, 0.0005),
        "prnu_row": (0.0, 0.001),
        "prnu_column": (0.0, 0.001),
        "prnu_pixel": (0.01, 0.0005),
    }
    for name, (value, precise) in truth.items():
        found = series.quantities[name]
        assert found.value == pytest.approx(value, abs=5 * found.se), name
        assert found.se < precise
    # the mean of a flat errs by the rows it has: 0.6 / sqrt(256) of 1000 DN
    assert 0 <= series.quantities["linearity_error"].value < 3e-4
    assert series.warnings == ()


@pytest.mark.parametrize("plateau", [300, 5000, 80_000])
def test_saturation_is_where_the_variance_of_cut_off_photons_is_largest(plateau):
    counts = np.arange(plateau + 1.0)

    def variance(mean: float) -> float:
        share = poisson.pmf(counts, mean)
        share[-1] = poisson.sf(plateau - 1, mean)
        return float(share @ (counts - share @ counts) ** 2)

    found, shot = largest_variance(plateau), math.sqrt(plateau)
    assert plateau - 4 * shot < found < plateau - 1.5 * shot
    assert variance(found) > variance(found - 0.3 * shot)
    assert variance(found) > variance(found + 0.3 * shot)


def test_flats_that_do_not_saturate_bound_the_capacity():
    series = measure_flats([pair(share) for share in SHARES[:4]], darks(3))
    assert "saturation_capacity" not in series.quantities
    (warning,) = series.warnings
    assert "at least" in warning
    least = float(warning.split()[-2])
    assert least == pytest.approx(SHARES[3] * 5000, rel=0.02)


def test_a_bent_response_is_measured_as_linearity_error():
    def bent(frame):
        level = frame.mosaic - 512.0
        return replace(frame, mosaic=np.rint(512 + level * (1 - 0.05 * level / 10000)).astype(np.uint16))

    levels = np.array([0.1, 0.3, 0.5, 0.65])
    measured = [measure_pair(*(bent(frame) for frame in two(share))) for share in levels]
    found = measure_flats(measured, darks(1)).quantities["linearity_error"]
    # relative least squares on levels of 1000 to 6500 DN, whose ends sag by 0.5 to 3.3 %
    dn = 10000 * levels * (1 - 0.05 * levels)
    design = np.stack([1 / dn, levels / dn], 1)
    expected = np.abs(1 - design @ np.linalg.lstsq(design, np.ones(4), rcond=None)[0]).mean()
    assert expected > 1e-3
    assert found.value == pytest.approx(expected, abs=5 * found.se + 1e-4)


def test_one_pair_and_two_darks_suffice_for_the_gain():
    anchor = transfer_points(CAMERA.dark(0), CAMERA.dark(1))
    gain = measure_flats([pair(0.5)], darks(3), anchor).gain
    assert gain.standard_error < 0.01 * SENSOR.gain
    assert gain.gain == pytest.approx(SENSOR.gain, abs=5 * gain.standard_error)


def test_two_frames_of_a_scene_give_the_gain_but_no_photo_response():
    sensor = replace(SENSOR, size=(512, 768))
    device = VirtualCamera(sensor)
    scene = sensor.camera_rgb(dead_leaves(sensor.size, 3))
    frames = [device.shoot(scene, ratio=1.5, index=i) for i in (0, 1)]
    series = measure_flats([measure_pair(*frames)], measure_darks([device.dark()]))
    assert series.gain.gain == pytest.approx(SENSOR.gain, rel=0.01)
    assert abs(series.gain.gain - SENSOR.gain) < 5 * series.gain.standard_error
    assert "prnu" not in series.quantities
    assert any("show a scene" in warning for warning in series.warnings)


@pytest.mark.parametrize("ratio", [1.5, 30])
def test_two_photographs_are_no_pair_though_equally_bright(ratio):
    scenes = [SENSOR.camera_rgb(dead_leaves(SENSOR.size, seed)) for seed in (3, 4)]
    scenes[1] *= scenes[0].mean() / scenes[1].mean()
    frames = [CAMERA.shoot(scene, ratio=ratio, index=i) for i, scene in enumerate(scenes)]
    with pytest.raises(InputError, match="differ by more than noise"):
        measure_pair(*frames)
    # where the difference holds noise alone, what all scenes have in common is taken out with it
    assert abs(difference_correlation(CAMERA.shoot(scenes[0], ratio=ratio, index=2), frames[0])) < 0.05


def test_contrast_does_not_excuse_a_pair_of_two_brightnesses():
    scene = SENSOR.camera_rgb(dead_leaves(SENSOR.size, 3))
    frames = [CAMERA.shoot(scene, ratio=ratio) for ratio in (20, 30)]
    with pytest.raises(InputError, match="no pair"):
        measure_pair(*frames)


def test_black_levels_of_rows_and_columns_are_taken_off():
    rows, columns = np.arange(256) % 50, np.arange(384) % 70
    raised = [
        replace(
            frame,
            mosaic=(frame.mosaic + rows[:, None] + columns).astype(np.uint16),
            black_rows=rows.astype(float),
            black_columns=columns.astype(float),
        )
        for frame in two(0.3)
    ]
    for plain, found in zip(transfer_points(*two(0.3)), transfer_points(*raised), strict=True):
        np.testing.assert_allclose(found, plain, rtol=1e-5)


def test_a_single_dark_leaves_the_photo_response_less_sure():
    one, three = (measure_flats([pair(0.1), pair(0.3)], darks(n)).quantities["prnu"] for n in (1, 3))
    assert one.se > 1.2 * three.se
    assert one.value == pytest.approx(0.01, abs=5 * one.se)


def test_vignetting_is_no_photo_response():
    device = VirtualCamera(replace(SENSOR, size=(512, 768)))
    y, x = np.mgrid[-1:1:512j, -1:1:768j]
    field = np.broadcast_to((1 - 0.15 * (x**2 + y**2)).astype(np.float32) * 0.5, (3, 512, 768))
    frames = [device.shoot(field, index=i) for i in (0, 1)]
    value, error = measure_flats([measure_pair(*frames)], measure_darks([device.dark()])).quantities["prnu"]
    assert error < 2e-4
    assert value == pytest.approx(0.01, abs=5 * error)


@pytest.mark.parametrize("count", [1, 2])
def test_an_exposure_series_of_darks_gives_the_dark_current(count):
    device = VirtualCamera(replace(SENSOR, dark_current=40.0))
    series = [
        (t, measure_darks([device.dark(i, exposure_time=t) for i in range(count)])) for t in (0.1, 1.0, 3.0)
    ]
    found = dark_current(series, 2.0, 0.01)
    assert ("dark_current_from_variance" in found) == (count == 2)
    for value, error in found.values():
        assert value == pytest.approx(40, abs=5 * error)
        assert error < 3
    assert dark_current(series, 2.0, 0.4)["dark_current"].se > 7


# From files to a profile


def test_calibrate_takes_flats_and_darks_of_several_exposures(tmp_path):
    device = VirtualCamera(replace(SENSOR, dark_current=40.0))
    darks = [device.dark(i, exposure_time=t) for t in (3.0, 0.1, 1.0) for i in (0, 1)]
    for number, frame in enumerate(darks):
        write_dng(tmp_path / f"dark-{number}.dng", frame)
    flats = [frame for share in (0.1, 0.4, 1.3) for frame in two(share)]
    files = [tmp_path / f"dark-{number}.dng" for number in range(6)]
    result = calibrate(files, [], flats, output=tmp_path / "p")
    noise = load_profile(tmp_path / "p").isos[1600.0]
    assert noise.gain == pytest.approx(2.0, abs=5 * noise.gain_se)
    assert noise.diagnostics["gain_method"] == "photon transfer"
    assert noise.exposure_time == pytest.approx(0.1), "the darks nearest to the light in exposure"
    capacity = largest_variance(5000)
    for name, value in (("dark_current", 40.0), ("dsnu_column", 1.0), ("saturation_capacity", capacity)):
        assert noise.quantities[name].value == pytest.approx(value, abs=5 * noise.quantities[name].se), name
    roles = [source.role for source in noise.sources]
    assert (roles.count("dark"), roles.count("flat")) == (6, 6)
    text = "\n".join(result.report)
    for word in ("photon transfer", "PRNU", "dark current", "saturation capacity", "DSNU"):
        assert word in text


@pytest.mark.parametrize(
    ("flats", "error", "message"),
    [
        (lambda: [two(0.1)[0]], UsageError, "no partner"),
        (lambda: [two(0.1)[0], replace(two(0.5)[0], exposure_time=0.01)], InputError, "no pair"),
        (lambda: two(1.3), InputError, "saturated"),
        (lambda: [CAMERA.dark(7), CAMERA.dark(8)], InputError, "no light"),
    ],
)
def test_flats_that_are_none_are_refused(flats, error, message):
    with pytest.raises(error, match=message) as caught:
        calibrate([CAMERA.dark()], [], flats())
    assert caught.value.hint


def test_flats_need_a_dark():
    with pytest.raises(UsageError, match="need a dark"):
        calibrate([], [], two(0.3))

"""The virtual camera: what is fixed in a unit, what a shot is, and what a file would say of it."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from sampling import (
    assert_correlation,
    assert_distribution,
    assert_fraction,
    assert_mean,
    assert_variance,
    poisson_gaussian_fourth_moment,
    poisson_gaussian_variance,
)
from scipy import stats

from synthnoise.errors import UsageError
from synthnoise.sensors.presets import MILD, SENSORS
from synthnoise.sensors.sensor import CFA_PATTERNS, Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

ROUNDING = 1 / 12
PLAIN = Sensor(model="Plain", gain=2.0, read_noise=3.0)


def signal(frame) -> np.ndarray:
    """DN above the nominal black, float64 [H, W]."""
    return frame.mosaic.astype(np.float64) - frame.black_map()


def test_dark_signal_is_fixed_per_unit():
    sensor = Sensor(read_noise=1.0, dsnu=1.0)
    first, second = (signal(VirtualCamera(sensor).dark(index)) for index in range(2))
    assert_variance(first, 2 + ROUNDING, detects=0.03)
    assert_correlation(first, second, 1 / (2 + ROUNDING), detects=0.02)
    assert_correlation(first, signal(VirtualCamera(sensor, 1).dark(0)), 0.0, detects=0.02)
    other_iso = signal(VirtualCamera(sensor.at_iso(6400)).dark(0))
    assert_correlation(first, other_iso, 4 / math.sqrt((2 + ROUNDING) * (32 + ROUNDING)), detects=0.02)


def test_hot_pixels_are_as_many_as_bright_and_as_lasting_as_stated():
    sensor = Sensor(gain=2.0, read_noise=1.0, hot_fraction=0.02, hot_current=300.0, hot_spread=0.8)
    camera = VirtualCamera(sensor)
    hot = camera.unit.hot_pixels
    mask = np.zeros(sensor.size, dtype=bool)
    mask[hot.rows, hot.columns] = True
    assert_fraction(mask, 0.02, detects=0.2)
    assert_distribution(hot.values, stats.lognorm(0.8, scale=300.0).cdf, detects=0.07)
    for seconds in (0.05, 0.2):
        dark = signal(camera.dark(3, exposure_time=seconds))
        assert_variance(dark[~mask], 1 + ROUNDING, detects=0.03)
        electrons = np.minimum(hot.values * seconds, sensor.full_well)
        excess = (dark[hot.rows, hot.columns] / 2 - electrons) / np.sqrt(electrons + 0.25 * (1 + ROUNDING))
        assert_mean(excess, 0.0, 1.0, detects=0.15)
        assert_variance(excess, 1.0, 4.0, detects=0.25)
    other = VirtualCamera(sensor, 1).unit.hot_pixels
    shared = np.intersect1d(hot.rows * 768 + hot.columns, other.rows * 768 + other.columns)
    assert shared.size < 2 * 0.02 * hot.rows.size


def test_telegraph_pixels_jump_between_two_levels_and_no_others_do():
    sensor = Sensor(size=(64, 96), rts_fraction=0.05, rts_step=20.0)
    camera = VirtualCamera(sensor)
    darks = np.stack([signal(camera.dark(index)) for index in range(40)])
    pixels = camera.unit.telegraph_pixels
    mask = np.zeros(sensor.size, dtype=bool)
    mask[pixels.rows, pixels.columns] = True
    assert_fraction(mask, 0.05, detects=0.8)
    assert not np.any(np.ptp(darks[:, ~mask], axis=0))
    jumping = darks[:, pixels.rows, pixels.columns]
    np.testing.assert_allclose(np.ptp(jumping, axis=0), pixels.values, atol=1.0)
    assert all(np.unique(values).size <= 2 for values in jumping.T)
    np.testing.assert_allclose(jumping.max(0) + jumping.min(0), 0, atol=1.0)
    assert_fraction(jumping[:, pixels.values > 2] > 0, 0.5, detects=0.12)
    assert_mean(pixels.values, 20.0, 400.0, detects=0.7)


def test_dark_current_grows_with_the_exposure_and_brings_its_shot_noise():
    sensor = Sensor(gain=4.0, read_noise=1.0, dark_current=10.0)
    for seconds in (0.1, 1.0):
        dark = signal(VirtualCamera(sensor).dark(exposure_time=seconds))
        law = 4.0, 10 * seconds, math.hypot(1, math.sqrt(ROUNDING))
        assert_mean(dark, 40 * seconds, poisson_gaussian_variance(*law))
        fourth = poisson_gaussian_fourth_moment(*law)
        assert_variance(dark, poisson_gaussian_variance(*law), fourth, detects=0.05)
        assert math.isclose(sensor.temporal_noise(seconds) ** 2, poisson_gaussian_variance(*law))


def test_shading_tilts_and_glow_sits_in_the_corner():
    tilted = signal(VirtualCamera(Sensor(read_noise=2.0, shading=8.0)).dark())
    corners = [tilted[:64, :96], tilted[-64:, -96:]]
    assert_mean(corners[0], -4 * (1 - 63 / 512 / 2 - 95 / 768 / 2), 4 + 0.2, detects=0.1)
    assert_mean(corners[1], 4 * (1 - 64 / 512 / 2 - 96 / 768 / 2), 4 + 0.2, detects=0.1)
    glowing = VirtualCamera(Sensor(gain=2.0, amp_glow=500.0)).dark(exposure_time=2.0)
    corner, side = signal(glowing)[-4:, -4:], signal(glowing)[-4:, -100:-96]
    assert corner.mean() == pytest.approx(2000, rel=0.06)
    assert side.mean() == pytest.approx(2000 * math.exp(-98 * 8 / 768), rel=0.1)
    assert abs(signal(glowing)[:64, :96].mean()) < 0.2


@pytest.mark.parametrize("name", SENSORS)
def test_clean_is_the_mean_of_many_frames(name):
    sensor = replace(SENSORS[name], size=(36, 48), row_flicker=0.0)
    camera = VirtualCamera(sensor, unit_seed=5)
    scene = np.full((3, 36, 48), 0.3, dtype=np.float32)
    mean = np.mean([frame.mosaic for frame in camera.burst(scene, 100, ratio=4.0)], axis=0)
    truth = camera.clean(scene, 4.0, fixed_pattern=True)
    variance = sensor.gain * (truth - sensor.black) + sensor.temporal_noise() ** 2
    residual = (mean - truth) / np.sqrt(variance / 100)
    assert_variance(residual, 1.0, detects=0.5, effective_n=mean.size / 2)
    assert np.abs(residual).max() < 6


# The shot


def test_masked_borders_see_no_light_but_all_else():
    sensor = replace(PLAIN, masked_rows=32, masked_columns=48, row_noise=2.0)
    frame = VirtualCamera(sensor).flat(2000.0)
    assert frame.mosaic.shape == (512 + 32, 768 + 48)
    assert frame.active_area == (32, 48, 544, 816)
    top, left = (signal(frame.crop(area)) for area in frame.masked_areas)
    assert top.shape == (32, 816)
    assert left.shape == (512, 48)
    assert_variance(left, 9 + 4 + ROUNDING, detects=0.35, effective_n=2000)
    lit = signal(frame.active())
    assert_mean(lit, 4000.0, 8000.0 + 13)
    assert np.corrcoef(lit.mean(1), left.mean(1))[0, 1] > 0.4  # the rows run through the border


def test_the_same_exposure_is_the_same_frame():
    sensor = replace(SENSORS["hard"], size=(300, 200))
    scene = np.full((300, 200), 0.1, dtype=np.float32)
    for shoot in (
        lambda camera: camera.dark(4),
        lambda camera: camera.flat(20.0, 4),
        lambda camera: camera.shoot(scene, index=4),
    ):
        np.testing.assert_array_equal(
            shoot(VirtualCamera(sensor, 7)).mosaic, shoot(VirtualCamera(sensor, 7)).mosaic
        )
    burst = VirtualCamera(sensor).burst(scene, 3)
    np.testing.assert_array_equal(burst[2].mosaic, VirtualCamera(sensor).shoot(scene, index=2).mosaic)


def test_no_two_exposures_share_noise():
    scene, black = np.full(PLAIN.size, 0.01, dtype=np.float32), np.zeros(PLAIN.size, dtype=np.float32)
    sensor = replace(PLAIN, row_noise=3.0)
    camera = VirtualCamera(sensor)
    frames = [
        camera.dark(0),
        camera.dark(1),
        camera.dark(0, exposure_time=1.0),
        camera.flat(0.0, 0),
        camera.flat(1.0, 0),
        camera.shoot(scene),
        camera.shoot(scene, ratio=2.0),
        camera.shoot(black),
        VirtualCamera(sensor, 1).dark(0),
        VirtualCamera(sensor, seed=1).dark(0),
        VirtualCamera(sensor.at_iso(3200)).dark(0),
    ]
    darks = np.array([signal(frame) for frame in frames])
    rows = darks.mean(2)
    pixels = (darks - rows[:, :, None]).reshape(len(frames), -1)
    for part in (rows, pixels):
        correlation = np.corrcoef(part) - np.eye(len(frames))
        assert np.abs(correlation).max() < 5 / math.sqrt(part.shape[1])


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    VirtualCamera(replace(SENSORS["hard"], size=(32, 32))).dark()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_the_frame_says_what_a_file_would():
    frame = VirtualCamera(SENSORS["phone"]).dark(61, exposure_time=0.5)
    assert (frame.camera, frame.iso, frame.exposure_time, frame.bits) == ("Virtual Phone", 800, 0.5, 10)
    assert (frame.white, frame.date) == (1023.0, "2025:01:01 12:01:01")
    assert np.all(frame.black == 64)
    shot, read = frame.noise_profile[1]
    assert shot * (1023 - 64) == pytest.approx(1.093)
    assert math.sqrt(read) * (1023 - 64) == pytest.approx(1.83, abs=0.2)
    assert VirtualCamera(MILD).dark().noise_profile is None


def test_iso_changes_like_a_real_sensor():
    for iso in (100, 1600, 2000, 25600):
        sensor = MILD.at_iso(iso)
        assert sensor.gain == pytest.approx(6.1 * iso / 6400)
        assert sensor.at_iso(400).pixel_noise == pytest.approx(MILD.at_iso(400).pixel_noise)
    before, after = MILD.at_iso(1600), MILD.at_iso(2000)
    assert before.pixel_noise > 1.5 * after.pixel_noise  # the second conversion gain
    assert MILD.at_iso(100).pixel_noise == pytest.approx(math.hypot(7.03 / 64 * 2.4, 1.0))
    assert MILD.at_iso(100).saturation == 50_000
    hard, doubled = SENSORS["hard"], SENSORS["hard"].at_iso(6400)
    for name in ("gain", "read_noise", "correlated_noise", "row_noise", "row_flicker", "column_noise",
                 "column_pattern", "dsnu", "rts_step", "shading"):  # fmt: skip
        assert getattr(doubled, name) == pytest.approx(2 * getattr(hard, name)), name
    for name in ("converter_noise", "black_bias", "hot_current", "dark_current", "amp_glow", "prnu", "tail"):
        assert getattr(doubled, name) == getattr(hard, name), name


def test_a_tall_frame_is_made_band_by_band():
    sensor = replace(PLAIN, size=(16384, 256), dsnu=1.0, prnu=0.01)
    scene = np.full(sensor.size, 0.2, dtype=np.float32)
    tracemalloc.start()
    mosaic = VirtualCamera(sensor).shoot(scene).mosaic
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * mosaic.nbytes + 8e6  # one float64 copy would be four times the mosaic


@pytest.mark.slow
def test_twenty_four_megapixels_fit_in_little_memory():
    sensor = replace(SENSORS["hard"], size=(4000, 6000), masked_rows=32, masked_columns=64)
    scene = np.full((3, 4000, 6000), 0.2, dtype=np.float32)
    tracemalloc.start()
    frame = VirtualCamera(sensor).shoot(scene, ratio=10.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frame.active().mosaic.shape == (4000, 6000)
    assert peak < 200e6  # 48 MB of which are the mosaic


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: Sensor(cfa="RGBW"),
        lambda: Sensor(black_bias=(1.0, 2.0)),
        lambda: Sensor(gain=0.0),
        lambda: Sensor(bits=17),
        lambda: Sensor(black=20_000.0),
        lambda: Sensor(tail=-0.3),
        lambda: Sensor(size=(0, 10)),
        lambda: Sensor(hot_fraction=1.5),
        lambda: Sensor(read_noise=-1.0),
        lambda: MILD.at_iso(0),
        lambda: VirtualCamera(MILD).flat(-1.0),
        lambda: VirtualCamera(MILD).dark(exposure_time=-1.0),
        lambda: VirtualCamera(MILD).shoot(np.zeros((3, 10, 10), dtype=np.float32)),
        lambda: VirtualCamera(MILD).shoot(np.zeros(MILD.size, dtype=np.float32), ratio=0.0),
        lambda: VirtualCamera(MILD).shoot(np.full(MILD.size, -0.1, dtype=np.float32)),
        lambda: VirtualCamera(MILD).shoot(np.full(MILD.size, np.nan, dtype=np.float32)),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(UsageError):
        nonsense()


def test_every_pattern_has_all_of_its_colours():
    assert {name: len(set("".join(rows))) for name, rows in CFA_PATTERNS.items()} == {
        "RGGB": 3, "BGGR": 3, "GRBG": 3, "GBRG": 3, "X-Trans": 3, "monochrome": 1,
    }  # fmt: skip

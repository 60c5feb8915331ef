"""Each ingredient of the virtual camera, measured in its frames against the parameter that made it."""

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
from synthnoise.sensors.randomness import flicker, generator, tukey_lambda
from synthnoise.sensors.sensor import CFA_PATTERNS, Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

ROUNDING = 1 / 12
PLAIN = Sensor(model="Plain", gain=2.0, read_noise=3.0)


def signal(frame) -> np.ndarray:
    """DN above the nominal black, float64 [H, W]."""
    return frame.mosaic.astype(np.float64) - frame.black_map()


# Light


@pytest.mark.parametrize("iso", [100, 1600, 12800])
def test_photon_transfer_recovers_the_gain(iso):
    sensor = replace(PLAIN, prnu=0.01).at_iso(iso)
    camera = VirtualCamera(sensor)
    levels = np.array([0.02, 0.4]) * sensor.saturation
    variances = []
    for level in levels:
        first, second = signal(camera.flat(level, 0)), signal(camera.flat(level, 1))
        law = sensor.gain, level, math.hypot(sensor.pixel_noise, math.sqrt(ROUNDING))
        variance, fourth = poisson_gaussian_variance(*law), poisson_gaussian_fourth_moment(*law)
        assert_variance(first - second, 2 * variance, 2 * fourth + 6 * variance**2, detects=0.03)
        assert_mean(first, sensor.gain * level, variance, detects=0.02)
        variances.append((first - second).var() / 2)
    gain = np.diff(variances)[0] / (sensor.gain * np.diff(levels)[0])
    assert gain == pytest.approx(2.0 * iso / 1600, rel=0.02)


def test_electrons_are_counted_one_by_one():
    sensor = Sensor(gain=100.0)  # no noise but the light's: every value is a multiple of the gain
    levels = signal(VirtualCamera(sensor).flat(2.5))
    assert_distribution(levels / 100, stats.poisson(2.5).cdf, integers=True)


def test_photo_response_is_fixed_and_proportional_to_light():
    sensor = replace(PLAIN, prnu=0.01)
    camera, electrons = VirtualCamera(sensor), 6000.0
    fixed, temporal = (sensor.gain * electrons * 0.01) ** 2, sensor.gain**2 * electrons + 9 + ROUNDING
    first, second = signal(camera.flat(electrons, 0)), signal(camera.flat(electrons, 1))
    assert_correlation(first, second, fixed / (fixed + temporal))
    assert_correlation(first, signal(VirtualCamera(sensor, 1).flat(electrons, 1)), 0.0)
    assert_correlation(signal(camera.dark(0)), signal(camera.dark(1)), 0.0)


def test_a_full_well_and_the_converter_both_saturate():
    shallow = replace(PLAIN, full_well=1000.0, read_noise=0.0)
    assert np.all(signal(VirtualCamera(shallow).flat(5000.0)) == 2000)
    deep = replace(PLAIN, bits=12, full_well=50_000.0)
    assert np.all(VirtualCamera(deep).flat(5000.0).mosaic == 4095)
    assert shallow.saturation == 1000
    assert deep.saturation == (4095 - 512) / 2


@pytest.mark.parametrize(
    ("name", "corner"),
    [
        ("RGGB", [[0, 1], [1, 2]]),
        ("BGGR", [[2, 1], [1, 0]]),
        ("GRBG", [[1, 0], [2, 1]]),
        ("GBRG", [[1, 2], [0, 1]]),
        ("X-Trans", [[1, 2], [0, 1]]),
        ("monochrome", [[1, 1], [1, 1]]),
    ],
)
@pytest.mark.parametrize("masked", [(0, 0), (3, 5)])
def test_each_pixel_sees_its_own_colour(name, corner, masked):
    sensor = Sensor(cfa=name, size=(36, 48), gain=1.0, masked_rows=masked[0], masked_columns=masked[1])
    scene = np.empty((3, 36, 48), dtype=np.float32)
    scene[:] = np.array([0.2, 0.4, 0.6])[:, None, None]
    camera = VirtualCamera(sensor)
    frame = camera.shoot(scene, clean=True)
    colours = np.rint(signal(frame.active()) / sensor.saturation / 0.2).astype(int) - 1
    h, w = frame.cfa.shape
    rows, columns = np.arange(masked[0], masked[0] + 36), np.arange(masked[1], masked[1] + 48)
    np.testing.assert_array_equal(colours, frame.cfa[rows[:, None] % h, columns % w])
    np.testing.assert_array_equal(np.resize(frame.cfa, (2, 2)) if h == 1 else frame.cfa[:2, :2], corner)
    noisy = signal(camera.shoot(scene).active())
    assert_mean(noisy - signal(frame.active()), 0.0, 0.4 * sensor.saturation, detects=0.5)


def test_x_trans_has_its_twenty_greens():
    repeat = Sensor(cfa="X-Trans").colours
    assert [int((repeat == colour).sum()) for colour in (0, 1, 2)] == [8, 20, 8]


def test_a_mosaic_is_a_scene_too_and_the_ratio_dims_it():
    scene = np.full(PLAIN.size, 0.5, dtype=np.float32)
    camera = VirtualCamera(PLAIN)
    half = PLAIN.saturation * PLAIN.gain / 2
    assert np.all(camera.clean(scene) == PLAIN.black + half)
    assert np.all(camera.clean(scene, ratio=100.0) == PLAIN.black + half / 100)
    variance = PLAIN.gain * half / 100 + 9 + ROUNDING
    assert_mean(signal(camera.shoot(scene, ratio=100.0)), half / 100, variance)


def test_neutral_light_looks_neutral_through_the_stated_colours():
    white = np.ones((3, 2, 2), dtype=np.float32)
    np.testing.assert_allclose(MILD.camera_rgb(white)[:, 0, 0], MILD.neutral, rtol=1e-6)
    d65 = np.array([0.95047, 1.0, 1.08883])
    camera_white = MILD.colour_matrix @ d65
    np.testing.assert_allclose(camera_white / camera_white[1], MILD.neutral, rtol=2e-3)


# Circuit


@pytest.mark.parametrize("tail", [-0.2, -0.075, 0.0, 0.102, 0.14])
def test_read_noise_follows_tukey_lambda(tail):
    sample = tukey_lambda(generator("test", 1), (80_000,), tail)
    law = stats.tukeylambda(tail, scale=stats.tukeylambda(tail).var() ** -0.5)
    assert_distribution(sample, law.cdf)


@pytest.mark.parametrize("noise", [0.3, 0.62, 7.1])
def test_the_converter_rounds_to_the_nearest_integer(noise):
    sensor = Sensor(read_noise=noise, tail=0.0, black_bias=(0.3,), cfa="monochrome")
    law = stats.logistic(512.3, noise * math.sqrt(3) / math.pi)
    mosaic = VirtualCamera(sensor).dark().mosaic
    assert mosaic.dtype == np.uint16
    assert_distribution(mosaic, lambda dn: law.cdf(dn + 0.5), integers=True, detects=0.01)


def test_low_noise_has_the_stated_total():
    sensor = replace(SENSORS["low-noise"], hot_fraction=0.0, size=(1024, 1024))
    dark = signal(VirtualCamera(sensor).dark())
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert_variance(dark[row::2, column::2], sensor.dark_noise() ** 2, detects=0.03)
        bias = sensor.black_bias[2 * row + column]
        assert abs(dark[row::2, column::2].mean() - bias) < 5 * sensor.row_noise / math.sqrt(512)


def test_black_clips_at_zero():
    sensor = replace(PLAIN, black=2.0)
    assert_fraction(
        VirtualCamera(sensor).dark().mosaic == 0, float(stats.norm.cdf((0.5 - 2) / 3)), detects=0.03
    )


def test_row_noise_belongs_to_the_row_of_the_sensor():
    sensor = Sensor(size=(4096, 64), read_noise=1.0, row_noise=2.0)
    dark = np.stack([signal(VirtualCamera(sensor).dark(index)) for index in range(2)])
    floor = (1 + ROUNDING) / 64
    assert_variance(dark.mean(2), 4 + floor, detects=0.16)
    even, odd = dark[:, :, 0::2].mean(2), dark[:, :, 1::2].mean(2)
    assert_correlation(even, odd, 4 / (4 + 2 * floor), detects=0.01)
    assert_correlation(dark[:, 0::2].mean(2), dark[:, 1::2].mean(2), 0.0, detects=0.2)
    assert_correlation(dark[0].mean(1), dark[1].mean(1), 0.0, detects=0.2)


def test_row_flicker_falls_as_one_over_f():
    draws = np.stack([flicker(generator("flicker", n), 512) for n in range(600)])
    squares = (draws**2).mean(1)
    assert_mean(squares, 1.0, squares.var(), detects=0.5)
    spectrum = (np.abs(np.fft.rfft(draws * np.hanning(512), axis=1)) ** 2).mean(0)[3:-3]
    frequency = np.arange(3, 3 + spectrum.size)
    slope = np.polyfit(np.log(frequency), np.log(spectrum), 1, w=np.sqrt(1 / frequency))[0]
    assert slope == pytest.approx(-1, abs=0.05)


def test_row_flicker_reaches_the_frame():
    sensor = Sensor(size=(64, 64), row_flicker=3.0)
    rows = [signal(VirtualCamera(sensor).dark(index)).mean(1) for index in range(300)]
    squares = np.mean(np.square(rows), axis=1)
    assert_mean(squares, 9.0 + ROUNDING, squares.var(), detects=0.7)


def test_column_noise_has_a_fixed_and_a_temporal_part():
    sensor = Sensor(size=(64, 16384), read_noise=1.0, column_noise=0.8, column_pattern=1.2)
    camera = VirtualCamera(sensor)
    first, second = (signal(camera.dark(index)).mean(0) for index in range(2))
    total = 0.8**2 + 1.2**2 + (1 + ROUNDING) / 64
    assert_variance(first, total, detects=0.15)
    assert_correlation(first, second, 1.2**2 / total, detects=0.1)
    assert_correlation(first, signal(VirtualCamera(sensor, 1).dark(1)).mean(0), 0.0, detects=0.1)


def test_streaks_correlate_along_the_row_only():
    sensor = Sensor(read_noise=1.5, correlated_noise=2.0, correlation_length=3.0)
    dark = signal(VirtualCamera(sensor).dark())
    total = 1.5**2 + 2.0**2 + ROUNDING
    assert_variance(dark, total, detects=0.05, effective_n=dark.size / 4)
    for lag in (1, 2, 5):
        expected = 4 * math.exp(-lag / 3) / total
        assert_correlation(dark[:, :-lag], dark[:, lag:], expected, effective_n=dark.size / 4)
    assert_correlation(dark[:-1], dark[1:], 0.0, effective_n=dark.size / 4)


# The unit


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

"""Light and circuit of the virtual camera, measured in its frames against the parameter that made it."""

from __future__ import annotations

import math
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

from synthnoise.sensors.presets import MILD, SENSORS
from synthnoise.sensors.randomness import flicker, generator, tukey_lambda
from synthnoise.sensors.sensor import Sensor
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


def test_banks_have_gain_noise_and_rows_of_their_own():
    bare = Sensor(
        size=(400, 400), gain=2.0, read_noise=4.0, banks=2, bank_gain=0.1, bank_spread=0.3, bank_noise=3.0
    )
    camera = VirtualCamera(bare)
    left, right = camera.unit.bank_gain[[0, -1]]
    flat = camera.flat(2000).mosaic - 512.0
    # 80000 pixels of 2000 electrons show a mean to 1 / sqrt(2000 * 80000) = 0.008 %, rows of 3 DN to 0.004 %.
    assert flat[:, 200:].mean() / flat[:, :200].mean() == pytest.approx(right / left, rel=2e-3)
    dark = camera.dark().mosaic.astype(float)
    halves = [dark[:, :200].mean(1), dark[:, 200:].mean(1)]
    # Rows of the two banks are strangers; 400 of them show a correlation to 5 %, 1/f ones to less.
    assert abs(np.corrcoef(*halves)[0, 1]) < 0.4
    assert halves[0].var() == pytest.approx(9 + 16 / 200, rel=5 * (2 / 400) ** 0.5)
    within = [
        (dark[:, part] - dark[:, part].mean(1, keepdims=True)).std() for part in (slice(200), slice(200, 400))
    ]
    wanted = camera.unit.bank_noise[-1] / camera.unit.bank_noise[0]
    assert within[1] / within[0] == pytest.approx(wanted, rel=0.02)


def test_struck_rows_jump_by_a_laplace_law():
    jumping = Sensor(size=(8000, 64), row_spike_fraction=0.1, row_spike=20.0)
    means = VirtualCamera(jumping).dark().mosaic.mean(1) - 512.0
    struck = np.abs(means) > 0.5
    # 8000 rows show a share of 10 % to 0.3 %; of the struck, exp(-0.5 / 20) are seen.
    assert struck.mean() == pytest.approx(0.1 * np.exp(-0.025), abs=5 * 0.0034)
    assert np.abs(means[struck]).mean() == pytest.approx(20.5, rel=5 / 800**0.5)

"""Dark statistics, against virtual cameras whose every parameter is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from synthnoise.calibration.agreement import check_dark, check_exposures, check_light, check_same_camera
from synthnoise.calibration.codes import code_statistics
from synthnoise.calibration.dark import measure_darks
from synthnoise.calibration.holdout import hold_out
from synthnoise.calibration.line_noise import half_means, interleave, line_noise
from synthnoise.calibration.quantities import dark_quantities
from synthnoise.calibration.residual import PROBITS
from synthnoise.calibration.shading import coarse_grid, full_shading
from synthnoise.errors import InputError
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import HARD, MILD
from synthnoise.sensors.scenes import patches
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

PLAIN = Sensor(gain=2.0, read_noise=5.0)
X_TRANS = replace(MILD, cfa="X-Trans", size=(510, 768), black_bias=())
ROUNDING = 1 / 12


def frame_of(mosaic, **changes) -> Frame:
    """Return a Bayer frame of a mosaic, black 512."""
    values = {
        "mosaic": np.asarray(mosaic).astype(np.uint16),
        "cfa": np.array([[0, 1], [1, 2]], dtype=np.uint8),
        "black": np.full((2, 2), 512.0),
        "white": 16383.0,
    }
    return Frame(**(values | changes))


# What is measured


@pytest.mark.parametrize(
    "sensor", [PLAIN, MILD, replace(MILD, cfa="X-Trans", size=(510, 768), black_bias=())]
)
def test_offset_read_noise_rows_and_columns_are_those_of_the_sensor(sensor):
    dark = measure_darks([VirtualCamera(sensor).dark(i) for i in range(2)])
    pixels = dark.pixels * dark.frames
    bias = sensor.black_bias or (0.0,) * len(dark.planes)
    current = sensor.gain * sensor.dark_current * sensor.exposure_time
    fixed = math.hypot(sensor.dsnu, sensor.column_pattern, sensor.column_noise, sensor.row_noise)
    for plane, expected in zip(dark.planes, bias, strict=True):
        # rows and columns of the sensor shift the mean of a plane by more than its pixels do
        shift = math.hypot(fixed / math.sqrt(250), sensor.dark_noise() / math.sqrt(pixels))
        assert plane.offset == pytest.approx(expected + current, abs=5 * shift)
        assert 0 < plane.offset_se < 2 * shift
        read = math.sqrt(plane.variance)
        assert plane.variance_se / (2 * read) < 0.02 * read
        assert read == pytest.approx(
            sensor.dark_noise(), abs=5 * plane.variance_se / (2 * read) + 0.01 * read
        )
    for lines, total in ((dark.rows, sensor.row_total), (dark.columns, sensor.column_total)):
        tolerance = 5 * lines.deviation_se + 0.05 * total  # the shading takes its share of slow row noise
        assert lines.deviation == pytest.approx(total, abs=tolerance)


def test_two_darks_tell_fixed_pattern_from_noise():
    sensor = replace(PLAIN, dsnu=1.5, column_pattern=1.0, column_noise=0.5)
    found = dark_quantities(measure_darks([VirtualCamera(sensor).dark(i) for i in range(3)]))
    truth = {
        "temporal_dark_noise": sensor.temporal_noise(),
        "dsnu": math.hypot(1.5, 1.0),
        "dsnu_row": 0.0,
        "dsnu_column": 1.0,
        "dsnu_pixel": 1.5,
    }
    assert found.keys() == truth.keys()
    for name, (value, error) in found.items():
        assert value == pytest.approx(truth[name], abs=5 * error), name
        assert error < 0.15
    assert dark_quantities(measure_darks([VirtualCamera(sensor).dark()])) == {}


def test_a_single_dark_without_lines_shows_none():
    dark = measure_darks([VirtualCamera(PLAIN).dark()])
    assert dark.rows.deviation < 4 * dark.rows.deviation_se
    assert dark.columns.deviation < 4 * dark.columns.deviation_se
    assert dark.rows.deviation_se < 0.3


def test_the_marginal_is_that_of_normal_noise():
    plane = measure_darks([VirtualCamera(replace(PLAIN, tail=0.1349, size=(1024, 1024))).dark()]).planes[0]
    inner = np.abs(PROBITS) < 2
    errors = plane.marginal[inner] - 5.0 * PROBITS[inner]
    # Tukey's lambda of 0.1349 is normal to 0.5 %; a quantile of n values errs by sqrt(p q / n) / density
    assert np.abs(errors).max() < 5 * 5.0 * 2.9 / 512 + 0.02 * 5.0


def test_shading_is_found_and_taken_out():
    slope = np.linspace(-20, 20, 768)
    random = np.random.default_rng(3)
    mosaic = 512 + slope + 4 * random.standard_normal((512, 768))
    dark = measure_darks([frame_of(np.rint(mosaic))])
    for plane in dark.planes:
        full = full_shading(plane.grid, (256, 384))
        error = full - (slope[:: 768 // 384] - slope.mean())
        assert np.abs(error).max() < 5 * 4 / 32
        assert plane.variance == pytest.approx(16 + ROUNDING, rel=0.03)


def test_a_ramp_survives_the_grid_exactly():
    rows, columns = np.mgrid[:96, :160].astype(np.float32)
    ramp = 0.3 * rows - 0.1 * columns
    assert full_shading(coarse_grid(ramp), ramp.shape) == pytest.approx(ramp, abs=1e-3)


def test_hot_pixels_are_listed_where_they_are():
    random = np.random.default_rng(4)
    mosaic = 512 + 4 * random.standard_normal((256, 256))
    places = {(10, 21): 900, (101, 50): 300, (200, 255): 80}
    for (row, column), amplitude in places.items():
        mosaic[row, column] += amplitude
    dark = measure_darks([frame_of(np.rint(mosaic))])
    found = {
        (int(2 * row + p // 2), int(2 * column + p % 2)): int(amplitude)
        for p, plane in enumerate(dark.planes)
        for row, column, amplitude in plane.hot
    }
    assert found.keys() == places.keys()
    for place, amplitude in places.items():
        assert found[place] == pytest.approx(amplitude, abs=25)
    assert dark.planes[0].variance == pytest.approx(16 + ROUNDING, rel=0.06)


def test_what_blinks_is_no_hot_pixel():
    random = np.random.default_rng(4)
    first, second = 512 + 4 * random.standard_normal((2, 128, 128))
    first[20, 20] += 500
    first[40, 41] += 500
    second[40, 41] += 500
    dark = measure_darks([frame_of(np.rint(first)), frame_of(np.rint(second))])
    assert dark.hot_pixels == 1


def test_heavy_banding_and_hot_pixels_do_not_spoil_the_read_noise():
    sensor = replace(HARD, amp_glow=0.0)
    dark = measure_darks([VirtualCamera(sensor, 1).dark(i) for i in range(3)])
    read = math.sqrt(np.mean([plane.variance for plane in dark.planes]))
    assert read == pytest.approx(sensor.dark_noise(), rel=0.05)
    assert dark.hot_pixels / (4 * dark.pixels) == pytest.approx(sensor.hot_fraction, rel=0.35)


# Lines


def test_line_noise_is_unbiased_where_there_is_none():
    random = np.random.default_rng(0)
    products = [line_noise([half_means(random.standard_normal((400, 300)))]) for _ in range(20)]
    # half of all estimates are cut off at zero, the others are of the size of their error
    assert 4 <= sum(lines.deviation == 0 for lines in products) <= 16


def test_the_spectrum_has_the_variance_as_its_mean():
    random = np.random.default_rng(1)
    rows = np.convolve(random.standard_normal(4099), [1, 1, 1, 1], "valid")
    lines = line_noise([np.stack([rows, rows])])
    circle = np.concatenate([lines.spectrum, lines.spectrum[1:-1]])
    assert lines.deviation**2 == pytest.approx(4, rel=0.2)
    assert circle.mean() == pytest.approx(lines.deviation**2, rel=0.05)
    assert lines.spectrum[1] == pytest.approx(16, rel=0.6)  # |1+1+1+1|^2 near frequency 0


def test_rows_come_in_the_order_of_the_sensor():
    even, odd = np.array([[0.0, 2.0], [0.0, 2.0]]), np.array([[1.0, 3.0], [1.0, 3.0]])
    assert interleave([[even], [odd]]).tolist() == [[0, 1, 2, 3], [0, 1, 2, 3]]


# Codes


def test_codes_show_step_gaps_and_clipping():
    random = np.random.default_rng(0)
    values = np.rint(512 + 20 * random.standard_normal((200, 200))).astype(np.uint16)
    plain = code_statistics(values, 16383)
    assert (plain.step, plain.clipped, plain.saturated) == (1.0, False, 0.0)
    assert plain.gaps < 0.02
    assert code_statistics(values // 4 * 4, 16383).step == 4
    multiplied = code_statistics(np.floor(values * 1.3).astype(np.uint16), 16383)
    assert multiplied.step == 1
    assert multiplied.gaps == pytest.approx(1 - 1 / 1.3, abs=0.05)
    cut = code_statistics(np.maximum(values, 512), 16383)
    assert cut.clipped
    assert cut.lowest_share == pytest.approx(0.51, abs=0.02)


def test_few_codes_of_a_quiet_sensor_are_not_clipping():
    random = np.random.default_rng(0)
    values = np.rint(512.1 + 0.45 * random.standard_normal((300, 300))).astype(np.uint16)
    assert not code_statistics(values, 16383).clipped


# Do they belong together?


def warnings_of(frame: Frame) -> list[str]:
    return list(check_dark(frame, measure_darks([frame])))


def noise(shape=(256, 256), deviation=5.0, level=512.0):
    return level + deviation * np.random.default_rng(7).standard_normal(shape)


def test_a_sound_dark_gives_no_warning():
    assert warnings_of(VirtualCamera(MILD).dark()) == []


@pytest.mark.parametrize(
    ("mosaic", "message"),
    [
        (noise(level=2000), "not dark"),
        (np.full((256, 256), 16383), "saturated"),
        (np.maximum(noise(), 512), "cuts black off"),
        (300 * patches((256, 256))[0] ** 2 + noise(), "picture|not dark"),
    ],
)
def test_what_is_no_dark_is_refused(mosaic, message):
    with pytest.raises(InputError, match=message):
        warnings_of(frame_of(np.rint(mosaic)))


@pytest.mark.parametrize(
    ("mosaic", "message"),
    [
        (noise(level=530), "light leaks in"),
        (np.rint(noise() / 4) * 4, "each 4th code"),
        (np.floor(1.3 * np.rint(noise(deviation=20, level=394))), "never occur"),
        ((noise() + np.roll(noise(), 2, 1)) / 2, "denoised"),
    ],
)
def test_what_is_odd_about_a_dark_is_said(mosaic, message):
    assert any(message in warning for warning in warnings_of(frame_of(np.rint(mosaic))))


def test_frames_of_different_cameras_are_refused():
    first = frame_of(noise(), make="Canon", model="EOS R")
    for change, message in (
        ({"make": "Nikon", "model": "Z 6"}, "Nikon Z 6"),
        ({"mosaic": noise((128, 256)).astype(np.uint16)}, "size"),
        ({"cfa": np.array([[2, 1], [1, 0]], np.uint8)}, "colour filter"),
        ({"white": 4095.0}, "white level"),
    ):
        with pytest.raises(InputError, match=message):
            check_same_camera([first, replace(first, **change)])
    check_same_camera([first, replace(first, make="", model="")])


def test_swapped_and_saturated_frames_are_refused():
    device = VirtualCamera(MILD)
    dark = measure_darks([device.dark()])
    with pytest.raises(InputError, match="saturated"):
        list(check_light(device.shoot(np.ones((3, 512, 768), np.float32), ratio=0.5), dark))
    bright = replace(dark, planes=tuple(replace(p, offset=p.offset + 50) for p in dark.planes))
    with pytest.raises(InputError, match="darker than the dark") as caught:
        list(check_light(device.dark(1), bright))
    assert "swapped" in (caught.value.hint or "")


def test_different_exposures_are_pointed_out():
    short, long = frame_of(noise(), exposure_time=0.01), frame_of(noise(), exposure_time=10.0)
    assert any("0.01 to 10 s" in warning for warning in check_exposures([long], [short]))
    assert list(check_exposures([short], [short])) == []
    assert list(check_exposures([frame_of(noise())], [short])) == []


@pytest.mark.parametrize("count", [1, 2])
def test_the_hold_out_check_finds_a_stationary_dark_in_order(count):
    check = hold_out(measure_darks([VirtualCamera(MILD).dark(i) for i in range(count)]))
    assert check.against == ("a second dark" if count == 2 else "the other half")
    assert 0 <= check.kl < 0.002
    assert check.variance == pytest.approx(1, abs=0.03)
    assert 0.6 < check.rows < 1.6


def test_the_hold_out_check_notices_a_change():
    device = VirtualCamera(MILD)
    other = replace(
        device.dark(1), mosaic=np.rint(512 + (device.dark(1).mosaic - 512.0) * 1.2).astype(np.uint16)
    )
    check = hold_out(measure_darks([device.dark(0), other]))
    assert check.variance == pytest.approx(1 / 1.44, rel=0.05)
    assert check.kl > 0.005


def test_no_dark_and_tiny_darks_are_refused():
    with pytest.raises(InputError, match="no dark"):
        measure_darks([])
    with pytest.raises(InputError, match="too small"):
        measure_darks([frame_of(noise((16, 16)))])
    with pytest.raises(InputError, match="differ in size"):
        measure_darks([frame_of(noise((64, 64))), frame_of(noise((64, 96)))])

"""Subtracting dark frames, judged by virtual cameras whose pattern is known."""

from __future__ import annotations

import dataclasses
import tracemalloc
import weakref
from functools import cache

import numpy as np
import pytest
from raw_scenes import noise_frame
from typer.testing import CliRunner

from synthnoise.denoising import denoise_files, given_darks
from synthnoise.denoising.dark_pattern import subtract_dark
from synthnoise.denoising.given_darks import GivenDarks
from synthnoise.denoising.whole_numbers import whole_numbers
from synthnoise.errors import InputError
from synthnoise.raw.dng import write_dng
from synthnoise.raw.mean_dark import MeanDark, average_darks
from synthnoise.raw.reading import read_frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

GLOWING = dataclasses.replace(SENSORS["hard"], exposure_time=8.0, size=(384, 512))


@cache
def camera(name: str = "hard", seconds: float = 8.0) -> VirtualCamera:
    """Return a camera of 384 x 512 pixels at an exposure time."""
    size = (384, 510) if name == "x-trans" else (384, 512)
    return VirtualCamera(dataclasses.replace(SENSORS[name], exposure_time=seconds, size=size))


def shot(camera, ratio=50.0, **known):
    """Return a noisy frame of dead leaves, and what a perfect sensor would read."""
    scene = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed=3))
    return camera.shoot(scene, ratio=ratio, **known), camera.clean(scene, ratio)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def darks(camera, count=1):
    return average_darks(camera.dark(index) for index in range(count))


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("hard", 8.0),
        ("hard", 0.1),
        ("mild", 2.0),
        ("low-noise", 0.1),
        ("phone", 2.0),
        ("banked", 4.0),
        ("x-trans", 2.0),
    ],
)
def test_one_dark_comes_near_knowing_the_pattern(name, seconds):
    # The pattern itself, with hot pixels known to the electron, is what no dark can beat by much.
    body = camera(name, seconds)
    frame, truth = shot(body)
    pattern = body.clean(np.zeros(body.sensor.size), fixed_pattern=True) - body.sensor.black
    clean, said = subtract_dark(frame, darks(body))
    plainly = frame.mosaic - (body.dark(0).mosaic - body.sensor.black)
    error, ideal = clean.mosaic - truth, frame.mosaic - pattern - truth
    assert rms(error) < 1.02 * rms(ideal)
    assert rms(error) < rms(frame.mosaic - truth)
    assert rms(error) < rms(plainly - truth)
    # The offset of a dark drifts with its slow row noise, as the photograph's own does.
    drift = 2 * np.hypot(body.sensor.row_flicker, body.sensor.bank_noise) + 10 * rms(ideal) / np.sqrt(
        truth.size
    )
    assert abs(error.mean()) < drift + 0.02
    assert said.frames == 1


def test_several_darks_say_more_than_one():
    body = camera("hard", 0.1)
    frame, truth = shot(body)
    one, eight = (subtract_dark(frame, darks(body, count)) for count in (1, 8))
    assert rms(eight[0].mosaic - truth) < rms(one[0].mosaic - truth)
    assert eight[1].pixels > one[1].pixels > 0


def test_glow_and_hot_pixels_are_gone():
    body = camera()
    frame, truth = shot(body)
    clean, said = subtract_dark(frame, darks(body))
    corner = (slice(-48, None), slice(-64, None))
    assert (frame.mosaic - truth)[corner].mean() > 50
    assert abs((clean.mosaic - truth)[corner].mean()) < 2
    hot = body.unit.hot_pixels
    bright = hot.values * 8 * body.sensor.gain > 1000
    left = (clean.mosaic - truth)[hot.rows, hot.columns][bright]
    assert np.quantile(np.abs(left), 0.95) < 200
    assert said.hot >= bright.sum()


def test_hot_pixels_in_bright_texture_are_not_guessed_from_their_neighbours():
    # Leaves differ by thousands of DN from pixel to pixel, hot pixels by a hundred.
    body = camera("hard", 0.1)
    frame, truth = shot(body, ratio=1.0)
    clean, said = subtract_dark(frame, darks(body))
    hot = body.unit.hot_pixels
    before, after = ((f.mosaic - truth)[hot.rows, hot.columns] for f in (frame, clean))
    assert said.hot > 0.5 * hot.rows.size
    assert rms(after) < 0.9 * rms(before)
    assert abs(after.mean()) < 0.3 * abs(before.mean())


def test_what_only_the_dark_has_is_not_subtracted():
    # Another specimen: nothing is fixed that both share but for the black bias of the design.
    body = camera("hard", 0.1)
    frame, _ = shot(body)
    other = VirtualCamera(body.sensor, unit_seed=5)
    _, said = subtract_dark(frame, darks(other))
    assert said.pixels < 0.1 * body.sensor.dsnu
    assert said.lines < 0.3 * body.sensor.column_pattern


def test_burnt_highlights_and_borders_stay():
    design = dataclasses.replace(GLOWING, masked_rows=8, masked_columns=12)
    body = VirtualCamera(design)
    scene = np.full(design.size, 0.1, np.float32)
    scene[100:140, 100:150] = 2.0
    frame = body.shoot(scene)
    clean, _ = subtract_dark(frame, darks(body))
    assert np.array_equal(clean.mosaic[:8], frame.mosaic[:8])
    assert np.array_equal(clean.mosaic[:, :12], frame.mosaic[:, :12])
    assert (clean.mosaic[110:146, 114:160] == design.white).mean() > 0.999


def test_levels_of_the_files_are_their_own():
    # A dark whose file states another black level, and one by rows, means the same.
    body = camera("mild", 0.1)
    frame, _ = shot(body)
    mean = darks(body)
    rows = np.linspace(-3, 3, frame.mosaic.shape[0])
    moved = dataclasses.replace(
        mean.frame,
        mosaic=mean.frame.mosaic + 40 + rows[:, None].astype(np.float32),
        black=mean.frame.black + 40,
        black_rows=rows,
    )
    first, second = (subtract_dark(frame, dark)[0].mosaic for dark in (mean, MeanDark(moved, 1)))
    assert np.abs(first - second).max() < 0.01


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"iso": 400.0}, "ISO"),
        ({"exposure_time": 2.0}, "exposed 2 s"),
        ({"model": "Other"}, "Virtual Other"),
        ({"white": 4095.0}, "white level"),
        ({"cfa": np.array([[1, 0], [2, 1]], np.uint8)}, "colour filters"),
    ],
)
def test_darks_of_other_settings_are_refused_in_one_line(change, said):
    body = camera("mild", 0.1)
    frame, _ = shot(body)
    with pytest.raises(InputError, match=said):
        subtract_dark(frame, MeanDark(dataclasses.replace(body.dark(), **change), 1))
    with pytest.raises(InputError, match=said):
        average_darks([body.dark(), dataclasses.replace(body.dark(1), **change)])


def test_darks_must_be_dark_and_of_one_size():
    body = camera("mild", 0.1)
    frame, _ = shot(body)
    with pytest.raises(InputError, match="not dark"):
        average_darks([body.flat(0.6 * body.sensor.saturation)])
    with pytest.raises(InputError, match="size"):
        subtract_dark(frame, MeanDark(body.dark().crop((0, 0, 100, 100)), 1))
    with pytest.raises(InputError, match="no dark"):
        average_darks([])


def test_a_photograph_is_no_dark_and_the_two_are_not_swapped():
    body = camera("mild", 0.1)
    frame, _ = shot(body, ratio=100.0)
    for taken, given in ((frame, shot(body, ratio=20.0)[0]), (body.dark(), frame)):
        with pytest.raises(InputError, match="is brighter than"):
            subtract_dark(taken, MeanDark(given, 1), any_exposure=True)
    subtract_dark(body.dark(1), darks(body))  # what is dark itself has as much as a dark


def test_the_command_refuses_a_darker_photograph_as_dark(tmp_path):
    body = camera("hard", 0.1)
    for name, ratio in (("night", 24.0), ("darker", 48.0)):
        write_dng(tmp_path / f"{name}.dng", shot(body, ratio=ratio)[0])
    with pytest.raises(InputError, match=r"darker\.dng: shows a picture"):
        denoise_files([tmp_path / "night.dng"], tmp_path / "out.dng", darks=[tmp_path / "darker.dng"])
    assert not (tmp_path / "out.dng").exists()


def test_a_warm_dark_of_another_exposure_may_be_brighter_than_a_photograph():
    # Of a longer dark only what the photograph confirms is taken, not its level.
    body = camera("hard", 0.1)
    long = VirtualCamera(dataclasses.replace(body.sensor, exposure_time=600.0)).dark()
    frame = body.dark(1)
    assert np.median(long.mosaic) > np.median(frame.mosaic) + 20
    _, said = subtract_dark(frame, MeanDark(long, 1), any_exposure=True)
    assert said.left


def test_whole_numbers_keep_levels_and_whole_values():
    random = np.random.default_rng(0)
    frame = dataclasses.replace(
        shot(camera("mild", 0.1))[0],
        mosaic=random.choice([600.25, 700.5, 801.0], (384, 512)).astype(np.float32),
    )
    for scale in (1, 4):
        whole = whole_numbers(frame, scale)
        assert whole.mosaic.dtype == np.uint16
        assert whole.white == scale * frame.white
        for value in (600.25, 700.5, 801.0):
            here = whole.mosaic[frame.mosaic == value] / scale
            assert abs(here.mean() - value) < 5 * 0.5 / scale / np.sqrt(here.size)
            assert np.ptp(here) <= 1 / scale
        assert (whole.mosaic[frame.mosaic == 801] == 801 * scale).all()


@pytest.mark.parametrize("scale", [1, 8])
def test_whole_numbers_keep_clipped_pixels_above_white(scale):
    """Makers state a white that is below what their converters give."""
    frame = dataclasses.replace(noise_frame(shape=(8, 9)), white=4000.0)
    mosaic = np.full((8, 9), 3000.5, np.float32)
    mosaic[2, 3], mosaic[4, 5] = 4095, 4000.4
    whole = whole_numbers(dataclasses.replace(frame, mosaic=mosaic), scale).mosaic
    assert whole[2, 3] == 4095 * scale
    assert whole[4, 5] == 4000 * scale


def test_a_file_is_denoised_better_with_its_dark(tmp_path):
    body = VirtualCamera(dataclasses.replace(GLOWING, size=(192, 256)))
    frame, truth = shot(body)
    write_dng(tmp_path / "a.dng", frame)
    write_dng(tmp_path / "dark.dng", body.dark())
    errors = {}
    for name, given in (("without", ()), ("with", (tmp_path / "dark.dng",))):
        (outcome,) = denoise_files([tmp_path / "a.dng"], tmp_path / f"{name}.dng", darks=given)
        assert outcome.error is None
        result = read_frame(outcome.output)
        errors[name] = result.mosaic.astype(float) - truth
    # Hot pixels at the edges of leaves are guessed from their neighbours.
    assert rms(errors["with"]) < 0.2 * rms(errors["without"])
    assert abs(errors["with"].mean()) < 3 * body.sensor.row_flicker
    assert "dark frame" in outcome.remarks[0]
    assert outcome.details["dark"]["hot"] > 10


@pytest.mark.parametrize(("largest", "reads"), [(given_darks.LARGE, 1), (1000, 2)])
def test_a_large_dark_is_not_held_while_the_network_runs(monkeypatch, largest, reads):
    monkeypatch.setattr(given_darks, "LARGE", largest)
    body = camera("mild", 0.1)
    frame, _ = shot(body)
    read = []

    def read_darks():
        mean = darks(body)
        read.append(weakref.ref(mean.frame.mosaic))
        return mean

    given = GivenDarks(read_darks)
    assert len(read) == 1  # what is wrong with darks is said before any photograph is read
    first, second = given.subtract(frame), given.subtract(frame)
    assert len(read) == reads
    assert [mosaic() is None for mosaic in read] == [reads == 2] * reads
    np.testing.assert_array_equal(first.frame.mosaic, second.frame.mosaic)
    np.testing.assert_array_equal(first.frame.mosaic, subtract_dark(frame, darks(body))[0].mosaic)


def test_subtracting_takes_the_memory_of_three_planes_beside_its_result():
    body = VirtualCamera(dataclasses.replace(SENSORS["mild"], size=(1024, 1536)))
    frame, dark = body.shoot(np.full((3, 1024, 1536), 0.1, np.float32), ratio=10.0), darks(body)
    subtract_dark(frame, dark)
    tracemalloc.start()
    subtract_dark(frame, dark)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    plane = frame.mosaic.size  # bytes of a quarter of the pixels in single precision
    result = 4 * plane
    # Half a plane more for masks, and for what is gathered of blocks.
    assert peak - result < 3.5 * plane


def test_the_command_says_what_does_not_fit(tmp_path):
    from synthnoise.cli.main import app

    body = camera("mild", 0.1)
    write_dng(tmp_path / "a.dng", shot(body)[0])
    write_dng(tmp_path / "dark.dng", body.dark(exposure_time=4.0))
    done = CliRunner().invoke(app, ["denoise", str(tmp_path / "a.dng"), "--dark", str(tmp_path / "dark.dng")])
    assert done.exit_code != 0
    assert isinstance(done.exception, InputError | SystemExit)
    assert not (tmp_path / "a-denoised.dng").exists()

"""Darks told from photographs by what their colours share, judged by virtual cameras."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from raw_scenes import cfa
from scipy import ndimage

from synthnoise.errors import InputError
from synthnoise.raw.frame import Frame
from synthnoise.raw.stray_light import ALIKE, least_share, without_light
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves, patches
from synthnoise.sensors.virtual_camera import VirtualCamera

SIZE = (384, 510)
SHADED = {"shading": 60.0, "amp_glow": 300.0, "exposure_time": 8.0}


def camera(name: str, **change: float) -> VirtualCamera:
    return VirtualCamera(dataclasses.replace(SENSORS[name], size=SIZE, **change))


def of_colours(frame: Frame, factors: tuple[float, float, float]) -> Frame:
    """Return a frame whose colours above black are multiplied."""
    h, w = frame.cfa.shape
    rows, columns = np.indices(frame.mosaic.shape)
    factor = np.array(factors)[frame.cfa[rows % h, columns % w]]
    black = frame.black_map()
    return dataclasses.replace(frame, mosaic=(black + factor * (frame.mosaic - black)).astype(np.float32))


@cache
def leaves() -> np.ndarray:
    return dead_leaves(SIZE, seed=3)


@pytest.mark.parametrize("name", SENSORS)
@pytest.mark.parametrize(
    ("ratio", "light"), [(3.0, (1.0, 0.5, 0.2)), (30.0, (1.0, 1.0, 1.0)), (10.0, (1.0, 0.3, 0.1))]
)
def test_a_photograph_is_no_dark(name, ratio, light):
    body = camera(name)
    scene = body.sensor.camera_rgb(np.array(light)[:, None, None] * leaves())
    with pytest.raises(InputError, match="shows a picture"):
        without_light(body.shoot(scene, ratio=ratio))


def test_a_grey_chart_and_a_camera_that_multiplies_red_and_blue():
    body = camera("hard")
    frame = body.shoot(body.sensor.camera_rgb(patches(SIZE)), ratio=30.0)
    expected = min(SENSORS["hard"].neutral) ** 2
    assert least_share(frame) == pytest.approx(expected, rel=0.1)
    assert least_share(of_colours(frame, (1.2, 1.0, 1.2))) == pytest.approx(1.44 * expected, rel=0.1)


@pytest.mark.parametrize("name", SENSORS)
@pytest.mark.parametrize(
    "change",
    [
        {},
        SHADED,
        {"amp_glow": 1000.0, "exposure_time": 8.0},
        {"hot_fraction": 0.05, "hot_current": 1000.0, "exposure_time": 1.0},
        {"banks": 4, "bank_noise": 3.0, "row_flicker": 4.0, "column_pattern": 3.0},
        {"row_noise": 6.0, "row_spike_fraction": 0.1, "row_spike": 10.0, "column_pattern": 6.0},
    ],
)
def test_no_dark_has_seen_light(name, change):
    dark = camera(name, **change).dark()
    assert without_light(dark) is dark


def test_what_varies_in_the_dark_varies_alike_in_all_colours():
    dark = camera("hard", **SHADED).dark()
    assert 0.9 < least_share(dark) < 1.1
    assert least_share(of_colours(dark, (1.25, 1.0, 1.2))) > 1.3
    assert least_share(of_colours(dark, (0.5, 1.0, 0.6))) < ALIKE


def smoothed(values: np.ndarray) -> np.ndarray:
    result = values.copy()
    for i, j in np.ndindex(2, 2):
        result[i::2, j::2] = ndimage.gaussian_filter(values[i::2, j::2], 1.5)
    return result


def of_two_converters(values: np.ndarray) -> np.ndarray:
    """Return values whose every second row has a shading of its own."""
    rows, columns = np.indices(values.shape)
    return values + np.where(rows % 2, 20 * np.sin(rows / 90) * np.sin(columns / 120), 0)


@pytest.mark.parametrize("shading", [1.0, 60.0])
@pytest.mark.parametrize(
    "processed",
    [
        smoothed,
        of_two_converters,
        lambda values: of_two_converters(values.T).T,
        lambda values: np.maximum(values, 512),
        lambda values: np.maximum(values, 510),
        lambda values: np.rint(values / 16) * 16,
    ],
)
def test_no_dark_that_a_camera_processed_has_seen_light(processed, shading):
    dark = camera("hard", shading=shading).dark()
    without_light(dataclasses.replace(dark, mosaic=processed(dark.mosaic.astype(np.float32))))


@pytest.mark.parametrize("pattern", ["Quad-Bayer", "GBRG", "BGGR", "X-Trans", "mono"])
def test_any_repeat_of_three_colours_is_judged(pattern):
    colours = cfa(pattern)
    h, w = colours.shape
    random, (rows, columns) = np.random.default_rng(0), np.indices((600, 900))
    bumps = 40 * ndimage.zoom(random.random((24, 36)), 25, order=1)
    for response in ((1.0, 1.0, 1.0), (0.5, 1.0, 0.6)):
        level = np.array(response)[colours[rows % h, columns % w]] * bumps
        mosaic = np.rint(512 + level + 5 * random.standard_normal(level.shape)).astype(np.uint16)
        share = least_share(Frame(mosaic=mosaic, cfa=colours, black=np.full((h, w), 512.0), white=16383.0))
        expected = np.inf if pattern == "mono" else min(response) ** 2
        assert share == pytest.approx(expected, rel=0.1)


def test_small_frames_are_not_judged():
    body = camera("mild")
    frame = body.shoot(body.sensor.camera_rgb(leaves()), ratio=30.0)
    assert least_share(frame.crop((0, 0, 300, 400))) == np.inf
    assert least_share(frame.crop((0, 0, 2, 2))) == np.inf


def test_floating_point_files_whose_white_is_one_are_judged():
    body = camera("mild")
    for frame in (body.shoot(body.sensor.camera_rgb(leaves()), ratio=30.0), camera("mild", **SHADED).dark()):
        scaled = dataclasses.replace(
            frame,
            mosaic=(frame.mosaic / frame.white).astype(np.float32),
            black=frame.black / frame.white,
            white=1.0,
        )
        assert least_share(scaled) == pytest.approx(least_share(frame), rel=1e-3)

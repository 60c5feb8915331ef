"""The view of a RAW file: colours, orientation, edges, memory."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
import rawpy
from raw_scenes import BAYER, CFAS, cfa, field_frame, noise_frame

from synthnoise.raw.colour import SRGB_FROM_XYZ
from synthnoise.raw.demosaic import malvar
from synthnoise.raw.develop import camera_rgb, develop, metered_tone, oriented
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.preview import render_preview

COLOURS = [(0.3, 0.3, 0.3), (0.6, 0.1, 0.1), (0.1, 0.6, 0.1), (0.1, 0.1, 0.6)]


def _expected(frame, rgb):
    """Return the sRGB levels of a colour: with the stand-in matrix the camera has sRGB primaries."""
    return metered_tone(frame).levels(np.array(rgb, np.float32)).astype(int)


@pytest.mark.parametrize("rgb", COLOURS)
@pytest.mark.parametrize("pattern", [name for name in CFAS if name != "mono"])
def test_a_field_of_one_colour_is_that_colour_to_the_very_edge(pattern, rgb):
    # The samples are clipped at white, and the cast takes 0.6 no further than that.
    frame = field_frame(rgb, pattern, (50, 71), active_area=(3, 5, 48, 70))
    picture = develop(frame).astype(int)
    assert picture.shape == (45, 65, 3)
    assert np.abs(picture - _expected(frame, rgb)).max() <= 1
    half = develop(frame, half_size=True).astype(int)
    assert half.shape == (22, 32, 3)
    assert np.abs(half - _expected(frame, rgb)).max() <= 1


def test_monochrome():
    frame = dataclasses.replace(field_frame((0.3, 0.3, 0.3), "mono", neutral=(1, 1, 1)), as_shot_neutral=None)
    for picture in (develop(frame), develop(frame, half_size=True)):
        assert np.ptp(picture.astype(int)) <= 1
        assert abs(int(picture[0, 0, 0]) - _expected(frame, (0.3, 0.3, 0.3))[0]) <= 1


def test_the_camera_matrix_is_applied():
    matrix = np.array([[0.7, -0.1, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]])
    srgb = np.array([0.4, 0.2, 0.3])
    white = matrix @ np.linalg.inv(SRGB_FROM_XYZ) @ np.ones(3)
    camera = (matrix @ np.linalg.inv(SRGB_FROM_XYZ) @ srgb) / white
    neutral = tuple(white / white[1])
    frame = field_frame(tuple(camera), neutral=neutral, colour_matrix=matrix)
    assert np.abs(develop(frame)[20, 20].astype(int) - _expected(frame, srgb)).max() <= 1


def test_the_default_crop_is_the_picture():
    frame = noise_frame(active_area=(2, 4, 90, 120), default_crop=(11, 14, 71, 105))
    assert develop(frame).shape == (60, 91, 3)
    assert develop(frame, half_size=True).shape == (30, 45, 3)


def test_black_of_rows_and_columns_is_subtracted():
    frame = field_frame((0.1, 0.1, 0.1))
    rows, columns = np.arange(64) * 3.0, np.arange(96) * 2.0
    drifting = dataclasses.replace(
        frame,
        mosaic=(frame.mosaic + rows[:, None] + columns).astype(np.uint16),
        black_rows=rows,
        black_columns=columns,
    )
    for half_size in (False, True):
        first, second = (develop(f, half_size=half_size).astype(int) for f in (frame, drifting))
        assert np.abs(first - second).max() <= 1
    assert np.abs(render_preview(frame, 20).astype(int) - render_preview(drifting, 20)).max() <= 1


@pytest.mark.parametrize("pattern", BAYER)
def test_malvar_is_exact_on_planes(pattern):
    # The kernels reproduce any image that is linear in x and y and equal in its channels.
    rows, columns = np.indices((24, 34))
    plane = (0.2 + 0.01 * rows + 0.005 * columns).astype(np.float32)
    rgb = malvar(plane, cfa(pattern))
    np.testing.assert_allclose(rgb, np.repeat(plane[2:-2, 2:-2, None], 3, 2), atol=1e-6)


def test_a_sharp_edge_keeps_its_place():
    mosaic = np.full((64, 64), 1000, np.uint16)
    mosaic[:, 31:] = 9000
    frame = Frame(mosaic=mosaic, cfa=cfa("GRBG"), black=np.zeros((2, 2)), white=16383)
    green = develop(frame)[..., 1].astype(int).mean(0)
    assert np.argmax(np.diff(green)) == 30


def test_band_borders_do_not_show():
    frame = noise_frame(shape=(450, 64))
    whole = develop(frame)
    below = develop(dataclasses.replace(frame, default_crop=(100, 0, 450, 64)))
    ratio = (
        metered_tone(frame).gain
        / metered_tone(dataclasses.replace(frame, default_crop=(100, 0, 450, 64))).gain
    )
    assert ratio == pytest.approx(1, abs=0.02)
    difference = np.abs(whole[104:].astype(int) - below[4:])
    # The two pictures have their bands 100 rows apart; exposure differs by a level or two.
    assert difference.max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_as_pillow_has_it(orientation):
    from PIL import Image, ImageOps

    picture = np.random.default_rng(3).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    tagged = Image.fromarray(picture)
    tagged.getexif()[274] = orientation
    assert np.array_equal(oriented(picture, orientation), np.asarray(ImageOps.exif_transpose(tagged)))


@pytest.mark.parametrize("pattern", ["RGGB", "X-Trans"])
def test_libraw_sees_much_the_same(tmp_path, pattern):
    # LibRaw refuses X-Trans pictures below 512 pixels.
    shape = (520, 600)
    rows, columns = np.indices(shape)
    frame = field_frame((0.3, 0.3, 0.3), pattern, shape)
    light = 0.4 + 0.5 * np.sin(rows / 60) * np.cos(columns / 90)
    mosaic = (512 + (frame.mosaic - 512.0) * light).astype(np.uint16)
    frame = dataclasses.replace(frame, mosaic=mosaic)
    write_dng(tmp_path / "a.dng", frame)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        theirs = raw.postprocess(use_camera_wb=True, no_auto_bright=True, gamma=(1, 1), output_bps=16)
    ours = develop(frame)
    # Undo our tone curve by table and compare linear light.
    levels = metered_tone(frame).levels(np.linspace(0, 1, 4096, dtype=np.float32)[:, None].repeat(3, 1))
    light = np.interp(ours[..., 1], levels[:, 1], np.linspace(0, 1, 4096))
    difference = light - theirs[..., 1] / 65535
    assert np.abs(difference[8:-8, 8:-8]).mean() < 0.005


@pytest.mark.parametrize("pattern", ["GRBG", "X-Trans", "mono"])
def test_linear_camera_rgb_is_what_the_samples_say(pattern):
    neutral = (1.0, 1.0, 1.0) if pattern == "mono" else (0.5, 1.0, 0.6)
    frame = field_frame((0.3, 0.3, 0.3), pattern, (50, 71), neutral)
    rgb = camera_rgb(frame)
    assert rgb.dtype == np.uint16
    # A DN of the mosaic is 4.1 of these levels.
    assert np.abs(rgb.astype(int) - 65535 * 0.3 * np.array(neutral)).max() < 5
    bright = dataclasses.replace(frame, mosaic=np.full_like(frame.mosaic, 16383))
    assert camera_rgb(bright).min() == 65535


def test_exposure_is_gentle():
    dark = field_frame((0.001, 0.001, 0.001))
    bright = field_frame((0.9, 0.9, 0.9))
    assert metered_tone(dark).gain == 4.0
    assert metered_tone(bright).gain == 1.0
    assert develop(bright).max() < 255


@pytest.mark.parametrize("half_size", [False, True])
def test_memory_is_that_of_a_band(half_size):
    frame = noise_frame(shape=(2400, 1600))
    tracemalloc.start()
    picture = develop(frame, half_size=half_size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A float32 RGB of the whole would be 46 MB alone.
    assert peak - picture.nbytes < 30e6

"""Linear DNGs whose noise a demosaic has spread, told apart from those of white noise, and denoised."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rawpy

from synthnoise.denoising import denoise_frame
from synthnoise.denoising.demosaiced import by_repeats, noisiest_mosaic, put_together, taken_apart
from synthnoise.denoising.denoiser import Settings
from synthnoise.denoising.noise_level import estimate_noise
from synthnoise.denoising.preview import preview
from synthnoise.errors import UsageError
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.develop import camera_rgb
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SIZE = (256, 320)
BLACK, WHITE = 2000, 62000


def linear(picture: np.ndarray) -> Frame:
    """Return a linear frame of 16 bits of a picture [H, W, 3], white = 1."""
    samples = np.clip(np.rint(picture * (WHITE - BLACK) + BLACK), 0, WHITE).astype(np.uint16)
    return Frame(
        mosaic=samples.reshape(len(samples), -1),
        cfa=np.array([[0, 1, 2]], np.uint8),
        black=np.full((1, 3), float(BLACK)),
        white=float(WHITE),
    )


def demosaiced(sensor: str, ratio: float, cfa: str = "RGGB") -> tuple[Frame, Frame, Frame]:
    """Return the shot of a camera, and what it is demosaiced, noisy and clean."""
    design = dataclasses.replace(SENSORS[sensor], size=SIZE, cfa=cfa)
    camera, scene = VirtualCamera(design), design.camera_rgb(dead_leaves(SIZE, seed=3))
    noisy, clean = camera.shoot(scene, ratio=ratio), camera.shoot(scene, ratio=ratio, clean=True)
    return noisy, *(linear(camera_rgb(frame) / 65535) for frame in (noisy, clean))


def three_chips(sensor: str, ratio: float) -> Frame:
    """Return a picture whose every sample was measured."""
    planes = []
    for colour in range(3):
        design = dataclasses.replace(SENSORS[sensor], size=SIZE, cfa="monochrome", black_bias=())
        light = design.camera_rgb(dead_leaves(SIZE, seed=3))
        alone = np.repeat(light[colour : colour + 1], 3, 0)
        planes += list(linear_planes(VirtualCamera(design, seed=colour).shoot(alone, ratio=ratio)))
    return linear(np.stack(planes, -1))


def psnr(frame: Frame, clean: Frame, ratio: float) -> float:
    error = (linear_planes(frame).astype(np.float64) - linear_planes(clean)) * ratio
    return float(-10 * np.log10(np.mean(error**2)))


def test_the_noise_left_counts_what_neighbours_share():
    """Over that of the mosaic: white noise on every sample would come out at half of it."""
    design = dataclasses.replace(SENSORS["mild"], size=(288, 320))
    camera, grey = VirtualCamera(design), design.camera_rgb(np.full((3, 288, 320), 0.2, np.float32))
    shots = [camera.shoot(grey, ratio=10, clean=clean) for clean in (False, True)]
    noisy, clean = (linear(camera_rgb(frame) / 65535) for frame in shots)
    result = denoise_frame(noisy, dtype=np.float32)
    left = (linear_planes(result.frame) - linear_planes(clean))[:, 8:-8, 8:-8].std()
    recorded = (linear_planes(shots[0]) - linear_planes(shots[1])).std()
    # 6 % too much, and up to 25 % on other demosaics, whose noise is not that of this one.
    assert result.residual == pytest.approx(left / recorded, rel=0.25)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (32, 33)])
def test_four_mosaics_hold_all_of_a_picture(size):
    planes = np.random.default_rng(0).normal(size=(12, *size)).astype(np.float32)
    np.testing.assert_allclose(put_together(taken_apart(planes)), planes, rtol=1e-6)


def test_every_mosaic_is_a_plain_one():
    """Row and column of every sample, as a Bayer mosaic that begins with red has them."""
    height, width = 6, 8
    rows, columns = np.indices((2 * height, 2 * width)).astype(np.float32)
    for values, steps in ((rows, (0, 0, 1, 1)), (columns, (0, 1, 0, 1))):
        planes = linear_planes(by_repeats(linear(np.repeat(values[..., None] / 100, 3, 2)))) * 100
        inner = taken_apart(np.rint(planes))[:, :, 1:-1, 1:-1]
        for mosaic in inner:
            for plane, step in zip(mosaic, steps, strict=True):
                assert np.array_equal(plane, mosaic[0] + step)


@pytest.mark.parametrize(
    ("sensor", "ratio", "cfa"),
    [("mild", 1, "RGGB"), ("mild", 100, "GBRG"), ("low-noise", 100, "BGGR"), ("phone", 10, "GRBG")],
)
def test_a_demosaiced_picture_tells_the_noise_of_its_mosaic(sensor, ratio, cfa):
    """Within the tolerance of the mosaic's own estimate; the picture itself shows a third of it."""
    _, picture, _ = demosaiced(sensor, ratio, cfa)
    mosaic = noisiest_mosaic(picture)
    assert mosaic is not None
    level = 0.3 / ratio
    told = [s * level + o for s, o in SENSORS[sensor].noise_profile]
    found = [s * level + o for s, o in estimate_noise(mosaic).pairs]
    assert np.abs(np.log(np.divide(found, told))).mean() < 0.35
    own = [s * level + o for s, o in estimate_noise(picture).pairs]
    assert np.mean(np.divide(own, told)) < 0.5


@pytest.mark.parametrize("algorithm", ["AHD", "DCB", "VNG"])
def test_pictures_of_another_demosaic_are_known(tmp_path: Path, algorithm):
    shot, _, _ = demosaiced("mild", 10)
    write_dng(tmp_path / "shot.dng", shot)
    with rawpy.imread(str(tmp_path / "shot.dng")) as raw:
        picture = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm[algorithm], output_color=rawpy.ColorSpace.raw,
            gamma=(1, 1), no_auto_bright=True, output_bps=16, use_camera_wb=True, user_flip=0,
        )  # fmt: skip
    assert noisiest_mosaic(linear(picture / 65535)) is not None


@pytest.mark.parametrize(("sensor", "ratio"), [("mild", 1), ("hard", 100), ("low-noise", 1), ("phone", 10)])
def test_white_noise_is_left_to_the_denoiser_of_pictures(sensor, ratio):
    picture = three_chips(sensor, ratio)
    assert noisiest_mosaic(picture) is None
    design = dataclasses.replace(SENSORS[sensor], size=SIZE)
    shot = VirtualCamera(design).shoot(design.camera_rgb(dead_leaves(SIZE, seed=3)), ratio=ratio)
    red, *greens, blue = linear_planes(shot)
    assert noisiest_mosaic(linear(np.stack([red, np.mean(greens, 0), blue], -1))) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (20, 20)])
def test_what_is_too_small_to_tell_is_no_mosaic(size):
    assert noisiest_mosaic(linear(np.random.default_rng(0).random((*size, 3)))) is None


@pytest.mark.parametrize(("sensor", "ratio"), [("mild", 10), ("phone", 10)])
def test_blind_is_nearly_as_good_as_told(sensor, ratio):
    """At the level that the three planes show, patch-dct adds 1 dB; of what the noise has, 4 and more go."""
    _, picture, clean = demosaiced(sensor, ratio)
    told = dataclasses.replace(picture, noise_profile=SENSORS[sensor].noise_profile)
    for denoiser in ("auto", "patch-dct"):
        blind, known = (
            psnr(denoise_frame(frame, denoiser=denoiser).frame, clean, ratio) for frame in (picture, told)
        )
        assert blind > psnr(picture, clean, ratio) + 4
        assert blind > known - 0.4


def test_a_network_of_mosaics_takes_demosaiced_pictures_only():
    _, picture, _ = demosaiced("mild", 10)
    assert denoise_frame(picture).denoiser == "raw"
    white = three_chips("mild", 10)
    assert denoise_frame(white).denoiser == "patch-dct"
    with pytest.raises(UsageError, match="not for linear RGB"):
        denoise_frame(white, denoiser="raw")


def test_a_preview_shows_what_denoising_makes_of_a_demosaiced_picture():
    _, picture, _ = demosaiced("mild", 10)
    whole, (_, shown) = denoise_frame(picture), preview(picture, Settings())
    assert shown.noise == whole.noise
    assert np.array_equal(shown.frame.mosaic, whole.frame.mosaic)


def test_what_is_nearly_free_of_noise_stays_as_it_is():
    _, _, clean = demosaiced("low-noise", 1)
    assert psnr(denoise_frame(clean).frame, clean, 1) > 50


def test_borders_levels_and_odd_sides_of_demosaiced_pictures_are_kept():
    _, picture, _ = demosaiced("mild", 100)
    area = (3, 3 * 5, 252, 3 * 316)
    framed = dataclasses.replace(picture, active_area=area)
    result = denoise_frame(framed)
    assert result.denoiser == "raw"
    outside = np.ones(picture.mosaic.shape, bool)
    outside[area[0] : area[2], area[1] : area[3]] = False
    assert np.array_equal(result.frame.mosaic[outside], picture.mosaic[outside])
    before, after = (linear_planes(frame).mean((1, 2), dtype=np.float64) for frame in (framed, result.frame))
    # Of the signal, a hundredth of full scale; the mean of the noise is known to a tenth of that.
    assert np.abs(after / before - 1).max() < 0.01


def test_tiles_of_demosaiced_pictures_equal_the_whole():
    _, picture, _ = demosaiced("mild", 10)
    whole, tiled = (denoise_frame(picture, tile=tile, dtype=np.float32).frame.mosaic for tile in (None, 64))
    assert np.abs(tiled - whole).max() < 0.05


def test_brightness_and_colour_of_demosaiced_pictures_are_denoised_apart():
    _, picture, clean = demosaiced("mild", 10)
    none, half, full = (
        psnr(denoise_frame(picture, **how).frame, clean, 10) for how in ({"strength": 0.0}, {"luma": 0.5}, {})
    )
    assert none == pytest.approx(psnr(picture, clean, 10), abs=0.01)
    assert none + 1 < half < full - 1

"""Denoising frames: what is promised of levels, clipped pixels, sizes, phases, tiles and quality."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from synthnoise.denoising import denoise_frame
from synthnoise.denoising.residual import EDGE, squares
from synthnoise.errors import InputError
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SHOT, READ, SCALE, BLACK = 1e-3, 5e-6, 15000, 512
BAYER = {
    "RGGB": [[0, 1], [1, 2]],
    "BGGR": [[2, 1], [1, 0]],
    "GRBG": [[1, 0], [2, 1]],
    "GBRG": [[1, 2], [0, 1]],
}


def flat(level: float, size: tuple[int, int] = (256, 320), pattern: str = "RGGB", seed: int = 0) -> Frame:
    """Return a frame of one level with Poisson and Gaussian noise, drawn by numpy."""
    random = np.random.default_rng(seed)
    signal = SHOT * random.poisson(level / SHOT, size) + random.normal(0, READ**0.5, size)
    mosaic = np.clip(np.rint(signal * SCALE + BLACK), 0, SCALE + BLACK).astype(np.uint16)
    return Frame(
        mosaic=mosaic,
        cfa=np.array(BAYER[pattern], np.uint8),
        black=np.full((2, 2), float(BLACK)),
        white=float(SCALE + BLACK),
        noise_profile=((SHOT, READ),) * 3,
    )


def shot(sensor: str, ratio: float) -> tuple[Frame, np.ndarray, np.ndarray]:
    """Return a noisy frame with its true noise stated, its planes, and those of the perfect sensor."""
    design = dataclasses.replace(SENSORS[sensor], size=(256, 384))
    camera = VirtualCamera(design)
    scene = design.camera_rgb(dead_leaves(design.size, seed=3))
    noisy, clean = camera.shoot(scene, ratio=ratio), camera.shoot(scene, ratio=ratio, clean=True)
    return noisy, linear_planes(noisy), linear_planes(clean)


def psnr(planes: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((planes.astype(np.float64) - clean) ** 2)))


@pytest.mark.parametrize("level", [0.0, 0.005, 0.05, 0.5])
def test_the_mean_of_every_channel_is_kept(level):
    frame = flat(level)
    before = linear_planes(frame).astype(np.float64).mean((1, 2))
    after = linear_planes(denoise_frame(frame).frame).astype(np.float64).mean((1, 2))
    sampling = 5 * np.sqrt((SHOT * level + READ) / (frame.mosaic.size / 4))
    assert np.abs(after - before).max() < 1e-3 * level + sampling / 10


def test_flat_fields_come_out_flat_and_without_a_pattern():
    frame = flat(0.2, (512, 512))
    planes = linear_planes(denoise_frame(frame).frame).astype(np.float64)
    sigma = np.sqrt(SHOT * 0.2 + READ)
    assert planes.std((1, 2)).max() < 0.12 * sigma
    spectrum = np.abs(np.fft.fft2(planes - planes.mean((1, 2), keepdims=True))) ** 2 / planes[0].size
    # A grid of patches would stand out at multiples of 1/8 of the sampling frequency.
    lines = spectrum[:, ::32, ::32].mean((1, 2)) - spectrum[:, 0, 0] / 64
    assert lines.max() < (0.12 * sigma) ** 2 * 5


def test_clipped_pixels_and_masked_borders_stay():
    frame = flat(0.95)
    frame = dataclasses.replace(frame, active_area=(11, 7, 251, 312))
    clipped = frame.mosaic >= frame.white
    assert 0.01 < clipped.mean() < 0.5
    result = denoise_frame(frame).frame
    assert np.array_equal(result.mosaic[clipped], frame.mosaic[clipped])
    outside = np.ones(frame.mosaic.shape, bool)
    outside[11:251, 7:312] = False
    assert np.array_equal(result.mosaic[outside], frame.mosaic[outside])
    assert not np.array_equal(result.mosaic, frame.mosaic)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 5), (17, 33), (64, 1)])
def test_any_size_is_denoised(size):
    frame = flat(0.2, size)
    result = denoise_frame(frame).frame
    assert result.mosaic.shape == size
    assert result.mosaic.dtype == np.uint16


def test_all_bayer_phases_are_denoised_alike():
    gains = []
    frame, _, _ = shot("mild", 30)
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = frame.crop((top, left, top + 254, left + 382))
        truth = VirtualCamera(dataclasses.replace(SENSORS["mild"], size=(256, 384)))
        scene = truth.sensor.camera_rgb(dead_leaves((256, 384), seed=3))
        exact = truth.shoot(scene, ratio=30, clean=True).crop((top, left, top + 254, left + 382))
        restored = linear_planes(denoise_frame(part).frame)
        gains.append(psnr(restored, linear_planes(exact)) - psnr(linear_planes(part), linear_planes(exact)))
    assert min(gains) > 4
    assert max(gains) - min(gains) < 0.15


def test_tiles_equal_the_whole():
    frame, _, _ = shot("mild", 30)
    frame = dataclasses.replace(frame, mosaic=frame.mosaic.astype(np.float32))
    whole = denoise_frame(frame, tile=4096).frame.mosaic
    tiled = denoise_frame(frame, tile=64).frame.mosaic
    assert np.abs(whole - tiled).max() / (frame.white - frame.black.min()) < 1e-4


@pytest.mark.parametrize(
    ("sensor", "ratio", "margin"),
    [
        ("mild", 1, 1.0),
        ("mild", 100, 7.0),
        ("mild", 300, 9.5),
        ("hard", 100, 6.0),
        ("low-noise", 1, 0.2),
        ("phone", 10, 4.0),
    ],
)
def test_noise_goes_and_the_scene_stays(sensor, ratio, margin):
    frame, noisy, clean = shot(sensor, ratio)
    restored = linear_planes(denoise_frame(frame).frame)
    assert psnr(restored, clean) - psnr(noisy, clean) > margin


def test_strength_blends_and_zero_changes_nothing():
    frame = flat(0.2)
    assert np.array_equal(denoise_frame(frame, strength=0).frame.mosaic, frame.mosaic)
    half = linear_planes(denoise_frame(frame, strength=0.5).frame).std()
    assert 0.4 < half / linear_planes(frame).std() < 0.6


def test_hot_pixels_are_gone():
    frame = flat(0.02)
    mosaic = frame.mosaic.copy()
    mosaic[20:240:37, 31:300:41] += 4000
    hot = mosaic != frame.mosaic
    result = denoise_frame(dataclasses.replace(frame, mosaic=mosaic)).frame.mosaic
    assert np.abs(result[hot].astype(float) - 0.02 * SCALE - BLACK).max() < 60


@pytest.mark.parametrize("size", [(1, 1), (50, 64), (100, 300), (128, 129), (255, 256), (2000, 140)])
def test_the_residual_is_probed_inside_of_the_frame(size):
    places = squares(size)
    assert len(set(places)) == len(places) <= 4
    for top, left, bottom, right in places:
        assert 0 <= top < bottom <= size[0]
        assert 0 <= left < right <= size[1]
        assert (bottom - top, right - left) == tuple(min(EDGE, n) for n in size)


@pytest.mark.parametrize("denoiser", ["auto", "patch-dct", "wavelet"])
def test_the_noise_left_is_that_of_the_frame(denoiser):
    frame = flat(0.2, (384, 384))
    result = denoise_frame(frame, denoiser=denoiser, dtype=np.float32)
    left = linear_planes(result.frame).std() / linear_planes(frame).std()
    # Blocks of some dozen independent values each: their median is 1 to 7 % from the whole.
    assert result.residual == pytest.approx(left, rel=0.15)
    (shot_left, _), *_ = result.frame.noise_profile
    assert shot_left == pytest.approx(SHOT * left**2, rel=0.3)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_noise_left_is_that_of_the_strength(strength):
    frame = flat(0.2, (256, 256))
    result = denoise_frame(frame, strength=strength, dtype=np.float32)
    left = linear_planes(result.frame).std() / linear_planes(frame).std()
    assert result.residual == pytest.approx(left, rel=0.15)


@pytest.mark.parametrize("changes", [{"luma": 0.3}, {"chroma": 0.2}, {"strength": 0.6}])
def test_the_file_states_the_noise_that_is_left_in_each_colour(changes):
    """Red and blue are mostly colour, green mostly brightness."""
    result = denoise_frame(flat(0.2, (512, 512)), denoiser="patch-dct", **changes).frame
    left = linear_planes(result).std((1, 2))
    for plane, colour in enumerate((0, 1, 1, 2)):
        shot, read = result.noise_profile[colour]
        assert math.sqrt(0.2 * shot + read) == pytest.approx(left[plane], rel=0.1)


ANY_CFA = {
    "X-Trans": ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG"),
    "Quad-Bayer": ("RRGG", "RRGG", "GGBB", "GGBB"),
}


def as_cfa(frame: Frame, name: str) -> Frame:
    """Return a frame of one level as if it had another colour filter array."""
    cfa = np.array([["RGB".index(letter) for letter in row] for row in ANY_CFA[name]], np.uint8)
    return dataclasses.replace(frame, cfa=cfa, black=np.full(cfa.shape, float(BLACK)))


def colour_means(frame: Frame) -> np.ndarray:
    planes, colours = linear_planes(frame).astype(np.float64), np.array(frame.active().cfa).reshape(-1)
    return np.array([planes[colours == colour].mean() for colour in range(3)])


@pytest.mark.parametrize("name", ANY_CFA)
def test_any_colour_filter_array_comes_out_flat_and_keeps_its_level(name):
    frame = as_cfa(flat(0.05, (301, 403)), name).crop((1, 2, 301, 403))
    result = denoise_frame(frame).frame
    assert np.abs(colour_means(result) - colour_means(frame)).max() < 1e-3 * 0.05
    assert linear_planes(result).std() < 0.12 * linear_planes(frame).std()


def test_x_trans_gains_nearly_what_bayer_does():
    gains = {}
    scene = dead_leaves((258, 384), seed=3)
    for name, cfa in (("Bayer", "RGGB"), ("X-Trans", "X-Trans")):
        design = dataclasses.replace(SENSORS["x-trans"], cfa=cfa, size=(258, 384))
        camera = VirtualCamera(design)
        noisy = camera.shoot(design.camera_rgb(scene), ratio=30)
        clean = linear_planes(camera.shoot(design.camera_rgb(scene), ratio=30, clean=True))
        restored = linear_planes(denoise_frame(noisy, denoiser="patch-dct").frame)
        gains[name] = psnr(restored, clean) - psnr(linear_planes(noisy), clean)
    assert gains["X-Trans"] > gains["Bayer"] - 1.2


def test_any_colour_filter_array_is_the_same_tile_by_tile():
    frame = as_cfa(flat(0.05, (216, 210)), "X-Trans")
    frame = dataclasses.replace(frame, mosaic=frame.mosaic.astype(np.float32))
    whole = denoise_frame(frame, tile=8192).frame.mosaic
    tiled = denoise_frame(frame, tile=96).frame.mosaic
    assert np.abs(whole - tiled).max() / SCALE < 1e-4


def test_hot_pixels_of_x_trans_are_gone():
    frame = as_cfa(flat(0.02), "X-Trans")
    mosaic = frame.mosaic.copy()
    mosaic[20:240:37, 31:300:41] += 4000
    hot = mosaic != frame.mosaic
    result = denoise_frame(dataclasses.replace(frame, mosaic=mosaic)).frame.mosaic
    assert np.abs(result[hot].astype(float) - 0.02 * SCALE - BLACK).max() < 60


def test_a_colour_filter_array_without_blue_is_refused():
    cfa = np.zeros((4, 4), np.uint8) + np.eye(4, dtype=np.uint8)
    frame = dataclasses.replace(flat(0.2, (36, 36)), cfa=cfa, black=np.full((4, 4), 512.0))
    with pytest.raises(InputError, match="4x4 colour filter array"):
        denoise_frame(frame)

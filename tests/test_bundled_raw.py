"""The bundled network for RAW: better than the classical default, and none of the harm that networks do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from synthnoise.denoising import denoise_frame
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SHOT, READ, SCALE, BLACK = 1e-3, 5e-6, 15000, 512


def flat(level: float, size: tuple[int, int], seed: int) -> Frame:
    """Return a float frame of one level with Poisson and Gaussian noise, drawn by numpy."""
    random = np.random.default_rng(seed)
    signal = SHOT * random.poisson(level / SHOT, size) + random.normal(0, READ**0.5, size)
    return Frame(
        mosaic=(signal * SCALE + BLACK).astype(np.float32),
        cfa=np.array([[0, 1], [1, 2]], np.uint8),
        black=np.full((2, 2), float(BLACK)),
        white=float(SCALE + BLACK),
        noise_profile=((SHOT, READ),) * 3,
    )


def shot(sensor: str, ratio: float, size: tuple[int, int] = (256, 384)) -> tuple[Frame, np.ndarray]:
    """Return a noisy frame that states no noise, and the planes of the perfect sensor."""
    design = dataclasses.replace(SENSORS[sensor], size=size)
    camera = VirtualCamera(design)
    scene = design.camera_rgb(dead_leaves(design.size, seed=11))
    noisy, clean = camera.shoot(scene, ratio=ratio), camera.shoot(scene, ratio=ratio, clean=True)
    return dataclasses.replace(noisy, noise_profile=None), linear_planes(clean)


def psnr(frame: Frame, clean: np.ndarray, ratio: float) -> float:
    error = (linear_planes(frame).astype(np.float64) - clean) * ratio
    return float(-10 * np.log10(np.mean(error**2)))


@pytest.mark.parametrize(
    ("sensor", "ratio"), [("mild", 10), ("hard", 100), ("low-noise", 100), ("phone", 10), ("banked", 100)]
)
def test_it_beats_the_classical_default_on_every_virtual_camera(sensor: str, ratio: float) -> None:
    noisy, clean = shot(sensor, ratio)
    network, classical = (denoise_frame(noisy, denoiser=name).frame for name in ("raw", "patch-dct"))
    assert psnr(network, clean, ratio) > psnr(classical, clean, ratio) + 0.5


def test_flat_fields_come_out_without_a_pattern() -> None:
    """Means over all places alike modulo 16, which is beyond the network's coarsest grid, and over frames."""
    level, count = 0.02, 6
    noise = (SHOT * level + READ) ** 0.5
    means = []
    for seed in range(count):
        planes = linear_planes(denoise_frame(flat(level, (256, 320), seed), denoiser="raw").frame)
        assert planes.std() < 0.15 * noise
        blocks = planes[:, 16:112, 16:144].reshape(4, 6, 16, 8, 16)
        means.append(blocks.mean((1, 3), dtype=np.float64))
    grid = np.stack(means)
    grid -= grid.mean((2, 3), keepdims=True)
    pattern = grid.mean(0)
    chance = grid.std(0, ddof=1) / count**0.5
    # Without a pattern both are the variance of such a mean; a pattern adds its own to the first.
    excess = max(float(np.mean(pattern**2) - np.mean(chance**2)), 0.0) ** 0.5
    assert excess < 0.01 * noise


def test_what_is_nearly_free_of_noise_stays_as_it_is() -> None:
    _, clean = shot("mild", 1)
    noise = 10 ** (-70 / 20)
    planes = clean + np.random.default_rng(0).normal(0, noise, clean.shape)
    mosaic = np.empty((2 * clean.shape[1], 2 * clean.shape[2]), np.float32)
    for number, plane in enumerate(planes):
        mosaic[number // 2 :: 2, number % 2 :: 2] = plane * SCALE + BLACK
    frame = dataclasses.replace(
        flat(0.5, (8, 8), 0), mosaic=mosaic, noise_profile=((1e-9, float(noise**2)),) * 3
    )
    result = linear_planes(denoise_frame(frame, denoiser="raw").frame)
    assert -10 * np.log10(np.mean((result - linear_planes(frame)).astype(np.float64) ** 2)) > 60


@pytest.mark.parametrize("level", [0.005, 0.05, 0.5])
def test_the_mean_of_every_channel_is_kept(level: float) -> None:
    frame = flat(level, (256, 320), 1)
    before = linear_planes(frame).mean((1, 2), dtype=np.float64)
    after = linear_planes(denoise_frame(frame, denoiser="raw").frame).mean((1, 2), dtype=np.float64)
    sampling = ((SHOT * level + READ) / (frame.mosaic.size / 4)) ** 0.5
    assert np.abs(after - before).max() < 1e-3 * level + sampling / 2


def test_clipped_pixels_stay_clipped() -> None:
    noisy, _ = shot("mild", 1)
    white = int(noisy.white)
    mosaic = noisy.mosaic.copy()
    mosaic[40:80, 60:120] = white
    result = denoise_frame(dataclasses.replace(noisy, mosaic=mosaic), denoiser="raw").frame
    assert np.all(result.mosaic[mosaic >= white] == mosaic[mosaic >= white])

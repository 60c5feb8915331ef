"""Rows whose parts move apart, and glow of an amplifier: found in a dark, and drawn as they were."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sampling import assert_variance
from test_noise import camera, iso_noise

from synthnoise.calibration.dark import measure_darks
from synthnoise.calibration.line_spectra import cross_spectrum, part_means
from synthnoise.calibration.row_modes import row_modes, take_row_modes
from synthnoise.calibration.shading import full_shading
from synthnoise.calibration.spectral_arrays import spectral_arrays
from synthnoise.noise.spectral import Options, Spectral
from synthnoise.rng import Rng
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

SIZE = 300, 256
BANKS = 2
PIXEL, BANK = 4.0, 1.5


def banked_planes(seed: int) -> NDArray[np.float32]:
    """Return white planes [4, H, W] whose rows differ in the left and the right half, alike in two planes."""
    random = np.random.default_rng(seed)
    noise = PIXEL * random.standard_normal((4, *SIZE))
    banks = BANK * random.standard_normal((2, SIZE[0], BANKS))
    noise += np.repeat(np.repeat(banks, 2, axis=0), SIZE[1] // BANKS, axis=2)
    return noise.astype(np.float32)


def test_two_banks_are_one_shape_and_white_rows_none() -> None:
    planes = banked_planes(1)
    shapes = row_modes(planes, phases=2)
    assert shapes.shape == (1, 8)
    # Both halves move by their difference from the mean of the row: -1 and 1.
    assert np.abs(np.abs(shapes) - 1).max() < 0.15
    assert np.ptp(np.sign(shapes[0, :4])) == np.ptp(np.sign(shapes[0, 4:])) == 0
    strengths = take_row_modes(planes, shapes, phases=2)
    # Half the difference of two banks has half their variance; halves of a row share nothing else.
    for phase in strengths:
        shared = float(np.mean(phase[0] * phase[1]))
        assert shared == pytest.approx(BANK**2 / 2, rel=5 * (2 / SIZE[0]) ** 0.5)
    rows = planes.reshape(4, SIZE[0], 2, -1).mean(3)
    assert np.var(rows[..., 0] - rows[..., 1]) < 0.2 * 2 * BANK**2
    assert len(row_modes(np.random.default_rng(2).standard_normal((4, *SIZE)).astype(np.float32), 2)) == 0


def profile_with_banks(width: int):
    """Return a profile of a sensor of two banks, and nothing but white pixels beside."""
    spectrum = np.zeros((2, 32, 2, 2), np.float32)
    spectrum[0] = np.eye(2) * BANK**2
    shapes = np.array([[-1, -1, -1, -1, 1, 1, 1, 1]], np.float32)
    arrays = {"row_modes": shapes, "row_mode_cross_spectrum": spectrum}
    noise = iso_noise(read_noise=(PIXEL,) * 4, arrays=arrays)
    return dataclasses.replace(camera(noise), size=(2 * SIZE[0], 2 * width))


def test_shapes_are_drawn_on_their_columns_and_tile_by_tile() -> None:
    profile = profile_with_banks(SIZE[1])
    model = Spectral(Options(unit=0))
    parameters = model.parameters(profile)
    clean = torch.zeros(4, 4, *SIZE)
    rng = Rng(4, torch.arange(4))
    whole = model.sample(clean, parameters, rng)
    scale = float(profile.scale[0])
    halves = (whole.double().numpy() * scale).reshape(4, 4, SIZE[0], 2, -1).mean(4)
    left, right = halves[..., 0], halves[..., 1]
    white = PIXEL**2 / (SIZE[1] / 2)
    assert_variance(left[:, ::2], BANK**2 + white, detects=0.35)
    # Planes on one row of the sensor move alike, the halves against each other.
    assert np.corrcoef(left[:, 0].ravel(), left[:, 1].ravel())[0, 1] > 0.9
    assert np.corrcoef(left[:, 0].ravel(), right[:, 0].ravel())[0, 1] < -0.9
    assert abs(np.corrcoef(left[:, 0].ravel(), left[:, 2].ravel())[0, 1]) < 5 / (4 * SIZE[0]) ** 0.5
    stated = model.variance(clean[:1], parameters).mean().item() * scale**2
    assert stated == pytest.approx(float(whole.double().var()) * scale**2, rel=0.05)
    tile = model.sample(clean[..., 13:150, 70:201], parameters, rng.cropped(13, 70))
    assert torch.equal(tile, whole[..., 13:150, 70:201])


def test_where_shading_is_asked_for_glow_and_its_noise_are_in_one_place() -> None:
    """Of 2 x 2 cells the lower right shines and is noisier, in frames of any specimen."""
    shape = np.array([[0, 0], [0, 1]], np.float32)
    arrays = {"local_deviation": 1 + shape, "shading": np.broadcast_to(20 * shape, (4, 2, 2))}
    noise = iso_noise(read_noise=(PIXEL,) * 4, arrays=arrays)
    profile = dataclasses.replace(camera(noise), size=(128, 128))
    model = Spectral(Options(shading=True))
    rng = Rng(7, torch.arange(4))
    drawn = model.sample(torch.zeros(4, 4, 64, 64), model.parameters(profile), rng).double().numpy()
    drawn *= float(profile.scale[0])
    dark, shining = drawn[..., :16, :16], drawn[..., 48:, 48:]
    # Linear between the centres of cells and beyond them: the blocks are at -1/4 and 5/4 of the way.
    wanted = 20 * (1.25**2 - 0.25**2)
    error = PIXEL * (1 + 1.25**2) / 32
    assert np.abs(shining.mean((1, 2, 3)) - dark.mean((1, 2, 3)) - wanted).max() < 5 * error
    deviations = [np.std(part - part.mean(0), axis=(1, 2, 3)) for part in (dark, shining)]
    assert (deviations[1] / deviations[0]).min() > 2


def test_line_spectra_have_no_share_of_the_pixels() -> None:
    """Of white pixels nothing is left; of white rows of 0.5 DN all, spread by that of the pixels' means."""
    random = np.random.default_rng(5)
    noise = PIXEL * random.standard_normal((400, 256))
    means = part_means(noise.astype(np.float32))[None]
    assert means.shape == (1, 16, 400)
    assert not cross_spectrum([(means, means)], 4).any()
    rows = 0.5 * random.standard_normal((400, 1))
    means = part_means((noise + rows).astype(np.float32))[None]
    found = cross_spectrum([(means, means)], 4)
    weights = np.exp2(np.arange(32) / 4)  # of bins as wide as their frequencies
    power = float(np.average(found[:, 0, 0].real, weights=weights))
    assert power == pytest.approx(0.25, abs=5 * (0.25 + PIXEL**2 / 256) * (2 / 400) ** 0.5)


def test_glow_is_followed_to_where_it_is_faint() -> None:
    """Glow that falls to 1/e in an eighth of the sensor is shading to a fifth of a pixel's noise."""
    sensor = Sensor(
        model="Glowing",
        size=(512, 768),
        gain=1.0,
        read_noise=3.0,
        dark_current=0,
        amp_glow=300,
        hot_fraction=0,
    )
    virtual = VirtualCamera(sensor)
    dark = virtual.dark(0)
    noise = measure_darks([dark])
    detail = spectral_arrays([dark], noise)["shading_detail"]
    wanted = sensor.exposure_time * virtual.unit.dark_rate(slice(0, 512))
    shape = 256, 384
    for c, plane in enumerate(noise.planes):
        found = full_shading(plane.grid, shape) + full_shading(detail[c], shape) + np.float32(plane.offset)
        error = found - wanted[c // 2 :: 2, c % 2 :: 2]
        error -= np.median(error)
        cells = error[:, 192:].reshape(16, 16, 12, 16).mean((1, 3))
        # Chance moves a cell by 0.19 DN. Flanks that are left out of the shading move many by 1 DN: 0.39.
        assert float(np.sqrt(np.mean(cells**2))) < 0.25

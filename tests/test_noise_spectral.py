"""The model ``spectral`` against the camera that it was calibrated on, and against closed forms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sampling import assert_mean, assert_variance
from test_noise import camera, iso_noise

from synthnoise.calibration import calibrate
from synthnoise.calibration.wave_search import find_waves, remove_waves
from synthnoise.errors import UsageError
from synthnoise.evaluation import dark_statistics
from synthnoise.noise.spectral import Options, Spectral
from synthnoise.noise.spectral_design import Z_GRID, plane_filter
from synthnoise.noise.spectral_fields import filtered_lines, filtered_planes, mapped
from synthnoise.noise.waves import waves
from synthnoise.raw.cfa import linear_planes
from synthnoise.rng import Rng, Stream
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.stream.pairs import Converter, PairCamera

SENSOR = SENSORS["mild"]


def rng(*indices: int, seed: int = 5) -> Rng:
    return Rng(seed, torch.tensor(indices or (0,)))


def calibrated(name: str, darks: int = 1):
    """Return the profile of a preset from darks and one photograph."""
    virtual = VirtualCamera(SENSORS[name])
    scene = virtual.sensor.camera_rgb(dead_leaves(virtual.sensor.size, seed=1))
    return calibrate([virtual.dark(i) for i in range(darks)], [virtual.shoot(scene, ratio=20)]).profile


@pytest.fixture(scope="module")
def mild():
    return calibrated("mild")


def darks_of(profile, count: int) -> np.ndarray:
    """Return rounded darks [N, C, H, W] in DN about the black level that the model makes."""
    model = Spectral(Options(unit=0, shading=True))
    shots = PairCamera(
        noise=model,
        parameters=(model.parameters(profile),),
        cfa=profile.cfa,
        converters=(Converter.of(profile),),
    )
    height, width = profile.size
    clean = torch.zeros(1, 4, height // 2, width // 2)
    made = [shots.expose(clean, rng(n)).noisy[0].numpy() for n in range(count)]
    return np.stack(made) * profile.scale.reshape(-1, 1, 1).astype(np.float32)


def real_darks(name: str, numbers: range) -> np.ndarray:
    virtual = VirtualCamera(SENSORS[name])
    scale = virtual.sensor.white - virtual.sensor.black
    return np.stack([linear_planes(virtual.dark(n)) for n in numbers]) * np.float32(scale)


def test_one_dark_gives_marginal_spectrum_rows_and_columns(mild):
    real = dark_statistics.measure(real_darks("mild", range(1, 4)))
    made = dark_statistics.measure(darks_of(mild, 3))
    distance = dark_statistics.compare(made, real)
    # Two sets of three real frames are 0.0003 and 0.13 dB apart; row means of 256 rows in 3 frames show a
    # variance to 2 * 2 / sqrt(2 * 768) = 10 %, columns likewise, and the calibration's frame adds 9 %.
    assert distance.kl < 1e-3
    assert distance.psd_db < 0.25
    assert abs(distance.row_ratio - 1) < 0.4
    assert abs(distance.column_ratio - 1) < 0.4
    assert abs(distance.variance_ratio - 1) < 0.02
    assert distance.correlation_error < 0.02
    assert made.spread == pytest.approx(real.spread, abs=0.1)


def test_tiles_are_parts_of_the_whole_to_the_last_bit(mild):
    model = Spectral(Options(unit=3, shading=True))
    parameters = model.parameters(mild)
    clean = torch.full((2, 4, 150, 130), 0.01)
    whole = model.sample(clean, parameters, rng(4, 9))
    for top, left, bottom, right in ((0, 0, 64, 64), (37, 11, 150, 77), (149, 129, 150, 130)):
        tile = model.sample(clean[..., top:bottom, left:right], parameters, rng(4, 9).cropped(top, left))
        assert torch.equal(tile, whole[..., top:bottom, left:right])
    assert torch.equal(model.sample(clean[:1], parameters, rng(9))[0], whole[1])
    assert not torch.equal(whole[0], whole[1])


def test_shot_noise_and_stated_variance(mild):
    model = Spectral()
    parameters = model.parameters(mild)
    electrons, scale = 30.0, float(mild.scale[0])
    gain = next(iter(mild.isos.values())).gain
    clean = torch.full((1, 4, 256, 384), electrons * gain / scale)
    noisy = model.sample(clean, parameters, rng()).double().numpy() * scale
    dark = model.sample(torch.zeros_like(clean), parameters, rng()).double().numpy() * scale
    assert_mean(noisy - dark, electrons * gain, gain**2 * electrons, detects=0.01)
    assert_variance(noisy - dark, gain**2 * electrons, detects=0.04)
    stated = model.variance(clean, parameters).double().mean().item() * scale**2
    assert stated == pytest.approx(gain**2 * electrons + dark.var(), rel=0.03)


def test_a_profile_without_arrays_is_white_and_normal():
    noise = iso_noise(read_noise=(3.0,) * 4, row_noise=1.0)
    model = Spectral()
    parameters = model.parameters(camera(noise))
    made = model.sample(torch.zeros(1, 4, 400, 500), parameters, rng()).double().numpy()[0] * 15871
    # Rows 0 of planes 0 and 1 are one row of the sensor, those of planes 2 and 3 the next.
    rows = made.mean(2)
    assert np.corrcoef(rows[0], rows[1])[0, 1] > 0.95
    assert abs(np.corrcoef(rows[0], rows[2])[0, 1]) < 5 / 400**0.5
    assert_variance(rows[0], 1.0 + 8.0 / 500, detects=0.75)
    assert_variance(made - rows[..., None], 8.0, detects=0.04)


def test_between_two_isos_rows_of_a_law_of_their_own_have_the_stated_variance():
    # White rows of 2 DN whose law happens to be normal, at an ISO of twice the noise.
    spectrum = np.zeros((2, 32, 2, 2), dtype=np.float32)
    spectrum[0] = 4.0 * np.eye(2)
    arrays = {"row_cross_spectrum": spectrum, "row_quantiles": Z_GRID.astype(np.float32)}
    near = iso_noise(100, read_noise=(3.0,) * 4, row_noise=2.0, arrays=arrays)
    far = iso_noise(900, read_noise=(27.0,) * 4, row_noise=18.0, gain=18.0, gain_interval=(17.9, 18.1))
    model = Spectral()
    parameters = model.parameters(camera(near, far), 200.0)
    assert parameters.rows is not None
    drawn = parameters.rows.draw(rng(), Stream.ROW_NOISE, 20_000, start=0).double().numpy()[0, ::2] * 15871
    assert_variance(drawn, (2.0 * 2.0) ** 2, detects=0.08)
    assert parameters.rows.variance * 15871**2 == pytest.approx((2.0 * 2.0) ** 2, rel=0.01)


def test_what_is_missing_is_named(mild):
    with pytest.raises(UsageError, match="which"):
        Spectral().parameters()
    unknown = dataclasses.replace(mild, isos={800.0: iso_noise(shot=(float("nan"),) * 3)})
    with pytest.raises(UsageError, match="gain was not measured"):
        Spectral().parameters(unknown)
    with pytest.raises(UsageError, match="4 planes cannot go on 3"):
        Spectral().sample(torch.zeros(1, 3, 8, 8), Spectral().parameters(mild), rng())


def test_two_darks_tell_fixed_from_temporal():
    real = dark_statistics.measure(real_darks("hard", range(2, 5)))
    made = dark_statistics.measure(darks_of(calibrated("hard", 2), 3))
    assert real.frame_correlation > 0.5
    assert made.frame_correlation == pytest.approx(real.frame_correlation, abs=0.05)
    distance = dark_statistics.compare(made, real)
    assert distance.kl < 2e-3
    assert distance.psd_db < 0.4


def test_noise_below_one_code_keeps_its_variance():
    profile = calibrated("low-noise")
    real = dark_statistics.measure(real_darks("low-noise", range(1, 4)))
    made = dark_statistics.measure(darks_of(profile, 3))
    # Rounding what was rounded before would add 1/12 DN^2 to 0.5 DN^2.
    assert dark_statistics.compare(made, real).variance_ratio == pytest.approx(1, abs=0.015)


def test_a_wave_is_found_removed_and_drawn_with_new_phase_and_strength():
    random = np.random.default_rng(2)
    y, x = np.arange(256)[:, None], np.arange(384)
    wave = 1.5 * np.cos(2 * np.pi * (0.25 * y + 96 / 384 * x) + 0.7)
    mosaic = (3 * random.standard_normal((256, 384)) + wave).astype(np.float32)
    found = find_waves([mosaic])
    assert found.shape == (1, 4)
    assert np.allclose(np.abs(found[0, :2]), (0.25, 0.25))
    # Power 1.125; the noise of its bin, 9 / 49152, hardly adds to it.
    assert found[0, 2] == pytest.approx(1.125, rel=0.1)
    remove_waves(mosaic, found)
    assert_variance(mosaic, 9.0, detects=0.05)
    noise = iso_noise(read_noise=(3.0,) * 4, arrays={"waves": found})
    profile = camera(noise)
    drawn = waves(noise, profile)
    planes = torch.zeros(300, 4, 8, 8)
    drawn.add_to(planes, rng(*range(300)))
    power = planes.double().square().mean((1, 2, 3)).numpy() * 15871**2
    # The F law with 2 and 2 degrees of freedom has median 1; of 300 draws it shows to 12 %.
    assert np.median(power) == pytest.approx(1.125, rel=0.6)
    assert power.max() < 0.26 * 9
    assert power.min() < 0.1


def test_compiled_filters_and_maps_are_those_of_torch():
    taps = torch.randn(4, 4, 5, 5, generator=torch.Generator().manual_seed(3))
    made = filtered_planes(rng(7), 200, taps, (20, 30))
    white = rng(7).cropped(-2, -2).normal(200, (4, 24, 34))
    assert torch.allclose(made, torch.nn.functional.conv2d(white, taps), atol=1e-4)
    lines = torch.randn(2, 2, 9, generator=torch.Generator().manual_seed(4))
    made = filtered_lines(rng(7), 201, lines, 50, start=-3)
    white = rng(7).cropped(-7, 0).normal(201, (2, 58, 1))[..., 0]
    assert torch.allclose(made, torch.nn.functional.conv1d(white, lines), atol=1e-4)
    noise = 2 * torch.randn(1, 2, 8, 9, generator=torch.Generator().manual_seed(5))
    table = torch.stack([torch.from_numpy(Z_GRID) ** 3, torch.from_numpy(Z_GRID)]).float()
    wanted = np.stack([np.interp(noise[0, c].numpy(), Z_GRID, table[c].numpy()) for c in range(2)])
    assert np.allclose(mapped(noise.clone(), table)[0].numpy(), wanted, atol=1e-2)


def test_a_filter_gives_the_covariances_it_was_made_for():
    correlation = np.zeros((2, 2, 3, 3))
    correlation[0, 0] = ((0, 0.1, 0), (0.3, 1, 0.3), (0, 0.1, 0))
    correlation[1, 1, 1, 1] = 1
    correlation[0, 1, 1, 2] = correlation[1, 0, 1, 0] = 0.25
    taps = torch.from_numpy(plane_filter(correlation)).float()
    noise = filtered_planes(rng(1), 202, taps, (600, 600))[0].double().numpy()
    a, b = noise
    # 360000 pixels show a correlation to 0.0017; taps that were left out change it by less than 0.002.
    assert np.mean(a[:, 1:] * a[:, :-1]) == pytest.approx(0.3, abs=0.012)
    assert np.mean(a[1:] * a[:-1]) == pytest.approx(0.1, abs=0.012)
    assert np.mean(a[:, :-1] * b[:, 1:]) == pytest.approx(0.25, abs=0.012)
    assert np.mean(a[:, 1:] * b[:, :-1]) == pytest.approx(0, abs=0.012)
    assert np.mean(a * a) == pytest.approx(1, abs=0.012)

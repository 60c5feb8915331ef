"""The transform that makes noise white, and the noise level that a frame tells of itself."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter
from test_noise import camera, iso_noise

from synthnoise.calibration import calibrate
from synthnoise.denoising.noise_level import estimate_noise
from synthnoise.denoising.noise_source import find_noise
from synthnoise.errors import UsageError
from synthnoise.noise.stabilise import Stabiliser
from synthnoise.raw.cfa import linear_planes, plane_colours
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

SAMPLES = 400_000


@pytest.mark.parametrize(("shot", "read"), [(1e-3, 5e-6), (4e-3, 6e-5), (1.6e-2, 8e-4), (1e-5, 2e-9)])
@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0, 5.0, 300.0])
def test_the_inverse_gives_the_mean_back(shot, read, level):
    """``level`` is in standard deviations of the read noise."""
    mean = level * math.sqrt(read)
    random = np.random.default_rng(7)
    electrons = random.poisson(max(mean, 0) / shot, SAMPLES)
    noisy = shot * electrons + min(mean, 0) + random.normal(0, math.sqrt(read), SAMPLES)
    stabiliser = Stabiliser((shot,), (read,))
    expected = stabiliser.forward(torch.from_numpy(noisy).float()[None, None]).double().mean()
    back = float(stabiliser.inverse(expected.float().reshape(1, 1, 1)))
    assert abs(back - noisy.mean()) < 5 * noisy.std() / math.sqrt(SAMPLES)


@pytest.mark.parametrize("level", [5.0, 50.0, 500.0])
def test_the_transform_makes_variance_one(level):
    """``level`` in electrons, read noise of two."""
    random = np.random.default_rng(8)
    noisy = 1e-3 * (random.poisson(level, SAMPLES) + random.normal(0, 2, SAMPLES))
    flat = Stabiliser((1e-3,), (4e-6,)).forward(torch.from_numpy(noisy).float()[None, None])
    assert abs(float(flat.var()) - 1) < 0.05


def test_no_two_signals_become_one():
    signal = torch.linspace(-0.05, 1, 10_001)[None, None]
    assert bool((Stabiliser((1e-3,), (5e-6,)).forward(signal).diff() > 0).all())


@pytest.mark.parametrize("shot", [0.0, 1e-9, 1e-8, 3e-8, 1e-7, 1e-6, 1e-4])
def test_light_shot_noise_under_much_read_noise_moves_no_level(shot):
    """As in files whose NoiseProfile has the least S that DNG allows: electrons are then many."""
    read = (20 / 15000) ** 2
    stabiliser = Stabiliser((shot,), (read,))
    signal = torch.linspace(0, 1, 101)[None, None, None]
    there = stabiliser.forward(signal)
    assert float((stabiliser.inverse(there) - signal).abs().max()) < 0.05 * read**0.5
    # The slope is one over the standard deviation of the noise, but for the bend of the root in a step.
    slope = there.double().diff() / signal.double().diff()
    middle = (signal[..., 1:] + signal[..., :-1]) / 2
    assert float((slope * (shot * middle + read).sqrt() - 1).abs().max()) < 0.02


@pytest.mark.parametrize(
    ("sensor", "ratio"), [("mild", 10), ("mild", 100), ("low-noise", 100), ("phone", 10)]
)
def test_a_blind_estimate_is_near_the_truth(sensor, ratio):
    design = SENSORS[sensor]
    camera = VirtualCamera(design)
    frame = camera.shoot(design.camera_rgb(dead_leaves(design.size, seed=1)), ratio=ratio)
    scale = design.white - design.black
    shot = design.gain / scale
    read = (design.read_noise**2 + design.converter_noise**2 + 1 / 12) / scale**2
    levels = np.geomspace(0.1, 1, 5) / ratio
    for s, o in estimate_noise(dataclasses.replace(frame, noise_profile=None)).pairs:
        ratios = (s * levels + o) / (shot * levels + read)
        assert np.abs(np.log(ratios)).mean() < 0.35


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_even_place_tells_the_noise_of_a_rough_frame(seed):
    """Grain of a quarter of the light everywhere but in the shadows: hundreds of times the variance."""
    design = SENSORS["low-noise"]
    height, width = design.size
    grain = 1 + 0.25 * np.random.default_rng(seed).standard_normal((height, width))
    scene = np.clip(np.geomspace(0.08, 0.9, width) * grain, 0, 1)
    scene[:, : width // 4] = np.linspace(0.02, 0.04, width // 4)
    scene = np.broadcast_to(scene, (3, height, width)).astype(np.float32)
    frame = VirtualCamera(design).shoot(design.camera_rgb(scene))
    level, shot = 0.03, design.gain / (design.white - design.black)
    for s, o in estimate_noise(dataclasses.replace(frame, noise_profile=None)).pairs:
        assert 0.5 < (s * level + o) / (shot * level) < 2


def textured(design: Sensor, seed: int) -> Frame:
    """Return a shot of grey fine texture everywhere, uneven in light and in contrast."""
    random = np.random.default_rng(seed)

    def field(blur: float) -> np.ndarray:
        values = gaussian_filter(random.standard_normal(design.size), blur)
        return values / values.std()

    scene = 0.2 * np.exp(0.5 * field(40)) * (1 + 0.15 * field(1) * np.exp(0.4 * field(30)))
    frame = VirtualCamera(design, seed=seed).shoot(np.clip(scene, 0, 1).astype(np.float32))
    return dataclasses.replace(frame, noise_profile=None)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_the_planes_share_is_no_noise(seed):
    """Texture of twenty times the variance of the noise, and no flat place: within a factor of four of it."""
    design = SENSORS["low-noise"]
    estimate = estimate_noise(textured(design, seed))
    assert estimate.texture > 0.7
    level, shot = 0.2, design.gain / (design.white - design.black)
    for s, o in estimate.pairs:
        assert 0.25 < (s * level + o) / (shot * level) < 4


def test_noise_alone_is_no_texture():
    for name in ("mild", "low-noise", "phone"):
        camera = VirtualCamera(SENSORS[name])
        for electrons in (200.0, 2000.0):
            assert estimate_noise(camera.flat(electrons)).texture < 0.2


def test_planes_that_share_their_noise_say_nothing_of_texture():
    """As of a linear DNG, whose red, green and blue a camera has mixed."""
    frame = textured(SENSORS["low-noise"], 1)
    mixed = np.repeat(frame.mosaic[:, :, None], 3, 2).reshape(frame.mosaic.shape[0], -1)
    linear = dataclasses.replace(
        frame, mosaic=mixed, cfa=np.array([[0, 1, 2]], np.uint8), black=np.full((1, 3), 512.0)
    )
    assert estimate_noise(linear).texture == 0


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (40, 40)])
@pytest.mark.parametrize("value", [0, 600, 16383])
def test_any_frame_gives_an_estimate(size, value):
    frame = Frame(
        mosaic=np.full(size, value, np.uint16),
        cfa=np.array([[0, 1], [1, 2]], np.uint8),
        black=np.full((2, 2), 512.0),
        white=16383.0,
    )
    level = estimate_noise(frame)
    assert all(s > 0 and o > 0 for s, o in level.pairs)


def test_a_real_camera_is_estimated(shared_data):
    frame = read_frame(shared_data / "real_raw" / "canon_550d_colorchart.dng")
    level = estimate_noise(dataclasses.replace(frame, noise_profile=None))
    assert all(1.4e-4 < s < 1.8e-4 for s, _ in level.pairs)
    assert not level.warnings


def test_noise_that_planes_share_is_noise_none_the_less(shared_data):
    """Of a camera that compresses its planes together. Against the fine detail of its even sky."""
    frame = read_frame(shared_data / "real_raw" / "gopro_fusion_iso100.dng")
    estimate = estimate_noise(dataclasses.replace(frame, noise_profile=None))
    planes, colours = linear_planes(frame).astype(np.float64), plane_colours(frame)
    kernel = np.outer([1, -2, 1], [1, -2, 1]) / 6
    for left in (864, 1024, 1184):
        for colour, plane in zip(colours, planes[:, 544:608, left : left + 64], strict=True):
            s, o = estimate.pairs[colour]
            variance = convolve(plane, kernel)[1:-1, 1:-1].var()
            assert 0.7 < (s * plane.mean() + o) / variance < 1.4


@pytest.mark.parametrize(("shot", "read"), [(1e-3, 1e-6), (1e-4, 1e-3), (1e-2, 1e-8), (2e-4, 0.0)])
def test_arrays_are_stabilised_as_tensors_are(shot, read):
    stabiliser = Stabiliser((shot,) * 3, (read,) * 3)
    planes = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0)) * 1.05 - 0.02
    flat = stabiliser.forward(planes)
    torch.testing.assert_close(torch.from_numpy(stabiliser.forward_array(planes.numpy())), flat)
    found = torch.from_numpy(stabiliser.inverse_array(flat.numpy()))
    torch.testing.assert_close(found, stabiliser.inverse(flat), rtol=1e-5, atol=1e-6)


def test_what_is_no_number_stays_none():
    planes = np.array([[[0.1, np.nan], [np.inf, -np.inf]]], np.float32)
    found = Stabiliser((1e-3,), (1e-6,)).inverse_array(planes)
    assert np.isfinite(found).tolist() == [[[True, False], [False, False]]]


@pytest.mark.parametrize(
    ("black", "white", "dn"), [(512, 16383, 1.0), (512, 13584, 1.0), (0, 15871, 1.0), (128, 4095.75, 0.25)]
)
def test_a_profile_means_the_same_electrons_whatever_white_a_file_states(black, white, dn):
    """``dn``: DN of the file for one of the profile, which has a gain of 4 DN/e- and a read noise of 5 DN."""
    noise = iso_noise(iso=800, gain=4.0, shot=(4 / 15871,) * 3, read=((5 / 15871) ** 2,) * 3)
    frame = Frame(
        mosaic=np.zeros((8, 8), np.uint16),
        cfa=np.array([[1, 0], [2, 1]], np.uint8),
        black=np.full((2, 2), float(black)),
        white=white,
        iso=800,
    )
    for shot, read in find_noise(frame, camera(noise)).pairs:
        assert shot * (white - black) == pytest.approx(4 * dn)
        assert math.sqrt(read) * (white - black) == pytest.approx(5 * dn)


def test_every_iso_is_denoised_by_what_was_measured_there():
    """The second ISO saturates earlier than the first, whose white is that of the profile."""
    bodies = [
        VirtualCamera(dataclasses.replace(SENSORS["mild"], size=(320, 480), iso=iso)) for iso in (6400, 3200)
    ]
    frames = [
        [
            dataclasses.replace(frame, white=white)
            for frame in (body.dark(), body.shoot(dead_leaves((320, 480), seed=1), ratio=20))
        ]
        for body, white in zip(bodies, (13000.0, 16383.0), strict=True)
    ]
    profile = calibrate([dark for dark, _ in frames], [noisy for _, noisy in frames]).profile
    for _, noisy in frames:
        known = profile.isos[noisy.iso]
        for shot, read in find_noise(noisy, profile).pairs:
            assert shot * (noisy.white - 512) == pytest.approx(known.gain, rel=1e-6)
            assert math.sqrt(read) * (noisy.white - 512) == pytest.approx(np.mean(known.read_noise), rel=0.02)


def test_a_profile_of_one_iso_serves_a_file_that_records_none():
    frame = Frame(
        mosaic=np.zeros((8, 8), np.uint16),
        cfa=np.array([[1, 0], [2, 1]], np.uint8),
        black=np.full((2, 2), 512.0),
        white=16383.0,
    )
    found = find_noise(frame, camera(iso_noise(800)))
    assert found.pairs == find_noise(dataclasses.replace(frame, iso=800), camera(iso_noise(800))).pairs
    assert "does not record its ISO" in found.warnings[0]
    with pytest.raises(UsageError, match="not recorded"):
        find_noise(frame, camera(iso_noise(800), iso_noise(1600)))


@pytest.mark.parametrize("strength", [None, 0.0, 1.0])
def test_a_profile_for_a_file_denoised_before_is_remarked(tmp_path: Path, strength: float | None) -> None:
    frame = Frame(
        mosaic=np.full((64, 64), 600, np.uint16),
        cfa=np.array([[1, 0], [2, 1]], np.uint8),
        black=np.full((2, 2), 512.0),
        white=16383.0,
        iso=800,
    )
    write_dng(tmp_path / "a.dng", frame, noise_reduction=strength)
    read = read_frame(tmp_path / "a.dng")
    assert read.noise_reduction == strength
    warnings = " ".join(find_noise(read, camera(iso_noise(800))).warnings)
    assert ("reduced before" in warnings) == (strength == 1)

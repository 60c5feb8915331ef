"""two-shots-fast against the faithful two-shots: nearer to a camera that has hot pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthnoise.evaluation import dark_statistics
from synthnoise.noise import two_shots, two_shots_fast
from synthnoise.noise.dark_synthesis import dark_shading, match_histogram
from synthnoise.noise.two_shots_fast import FastDarkSynthesis, TwoShotsFast, match_by_table
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.dng import write_dng
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.virtual_camera import VirtualCamera

SENSOR = replace(SENSORS["hard"], size=(384, 512))
SCALE = SENSOR.white - SENSOR.black
PLANES = (4, 192, 256)


def rng(*indices: int) -> Rng:
    return Rng(5, torch.tensor(indices or (0,)))


@pytest.fixture(scope="module")
def camera() -> VirtualCamera:
    return VirtualCamera(SENSOR, 3)


@pytest.fixture(scope="module")
def dark_file(tmp_path_factory, camera):
    path = tmp_path_factory.mktemp("dark") / "dark.dng"
    write_dng(path, camera.dark(0))
    return path


def test_matching_by_table_is_matching_by_rank_to_the_width_of_a_bin():
    generator = torch.Generator().manual_seed(1)
    field = torch.randn(200, 300, generator=generator)
    ordered = torch.rand(200 * 300, generator=generator).pow(3).sort().values
    exact, fast = match_histogram(field, ordered), match_by_table(field, ordered)
    # 60000 values: neighbours of the sorted target lie 1/60000 apart in rank, bins hold at most 30 of them.
    assert (exact - fast).abs().max() < 30 / 60_000 * 3 * 2
    constant = match_by_table(torch.zeros(4, 4), torch.arange(16.0))
    assert torch.isfinite(constant).all()


def test_hot_pixels_are_taken_out_and_put_back_where_they_were(camera, dark_file):
    known = TwoShotsFast(two_shots_fast.Options(dark=str(dark_file), gain=1.0)).parameters()
    # Their excess over a neighbour: within the noise of one pixel of what the list of the truth says.
    drawn = known.darks.draw(rng()) * SCALE
    base = known.darks.residual * SCALE
    hot = (base.abs() > 60).nonzero()
    assert len(hot) > 50
    found = drawn[tuple(hot.T)]
    assert np.corrcoef(found, base[tuple(hot.T)])[0, 1] > 0.99
    ordinary = drawn.clone()
    ordinary[tuple(hot.T)] = 0
    assert ordinary.abs().max() < base.abs().max() / 2


def test_planes_are_continued_to_a_fast_size(dark_file):
    residual = torch.randn(1, 131, 211, generator=torch.Generator().manual_seed(3))
    source = FastDarkSynthesis(residual)
    assert source.size == (135, 216)
    assert source.draw(rng()).shape == (1, 135, 216)


def test_darks_are_nearer_to_a_camera_with_hot_pixels_than_those_of_two_shots(camera, dark_file):
    def residual(index: int) -> np.ndarray:
        planes = linear_planes(camera.dark(index))
        return np.stack([plane - dark_shading(plane) for plane in planes]) * np.float32(SCALE)

    real = dark_statistics.measure(np.stack([residual(i) for i in range(1, 4)]))
    distances = {}
    for name, model in (
        ("published", two_shots.TwoShots(two_shots.Options(dark=str(dark_file), gain=1.0))),
        ("fast", TwoShotsFast(two_shots_fast.Options(dark=str(dark_file), gain=1.0))),
    ):
        parameters = model.parameters()
        noise = model.sample(torch.zeros(3, *PLANES), parameters, rng(0, 1, 2)).numpy() * np.float32(SCALE)
        distances[name] = dark_statistics.compare(dark_statistics.measure(noise), real)
    assert distances["fast"].kl < 0.5 * distances["published"].kl
    assert distances["fast"].kl < 0.003
    assert abs(distances["fast"].row_ratio - 1) < 0.5
    assert abs(distances["fast"].variance_ratio - 1) < 0.1


def test_three_rounds_are_the_default():
    assert two_shots_fast.Options().iterations == 3
    assert TwoShotsFast().options.iterations == 3

"""Low-dose CT: projections of a disc, inversion, and the variance law of filtered back-projection."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from synthnoise.errors import UsageError
from synthnoise.noise import low_dose_ct
from synthnoise.noise.low_dose_ct import LowDoseCt
from synthnoise.noise.projections import back_project, back_project_variance, detectors, filter_ramp, project
from synthnoise.rng import Rng

SIZE = 65
RADIUS = 20.0


def rng(*indices: int) -> Rng:
    return Rng(6, torch.tensor(indices or (0,)))


@pytest.fixture(scope="module")
def disc() -> torch.Tensor:
    """A disc of value 1 in the middle, its edge smoothed over sub-pixels, [1, 1, 65, 65]."""
    fine = (torch.arange(SIZE * 8) - (SIZE * 8 - 1) / 2) / 8
    inside = (torch.hypot(fine[:, None], fine[None, :]) < RADIUS).float()
    return torch.nn.functional.avg_pool2d(inside[None, None], 8)


def test_projections_of_a_disc_are_its_chords(disc):
    rows = project(disc, 12)[0, 0]
    reach = torch.arange(detectors((SIZE, SIZE))) - detectors((SIZE, SIZE)) // 2
    chords = 2 * (RADIUS**2 - reach.double() ** 2).clamp(min=0).sqrt()
    inner = reach.abs() < RADIUS - 2
    assert (rows[:, inner] - chords[inner]).abs().max() < 0.02 * 2 * RADIUS
    assert rows.sum(1).numpy() == pytest.approx([math.pi * RADIUS**2] * 12, rel=0.01)


def test_a_point_off_the_middle_is_seen_where_the_line_says():
    image = torch.zeros(1, 1, 41, 31)
    image[0, 0, 20 + 7, 15 - 4] = 1  # x = -4, y = 7
    rows = project(image, 8)[0, 0]
    places = torch.arange(rows.shape[1]) - rows.shape[1] // 2
    seen = (rows * places).sum(1) / rows.sum(1)
    angles = np.pi * np.arange(8) / 8
    assert seen.numpy() == pytest.approx(-4 * np.cos(angles) + 7 * np.sin(angles), abs=0.1)


def test_back_projection_inverts_the_projections(disc):
    found = back_project(filter_ramp(project(disc, 180)), (SIZE, SIZE))[0, 0]
    middle = torch.arange(SIZE) - SIZE // 2
    inside = torch.hypot(middle[:, None].float(), middle[None].float()) < RADIUS - 3
    assert (found[inside] - 1).abs().max() < 0.03
    assert found[inside].mean() == pytest.approx(1, abs=0.005)


def test_even_noise_has_the_variance_of_the_textbook_in_the_middle():
    """σ² = π² σ_p² / (12 n): the squares of the ramp sum to 1/12 (Kak and Slaney, section 5.2)."""
    angles = 30
    even = torch.full((1, 1, angles, detectors((SIZE, SIZE))), 0.5, dtype=torch.float64)
    variance = back_project_variance(even, (SIZE, SIZE))
    # The ramp is cut where the detectors end: its tail holds 1e-3 of the sum.
    expected = math.pi**2 * 0.5 / 12 / angles
    assert float(variance[0, 0, SIZE // 2, SIZE // 2]) == pytest.approx(expected, rel=0.02)


def test_the_variance_stated_is_that_of_the_samples(disc):
    """Behind the disc fewer photons arrive, so noise is stronger in it; every pixel is judged."""
    model = LowDoseCt(low_dose_ct.Options(photons=2e3, angles=24, attenuation=0.05, electronic=5))
    parameters = model.parameters()
    clean = disc[..., ::2, ::2].contiguous().expand(1, 12, -1, -1)
    count = 12 * 20
    noise = torch.cat([model.sample(clean, parameters, rng(i)) - clean for i in range(20)]).flatten(0, 1)
    stated = model.variance(clean, parameters)[0, 0].double().numpy()
    ratio = noise.double().var(0).numpy() / stated
    # 1089 pixels, of which some hundred independent, each known to sqrt(2 / 240) = 9 %.
    assert abs(ratio - 1).max() < 6 * math.sqrt(2 / count)
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    middle = stated.shape[0] // 2
    assert stated[middle, middle] > 1.2 * stated[1, 1]
    # The logarithm is biased by -1/2I at most: 4e-4 of the integrals.
    mean = noise.double().mean(0).numpy() / np.sqrt(stated / count)
    assert abs(mean).max() < 6


def test_noise_falls_with_the_dose():
    clean = torch.zeros(1, 1, 32, 32)
    low, high = (LowDoseCt(low_dose_ct.Options(photons=dose, electronic=0)) for dose in (1e4, 4e4))
    ratio = low.variance(clean, low.parameters()) / high.variance(clean, high.parameters())
    assert ratio.numpy() == pytest.approx(np.full((1, 1, 32, 32), 4.0), rel=1e-4)


def test_noise_is_correlated_between_pixels_as_the_ramp_makes_it():
    """Sums over areas vary less than those of white noise, the more the larger they are."""
    model = LowDoseCt(low_dose_ct.Options(angles=40))
    clean = torch.zeros(1, 20, 48, 48)
    noise = model.sample(clean, model.parameters(), rng())[0, :, 8:40, 8:40]
    small, large = (
        float(torch.nn.functional.avg_pool2d(noise, side).var() / noise.var()) * side**2 for side in (2, 8)
    )
    # The bilinear reading of detectors makes neighbours alike; 20 x 16 areas show a variance to 8 %.
    assert 1 < small < 1.4
    assert large < 0.75


def test_a_sample_depends_on_seed_and_number_alone(disc):
    model = LowDoseCt(low_dose_ct.Options(angles=16))
    batch = model.sample(disc.expand(3, -1, -1, -1), model.parameters(), rng(4, 0, 9))
    assert torch.equal(model.sample(disc, model.parameters(), rng(9))[0], batch[2])


def test_what_cannot_be_simulated_is_refused(disc):
    model = LowDoseCt(low_dose_ct.Options(photons=100, attenuation=0.1))
    with pytest.raises(UsageError, match="fewer than 20"):
        model.sample(disc, model.parameters(), rng())
    with pytest.raises(UsageError, match="whole images"):
        LowDoseCt().sample(disc, LowDoseCt().parameters(), rng().cropped(0, 3))

"""Signal-dependent Gaussian noise has the variance of counted electrons, and a normal law."""

from __future__ import annotations

import pytest
import scipy.stats
import torch
from sampling import assert_distribution, assert_mean, assert_variance

from synthnoise.noise.heteroscedastic import Heteroscedastic
from synthnoise.noise.poisson_gaussian import Options
from synthnoise.rng import Rng

GAIN, SIGMA, SCALE = 1.7, 2.3, 15871.0


@pytest.mark.parametrize("electrons", [0.0, 1.0, 150.0])
def test_the_law_is_normal_with_the_variance_of_shot_and_read_noise(electrons):
    model = Heteroscedastic(Options(gain=GAIN, read_noise=SIGMA, full_scale=SCALE))
    clean = torch.full((1, 4, 300, 300), electrons * GAIN / SCALE)
    noisy = model.sample(clean, model.parameters(), Rng(1, torch.tensor([0]))).double().numpy() * SCALE
    variance = GAIN**2 * electrons + SIGMA**2
    assert_mean(noisy, electrons * GAIN, variance, detects=0.05)
    assert_variance(noisy, variance, detects=0.03)
    law = scipy.stats.norm(electrons * GAIN, variance**0.5)
    assert_distribution(noisy, law.cdf, detects=0.02)
    stated = model.variance(clean, model.parameters())[0, 0, 0, 0].item() * SCALE**2
    assert stated == pytest.approx(variance, rel=1e-5)

"""Speckle against the gamma law, its moments, and the equivalent number of looks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from sampling import assert_correlation, assert_distribution, assert_mean, assert_variance

from synthnoise.noise import speckle
from synthnoise.noise.speckle import Speckle
from synthnoise.rng import Rng


def rng(*indices: int) -> Rng:
    return Rng(2, torch.tensor(indices or (0,)))


@pytest.mark.parametrize("looks", [0.5, 1.0, 3.7, 16.0])
def test_intensity_has_the_gamma_law_and_as_many_looks_as_asked_for(looks):
    model = Speckle(speckle.Options(looks=looks))
    clean = torch.full((1, 3, 500, 500), 0.3)
    values = model.sample(clean, model.parameters(), rng()).double().numpy()
    gamma = scipy.stats.gamma(looks, scale=0.3 / looks)
    assert_distribution(values, gamma.cdf, detects=0.02)
    assert_mean(values, 0.3, gamma.var(), detects=0.05)
    fourth = gamma.var() ** 2 * (3 + float(gamma.stats("k")))
    assert_variance(values, gamma.var(), fourth, detects=0.06)
    # ENL = mean² / variance, what radar engineers measure on even fields.
    enl_error = np.sqrt((fourth / gamma.var() ** 2 - 1 + 4 / looks) / values.size)
    assert values.mean() ** 2 / values.var() == pytest.approx(looks, rel=5 * enl_error)
    assert model.variance(clean, model.parameters())[0, 0, 0, 0] == pytest.approx(gamma.var(), rel=1e-5)


def test_amplitude_of_one_look_is_rayleigh_with_the_mean_kept():
    model = Speckle(speckle.Options(values="amplitude"))
    clean = torch.full((1, 3, 300, 300), 0.5)
    values = model.sample(clean, model.parameters(), rng()).double().numpy()
    rayleigh = scipy.stats.rayleigh(scale=0.5 / np.sqrt(np.pi / 2))
    assert_distribution(values, rayleigh.cdf, detects=0.02)
    assert model.variance(clean, model.parameters())[0, 0, 0, 0] == pytest.approx(rayleigh.var(), rel=1e-5)


def test_dark_pixels_have_none_and_neighbours_are_independent():
    model = Speckle()
    assert not model.sample(torch.zeros(1, 3, 8, 8), model.parameters(), rng()).any()
    values = model.sample(torch.ones(1, 3, 300, 300), model.parameters(), rng()).numpy()
    assert_correlation(values[..., 1:], values[..., :-1], 0, detects=0.05)
    assert_correlation(values[0, 0], values[0, 1], 0, detects=0.05)

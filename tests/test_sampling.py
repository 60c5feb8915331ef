"""The statistical assertions hold for true models, and fail for models that are slightly wrong."""

from __future__ import annotations

import numpy as np
import pytest
from sampling import (
    assert_correlation,
    assert_distribution,
    assert_fraction,
    assert_mean,
    assert_variance,
    poisson_gaussian_fourth_moment,
    poisson_gaussian_variance,
)
from scipy import stats

GAIN, ELECTRONS, READ_NOISE = 0.7, 4.0, 1.3
COUNT = 600_000
VARIANCE = poisson_gaussian_variance(GAIN, ELECTRONS, READ_NOISE)
FOURTH_MOMENT = poisson_gaussian_fourth_moment(GAIN, ELECTRONS, READ_NOISE)


def draw(count: int = COUNT, gain: float = GAIN, read_noise: float = READ_NOISE, seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return gain * generator.poisson(ELECTRONS, count) + generator.normal(0, read_noise, count)


def test_a_true_model_passes_for_many_seeds():
    for seed in range(8):
        sample = draw(seed=seed)
        assert_mean(sample, GAIN * ELECTRONS, VARIANCE, detects=0.01)
        assert_variance(sample, VARIANCE, FOURTH_MOMENT, detects=0.02)


@pytest.mark.parametrize(
    "mutant", [{"gain": GAIN * 1.02}, {"read_noise": READ_NOISE * 1.02}, {"gain": 0}, {"read_noise": 0}]
)
def test_a_wrong_model_fails(mutant):
    with pytest.raises(AssertionError, match="standard errors off"):
        assert_variance(draw(**mutant), VARIANCE, FOURTH_MOMENT)


def test_a_wrong_mean_fails():
    with pytest.raises(AssertionError, match="the mean is"):
        assert_mean(draw() + 0.02 * GAIN * ELECTRONS, GAIN * ELECTRONS, VARIANCE)


@pytest.mark.parametrize(
    "powerless",
    [
        lambda: assert_mean(draw(1000), GAIN * ELECTRONS, VARIANCE, detects=0.02),
        lambda: assert_variance(draw(1000), VARIANCE, FOURTH_MOMENT, detects=0.02),
        lambda: assert_distribution(draw(1000), lambda x: x, detects=0.02),
        lambda: assert_fraction(np.arange(1000) < 10, 0.01),
        lambda: assert_correlation(draw(1000), draw(1000, seed=2), 0.0),
        lambda: assert_variance(draw(), VARIANCE, FOURTH_MOMENT, effective_n=1000),
    ],
)
def test_a_sample_too_small_for_its_promise_fails(powerless):
    with pytest.raises(AssertionError, match="powerless"):
        powerless()


def test_distributions_of_reals_and_of_integers():
    generator = np.random.default_rng(3)
    reals, counts = generator.normal(2, 3, 100_000), generator.poisson(2.5, 100_000)
    assert_distribution(reals, stats.norm(2, 3).cdf)
    assert_distribution(counts, stats.poisson(2.5).cdf, integers=True)
    with pytest.raises(AssertionError, match="Kolmogorov"):
        assert_distribution(reals, stats.norm(2.2, 3).cdf)
    with pytest.raises(AssertionError, match="Kolmogorov"):
        assert_distribution(counts, stats.poisson(2.6).cdf, integers=True)


def test_fractions_and_correlations():
    generator = np.random.default_rng(4)
    assert_fraction(generator.random(100_000) < 0.3, 0.3)
    with pytest.raises(AssertionError, match="the fraction is"):
        assert_fraction(generator.random(100_000) < 0.33, 0.3)
    first = generator.normal(size=100_000)
    second = 0.6 * first + 0.8 * generator.normal(size=100_000)
    assert_correlation(first, second, 0.6)
    with pytest.raises(AssertionError, match="the correlation is"):
        assert_correlation(first, second, 0.65)


def test_samples_that_are_not_finite_fail():
    with pytest.raises(AssertionError, match="not finite"):
        assert_mean([1.0, float("nan")], 1.0, 1.0)

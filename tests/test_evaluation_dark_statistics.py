"""Each statistic of dark frames against a field whose value of it is known, or against SciPy."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sampling import TOLERANCE
from scipy import signal, stats

from synthnoise.evaluation.dark_statistics import LAGS, RADIAL_BINS, compare, distance_errors, measure

Stack = NDArray[np.float32]
SIGMA = 6.0
SHAPE = (4, 2, 96, 120)


def white(seed: int, sigma: float = SIGMA, shape: tuple[int, ...] = SHAPE) -> Stack:
    return np.rint(sigma * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def test_two_samples_of_one_law_are_as_far_apart_as_chance_makes_them() -> None:
    distance = compare(measure(white(0)), measure(white(1)))
    pixels, frames = math.prod(SHAPE) // SHAPE[1], SHAPE[0]
    bins = 60
    assert 0 <= distance.kl < 2 * bins / pixels
    assert distance.ks < stats.kstwobign.isf(1e-6) * math.sqrt(2 / pixels)
    assert abs(distance.variance_ratio - 1) < TOLERANCE * math.sqrt(4 / (2 * pixels))
    assert abs(distance.row_ratio - 1) < TOLERANCE * math.sqrt(4 / (2 * frames * SHAPE[2]))
    assert abs(distance.column_ratio - 1) < TOLERANCE * math.sqrt(4 / (2 * frames * SHAPE[3]))
    assert distance.correlation_error < TOLERANCE * math.sqrt(2 / pixels)
    assert distance.psd_db < 0.5


def test_a_stack_is_no_distance_from_itself() -> None:
    statistics = measure(white(0))
    distance = compare(statistics, statistics)
    assert (distance.kl, distance.ks, distance.psd_db, distance.correlation_error) == (0, 0, 0, 0)
    assert (distance.row_ratio, distance.column_ratio, distance.variance_ratio) == (1, 1, 1)


def test_kl_and_ks_of_two_gaussians_are_the_closed_forms() -> None:
    """KL(N(0, s²) || N(0, t²)) = ln(t/s) + s²/2t² - 1/2; KS is where the densities cross."""
    real, model = measure(white(2)), measure(white(3, sigma=1.2 * SIGMA))
    distance = compare(model, real)
    assert distance.kl == pytest.approx(math.log(1.2) + 0.5 / 1.44 - 0.5, rel=0.06)
    grid = np.linspace(0, 4 * SIGMA, 10_000)
    expected = np.abs(stats.norm.cdf(grid / SIGMA) - stats.norm.cdf(grid / (1.2 * SIGMA))).max()
    assert distance.ks == pytest.approx(expected, abs=0.006)
    assert distance.variance_ratio == pytest.approx(1.44, rel=0.04)
    assert distance.psd_db == pytest.approx(10 * math.log10(1.44), abs=0.1)


def test_kl_stays_finite_where_the_model_has_nothing() -> None:
    narrow, wide = measure(white(4, sigma=1.0)), measure(white(5))
    assert 0 < compare(narrow, wide).kl < 20


def test_kl_of_coarse_codes_against_fine_ones_is_the_logarithm_of_the_step() -> None:
    fine = white(6)
    coarse = 2 * np.rint(np.random.default_rng(7).standard_normal(SHAPE) * SIGMA / 2)
    assert compare(measure(fine), measure(coarse.astype(np.float32))).kl == pytest.approx(
        math.log(2), rel=0.02
    )


def test_a_plane_without_rows_does_not_rule_the_ratio_of_row_variances() -> None:
    """Rows in one plane of the reference, in the other of the model: as strong, so the ratio is 1."""
    rng = np.random.default_rng(80)
    rows = 3 * rng.standard_normal((2, SHAPE[0], SHAPE[2], 1)).astype(np.float32)
    stacks = white(81), white(82)
    for plane, stack in enumerate(stacks):
        stack[:, plane] += rows[plane]
    distance = compare(*(measure(stack) for stack in stacks))
    assert abs(distance.row_ratio - 1) < TOLERANCE * math.sqrt(4 / (SHAPE[0] * SHAPE[2]))


def test_row_and_column_ratios_see_rows_and_columns() -> None:
    rng = np.random.default_rng(8)
    rows = rng.standard_normal((*SHAPE[:3], 1)).astype(np.float32)
    real, banded = measure(white(9)), measure(white(10) + rows)
    expected = 1 + SHAPE[3] / (SIGMA**2 + 1 / 12)
    distance = compare(banded, real)
    spread = expected * math.sqrt(4 / (2 * SHAPE[0] * SHAPE[2]))
    assert abs(distance.row_ratio - expected) < TOLERANCE * spread
    assert abs(distance.column_ratio - 1) < TOLERANCE * math.sqrt(4 / (2 * SHAPE[0] * SHAPE[3]))
    transposed = compare(measure((white(10) + rows).swapaxes(2, 3)), measure(white(9).swapaxes(2, 3)))
    assert transposed.column_ratio == pytest.approx(distance.row_ratio, rel=1e-5)


def test_correlation_between_planes_is_seen() -> None:
    noise = white(11).astype(np.float64)
    mixed = np.stack([noise[:, 0], 0.6 * noise[:, 0] + 0.8 * noise[:, 1]], 1).astype(np.float32)
    error = compare(measure(noise.astype(np.float32)), measure(mixed)).correlation_error
    pixels = math.prod(SHAPE) // SHAPE[1]
    assert abs(error - 0.6) < TOLERANCE * math.sqrt(2 / pixels)


def test_kurtosis_is_that_of_scipy_and_of_the_law() -> None:
    heavy = np.random.default_rng(12).laplace(0, SIGMA, SHAPE).astype(np.float32)
    planes = heavy.swapaxes(0, 1).reshape(SHAPE[1], -1)
    found = measure(heavy).kurtosis
    assert found == pytest.approx(float(np.mean(stats.kurtosis(planes, axis=1))), rel=0.01)
    assert found == pytest.approx(3, abs=0.5)
    assert abs(measure(white(13)).kurtosis) < TOLERANCE * math.sqrt(24 / (planes.size / 2))


def test_frame_correlation_is_the_share_of_the_fixed_pattern() -> None:
    fixed = white(14, shape=(1, *SHAPE[1:]))
    found = measure(fixed + white(15, sigma=2 * SIGMA)).frame_correlation
    assert found == pytest.approx(0.2, abs=TOLERANCE / math.sqrt(math.prod(SHAPE[1:])))
    assert math.isnan(measure(white(16, shape=(1, *SHAPE[1:]))).frame_correlation)


def test_spread_is_5_57_db_for_random_fields_and_nothing_for_random_phases() -> None:
    """The logarithm of an exponential variate has variance π²/6 (Johnson et al. 1995, eq. 22.31)."""
    expected = 10 / math.log(10) * math.pi / math.sqrt(6)
    assert measure(white(17)).spread == pytest.approx(expected, rel=0.03)
    frame = white(18, shape=(1, *SHAPE[1:]))
    shifted = np.concatenate([np.roll(frame, n, (2, 3)) for n in range(3)])  # a shift turns phases alone
    assert measure(shifted).spread < 0.05


def test_the_radial_spectrum_is_the_mean_over_rings_of_the_whole_plane_of_frequencies() -> None:
    stack = signal.lfilter([1, 0.8], [1], white(19), axis=3).astype(np.float32)
    power = np.zeros(SHAPE[2:])
    for n in range(SHAPE[0]):
        plane = stack[n, 0] - stack[n, 0].mean()
        power += np.abs(np.fft.fft2(plane)) ** 2 / plane.size / SHAPE[0]
    radius = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, SHAPE[2:]), indexing="ij"))
    power[0, 0] = np.nan
    edges = np.linspace(0, np.hypot(0.5, 0.5) * (1 + 1e-12), RADIAL_BINS + 1)
    found = measure(stack).spectrum[0]
    for ring in range(RADIAL_BINS):
        inside = (radius >= edges[ring]) & (radius < edges[ring + 1])
        assert found[ring] == pytest.approx(np.nanmean(power[inside]), rel=0.02), ring


def test_correlations_at_lags_are_those_of_the_filter() -> None:
    """Along rows a moving average 1, 0.8: correlation 0.8 / 1.64 at one pixel, 0 at two and across rows."""
    stack = signal.lfilter([1, 0.8], [1], white(20), axis=3).astype(np.float32)
    expected = [0.8 / 1.64 if lag == (0, 1) else 0.0 for lag in LAGS]
    pixels = math.prod(SHAPE) / SHAPE[1]
    found = measure(stack)
    assert np.abs(found.lags - np.array(expected)[:, None]).max() < 2 * TOLERANCE / math.sqrt(pixels)
    distance = compare(found, measure(white(21)))
    assert distance.lag_error == pytest.approx(0.8 / 1.64, abs=2 * TOLERANCE / math.sqrt(2 * pixels))


def test_standard_errors_are_the_scatter_over_samples() -> None:
    """Thirty pairs of stacks of one law: rows and columns shared by pixels, heavy tails, a fixed pattern."""
    shape, trials = (3, 2, 48, 56), 30
    fixed = 2 * np.random.default_rng(0).standard_normal(shape[1:])

    def stack(seed: int) -> Stack:
        rng = np.random.default_rng(100 + seed)
        rows = rng.standard_normal((shape[0], 1, shape[2], 1))
        return (rng.laplace(0, 3, shape) + rows + fixed).astype(np.float32)

    found, stated = [], []
    for trial in range(trials):
        ours, theirs = measure(stack(2 * trial)), measure(stack(2 * trial + 1))
        found.append((*dataclasses.astuple(compare(ours, theirs)), ours.kurtosis, ours.frame_correlation))
        stated.append((*dataclasses.astuple(distance_errors(ours, theirs)), *ours.errors()[:2]))
    scatter, mean = np.std(found, axis=0, ddof=1), np.sqrt(np.mean(np.square(stated), axis=0))
    # The scatter of thirty is known to 13 %. Where a distance is an absolute value near its least, the
    # jackknife overstates; it must not understate by half anywhere.
    assert (mean > 0.6 * scatter).all(), mean / scatter
    ratios, others = (3, 4, 5), (8, 9)  # smooth statistics: rows, columns, variance; kurtosis, frames
    for at in (*ratios, *others):
        assert 0.65 < mean[at] / scatter[at] < 1.6, (at, mean[at] / scatter[at])
    spreads = [measure(stack(n)) for n in range(12)]
    scatter_of_spread = np.std([s.spread for s in spreads], ddof=1)
    assert np.mean([s.errors()[2] for s in spreads]) == pytest.approx(scatter_of_spread, rel=0.8)

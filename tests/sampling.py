"""Assertions on random samples whose tolerance is the sampling error, and which refuse to be powerless.

Each takes the true value from the model, allows five standard errors (one false alarm in 1.7 million
independent tests), and names in ``detects`` the error it promises to notice. An error of that size must
lie ten standard errors out; where the sample is too small for that, the assertion fails and says how
large it ought to be. A test that cannot fail is thereby itself a failure.

Samples are taken as independent. Where they are not (row noise, overlapping windows), pass
``effective_n``, the number of independent values they are worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOLERANCE = 5.0
"""Standard errors that chance is allowed."""

POWER = 10.0
"""Standard errors at which the error to be detected must lie."""

KOLMOGOROV_QUANTILE = math.sqrt(math.log(2 / 5.7e-7) / 2)
"""Largest distance of CDFs, times sqrt(n), at the false alarm rate of ``TOLERANCE`` (Dvoretzky, Kiefer,
Wolfowitz 1956 with the constant of Massart 1990: holds for any n and for discrete laws)."""


def poisson_gaussian_variance(gain: float, electrons: float, read_noise: float) -> float:
    """Return the variance in DN^2 of K·Poisson(electrons) + N(0, read_noise^2), read noise in DN."""
    return gain**2 * electrons + read_noise**2


def poisson_gaussian_fourth_moment(gain: float, electrons: float, read_noise: float) -> float:
    """Return the fourth central moment in DN^4: 3 V^2 + K^4·electrons."""
    return 3 * poisson_gaussian_variance(gain, electrons, read_noise) ** 2 + gain**4 * electrons


def assert_mean(
    sample: ArrayLike,
    expected: float,
    variance: float,
    *,
    detects: float = 0.02,
    effective_n: float | None = None,
) -> None:
    """Fail unless the mean is ``expected`` within sampling error; ``variance`` is that of one value.

    ``detects`` is a fraction of ``expected`` or, where that is zero, of the standard deviation.
    """
    values = _flat(sample)
    n = effective_n or values.size
    unit = abs(expected) or math.sqrt(variance)
    _judge("mean", float(values.mean()), expected, math.sqrt(variance / n), detects * unit, n)


def assert_variance(
    sample: ArrayLike,
    expected: float,
    fourth_moment: float | None = None,
    *,
    detects: float = 0.02,
    effective_n: float | None = None,
) -> None:
    """Fail unless the variance about the sample mean is ``expected`` within sampling error.

    ``fourth_moment`` is the central one of the model; left out, that of a normal law, 3·expected^2.
    ``detects`` is a fraction of ``expected``.
    """
    values = _flat(sample)
    n = effective_n or values.size
    fourth = 3 * expected**2 if fourth_moment is None else fourth_moment
    error = math.sqrt((fourth - expected**2) / n)
    _judge("variance", float(values.var(ddof=1)), expected, error, detects * expected, n)


def assert_fraction(sample: ArrayLike, expected: float, *, detects: float = 0.1) -> None:
    """Fail unless the share of true values is ``expected`` within sampling error (binomial)."""
    values = _flat(sample)
    error = math.sqrt(expected * (1 - expected) / values.size)
    _judge("fraction", float(values.mean()), expected, error, detects * expected, values.size)


def assert_correlation(
    first: ArrayLike,
    second: ArrayLike,
    expected: float,
    *,
    detects: float = 0.05,
    effective_n: float | None = None,
) -> None:
    """Fail unless Pearson's correlation is ``expected`` within sampling error (bivariate normal law).

    ``detects`` is absolute: the difference in correlation to be noticed.
    """
    a, b = _flat(first), _flat(second)
    n = effective_n or a.size
    measured = float(np.corrcoef(a, b)[0, 1])
    _judge("correlation", measured, expected, (1 - expected**2) / math.sqrt(n), detects, n)


def assert_distribution(
    sample: ArrayLike,
    cdf: Callable[[NDArray[np.float64]], ArrayLike],
    *,
    detects: float = 0.02,
    integers: bool = False,
    effective_n: float | None = None,
) -> None:
    """Fail unless the sample follows ``cdf``, P(X <= x), by the Kolmogorov-Smirnov distance.

    ``detects`` is the distance of CDFs to be noticed. ``integers`` says that the law lives on the
    integers; then the CDFs are compared there only.
    """
    values = np.sort(_flat(sample))
    n = effective_n or values.size
    if integers:
        points = np.arange(values[0] - 1, values[-1] + 2)
        empirical = np.searchsorted(values, points, side="right") / values.size
        distance = float(np.abs(empirical - np.asarray(cdf(points))).max())
    else:
        theory, ranks = np.asarray(cdf(values)), np.arange(values.size + 1) / values.size
        distance = float(max(np.abs(ranks[1:] - theory).max(), np.abs(ranks[:-1] - theory).max()))
    limit = KOLMOGOROV_QUANTILE / math.sqrt(n)
    needed = math.ceil((2 * KOLMOGOROV_QUANTILE / detects) ** 2)
    assert 2 * limit <= detects, (
        f"powerless: {n:g} values cannot show a distance of {detects:g}; take {needed}"
    )
    assert distance <= limit, (
        f"the distribution is {distance:.5f} off (Kolmogorov-Smirnov), limit {limit:.5f}"
    )


def _flat(sample: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(sample, dtype=np.float64).ravel()
    assert values.size > 1, "a sample needs at least two values"
    assert np.isfinite(values).all(), "the sample holds values that are not finite"
    return values


def _judge(what: str, measured: float, expected: float, error: float, smallest: float, n: float) -> None:
    """Fail if an error of ``smallest`` could go unnoticed, or ``measured`` is off by more than chance."""
    needed = math.ceil(n * (POWER * error / smallest) ** 2)
    assert POWER * error <= smallest, (
        f"powerless: {n:g} values show the {what} to {error:.3g}, so an error of {smallest:.3g} could pass;"
        f" take {needed}"
    )
    distance = abs(measured - expected) / error
    assert distance <= TOLERANCE, (
        f"the {what} is {measured:.6g}, not {expected:.6g}: {distance:.1f} standard errors off"
    )

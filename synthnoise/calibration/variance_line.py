"""Variance against level, V = K x + q x^2 with q >= 0: the line through the origin and its uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthnoise.calibration.detail import DetailTable

CORRELATED = 2 * 1.944**2
"""Variance of a mean of n neighbouring squared details of white noise, times n, over their mean squared.

2 for the squares, and per axis the sum 1.944 of the squared autocorrelation (1, 2/3, 1/6) of the filter."""

SQUARE_SCALE = 1e-4
"""Scale of q before looking: pixels that differ by 1 %, with a tail for texture (Student t, 2 degrees)."""

MINIMUM_PLACES = 1000
"""Places, all bins together, below which no line is drawn."""


@dataclass(frozen=True)
class Posterior:
    """What is known of a line once q >= 0 is imposed.

    ``gain`` and ``square`` are means, ``deviation`` the standard deviation of K, ``low`` and ``high`` its
    95 % interval.
    """

    gain: float
    deviation: float
    low: float
    high: float
    square: float


@dataclass(frozen=True)
class VarianceLine:
    """Unconstrained K and q, and the bins behind them.

    Attributes
    ----------
    gain, square
        K in DN per electron, and q.
    covariance
        float64 [2, 2] of (K, q), by leaving out one tile of the frame at a time.
    level
        float64 [n] DN above black per bin.
    weight
        [n] inverse variance of the ordinate.
    dark
        [n] detail variance of the dark in DN^2.
    places
        Number of places in all bins.
    """

    gain: float
    square: float
    covariance: NDArray[np.float64]
    level: NDArray[np.float64]
    weight: NDArray[np.float64]
    dark: NDArray[np.float64]
    places: int

    def posterior(self) -> Posterior:
        """Return K with q >= 0 imposed and integrated out."""
        q_variance = max(self.covariance[1, 1], 1e-24)
        q_error = math.sqrt(q_variance)
        top = max(self.square, 0.0) + 6 * q_error
        knee = min(top, 20 * SQUARE_SCALE)
        q = np.unique(np.concatenate([np.linspace(0, knee, 400), np.linspace(knee, top, 200)]))
        log = -0.5 * ((q - self.square) / q_error) ** 2 - 1.5 * np.log1p(0.5 * (q / SQUARE_SCALE) ** 2)
        p = np.exp(log - log.max()) * np.gradient(q)
        p /= p.sum()
        slope = self.covariance[0, 1] / q_variance
        error = math.sqrt(max(self.covariance[0, 0] - slope * self.covariance[0, 1], 1e-24))
        centres = self.gain + slope * (q - self.square)
        mean = float(p @ centres)
        return Posterior(
            gain=mean,
            deviation=math.sqrt(error**2 + float(p @ (centres - mean) ** 2)),
            low=_mixture_quantile(0.025, p, centres, error),
            high=_mixture_quantile(0.975, p, centres, error),
            square=float(p @ q),
        )


def _mixture_quantile(
    level: float, p: NDArray[np.float64], centres: NDArray[np.float64], error: float
) -> float:
    """Return a quantile of a mixture of normal laws of one standard deviation, by bisection."""
    low, high = float(centres.min()) - 9 * error, float(centres.max()) + 9 * error
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if p @ ndtr((middle - centres) / error) < level else (low, middle)
    return (low + high) / 2


def fit_line(table: DetailTable, gain: float, darks: int) -> VarianceLine | None:
    """Fit the line to a table [T, P, L] from ``darks`` dark frames; None where there is too little of it.

    ``gain`` is where the weights start from.
    """
    sums = np.stack([table.count, table.level, table.noisy, table.dark]).reshape(4, len(table.count), -1)
    total = sums.sum(1)
    kept = total[0] > 200
    if kept.sum() < 3 or total[0, kept].sum() < MINIMUM_PLACES:
        return None
    sums, total = sums[..., kept], total[:, kept]
    level, dark = total[1] / total[0], total[3] / total[0]
    square = 0.0
    for _ in range(6):
        variance = dark + gain * np.maximum(level, 0) + square * level**2
        weight = total[0] / (CORRELATED * (variance**2 + dark**2 / darks))
        solved = _solve(total, weight)
        gain, square = max(solved[0], 1e-9), max(solved[1], 0.0)
    left_out = _solve(total[:, None] - sums, weight)
    spread = left_out - left_out.mean(0)
    tiles = int((sums[0].sum(-1) > 0).sum())
    return VarianceLine(
        gain=float(solved[0]),
        square=float(solved[1]),
        covariance=(tiles - 1) / tiles * spread.T @ spread,
        level=level,
        weight=weight,
        dark=dark,
        places=int(total[0].sum()),
    )


def _solve(sums: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted least-squares (K, q) [..., 2] of sums [4, ..., bins]."""
    count = np.maximum(sums[0], 1)
    w = weight * (sums[0] > 20)
    x, y = sums[1] / count, (sums[2] - sums[3]) / count
    a, b = (w * x**2).sum(-1), (w * x**3).sum(-1)
    c = (w * x**4).sum(-1) + (100 * SQUARE_SCALE) ** -2
    d, e = (w * x * y).sum(-1), (w * x**2 * y).sum(-1)
    solved: NDArray[np.float64] = np.stack([c * d - b * e, a * e - b * d], -1) / (a * c - b**2)[..., None]
    return solved

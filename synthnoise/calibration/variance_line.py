"""Variance above that of the dark against level, K x + q x^2 with q >= 0, and its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthnoise.calibration.detail_table import DetailTable

CORRELATED = 2 * 1.944**2
"""Variance of a mean of n neighbouring squared details of white noise, times n, over their mean squared.

2 for the squares, and per axis the sum 1.944 of the squared autocorrelation (1, 2/3, 1/6) of the filter."""

SQUARE_SCALE = 1e-4
"""Scale of q before looking: pixels that differ by 1 %, with a tail for texture (Student t, 2 degrees)."""

RIDGE = (0.0, (100 * SQUARE_SCALE) ** -2)
"""Precision of K and q about 0 before looking."""

FINENESS = 2.6
"""Texture in fine detail over what the planes share of it in coarse detail: median of photographs of the
BSDS500 training set (:mod:`synthnoise.calibration.texture`)."""

SHARED_NOISE = 1 / 6
"""Variance that noise gives to the shared detail of four planes, over that of squared detail."""

FILLED = 200
"""Places below which a bin is left out."""

MINIMUM_PLACES = 1000
"""Places, all bins together, below which no line is drawn."""


@dataclass(frozen=True)
class Posterior:
    """What is known of a line once q >= 0 is imposed: K as a mixture of normal laws, one for each q.

    Attributes
    ----------
    gain, deviation
        Mean and standard deviation of K.
    square
        Mean of q.
    share, centres, error
        [n] probability of each q, and mean and standard deviation of K there.
    """

    gain: float
    deviation: float
    square: float
    share: NDArray[np.float64]
    centres: NDArray[np.float64]
    error: NDArray[np.float64]

    def quantile(self, level: float) -> float:
        """Return the K below which it lies with probability ``level``, by bisection."""
        low = float((self.centres - 9 * self.error).min())
        high = float((self.centres + 9 * self.error).max())
        for _ in range(30):
            middle = (low + high) / 2
            below = self.share @ ndtr((middle - self.centres) / self.error) < level
            low, high = (middle, high) if below else (low, middle)
        return (low + high) / 2


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
    plane, above
        [n] index of the plane, and variance in DN^2 above that of the dark, per bin.
    excess, excess_se
        DN^2 by which the noise at black in the picture exceeds that of the dark, and its standard error;
        0 where the line was made to go through the origin.
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
    plane: NDArray[np.int64]
    above: NDArray[np.float64]
    excess: float = 0.0
    excess_se: float = 0.0

    def posterior(self) -> Posterior:
        """Return K with q >= 0 imposed and integrated out."""
        return posterior_of([(1.0, np.array([self.gain, self.square]), self.covariance)])


def posterior_of(
    guesses: Sequence[tuple[float, NDArray[np.float64], NDArray[np.float64]]], *, steps: int = 200
) -> Posterior:
    """Return K with q >= 0 imposed and integrated out, of guesses each with its probability.

    A guess is its probability while q is free, and mean [2] and covariance [2, 2] of (K, q) then. q is
    taken in ``3 * steps`` steps.
    """
    shares, centres, errors, squares = (list[NDArray[np.float64]]() for _ in range(4))
    for probability, (gain, square), covariance in guesses:
        q_variance = max(covariance[1, 1], 1e-24)
        q_error = math.sqrt(q_variance)
        top = max(square, 0.0) + 6 * q_error
        knee = min(top, 20 * SQUARE_SCALE)
        q = np.unique(np.concatenate([np.linspace(0, knee, 2 * steps), np.linspace(knee, top, steps)]))
        log = -0.5 * ((q - square) / q_error) ** 2 - 1.5 * np.log1p(0.5 * (q / SQUARE_SCALE) ** 2)
        slope = covariance[0, 1] / q_variance
        error = math.sqrt(max(covariance[0, 0] - slope * covariance[0, 1], 1e-24))
        shares.append(probability / q_error * np.exp(log) * np.gradient(q))
        centres.append(gain + slope * (q - square))
        errors.append(np.full(len(q), error))
        squares.append(q)
    p, k, e, q = (np.concatenate(parts) for parts in (shares, centres, errors, squares))
    p /= p.sum()
    mean = float(p @ k)
    deviation = math.sqrt(float(p @ (e**2 + (k - mean) ** 2)))
    return Posterior(gain=mean, deviation=deviation, square=float(p @ q), share=p, centres=k, error=e)


def filled_bins(table: DetailTable) -> NDArray[np.bool_]:
    """Return which of the planes' bins [P L] of a table [T, P, L] hold enough places to count."""
    filled: NDArray[np.bool_] = table.count.sum(0).ravel() > FILLED
    return filled


def fit_line(
    table: DetailTable, gain: float, darks: int, *, floor: bool = False, fineness: float = FINENESS
) -> VarianceLine | None:
    """Fit the line to a table [T, P, L] from ``darks`` dark frames; None where there is too little of it.

    ``gain`` is where the weights start from. With ``floor`` the line need not go through the origin: what
    stood for the dark may have had another noise than the picture has at black. ``fineness`` times what the
    planes share of coarse detail is taken for texture and subtracted.
    """
    excess = table.noisy - table.dark - fineness * table.shared
    sums = np.stack([table.count, table.level, excess, table.dark]).reshape(4, len(table.count), -1)
    total = sums.sum(1)
    kept = filled_bins(table)
    if kept.sum() < 3 or total[0, kept].sum() < MINIMUM_PLACES:
        return None
    sums, total = sums[..., kept], total[:, kept]
    level, dark = total[1] / total[0], total[3] / total[0]
    square, surplus = 0.0, 0.0
    ridge = np.array([*RIDGE, dark.mean() ** -2])[: 2 + floor]
    for _ in range(6):
        variance = np.maximum(dark + surplus, dark / 10) + gain * np.maximum(level, 0) + square * level**2
        shared = (1 + SHARED_NOISE * fineness**2) * variance**2
        weight = total[0] / (CORRELATED * (shared + dark**2 / darks))
        solved = _solve(total, weight, ridge)
        gain, square = max(solved[0], 1e-9), max(solved[1], 0.0)
        surplus = float(solved[2]) if floor else 0.0
    left_out = _solve(total[:, None] - sums, weight, ridge)
    spread = left_out - left_out.mean(0)
    tiles = int((sums[0].sum(-1) > 0).sum())
    covariance = (tiles - 1) / tiles * spread.T @ spread
    return VarianceLine(
        gain=float(solved[0]),
        square=float(solved[1]),
        covariance=covariance[:2, :2],
        excess=surplus,
        excess_se=math.sqrt(covariance[2, 2]) if floor else 0.0,
        level=level,
        weight=weight,
        dark=dark,
        places=int(total[0].sum()),
        plane=np.flatnonzero(kept) // table.count.shape[2],
        above=total[2] / total[0],
    )


def _solve(
    sums: NDArray[np.float64], weight: NDArray[np.float64], ridge: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weighted least-squares (K, q[, excess]) [..., p] of sums [4, ..., bins].

    ``ridge`` [p] is the precision of each parameter about 0 before looking.
    """
    count = np.maximum(sums[0], 1)
    w = weight * (sums[0] > 20)
    x, y = sums[1] / count, sums[2] / count
    columns = np.stack([x, x**2, np.ones_like(x)][: len(ridge)], -2)
    weighted = columns * w[..., None, :]
    normal = weighted @ columns.swapaxes(-1, -2)
    right = (weighted @ y[..., None])[..., 0]
    solved: NDArray[np.float64] = np.linalg.solve(normal + np.diag(ridge), right[..., None])[..., 0]
    return solved

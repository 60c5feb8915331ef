"""Statistics of one CFA plane of darks once shading, mean and outliers are out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Plane = NDArray[np.float32]

BANDS = 32
"""Bands of rows whose scatter gives the standard error of the variance."""

PROBITS = np.linspace(-4.5, 4.5, 257)
"""Standard normal quantiles at whose probabilities the marginal is kept."""

PLENTY = 4_000_000
"""Pixels that quantiles and correlation are taken from; all of a smaller plane."""


def robust_deviation(plane: Plane) -> np.float32:
    """Return half the width of the middle 68 %, at least what rounding leaves of a noise within one code."""
    low, high = np.quantile(plane[::2, ::2], (0.1587, 0.8413))
    return np.float32(max((high - low) / 2, 0.3))


def variance_of(residuals: Sequence[Plane]) -> tuple[float, float]:
    """Return the mean square of residuals, and its standard error from bands of rows."""
    return _mean_of_bands(np.mean([_row_squares(residual) for residual in residuals], axis=0))


def _row_squares(residual: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean square of each row, [H]."""
    squares = np.einsum("ij,ij->i", residual, residual).astype(np.float64)
    means: NDArray[np.float64] = squares / residual.shape[1]
    return means


class Split(NamedTuple):
    """Variance in DN^2 that stays from frame to frame and that changes, with their standard errors.

    NaN where a single frame cannot tell.
    """

    fixed: float
    fixed_se: float
    temporal: float
    temporal_se: float


def split_variance(residuals: Sequence[Plane]) -> Split:
    """Return what frames of mean zero share and what they do not: Var(mean) = fixed + temporal / n."""
    n = len(residuals)
    if n < 2:
        return Split(math.nan, math.nan, math.nan, math.nan)
    of_mean = _row_squares(np.mean(residuals, axis=0, dtype=np.float32))
    single = np.mean([_row_squares(residual) for residual in residuals], axis=0)
    return Split(
        *_mean_of_bands((n * of_mean - single) / (n - 1)), *_mean_of_bands((single - of_mean) * n / (n - 1))
    )


def mean_error(residuals: Sequence[Plane]) -> float:
    """Return the standard error of the mean over frames and pixels, from the scatter of rows and columns."""
    lines = [np.mean([residual.mean(axis) for residual in residuals], axis=0) for axis in (0, 1)]
    return math.hypot(*(float(np.std(means, ddof=1)) / math.sqrt(len(means)) for means in lines))


def _mean_of_bands(rows: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of values per row [H], and its standard error from bands of neighbouring rows."""
    bands = [band.mean() for band in np.array_split(rows, min(BANDS, len(rows)))]
    return float(rows.mean()), float(np.std(bands, ddof=1)) / math.sqrt(len(bands))


def neighbours_and_marginal(residual: Plane) -> tuple[tuple[float, float], NDArray[np.float32]]:
    """Return correlations of horizontal and vertical neighbours, and quantiles; rows and columns out."""
    height = PLENTY // residual.shape[1] // BANDS
    starts = range(0, len(residual), -(-len(residual) // BANDS))
    parts = [residual] if residual.size <= PLENTY else [residual[start : start + height] for start in starts]
    flat = [_unlined(part) for part in parts]
    bound = 5 * robust_deviation(np.concatenate(flat))
    clipped = [np.clip(part, -bound, bound) for part in flat]
    power = _mean_product([(part, part) for part in clipped]) or 1.0
    across = _mean_product([(part[:, 1:], part[:, :-1]) for part in clipped]) / power
    down = _mean_product([(part[1:], part[:-1]) for part in clipped]) / power
    return (across, down), _quantiles(np.concatenate(flat, axis=None))


def _mean_product(pairs: Sequence[tuple[Plane, Plane]]) -> float:
    products = [(a * b).mean(dtype=np.float64) for a, b in pairs]
    return float(np.mean(products))


def _unlined(residual: Plane) -> Plane:
    """Return a residual without the means of its rows and columns."""
    rowless: Plane = residual - residual.mean(1, keepdims=True)
    rowless -= rowless.mean(0)
    return rowless


def _quantiles(values: NDArray[np.float32]) -> NDArray[np.float32]:
    values.sort()
    place = np.clip(ndtr(PROBITS) * values.size - 0.5, 0, values.size - 1)
    lower = np.minimum(place.astype(np.int64), values.size - 2)
    share = (place - lower).astype(np.float32)
    return np.asarray(values[lower] * (1 - share) + values[lower + 1] * share, dtype=np.float32)


def histograms(residuals: Sequence[Plane]) -> NDArray[np.float64]:
    """Return counts per whole DN [2, m] of the first two residuals, or of the halves of the only one."""
    pair = residuals[:2] if len(residuals) > 1 else np.array_split(residuals[0], 2)
    low = min(int(np.rint(sample.min())) for sample in pair)
    high = max(int(np.rint(sample.max())) for sample in pair)
    counts = [
        np.bincount((np.rint(sample) - low).astype(np.int32).ravel(), minlength=high - low + 1)
        for sample in pair
    ]
    return np.stack(counts).astype(np.float64)

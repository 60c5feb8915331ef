"""Statistics of one CFA plane of darks once shading, mean and outliers are out."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    squares = np.mean([_row_squares(residual) for residual in residuals], axis=0)
    bands = [band.mean() for band in np.array_split(squares, min(BANDS, len(squares)))]
    return float(squares.mean()), float(np.std(bands, ddof=1)) / math.sqrt(len(bands))


def _row_squares(residual: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean square of each row, [H]."""
    squares = np.einsum("ij,ij->i", residual, residual).astype(np.float64)
    means: NDArray[np.float64] = squares / residual.shape[1]
    return means


def fixed_variance(samples: Sequence[NDArray[np.float32]]) -> float:
    """Return the variance that all samples share: Var(mean) = fixed + temporal / n, solved for it.

    Samples have mean zero. NaN for a single one.
    """
    n = len(samples)
    if n < 2:
        return math.nan
    flat = [np.atleast_2d(sample) for sample in samples]
    of_mean = float(_row_squares(np.mean(flat, axis=0, dtype=np.float32)).mean())
    single = float(np.mean([_row_squares(sample).mean() for sample in flat]))
    return (n * of_mean - single) / (n - 1)


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

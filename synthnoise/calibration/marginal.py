"""The law of a pixel's noise, from values that were rounded to codes after an offset was added.

A residual says that the noise lay within half a code step of it. Expectation maximisation finds the law
that makes the residuals most likely (B. Turnbull, "The empirical distribution function with arbitrarily
grouped, censored and truncated data", J. R. Stat. Soc. B 38, 1976); Gaussian noise that is known to be in
the residuals but not wanted is taken out the same way (Richardson 1972, Lucy 1974).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LSQUnivariateSpline
from scipy.ndimage import convolve1d
from scipy.special import ndtr

from synthnoise.noise.spectral_design import Z_GRID, standardised

Array = NDArray[np.float64]

ITERATIONS = 60
CELLS_PER_STEP = 16
CELLS_PER_DEVIATION = 24
REACH = 10.0
"""Standard deviations that the law is followed to, as far as the residuals reach."""

TAIL_VALUES = 60
"""Residuals in either tail beyond which the law is continued exponentially."""

SMOOTHED = 3.0
"""Standard deviations up to which quantiles are smoothed."""

AGREEMENT = 2.0
"""Mean squared difference, in squared sampling errors, up to which two laws count as one."""

NOT_NORMAL = 6.0
"""Standard errors of the kurtosis from which lines are taken for not normal."""


class ResidualHistogram:
    """Counts of residuals on a fine grid.

    Parameters
    ----------
    step
        DN between codes.
    deviation
        Rough standard deviation of the residuals, DN.
    """

    def __init__(self, step: float, deviation: float) -> None:
        self.step = step
        self.width = max(step / CELLS_PER_STEP, deviation / CELLS_PER_DEVIATION)
        self.half = math.ceil(REACH * deviation / self.width) + math.ceil(step / self.width)
        self.counts = np.zeros(2 * self.half + 1)

    def add(self, residuals: NDArray[np.float32]) -> None:
        """Count residuals; those out of reach are left out."""
        cells = np.rint(residuals.ravel() * np.float32(1 / self.width)).astype(np.int32)
        cells += self.half
        inside = cells[(cells >= 0) & (cells < self.counts.size)]
        self.counts += np.bincount(inside, minlength=self.counts.size)

    @property
    def values(self) -> Array:
        """DN at the centres of the cells."""
        return np.asarray((np.arange(self.counts.size) - self.half) * self.width)

    @property
    def variance(self) -> float:
        """DN^2, about the mean."""
        share = self.counts / self.counts.sum()
        mean = float(share @ self.values)
        return float(share @ (self.values - mean) ** 2) - self.width**2 / 12

    def quantiles(self, variance: float, blur: float = 0.0) -> NDArray[np.float32]:
        """Return quantiles float32 [193] in DN of the noise at ``Z_GRID``, of mean 0.

        Parameters
        ----------
        variance
            DN^2 that the noise is known to have; the law is stretched to it.
        blur
            Standard deviation in DN of further Gaussian noise in the residuals.
        """
        density = self._density(variance, blur)
        edges = np.concatenate([self.values - self.width / 2, [self.values[-1] + self.width / 2]])
        lower = np.concatenate([[0], np.cumsum(density)])
        n, tail = float(self.counts.sum()), min(TAIL_VALUES / self.counts.sum(), 0.01)
        middle = np.interp(ndtr(Z_GRID), lower, edges)
        low_start, high_start = np.interp((tail, 1 - tail), lower, edges)
        values = self.values
        excess_low = _mean_excess(low_start - values, density, floor=math.sqrt(variance) / 8)
        excess_high = _mean_excess(values - high_start, density, floor=math.sqrt(variance) / 8)
        below, above = ndtr(Z_GRID), ndtr(-Z_GRID)
        table = np.where(
            below < tail, low_start + excess_low * np.log(np.maximum(below, 1e-300) / tail), middle
        )
        table = np.where(
            above < tail, high_start - excess_high * np.log(np.maximum(above, 1e-300) / tail), table
        )
        bound = REACH * math.sqrt(variance)
        table = np.maximum.accumulate(np.clip(table, -bound, bound))
        weight = np.exp(-0.5 * Z_GRID**2)
        table -= table @ weight / weight.sum()
        if n > 0:
            found, _ = standardised(table[None])
            table *= math.sqrt(variance / max(float(found[0]), 1e-12))
        return table.astype(np.float32)

    def _density(self, variance: float, blur: float) -> Array:
        """Return the probability of each cell."""
        values, deviation = self.values, math.sqrt(variance)
        start = np.exp(-0.5 * (values / deviation) ** 2) + 0.02 * np.exp(-np.abs(values) / deviation)
        density: Array = start / start.sum()
        kernel = _kernel(self.step, blur, self.width)
        if kernel.size == 1:
            return np.asarray(self.counts / self.counts.sum())
        share = self.counts / self.counts.sum()
        for _ in range(ITERATIONS):
            likely = convolve1d(density, kernel, mode="constant")
            ratio = np.divide(share, likely, out=np.zeros_like(share), where=likely > 0)
            density = density * convolve1d(ratio, kernel, mode="constant")
            density /= float(density.sum())
        return density


def _kernel(step: float, blur: float, width: float) -> Array:
    """Return the law of rounding and blur on cells, of odd length and sum 1."""
    fine = 8
    half = math.ceil((step / 2 + 5 * blur) / width)
    offsets = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    x = offsets * width
    law = ndtr((x + step / 2) / blur) - ndtr((x - step / 2) / blur) if blur > 0 else np.abs(x) < step / 2
    cells = np.asarray(law, dtype=np.float64).reshape(-1, fine).sum(1)
    kernel: Array = cells / cells.sum()
    return kernel if step + blur > width else np.ones(1)


def _mean_excess(beyond: Array, density: Array, floor: float) -> float:
    """Return the mean of what lies beyond a threshold, at least ``floor``."""
    outside = beyond > 0
    weight = float(density[outside].sum())
    return max(float((density * beyond)[outside].sum()) / weight, floor) if weight > 0 else floor


def settled(tables: NDArray[np.float32], counts: Sequence[float]) -> NDArray[np.float32]:
    """Return quantiles [C, 193] with as much of their sampling error taken out as the data allow.

    Planes whose laws differ by no more than chance but for their scale share one; a law that a cubic spline
    on ten knots follows within chance is replaced by it where it holds many values.
    """
    deviations = np.sqrt(standardised(tables.astype(np.float64))[0])
    shapes = tables / deviations[:, None]
    weights = np.asarray(counts, dtype=np.float64)
    shared = np.average(shapes, axis=0, weights=weights)
    apart = [_misfit(shape - shared, shared, count) for shape, count in zip(shapes, weights, strict=True)]
    if max(apart) < AGREEMENT:
        shapes, weights = np.broadcast_to(shared, shapes.shape), np.full(len(shapes), weights.sum())
    smooth = np.stack([_smoothed(shape, count) for shape, count in zip(shapes, weights, strict=True)])
    found = np.sqrt(standardised(smooth)[0])
    return np.asarray(smooth * (deviations / found)[:, None], dtype=np.float32)


def _errors(shape: Array, count: float) -> Array:
    """Return the sampling error of the quantiles of ``count`` values at ``Z_GRID``."""
    slope = np.maximum(np.gradient(shape, Z_GRID), 1e-3)
    density = np.exp(-0.5 * Z_GRID**2) / math.sqrt(2 * math.pi)
    return np.asarray(slope * np.sqrt(ndtr(Z_GRID) * ndtr(-Z_GRID) / count) / density)


def _misfit(difference: Array, shape: Array, count: float) -> float:
    """Return the mean square of a difference of quantiles in units of their sampling error."""
    middle = np.abs(Z_GRID) <= SMOOTHED
    return float(np.mean((difference / _errors(shape, count))[middle] ** 2))


def _smoothed(shape: Array, count: float) -> Array:
    """Return quantiles that follow a spline up to ``SMOOTHED``, unless that changes them too much."""
    middle = np.abs(Z_GRID) <= SMOOTHED + 0.5
    knots = np.linspace(-SMOOTHED, SMOOTHED, 10)[1:-1]
    spline = LSQUnivariateSpline(Z_GRID[middle], shape[middle], knots, 1 / _errors(shape, count)[middle])
    # Towards the tails the spline gives way to the values themselves.
    share = np.clip((SMOOTHED + 0.5 - np.abs(Z_GRID)) / 0.5, 0, 1)
    smooth = shape.astype(np.float64).copy()
    smooth[middle] += share[middle] * (spline(Z_GRID[middle]) - shape[middle])
    monotone = bool((np.diff(smooth) >= 0).all())
    return smooth if monotone and _misfit(smooth - shape, shape, count) < AGREEMENT else shape


def line_quantiles(means: Sequence[NDArray[np.float64]]) -> NDArray[np.float32] | None:
    """Return quantiles float32 [193] of unit variance of the means of lines, or None if they are normal.

    ``means`` [K, n] of each frame; channels are pooled, each in units of its own deviation.
    """
    centred = [channels - channels.mean(1, keepdims=True) for channels in means]
    values = np.concatenate([(c / np.maximum(c.std(1, keepdims=True), 1e-12)).ravel() for c in centred])
    lines = sum(channels.shape[1] for channels in means)
    if float(np.mean(values**4)) - 3 < NOT_NORMAL * math.sqrt(24 / lines):
        return None
    histogram = ResidualHistogram(0.01, 1.0)
    histogram.add(values.astype(np.float32))
    return histogram.quantiles(1.0)

"""What a stack of dark frames looks like in numbers, how far two stacks are apart, and how sure that is."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.evaluation.dark_sums import LAGS, RADIAL_BINS, Array, DarkSums, jackknife, sum_blocks

__all__ = ["LAGS", "RADIAL_BINS", "DarkDistance", "DarkStatistics", "compare", "distance_errors", "measure"]

POOLED_TAIL = 20
"""Pixels that the outermost histogram bin of the reference must hold; what lies beyond joins it."""

_CODES_PER_SIGMA = 16
_UNSEEN = 0.5
"""Count given to a bin that the model never fills: it keeps the divergence finite, and honest within 1/n."""


@dataclass(frozen=True, kw_only=True)
class DarkStatistics:
    """Statistics of a stack of N dark frames with C planes, in DN after dark shading is taken out.

    Attributes
    ----------
    origin
        DN of the first bin of ``histogram``.
    histogram
        [C, n], pixels per whole DN, about the mean of their frame where noise is above 3 DN.
    spectrum
        [C, 40] mean periodogram in DN^2 over rings of spatial frequency up to the corner; NaN for
        a ring that no frequency falls into.
    variance, row_variance, column_variance
        [C] DN^2 of the pixels, of the row means and of the column means.
    correlation
        [C, C] of the pixels of the planes.
    lags
        [5, C] correlation of pixels of a plane at the distances ``LAGS``.
    kurtosis
        Excess kurtosis, mean over planes: 0 for a Gaussian.
    frame_correlation
        Mean correlation of two frames, the mark of a fixed pattern; NaN for a single frame.
    spread
        Standard deviation in dB over frames of the log-periodogram, root mean square over
        frequencies: 5.57 for a random field, 0 where only the phase changes; NaN for a single frame.
    total, blocks
        The sums that all of this was made from, whole and block by block.
    """

    origin: int
    histogram: Array
    spectrum: Array
    variance: Array
    row_variance: Array
    column_variance: Array
    correlation: Array
    lags: Array
    kurtosis: float
    frame_correlation: float
    spread: float
    total: DarkSums
    blocks: tuple[DarkSums, ...]

    def errors(self) -> tuple[float, float, float]:
        """Return the standard errors of kurtosis, frame correlation and spread."""

        def values(sums: DarkSums) -> tuple[float, float, float]:
            statistics = _statistics(self.origin, sums, ())
            return statistics.kurtosis, statistics.frame_correlation, statistics.spread

        kurtosis, frames, spread = jackknife(values, self.total, self.blocks).tolist()
        return kurtosis, frames, spread


@dataclass(frozen=True, kw_only=True)
class DarkDistance:
    """How far a stack is from a reference stack.

    Attributes
    ----------
    kl
        Kullback-Leibler divergence of the reference from the stack in nats, whole-DN bins with pooled tails.
    ks
        Kolmogorov-Smirnov distance of the distributions.
    psd_db
        Mean absolute ratio of the radial spectra, dB.
    row_ratio, column_ratio, variance_ratio
        Variance of row means, column means and pixels, mean over planes, over that of the reference; 1 is
        right. (A mean of ratios would be ruled by a plane that has hardly any.)
    correlation_error
        Largest absolute error of the correlation between planes.
    lag_error
        Largest absolute error of the mean over planes of the correlation at a lag.
    """

    kl: float
    ks: float
    psd_db: float
    row_ratio: float
    column_ratio: float
    variance_ratio: float
    correlation_error: float
    lag_error: float


def measure(stack: NDArray[np.float32]) -> DarkStatistics:
    """Return the statistics of a stack float32 [N, C, H, W], DN."""
    origin, blocks = sum_blocks(stack)
    return _statistics(origin, sum(blocks[1:], blocks[0]), blocks)


def compare(stack: DarkStatistics, reference: DarkStatistics) -> DarkDistance:
    """Return how far a stack is from a reference with the same planes and size."""
    kl, ks = _divergences(stack, reference)
    return DarkDistance(
        kl=kl,
        ks=ks,
        psd_db=float(np.nanmean(np.abs(10 * np.log10(stack.spectrum / reference.spectrum)))),
        row_ratio=float(stack.row_variance.sum() / reference.row_variance.sum()),
        column_ratio=float(stack.column_variance.sum() / reference.column_variance.sum()),
        variance_ratio=float(stack.variance.sum() / reference.variance.sum()),
        correlation_error=float(np.abs(stack.correlation - reference.correlation).max()),
        lag_error=float(np.abs((stack.lags - reference.lags).mean(1)).max()),
    )


def distance_errors(stack: DarkStatistics, reference: DarkStatistics) -> DarkDistance:
    """Return the standard error of each distance: that which comes of the stack and of the reference."""

    def moved(own: DarkStatistics, *, swapped: bool) -> Array:
        def values(sums: DarkSums) -> tuple[float, ...]:
            part = _statistics(own.origin, sums, ())
            distance = compare(reference=part, stack=stack) if swapped else compare(part, reference)
            return dataclasses.astuple(distance)

        return jackknife(values, own.total, own.blocks)

    errors = np.hypot(moved(stack, swapped=False), moved(reference, swapped=True))
    names = (field.name for field in dataclasses.fields(DarkDistance))
    return DarkDistance(**dict(zip(names, errors.tolist(), strict=True)))


def _statistics(origin: int, sums: DarkSums, blocks: tuple[DarkSums, ...]) -> DarkStatistics:
    variance = sums.second / sums.pixels
    deviations = np.sqrt(np.maximum(variance, 1e-300))
    lagged = sums.lagged / sums.lagged_pixels[:, None]
    own, following, product = sums.apart
    seen = bool(own.all() and following.all())
    apart = float(np.mean(product / np.sqrt(own * following))) if seen else math.nan
    with np.errstate(invalid="ignore"):
        spectrum = sums.power / np.where(sums.frequencies > 0, sums.frequencies, np.nan)
    return DarkStatistics(
        origin=origin,
        histogram=sums.histogram,
        spectrum=spectrum,
        variance=variance,
        row_variance=sums.row_squares / sums.rows,
        column_variance=sums.column_squares / sums.columns,
        correlation=sums.cross / sums.pixels / np.outer(deviations, deviations),
        lags=lagged / np.maximum(variance, 1e-300),
        kurtosis=float(np.mean(sums.fourth / sums.pixels / np.maximum(variance, 1e-300) ** 2)) - 3,
        frame_correlation=apart,
        spread=float(np.sqrt(np.maximum(sums.scatter[0], 0) / sums.scatter[1])),
        total=sums,
        blocks=blocks,
    )


def _divergences(stack: DarkStatistics, reference: DarkStatistics) -> tuple[float, float]:
    """Return the KL and KS distances, means over planes."""
    first = min(stack.origin, reference.origin)
    last = max(s.origin + s.histogram.shape[1] for s in (stack, reference))
    model, real = (
        np.pad(s.histogram, ((0, 0), (s.origin - first, last - s.origin - s.histogram.shape[1])))
        for s in (stack, reference)
    )
    kl, ks = [], []
    for c, (q, p) in enumerate(zip(model, real, strict=True)):
        distances = np.abs(np.cumsum(q) / q.sum() - np.cumsum(p) / p.sum())
        ks.append(float(distances.max()))
        # Bins much finer than the noise only add the sampling error of their counts.
        kl.append(_kl(q, p, max(1, round(float(np.sqrt(reference.variance[c])) / _CODES_PER_SIGMA))))
    return float(np.mean(kl)), float(np.mean(ks))


def _kl(model: Array, real: Array, width: int) -> float:
    """Return KL(real || model) in nats of two histograms on the same bins, ``width`` of them joined."""
    starts = np.arange(0, real.size, width)
    q, p = np.add.reduceat(model, starts), np.add.reduceat(real, starts)
    below, above = np.cumsum(p), np.cumsum(p[::-1])[::-1]
    low = int(np.argmax(below >= POOLED_TAIL))
    high = p.size - 1 - int(np.argmax(above[::-1] >= POOLED_TAIL))
    if low >= high:  # all of the reference in one bin: nothing to tell apart
        return 0.0
    p, q = (np.concatenate([[x[: low + 1].sum()], x[low + 1 : high], [x[high:].sum()]]) for x in (p, q))
    share, model_share = p / p.sum(), np.maximum(q, _UNSEEN) / max(q.sum(), 1)
    seen = p > 0
    return float(np.sum(share[seen] * np.log(share[seen] / model_share[seen])))

"""What a stack of dark frames looks like in numbers, and how far two stacks are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

RADIAL_BINS = 40
POOLED_TAIL = 20
"""Pixels that the outermost histogram bin of the reference must hold; what lies beyond joins it."""

_CODES_PER_SIGMA = 16
_UNSEEN = 0.5
"""Count given to a bin that the model never fills: it keeps the divergence finite, and honest within 1/n."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DarkStatistics:
    """Statistics of a stack of N dark frames with C planes, in DN after dark shading is taken out.

    Attributes
    ----------
    origin
        DN of the first bin of ``histogram``.
    histogram
        int64 [C, n], pixels per whole DN.
    spectrum
        [C, 40] mean periodogram in DN^2 over rings of spatial frequency up to the corner; NaN for
        a ring that no frequency falls into.
    variance, row_variance, column_variance
        [C] DN^2 of the pixels, of the row means and of the column means.
    correlation
        [C, C] of the pixels of the planes.
    kurtosis
        Excess kurtosis, mean over planes: 0 for a Gaussian.
    frame_correlation
        Mean correlation of two frames, the mark of a fixed pattern; NaN for a single frame.
    spread
        Standard deviation in dB over frames of the log-periodogram, root mean square over
        frequencies: 5.57 for a random field, 0 where only the phase changes; NaN for a single frame.
    """

    origin: int
    histogram: NDArray[np.int64]
    spectrum: Array
    variance: Array
    row_variance: Array
    column_variance: Array
    correlation: Array
    kurtosis: float
    frame_correlation: float
    spread: float


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
        Variance of row means, column means and pixels over that of the reference; 1 is right.
    correlation_error
        Largest absolute error of the correlation between planes.
    """

    kl: float
    ks: float
    psd_db: float
    row_ratio: float
    column_ratio: float
    variance_ratio: float
    correlation_error: float


def measure(stack: NDArray[np.float32]) -> DarkStatistics:
    """Return the statistics of a stack float32 [N, C, H, W], DN."""
    planes = stack.shape[1]
    centred = stack - stack.mean((2, 3), keepdims=True)
    variance = centred.var((0, 2, 3), dtype=np.float64)
    fourth = np.array([np.mean(centred[:, c].astype(np.float64) ** 4) for c in range(planes)])
    origin, histogram = _histogram(stack)
    spectrum, spread = _spectra(centred)
    return DarkStatistics(
        origin=origin,
        histogram=histogram,
        spectrum=spectrum,
        variance=variance,
        row_variance=centred.mean(3).var((0, 2), dtype=np.float64),
        column_variance=centred.mean(2).var((0, 2), dtype=np.float64),
        correlation=np.atleast_2d(np.corrcoef(centred.swapaxes(0, 1).reshape(planes, -1))),
        kurtosis=float(np.mean(fourth / variance**2)) - 3,
        frame_correlation=_frame_correlation(centred),
        spread=spread,
    )


def compare(stack: DarkStatistics, reference: DarkStatistics) -> DarkDistance:
    """Return how far a stack is from a reference with the same planes and size."""
    kl, ks = _divergences(stack, reference)
    return DarkDistance(
        kl=kl,
        ks=ks,
        psd_db=float(np.nanmean(np.abs(10 * np.log10(stack.spectrum / reference.spectrum)))),
        row_ratio=float(np.mean(stack.row_variance / reference.row_variance)),
        column_ratio=float(np.mean(stack.column_variance / reference.column_variance)),
        variance_ratio=float(np.mean(stack.variance / reference.variance)),
        correlation_error=float(np.abs(stack.correlation - reference.correlation).max()),
    )


def _histogram(stack: NDArray[np.float32]) -> tuple[int, NDArray[np.int64]]:
    codes = np.rint(stack).astype(np.int32)
    origin = int(codes.min())
    length = int(codes.max()) - origin + 1
    counts = [np.bincount((codes[:, c] - origin).ravel(), minlength=length) for c in range(stack.shape[1])]
    return origin, np.array(counts, dtype=np.int64)


def _spectra(centred: NDArray[np.float32]) -> tuple[Array, float]:
    """Return the radial spectra [C, 40], and the spread of the log-periodogram in dB."""
    frames, planes, height, width = centred.shape
    radius = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None])
    ring = np.minimum((radius * RADIAL_BINS / np.hypot(0.5, 0.5)).astype(np.intp), RADIAL_BINS - 1)
    # The half spectrum holds every frequency twice but those of its first (and, if even, last) column.
    weight = np.full(ring.shape, 2.0)
    weight[:, 0] = 1
    if width % 2 == 0:
        weight[:, -1] = 1
    weight[0, 0] = 0
    members = np.bincount(ring.ravel(), weight.ravel(), RADIAL_BINS)
    spectrum = np.zeros((planes, RADIAL_BINS))
    spreads = []
    for c in range(planes):
        total, total_square = np.zeros(ring.shape), np.zeros(ring.shape)
        for n in range(frames):
            power = np.abs(fft.rfft2(centred[n, c])).astype(np.float64) ** 2 / (height * width)
            spectrum[c] += np.bincount(ring.ravel(), (weight * power).ravel(), RADIAL_BINS) / frames
            power[0, 0] = 1  # zero after centring
            decibels = 10 * np.log10(np.maximum(power, np.finfo(np.float64).tiny))
            total += decibels
            total_square += decibels**2
        if frames > 1:
            spreads.append(float(np.sum(total_square - total**2 / frames) / (frames - 1) / (ring.size - 1)))
    with np.errstate(invalid="ignore"):
        return spectrum / members, float(np.sqrt(np.mean(spreads))) if spreads else float("nan")


def _frame_correlation(centred: NDArray[np.float32]) -> float:
    """Return the mean correlation over planes and pairs of neighbouring frames."""
    frames, planes = centred.shape[:2]
    values = [
        np.corrcoef(centred[n, c].ravel(), centred[n + 1, c].ravel())[0, 1]
        for n in range(frames - 1)
        for c in range(planes)
    ]
    return float(np.mean(values)) if values else float("nan")


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


def _kl(model: NDArray[np.int64], real: NDArray[np.int64], width: int) -> float:
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

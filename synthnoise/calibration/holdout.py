"""What part of the dark frames was held back says of the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.dark import DarkNoise, PlaneNoise
from synthnoise.calibration.line_noise import LineNoise

SIGNIFICANT = 3.0
"""Standard errors that line noise must reach before its halves are compared."""

POOLED = 20
"""Pixels that a bin of the held-back histogram must hold; beyond the last such bins, tails are pooled."""


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """How one half of the evidence predicts the other: 0 and 1 are perfect.

    Attributes
    ----------
    against
        ``"a second dark"`` or ``"the other half"``.
    kl
        Kullback-Leibler divergence in nats of the held-back histogram from the other, mean over planes.
    variance, rows, columns
        Ratios of variance per pixel, of row means and of column means; NaN where there is none to compare.
    """

    against: str
    kl: float
    variance: float
    rows: float
    columns: float


def hold_out(dark: DarkNoise) -> HoldOut:
    """Return how the first dark predicts the second, or one half of a single dark the other."""
    return HoldOut(
        against="a second dark" if dark.frames > 1 else "the other half",
        kl=float(np.mean([_divergence(*plane.histograms) for plane in dark.planes])),
        variance=float(np.mean([_variance_ratio(plane) for plane in dark.planes])),
        rows=_ratio(dark.rows_apart, dark.rows),
        columns=_ratio(dark.columns_apart, dark.columns),
    )


def _ratio(apart: tuple[float, float], lines: LineNoise) -> float:
    """Return the ratio of variances, where there is noise enough to compare."""
    if min(apart) <= 0 or lines.deviation < SIGNIFICANT * lines.deviation_se:
        return math.nan
    return (apart[0] / apart[1]) ** 2


def _variance_ratio(plane: PlaneNoise) -> float:
    bins = np.arange(plane.histograms.shape[1])
    first, second = (np.cov(bins, fweights=counts.astype(np.int64)) for counts in plane.histograms)
    return float(first / second)


def _divergence(model: NDArray[np.float64], held_back: NDArray[np.float64]) -> float:
    """Return the divergence of a histogram from a model's; a bin that the model leaves empty counts 1/2."""
    filled = np.flatnonzero(held_back >= POOLED)
    first, last = (filled[0], filled[-1]) if filled.size else (0, len(held_back) - 1)
    p, q = (_pool(counts, int(first), int(last)) for counts in (held_back, model))
    p, q = p / p.sum(), np.maximum(q, 0.5) / q.sum()
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / q[seen])).sum())


def _pool(counts: NDArray[np.float64], first: int, last: int) -> NDArray[np.float64]:
    pooled = counts[first : last + 1].copy()
    pooled[0] += counts[:first].sum()
    pooled[-1] += counts[last + 1 :].sum()
    return pooled

"""What the integer codes of a dark frame betray: steps, gaps, clipping at black, saturation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLIPPED_SHARE = 0.05
"""Share of pixels at the lowest code above which black is clipped, if the codes above it reach far."""


@dataclass(frozen=True, kw_only=True)
class CodeStatistics:
    """What the codes of one CFA plane of a dark say.

    Attributes
    ----------
    step
        DN between neighbouring codes.
    gaps
        Share of the codes within two standard deviations of the mean that never occur.
    lowest_share
        Share of pixels at the lowest code.
    clipped
        Whether the lower half of the noise is cut off.
    saturated
        Share of pixels at white or above.
    """

    step: float
    gaps: float
    lowest_share: float
    clipped: bool
    saturated: float


def code_statistics(plane: NDArray[np.generic], white: float) -> CodeStatistics:
    """Return the statistics of the codes of a plane [H, W], uint16 or whole numbers as float32."""
    codes, counts = _histogram(plane)
    step = float(math.gcd(*(int(d) for d in np.diff(codes)))) if len(codes) > 1 else 1.0
    total = counts.sum()
    cumulated = np.cumsum(counts) / total
    median, high = (float(codes[np.searchsorted(cumulated, p)]) for p in (0.5, 0.999))
    lowest = float(counts[0] / total)
    mean = float((codes * counts).sum() / total)
    deviation = math.sqrt(float(((codes - mean) ** 2 * counts).sum() / total))
    inside = np.abs(codes - mean) <= 2 * deviation
    possible = max(math.floor(4 * deviation / step), 1)
    return CodeStatistics(
        step=step,
        gaps=max(0.0, 1 - (inside.sum() + 1) / possible) if possible >= 8 else 0.0,
        lowest_share=lowest,
        clipped=lowest > CLIPPED_SHARE and high - median > 2 * (median - float(codes[0])) + 2 * step,
        saturated=float(counts[codes >= white].sum() / total),
    )


def _histogram(plane: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the codes that occur and how often, both float64."""
    if np.issubdtype(plane.dtype, np.unsignedinteger):
        counts = np.bincount(plane.ravel())
        codes = np.flatnonzero(counts)
        return codes.astype(np.float64), counts[codes].astype(np.float64)
    values, counts = np.unique(np.rint(plane), return_counts=True)
    return values.astype(np.float64), counts.astype(np.float64)

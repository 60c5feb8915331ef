"""The single-image gain estimator of 2-Shots in the Dark (arXiv 2512.03245), as its public code does it.

Here for comparison only (benchmarks/gain.py). It conditions 3x3 patches on their own mean, which costs a
factor 8/9; it keeps textured patches, clips at zero, and bins by the noisy mean, which flattens the line.
Use :func:`synthnoise.calibration.gain.estimate_gain`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from synthnoise.errors import InputError
from synthnoise.raw.cfa import pack
from synthnoise.raw.frame import Frame

SHADING_SIGMA = 50.0
"""Standard deviation in packed pixels of the blur that takes the dark for its shading."""

MINIMUM_VALUES = 32
DARKEST_SHARE = 0.95
MOST_SLOPES = 4_000_000


def published_gain(noisy: Frame, dark: Frame) -> float:
    """Return the gain in DN per electron from one noisy frame, less the shading of one dark.

    Every 3x3 patch of every plane goes to the bin of its mean, rounded to a DN; per bin the variance of
    all pixels of its patches; through the darkest 95 % of them a Theil-Sen line, whose slope it is.

    Raises
    ------
    InputError
        Sizes differ, or the frame has fewer than two bins.
    """
    if noisy.mosaic.shape != dark.mosaic.shape:
        raise InputError(f"{dark.path or 'the dark frame'}: its size differs from that of the noisy frame")
    light = pack(noisy.mosaic, noisy.cfa.shape).astype(np.float32)
    shading = pack(dark.mosaic, dark.cfa.shape).astype(np.float32)
    shading = gaussian_filter(shading, (0, SHADING_SIGMA, SHADING_SIGMA), mode="reflect", truncate=3.0)
    signal = np.clip(light - shading, 0, noisy.white - float(noisy.black.max())).astype(np.float64)
    mean, variance, count = _bins(signal)
    kept = count >= MINIMUM_VALUES
    mean, variance, count = mean[kept], variance[kept], count[kept]
    darkest = np.cumsum(count) <= DARKEST_SHARE * count.sum()
    if darkest.sum() < 2:
        raise InputError(f"{noisy.path or 'the noisy frame'}: too few brightness levels for a line")
    return _theil_sen(mean[darkest], variance[darkest])


def _bins(
    signal: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return bin, variance and number of pixels for the patches of [C, H, W], by rounded patch mean."""
    total, squares = _patch_sums(signal), _patch_sums(signal**2)
    index = np.rint(total / 9).astype(np.int64).ravel()
    patches = np.bincount(index).astype(np.float64)
    values = np.maximum(9 * patches, 1)
    mean = np.bincount(index, total.ravel()) / values
    variance = np.bincount(index, squares.ravel()) / values - mean**2
    return np.arange(patches.size, dtype=np.float64), variance, 9 * patches


def _patch_sums(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = planes[:, :-2] + planes[:, 1:-1] + planes[:, 2:]
    sums: NDArray[np.float64] = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    return sums


def _theil_sen(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the median slope over pairs of points; beyond a memory limit over evenly spread pairs."""
    n = len(x)
    stride = max(1, n * (n - 1) // 2 // MOST_SLOPES)
    first = np.arange(0, n - 1, stride)
    slopes = [(y[i + 1 :] - y[i]) / (x[i + 1 :] - x[i]) for i in first]
    return float(np.median(np.concatenate(slopes)))

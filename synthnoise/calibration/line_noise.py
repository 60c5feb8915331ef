"""Noise that all pixels of a row or of a column share, without the part that chance gives to a mean.

The mean of n white pixels varies by sigma / sqrt(n) without any row noise. Instead of subtracting an
assumed floor, each line is averaged twice, over alternate blocks of its pixels: the two means share the
noise of the line and nothing else, so their covariance is its variance, and their cross-spectrum its
spectrum. Short-range correlation along the line does no harm either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import csd

BLOCK = 16
"""Packed pixels per block; longer than noise correlates along a line."""

SEGMENT = 256
"""Lines per segment of Welch's method."""

GROUPS = 32
"""Groups of consecutive lines that the standard error is taken from."""


@dataclass(frozen=True, kw_only=True)
class LineNoise:
    """Noise of the lines of a sensor in one direction.

    Attributes
    ----------
    deviation, deviation_se
        Standard deviation in DN and its standard error.
    spectrum
        float32 [n] DN^2 from frequency 0 to half a cycle per line; the mean over the full circle is the
        variance.
    """

    deviation: float
    deviation_se: float
    spectrum: NDArray[np.float32]


def half_means(residual: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the two means of each row of a plane [H, W], over even and over odd blocks: [2, H]."""
    odd = (np.arange(residual.shape[1]) // BLOCK) % 2 == 1
    if odd.all() or not odd.any():
        odd = np.arange(residual.shape[1]) % 2 == 1
    weights = np.stack([~odd / (~odd).sum(), odd / odd.sum()]).astype(np.float32)
    return (weights @ residual.T).astype(np.float64)


def interleave(means: Sequence[Sequence[NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Return the lines of the sensor in order, [2, h H], from half means [2, H] by phase and plane.

    Planes of one phase lie on the same lines of the sensor, and share their noise.
    """
    phases = [np.mean(planes, axis=0) for planes in means]
    return np.stack(phases, axis=-1).reshape(2, -1)


def fixed_lines(frames: Sequence[NDArray[np.float64]]) -> LineNoise | None:
    """Return the noise of lines that all frames share, from half means [2, n]; None of a single frame.

    One half of a frame is paired with the other half of another, so that what two halves of one frame
    share in time is left out, and what its pixels keep leaks into neither.
    """
    pairs = [
        np.stack([one[0], other[1]])
        for i, one in enumerate(frames)
        for j, other in enumerate(frames)
        if i != j
    ]
    return line_noise(pairs) if pairs else None


def line_noise(frames: Sequence[NDArray[np.float64]]) -> LineNoise:
    """Return the noise of lines from half means [2, n], one array per frame."""
    centred = [frame - frame.mean(1, keepdims=True) for frame in frames]
    products = np.mean([a * b for a, b in centred], axis=0)
    variance = float(products.mean())
    groups = [group.mean() for group in np.array_split(products, min(GROUPS, len(products)))]
    error = float(np.std(groups, ddof=1)) / math.sqrt(len(groups)) if len(groups) > 1 else abs(variance)
    deviation = math.sqrt(max(variance, 0.0))
    # Near zero the square root blows errors up; there its error is the root of that of the variance.
    spread = error / (2 * deviation) if variance > error else math.sqrt(error)
    return LineNoise(deviation=deviation, deviation_se=spread, spectrum=_spectrum(centred))


def _spectrum(frames: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    length = min(SEGMENT, 1 << (frames[0].shape[1].bit_length() - 1))
    both = [csd(a, b, nperseg=length, return_onesided=False, detrend=False)[1].real for a, b in frames]
    power: NDArray[np.float64] = np.mean(both, axis=0)[: length // 2 + 1]
    return np.maximum(power, 0).astype(np.float32)

"""Compiled loops of patch DCT shrinkage."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

EDGE = 8
"""Patch edge in pixels."""

FAINTEST = np.float32(0.01)
"""Added to all evidence, so that no quotient overflows."""

Array = NDArray[np.float32]


def _cosines() -> Array:
    frequency, place = np.arange(EDGE)[:, None], np.arange(EDGE)[None, :]
    rows = np.cos((2 * place + 1) * frequency * np.pi / (2 * EDGE)) * np.sqrt(2 / EDGE)
    rows[0] = np.sqrt(1 / EDGE)
    return np.ascontiguousarray(rows, dtype=np.float32)


COSINES: Array = _cosines()
"""Orthonormal DCT-II, [frequency, place]."""
INVERSE_COSINES: Array = np.ascontiguousarray(COSINES.T)

_REACH = np.minimum(np.minimum(np.arange(EDGE), EDGE - 1 - np.arange(EDGE)), 1) + 2
NEIGHBOUR_SHARE: Array = (1 / np.outer(_REACH, _REACH)).astype(np.float32)
"""One over the number of frequencies, the frequency itself included, within one step of each."""

fast = partial(compiled, fastmath=True)


@fast
def _sandwich(left: Array, block: Array, right: Array, work: Array, out: Array) -> None:
    """Store ``left @ block @ right``, all 8 x 8, in ``out``."""
    for i in range(EDGE):
        for k in range(EDGE):
            work[i, k] = left[i, 0] * block[0, k]
        for j in range(1, EDGE):
            factor = left[i, j]
            for k in range(EDGE):
                work[i, k] += factor * block[j, k]
    for i in range(EDGE):
        for k in range(EDGE):
            out[i, k] = work[i, 0] * right[0, k]
        for j in range(1, EDGE):
            factor = work[i, j]
            for k in range(EDGE):
                out[i, k] += factor * right[j, k]


@fast
def _neighbourhood(energy: Array, work: Array, out: Array) -> None:
    """Store the sum of the (up to) 3 x 3 frequencies around each frequency in ``out``."""
    for i in range(EDGE):
        work[i, 0] = energy[i, 0] + energy[i, 1]
        for k in range(1, EDGE - 1):
            work[i, k] = energy[i, k - 1] + energy[i, k] + energy[i, k + 1]
        work[i, EDGE - 1] = energy[i, EDGE - 2] + energy[i, EDGE - 1]
    for k in range(EDGE):
        out[0, k] = work[0, k] + work[1, k]
        out[EDGE - 1, k] = work[EDGE - 2, k] + work[EDGE - 1, k]
    for i in range(1, EDGE - 1):
        for k in range(EDGE):
            out[i, k] = work[i - 1, k] + work[i, k] + work[i + 1, k]


@fast
def shrink_patches(
    planes: Array,
    stride: int,
    thresholds: Array,
    shares: Array,
    neighbour_share: Array,
    cosines: Array,
    inverse_cosines: Array,
    total: Array,
    weights: Array,
) -> None:
    """Add every shrunken patch, times its weight, to ``total`` and its weight to ``weights``.

    Parameters
    ----------
    planes
        float32 [C, H, W] of decorrelated planes with white noise of standard deviation 1.
    stride
        Pixels between patches; the first lies at (0, 0).
    thresholds
        float32 [C, 8, 8]: evidence (mean energy, in units of the noise) at which a
        coefficient is halved.
    shares
        float32 [C, C]: how much the energy of each other plane, at the same frequency, adds to the
        evidence for a plane's coefficient.
    neighbour_share, cosines, inverse_cosines
        The module's constants: compiled loops take no global arrays without freezing them.
    """
    channels, height, width = planes.shape
    coefficients = np.empty((channels, EDGE, EDGE), np.float32)
    energy = np.empty((channels, EDGE, EDGE), np.float32)
    around = np.empty((EDGE, EDGE), np.float32)
    block = np.empty((EDGE, EDGE), np.float32)
    work = np.empty((EDGE, EDGE), np.float32)
    one = np.float32(1)
    for top in range(0, height - EDGE + 1, stride):
        for left in range(0, width - EDGE + 1, stride):
            for c in range(channels):
                for i in range(EDGE):
                    for k in range(EDGE):
                        block[i, k] = planes[c, top + i, left + k]
                _sandwich(cosines, block, inverse_cosines, work, coefficients[c])
                for i in range(EDGE):
                    for k in range(EDGE):
                        energy[c, i, k] = coefficients[c, i, k] * coefficients[c, i, k]
                energy[c, 0, 0] = 0
            kept = np.float32(0)
            for c in range(channels):
                _neighbourhood(energy[c], work, around)
                mean = coefficients[c, 0, 0]
                for i in range(EDGE):
                    for k in range(EDGE):
                        evidence = neighbour_share[i, k] * around[i, k] + FAINTEST
                        for d in range(channels):
                            evidence += shares[c, d] * energy[d, i, k]
                        doubt = thresholds[c, i, k] / evidence
                        doubt *= doubt
                        gain = one / (one + doubt * doubt)
                        coefficients[c, i, k] *= gain
                        kept += gain * gain
                coefficients[c, 0, 0] = mean
            weight = one / (kept + channels)
            for c in range(channels):
                _sandwich(inverse_cosines, coefficients[c], cosines, work, block)
                for i in range(EDGE):
                    for k in range(EDGE):
                        total[c, top + i, left + k] += weight * block[i, k]
            for i in range(EDGE):
                for k in range(EDGE):
                    weights[top + i, left + k] += weight

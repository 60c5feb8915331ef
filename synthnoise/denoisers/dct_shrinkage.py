"""Compiled loops of patch DCT shrinkage.

The innermost loop always runs over neighbouring patches, so that the compiler fills vector registers
with them: three times as fast as a loop over the coefficients of one patch.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

EDGE = 8
"""Patch edge in pixels."""
AREA = EDGE * EDGE
TOGETHER = 128
"""Patches that are worked on together: what they need stays in the second-level cache."""
BRIGHTEST = np.float32(1e8)
"""Cap on the evidence, so that its fourth power does not overflow."""

Array = NDArray[np.float32]

_REACH = np.minimum(np.minimum(np.arange(EDGE), EDGE - 1 - np.arange(EDGE)), 1) + 2
NEIGHBOUR_SHARE: Array = (1 / np.outer(_REACH, _REACH)).ravel().astype(np.float32)
"""[64] one over the number of frequencies, the frequency itself included, within one step of each."""

fast = partial(compiled, fastmath=True)

# Orthonormal DCT-II of length 8 by even and odd halves: cos(n pi / 16) / 2.
C1, C2, C3, C4, C5, C6, C7 = (np.float32(np.cos(n * np.pi / 16) / 2) for n in range(1, 8))


@fast
def _dct(samples: Array, out: Array, count: int) -> None:
    """Store the DCT over the first axis of ``samples`` [8, >= count] in ``out`` [8, >= count]."""
    for p in range(count):
        s0, d0 = samples[0, p] + samples[7, p], samples[0, p] - samples[7, p]
        s1, d1 = samples[1, p] + samples[6, p], samples[1, p] - samples[6, p]
        s2, d2 = samples[2, p] + samples[5, p], samples[2, p] - samples[5, p]
        s3, d3 = samples[3, p] + samples[4, p], samples[3, p] - samples[4, p]
        out[0, p] = C4 * ((s0 + s3) + (s1 + s2))
        out[4, p] = C4 * ((s0 + s3) - (s1 + s2))
        out[2, p] = C2 * (s0 - s3) + C6 * (s1 - s2)
        out[6, p] = C6 * (s0 - s3) - C2 * (s1 - s2)
        out[1, p] = C1 * d0 + C3 * d1 + C5 * d2 + C7 * d3
        out[3, p] = C3 * d0 - C7 * d1 - C1 * d2 - C5 * d3
        out[5, p] = C5 * d0 - C1 * d1 + C7 * d2 + C3 * d3
        out[7, p] = C7 * d0 - C5 * d1 + C3 * d2 - C1 * d3


@fast
def _inverse_dct(coefficients: Array, out: Array, count: int) -> None:
    """Store the inverse of :func:`_dct`."""
    for p in range(count):
        f1, f3, f5, f7 = coefficients[1, p], coefficients[3, p], coefficients[5, p], coefficients[7, p]
        even, alternating = (
            C4 * (coefficients[0, p] + coefficients[4, p]),
            C4 * (coefficients[0, p] - coefficients[4, p]),
        )
        outer = C2 * coefficients[2, p] + C6 * coefficients[6, p]
        inner = C6 * coefficients[2, p] - C2 * coefficients[6, p]
        s0, s3 = even + outer, even - outer
        s1, s2 = alternating + inner, alternating - inner
        d0 = C1 * f1 + C3 * f3 + C5 * f5 + C7 * f7
        d1 = C3 * f1 - C7 * f3 - C1 * f5 - C5 * f7
        d2 = C5 * f1 - C1 * f3 + C7 * f5 + C3 * f7
        d3 = C7 * f1 - C5 * f3 + C3 * f5 - C1 * f7
        out[0, p], out[7, p] = s0 + d0, s0 - d0
        out[1, p], out[6, p] = s1 + d1, s1 - d1
        out[2, p], out[5, p] = s2 + d2, s2 - d2
        out[3, p], out[4, p] = s3 + d3, s3 - d3


@fast
def _add_neighbours(energy: Array, share: Array, work: Array, out: Array, count: int) -> None:
    """Store the mean energy of the (up to) 3 x 3 frequencies around each frequency in ``out`` [64, count]."""
    for i in range(EDGE):
        for k in range(EDGE):
            f = i * EDGE + k
            before, after = f - (k > 0), f + (k < EDGE - 1)
            if k == 0:
                for p in range(count):
                    work[f, p] = energy[f, p] + energy[after, p]
            elif k == EDGE - 1:
                for p in range(count):
                    work[f, p] = energy[before, p] + energy[f, p]
            else:
                for p in range(count):
                    work[f, p] = energy[before, p] + energy[f, p] + energy[after, p]
    for i in range(EDGE):
        for k in range(EDGE):
            f = i * EDGE + k
            part = share[f]
            if i == 0:
                for p in range(count):
                    out[f, p] = part * (work[f, p] + work[f + EDGE, p])
            elif i == EDGE - 1:
                for p in range(count):
                    out[f, p] = part * (work[f - EDGE, p] + work[f, p])
            else:
                for p in range(count):
                    out[f, p] = part * (work[f - EDGE, p] + work[f, p] + work[f + EDGE, p])


@fast
def _shrink(
    coefficients: Array,
    energy: Array,
    thresholds: Array,
    shares: Array,
    neighbour_share: Array,
    work: Array,
    evidence: Array,
    kept: Array,
    count: int,
) -> None:
    """Scale coefficients [C, 64, count] by their gains; store the sums of squared gains in ``kept``.

    The mean of each plane is kept, and says nothing about its texture.
    """
    channels = coefficients.shape[0]
    one = np.float32(1)
    for c in range(channels):
        energy[c, 0] = 0
        for f in range(1, AREA):
            for p in range(count):
                energy[c, f, p] = coefficients[c, f, p] * coefficients[c, f, p]
    for p in range(count):
        kept[p] = np.float32(channels)
    for c in range(channels):
        _add_neighbours(energy[c], neighbour_share, work, evidence, count)
        for d in range(channels):
            if d != c:
                share = shares[c, d]
                for f in range(AREA):
                    for p in range(count):
                        evidence[f, p] += share * energy[d, f, p]
        for f in range(1, AREA):
            half = thresholds[c, f] ** 4
            for p in range(count):
                power = min(evidence[f, p], BRIGHTEST)
                power *= power
                power *= power
                gain = power / (power + half)
                coefficients[c, f, p] *= gain
                kept[p] += gain * gain
    for p in range(count):
        kept[p] = one / kept[p]


@fast
def shrink_patches(
    planes: Array,
    stride: int,
    start: int,
    stop: int,
    thresholds: Array,
    shares: Array,
    neighbour_share: Array,
    total: Array,
    weights: Array,
) -> None:
    """Add every shrunken patch, times its weight, to ``total`` and its weight to ``weights``.

    The vertical half of the transform is shared by all patches of a row.

    Parameters
    ----------
    planes
        float32 [C, H, W] of decorrelated planes with white noise of standard deviation 1.
    stride
        Pixels between patches; the first lies at (0, 0).
    start, stop
        Rows in which the patches begin: ``start``, a multiple of the stride, up to below ``stop``. Calls
        whose rows lie a patch apart may run at the same time.
    thresholds
        float32 [C, 64], above 0: evidence (mean energy, in units of the noise) at which a coefficient
        is halved.
    shares
        float32 [C, C]: how much the energy of each other plane, at the same frequency, adds to the
        evidence for a plane's coefficient.
    neighbour_share
        ``NEIGHBOUR_SHARE``: compiled loops take no global arrays without freezing them.
    total, weights
        float32 [C, H, W] and [H, W].
    """
    channels, height, width = planes.shape
    strip = np.empty((channels, EDGE, width), np.float32)
    restored = np.empty((channels, EDGE, width), np.float32)
    row_weights = np.empty(width, np.float32)
    coefficients = np.empty((channels, AREA, TOGETHER), np.float32)
    energy = np.empty((channels, AREA, TOGETHER), np.float32)
    work = np.empty((AREA, TOGETHER), np.float32)
    evidence = np.empty((AREA, TOGETHER), np.float32)
    samples = np.empty((EDGE, TOGETHER), np.float32)
    weight = np.empty(TOGETHER, np.float32)
    patches = (width - EDGE) // stride + 1
    for top in range(start, min(stop, height - EDGE + 1), stride):
        for c in range(channels):
            _dct(planes[c, top : top + EDGE], strip[c], width)
        restored[:] = 0
        row_weights[:] = 0
        for first in range(0, patches, TOGETHER):
            count = min(TOGETHER, patches - first)
            for c in range(channels):
                for i in range(EDGE):
                    for j in range(EDGE):
                        for p in range(count):
                            samples[j, p] = strip[c, i, (first + p) * stride + j]
                    _dct(samples, coefficients[c, i * EDGE : (i + 1) * EDGE], count)
            _shrink(coefficients, energy, thresholds, shares, neighbour_share, work, evidence, weight, count)
            for c in range(channels):
                for i in range(EDGE):
                    _inverse_dct(coefficients[c, i * EDGE : (i + 1) * EDGE], samples, count)
                    for j in range(EDGE):
                        for p in range(count):
                            restored[c, i, (first + p) * stride + j] += weight[p] * samples[j, p]
            for j in range(EDGE):
                for p in range(count):
                    row_weights[(first + p) * stride + j] += weight[p]
        for c in range(channels):
            _inverse_dct(restored[c], strip[c], width)
            for j in range(EDGE):
                for x in range(width):
                    total[c, top + j, x] += strip[c, j, x]
        for j in range(EDGE):
            for x in range(width):
                weights[top + j, x] += row_weights[x]

"""Sums over blocks of dark frames, from which every statistic follows, and its sampling error with it.

A block is a band of rows (of columns for column means, an equal share of the frequencies for spectra) of one
frame. Leaving out one block after another shows how far chance moves a statistic (delete-one jackknife:
Quenouille 1956, Tukey 1958; B. Efron, "The jackknife, the bootstrap and other resampling plans", 1982).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

RADIAL_BINS = 40
COARSE = 3.0
"""DN of noise above which codes are counted about the mean of their frame."""

BANDS = 8
"""Blocks of each frame."""

LAGS = ((0, 1), (0, 2), (1, 0), (2, 0), (1, 1))
"""(rows, columns) of packed pixels."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DarkSums:
    """Sums over one or more blocks of a stack with C planes, in powers of DN; means are taken out before.

    Attributes
    ----------
    histogram
        [C, n] pixels per whole DN; of noise above 3 DN about the mean of their plane and frame, which
        wanders from frame to frame.
    pixels, rows, columns
        How many went into the sums below.
    second, fourth
        [C] of squares and fourth powers of pixels.
    cross
        [C, C] of products of planes.
    lagged, lagged_pixels
        [5, C] of products at ``LAGS``, and [5] their number.
    row_squares, column_squares
        [C] of squared row and column means.
    power, frequencies
        [C, 40] of the periodogram over rings, and [40] their number.
    apart
        [3, C] of a², b² and ab for a pixel a of a frame and b of the next one.
    scatter
        [2] of variances over frames of the log-periodogram in dB², and their number.
    """

    histogram: Array
    pixels: float
    rows: float
    columns: float
    second: Array
    fourth: Array
    cross: Array
    lagged: Array
    lagged_pixels: Array
    row_squares: Array
    column_squares: Array
    power: Array
    frequencies: Array
    apart: Array
    scatter: Array

    def __add__(self, other: DarkSums) -> DarkSums:
        return self._combine(other, 1)

    def __sub__(self, other: DarkSums) -> DarkSums:
        return self._combine(other, -1)

    def _combine(self, other: DarkSums, sign: int) -> DarkSums:
        names = (field.name for field in dataclasses.fields(self))
        return DarkSums(**{name: getattr(self, name) + sign * getattr(other, name) for name in names})


def jackknife(
    statistic: Callable[[DarkSums], Sequence[float]], total: DarkSums, blocks: Sequence[DarkSums]
) -> Array:
    """Return the standard errors of a statistic of several numbers, NaN where it has none."""
    without = np.array([statistic(total - block) for block in blocks])
    errors: Array = np.sqrt((len(blocks) - 1) * without.var(0))
    return errors


def sum_blocks(stack: NDArray[np.float32]) -> tuple[int, tuple[DarkSums, ...]]:
    """Return the DN of the first histogram bin, and the sums of each block of a stack [N, C, H, W] in DN."""
    centred = stack - stack.mean((2, 3), keepdims=True)
    # Moving codes by a fraction of a step would round them anew, which shows where noise is a few steps.
    counted = centred if centred.std() > COARSE else stack
    origin = int(np.rint(counted.min()))
    bins = int(np.rint(counted.max())) - origin + 1
    spectra = _Spectra(centred)
    blocks = []
    for number, frame in enumerate(centred):
        following = centred[number + 1] if number + 1 < len(centred) else None
        row_means, column_means = frame.mean(2, dtype=np.float64), frame.mean(1, dtype=np.float64)
        edges, sides = (np.linspace(0, n, BANDS + 1).astype(int) for n in frame.shape[1:])
        for band in range(BANDS):
            rows, columns = slice(*edges[band : band + 2]), slice(*sides[band : band + 2])
            power, frequencies = spectra.rings(number, band)
            blocks.append(
                DarkSums(
                    histogram=_counts(counted[number][:, rows], origin, bins),
                    pixels=frame[0, rows].size,
                    rows=rows.stop - rows.start,
                    columns=columns.stop - columns.start,
                    **_products(frame, rows),
                    row_squares=(row_means[:, rows] ** 2).sum(1),
                    column_squares=(column_means[:, columns] ** 2).sum(1),
                    power=power,
                    frequencies=frequencies,
                    apart=_apart(frame[:, rows], following[:, rows] if following is not None else None),
                    scatter=spectra.scatter(number * BANDS + band, len(centred) * BANDS),
                )
            )
    return origin, tuple(blocks)


def _counts(codes: NDArray[np.float32], origin: int, bins: int) -> Array:
    places = np.rint(codes).astype(np.int32) - origin
    return np.array([np.bincount(plane.ravel(), minlength=bins) for plane in places], dtype=np.float64)


def _products(frame: NDArray[np.float32], rows: slice) -> dict[str, Array]:
    """Return the sums of powers and products of pixels of a band of rows of a frame [C, H, W]."""
    band = frame[:, rows].astype(np.float64)
    flat = band.reshape(len(band), -1)
    squares = flat**2
    lagged, counts = [], []
    for down, right in LAGS:
        last = min(rows.stop, frame.shape[1] - down)
        first = frame[:, rows.start : last, : frame.shape[2] - right]
        second = frame[:, rows.start + down : last + down, right:]
        lagged.append(np.einsum("cij,cij->c", first, second, dtype=np.float64))
        counts.append(first[0].size)
    return {
        "second": squares.sum(1),
        "fourth": (squares**2).sum(1),
        "cross": flat @ flat.T,
        "lagged": np.array(lagged),
        "lagged_pixels": np.array(counts, dtype=np.float64),
    }


def _apart(first: NDArray[np.float32], second: NDArray[np.float32] | None) -> Array:
    if second is None:
        return np.zeros((3, len(first)))
    pairs = ((first, first), (second, second), (first, second))
    return np.array([np.einsum("cij,cij->c", a, b, dtype=np.float64) for a, b in pairs])


class _Spectra:
    """Periodograms of a stack [N, C, H, W], their frequencies dealt out to blocks."""

    def __init__(self, centred: NDArray[np.float32]) -> None:
        frames, planes, height, width = centred.shape
        radius = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None])
        ring = np.minimum((radius * RADIAL_BINS / np.hypot(0.5, 0.5)).astype(np.intp), RADIAL_BINS - 1)
        # The half spectrum holds every frequency twice but those of its first (and, if even, last) column.
        weight = np.full(ring.shape, 2.0)
        weight[:, 0] = 1
        if width % 2 == 0:
            weight[:, -1] = 1
        weight[0, 0] = 0
        self._ring, self._weight = ring.ravel(), weight.ravel()
        self._power = np.empty((frames, planes, ring.size), np.float32)
        decibels, squares = np.zeros((2, planes, ring.size))
        for n in range(frames):
            for c in range(planes):
                power = np.abs(fft.rfft2(centred[n, c])).ravel() ** 2 / (height * width)
                self._power[n, c] = power
                power[0] = 1  # zero after centring
                level = 10 * np.log10(np.maximum(power, np.finfo(np.float32).tiny))
                decibels[c] += level
                squares[c] += level**2
        self._scatter = (squares - decibels**2 / frames).sum(0) / (frames - 1) if frames > 1 else None
        self._planes = planes

    def rings(self, frame: int, share: int) -> tuple[Array, Array]:
        """Return the ring sums [C, 40] and numbers [40] of one of ``BANDS`` shares of the frequencies."""
        part = slice(share, None, BANDS)
        ring, weight = self._ring[part], self._weight[part]
        sums = [np.bincount(ring, weight * plane[part], RADIAL_BINS) for plane in self._power[frame]]
        return np.array(sums), np.bincount(ring, weight, RADIAL_BINS).astype(np.float64)

    def scatter(self, share: int, shares: int) -> Array:
        """Return the summed variances over frames, and their number, of one share; NaN for one frame."""
        if self._scatter is None:
            return np.array([np.nan, 1.0])
        part = self._scatter[share::shares]
        return np.array([part.sum(), part.size * self._planes])

"""What varies slowly over a dark frame (shading, glow), and which pixels stand out from it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthnoise.kernels import compiled

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]
"""Of every row or column: the two blocks that it lies between, and its share of the way to the second."""

HOT = 8.0
"""Robust standard deviations of a dark from which a pixel is hot (or dead)."""
BLOCK = 8
"""Pixels of a plane along the edge of the blocks whose means say what varies slowly."""
DEVIATION_BLOCK = 32
"""Pixels of a plane along the edge of the blocks whose noise is measured."""
THINNED = 2
"""Of them every second row and column will do."""
LEAST_DEVIATION = 0.3
"""DN, of rounding."""
CAUTION = 3.0
"""Multiplies the noise that is expected of a band: how strong a band is is not known exactly either."""
SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations in blocks of the Gaussians between which slow variation is cut into bands."""


class LocalDeviation(NamedTuple):
    """The robust standard deviation around each pixel: glow is noisier.

    Attributes
    ----------
    blocks
        Float32 [n, m] in DN.
    rows, columns
        In which block each row [H] and each column [W] of a plane is.
    """

    blocks: Plane
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    def of(self, pixels: Mask) -> Plane:
        """Return the deviation of some pixels, float32 [count]."""
        rows, columns = np.nonzero(pixels)
        return self.blocks[self.rows[rows], self.columns[columns]]


def slow_part(dark: Plane) -> tuple[Plane, Mask, LocalDeviation]:
    """Return block means of what varies slowly in a dark [H, W], hot pixels, and the deviation.

    Of the means there is only what is above noise; :func:`enlarged` makes a plane of them.
    """
    kept, apart = np.ones(dark.shape, np.bool_), np.empty_like(dark)
    for _ in range(3):
        _distances(dark, _grid(dark, kept), *_places(dark.shape), apart)
        deviation = _local_deviation(apart)
        _within(apart, deviation, np.float32(HOT), kept)
    slow = _above_noise(_grid(dark, kept).astype(np.float64)).astype(np.float32)
    return slow, np.logical_not(kept, out=kept), deviation


def enlarged(grid: Plane, shape: tuple[int, ...]) -> Plane:
    """Return block means interpolated between the middles of the blocks, [H, W]."""
    out = np.zeros(shape, np.float32)
    _distances(out, -grid, *_places(shape), out, signed=True)
    return out


def take_off(grid: Plane, plane: Plane) -> None:
    """Subtract the same from a plane [H, W], in place."""
    _distances(plane, grid, *_places(plane.shape), plane, signed=True)


def _grid(dark: Plane, kept: Mask) -> Plane:
    """Return block means over the pixels that are ``kept``, float32 [ceil(H / 8), ceil(W / 8)].

    What interpolation between them loses at bends has been put back (Tukey's twicing).
    """
    rows, columns = (-(-size // BLOCK) for size in dark.shape)
    grid, places = np.zeros((rows, columns), np.float32), _places(dark.shape)
    for _ in range(2):
        total, count = _block_sums(dark, kept, grid, *places)
        means = total / np.maximum(count, 1e-3)
        grid += np.where(count > 0, means, means[count > 0].mean())
        if rows * columns == 1:
            break
    return grid


def _places(shape: tuple[int, ...]) -> tuple[Places, Places]:
    """Return, for rows and for columns, between the middles of which two blocks each lies, and how far along.

    Before the first middle and after the last it is extrapolated.
    """
    found = []
    for size in shape:
        count = -(-size // BLOCK)
        middles = (np.minimum(np.arange(count) * BLOCK + BLOCK, size) + np.arange(count) * BLOCK - 1) / 2
        first = np.clip(np.searchsorted(middles, np.arange(size)) - 1, 0, max(count - 2, 0))
        second = np.minimum(first + 1, count - 1)
        step = np.where(second > first, middles[second] - middles[first], 1.0)
        share = np.where(second > first, (np.arange(size) - middles[first]) / step, 0.0)
        found.append((first, second, share.astype(np.float32)))
    return found[0], found[1]


def _local_deviation(apart: Plane) -> LocalDeviation:
    """Return the robust standard deviation of distances [H, W]."""
    rows, columns = (max(size // DEVIATION_BLOCK, 1) for size in apart.shape)
    tall, wide = apart.shape[0] // rows, apart.shape[1] // columns
    blocks = apart[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide).swapaxes(1, 2)
    step = THINNED if min(tall, wide) >= DEVIATION_BLOCK else 1
    grid = 1.4826 * np.median(blocks[:, :, ::step, ::step].reshape(rows, columns, -1), 2)
    places = [np.minimum(np.arange(n) // size, count - 1)
              for n, size, count in zip(apart.shape, (tall, wide), (rows, columns), strict=True)]  # fmt: skip
    # Darks whose noise is below a step of the converter are mostly of one value.
    return LocalDeviation(np.maximum(grid, LEAST_DEVIATION).astype(np.float32), places[0], places[1])


@compiled
def _within(apart: Plane, deviation: LocalDeviation, limit: np.float32, kept: Mask) -> None:
    """Store which distances are less than some deviations."""
    height, width = apart.shape
    for r in range(height):
        row = deviation.rows[r]
        for c in range(width):
            kept[r, c] = apart[r, c] < limit * deviation.blocks[row, deviation.columns[c]]


@compiled
def _block_sums(plane: Plane, kept: Mask, grid: Plane, down: Places, across: Places) -> tuple[Plane, Plane]:
    """Return the sums over blocks of what a plane is above an enlarged grid where it is kept, and counts."""
    height, width = plane.shape
    total, count = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    line = np.empty(width, np.float32)
    for r in range(height):
        _fill_line(grid, down[0][r], down[1][r], down[2][r], across, line)
        for c in range(width):
            if kept[r, c]:
                total[r // BLOCK, c // BLOCK] += plane[r, c] - line[c]
                count[r // BLOCK, c // BLOCK] += np.float32(1)
    return total, count


@compiled
def _distances(
    plane: Plane, grid: Plane, down: Places, across: Places, out: Plane, signed: bool = False
) -> None:
    """Store how far a plane is from an enlarged grid: its distance or, ``signed``, what it is above it."""
    height, width = plane.shape
    line = np.empty(width, np.float32)
    for r in range(height):
        _fill_line(grid, down[0][r], down[1][r], down[2][r], across, line)
        for c in range(width):
            above = plane[r, c] - line[c]
            out[r, c] = above if signed else abs(above)


@compiled
def _fill_line(grid: Plane, upper: int, lower: int, share: np.float32, across: Places, line: Plane) -> None:
    """Store one row of an enlarged grid: between two of its rows, at a share of the way to the lower."""
    first, second, along = across
    for c in range(len(line)):
        left = grid[upper, first[c]] + share * (grid[lower, first[c]] - grid[upper, first[c]])
        right = grid[upper, second[c]] + share * (grid[lower, second[c]] - grid[upper, second[c]])
        line[c] = left + along[c] * (right - left)


def _above_noise(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return block means without their noise: row profile, column profile and the rest, each for itself."""
    kept, mean = np.zeros_like(grid), grid.mean()
    for axis in (0, 1):
        profile = grid.mean(1 - axis, keepdims=True)
        grid = grid - profile
        kept = kept + _wiener(profile, (axis,))
    kept = kept + _wiener(grid, (0, 1))
    # The mean of all is known better than what bands that end at the edges make of it.
    return np.asarray(kept + mean - kept.mean())


def _wiener(values: NDArray[np.float64], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return values with each band of scales shrunk where it is no stronger than noise.

    The noise is taken for white, and is what the finest band holds.
    """

    def smoothed(data: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
        sigma = [scale if axis in axes else 0.0 for axis in (0, 1)]
        return np.asarray(ndimage.gaussian_filter(data, sigma, mode="nearest"))

    finest = values - smoothed(values, SCALES[0])
    variance = (1.4826 * float(np.median(np.abs(finest)))) ** 2 / _energy(0, SCALES[0], len(axes))
    rest, kept = values, np.zeros_like(values)
    for finer, coarser in zip((0.0, *SCALES), SCALES, strict=False):
        below = smoothed(values, coarser)
        band, rest = rest - below, below
        strength = smoothed(band**2, 2 * coarser)
        expected = variance * _energy(finer, coarser, len(axes))
        kept += band * np.clip(1 - CAUTION * expected / np.maximum(strength, 1e-12), 0, 1)
    return np.asarray(kept + rest)


def _energy(finer: float, coarser: float, dimensions: int) -> float:
    """Return the variance of white noise of variance 1 between two Gaussians; 0 is no Gaussian."""

    def overlap(variance: float) -> float:
        return float((2 * np.pi * variance) ** (-dimensions / 2))

    if finer == 0:
        return 1 + overlap(2 * coarser**2) - 2 * overlap(coarser**2)
    return overlap(2 * finer**2) + overlap(2 * coarser**2) - 2 * overlap(finer**2 + coarser**2)

"""What varies slowly over a dark frame (shading, glow), and which pixels stand out from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.float32]

HOT = 8.0
"""Robust standard deviations of a dark from which a pixel is hot (or dead)."""
BLOCK = 8
"""Pixels of a plane along the edge of the blocks whose means say what varies slowly."""
DEVIATION_BLOCK = 32
"""Pixels of a plane along the edge of the blocks whose noise is measured."""
LEAST_DEVIATION = 0.3
"""DN, of rounding."""
SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations in blocks of the Gaussians between which slow variation is cut into bands."""


def slow_part(dark: Plane) -> tuple[Plane, NDArray[np.bool_], Plane]:
    """Return what varies slowly in a dark [H, W] as far as it is above noise, hot pixels, and the deviation.

    The deviation is the robust standard deviation around each pixel, float32 [H, W] like the first.
    """
    kept = np.ones(dark.shape, bool)
    for _ in range(3):
        slow = _slow(dark, kept, shrunk=False)
        apart = np.abs(dark - slow)
        deviation = _local_deviation(apart)
        kept = apart < HOT * deviation
    return _slow(dark, kept, shrunk=True), ~kept, deviation


def _slow(dark: Plane, kept: NDArray[np.bool_], *, shrunk: bool) -> Plane:
    """Return block means interpolated, and what that lost at bends put back (Tukey's twicing)."""
    grid = _block_means(dark, kept)
    grid += _block_means(dark - _enlarged(grid, dark.shape), kept)
    return _enlarged(_above_noise(grid) if shrunk else grid, dark.shape)


def _local_deviation(apart: Plane) -> Plane:
    """Return the robust standard deviation around each pixel, from distances, [H, W]: glow is noisier."""
    rows, columns = (max(size // DEVIATION_BLOCK, 1) for size in apart.shape)
    tall, wide = apart.shape[0] // rows, apart.shape[1] // columns
    blocks = apart[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide).swapaxes(1, 2)
    grid = 1.4826 * np.median(blocks.reshape(rows, columns, -1), 2)
    places = [np.minimum(np.arange(n) // step, count - 1)
              for n, step, count in zip(apart.shape, (tall, wide), (rows, columns), strict=True)]  # fmt: skip
    # Darks whose noise is below a step of the converter are mostly of one value.
    return np.asarray(np.maximum(grid, LEAST_DEVIATION)[places[0]][:, places[1]], np.float32)


def _block_means(plane: Plane, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the means of blocks [ceil(H / 8), ceil(W / 8)] over the pixels that are ``kept``."""
    weight = kept.astype(np.float32)
    starts = [np.arange(0, size, BLOCK) for size in plane.shape]
    total, count = (
        np.add.reduceat(np.add.reduceat(values, starts[0], 0), starts[1], 1)
        for values in (plane * weight, weight)
    )
    means = np.asarray(total / np.maximum(count, 1e-3), np.float64)
    return means if (count > 0).all() else np.where(count > 0, means, means[count > 0].mean())


def _enlarged(grid: NDArray[np.float64], shape: tuple[int, int]) -> Plane:
    """Return block means interpolated between the middles of the blocks, beyond them extrapolated."""
    values: Plane = grid.astype(np.float32)
    for axis, (size, count) in enumerate(zip(shape, grid.shape, strict=True)):
        if count == 1:
            values = np.repeat(values, size, axis)
            continue
        middles = (np.minimum(np.arange(count) * BLOCK + BLOCK, size) + np.arange(count) * BLOCK - 1) / 2
        first = np.clip(np.searchsorted(middles, np.arange(size)) - 1, 0, count - 2)
        share = (np.arange(size) - middles[first]) / (middles[first + 1] - middles[first])
        share = share.reshape((-1, 1) if axis == 0 else (1, -1)).astype(np.float32)
        values = np.asarray(
            values.take(first, axis) * (1 - share) + values.take(first + 1, axis) * share, np.float32
        )
    return values


def _above_noise(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return block means without their noise: row profile, column profile and the rest, each for itself."""
    kept = np.zeros_like(grid)
    for axis in (0, 1):
        profile = grid.mean(1 - axis, keepdims=True)
        grid = grid - profile
        kept = kept + _wiener(profile, (axis,))
    return kept + _wiener(grid, (0, 1))


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
        kept += band * np.clip(1 - expected / np.maximum(strength, 1e-12), 0, 1)
    return np.asarray(kept + rest)


def _energy(finer: float, coarser: float, dimensions: int) -> float:
    """Return the variance of white noise of variance 1 between two Gaussians; 0 is no Gaussian."""

    def overlap(variance: float) -> float:
        return float((2 * np.pi * variance) ** (-dimensions / 2))

    if finer == 0:
        return 1 + overlap(2 * coarser**2) - 2 * overlap(coarser**2)
    return overlap(2 * finer**2) + overlap(2 * coarser**2) - 2 * overlap(finer**2 + coarser**2)

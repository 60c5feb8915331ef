"""Low-frequency dark shading on a coarse grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELL = 32
"""Smallest side of a grid cell, in packed pixels."""

LARGEST_GRID = (24, 36)


def coarse_grid(
    plane: NDArray[np.float32], cell: int = CELL, largest: tuple[int, int] = LARGEST_GRID
) -> NDArray[np.float32]:
    """Return the means [gh, gw] of a plane [H, W] over the cells of a grid, lightly smoothed.

    The smoothing by (1, 2, 1) / 4 along both axes keeps the noise of a cell, and most of the row noise,
    out of the shading.
    """
    rows, columns = (
        np.linspace(0, n, max(1, min(n // cell, most)) + 1).astype(int)
        for n, most in zip(plane.shape, largest, strict=True)
    )
    sums = np.add.reduceat(np.add.reduceat(plane, rows[:-1], 0, dtype=np.float64), columns[:-1], 1)
    means = sums / np.diff(rows)[:, None] / np.diff(columns)
    return _smooth(_smooth(means).T).T.astype(np.float32)


def _smooth(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows smoothed along the first axis; the ends continue the slope, so that a ramp stays one."""
    if len(grid) < 3:
        return grid
    before, after = 2 * grid[:1] - grid[1:2], 2 * grid[-1:] - grid[-2:-1]
    padded = np.concatenate([before, grid, after])
    smoothed: NDArray[np.float64] = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return smoothed


def full_shading(grid: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a grid [gh, gw] at every pixel [H, W], bilinear between cell centres and linear beyond."""
    down, across = (_interpolation(cells, n) for cells, n in zip(grid.shape, shape, strict=True))
    return np.asarray(down @ grid @ across.T, dtype=np.float32)


def _interpolation(cells: int, pixels: int) -> NDArray[np.float32]:
    """Return the weights [pixels, cells] of linear interpolation between cell centres."""
    weights = np.zeros((pixels, cells), dtype=np.float32)
    if cells == 1:
        weights[:] = 1
        return weights
    place = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    lower = np.clip(np.floor(place).astype(int), 0, cells - 2)
    share = (place - lower).astype(np.float32)
    rows = np.arange(pixels)
    weights[rows, lower] = 1 - share
    weights[rows, lower + 1] = share
    return weights

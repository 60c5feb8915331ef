"""How the strength of pixel noise varies over a sensor: amplifier glow, banks of converters, warm corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.shading import CELL, LARGEST_GRID

SIGNIFICANT = 1.5
"""Mean square of the cells' deviations from 1, in standard errors, from which there is a map at all."""

CLIPPED = 6.0
"""Standard deviations at which outliers are drawn in, so that one does not make a cell of its own."""


def local_deviation(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the relative deviation [gh, gw] of residuals [C, H, W] by cells, mean square 1; [1, 1] if even.

    All planes share the map. A cell is drawn towards 1 by as much of its excess as chance may have given.
    """
    rows, columns = (
        np.linspace(0, n, max(1, min(n // CELL, most)) + 1).astype(int)
        for n, most in zip(planes.shape[1:], LARGEST_GRID, strict=True)
    )
    means = []
    fourth = 0.0
    for plane in planes:
        bound = CLIPPED * float(plane.std())
        squares = np.clip(plane, -bound, bound) ** 2
        squares /= squares.mean()
        fourth += float((squares**2).mean()) / len(planes)
        sums = np.add.reduceat(np.add.reduceat(squares, rows[:-1], 0, dtype=np.float64), columns[:-1], 1)
        means.append(sums / np.diff(rows)[:, None] / np.diff(columns))
    excess = np.mean(means, axis=0) - 1
    pixels = planes.size / excess.size
    error = np.sqrt(max(fourth - 1, 1.0) / pixels)
    if float(np.mean((excess / error) ** 2)) < SIGNIFICANT:
        return np.ones((1, 1), np.float32)
    shrunk = excess * np.maximum(1 - (error / np.where(excess == 0, np.inf, excess)) ** 2, 0)
    ratio = np.maximum(1 + shrunk, 0.05)
    return np.asarray(np.sqrt(ratio / ratio.mean()), dtype=np.float32)

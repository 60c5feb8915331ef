"""Paints discs and convex polygons over each other on the processor."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

NOTHING = -1
"""Label of a pixel that no figure covers."""


def paint(
    size: tuple[int, int],
    centre: NDArray[np.float64],
    radius: NDArray[np.float64],
    corners: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Return int32 [H, W]: number of the topmost figure at each pixel's centre, or ``NOTHING``.

    Figures are painted in order until no pixel is left bare or there are no more. Row i, column j has its
    centre at (i + 1/2, j + 1/2).

    Parameters
    ----------
    centre
        float64 [n, 2], row and column.
    radius
        float64 [n], of the disc or of the circle round the corners.
    corners
        float64 [n, 4, 2] relative to the centre, in order round it; NaN for discs.
    """
    labels = np.full(size, NOTHING, dtype=np.int32)
    _paint(labels, centre, radius, corners)
    return labels


def _paint_in_order(
    labels: NDArray[np.int32],
    centre: NDArray[np.float64],
    radius: NDArray[np.float64],
    corners: NDArray[np.float64],
) -> None:
    height, width = labels.shape
    bare = height * width
    for figure in range(len(radius)):
        y, x = centre[figure, 0], centre[figure, 1]
        first = max(0, math.ceil(y - radius[figure] - 0.5))
        last = min(height - 1, math.floor(y + radius[figure] - 0.5))
        for row in range(first, last + 1):
            dy = row + 0.5 - y
            low, high = np.inf, -np.inf
            if math.isnan(corners[figure, 0, 0]):
                high = math.sqrt(max(radius[figure] ** 2 - dy * dy, 0.0))
                low = -high
            else:
                for k in range(4):  # where the row meets the outline
                    y0, x0 = corners[figure, k]
                    y1, x1 = corners[figure, (k + 1) % 4]
                    if (y0 <= dy) != (y1 <= dy):
                        met = x0 + (dy - y0) / (y1 - y0) * (x1 - x0)
                        low, high = min(low, met), max(high, met)
            if low > high:
                continue
            left, right = max(0, math.ceil(x + low - 0.5)), min(width - 1, math.floor(x + high - 0.5))
            for column in range(left, right + 1):
                if labels[row, column] == -1:
                    bare -= 1
                labels[row, column] = figure
        if bare == 0:
            return


_paint = compiled(_paint_in_order)

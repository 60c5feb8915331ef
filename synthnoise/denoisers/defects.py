"""Replacing defective pixels: hot, dead, blinking, or struck by a cosmic ray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

OUTLIER = np.float32(3.0)
"""Standard deviations beyond all eight neighbours of its plane from which a pixel is suspect, to which ..."""
CONTRAST = np.float32(0.5)
"""... comes this share of the neighbours' range: in fine texture a peak is nothing special."""
VOUCHER = np.float32(2.5)
"""Standard deviations beyond its surroundings at which an adjacent pixel vouches for a suspect ..."""
PROPORTION = np.float32(0.1)
"""... to which comes this share of the suspect's own excess: a lens spreads light over several pixels of
the mosaic, and a defect stays in one."""

REACH = 2
"""Pixels of a plane that decide on one: its neighbours, and theirs in the other planes."""

Array = NDArray[np.float32]


@compiled
def _surroundings(plane: Array, y: int, x: int, around: Array) -> None:
    """Store the eight neighbours of a pixel in ``around``; the plane is mirrored at its edges."""
    height, width = plane.shape
    n = 0
    for i in range(y - 1, y + 2):
        row = i if 0 <= i < height else 2 * y - i
        for j in range(x - 1, x + 2):
            column = j if 0 <= j < width else 2 * x - j
            if i != y or j != x:
                around[n] = plane[row, column]
                n += 1


@compiled
def _seen_beside(
    planes: Array, c: int, y: int, x: int, sign: np.float32, needed: np.float32, around: Array
) -> bool:
    """Return whether a pixel next to one of plane ``c``, in another plane, goes the same way.

    Four planes are taken for a 2x2 CFA in row-major order, others for pixels in the same place.
    """
    channels, height, width = planes.shape
    for d in range(channels):
        if d == c:
            continue
        down, right = (d // 2 - c // 2, d % 2 - c % 2) if channels == 4 else (0, 0)
        for i in range(min(0, -down), max(0, -down) + 1):
            for j in range(min(0, -right), max(0, -right) + 1):
                row, column = y + i, x + j
                if 0 <= row < height and 0 <= column < width:
                    _surroundings(planes[d], row, column, around)
                    if sign * (planes[d, row, column] - np.median(around)) > needed:
                        return True
    return False


@compiled
def replace_defects(planes: Array) -> Array:
    """Return planes [C, H, W] with defective pixels set to the median of their eight neighbours.

    ``planes`` is float32 with noise of standard deviation 1. Planes of fewer than 2 x 2 pixels are
    returned as they are.
    """
    channels, height, width = planes.shape
    repaired = planes.copy()
    if height < 2 or width < 2:
        return repaired
    around = np.empty(8, np.float32)
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                value = planes[c, y, x]
                beside = planes[c, y, x - 1 if x else 1]
                if abs(value - beside) <= OUTLIER:  # most pixels are done here
                    continue
                sign = np.float32(1) if value > beside else np.float32(-1)
                if sign * (value - planes[c, y - 1 if y else 1, x]) <= OUTLIER:  # and most of the rest here
                    continue
                _surroundings(planes[c], y, x, around)
                if (sign * (value - around)).min() <= OUTLIER + CONTRAST * (around.max() - around.min()):
                    continue
                median = np.median(around)
                needed = VOUCHER + PROPORTION * sign * (value - median)
                if not _seen_beside(planes, c, y, x, sign, needed, around):
                    repaired[c, y, x] = median
    return repaired

"""Replacing defective pixels: hot, dead, blinking, or struck by a cosmic ray."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled
from synthnoise.raw.cfa import pack, unpack

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
"""Pixels of a plane that decide on one: its neighbours, and theirs in the other planes. On mosaics of larger
repeats, too: seven pixels, and a plane has one of six."""

NEIGHBOURS = 8
"""Nearest pixels of its colour that a pixel of a mosaic is compared with."""
_FARTHEST = 5
"""Pixels of a mosaic that these are away at most: within it every colour of a repeat has as many."""

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


def replace_mosaic_defects(planes: Array, colours: tuple[int, ...], period: tuple[int, int]) -> Array:
    """Return the planes [h*w, H, W] of any repeat with defective pixels set to the median of neighbours.

    Those are the nearest pixels of the mosaic of the same colour. ``planes`` is float32 with noise of
    standard deviation 1; ``colours`` has one colour for each. Mosaics of less than two repeats are returned
    as they are.
    """
    if min(planes.shape[1:]) < 2:
        return planes.copy()
    return pack(_replaced(unpack(planes, period), _neighbours(colours, period)), period)


@functools.cache
def _neighbours(colours: tuple[int, ...], period: tuple[int, int]) -> NDArray[np.int64]:
    """Return where the nearest pixels of its colour are for each position of a repeat, [h, w, 8, 2]."""
    repeat = np.array(colours).reshape(period)
    reach = range(-_FARTHEST, _FARTHEST + 1)
    around = sorted(((i, j) for i in reach for j in reach if i or j), key=lambda at: at[0] ** 2 + at[1] ** 2)
    found = np.empty((*period, NEIGHBOURS, 2), np.int64)
    for (i, j), colour in np.ndenumerate(repeat):
        alike = [at for at in around if repeat[(i + at[0]) % period[0], (j + at[1]) % period[1]] == colour]
        found[i, j] = alike[:NEIGHBOURS]
    return found


@compiled
def _collect(mosaic: Array, y: int, x: int, places: NDArray[np.int64], around: Array) -> None:
    """Store the pixels around one of a mosaic; those beyond its edges are taken a repeat further in."""
    height, width = mosaic.shape
    h, w = places.shape[:2]
    for n in range(NEIGHBOURS):
        row, column = y + places[y % h, x % w, n, 0], x + places[y % h, x % w, n, 1]
        row += h if row < 0 else -h if row >= height else 0
        column += w if column < 0 else -w if column >= width else 0
        around[n] = mosaic[row, column]


@compiled
def _seen_next_to(
    mosaic: Array,
    y: int,
    x: int,
    sign: np.float32,
    needed: np.float32,
    places: NDArray[np.int64],
    around: Array,
) -> bool:
    """Return whether one of the eight adjacent pixels of a mosaic goes the same way as one at (y, x)."""
    height, width = mosaic.shape
    for row in range(max(y - 1, 0), min(y + 2, height)):
        for column in range(max(x - 1, 0), min(x + 2, width)):
            if row != y or column != x:
                _collect(mosaic, row, column, places, around)
                if sign * (mosaic[row, column] - np.median(around)) > needed:
                    return True
    return False


@compiled
def _replaced(mosaic: Array, places: NDArray[np.int64]) -> Array:
    """Return a mosaic [H, W] of at least two repeats with defective pixels replaced."""
    repaired = mosaic.copy()
    around = np.empty(NEIGHBOURS, np.float32)
    height, width = mosaic.shape
    h, w = places.shape[:2]
    for y in range(height):
        for first in range(w):
            (down, right), (down_2, right_2) = places[y % h, first, 0], places[y % h, first, 1]
            for x in range(first, width, w):
                value = mosaic[y, x]
                if min(x, y) >= _FARTHEST and y < height - _FARTHEST and x < width - _FARTHEST:
                    difference = value - mosaic[y + down, x + right]
                    if abs(difference) <= OUTLIER:  # most pixels are done here
                        continue
                    sign = np.float32(1) if difference > 0 else np.float32(-1)
                    if (
                        sign * (value - mosaic[y + down_2, x + right_2]) <= OUTLIER
                    ):  # and most of the rest here
                        continue
                _collect(mosaic, y, x, places, around)
                sign = np.float32(1) if value > around[0] else np.float32(-1)
                if (sign * (value - around)).min() <= OUTLIER + CONTRAST * (around.max() - around.min()):
                    continue
                median = np.median(around)
                needed = VOUCHER + PROPORTION * sign * (value - median)
                if not _seen_next_to(mosaic, y, x, sign, needed, places, around):
                    repaired[y, x] = median
    return repaired

"""Which share of a dark's lines and pixels is in a photograph too: the regression of the one on the other.

Only places where the photograph changes little are counted, and of what varies there only what does so from
line to line, or from pixel to pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthnoise.denoising.dark_shading import HOT, LocalDeviation, Mask, Plane
from synthnoise.kernels import compiled

Real = NDArray[np.float64]

AMPLITUDES = np.array([0.0, 1.5, 2.5, 3.5, 5.0], np.float32)
"""Robust standard deviations of a dark between which pixels have their own slope: the few that stand out
are mostly fixed, the many that do not mostly noise."""
LEAKS = np.array([0.0, 2 * HOT, 4 * HOT, 8 * HOT], np.float32)
"""The same for hot pixels: the tails of noise are among the least of them."""
THINNED = 3
"""Every third row and column say how rough most pixels are."""
SURE = 3.0
"""Standard errors that a slope must have to be believed."""


def flat_places(light: Plane) -> Mask:
    """Return where a photograph changes least, half of all pixels; judged without the pixel itself."""
    return _smoother(light, np.float32(np.median(_roughness(light, THINNED))))


def line_slopes(light: Plane, flat: Mask, rows: Plane, columns: Plane) -> tuple[float, float]:
    """Return which share of a dark's means of rows [H] and of columns [W] is in the photograph too."""
    slopes = []
    for means, (total, count) in zip((rows, columns), _line_sums(light, flat), strict=True):
        theirs = np.zeros(len(means))
        theirs[1:-1] = means[1:-1] - (means[2:] + means[:-2]) / 2
        ours = total / np.maximum(count, 1)
        products = (theirs**2, ours * theirs, (ours * theirs) ** 2, ours * theirs**3, theirs**4)
        weights = (count, count, count**2, count**2, count**2)
        sums = [float((w * p).sum()) for w, p in zip(weights, products, strict=True)]
        slopes.append(_slope(sums))
    return slopes[0], slopes[1]


def pixel_slopes(light: Plane, detail: Plane, flat: Mask, deviation: LocalDeviation) -> Plane:
    """Return the same of pixels, float32 [classes], by how much a pixel stands out: ``AMPLITUDES``."""
    sums = _class_sums(light, detail, flat, deviation, AMPLITUDES)
    return np.array([_slope(row) for row in sums.tolist()], np.float32)


def leaking_part(light: Plane, flat: Mask, leaking: Mask, excess: Plane, deviation: Plane) -> Plane:
    """Return how much of the excess of hot pixels, float32 [n], the photograph has.

    ``leaking`` [H, W] says where they are, ``deviation`` [n] how strong the dark's noise is there.
    """
    rows, columns = np.nonzero(leaking)
    height, width = light.shape
    around = sum(
        light[(rows + i) % height, (columns + j) % width] for i, j in ((0, 1), (0, -1), (1, 0), (-1, 0))
    )
    ours = np.asarray(light[rows, columns] - np.asarray(around) / 4, np.float64)
    size = np.digitize(np.abs(excess) / deviation, LEAKS)
    kept = np.zeros_like(excess)
    for number in range(1, len(LEAKS) + 1):
        here, theirs = size == number, excess.astype(np.float64)
        told = here & flat[rows, columns]
        x, y = theirs[told], ours[told]
        slope = _slope([float(p.sum()) for p in (x * x, x * y, (x * y) ** 2, x**3 * y, x**4)])
        kept[here] = np.float32(slope) * excess[here]
    return kept


@compiled
def add_detail(
    pattern: Plane, detail: Plane, deviation: LocalDeviation, slopes: Plane, edges: Plane
) -> float:
    """Add detail times the slope of its class to a pattern, in place; return its variance."""
    height, width = pattern.shape
    total, squares = 0.0, 0.0
    for r in range(height):
        for c in range(width):
            size = abs(detail[r, c]) / deviation.blocks[deviation.rows[r], deviation.columns[c]]
            k = 0
            while k + 1 < len(edges) and size >= edges[k + 1]:
                k += 1
            value = slopes[k] * detail[r, c]
            pattern[r, c] += value
            total += value
            squares += value * value
    count = height * width
    return float(squares / count - (total / count) ** 2)


def _slope(sums: Sequence[float]) -> float:
    """Return the regression of the photograph on the dark, between 0 and 1; 0 where it is not sure.

    Its standard error is that of White (1980), as the photograph's noise is not the same everywhere.

    Parameters
    ----------
    sums
        Of x^2, x y, (x y)^2, x^3 y and x^4, x being the dark and y the photograph.
    """
    xx, xy, xxyy, xxxy, xxxx = sums
    if xx <= 0:
        return 0.0
    slope = xy / xx
    error: float = max(xxyy - 2 * slope * xxxy + slope**2 * xxxx, 0.0) ** 0.5 / xx
    return float(min(slope, 1.0)) if slope > SURE * error else 0.0


@compiled
def _rough(light: Plane, r: int, c: int) -> np.float32:
    """Return how much the neighbours of a pixel differ; infinite at the edges."""
    height, width = light.shape
    if r in (0, height - 1) or c in (0, width - 1):
        return np.float32(np.inf)
    down, across = light[r + 1, c] - light[r - 1, c], light[r, c + 1] - light[r, c - 1]
    rough: np.float32 = abs(down) + abs(across)
    return rough


@compiled
def _roughness(light: Plane, step: int) -> Plane:
    """Return the same of every so many rows and columns."""
    height, width = light.shape
    rough = np.empty((-(-height // step), -(-width // step)), np.float32)
    for i in range(rough.shape[0]):
        for j in range(rough.shape[1]):
            rough[i, j] = _rough(light, i * step, j * step)
    return rough


@compiled
def _smoother(light: Plane, limit: np.float32) -> Mask:
    """Return where a plane is at most so rough; nowhere at its edges."""
    height, width = light.shape
    found = np.zeros((height, width), np.bool_)
    for r in range(1, height - 1):
        for c in range(1, width - 1):
            found[r, c] = _rough(light, r, c) <= limit
    return found


@compiled
def _line_sums(light: Plane, flat: Mask) -> tuple[tuple[Real, Real], tuple[Real, Real]]:
    """Return, for rows and for columns, the sums of what flat pixels are above the lines beside."""
    height, width = light.shape
    rows, row_count = np.zeros(height), np.zeros(height)
    columns, column_count = np.zeros(width), np.zeros(width)
    for r in range(1, height - 1):
        for c in range(1, width - 1):
            if flat[r, c]:
                rows[r] += light[r, c] - (light[r - 1, c] + light[r + 1, c]) / 2
                row_count[r] += 1
                columns[c] += light[r, c] - (light[r, c - 1] + light[r, c + 1]) / 2
                column_count[c] += 1
    return (rows, row_count), (columns, column_count)


@compiled
def _class_sums(light: Plane, detail: Plane, flat: Mask, deviation: LocalDeviation, edges: Plane) -> Real:
    """Return what :func:`_slope` takes, [classes, 5], of the Laplacians in flat places."""
    height, width = light.shape
    sums = np.zeros((len(edges), 5))
    for r in range(1, height - 1):
        for c in range(1, width - 1):
            if not flat[r, c]:
                continue
            size = abs(detail[r, c]) / deviation.blocks[deviation.rows[r], deviation.columns[c]]
            k = 0
            while k + 1 < len(edges) and size >= edges[k + 1]:
                k += 1
            around = light[r - 1, c] + light[r + 1, c] + light[r, c - 1] + light[r, c + 1]
            y = np.float64(light[r, c] - around / 4)
            around = detail[r - 1, c] + detail[r + 1, c] + detail[r, c - 1] + detail[r, c + 1]
            x = np.float64(detail[r, c] - around / 4)
            sums[k, 0] += x * x
            sums[k, 1] += x * y
            sums[k, 2] += (x * y) ** 2
            sums[k, 3] += x**3 * y
            sums[k, 4] += x**4
    return sums

"""Which leaf is seen where: paints leaf numbers back to front, each row of a leaf by filling its spans.

A leaf holds the pixels whose centres it holds; pixel (row i, column j) has its centre at (i, j).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.images.vibrant_leaves.shapes import DISC, RECTANGLE, outline_bank
from synthnoise.images.vibrant_leaves.table import COLUMN
from synthnoise.kernels import compiled

BARE = -1
"""Label where there is no leaf."""

_SHAPE, _RADIUS, _ANGLE, _RATIO = (COLUMN[name] for name in ("shape", "radius", "angle", "ratio"))
_Y, _X, _OUTLINE, _MIRROR = (COLUMN[name] for name in ("y", "x", "outline", "mirror"))

_LOST = np.float32(1 / 3)
"""By how much a polygon is smaller than its radius says: distances of its points are rounded down."""


def paint(
    leaves: NDArray[np.float32], bounds: tuple[int, ...], canvas: tuple[int, int], settings: Settings
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return labels int32 [layers, H, W] and boxes int32 [n, 4] of one image's leaves [n, columns].

    A label is the leaf's row of the table, or ``BARE``; a box is the first and last row and the first
    and last column of what a leaf covers of the canvas, hidden or not (last < first: nothing).
    """
    bank = outline_bank()
    labels = np.full((len(bounds) - 1, *canvas), BARE, dtype=np.int32)
    boxes = np.empty((len(leaves), 4), dtype=np.int32)
    longest = np.float32(2 * settings.r_max + 100)
    for layer in range(len(bounds) - 1):
        _paint_layer(
            leaves, bounds[layer], bounds[layer + 1], bank.edges, bank.starts, bank.extent, longest,
            labels[layer], boxes,
        )  # fmt: skip
    return labels, boxes


@compiled
def _paint_layer(
    leaves: Any,
    first: Any,
    last: Any,
    edges: Any,
    starts: Any,
    extent: Any,
    longest: Any,
    labels: Any,
    boxes: Any,
) -> None:
    height = len(labels)
    most = 4
    for k in range(len(starts) - 1):
        most = max(most, starts[k + 1] - starts[k])
    crossings = np.empty((height, most), dtype=np.float32)
    counts = np.zeros(height, dtype=np.int64)
    corners = np.empty((most, 4), dtype=np.float32)
    for k in range(last - 1, first - 1, -1):
        leaf, box = leaves[k], boxes[k]
        box[0], box[1], box[2], box[3] = height, -1, labels.shape[1], -1
        if leaf[_SHAPE] == DISC:
            _paint_disc(leaf, k, labels, box)
            continue
        if leaf[_SHAPE] == RECTANGLE:
            count = _rectangle(leaf, longest, corners)
        else:
            which = int(leaf[_OUTLINE])
            shape = edges[starts[which] : starts[which + 1]]
            count = _polygon(leaf, shape, longest / max(extent[which], np.float32(1e-6)), corners)
        _paint_polygon(corners, count, k, labels, box, crossings, counts)


@compiled
def _paint_disc(leaf: Any, k: Any, labels: Any, box: Any) -> None:
    height, width = labels.shape
    radius, y, x = int(leaf[_RADIUS]), int(leaf[_Y]), int(leaf[_X])
    for row in range(max(0, y - radius), min(height - 1, y + radius) + 1):
        half = int(math.sqrt(radius * radius - (row - y) * (row - y)))
        left, right = max(0, x - half), min(width - 1, x + half)
        if left <= right:
            labels[row, left : right + 1] = k
            box[0], box[1] = min(box[0], row), max(box[1], row)
            box[2], box[3] = min(box[2], left), max(box[3], right)


@compiled
def _rectangle(leaf: Any, longest: Any, corners: Any) -> Any:
    """Write the four edges of a rectangle of the disc's area; return 4."""
    area = np.float32(math.pi) * leaf[_RADIUS] ** 2
    long, short = math.sqrt(area / leaf[_RATIO]), math.sqrt(area * leaf[_RATIO])
    cosine, sine = math.cos(leaf[_ANGLE]), math.sin(leaf[_ANGLE])
    wide = long * abs(cosine) + short * abs(sine)
    tall = long * abs(sine) + short * abs(cosine)
    shrink = min(1.0, longest / max(wide, tall)) / 2
    for i in range(4):
        for j in range(2):
            corner = (i + j) % 4
            u = long * shrink if corner in (0, 3) else -long * shrink
            v = short * shrink if corner in (0, 1) else -short * shrink
            corners[i, 2 * j] = leaf[_X] + cosine * u - sine * v
            corners[i, 2 * j + 1] = leaf[_Y] + sine * u + cosine * v
    return 4


@compiled
def _polygon(leaf: Any, shape: Any, largest: Any, corners: Any) -> Any:
    """Write the edges of an outline, mirrored, turned and scaled; return how many they are."""
    scale = min(leaf[_RADIUS] - _LOST, largest)
    cosine, sine = np.float32(math.cos(leaf[_ANGLE])) * scale, np.float32(math.sin(leaf[_ANGLE])) * scale
    y, x, mirror = leaf[_Y], leaf[_X], leaf[_MIRROR]
    for i in range(len(shape)):
        for j in (0, 2):
            u, v = shape[i, j] * mirror, shape[i, j + 1]
            corners[i, j] = x + cosine * u - sine * v
            corners[i, j + 1] = y + sine * u + cosine * v
    return len(shape)


@compiled
def _paint_polygon(
    corners: Any, count: Any, k: Any, labels: Any, box: Any, crossings: Any, counts: Any
) -> None:
    """Fill between the odd and the even crossings of each row."""
    height, width = labels.shape
    low, high = height, -1
    for i in range(count):
        x0, y0, x1, y1 = corners[i, 0], corners[i, 1], corners[i, 2], corners[i, 3]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        top, bottom = max(0, math.ceil(y0)), min(height - 1, math.ceil(y1) - 1)
        if top > bottom:
            continue
        slope = (x1 - x0) / (y1 - y0)
        at = x0 + (np.float32(top) - y0) * slope
        for row in range(top, bottom + 1):
            place = counts[row]
            while place > 0 and crossings[row, place - 1] > at:
                crossings[row, place] = crossings[row, place - 1]
                place -= 1
            crossings[row, place] = at
            counts[row] += 1
            at += slope
        low, high = min(low, top), max(high, bottom)
    for row in range(low, high + 1):
        for i in range(0, counts[row] - 1, 2):
            left = max(0, math.ceil(crossings[row, i]))
            right = min(width - 1, math.ceil(crossings[row, i + 1]) - 1)
            if left <= right:
                labels[row, left : right + 1] = k
                box[0], box[1] = min(box[0], row), max(box[1], row)
                box[2], box[3] = min(box[2], left), max(box[3], right)
        counts[row] = 0

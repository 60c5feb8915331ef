"""Which leaf is seen where: paints leaf numbers back to front, each row of a leaf by filling its spans.

A leaf holds the pixels whose centres it holds; pixel (row i, column j) has its centre at (i, j).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.images.vibrant_leaves.shapes import DISC, RECTANGLE, outline_bank
from synthnoise.images.vibrant_leaves.table import COLUMN
from synthnoise.kernels import compiled

BARE = -1
"""Label where there is no leaf."""

_SHAPE, _RADIUS, _OUTLINE, _MATRIX = (COLUMN[name] for name in ("shape", "radius", "outline", "x_u"))
_Y, _X = COLUMN["y"], COLUMN["x"]

_SQUARE = np.array([[1, 1, -1, 1], [-1, 1, -1, -1], [-1, -1, 1, -1], [1, -1, 1, 1]], dtype=np.float32)
"""Edges of the outline of rectangles."""


def paint(
    leaves: NDArray[np.float32], bounds: tuple[int, ...], canvas: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return labels int32 [layers, H, W] and boxes int32 [n, 4] of one image's leaves [n, columns].

    A label is the leaf's row of the table, or ``BARE``; a box is the first and last row and the first
    and last column of the canvas that lie between a leaf's outermost corners (last < first: none).
    """
    bank = outline_bank()
    labels = np.full((len(bounds) - 1, *canvas), BARE, dtype=np.int32)
    boxes = np.empty((len(leaves), 4), dtype=np.int32)
    for layer in range(len(bounds) - 1):
        _paint_layer(
            leaves, bounds[layer], bounds[layer + 1], bank.edges, bank.starts, labels[layer], boxes
        )  # fmt: skip
    return labels, boxes


@compiled
def _paint_layer(
    leaves: Any,
    first: Any,
    last: Any,
    edges: Any,
    starts: Any,
    labels: Any,
    boxes: Any,
) -> None:
    height, width = labels.shape
    most = 4
    for k in range(len(starts) - 1):
        most = max(most, starts[k + 1] - starts[k])
    crossings = np.empty((height, most), dtype=np.float32)
    counts = np.zeros(height, dtype=np.int64)
    corners = np.empty((most, 4), dtype=np.float32)
    for k in range(last - 1, first - 1, -1):
        leaf, box = leaves[k], boxes[k]
        if leaf[_SHAPE] == DISC:
            radius, y, x = int(leaf[_RADIUS]), int(leaf[_Y]), int(leaf[_X])
            _clip(y - radius, y + radius, x - radius, x + radius, height, width, box)
            _paint_disc(leaf, k, labels, box)
            continue
        shape = _SQUARE
        if leaf[_SHAPE] != RECTANGLE:
            which = int(leaf[_OUTLINE])
            shape = edges[starts[which] : starts[which + 1]]
        _place(leaf, shape, corners)
        top, bottom = corners[: len(shape), 1].min(), corners[: len(shape), 1].max()
        left, right = corners[: len(shape), 0].min(), corners[: len(shape), 0].max()
        rows = math.ceil(top), math.ceil(bottom) - 1
        _clip(rows[0], rows[1], math.ceil(left), math.ceil(right) - 1, height, width, box)
        if box[0] <= box[1]:
            _paint_polygon(corners, len(shape), k, labels, crossings, counts)


@compiled
def _clip(top: Any, bottom: Any, left: Any, right: Any, height: Any, width: Any, box: Any) -> None:
    """Write what of a box lies on the canvas."""
    box[0], box[1], box[2], box[3] = max(top, 0), min(bottom, height - 1), max(left, 0), min(right, width - 1)
    if box[0] > box[1] or box[2] > box[3]:
        box[0], box[1], box[2], box[3] = height, -1, width, -1


@compiled
def _paint_disc(leaf: Any, k: Any, labels: Any, box: Any) -> None:
    width = labels.shape[1]
    radius, y, x = int(leaf[_RADIUS]), int(leaf[_Y]), int(leaf[_X])
    for row in range(box[0], box[1] + 1):
        half = int(math.sqrt(radius * radius - (row - y) * (row - y)))
        left, right = max(0, x - half), min(width - 1, x + half)
        if left <= right:
            labels[row, left : right + 1] = k


@compiled
def _place(leaf: Any, shape: Any, corners: Any) -> None:
    """Write the edges of an outline on the canvas."""
    x_u, x_v, y_u, y_v = leaf[_MATRIX], leaf[_MATRIX + 1], leaf[_MATRIX + 2], leaf[_MATRIX + 3]
    y, x = leaf[_Y], leaf[_X]
    for i in range(len(shape)):
        for j in (0, 2):
            u, v = shape[i, j], shape[i, j + 1]
            corners[i, j] = x + x_u * u + x_v * v
            corners[i, j + 1] = y + y_u * u + y_v * v


@compiled
def _paint_polygon(corners: Any, count: Any, k: Any, labels: Any, crossings: Any, counts: Any) -> None:
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
        counts[row] = 0

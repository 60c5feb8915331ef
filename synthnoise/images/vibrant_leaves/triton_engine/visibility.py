"""Which leaf of a layer is seen in a tile, found from front to back until the tile is full.

A row of a tile is one word: bit j is column j. Each edge that crosses the row turns all bits from there to
the right, so that the exclusive or over a leaf's edges is where the leaf is.
"""

from __future__ import annotations

import triton
import triton.language as tl

from synthnoise.images.vibrant_leaves.table import COLUMN

_RADIUS = tl.constexpr(COLUMN["radius"])
_Y = tl.constexpr(COLUMN["y"])
_X = tl.constexpr(COLUMN["x"])
_MATRIX = tl.constexpr(COLUMN["x_u"])


@triton.jit
def _ones_from(column):
    """Return words whose bits are set from ``column`` on; none from 32, all below 1."""
    column = tl.maximum(column, 0)
    return tl.where(column >= 32, 0, (-1) << tl.minimum(column, 31))


@triton.jit
def _polygon_words(leaf, first, last, edges, rows, left, TALL: tl.constexpr, EDGES: tl.constexpr):
    """Return int32 [TALL], where the outline with these edges of the bank holds pixels of the rows."""
    y, x = tl.load(leaf + _Y), tl.load(leaf + _X)
    x_u, x_v = tl.load(leaf + _MATRIX), tl.load(leaf + _MATRIX + 1)
    y_u, y_v = tl.load(leaf + _MATRIX + 2), tl.load(leaf + _MATRIX + 3)
    row = rows.to(tl.float32)[None, :]
    words = tl.zeros([TALL], tl.int32)
    for start in range(first, last, EDGES):
        edge = start + tl.arange(0, EDGES)
        there = edge < last
        u0 = tl.load(edges + 4 * edge, mask=there, other=0.0)
        v0 = tl.load(edges + 4 * edge + 1, mask=there, other=0.0)
        u1 = tl.load(edges + 4 * edge + 2, mask=there, other=0.0)
        v1 = tl.load(edges + 4 * edge + 3, mask=there, other=0.0)
        x0, y0 = x + x_u * u0 + x_v * v0, y + y_u * u0 + y_v * v0
        x1, y1 = x + x_u * u1 + x_v * v1, y + y_u * u1 + y_v * v1
        upper_x, upper_y = tl.where(y0 > y1, x1, x0), tl.minimum(y0, y1)
        lower_x, lower_y = tl.where(y0 > y1, x0, x1), tl.maximum(y0, y1)
        slope = (lower_x - upper_x) / tl.maximum(lower_y - upper_y, 1e-9)
        at = upper_x[:, None] + (row - upper_y[:, None]) * slope[:, None]
        # Clipped before it becomes a whole number: a flat edge's slope may take it anywhere.
        column = tl.ceil(tl.minimum(tl.maximum(at - left, -1.0), 33.0)).to(tl.int32)
        crosses = there[:, None] & (upper_y[:, None] <= row) & (row < lower_y[:, None])
        words ^= tl.xor_sum(tl.where(crosses, _ones_from(column), 0), axis=0)
    return words


@triton.jit
def _disc_words(leaf, rows, left):
    """Return int32 [TALL], where the disc holds pixels of the rows."""
    radius, y = tl.load(leaf + _RADIUS).to(tl.int32), tl.load(leaf + _Y).to(tl.int32)
    x = tl.load(leaf + _X).to(tl.int32)
    squared = radius * radius - (rows - y) * (rows - y)
    half = tl.sqrt(tl.maximum(squared, 0).to(tl.float64)).to(tl.int32)
    words = _ones_from(x - half - left) ^ _ones_from(x + half + 1 - left)
    return tl.where(squared >= 0, words, 0)


@triton.jit
def visible(
    leaves, outlines, edges, edge_starts, entries, start, end,
    rows, left, height, width,
    COLUMNS: tl.constexpr, TALL: tl.constexpr, EDGES: tl.constexpr,
):  # fmt: skip
    """Return int32 [TALL, 32], the frontmost of the entries' leaves at each pixel, or -1."""
    bit = tl.arange(0, 32)[None, :]
    label = tl.full([TALL, 32], -1, tl.int32)
    free = tl.where(rows < height, ~_ones_from(width - left), 0)
    remaining = 1
    place = start
    while (place < end) & (remaining != 0):
        number = tl.load(entries + place)
        leaf = leaves + number.to(tl.int64) * COLUMNS
        outline = tl.load(outlines + number)
        if outline < 0:
            words = _disc_words(leaf, rows, left)
        else:
            first, last = tl.load(edge_starts + outline), tl.load(edge_starts + outline + 1)
            words = _polygon_words(leaf, first, last, edges, rows, left, TALL, EDGES)
        new = words & free
        label = tl.where((new[:, None] >> bit) & 1 != 0, number, label)
        free = free & ~words
        remaining = tl.max(tl.where(free != 0, 1, 0), axis=0)
        place += 1
    return label

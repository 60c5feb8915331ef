"""The kernels that are launched: one paints tiles, two blur, fuse and reduce.

Light is float32 [B, 3 layers, 3, H, W], sRGB; in the foreground and the middle below zero where no leaf is.
"""

from __future__ import annotations

import triton
import triton.language as tl

from synthnoise.images.vibrant_leaves.depth import BARE, GAUSSIAN_REACH
from synthnoise.images.vibrant_leaves.table import BACKGROUND, FOREGROUND, MIDDLE
from synthnoise.images.vibrant_leaves.triton_engine.lab import decoded
from synthnoise.images.vibrant_leaves.triton_engine.shading import shaded
from synthnoise.images.vibrant_leaves.triton_engine.visibility import visible

_BACKGROUND = tl.constexpr(BACKGROUND)
_FOREGROUND = tl.constexpr(FOREGROUND)
_MIDDLE = tl.constexpr(MIDDLE)
_BARE = tl.constexpr(float(BARE))
_REACH = tl.constexpr(GAUSSIAN_REACH)


@triton.jit
def paint_tiles(
    leaves, outlines, edges, edge_starts, tile_starts, tile_leaves,
    slots, periods, noise, field_starts, sides, warp, light, labels,
    count, height, width, tile_rows, tile_columns,
    COLUMNS: tl.constexpr, SLOTS: tl.constexpr, TALL: tl.constexpr, EDGES: tl.constexpr,
    CLASSIC: tl.constexpr, LABELS: tl.constexpr,
):  # fmt: skip
    """See and shade one tile of one layer; with ``LABELS``, write the rows of the table as well."""
    tile = tl.program_id(0)
    column, rest = tile % tile_columns, tile // tile_columns
    layer = (rest // tile_rows) % 3
    image = rest // tile_rows // 3
    left = column * 32
    rows = (rest % tile_rows) * TALL + tl.arange(0, TALL)
    columns = left + tl.arange(0, 32)
    start, end = tl.load(tile_starts + tile), tl.load(tile_starts + tile + 1)
    label = visible(
        leaves, outlines, edges, edge_starts, tile_leaves, start, end, rows, left, height, width, COLUMNS,
        TALL, EDGES,
    )  # fmt: skip
    bare = tl.where(layer == _BACKGROUND, _BARE, -1.0)
    red, green, blue = shaded(
        slots, periods, noise, field_starts, sides, warp, label, rows, columns, bare, SLOTS, CLASSIC
    )
    on = (rows < height)[:, None] & (columns < width)[None, :]
    plane = height.to(tl.int64) * width
    at = rows[:, None] * width + columns[None, :]
    place = (image * 3 + layer).to(tl.int64)
    target = light + place * 3 * plane + at
    tl.store(target, red, mask=on)
    tl.store(target + plane, green, mask=on)
    tl.store(target + 2 * plane, blue, mask=on)
    if LABELS:
        tl.store(labels + place * plane + at, tl.where(label >= 0, label - image * count, -1), mask=on)


@triton.jit
def _mirrored(place, length):
    """Return places mirrored about the outermost pixels."""
    place = tl.abs(place) % tl.maximum(2 * length - 2, 1)
    return tl.where(place < length, place, 2 * length - 2 - place)


@triton.jit
def blur_columns(light, weights, blurred, height, width, TALL: tl.constexpr):
    """Blur background and masked foreground down the columns.

    ``blurred`` float32 [B, 7, H, W]: background, foreground times mask, mask; ``weights`` float32 [B, 11].
    """
    image = tl.program_id(2).to(tl.int64)
    rows = tl.program_id(1) * TALL + tl.arange(0, TALL)
    columns = tl.program_id(0) * 64 + tl.arange(0, 64)
    on = (rows < height)[:, None] & (columns < width)[None, :]
    plane = height.to(tl.int64) * width
    far = light + (image * 3 + _BACKGROUND) * 3 * plane
    near = light + (image * 3 + _FOREGROUND) * 3 * plane
    target = blurred + image * 7 * plane + rows[:, None] * width + columns[None, :]
    for channel in range(3):
        behind = tl.zeros([TALL, 64], tl.float32)
        before = tl.zeros([TALL, 64], tl.float32)
        mask = tl.zeros([TALL, 64], tl.float32)
        for tap in range(2 * _REACH + 1):
            weight = tl.load(weights + image * (2 * _REACH + 1) + tap)
            at = _mirrored(rows + tap - _REACH, height)[:, None] * width + columns[None, :]
            behind += weight * tl.load(far + channel * plane + at, mask=on, other=0.0)
            value = tl.load(near + channel * plane + at, mask=on, other=-1.0)
            before += weight * tl.maximum(value, 0.0)
            mask += tl.where(value >= 0, weight, 0.0)
        tl.store(target + channel * plane, behind, mask=on)
        tl.store(target + (3 + channel) * plane, before, mask=on)
        if channel == 0:
            tl.store(target + 6 * plane, mask, mask=on)


@triton.jit
def _across(source, weights, row, columns, width, on):
    """Return the blur along rows at these pixels of a plane."""
    total = tl.zeros_like(on.to(tl.float32))
    for tap in range(2 * _REACH + 1):
        at = row[:, None] * width + _mirrored(columns + tap - _REACH, width)[None, :]
        total += tl.load(weights + tap) * tl.load(source + at, mask=on, other=0.0)
    return total


@triton.jit
def fuse_rows(
    light, weights, blurred, images, height, width, out_height, out_width,
    REDUCTION: tl.constexpr, TALL: tl.constexpr,
):  # fmt: skip
    """Blur along the rows, put the layers together, average canvas pixels, and give linear light."""
    image = tl.program_id(2).to(tl.int64)
    out_rows = tl.program_id(1) * TALL + tl.arange(0, TALL)
    out_columns = tl.program_id(0) * 64 + tl.arange(0, 64)
    on = (out_rows < out_height)[:, None] & (out_columns < out_width)[None, :]
    plane = height.to(tl.int64) * width
    weights += image * (2 * _REACH + 1)
    behind = blurred + image * 7 * plane
    middle = light + (image * 3 + _MIDDLE) * 3 * plane
    red = tl.zeros([TALL, 64], tl.float32)
    green = tl.zeros([TALL, 64], tl.float32)
    blue = tl.zeros([TALL, 64], tl.float32)
    for step in range(REDUCTION * REDUCTION):
        row, column = out_rows * REDUCTION + step // REDUCTION, out_columns * REDUCTION + step % REDUCTION
        at = row[:, None] * width + column[None, :]
        free = 1 - _across(behind + 6 * plane, weights, row, column, width, on)
        r = tl.load(middle + at, mask=on, other=0.0)
        sharp = r >= 0
        g = tl.load(middle + plane + at, mask=on, other=0.0)
        b = tl.load(middle + 2 * plane + at, mask=on, other=0.0)
        r = tl.where(sharp, r, _across(behind, weights, row, column, width, on))
        g = tl.where(sharp, g, _across(behind + plane, weights, row, column, width, on))
        b = tl.where(sharp, b, _across(behind + 2 * plane, weights, row, column, width, on))
        red += free * r + _across(behind + 3 * plane, weights, row, column, width, on)
        green += free * g + _across(behind + 4 * plane, weights, row, column, width, on)
        blue += free * b + _across(behind + 5 * plane, weights, row, column, width, on)
    share = 1 / (REDUCTION * REDUCTION)
    out_plane = out_height.to(tl.int64) * out_width
    target = images + image * 3 * out_plane + out_rows[:, None] * out_width + out_columns[None, :]
    tl.store(target, decoded(red * share), mask=on)
    tl.store(target + out_plane, decoded(green * share), mask=on)
    tl.store(target + 2 * out_plane, decoded(blue * share), mask=on)

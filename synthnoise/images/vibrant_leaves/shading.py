"""Colours of the pixels that are seen: one row at a time, one run of a leaf after the other.

All of sRGB in [0, 1]. Rows are planar, float32 [3, W].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.coefficients import (
    COLOUR_1,
    COLOUR_2,
    LAB_1,
    LAB_2,
    MATRIX_A,
    MATRIX_B,
    TILT,
)
from synthnoise.images.vibrant_leaves.lab import lab_of, rgb_of
from synthnoise.images.vibrant_leaves.maps import fill_map
from synthnoise.images.vibrant_leaves.table import FLAT, GRADIENT, MIX, NOISE
from synthnoise.kernels import compiled

SCRATCH = 7
"""Rows that shading needs to work in."""

_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled
def shade_row(
    labels: Any,
    y: Any,
    slots: Any,
    starts: Any,
    atlas: Any,
    warp: Any,
    classic: Any,
    bare: Any,
    scratch: Any,
    row: Any,
) -> None:
    """Colour a row of labels; where there is no leaf all channels are ``bare``.

    ``slots`` and ``starts`` are those of ``coefficients.prepare``, ``atlas`` and ``warp`` those of
    ``textures``; ``classic`` selects the waves of 2025; ``scratch`` is float32 [SCRATCH, W].
    """
    width = len(labels)
    first = 0
    while first < width:
        k = labels[first]
        last = first + 1
        while last < width and labels[last] == k:
            last += 1
        part = row[:, first:last]
        if k < 0:
            part[:] = bare
        else:
            slot = slots[k]
            fill = slot[c.FILL]
            if fill == FLAT:
                for i in range(3):
                    part[i, :] = slot[COLOUR_1 + i]
            elif fill == GRADIENT:
                _shade_ramp(slot, y, first, part)
            else:
                fields = atlas[int(slot[c.SIDE])]
                _shade_texture(slot, starts[k], fields, warp, classic, y, first, scratch, part)
        first = last


@compiled
def _shade_ramp(slot: Any, y: Any, first: Any, row: Any) -> None:
    """Run from the first to the second colour in Lab, along a part of a logistic curve."""
    start = slot[c.RAMP_0] + slot[c.RAMP_Y] * np.float32(y) + slot[c.RAMP_X] * np.float32(first)
    step, gain, low = slot[c.RAMP_X], slot[c.RAMP_GAIN], slot[c.RAMP_LOW]
    scale = _ONE / slot[c.RAMP_HEIGHT]
    part = np.empty(row.shape[1], dtype=np.float32)
    for x in range(len(part)):
        at = start + step * np.float32(x)
        bend = np.float32(math.exp(gain * (np.float32(6) - np.float32(12.1) * at)))
        part[x] = (_ONE / (_ONE + bend) - low) * scale
    _mix_colours(slot, part, row)


@compiled
def _mix_colours(slot: Any, part: Any, row: Any) -> None:
    """Write sRGB of places between the leaf's two colours in Lab."""
    light, a, b = slot[LAB_1], slot[LAB_1 + 1], slot[LAB_1 + 2]
    d_light, d_a, d_b = slot[LAB_2] - light, slot[LAB_2 + 1] - a, slot[LAB_2 + 2] - b
    red, green, blue = row[0], row[1], row[2]
    for x in range(len(part)):
        share = part[x]
        red[x], green[x], blue[x] = rgb_of(light + share * d_light, a + share * d_a, b + share * d_b)


@compiled
def _mix_textures(part: Any, second: Any, row: Any) -> None:
    """Mix ``row`` and ``second``, both sRGB [3, n], in Lab; ``part`` is the share of the second."""
    for x in range(len(part)):
        share = part[x]
        if share == 0:
            continue
        light, a, b = lab_of(second[0, x], second[1, x], second[2, x])
        if share < 1:
            light_1, a_1, b_1 = lab_of(row[0, x], row[1, x], row[2, x])
            light, a, b = (
                light_1 + share * (light - light_1),
                a_1 + share * (a - a_1),
                b_1 + share * (b - b_1),
            )
            row[0, x], row[1, x], row[2, x] = rgb_of(light, a, b)
        else:
            row[0, x], row[1, x], row[2, x] = second[0, x], second[1, x], second[2, x]


@compiled
def _shade_texture(
    slot: Any, starts: Any, fields: Any, warp: Any, classic: Any, y: Any, first: Any, scratch: Any, row: Any
) -> None:
    """Noise, two colours between which a map goes, or two noises or colours."""
    fill, tilted = slot[c.FILL], slot[TILT] > 0
    count = row.shape[1]
    u, v = scratch[0, :count], scratch[1, :count]
    if fill == NOISE and not tilted:
        _shade_upright(slot, fields[int(slot[c.SLOPE_A])], c.PLACE_AY, COLOUR_1, MATRIX_A, y, first, row)
        return
    _fill_places(slot, y, first, u, v)
    if fill == NOISE:
        _shade_tilted(slot, fields[int(slot[c.SLOPE_A])], c.PLACE_AY, COLOUR_1, MATRIX_A, u, v, row)
        return
    part, other = scratch[2, :count], scratch[3, :count]
    second = scratch[4:7, :count]
    if fill == MIX:
        for noise in range(2):
            place, colour, matrix = c.PLACE_AY, COLOUR_1, MATRIX_A
            slope, textured, target = slot[c.SLOPE_A], slot[c.TEXTURED_A] > 0, row
            if noise == 1:
                place, colour, matrix = c.PLACE_BY, COLOUR_2, MATRIX_B
                slope, textured, target = slot[c.SLOPE_B], slot[c.TEXTURED_B] > 0, second
            if not textured:
                for i in range(3):
                    target[i, :] = slot[colour + i]
            elif tilted:
                _shade_tilted(slot, fields[int(slope)], place, colour, matrix, u, v, target)
            else:
                _shade_upright(slot, fields[int(slope)], place, colour, matrix, y, first, target)
        fill_map(slot, starts, warp, classic, u, v, part, other)
        _mix_textures(part, second, row)
    else:
        fill_map(slot, starts, warp, classic, u, v, part, other)
        _mix_colours(slot, part, row)


@compiled
def _fill_places(slot: Any, y: Any, first: Any, u: Any, v: Any) -> None:
    """Write where in the leaf's texture the pixels of a run lie."""
    u_0 = slot[c.U_0] + slot[c.U_Y] * np.float32(y) + slot[c.U_X] * np.float32(first)
    v_0 = slot[c.V_0] + slot[c.V_Y] * np.float32(y) + slot[c.V_X] * np.float32(first)
    u_x, v_x, tilt = slot[c.U_X], slot[c.V_X], slot[TILT]
    for x in range(len(u)):
        across, down = u_0 + u_x * np.float32(x), v_0 + v_x * np.float32(x)
        shrink = _ONE / (_ONE + tilt * across)
        u[x], v[x] = across * shrink, down * shrink


@compiled
def _clipped(value: Any) -> Any:
    return min(max(value, _ZERO), _ONE)


@compiled
def _shade_upright(
    slot: Any, field: Any, place: Any, colour: Any, matrix: Any, y: Any, first: Any, row: Any
) -> None:
    """Noise seen upright: mirrored or turned it has the same law, so it is read along its rows."""
    mask = len(field) - 1
    line = field[(int(slot[place]) + y) & mask]
    start = int(slot[place + 1]) + first
    r_0, g_0, b_0 = slot[colour], slot[colour + 1], slot[colour + 2]
    m00, m01, m02 = slot[matrix], slot[matrix + 1], slot[matrix + 2]
    m10, m11, m12 = slot[matrix + 3], slot[matrix + 4], slot[matrix + 5]
    m20, m21, m22 = slot[matrix + 6], slot[matrix + 7], slot[matrix + 8]
    red, green, blue = row[0], row[1], row[2]
    for x in range(len(red)):
        at = np.uint64((start + x) & mask)
        p, q, r = np.float32(line[at, 0]), np.float32(line[at, 1]), np.float32(line[at, 2])
        red[x] = _clipped(r_0 + m00 * p + m01 * q + m02 * r)
        green[x] = _clipped(g_0 + m10 * p + m11 * q + m12 * r)
        blue[x] = _clipped(b_0 + m20 * p + m21 * q + m22 * r)


@compiled
def _shade_tilted(
    slot: Any, field: Any, place: Any, colour: Any, matrix: Any, u: Any, v: Any, row: Any
) -> None:
    """Noise seen at an angle: read between the field's pixels, bilinear."""
    if slot[c.TURNED] > 0:
        u, v = v, u
    down, right = slot[place], slot[place + 1]
    mask = np.int32(len(field) - 1)
    r_0, g_0, b_0 = slot[colour], slot[colour + 1], slot[colour + 2]
    m00, m01, m02 = slot[matrix], slot[matrix + 1], slot[matrix + 2]
    m10, m11, m12 = slot[matrix + 3], slot[matrix + 4], slot[matrix + 5]
    m20, m21, m22 = slot[matrix + 6], slot[matrix + 7], slot[matrix + 8]
    red, green, blue = row[0], row[1], row[2]
    for x in range(len(red)):
        at_y, at_x = v[x] + down, u[x] + right
        top, left = np.int32(math.floor(at_y)), np.int32(math.floor(at_x))
        dy, dx = at_y - np.float32(top), at_x - np.float32(left)
        upper, lower = field[np.uint32(top & mask)], field[np.uint32((top + np.int32(1)) & mask)]
        i, j = np.uint32(left & mask), np.uint32((left + np.int32(1)) & mask)
        d = dy * dx
        a, b, e = _ONE - dy - dx + d, dx - d, dy - d
        p = a * np.float32(upper[i, 0]) + b * np.float32(upper[j, 0])
        q = a * np.float32(upper[i, 1]) + b * np.float32(upper[j, 1])
        r = a * np.float32(upper[i, 2]) + b * np.float32(upper[j, 2])
        p += e * np.float32(lower[i, 0]) + d * np.float32(lower[j, 0])
        q += e * np.float32(lower[i, 1]) + d * np.float32(lower[j, 1])
        r += e * np.float32(lower[i, 2]) + d * np.float32(lower[j, 2])
        red[x] = _clipped(r_0 + m00 * p + m01 * q + m02 * r)
        green[x] = _clipped(g_0 + m10 * p + m11 * q + m12 * r)
        blue[x] = _clipped(b_0 + m20 * p + m21 * q + m22 * r)

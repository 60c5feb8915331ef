"""Colours of the leaves seen in a tile, in kernels; see ``vibrant_leaves.shading``.

``slot`` are pointers to the slots of each pixel's leaf. A kind of fill costs nothing in tiles without it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.table import FLAT, GRADIENT, MIX, NOISE, WAVES
from synthnoise.images.vibrant_leaves.textures import SLOPES
from synthnoise.images.vibrant_leaves.triton_engine.lab import clipped, lab_of, rgb_of
from synthnoise.images.vibrant_leaves.triton_engine.maps import interpolation_map

_FLAT = tl.constexpr(FLAT)
_GRADIENT = tl.constexpr(GRADIENT)
_NOISE = tl.constexpr(NOISE)
_WAVES = tl.constexpr(WAVES)
_MIX = tl.constexpr(MIX)
_FILL = tl.constexpr(c.FILL)
_COLOUR_1 = tl.constexpr(c.COLOUR_1)
_COLOUR_2 = tl.constexpr(c.COLOUR_2)
_LAB_1 = tl.constexpr(c.LAB_1)
_LAB_2 = tl.constexpr(c.LAB_2)
_MATRIX_A = tl.constexpr(c.MATRIX_A)
_MATRIX_B = tl.constexpr(c.MATRIX_B)
_SIDE = tl.constexpr(c.SIDE)
_SLOPE_A = tl.constexpr(c.SLOPE_A)
_SLOPE_B = tl.constexpr(c.SLOPE_B)
_PLACE_A = tl.constexpr(c.PLACE_AY)
_PLACE_B = tl.constexpr(c.PLACE_BY)
_U_0 = tl.constexpr(c.U_0)
_V_0 = tl.constexpr(c.V_0)
_TILT = tl.constexpr(c.TILT)
_TURNED = tl.constexpr(c.TURNED)
_RAMP_0 = tl.constexpr(c.RAMP_0)
_RAMP_Y = tl.constexpr(c.RAMP_Y)
_RAMP_X = tl.constexpr(c.RAMP_X)
_RAMP_GAIN = tl.constexpr(c.RAMP_GAIN)
_RAMP_LOW = tl.constexpr(c.RAMP_LOW)
_RAMP_HEIGHT = tl.constexpr(c.RAMP_HEIGHT)
_CYCLES = tl.constexpr(c.CYCLES)
_SLOPES = tl.constexpr(SLOPES)


@triton.jit
def _anywhere(mask):
    return tl.max(tl.max(mask.to(tl.int32), axis=1), axis=0) > 0


@triton.jit
def _three(slot, first: tl.constexpr, on):
    return (
        tl.load(slot + first, mask=on, other=0.0),
        tl.load(slot + first + 1, mask=on, other=0.0),
        tl.load(slot + first + 2, mask=on, other=0.0),
    )


@triton.jit
def _places(slot, on, y, x):
    """Return where in the leaf's texture pixels lie."""
    u_0, u_y, u_x = _three(slot, _U_0, on)
    v_0, v_y, v_x = _three(slot, _V_0, on)
    across, down = u_0 + u_y * y + u_x * x, v_0 + v_y * y + v_x * x
    shrink = 1 / (1 + tl.load(slot + _TILT, mask=on, other=0.0) * across)
    return across * shrink, down * shrink


@triton.jit
def _texel(noise, start, mask, i, j, on):
    """Return the three planes of packed texels."""
    word = tl.load(noise + start + (i & mask) * (mask + 1) + (j & mask), mask=on, other=0)
    p, q, r = word >> 22, (word << 10) >> 22, (word << 20) >> 22
    return p.to(tl.float32), q.to(tl.float32), r.to(tl.float32)


@triton.jit
def _noise(
    slot, on, noise, field_starts, sides, y, x, u, v,
    slope: tl.constexpr, place: tl.constexpr, colour: tl.constexpr, matrix: tl.constexpr,
):  # fmt: skip
    """Return sRGB of noise: upright texel by texel, at an angle between four."""
    tilted = tl.load(slot + _TILT, mask=on, other=0.0) > 0
    turned = tl.load(slot + _TURNED, mask=on, other=0.0) > 0
    number = tl.load(slot + _SIDE, mask=on, other=0.0).to(tl.int32)
    mask = tl.load(sides + number, mask=on, other=1) - 1
    which = number * _SLOPES + tl.load(slot + slope, mask=on, other=0.0).to(tl.int32)
    start = tl.load(field_starts + which, mask=on, other=0)
    down = tl.where(tilted, tl.where(turned, u, v), y)
    right = tl.where(tilted, tl.where(turned, v, u), x)
    top, left = tl.floor(down), tl.floor(right)
    i = top.to(tl.int32) + tl.load(slot + place, mask=on, other=0.0).to(tl.int32)
    j = left.to(tl.int32) + tl.load(slot + place + 1, mask=on, other=0.0).to(tl.int32)
    p, q, r = _texel(noise, start, mask, i, j, on)
    between = on & tilted
    if _anywhere(between):
        dy, dx = down - top, right - left
        d = dy * dx
        a, b, e = 1 - dy - dx + d, dx - d, dy - d
        p_01, q_01, r_01 = _texel(noise, start, mask, i, j + 1, between)
        p_10, q_10, r_10 = _texel(noise, start, mask, i + 1, j, between)
        p_11, q_11, r_11 = _texel(noise, start, mask, i + 1, j + 1, between)
        p = tl.where(between, a * p + b * p_01 + e * p_10 + d * p_11, p)
        q = tl.where(between, a * q + b * q_01 + e * q_10 + d * q_11, q)
        r = tl.where(between, a * r + b * r_01 + e * r_10 + d * r_11, r)
    red, green, blue = _three(slot, colour, on)
    m_0, m_1, m_2 = _three(slot, matrix, on)
    red += m_0 * p + m_1 * q + m_2 * r
    m_0, m_1, m_2 = _three(slot, matrix + 3, on)
    green += m_0 * p + m_1 * q + m_2 * r
    m_0, m_1, m_2 = _three(slot, matrix + 6, on)
    blue += m_0 * p + m_1 * q + m_2 * r
    return clipped(red), clipped(green), clipped(blue)


@triton.jit
def _ramp(slot, on, y, x):
    """Return the share of the second colour, along a part of a logistic curve."""
    at = tl.load(slot + _RAMP_0, mask=on, other=0.0)
    at += tl.load(slot + _RAMP_Y, mask=on, other=0.0) * y + tl.load(slot + _RAMP_X, mask=on, other=0.0) * x
    curve = 1 / (1 + tl.exp(tl.load(slot + _RAMP_GAIN, mask=on, other=0.0) * (6.0 - 12.1 * at)))
    return (curve - tl.load(slot + _RAMP_LOW, mask=on, other=0.0)) / tl.load(
        slot + _RAMP_HEIGHT, mask=on, other=1.0
    )


@triton.jit
def shaded(
    slots, periods, noise, field_starts, sides, warp, label, rows,
    columns, bare, SLOTS: tl.constexpr, CLASSIC: tl.constexpr,
):  # fmt: skip
    """Return sRGB, three float32 [TALL, 32], of leaves ``label`` of all images, and ``bare`` for -1."""
    seen = label >= 0
    slot = slots + tl.maximum(label, 0).to(tl.int64) * SLOTS
    starts = periods + tl.maximum(label, 0).to(tl.int64) * (2 * (_CYCLES + 1))
    fill = tl.load(slot + _FILL, mask=seen, other=-1.0).to(tl.int32)
    y = rows[:, None].to(tl.float32) + tl.zeros_like(label).to(tl.float32)
    x = columns[None, :].to(tl.float32) + tl.zeros_like(label).to(tl.float32)
    red, green, blue = _three(slot, _COLOUR_1, seen & (fill == _FLAT))
    u, v = _places(slot, seen, y, x)
    share = tl.zeros_like(y)
    mapped = (fill == _WAVES) | (fill == _MIX)
    if _anywhere(mapped):
        share = interpolation_map(slot, starts, mapped, warp, u, v, CLASSIC)
    ramp = fill == _GRADIENT
    if _anywhere(ramp):
        share = tl.where(ramp, _ramp(slot, ramp, y, x), share)
    between = ramp | (fill == _WAVES)
    if _anywhere(between):
        light, a, b = _three(slot, _LAB_1, between)
        light_2, a_2, b_2 = _three(slot, _LAB_2, between)
        r_1, g_1, b_1 = rgb_of(
            light + share * (light_2 - light), a + share * (a_2 - a), b + share * (b_2 - b)
        )
        red, green, blue = (
            tl.where(between, r_1, red),
            tl.where(between, g_1, green),
            tl.where(between, b_1, blue),
        )
    mix = fill == _MIX
    rough = mix | (fill == _NOISE)
    if _anywhere(rough):
        r_1, g_1, b_1 = _noise(
            slot, rough, noise, field_starts, sides, y, x, u, v, _SLOPE_A, _PLACE_A, _COLOUR_1, _MATRIX_A
        )
        red, green, blue = tl.where(rough, r_1, red), tl.where(rough, g_1, green), tl.where(rough, b_1, blue)
    if _anywhere(mix):
        r_2, g_2, b_2 = _noise(
            slot, mix, noise, field_starts, sides, y, x, u, v, _SLOPE_B, _PLACE_B, _COLOUR_2, _MATRIX_B
        )
        light, a, b = lab_of(red, green, blue)
        light_2, a_2, b_2l = lab_of(r_2, g_2, b_2)
        r_1, g_1, b_1 = rgb_of(
            light + share * (light_2 - light), a + share * (a_2 - a), b + share * (b_2l - b)
        )
        inside = mix & (share > 0)
        second = share >= 1
        red = tl.where(inside, tl.where(second, r_2, r_1), red)
        green = tl.where(inside, tl.where(second, g_2, g_1), green)
        blue = tl.where(inside, tl.where(second, b_2, b_1), blue)
    return tl.where(seen, red, bare), tl.where(seen, green, bare), tl.where(seen, blue, bare)

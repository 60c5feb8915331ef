"""Reading fields whose pixels hold several planes in one word: at their pixels, or between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthnoise.images.vibrant_leaves.textures import WARP_UNIT
from synthnoise.kernels import inlined, vectorised

_STEP = np.float32(2.0**-22)
"""A word's upper 10 bits, read as a number, in steps of the plane."""

_DEVIATION = np.float32(2.0**-16 / WARP_UNIT)
"""Its upper 16 bits in standard deviations of the displacement."""

_UPPER_10, _10, _20 = np.int32(-(1 << 22)), np.int32(10), np.int32(20)
_UPPER_16, _16 = np.int32(-(1 << 16)), np.int32(16)
_ZERO, _ONE = np.float32(0), np.float32(1)
_NEXT = np.int32(1)


@inlined
def _plane_0(word: Any) -> Any:
    return np.float32(np.int32(word & _UPPER_10))


@inlined
def _plane_1(word: Any) -> Any:
    return np.float32(np.int32(np.int32(word << _10) & _UPPER_10))


@inlined
def _plane_2(word: Any) -> Any:
    return np.float32(np.int32(word << _20))


@inlined
def _along_u(word: Any) -> Any:
    return np.float32(np.int32(word & _UPPER_16))


@inlined
def _along_v(word: Any) -> Any:
    return np.float32(np.int32(word << _16))


@inlined
def _clipped(value: Any) -> Any:
    return min(max(value, _ZERO), _ONE)


@vectorised
def copy_words(field: Any, row: Any, first: Any, words: Any) -> None:
    """Write the field's row, from column ``first`` on; rows and columns come round again."""
    mask = len(field) - 1
    line = field[row & mask]
    place = first & mask
    for x in range(len(words)):
        words[x] = line[np.uint64((place + x) & mask)]


@vectorised
def read_corners(field: Any, v: Any, u: Any, words: Any, rests: Any) -> None:
    """Write the words of the four pixels about each place (v, u) and how far it lies from the first.

    ``words`` is int32 [4, n]: upper left and right, lower left and right; ``rests`` float32 [2, n].
    """
    mask = np.int32(len(field) - 1)
    upper_left, upper_right, lower_left, lower_right = words[0], words[1], words[2], words[3]
    down, right = rests[0], rests[1]
    for x in range(len(u)):
        top, left = np.floor(v[x]), np.floor(u[x])
        down[x], right[x] = v[x] - top, u[x] - left
        upper_left[x], upper_right[x] = np.int32(top) & mask, np.int32(left) & mask
    for x in range(len(u)):
        i, j = upper_left[x], upper_right[x]
        upper, lower = field[np.uint32(i)], field[np.uint32((i + _NEXT) & mask)]
        k = np.uint32((j + _NEXT) & mask)
        upper_left[x], upper_right[x] = upper[np.uint32(j)], upper[k]
        lower_left[x], lower_right[x] = lower[np.uint32(j)], lower[k]


@vectorised
def colour_upright(words: Any, slot: Any, colour: Any, matrix: Any, rgb: Any) -> None:
    """Write the colours of noise at its pixels: mean and matrix are slots of the leaf; ``rgb`` is [3, n]."""
    r_0, g_0, b_0 = slot[colour], slot[colour + 1], slot[colour + 2]
    m00, m01, m02 = _STEP * slot[matrix], _STEP * slot[matrix + 1], _STEP * slot[matrix + 2]
    m10, m11, m12 = _STEP * slot[matrix + 3], _STEP * slot[matrix + 4], _STEP * slot[matrix + 5]
    m20, m21, m22 = _STEP * slot[matrix + 6], _STEP * slot[matrix + 7], _STEP * slot[matrix + 8]
    red, green, blue = rgb[0], rgb[1], rgb[2]
    for x in range(len(words)):
        p, q, r = _plane_0(words[x]), _plane_1(words[x]), _plane_2(words[x])
        red[x] = _clipped(r_0 + m00 * p + m01 * q + m02 * r)
        green[x] = _clipped(g_0 + m10 * p + m11 * q + m12 * r)
        blue[x] = _clipped(b_0 + m20 * p + m21 * q + m22 * r)


@vectorised
def colour_between(words: Any, down: Any, right: Any, slot: Any, colour: Any, matrix: Any, rgb: Any) -> None:
    """Write the colours of noise between its pixels, bilinear; see :func:`read_corners`."""
    r_0, g_0, b_0 = slot[colour], slot[colour + 1], slot[colour + 2]
    m00, m01, m02 = _STEP * slot[matrix], _STEP * slot[matrix + 1], _STEP * slot[matrix + 2]
    m10, m11, m12 = _STEP * slot[matrix + 3], _STEP * slot[matrix + 4], _STEP * slot[matrix + 5]
    m20, m21, m22 = _STEP * slot[matrix + 6], _STEP * slot[matrix + 7], _STEP * slot[matrix + 8]
    upper_left, upper_right, lower_left, lower_right = words[0], words[1], words[2], words[3]
    red, green, blue = rgb[0], rgb[1], rgb[2]
    for x in range(len(down)):
        a, b, c, d = upper_left[x], upper_right[x], lower_left[x], lower_right[x]
        at_d = down[x] * right[x]
        at_b, at_c = right[x] - at_d, down[x] - at_d
        at_a = _ONE - down[x] - at_b
        p = at_a * _plane_0(a) + at_b * _plane_0(b) + at_c * _plane_0(c) + at_d * _plane_0(d)
        q = at_a * _plane_1(a) + at_b * _plane_1(b) + at_c * _plane_1(c) + at_d * _plane_1(d)
        r = at_a * _plane_2(a) + at_b * _plane_2(b) + at_c * _plane_2(c) + at_d * _plane_2(d)
        red[x] = _clipped(r_0 + m00 * p + m01 * q + m02 * r)
        green[x] = _clipped(g_0 + m10 * p + m11 * q + m12 * r)
        blue[x] = _clipped(b_0 + m20 * p + m21 * q + m22 * r)


@vectorised
def displace(words: Any, rests: Any, size: Any, u: Any, v: Any) -> None:
    """Move places by the displacements between the pixels that :func:`read_corners` has read.

    ``size`` is what their standard deviation is to be.
    """
    size *= _DEVIATION
    upper_left, upper_right, lower_left, lower_right = words[0], words[1], words[2], words[3]
    down, right = rests[0], rests[1]
    for x in range(len(u)):
        a, b, c, d = upper_left[x], upper_right[x], lower_left[x], lower_right[x]
        at_d = down[x] * right[x]
        at_b, at_c = right[x] - at_d, down[x] - at_d
        at_a = _ONE - down[x] - at_b
        u[x] += size * (at_a * _along_u(a) + at_b * _along_u(b) + at_c * _along_u(c) + at_d * _along_u(d))
        v[x] += size * (at_a * _along_v(a) + at_b * _along_v(b) + at_c * _along_v(c) + at_d * _along_v(d))

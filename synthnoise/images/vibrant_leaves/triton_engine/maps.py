"""Maps of [0, 1] between two colours or textures, in kernels; see ``vibrant_leaves.maps``.

``slot`` are pointers to the slots of each pixel's leaf, ``on`` the pixels that are wanted.
"""

from __future__ import annotations

import triton
import triton.language as tl

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.textures import WARP_SIDE

_GRID = tl.constexpr(c.GRID)
_WAVE_1 = tl.constexpr(c.WAVE_1)
_CROSSED = tl.constexpr(c.CROSSED)
_RAGGED = tl.constexpr(c.RAGGED)
_THICKNESS = tl.constexpr(c.THICKNESS)
_PERIOD_1 = tl.constexpr(c.PERIOD_1)
_WARP = tl.constexpr(c.WARP)
_WARP_SCALE = tl.constexpr(c.WARP_SCALE)
_WARP_Y = tl.constexpr(c.WARP_Y)
_WARP_X = tl.constexpr(c.WARP_X)
_CYCLES = tl.constexpr(c.CYCLES)
_SIDE = tl.constexpr(WARP_SIDE)
_FULL = tl.constexpr(6.283185307179586)


@triton.jit
def _displacement(warp, i, j, on):
    at = 2 * ((i & (_SIDE - 1)) * _SIDE + (j & (_SIDE - 1)))
    return tl.load(warp + at, mask=on, other=0.0), tl.load(warp + at + 1, mask=on, other=0.0)


@triton.jit
def _displaced(slot, on, warp, u, v):
    """Move the places by a smooth random field, read bilinearly on its torus."""
    size = tl.load(slot + _WARP, mask=on, other=0.0)
    scale = tl.load(slot + _WARP_SCALE, mask=on, other=0.0)
    y = v * scale + tl.load(slot + _WARP_Y, mask=on, other=0.0)
    x = u * scale + tl.load(slot + _WARP_X, mask=on, other=0.0)
    moves = on & (size > 0)
    top, left = tl.floor(y), tl.floor(x)
    down, right = y - top, x - left
    i, j = top.to(tl.int32), left.to(tl.int32)
    u_00, v_00 = _displacement(warp, i, j, moves)
    u_01, v_01 = _displacement(warp, i, j + 1, moves)
    u_10, v_10 = _displacement(warp, i + 1, j, moves)
    u_11, v_11 = _displacement(warp, i + 1, j + 1, moves)
    d = down * right
    a, b, e = 1 - down - right + d, right - d, down - d
    u += size * (a * u_00 + b * u_01 + e * u_10 + d * u_11)
    v += size * (a * v_00 + b * v_01 + e * v_10 + d * v_11)
    return u, v


@triton.jit
def _along(slot, on, base: tl.constexpr, u, v):
    along_u = tl.load(slot + base, mask=on, other=0.0)
    along_v = tl.load(slot + base + 1, mask=on, other=0.0)
    return along_u * u + along_v * v + tl.load(slot + base + 2, mask=on, other=0.0)


@triton.jit
def _wave(slot, starts, on, base: tl.constexpr, u, v):
    """Return a sine of [0, 1]; ``starts`` are pointers to where the wave's varying periods begin."""
    at = _along(slot, on, base, u, v)
    share = at - tl.floor(at)
    ragged = on & (tl.load(slot + _RAGGED, mask=on, other=0.0) > 0)
    if tl.max(tl.max(ragged.to(tl.int32), axis=1), axis=0) > 0:
        total = tl.load(starts + _CYCLES, mask=ragged, other=1.0)
        # The other leaves' waves count cycles, and a grid's has no starts.
        total = tl.where(total > 0, total, 1.0)
        around = at - total * tl.floor(at / total)
        begin = tl.zeros_like(at)
        end = total
        for cycle in range(1, _CYCLES):
            start = tl.load(starts + cycle, mask=ragged, other=0.0)
            passed = around >= start
            begin = tl.where(passed, start, begin)
            end = tl.where(passed, end, tl.minimum(end, start))
        varied = tl.minimum(tl.maximum((around - begin) / tl.maximum(end - begin, 1e-6), 0.0), 1.0)
        share = tl.where(ragged, varied, share)
    # The sine half a turn on, of an argument within half a turn: where all devices are accurate.
    return 0.5 - 0.5 * tl.sin((share - 0.5) * _FULL)


@triton.jit
def _squashed(value, gain, height):
    """Return [0, 1] bent by the upper half of a logistic curve."""
    return tl.minimum((1 / (1 + tl.exp(-gain * value)) - 0.5) * height, 1.0)


@triton.jit
def _saturated(slot, on, base: tl.constexpr, value):
    """Return 1 where the value exceeds the threshold, else the value bent."""
    gain = tl.load(slot + base + 4, mask=on, other=1.0)
    height = tl.load(slot + base + 5, mask=on, other=1.0)
    bent = _squashed(value, gain, height)
    return tl.where(value > tl.load(slot + base + 3, mask=on, other=1.0), 1.0, bent)


@triton.jit
def _lines(slot, on, base: tl.constexpr, wave: tl.constexpr, u, v):
    """Return 0 on lines of the leaf's thickness and 1 between them, with edges of one pixel."""
    period = tl.load(slot + _PERIOD_1 + wave, mask=on, other=1.0)
    at = _along(slot, on, base, u, v)
    at -= period * tl.floor(at / period)
    margin = (tl.load(slot + _THICKNESS, mask=on, other=1.0) - 1) * 0.5
    return tl.minimum(tl.maximum(tl.minimum(at, period - at) - margin, 0.0), 1.0)


@triton.jit
def interpolation_map(slot, starts, on, warp, u, v, CLASSIC: tl.constexpr):
    """Return the map of the pixels that are ``on``; ``CLASSIC``: the waves of 2025."""
    u, v = _displaced(slot, on, warp, u, v)
    crossed = tl.load(slot + _CROSSED, mask=on, other=0.0) > 0
    grid = tl.load(slot + _GRID, mask=on, other=0.0) > 0
    first = _wave(slot, starts, on, _WAVE_1, u, v)
    second = _wave(slot, starts + _CYCLES + 1, on, _WAVE_1 + 6, u, v)
    if CLASSIC:
        product = 2 * first - 1
        product = tl.where(crossed, product * (2 * second - 1), product)
        gain = tl.load(slot + _WAVE_1 + 4, mask=on, other=1.0)
        height = tl.load(slot + _WAVE_1 + 5, mask=on, other=1.0)
        curve = _squashed(tl.abs(product), gain, height)
        part = 0.5 + 0.5 * tl.where(product > 0, curve, -curve)
    else:
        part = _saturated(slot, on, _WAVE_1, first)
        part = tl.where(crossed, part * _saturated(slot, on, _WAVE_1 + 6, second), part)
    if tl.max(tl.max((on & grid).to(tl.int32), axis=1), axis=0) > 0:
        lines = _lines(slot, on, _WAVE_1, 0, u, v)
        other = _lines(slot, on, _WAVE_1 + 6, 1, u, v)
        part = tl.where(grid, tl.where(crossed, tl.minimum(lines, other), lines), part)
    return part

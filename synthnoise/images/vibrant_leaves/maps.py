"""Maps of [0, 1] between two colours or textures: one or two waves, or a grid of lines, plain or warped.

Each function works on a run of pixels: ``u`` and ``v`` are their places in the texture, float32 [n].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.textures import WARP_SIDE
from synthnoise.kernels import compiled

_CELLS = 1024
_SINE = (0.5 + 0.5 * np.sin(2 * np.pi * np.arange(_CELLS + 2) / _CELLS)).astype(np.float32)
_STEEPEST = 10.0
"""Largest gain of the squashing curve."""

_LOGISTIC = (1 / (1 + np.exp(-_STEEPEST * np.arange(_CELLS + 2) / _CELLS)) - 0.5).astype(np.float32)
_ZERO, _HALF, _ONE, _TWO = (np.float32(value) for value in (0, 0.5, 1, 2))
_SCALE, _PER_GAIN = np.float32(_CELLS), np.float32(_CELLS / _STEEPEST)
_LAST = np.int32(WARP_SIDE - 1)


@compiled
def fill_map(slot: Any, starts: Any, warp: Any, classic: Any, u: Any, v: Any, part: Any, other: Any) -> None:
    """Write the map into ``part``; ``other`` is scratch as long, and ``u`` and ``v`` are used up."""
    if slot[c.WARP] > 0:
        _displace(slot, warp, u, v)
    if slot[c.GRID]:
        _fill_lines(slot, c.WAVE_1, slot[c.PERIOD_1], u, v, part)
        if slot[c.CROSSED]:
            _fill_lines(slot, c.WAVE_2, slot[c.PERIOD_2], u, v, other)
            for i in range(len(part)):
                part[i] = min(part[i], other[i])
        return
    _fill_wave(slot, c.WAVE_1, starts[0], u, v, part)
    crossed = slot[c.CROSSED] > 0
    if crossed:
        _fill_wave(slot, c.WAVE_2, starts[1], u, v, other)
    if classic:
        _fold(slot, c.WAVE_1, crossed, part, other)
        return
    _saturate(slot, c.WAVE_1, part)
    if crossed:
        _saturate(slot, c.WAVE_2, other)
        for i in range(len(part)):
            part[i] *= other[i]


@compiled
def _displace(slot: Any, warp: Any, u: Any, v: Any) -> None:
    """Move the places by a smooth random field, read bilinearly on its torus."""
    size, scale, down_by, right_by = slot[c.WARP], slot[c.WARP_SCALE], slot[c.WARP_Y], slot[c.WARP_X]
    for i in range(len(u)):
        y, x = v[i] * scale + down_by, u[i] * scale + right_by
        top, left = np.int32(math.floor(y)), np.int32(math.floor(x))
        down, right = y - np.float32(top), x - np.float32(left)
        i0, j0 = np.uint32(top & _LAST), np.uint32(left & _LAST)
        i1, j1 = np.uint32((top + np.int32(1)) & _LAST), np.uint32((left + np.int32(1)) & _LAST)
        d = down * right
        a, b, e = _ONE - down - right + d, right - d, down - d
        u[i] += size * (a * warp[i0, j0, 0] + b * warp[i0, j1, 0] + e * warp[i1, j0, 0] + d * warp[i1, j1, 0])
        v[i] += size * (a * warp[i0, j0, 1] + b * warp[i0, j1, 1] + e * warp[i1, j0, 1] + d * warp[i1, j1, 1])


@compiled
def _fill_wave(slot: Any, base: Any, starts: Any, u: Any, v: Any, part: Any) -> None:
    """Write a sine of [0, 1], of one period or of periods that vary and come round again."""
    along_u, along_v, shift = slot[base], slot[base + 1], slot[base + 2]
    if slot[c.RAGGED] == 0:
        for i in range(len(u)):
            at = along_u * u[i] + along_v * v[i] + shift
            place = (at - np.float32(math.floor(at))) * _SCALE
            cell = np.uint32(np.int32(place))
            low = _SINE[cell]
            part[i] = low + (_SINE[cell + np.uint32(1)] - low) * (place - np.float32(cell))
        return
    total = starts[c.CYCLES]
    k = 0
    for i in range(len(u)):
        at = along_u * u[i] + along_v * v[i] + shift
        at -= total * np.float32(math.floor(at / total))
        while at < starts[k]:
            k -= 1
        while k < c.CYCLES - 1 and at >= starts[k + 1]:
            k += 1
        place = min(max((at - starts[k]) / (starts[k + 1] - starts[k]), _ZERO), _ONE) * _SCALE
        cell = np.uint32(np.int32(place))
        low = _SINE[cell]
        part[i] = low + (_SINE[cell + np.uint32(1)] - low) * (place - np.float32(cell))


@compiled
def _squashed(value: Any, steep: Any, height: Any) -> Any:
    """Return [0, 1] bent by the upper half of a logistic curve."""
    place = value * steep
    cell = np.uint32(np.int32(place))
    low = _LOGISTIC[cell]
    return min((low + (_LOGISTIC[cell + np.uint32(1)] - low) * (place - np.float32(cell))) * height, _ONE)


@compiled
def _saturate(slot: Any, base: Any, part: Any) -> None:
    """Raise what exceeds the threshold to 1, then bend."""
    threshold, steep, height = slot[base + 3], slot[base + 4] * _PER_GAIN, slot[base + 5]
    for i in range(len(part)):
        part[i] = _ONE if part[i] > threshold else _squashed(part[i], steep, height)


@compiled
def _fold(slot: Any, base: Any, crossed: Any, part: Any, other: Any) -> None:
    """Turn waves of [0, 1] into their product in [-1, 1], bend it, and bring it back to [0, 1]."""
    steep, height = slot[base + 4] * _PER_GAIN, slot[base + 5]
    for i in range(len(part)):
        product = _TWO * part[i] - _ONE
        if crossed:
            product *= _TWO * other[i] - _ONE
        curve = _squashed(abs(product), steep, height)
        part[i] = _HALF + _HALF * (curve if product > 0 else -curve)


@compiled
def _fill_lines(slot: Any, base: Any, period: Any, u: Any, v: Any, part: Any) -> None:
    """Write 0 on lines of the leaf's thickness and 1 between them, with edges of one pixel."""
    along_u, along_v, shift = slot[base], slot[base + 1], slot[base + 2]
    margin = (slot[c.THICKNESS] - _ONE) * _HALF
    for i in range(len(u)):
        at = along_u * u[i] + along_v * v[i] + shift
        at -= period * np.float32(math.floor(at / period))
        part[i] = min(max(min(at, period - at) - margin, _ZERO), _ONE)

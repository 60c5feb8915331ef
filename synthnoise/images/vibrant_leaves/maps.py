"""Maps of [0, 1] between two colours or textures: one or two waves, or a grid of lines, plain or warped.

Each function works on pixels of one leaf: ``u`` and ``v`` are their places in the texture, float32 [n].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.approximations import logistic, sine_of_cycles
from synthnoise.images.vibrant_leaves.fields import displace, read_corners
from synthnoise.kernels import inlined, vectorised

_ZERO, _HALF, _ONE = (np.float32(value) for value in (0, 0.5, 1))


@vectorised
def fill_map(
    slot: Any, starts: Any, warp: Any, classic: Any, u: Any, v: Any, words: Any, spare: Any, part: Any
) -> None:
    """Write the map into ``part``; ``u`` and ``v`` are used up.

    ``words`` is scratch int32 [4, n], ``spare`` float32 [4, n].
    """
    other = spare[0]
    if slot[c.WARP] > 0:
        _displace(slot, warp, u, v, words, spare)
    if slot[c.GRID] > 0:
        _fill_lines(slot, c.WAVE_1, slot[c.PERIOD_1], u, v, part)
        if slot[c.CROSSED] > 0:
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


@vectorised
def _displace(slot: Any, warp: Any, u: Any, v: Any, words: Any, spare: Any) -> None:
    """Move the places by a smooth random field, read bilinearly on its torus."""
    scale, down_by, right_by = slot[c.WARP_SCALE], slot[c.WARP_Y], slot[c.WARP_X]
    field_v, field_u = spare[2], spare[3]
    for i in range(len(u)):
        field_v[i], field_u[i] = v[i] * scale + down_by, u[i] * scale + right_by
    read_corners(warp, field_v, field_u, words, spare)
    displace(words, spare, slot[c.WARP], u, v)


@vectorised
def _fill_wave(slot: Any, base: Any, starts: Any, u: Any, v: Any, part: Any) -> None:
    """Write a sine of [0, 1], of one period or of periods that vary and come round again."""
    along_u, along_v, shift = slot[base], slot[base + 1], slot[base + 2]
    for i in range(len(u)):
        part[i] = along_u * u[i] + along_v * v[i] + shift
    if slot[c.RAGGED] > 0:
        _count_cycles(starts, part)
    for i in range(len(u)):
        part[i] = _HALF + _HALF * sine_of_cycles(part[i])


@vectorised
def _count_cycles(starts: Any, part: Any) -> None:
    """Turn places in pixels into the share of the cycle that they lie in."""
    total = starts[c.CYCLES]
    share = _ONE / total
    for i in range(len(part)):
        part[i] -= total * np.floor(part[i] * share)
    k = 0
    for i in range(len(part)):
        at = part[i]
        while k > 0 and at < starts[k]:
            k -= 1
        while k < c.CYCLES - 1 and at >= starts[k + 1]:
            k += 1
        part[i] = min(max((at - starts[k]) / (starts[k + 1] - starts[k]), _ZERO), _ONE)


@inlined
def _squashed(value: Any, gain: Any, height: Any) -> Any:
    """Return [0, 1] bent by the upper half of a logistic curve."""
    return min((logistic(gain * value) - _HALF) * height, _ONE)


@vectorised
def _saturate(slot: Any, base: Any, part: Any) -> None:
    """Raise what exceeds the threshold to 1, then bend."""
    threshold, gain, height = slot[base + 3], slot[base + 4], slot[base + 5]
    for i in range(len(part)):
        bent = max(_squashed(part[i], gain, height), _ZERO)
        part[i] = _ONE if part[i] > threshold else bent


@vectorised
def _fold(slot: Any, base: Any, crossed: Any, part: Any, other: Any) -> None:
    """Turn waves of [0, 1] into their product in [-1, 1], bend it, and bring it back to [0, 1]."""
    gain, height = slot[base + 4], slot[base + 5]
    for i in range(len(part)):
        product = part[i] + part[i] - _ONE
        if crossed:
            product *= other[i] + other[i] - _ONE
        curve = _squashed(abs(product), gain, height)
        part[i] = _HALF + _HALF * (curve if product > 0 else -curve)


@vectorised
def _fill_lines(slot: Any, base: Any, period: Any, u: Any, v: Any, part: Any) -> None:
    """Write 0 on lines of the leaf's thickness and 1 between them, with edges of one pixel."""
    along_u, along_v, shift = slot[base], slot[base + 1], slot[base + 2]
    margin = (slot[c.THICKNESS] - _ONE) * _HALF
    share = _ONE / period
    for i in range(len(u)):
        at = along_u * u[i] + along_v * v[i] + shift
        at -= period * np.floor(at * share)
        part[i] = min(max(min(at, period - at) - margin, _ZERO), _ONE)

"""Maps of [0, 1] between two colours or textures, for pixels of many leaves at once.

``slots`` float32 [N, SLOTS], or of those columns that are used, are the pixels' own; ``u`` and ``v``,
float32 [N], their places in the texture. See ``vibrant_leaves.maps``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.textures import WARP_SIDE

Slots = dict[int, Tensor]
"""Columns of the slots by number."""

USED = range(c.WAVE_1, c.WARP_X + 1), range(c.GRID, c.GRID + 1)
"""Columns that :func:`interpolation_map` looks at."""


def interpolation_map(
    slots: Slots, starts: Tensor, warp: Tensor, classic: bool, u: Tensor, v: Tensor
) -> Tensor:
    """Return the map float32 [N]; ``starts`` float32 [N, 2, CYCLES + 1], ``classic`` the waves of 2025."""
    u, v = _displaced(slots, warp, u, v)
    crossed, grid = slots[c.CROSSED] > 0, slots[c.GRID] > 0
    first, second = _lines(slots, 0, u, v), _lines(slots, 1, u, v)
    lines = torch.where(crossed, torch.minimum(first, second), first)
    waves = [_wave(slots, starts[:, wave], wave, u, v) for wave in range(2)]
    if classic:
        return torch.where(grid, lines, _fold(slots, crossed, waves[0], waves[1]))
    first, second = _saturated(slots, 0, waves[0]), _saturated(slots, 1, waves[1])
    return torch.where(grid, lines, torch.where(crossed, first * second, first))


def _displaced(slots: Slots, warp: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Move the places by a smooth random field, read bilinearly on its torus."""
    y, x = v * slots[c.WARP_SCALE] + slots[c.WARP_Y], u * slots[c.WARP_SCALE] + slots[c.WARP_X]
    top, left = y.floor(), x.floor()
    down, right = (y - top)[:, None], (x - left)[:, None]
    i, j = top.long() & WARP_SIDE - 1, left.long() & WARP_SIDE - 1
    i1, j1 = i + 1 & WARP_SIDE - 1, j + 1 & WARP_SIDE - 1
    d = down * right
    moved = (1 - down - right + d) * warp[i, j] + (right - d) * warp[i, j1]
    moved = (moved + (down - d) * warp[i1, j] + d * warp[i1, j1]) * slots[c.WARP][:, None]
    return u + moved[:, 0], v + moved[:, 1]


def _along(slots: Slots, wave: int, u: Tensor, v: Tensor) -> Tensor:
    base = c.WAVE_1 + 6 * wave
    return slots[base] * u + slots[base + 1] * v + slots[base + 2]


def _wave(slots: Slots, starts: Tensor, wave: int, u: Tensor, v: Tensor) -> Tensor:
    """Return a sine of [0, 1], of one period or of periods that vary and come round again."""
    at = _along(slots, wave, u, v)
    total = starts[:, -1]
    around = at - total * (at / total).floor()
    cell = ((starts <= around[:, None]).sum(-1) - 1).clamp(0, c.CYCLES - 1)[:, None]
    begin, end = starts.gather(1, cell)[:, 0], starts.gather(1, cell + 1)[:, 0]
    ragged = ((around - begin) / (end - begin)).clamp(0, 1)
    share = torch.where(slots[c.RAGGED] > 0, ragged, at - at.floor())
    return 0.5 + 0.5 * (2 * math.pi * share).sin()


def _squashed(value: Tensor, gain: Tensor, height: Tensor) -> Tensor:
    """Return [0, 1] bent by the upper half of a logistic curve."""
    return ((torch.sigmoid(gain * value) - 0.5) * height).clamp(max=1)


def _saturated(slots: Slots, wave: int, value: Tensor) -> Tensor:
    """Return 1 where the value exceeds the threshold, else the value bent."""
    base = c.WAVE_1 + 6 * wave
    bent = _squashed(value, slots[base + 4], slots[base + 5])
    return torch.where(value > slots[base + 3], 1.0, bent)


def _fold(slots: Slots, crossed: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return the product of waves, taken as of [-1, 1], bent and brought back to [0, 1]."""
    product = 2 * first - 1
    product = torch.where(crossed, product * (2 * second - 1), product)
    curve = _squashed(product.abs(), slots[c.WAVE_1 + 4], slots[c.WAVE_1 + 5])
    return 0.5 + 0.5 * curve * product.sign()


def _lines(slots: Slots, wave: int, u: Tensor, v: Tensor) -> Tensor:
    """Return 0 on lines of the leaf's thickness and 1 between them, with edges of one pixel."""
    at, period = _along(slots, wave, u, v), slots[c.PERIOD_1 + wave]
    at = at - period * (at / period).floor()
    return (torch.minimum(at, period - at) - (slots[c.THICKNESS] - 1) / 2).clamp(0, 1)

"""Draws the leaf table of one image on the CPU: one pass over the leaves, the numbers of ``tensor_leaves``.

float32 where that has float32, so that what is rounded down is the same there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.images.colours import OPPONENT
from synthnoise.images.vibrant_leaves import colours
from synthnoise.images.vibrant_leaves.leaf_law import LARGEST_GRID, LONGEST_BLUR, SMALLEST_GRID, LeafLaw
from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.images.vibrant_leaves.shapes import (
    DISC,
    FEWEST_POINTS,
    POINTS,
    POLYGON,
    RECTANGLE,
    RUNGS,
    SHARPEST,
    SMOOTHINGS,
    VARIANTS,
    outline_bank,
)
from synthnoise.images.vibrant_leaves.table import (
    COLUMN,
    FLAT,
    GRADIENT,
    LOST,
    MIX,
    NAMES,
    NOISE,
    RAGGED_WORDS,
    WAVES,
    LeafTable,
)
from synthnoise.images.vibrant_leaves.textures import SLOPES
from synthnoise.kernels import compiled
from synthnoise.rng import Rng, Stream

_STREAMS = (
    (Stream.LEAF_POSITION, 4), (Stream.LEAF_SHAPE, 4), (Stream.LEAF_ANGLE, 4), (Stream.LEAF_TEXTURE, 40),
    (Stream.LEAF_COLOUR, 4), (Stream.LEAF_SHADING, 16),
)  # fmt: skip
_POSITION, _SHAPES, _ANGLES, _TEXTURE, _ENTRY, _NORMALS = 0, 4, 8, 12, 52, 56
"""First row of each stream among the words of a leaf."""

# Columns of the table; what follows one another in it is counted on from the first.
_RADIUS, _Y, _X, _SHAPE, _ANGLE, _RATIO, _OUTLINE, _MIRROR, _X_U, _FILL, _FIRST, _SPREAD, _MIXING = (
    COLUMN[name]
    for name in (
        "radius", "y", "x", "shape", "angle", "ratio", "outline", "mirror", "x_u", "fill", "first_r",
        "spread_a0", "turn_a0",
    )
)  # fmt: skip
_SLOPE, _PLACE, _SEEN, _TILTED, _CROP, _GRID, _CROSSED, _DIRECTION, _PERIOD, _PHASE, _THRESHOLD, _GAIN = (
    COLUMN[name]
    for name in (
        "slope_a", "place_ay", "seen", "tilted", "crop_y", "grid", "crossed", "direction_1", "period_1",
        "phase_1", "threshold_1", "gain_1",
    )
)  # fmt: skip
_RAGGED, _SEED, _THICKNESS, _WARPED, _WARP, _RAMP = (
    COLUMN[name] for name in ("ragged", "seed", "thickness", "warped", "warp_sigma", "ramp_angle")
)

_ANY, _MIXED = -1, -2
_ONLY = {"discs": DISC, "rectangles": RECTANGLE, "polygons": POLYGON, "mixed": _MIXED, "either": _ANY}

_AXES = np.array(OPPONENT, dtype=np.float32)
_FACTOR = np.linalg.cholesky(np.array(colours.LOG_RATIO_CORRELATION)).astype(np.float32)
_LOG_RATIO = np.array(colours.LOG_RATIO, dtype=np.float32)
_LOG_RATIO_SPREAD = np.array(colours.LOG_RATIO_SPREAD, dtype=np.float32)
_MEAN_SHARE = np.array(colours.MEAN_SHARE, dtype=np.float32)
_FLOOR, _MOST_SPREAD = np.float32(colours.FLOOR), np.float32(colours.MOST_SPREAD)
_MARGIN = np.float32(colours.MARGIN)
_GROUPS = np.array(POINTS[1:-1], dtype=np.float32)

_ZERO, _HALF, _ONE, _TWO = (np.float32(value) for value in (0, 0.5, 1, 2))
_CELL, _WORD = np.float32(2.0**-23), np.float32(2.0**-32)
_CIRCLE, _DEGREE = np.float32(2 * math.pi), np.float32(math.pi / 180)


def draw_compiled(settings: Settings, law: LeafLaw, rng: Rng) -> LeafTable:
    """Return the leaves of the images that ``rng`` names; they and it are on the CPU."""
    count = law.bounds[-1]
    leaves = np.empty((len(rng.indices), count, len(NAMES)), dtype=np.float32)
    uniform = rng.uniform(Stream.LEAF_DEPTH, (4,))
    for place, index in enumerate(rng.indices):
        one = rng.at(index[None])
        words = [one.bits(stream, (planes, 1, count))[0, :, 0].numpy() for stream, planes in _STREAMS]
        palette = colours.palette(settings.colours, one)
        middle, spread = (moment[0, 0].numpy() for moment in colours.palette_moments(palette))
        polygons = settings.shapes == "either" and bool(uniform[place, 0] < 0.5)
        _draw(
            np.concatenate(words),
            (palette[0].numpy(), middle, spread),
            (law.radii, law.periods, outline_bank().extent),
            (float(law.canvas[0]), float(law.canvas[1]), law.reach, law.longest),
            _shares(settings, law),
            POLYGON if polygons else _ONLY[settings.shapes],
            (float(settings.r_min), float(settings.flat_below), float(settings.periods[0])),
            leaves[place],
        )
    blur = LONGEST_BLUR[settings.blur] * uniform[:, 1] ** 2 * settings.depth
    return LeafTable(torch.from_numpy(leaves), law.bounds, blur, law.canvas)


def _shares(settings: Settings, law: LeafLaw) -> NDArray[np.float32]:
    gradients = settings.gradients if settings.textures else 1.0
    shares = settings.perspective, gradients, settings.random_periods, settings.warp, law.waves, law.noise
    return np.array(shares, dtype=np.float32)


@compiled
def _draw(
    words: Any, palette: Any, tables: Any, extents: Any, shares: Any, only: Any, lengths: Any, leaves: Any
) -> None:
    """Fill ``leaves`` [n, columns] from ``words`` int64 [72, n]."""
    radii, periods, bank = tables
    r_min, flat_below, shortest = lengths
    for k in range(len(leaves)):
        leaf = leaves[k]
        _place(words, k, radii, r_min, extents, only, leaf)
        _orient(bank, extents[3], leaf)
        _choose_fill(words, k, shares, flat_below, leaf)
        for side in range(2):
            _colour(words, k, side, palette, leaf)
        _choose_waves(words, k, shares, periods, shortest, leaf)


@compiled
def _unit(word: Any) -> Any:
    """Return a uniform number in (0, 1), that of ``Rng.uniform``."""
    return (np.float32(word >> 9) + _HALF) * _CELL


@compiled
def _place(words: Any, k: Any, radii: Any, r_min: Any, extents: Any, only: Any, leaf: Any) -> None:
    height, width, reach, _ = extents
    place = (np.float64(words[_POSITION, k]) + 0.5) * 2.0**-32
    down = (np.float64(words[_POSITION + 1, k]) + 0.5) * 2.0**-32
    right = (np.float64(words[_POSITION + 2, k]) + 0.5) * 2.0**-32
    choice = (np.float64(words[_POSITION + 3, k]) + 0.5) * 2.0**-32
    radius = r_min + min(np.searchsorted(radii, place), len(radii) - 1)
    margin = reach * radius
    leaf[_RADIUS] = radius
    leaf[_Y] = math.floor(down * (height + 2 * margin) - margin)
    leaf[_X] = math.floor(right * (width + 2 * margin) - margin)
    shape = DISC if choice < 1 / 3 else (RECTANGLE if choice < 2 / 3 else POLYGON)
    leaf[_SHAPE] = only if only >= 0 else shape
    leaf[_ANGLE] = _CIRCLE * _unit(words[_ANGLES, k])
    leaf[_RATIO] = _HALF + _HALF * _unit(words[_ANGLES + 1, k])
    points, smoothing = _unit(words[_SHAPES, k]), _unit(words[_SHAPES + 1, k])
    leaf[_OUTLINE] = _outline(np.float32(radius), points, smoothing, _unit(words[_SHAPES + 2, k]))
    leaf[_MIRROR] = 1.0 if _unit(words[_SHAPES + 3, k]) < _HALF else -1.0


@compiled
def _outline(radius: Any, points: Any, smoothing: Any, variant: Any) -> Any:
    """Return what ``shapes.choose_outline`` does."""
    most = max(np.float32(math.floor(np.float32(0.9) * radius)), np.float32(100))
    count = np.float32(FEWEST_POINTS) + np.float32(math.floor(points * (most - np.float32(FEWEST_POINTS))))
    group = 0
    for bound in _GROUPS:
        group += count >= bound
    side = _TWO * np.float32(math.floor(np.float32(1.5) * radius)) + _ONE
    low = max(np.float32(0.01) * side, _HALF)
    high = min(np.float32(0.025) * side, np.float32(10))
    sigma = (low + (high - low) * (_TWO * smoothing - _ONE)) / radius
    rung = math.floor((sigma - np.float32(SHARPEST)) * np.float32(RUNGS))
    grade = 0 if smoothing < _HALF else 1 + min(max(rung, 0), SMOOTHINGS - 1)
    place = min(math.floor(variant * np.float32(VARIANTS)), VARIANTS - 1)
    return (group * (1 + SMOOTHINGS) + grade) * VARIANTS + place


@compiled
def _orient(extent: Any, longest: Any, leaf: Any) -> None:
    """Write the matrix that takes the leaf's outline to the canvas, in double precision."""
    radius, ratio, angle = np.float64(leaf[_RADIUS]), np.float64(leaf[_RATIO]), np.float64(leaf[_ANGLE])
    cosine, sine = math.cos(angle), math.sin(angle)
    if leaf[_SHAPE] == POLYGON:
        across = min(radius - LOST, longest / max(np.float64(extent[int(leaf[_OUTLINE])]), 1e-6))
        along = across * leaf[_MIRROR]
    else:
        area = math.pi * radius * radius
        long, short = math.sqrt(area / ratio), math.sqrt(area * ratio)
        wide = max(long * abs(cosine) + short * abs(sine), long * abs(sine) + short * abs(cosine))
        shrink = 0.5 * min(longest / wide, 1.0)
        along, across = long * shrink, short * shrink
    leaf[_X_U], leaf[_X_U + 1] = cosine * along, -sine * across
    leaf[_X_U + 2], leaf[_X_U + 3] = sine * along, cosine * across


@compiled
def _choose_fill(words: Any, k: Any, shares: Any, flat_below: Any, leaf: Any) -> None:
    tilted, gradients, _, _, waves, noise = shares
    kind = _unit(words[_TEXTURE, k])
    if leaf[_RADIUS] < flat_below:
        leaf[_FILL] = FLAT
    elif _unit(words[_TEXTURE + 1, k]) < gradients:
        leaf[_FILL] = GRADIENT
    else:
        leaf[_FILL] = WAVES if kind < waves else (NOISE if kind < noise else MIX)
    leaf[_GRID] = _unit(words[_TEXTURE + 2, k]) < np.float32(0.1)
    leaf[_TILTED] = _unit(words[_TEXTURE + 3, k]) < tilted
    leaf[_SEEN] = math.floor(np.float32(3) * _unit(words[_TEXTURE + 4, k]))
    leaf[_CROP], leaf[_CROP + 1] = _unit(words[_TEXTURE + 5, k]), _unit(words[_TEXTURE + 6, k])


@compiled
def _colour(words: Any, k: Any, side: Any, palette: Any, leaf: Any) -> None:
    """Write the first (side 0) or second colour, or mean, spread, rotation and place of that noise."""
    colour, _, _ = palette
    entry = words[_ENTRY + side, k] & (len(colour) - 1)
    first, spread, turn = _FIRST + 3 * side, _SPREAD + 3 * side, _MIXING + 4 * side
    chosen = colour[entry]
    uniform = _TEXTURE + 8
    plain = _unit(words[uniform + 6 + side, k]) < np.float32(0.1)
    if leaf[_FILL] == NOISE or (leaf[_FILL] == MIX and not plain):
        normals = _NORMALS + 8 * side
        _patch(words, k, normals, chosen, palette, leaf, first, spread)
        leaf[turn], leaf[turn + 1] = _box_muller(words, k, normals + 4)
        leaf[turn + 2], leaf[turn + 3] = _box_muller(words, k, normals + 6)
    else:
        leaf[first : first + 3] = chosen
        leaf[spread : spread + 3] = _ZERO
        leaf[turn : turn + 4] = _ZERO
    leaf[_SLOPE + side] = math.floor(np.float32(SLOPES) * _unit(words[uniform + 3 * side, k]))
    leaf[_PLACE + 2 * side] = _unit(words[uniform + 3 * side + 1, k])
    leaf[_PLACE + 2 * side + 1] = _unit(words[uniform + 3 * side + 2, k])


@compiled
def _box_muller(words: Any, k: Any, row: Any) -> Any:
    """Return the two normals that ``Rng.normal`` makes of a pair of words."""
    logarithm = math.log((np.float32(words[row, k]) + _HALF) * _WORD)
    radius = math.sqrt(max(-_TWO * logarithm, _ZERO))
    angle = np.float32(words[row + 1, k]) * (_CIRCLE * _WORD)
    return math.cos(angle) * radius, math.sin(angle) * radius


@compiled
def _patch(
    words: Any, k: Any, row: Any, chosen: Any, palette: Any, leaf: Any, first: Any, spread: Any
) -> None:
    """Write what ``colours.patch_colours`` gives."""
    _, middle, of = palette
    normal_0, normal_1 = _box_muller(words, k, row)
    normal_2, _ = _box_muller(words, k, row + 2)
    for i in range(3):
        leaf[first + i] = middle[i]
    for axis in range(3):
        part = _ZERO
        for i in range(3):
            part += _AXES[axis, i] * (chosen[i] - middle[i])
        for i in range(3):
            leaf[first + i] += _AXES[axis, i] * part * _MEAN_SHARE[axis]
    room = _ZERO
    for i in range(3):
        leaf[first + i] = min(max(leaf[first + i], _ZERO), _ONE)
        room = max(room, min(leaf[first + i], _ONE - leaf[first + i]))
    for axis in range(3):
        correlated = _FACTOR[axis, 0] * normal_0 + _FACTOR[axis, 1] * normal_1 + _FACTOR[axis, 2] * normal_2
        ratio = math.exp(_LOG_RATIO[axis] + _LOG_RATIO_SPREAD[axis] * correlated)
        leaf[spread + axis] = min(of[axis] * max(ratio - _FLOOR, _ZERO), _MOST_SPREAD)
    share = min((room + _MARGIN) / max(leaf[spread], np.float32(1e-6)), _ONE)
    for axis in range(3):
        leaf[spread + axis] *= share


@compiled
def _choose_waves(words: Any, k: Any, shares: Any, periods: Any, shortest: Any, leaf: Any) -> None:
    _, _, ragged, warped, _, _ = shares
    row = _TEXTURE + 16
    grid = leaf[_GRID] > 0
    leaf[_CROSSED] = _unit(words[row, k]) < (np.float32(0.7) if grid else _HALF)
    direction = (np.float32(90) * _unit(words[row + 1, k]) - np.float32(45)) * _DEGREE
    turn = (np.float32(45) * _unit(words[row + 4, k]) - np.float32(22.5)) * _DEGREE
    sign = _ONE if _unit(words[row + 3, k]) < _HALF else -_ONE
    apart = sign * (np.float32(15) + np.float32(30) * _unit(words[row + 2, k])) * _DEGREE
    leaf[_DIRECTION] = direction if grid else direction + turn
    leaf[_DIRECTION + 1] = (direction if grid else direction + turn + apart) + np.float32(math.pi / 2)
    for wave in range(2):
        place = row + 15 + 4 * wave
        period = _unit(words[place, k])
        if grid:
            cells = np.float32(LARGEST_GRID - SMALLEST_GRID)
            leaf[_PERIOD + wave] = SMALLEST_GRID + math.floor(period * cells)
        else:
            leaf[_PERIOD + wave] = shortest + np.searchsorted(periods, np.float64(period), side="right")
        leaf[_PHASE + wave] = _unit(words[place + 1, k])
        leaf[_THRESHOLD + wave] = np.float32(0.05) + np.float32(0.95) * _unit(words[place + 2, k])
        leaf[_GAIN + wave] = _ONE + np.float32(9) * _unit(words[place + 3, k])
    leaf[_RAGGED] = _unit(words[row + 5, k]) < ragged
    leaf[_SEED] = math.floor(_unit(words[row + 6, k]) * np.float32(RAGGED_WORDS))
    leaf[_THICKNESS] = _ONE if _unit(words[row + 7, k]) < _HALF else _TWO
    leaf[_WARPED] = _unit(words[row + 8, k]) < warped
    sigma = np.float32(10 + math.floor(np.float32(10) * _unit(words[row + 9, k])))
    sizes = np.float32(math.floor(sigma * _HALF)) - np.float32(4)
    leaf[_WARP] = sigma
    leaf[_WARP + 1] = 5 + math.floor(_unit(words[row + 10, k]) * sizes)
    leaf[_WARP + 2], leaf[_WARP + 3] = _unit(words[row + 11, k]), _unit(words[row + 12, k])
    leaf[_RAMP] = _CIRCLE * _unit(words[row + 13, k])
    leaf[_RAMP + 1] = np.float32(0.1) + np.float32(0.4) * _unit(words[row + 14, k])

"""What shading needs of a leaf, worked out once per leaf from the table and the leaf's box."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.images.colours import OPPONENT
from synthnoise.images.vibrant_leaves.lab import lab_of
from synthnoise.images.vibrant_leaves.table import COLUMN
from synthnoise.images.vibrant_leaves.textures import SIDES, UNIT, WARP_SIDE, WARP_SIGMA
from synthnoise.kernels import compiled

MARGIN = 60
"""By how many pixels a leaf's texture is larger than the leaf."""

CYCLES = 20
"""Different periods of a wave whose periods vary."""

COLOUR_1, COLOUR_2, LAB_1, LAB_2 = 0, 3, 6, 9
"""Colours or means, and their Lab; three slots each."""

MATRIX_A, MATRIX_B = 12, 21
"""3x3 matrices, row by row, from the stored field to sRGB; zero for one colour."""

FILL, GRID, TEXTURED_A, TEXTURED_B, SIDE, SLOPE_A, SLOPE_B = range(30, 37)
PLACE_AY, PLACE_AX, PLACE_BY, PLACE_BX = range(37, 41)
"""Where the field is read for the texture's origin, whole pixels."""

U_0, U_Y, U_X, V_0, V_Y, V_X, TILT, TURNED = range(41, 49)
"""Texture place of pixel (y, x): u = U_0 + U_Y y + U_X x, v likewise, both over 1 + TILT u."""

WAVE_1, WAVE_2 = 49, 55
"""Six slots each: steps along u and v, shift, threshold, gain, 1 / height of the squashing curve.

Steps and shift count cycles, or pixels for grids and for waves whose periods vary.
"""

CROSSED, RAGGED, THICKNESS, PERIOD_1, PERIOD_2 = range(61, 66)
WARP, WARP_SCALE, WARP_Y, WARP_X = range(66, 70)
"""Displacement of a unit field value in pixels (0: none), field cells per pixel, where it is read."""

RAMP_0, RAMP_Y, RAMP_X, RAMP_GAIN, RAMP_LOW, RAMP_HEIGHT = range(70, 76)
SLOTS = 76

_OPPONENT = np.array(OPPONENT, dtype=np.float32)
_SIDES = np.array(SIDES)
_SIDE_BOUNDS = np.array(SIDES[:-1]) * math.sqrt(2)

_FILL, _GRID, _FIRST, _SECOND = (COLUMN[name] for name in ("fill", "grid", "first_r", "second_r"))
_SPREAD_A, _SPREAD_B, _TURN_A, _TURN_B = (
    COLUMN[name] for name in ("spread_a0", "spread_b0", "turn_a0", "turn_b0")
)
_SLOPE_A, _SLOPE_B, _PLACE_A, _PLACE_B = (
    COLUMN[name] for name in ("slope_a", "slope_b", "place_ay", "place_by")
)
_SEEN, _TILTED, _CROP_Y, _CROP_X = (COLUMN[name] for name in ("seen", "tilted", "crop_y", "crop_x"))
_CROSSED, _RAGGED, _SEED, _THICKNESS = (COLUMN[name] for name in ("crossed", "ragged", "seed", "thickness"))
_DIRECTION, _PERIOD, _PHASE, _THRESHOLD, _GAIN = (
    COLUMN[f"{name}_1"] for name in ("direction", "period", "phase", "threshold", "gain")
)
_WARPED, _WARP_SIGMA, _WARP_SIZE, _WARP_Y, _WARP_X = (
    COLUMN[name] for name in ("warped", "warp_sigma", "warp_size", "warp_y", "warp_x")
)
_RAMP_ANGLE, _RAMP_GAIN = COLUMN["ramp_angle"], COLUMN["ramp_gain"]


def prepare(
    leaves: NDArray[np.float32], boxes: NDArray[np.int32], periods: tuple[int, int], period_exponent: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the slots float32 [n, SLOTS], and where periods that vary begin, float32 [n, 2, CYCLES + 1].

    Leaves that cover nothing, and starts that are not used, hold nothing of meaning.
    """
    slots = np.zeros((len(leaves), SLOTS), dtype=np.float32)
    starts = np.zeros((len(leaves), 2, CYCLES + 1), dtype=np.float32)
    _prepare(leaves, boxes, float(periods[0]), float(periods[1]), period_exponent, slots, starts)
    return slots, starts


@compiled
def _prepare(
    leaves: Any, boxes: Any, shortest: Any, longest: Any, exponent: Any, slots: Any, starts: Any
) -> None:
    for k in range(len(leaves)):
        leaf, box, slot = leaves[k], boxes[k], slots[k]
        if box[1] < box[0]:
            continue
        slot[FILL], slot[GRID] = leaf[_FILL], leaf[_GRID]
        for i in range(3):
            slot[COLOUR_1 + i], slot[COLOUR_2 + i] = leaf[_FIRST + i], leaf[_SECOND + i]
        lab = lab_of(leaf[_FIRST], leaf[_FIRST + 1], leaf[_FIRST + 2])
        slot[LAB_1], slot[LAB_1 + 1], slot[LAB_1 + 2] = lab
        lab = lab_of(leaf[_SECOND], leaf[_SECOND + 1], leaf[_SECOND + 2])
        slot[LAB_2], slot[LAB_2 + 1], slot[LAB_2 + 2] = lab
        slot[TEXTURED_A] = _matrix(leaf, _SPREAD_A, _TURN_A, slot, MATRIX_A)
        slot[TEXTURED_B] = _matrix(leaf, _SPREAD_B, _TURN_B, slot, MATRIX_B)
        _place_texture(leaf, box, slot)
        _place_ramp(leaf, box, slot)
        for wave in range(2):
            _place_wave(leaf, wave, slot, starts[k, wave], shortest, longest, exponent)


@compiled
def _matrix(leaf: Any, spread: Any, turn: Any, slot: Any, matrix: Any) -> Any:
    """Write opponent axes · spread · rotation, for fields in units of 1 / UNIT; return if it is not zero.

    Noise of independent planes is the same in law when they are rotated into each other: so one
    field serves any number of textures.
    """
    w, x, y, z = leaf[turn], leaf[turn + 1], leaf[turn + 2], leaf[turn + 3]
    s = 2 / max(w * w + x * x + y * y + z * z, np.float32(1e-9))
    rotation = (
        (1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
        (s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
        (s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
    )
    for i in range(3):
        for j in range(3):
            total = np.float32(0)
            for axis in range(3):
                total += _OPPONENT[axis, i] * leaf[spread + axis] * rotation[axis][j]
            slot[matrix + 3 * i + j] = total / UNIT
    return leaf[spread] + leaf[spread + 1] + leaf[spread + 2] > 0


@compiled
def _place_texture(leaf: Any, box: Any, slot: Any) -> None:
    """Write how pixels lie in the leaf's texture, a square of ``side`` pixels seen upright or at an angle.

    Seen at an angle, the texture has twice that side and is read at (X, Y) / (1 + X / 2 side), Y from
    its horizontal midline: it grows by 1.5 from left to right.
    """
    tall, wide = box[1] - box[0] + 1, box[3] - box[2] + 1
    side = max(tall, wide) + MARGIN
    down = leaf[_CROP_Y] * (side - tall) - box[0]
    right = leaf[_CROP_X] * (side - wide) - box[2]
    if leaf[_TILTED] == 0:
        down, right = math.floor(down), math.floor(right)
    if leaf[_SEEN] == 0:
        u = (right, 0, 1)
        v = (down, 1, 0)
    elif leaf[_SEEN] == 1:
        u = (side - 1 - right, 0, -1)
        v = (down, 1, 0)
    else:
        u = (down, 1, 0)
        v = (side - 1 - right, 0, -1)
    middle = side / 2 if leaf[_TILTED] else 0.0
    slot[U_0], slot[U_Y], slot[U_X] = u
    slot[V_0], slot[V_Y], slot[V_X] = v[0] - middle, v[1], v[2]
    slot[TURNED] = leaf[_SEEN] == 2
    slot[TILT] = 0.5 / side if leaf[_TILTED] else 0.0
    period = side * (2 if leaf[_TILTED] else 1)
    number = 0
    for bound in _SIDE_BOUNDS:
        number += period > bound
    slot[SIDE], slot[SLOPE_A], slot[SLOPE_B] = number, leaf[_SLOPE_A], leaf[_SLOPE_B]
    for i in range(2):
        slot[PLACE_AY + i] = math.floor(leaf[_PLACE_A + i] * _SIDES[number])
        slot[PLACE_BY + i] = math.floor(leaf[_PLACE_B + i] * _SIDES[number])


@compiled
def _place_ramp(leaf: Any, box: Any, slot: Any) -> None:
    """Write the ramp 0..1 over a square of twice the leaf's box, in which the leaf lies anywhere."""
    tall, wide = box[1] - box[0] + 1, box[3] - box[2] + 1
    side = 2 * max(tall, wide) + 1
    down = leaf[_CROP_Y] * (side - tall) - box[0] - side / 2
    right = leaf[_CROP_X] * (side - wide) - box[2] - side / 2
    cosine, sine = math.cos(leaf[_RAMP_ANGLE]), math.sin(leaf[_RAMP_ANGLE])
    length = side * (abs(cosine) + abs(sine))
    slot[RAMP_0] = 0.5 + (right * cosine + down * sine) / length
    slot[RAMP_Y], slot[RAMP_X] = sine / length, cosine / length
    gain = leaf[_RAMP_GAIN]
    low, high = 1 / (1 + math.exp(6 * gain)), 1 / (1 + math.exp(-6.1 * gain))
    slot[RAMP_GAIN], slot[RAMP_LOW], slot[RAMP_HEIGHT] = gain, low, high - low


@compiled
def _place_wave(
    leaf: Any, wave: Any, slot: Any, starts: Any, shortest: Any, longest: Any, exponent: Any
) -> None:
    base = WAVE_1 + 6 * wave
    period = leaf[_PERIOD + wave]
    cosine, sine = math.cos(leaf[_DIRECTION + wave]), math.sin(leaf[_DIRECTION + wave])
    slot[CROSSED], slot[THICKNESS] = leaf[_CROSSED], leaf[_THICKNESS]
    slot[RAGGED] = leaf[_RAGGED]
    slot[PERIOD_1 + wave] = period
    scale, shift = 1 / period, leaf[_PHASE + wave]
    if leaf[_GRID]:
        scale, shift = 1.0, leaf[_PHASE + wave] * period
    elif leaf[_RAGGED]:
        total = 0.0
        for i in range(CYCLES):
            starts[i] = total
            share = _scrambled(int(leaf[_SEED]) * 64 + 32 * wave + i)
            total += math.floor(shortest + (longest - shortest) * share**exponent)
        starts[CYCLES] = total
        scale, shift = 1.0, leaf[_PHASE + wave] * total
    slot[base], slot[base + 1], slot[base + 2] = scale * cosine, scale * sine, shift
    slot[base + 3], slot[base + 4] = leaf[_THRESHOLD + wave], leaf[_GAIN + wave]
    slot[base + 5] = 1 / (1 / (1 + math.exp(-leaf[_GAIN + wave])) - 0.5)
    if leaf[_WARPED]:
        slot[WARP] = leaf[_WARP_SIZE]
        slot[WARP_SCALE] = WARP_SIGMA / leaf[_WARP_SIGMA]
        slot[WARP_Y], slot[WARP_X] = leaf[_WARP_Y] * WARP_SIDE, leaf[_WARP_X] * WARP_SIDE


@compiled
def _scrambled(number: Any) -> Any:
    """Return a uniform number in [0, 1) that a whole number below 2^31 stands for, the same everywhere.

    The last steps of Stafford's variant 13 of the MurmurHash3 finaliser, on 32 bits by Wellons
    ("lowbias32"): as the leaf's words are random already, it only has to spread them.
    """
    word = np.uint64(number)
    mask = np.uint64(0xFFFFFFFF)
    word ^= word >> np.uint64(16)
    word = (word * np.uint64(0x7FEB352D)) & mask
    word ^= word >> np.uint64(15)
    word = (word * np.uint64(0x846CA68B)) & mask
    word ^= word >> np.uint64(16)
    return float(word) / 4294967296.0

"""What shading needs of a leaf, for a batch: the slots of ``vibrant_leaves.coefficients``, on any device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from synthnoise.images.colours import OPPONENT
from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.images.vibrant_leaves.table import COLUMN
from synthnoise.images.vibrant_leaves.textures import SIDES, UNIT, WARP_SIDE, WARP_SIGMA
from synthnoise.images.vibrant_leaves.torch_engine.lab import lab_of


def prepare_tensors(leaves: Tensor, boxes: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """Return slots float32 [L, SLOTS] and starts of periods that vary float32 [L, 2, CYCLES + 1].

    Those of ``coefficients.prepare`` to within rounding; what it rounds down is the same here. Leaves
    off the canvas hold nothing of meaning.

    Parameters
    ----------
    leaves
        float32 [L, columns].
    boxes
        int32 [L, 4].
    """
    slots = torch.zeros((len(leaves), c.SLOTS), device=leaves.device)
    starts = torch.zeros((len(leaves), 2, c.CYCLES + 1), device=leaves.device)
    slots[:, c.FILL], slots[:, c.GRID] = _column(leaves, "fill"), _column(leaves, "grid")
    first, second = _columns(leaves, "first_r", 3), _columns(leaves, "second_r", 3)
    slots[:, c.COLOUR_1 : c.COLOUR_1 + 3], slots[:, c.COLOUR_2 : c.COLOUR_2 + 3] = first, second
    slots[:, c.LAB_1 : c.LAB_1 + 3], slots[:, c.LAB_2 : c.LAB_2 + 3] = lab_of(first), lab_of(second)
    for side, matrix, textured in (("a", c.MATRIX_A, c.TEXTURED_A), ("b", c.MATRIX_B, c.TEXTURED_B)):
        spread = _columns(leaves, f"spread_{side}0", 3)
        slots[:, matrix : matrix + 9] = _matrix(spread, _columns(leaves, f"turn_{side}0", 4)).flatten(1)
        slots[:, textured] = (spread.sum(-1) > 0).float()
    _place_texture(leaves, boxes, slots)
    _place_ramp(leaves, boxes, slots)
    for wave in range(2):
        _place_wave(leaves, wave, slots, starts[:, wave], settings)
    return slots, starts


def _column(leaves: Tensor, name: str) -> Tensor:
    return leaves[:, COLUMN[name]]


def _columns(leaves: Tensor, name: str, count: int) -> Tensor:
    return leaves[:, COLUMN[name] : COLUMN[name] + count]


def _matrix(spread: Tensor, turn: Tensor) -> Tensor:
    """Return opponent axes · spread · rotation, [L, 3, 3], for fields in units of 1 / UNIT."""
    w, x, y, z = turn.unbind(-1)
    s = 2 / (w * w + x * x + y * y + z * z).clamp(min=1e-9)
    rows = (
        (1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
        (s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
        (s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
    )
    rotation = torch.stack([torch.stack(row, -1) for row in rows], -2)
    axes = torch.tensor(OPPONENT, device=spread.device)
    scaled = spread.unsqueeze(-1) * rotation / UNIT
    # One term after the other, not a matrix product: rounding then knows no batch.
    terms = [axes[i][:, None] * scaled[:, i, None] for i in range(3)]
    return terms[0] + terms[1] + terms[2]


def _place_texture(leaves: Tensor, boxes: Tensor, slots: Tensor) -> None:
    box = boxes.double()
    tall, wide = box[:, 1] - box[:, 0] + 1, box[:, 3] - box[:, 2] + 1
    side = torch.maximum(tall, wide) + c.MARGIN
    tilted = _column(leaves, "tilted") > 0
    down = _column(leaves, "crop_y").double() * (side - tall) - box[:, 0]
    right = _column(leaves, "crop_x").double() * (side - wide) - box[:, 2]
    down, right = torch.where(tilted, down, down.floor()), torch.where(tilted, right, right.floor())
    seen = _column(leaves, "seen")
    mirrored, turned = seen == 1, seen == 2
    back = side - 1 - right
    middle = torch.where(tilted, side / 2, 0.0)
    zero, one = torch.zeros_like(seen), torch.ones_like(seen)
    values = {
        c.U_0: torch.where(turned, down, torch.where(mirrored, back, right)),
        c.U_Y: torch.where(turned, one, zero),
        c.U_X: torch.where(turned, zero, torch.where(mirrored, -one, one)),
        c.V_0: torch.where(turned, back, down) - middle,
        c.V_Y: torch.where(turned, zero, one),
        c.V_X: torch.where(turned, -one, zero),
        c.TURNED: turned,
        c.TILT: torch.where(tilted, 0.5 / side, 0.0),
        c.SLOPE_A: _column(leaves, "slope_a"),
        c.SLOPE_B: _column(leaves, "slope_b"),
    }
    bounds = torch.tensor(SIDES[:-1], device=leaves.device).double() * math.sqrt(2)
    number = torch.bucketize(side * (1 + tilted.double()), bounds)
    values[c.SIDE] = number
    sides = torch.tensor(SIDES, device=leaves.device)[number]
    for place, name in ((c.PLACE_AY, "place_ay"), (c.PLACE_BY, "place_by")):
        values[place] = (_column(leaves, name) * sides).floor()
        values[place + 1] = (leaves[:, COLUMN[name] + 1] * sides).floor()
    for slot, value in values.items():
        slots[:, slot] = value.float()


def _place_ramp(leaves: Tensor, boxes: Tensor, slots: Tensor) -> None:
    box = boxes.double()
    tall, wide = box[:, 1] - box[:, 0] + 1, box[:, 3] - box[:, 2] + 1
    side = 2 * torch.maximum(tall, wide) + 1
    down = _column(leaves, "crop_y") * (side - tall) - box[:, 0] - side / 2
    right = _column(leaves, "crop_x") * (side - wide) - box[:, 2] - side / 2
    angle, gain = _column(leaves, "ramp_angle").double(), _column(leaves, "ramp_gain").double()
    cosine, sine = angle.cos(), angle.sin()
    length = side * (cosine.abs() + sine.abs())
    low, high = torch.sigmoid(-6 * gain), torch.sigmoid(6.1 * gain)
    values = {
        c.RAMP_0: 0.5 + (right * cosine + down * sine) / length,
        c.RAMP_Y: sine / length,
        c.RAMP_X: cosine / length,
        c.RAMP_GAIN: gain,
        c.RAMP_LOW: low,
        c.RAMP_HEIGHT: high - low,
    }
    for slot, value in values.items():
        slots[:, slot] = value.float()


def _place_wave(leaves: Tensor, wave: int, slots: Tensor, starts: Tensor, settings: Settings) -> None:
    base = c.WAVE_1 + 6 * wave
    period, phase, threshold, gain, direction = (
        _column(leaves, f"{name}_{wave + 1}")
        for name in ("period", "phase", "threshold", "gain", "direction")
    )
    grid, ragged = _column(leaves, "grid") > 0, _column(leaves, "ragged") > 0
    starts[:, 1:] = _lengths(_column(leaves, "seed"), wave, settings).cumsum(-1).float()
    scale = torch.where(grid | ragged, 1.0, 1 / period)
    shift = torch.where(grid, phase * period, torch.where(ragged, phase * starts[:, -1], phase))
    warped = _column(leaves, "warped") > 0
    values = {
        base: scale * direction.cos(),
        base + 1: scale * direction.sin(),
        base + 2: shift,
        base + 3: threshold,
        base + 4: gain,
        base + 5: 1 / (torch.sigmoid(gain.double()) - 0.5),
        c.CROSSED: _column(leaves, "crossed"),
        c.THICKNESS: _column(leaves, "thickness"),
        c.RAGGED: ragged,
        c.PERIOD_1 + wave: period,
        c.WARP: torch.where(warped, _column(leaves, "warp_size"), 0.0),
        c.WARP_SCALE: torch.where(warped, WARP_SIGMA / _column(leaves, "warp_sigma"), 0.0),
        c.WARP_Y: torch.where(warped, _column(leaves, "warp_y") * WARP_SIDE, 0.0),
        c.WARP_X: torch.where(warped, _column(leaves, "warp_x") * WARP_SIDE, 0.0),
    }
    for slot, value in values.items():
        slots[:, slot] = value.float()


def _lengths(seed: Tensor, wave: int, settings: Settings) -> Tensor:
    """Return the periods that a leaf's wave takes in turn, float64 [L, CYCLES], whole pixels."""
    place = torch.arange(c.CYCLES, device=seed.device)
    word = seed.long()[:, None] * 64 + 32 * wave + place
    # coefficients._scrambled; a product of two words may wrap into the sign, which the mask undoes.
    word = ((word ^ (word >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    word = ((word ^ (word >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    share = (word ^ (word >> 16)).double() * 2.0**-32
    low, high = settings.periods
    return (low + (high - low) * share**settings.period_exponent).floor()

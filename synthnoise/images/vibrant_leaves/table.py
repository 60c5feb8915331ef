"""The leaf table: all that is random about an image, leaf by leaf, before a single pixel is painted.

Leaf k of an image depends on (settings, seed, image, canvas, k) alone, on whichever device it is drawn.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.leaf_law import leaf_law
from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.rng import Rng

FOREGROUND, MIDDLE, BACKGROUND = range(3)

FLAT, GRADIENT, NOISE, WAVES, MIX = range(5)
"""Values of ``FILL``: one colour, a ramp, noise, stripes of two colours, stripes or a grid of two fills."""

# fmt: off
NAMES = [
    "radius", "y", "x", "shape", "angle", "ratio", "outline", "mirror", "fill", "first_r", "first_g",
    "first_b", "second_r", "second_g", "second_b", "spread_a0", "spread_a1", "spread_a2", "spread_b0",
    "spread_b1", "spread_b2", "turn_a0", "turn_a1", "turn_a2", "turn_a3", "turn_b0", "turn_b1", "turn_b2",
    "turn_b3", "slope_a", "slope_b", "place_ay", "place_ax", "place_by", "place_bx", "seen", "tilted",
    "crop_y", "crop_x", "grid", "crossed", "direction_1", "direction_2", "period_1", "period_2", "phase_1",
    "phase_2", "threshold_1", "threshold_2", "gain_1", "gain_2", "ragged", "seed", "thickness", "warped",
    "warp_sigma", "warp_size", "warp_y", "warp_x", "ramp_angle", "ramp_gain",
    "x_u", "x_v", "y_u", "y_v",
]
# fmt: on
COLUMN = {name: place for place, name in enumerate(NAMES)}
"""Columns of the table. Lengths are canvas pixels, angles radians, colours sRGB in [0, 1].

``first`` and ``second`` are colours, or the means of the noises a and b; ``spread`` their standard
deviations on the opponent axes, ``turn`` a quaternion that mixes the planes of the field (both 0: one
colour), ``slope`` its number in the atlas, ``place`` where it is read. ``seen`` is 0 upright, 1 mirrored,
2 turned; ``crop`` where in its texture the leaf lies. ``direction``, ``period``, ``phase``,
``threshold`` and ``gain`` belong to the two waves, of which the second counts where ``crossed``; a
``grid`` uses the periods, phases and the first direction. ``x_u`` to ``y_v`` take a point (u, v) of a
polygon's outline, or a corner (±1, ±1) of a rectangle's, to (x + x_u u + x_v v, y + y_u u + y_v v).
"""

LOST = 1 / 3
"""By how many pixels a polygon is smaller than its radius says: distances of its points are rounded down."""

RAGGED_WORDS = 1 << 24
"""How many values ``seed`` takes."""


@dataclass(frozen=True)
class LeafTable:
    """The leaves of B images, front to back in each layer, layers front to back.

    Attributes
    ----------
    leaves
        float32 [B, n, len(COLUMN)].
    bounds
        First leaf of the foreground, of the middle and of the background, and n.
    blur
        float32 [B]: sigma of a Gaussian or radius of a disc, canvas pixels.
    canvas
        (height, width).
    """

    leaves: Tensor
    bounds: tuple[int, int, int, int]
    blur: Tensor
    canvas: tuple[int, int]

    def column(self, name: str) -> Tensor:
        """Return one column, float32 [B, n]."""
        return self.leaves[..., COLUMN[name]]


def draw_table(settings: Settings, canvas: tuple[int, int], rng: Rng) -> LeafTable:
    """Return the leaves of the images that ``rng`` names, drawn on its device.

    On every device with double precision, and for every size of the batch, the leaves are the same:
    colours to the rounding of float32, all else in every bit. Where there is none they are drawn on
    the CPU.
    """
    law = leaf_law(settings, canvas)
    device = torch.device(rng.device)
    if device.type == "cuda":
        from synthnoise.images.vibrant_leaves.tensor_leaves import draw_tensors

        return draw_tensors(settings, law, rng)
    from synthnoise.images.vibrant_leaves.compiled_leaves import draw_compiled

    table = draw_compiled(settings, law, dataclasses.replace(rng, device="cpu"))
    if device.type == "cpu":
        return table
    return dataclasses.replace(table, leaves=table.leaves.to(device), blur=table.blur.to(device))

"""The leaf table: all that is random about an image, leaf by leaf, before a single pixel is painted.

Leaf k of an image depends on (settings, seed, image, canvas, k) alone, on whichever device it is drawn.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.colours import palette, patch_colours
from synthnoise.images.vibrant_leaves.hulls import REACH
from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.images.vibrant_leaves.shapes import DISC, POLYGON, RECTANGLE, choose_outline
from synthnoise.images.vibrant_leaves.textures import SLOPES
from synthnoise.rng import Rng, Stream

FOREGROUND, MIDDLE, BACKGROUND = range(3)

FLAT, GRADIENT, NOISE, WAVES, MIX = range(5)
"""Values of ``FILL``: one colour, a ramp, noise, stripes of two colours, stripes or a grid of two fills."""

# fmt: off
_NAMES = [
    "radius", "y", "x", "shape", "angle", "ratio", "outline", "mirror", "fill", "first_r", "first_g",
    "first_b", "second_r", "second_g", "second_b", "spread_a0", "spread_a1", "spread_a2", "spread_b0",
    "spread_b1", "spread_b2", "turn_a0", "turn_a1", "turn_a2", "turn_a3", "turn_b0", "turn_b1", "turn_b2",
    "turn_b3", "slope_a", "slope_b", "place_ay", "place_ax", "place_by", "place_bx", "seen", "tilted",
    "crop_y", "crop_x", "grid", "crossed", "direction_1", "direction_2", "period_1", "period_2", "phase_1",
    "phase_2", "threshold_1", "threshold_2", "gain_1", "gain_2", "ragged", "seed", "thickness", "warped",
    "warp_sigma", "warp_size", "warp_y", "warp_x", "ramp_angle", "ramp_gain",
]
# fmt: on
COLUMN = {name: place for place, name in enumerate(_NAMES)}
"""Columns of the table. Lengths are canvas pixels, angles radians, colours sRGB in [0, 1].

``first`` and ``second`` are colours, or the means of the noises a and b; ``spread`` their standard
deviations on the opponent axes (0: one colour), ``turn`` a quaternion that mixes the planes of the
field, ``slope`` its number in the atlas, ``place`` where it is read. ``seen`` is 0 upright, 1 mirrored,
2 turned; ``crop`` where in its texture the leaf lies. ``direction``, ``period``, ``phase``,
``threshold`` and ``gain`` belong to the two waves, of which the second counts where ``crossed``; a
``grid`` uses the periods, phases and the first direction.
"""

_LONGEST_BLUR = {"gaussian": 5.0, "lens": 10.0, "off": 0.0}
_SMALLEST_GRID, _LARGEST_GRID = 20, 100
_RAGGED_WORDS = 1 << 24


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
    """Return the leaves of the images that ``rng`` names."""
    weights, grown = _radius_law(settings, canvas)
    count = round(settings.leaf_count(canvas) * grown)
    tenth = max(count // 10, 1)
    sizes = (tenth // 2, tenth, 10 * tenth) if settings.depth else (0, 0, 10 * tenth)
    total = sum(sizes)
    columns: dict[str, Tensor] = {}
    image = rng.uniform(Stream.LEAF_DEPTH, (4,))
    _add_geometry(columns, settings, canvas, weights, image[:, :1], rng, total)
    uniform = rng.uniform(Stream.LEAF_TEXTURE, (total, 40)).unbind(-1)
    _add_fill(columns, settings, uniform[:8])
    _add_noise(columns, settings, uniform[8:16], rng, total)
    _add_waves(columns, settings, uniform[16:])
    leaves = torch.stack([columns[name].float() for name in _NAMES], -1)
    blur = _LONGEST_BLUR[settings.blur] * image[:, 1] ** 2 * settings.depth
    return LeafTable(leaves, (0, sizes[0], sizes[0] + sizes[1], total), blur, canvas)


@functools.lru_cache(maxsize=16)
def _radius_law(settings: Settings, canvas: tuple[int, int]) -> tuple[Tensor, float]:
    """Return the CDF of the radii r_min .. r_max - 1, float64, and by what the count of leaves grows.

    In the plane, leaves whose centres lie up to their reach outside the canvas may touch it.
    """
    radius = torch.arange(settings.r_min, settings.r_max + 1, dtype=torch.float64)
    power = 1 - settings.exponent
    density = radius[:-1] ** power - radius[1:] ** power
    density /= density.sum()
    if settings.boundary == "inside":
        return density.cumsum(0), 1.0
    height, width = canvas
    grown = 2 * REACH * radius[:-1]
    density *= (height + grown) * (width + grown) / (height * width)
    return (density / density.sum()).cumsum(0), float(density.sum())


def _add_geometry(
    columns: dict[str, Tensor], settings: Settings, canvas: tuple[int, int], law: Tensor, image: Tensor,
    rng: Rng, count: int,
) -> None:  # fmt: skip
    words = rng.bits(Stream.LEAF_POSITION, (count, 4)).double()
    place, down, right, choice = ((words + 0.5) * 2.0**-32).unbind(-1)
    law = law.to(place.device)
    radius = settings.r_min + torch.searchsorted(law, place.contiguous()).clamp(max=len(law) - 1)
    for name, share, side in (("y", down, canvas[0]), ("x", right, canvas[1])):
        margin = 0 if settings.boundary == "inside" else REACH * radius
        columns[name] = (share * (side + 2 * margin) - margin).floor()
    mixed = torch.where(choice < 1 / 3, DISC, torch.where(choice < 2 / 3, RECTANGLE, POLYGON))
    only = {"discs": DISC, "rectangles": RECTANGLE, "polygons": POLYGON}.get(settings.shapes)
    if settings.shapes == "either":
        shape = torch.where(image < 0.5, POLYGON, mixed)
    else:
        shape = mixed if only is None else torch.full_like(mixed, only)
    points, smoothing, variant, mirror = rng.uniform(Stream.LEAF_SHAPE, (count, 4)).unbind(-1)
    angle, ratio, _, _ = rng.uniform(Stream.LEAF_ANGLE, (count, 4)).unbind(-1)
    columns |= {
        "radius": radius,
        "shape": shape,
        "angle": 2 * math.pi * angle,
        "ratio": 0.5 + 0.5 * ratio,
        "outline": choose_outline(radius.float(), points, smoothing, variant),
        "mirror": torch.where(mirror < 0.5, 1.0, -1.0),
    }


def _add_fill(columns: dict[str, Tensor], settings: Settings, uniform: Sequence[Tensor]) -> None:
    kind, gradient, grid, tilted, seen, down, right, _ = uniform
    total = sum(settings.weights)
    waves, noise = settings.weights[0] / total, (settings.weights[0] + settings.weights[1]) / total
    texture = torch.where(kind < waves, WAVES, torch.where(kind < noise, NOISE, MIX))
    share = settings.gradients if settings.textures else 1.0
    fill = torch.where(gradient < share, GRADIENT, texture)
    columns |= {
        "fill": torch.where(columns["radius"] < settings.flat_below, FLAT, fill),
        "grid": grid < 0.1,
        "tilted": tilted < settings.perspective,
        "seen": (3 * seen).floor(),
        "crop_y": down,
        "crop_x": right,
    }


def _add_noise(
    columns: dict[str, Tensor], settings: Settings, uniform: Sequence[Tensor], rng: Rng, count: int
) -> None:
    colours = palette(settings.colours, rng)
    entry = rng.bits(Stream.LEAF_COLOUR, (count, 4)) & (colours.shape[1] - 1)
    normal = rng.normal(Stream.LEAF_SHADING, (count, 16))
    plain = {"a": uniform[6] < 0.1, "b": uniform[7] < 0.1}
    mix, noise = columns["fill"] == MIX, columns["fill"] == NOISE
    for number, (side, name) in enumerate((("a", "first"), ("b", "second"))):
        chosen = colours.gather(1, entry[..., number, None].expand(-1, -1, 3))
        mean, spread = patch_colours(chosen, colours, normal[..., 8 * number : 8 * number + 3])
        textured = (noise | (mix & ~plain[side])).unsqueeze(-1)
        for channel, value in zip("rgb", torch.where(textured, mean, chosen).unbind(-1), strict=True):
            columns[f"{name}_{channel}"] = value
        for axis, value in enumerate(torch.where(textured, spread, 0.0).unbind(-1)):
            columns[f"spread_{side}{axis}"] = value
        quaternion = normal[..., 8 * number + 4 : 8 * number + 8]
        for part, value in enumerate(quaternion.unbind(-1)):
            columns[f"turn_{side}{part}"] = value
        columns[f"slope_{side}"] = (SLOPES * uniform[3 * number]).floor()
        columns[f"place_{side}y"], columns[f"place_{side}x"] = (
            uniform[3 * number + 1],
            uniform[3 * number + 2],
        )


def _add_waves(columns: dict[str, Tensor], settings: Settings, uniform: Sequence[Tensor]) -> None:
    crossed, theta, across, side, turn, ragged, seed, thick, warped, sigma, size, down, right, angle, gain = (
        uniform[:15]
    )
    degree = math.pi / 180
    turn = (45 * turn - 22.5) * degree
    first = (90 * theta - 45) * degree
    apart = torch.where(side < 0.5, 1.0, -1.0) * (15 + 30 * across) * degree
    grid = columns["grid"]
    low, high = settings.periods
    for wave in (1, 2):
        period, phase, threshold, slope = uniform[11 + 4 * wave : 15 + 4 * wave]
        cell = _SMALLEST_GRID + (period * (_LARGEST_GRID - _SMALLEST_GRID)).floor()
        length = (low + (high - low) * period**settings.period_exponent).floor()
        columns[f"period_{wave}"] = torch.where(grid, cell, length)
        columns[f"phase_{wave}"] = phase
        columns[f"threshold_{wave}"] = 0.05 + 0.95 * threshold
        columns[f"gain_{wave}"] = 1 + 9 * slope
    sigma = 10 + (10 * sigma).floor()
    columns |= {
        "crossed": torch.where(
            grid, torch.where(crossed < 0.7, 1.0, 0.0), torch.where(crossed < 0.5, 1.0, 0.0)
        ),
        "direction_1": torch.where(grid, first, first + turn),
        "direction_2": torch.where(grid, first, first + turn + apart) + math.pi / 2,
        "ragged": ragged < settings.random_periods,
        "seed": (seed * _RAGGED_WORDS).floor(),
        "thickness": torch.where(thick < 0.5, 1.0, 2.0),
        "warped": warped < settings.warp,
        "warp_sigma": sigma,
        "warp_size": 5 + (size * ((sigma / 2).floor() - 4)).floor(),
        "warp_y": down,
        "warp_x": right,
        "ramp_angle": 2 * math.pi * angle,
        "ramp_gain": 0.1 + 0.4 * gain,
    }

"""Draws leaf tables with torch alone, a whole batch at once, on any device that has double precision.

What is rounded down or compared is computed in exact steps or in double precision, so that it is the
same on every device; colours agree to the rounding of float32. Nothing waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.colours import palette, patch_colours
from synthnoise.images.vibrant_leaves.leaf_law import LARGEST_GRID, LONGEST_BLUR, SMALLEST_GRID, LeafLaw
from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.images.vibrant_leaves.shapes import DISC, POLYGON, RECTANGLE, choose_outline, outline_bank
from synthnoise.images.vibrant_leaves.table import (
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
from synthnoise.rng import Rng, Stream

Columns = dict[str, Tensor]


def draw_tensors(settings: Settings, law: LeafLaw, rng: Rng) -> LeafTable:
    """Return the leaves of the images that ``rng`` names, on its device."""
    total = law.bounds[-1]
    columns: Columns = {}
    image = rng.uniform(Stream.LEAF_DEPTH, (4,))
    _add_geometry(columns, settings, law, image[:, :1], rng)
    _add_corners(columns, law)
    uniform = rng.uniform(Stream.LEAF_TEXTURE, (total, 40)).unbind(-1)
    _add_fill(columns, settings, law, uniform[:8])
    _add_noise(columns, settings, uniform[8:16], rng, total)
    _add_waves(columns, settings, law, uniform[16:])
    leaves = torch.stack([columns[name].float() for name in NAMES], -1)
    blur = LONGEST_BLUR[settings.blur] * image[:, 1] ** 2 * settings.depth
    return LeafTable(leaves, law.bounds, blur, law.canvas)


def _add_geometry(columns: Columns, settings: Settings, law: LeafLaw, image: Tensor, rng: Rng) -> None:
    count = law.bounds[-1]
    words = rng.bits(Stream.LEAF_POSITION, (count, 4)).double()
    place, down, right, choice = ((words + 0.5) * 2.0**-32).unbind(-1)
    radii = torch.from_numpy(law.radii).to(place.device)
    radius = settings.r_min + torch.searchsorted(radii, place.contiguous()).clamp(max=len(radii) - 1)
    margin = law.reach * radius
    for name, share, side in (("y", down, law.canvas[0]), ("x", right, law.canvas[1])):
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


def _add_corners(columns: Columns, law: LeafLaw) -> None:
    """Add the matrix that takes outlines to the canvas; a rectangle's outline is the square of corners ±1."""
    radius, ratio = columns["radius"].double(), columns["ratio"].double()
    angle = columns["angle"].double()
    cosine, sine = angle.cos(), angle.sin()
    area = math.pi * radius * radius
    long, short = (area / ratio).sqrt(), (area * ratio).sqrt()
    wide = torch.maximum(long * cosine.abs() + short * sine.abs(), long * sine.abs() + short * cosine.abs())
    shrink = 0.5 * (law.longest / wide).clamp(max=1)
    extent = torch.from_numpy(outline_bank().extent).to(radius.device).double()
    size = torch.minimum(radius - LOST, law.longest / extent[columns["outline"]].clamp(min=1e-6))
    polygon = columns["shape"] == POLYGON
    along = torch.where(polygon, size * columns["mirror"], long * shrink)
    across = torch.where(polygon, size, short * shrink)
    columns |= {"x_u": cosine * along, "x_v": -sine * across, "y_u": sine * along, "y_v": cosine * across}


def _add_fill(columns: Columns, settings: Settings, law: LeafLaw, uniform: Sequence[Tensor]) -> None:
    kind, gradient, grid, tilted, seen, down, right, _ = uniform
    texture = torch.where(kind < law.waves, WAVES, torch.where(kind < law.noise, NOISE, MIX))
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


def _add_noise(columns: Columns, settings: Settings, uniform: Sequence[Tensor], rng: Rng, count: int) -> None:
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
        for part, value in enumerate(torch.where(textured, quaternion, 0.0).unbind(-1)):
            columns[f"turn_{side}{part}"] = value
        columns[f"slope_{side}"] = (SLOPES * uniform[3 * number]).floor()
        columns[f"place_{side}y"] = uniform[3 * number + 1]
        columns[f"place_{side}x"] = uniform[3 * number + 2]


def _add_waves(columns: Columns, settings: Settings, law: LeafLaw, uniform: Sequence[Tensor]) -> None:
    crossed, theta, across, side, turn, ragged, seed, thick, warped, sigma, size, down, right, angle, gain = (
        uniform[:15]
    )
    degree = math.pi / 180
    turn = (45 * turn - 22.5) * degree
    first = (90 * theta - 45) * degree
    apart = torch.where(side < 0.5, 1.0, -1.0) * (15 + 30 * across) * degree
    grid = columns["grid"]
    periods = torch.from_numpy(law.periods).to(grid.device)
    for wave in (1, 2):
        period, phase, threshold, slope = uniform[11 + 4 * wave : 15 + 4 * wave]
        cell = SMALLEST_GRID + (period * (LARGEST_GRID - SMALLEST_GRID)).floor()
        length = settings.periods[0] + torch.searchsorted(periods, period.double(), right=True)
        columns[f"period_{wave}"] = torch.where(grid, cell, length.float())
        columns[f"phase_{wave}"] = phase
        columns[f"threshold_{wave}"] = 0.05 + 0.95 * threshold
        columns[f"gain_{wave}"] = 1 + 9 * slope
    sigma = 10 + (10 * sigma).floor()
    columns |= {
        "crossed": torch.where(grid, crossed < 0.7, crossed < 0.5),
        "direction_1": torch.where(grid, first, first + turn),
        "direction_2": torch.where(grid, first, first + turn + apart) + math.pi / 2,
        "ragged": ragged < settings.random_periods,
        "seed": (seed * RAGGED_WORDS).floor(),
        "thickness": torch.where(thick < 0.5, 1.0, 2.0),
        "warped": warped < settings.warp,
        "warp_sigma": sigma,
        "warp_size": 5 + (size * ((sigma / 2).floor() - 4)).floor(),
        "warp_y": down,
        "warp_x": right,
        "ramp_angle": 2 * math.pi * angle,
        "ramp_gain": 0.1 + 0.4 * gain,
    }

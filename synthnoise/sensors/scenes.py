"""Scenes without grain for the virtual camera: float32 [3, H, W], linear sRGB in [0, 1].

Written apart from the image models, so that neither can hide a fault of the other.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from synthnoise.sensors.randomness import generator

SUPERSAMPLING = 2
"""Sub-pixels per pixel and axis of the leaves' edges."""


def dead_leaves(
    size: tuple[int, int], seed: int = 0, *, radii: tuple[float, float] = (6.0, 90.0), blur: float = 0.7
) -> NDArray[np.float32]:
    """Return overlapping ellipses, softly shaded and slightly out of focus.

    Parameters
    ----------
    size
        (height, width) in pixels.
    radii
        Smallest and largest radius in pixels; radii fall off as r^-3, which makes the picture
        scale-invariant in between (Lee, Mumford and Huang 2001).
    blur
        Standard deviation of the lens in pixels.
    """
    random = generator("dead leaves", seed)
    height, width = (SUPERSAMPLING * n for n in size)
    canvas = np.empty((3, height, width), dtype=np.float32)
    canvas[:] = _paint(random)[:, None, None]
    small, large = (SUPERSAMPLING * r for r in radii)
    area = 2 * np.pi * small**2 * np.log(large / small)  # mean of pi r^2 under r^-3, up to its end terms
    for _ in range(int(4 * (height + large) * (width + large) / area)):
        radius = (small**-2 - random.random() * (small**-2 - large**-2)) ** -0.5
        _lay(canvas, random, radius)
    sharp = canvas.reshape(3, size[0], SUPERSAMPLING, size[1], SUPERSAMPLING).mean((2, 4))
    return np.clip(gaussian_filter(sharp, (0, blur, blur)), 0, 1)


def _paint(random: Generator) -> NDArray[np.float32]:
    """Return a colour, float32 [3]: log-uniform reflectance of 3 to 90 %, moderately saturated."""
    lightness = 0.03 * 30 ** random.random()
    tint = random.uniform(0.55, 1, 3)
    return np.asarray(lightness * tint / tint.max(), dtype=np.float32)


def _lay(canvas: NDArray[np.float32], random: Generator, radius: float) -> None:
    """Lay one ellipse, lit from one side, over the canvas [3, H, W]."""
    height, width = canvas.shape[1:]
    cy, cx = random.uniform(-radius, height + radius), random.uniform(-radius, width + radius)
    flattening, angle, light, contrast = random.uniform((0.5, 0, 0, 0), (1, np.pi, 2 * np.pi, 0.6))
    rows = slice(max(int(cy - radius), 0), max(int(cy + radius) + 2, 0))
    columns = slice(max(int(cx - radius), 0), max(int(cx + radius) + 2, 0))
    window = canvas[:, rows, columns]
    if window.size == 0:
        return
    y = ((np.arange(rows.start, rows.start + window.shape[1]) - cy) / radius)[:, None].astype(np.float32)
    x = ((np.arange(columns.start, columns.start + window.shape[2]) - cx) / radius).astype(np.float32)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    inside = along**2 + (across / flattening) ** 2 <= 1
    shade = 1 + contrast * (np.cos(light) * x + np.sin(light) * y)
    np.copyto(window, _paint(random)[:, None, None] * shade, where=inside)


def patches(size: tuple[int, int], levels: int = 24) -> NDArray[np.float32]:
    """Return a chart of even grey patches, six to a row, from 1 to 90 % in equal ratios."""
    grid = np.geomspace(0.01, 0.9, levels).astype(np.float32)
    columns = min(levels, 6)
    rows = -(-levels // columns)
    number = (np.arange(size[0]) * rows // size[0])[:, None] * columns + np.arange(size[1]) * columns // size[
        1
    ]
    return np.broadcast_to(grid[np.minimum(number, levels - 1)], (3, *size)).copy()


def ramp(size: tuple[int, int], dark: float = 0.0, bright: float = 1.0) -> NDArray[np.float32]:
    """Return a grey gradient from left to right."""
    return np.broadcast_to(np.linspace(dark, bright, size[1], dtype=np.float32), (3, *size)).copy()


def edges(size: tuple[int, int], seed: int = 0, *, blur: float = 0.7) -> NDArray[np.float32]:
    """Return coloured sectors around the centre: straight edges of every slant and of many contrasts."""
    random = generator("edges", seed)
    sectors = 24
    palette = np.stack([_paint(random) for _ in range(sectors)], axis=1)
    y, x = (np.arange(n) - n / 2 + 0.25 for n in size)
    angle = np.arctan2(y[:, None], x) + random.uniform(0, 0.1)
    sector = np.floor((angle / (2 * np.pi) % 1) * sectors).astype(int) % sectors
    return np.clip(gaussian_filter(palette[:, sector], (0, blur, blur)), 0, 1)

"""The law of the leaves, worked out once per settings and canvas for whatever draws them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.images.vibrant_leaves.hulls import REACH
from synthnoise.images.vibrant_leaves.settings import Settings

SMALLEST_GRID, LARGEST_GRID = 20, 100
"""Cells of grids have whole periods from the first to below the second, canvas pixels."""

LONGEST_BLUR = {"gaussian": 5.0, "lens": 10.0, "off": 0.0}
"""Largest sigma, or radius of the circle of confusion, canvas pixels."""


@dataclass(frozen=True, eq=False)
class LeafLaw:
    """What the numbers of a leaf are looked up in. Lengths are canvas pixels.

    Attributes
    ----------
    canvas
        (height, width).
    sizes
        Leaves of the foreground, the middle and the background.
    radii
        float64 [r_max - r_min], distribution function of the radii r_min, r_min + 1, ...
    periods
        float64 [longest - shortest period], increasing: a uniform number takes as many pixels on top
        of the shortest period as entries are not above it. A table, because a power rounds otherwise
        on every device.
    waves, noise
        Bounds in [0, 1] below which a texture is waves, or noise; above it is a mix.
    reach
        By how many radii centres lie outside the canvas.
    longest
        Longer side of a leaf's bounding box at most, where it is no disc.
    """

    canvas: tuple[int, int]
    sizes: tuple[int, int, int]
    radii: NDArray[np.float64]
    periods: NDArray[np.float64]
    waves: float
    noise: float
    reach: float
    longest: float

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """First leaf of the foreground, of the middle and of the background, and their number."""
        front, middle, _ = self.sizes
        return 0, front, front + middle, sum(self.sizes)


@functools.lru_cache(maxsize=16)
def leaf_law(settings: Settings, canvas: tuple[int, int]) -> LeafLaw:
    """Return the law of the leaves on a canvas (height, width)."""
    radii, grown = _radii(settings, canvas)
    count = round(settings.leaf_count(canvas) * grown)
    tenth = max(count // 10, 1)
    low, high = settings.periods
    steps = np.arange(1, high - low + 1) / max(high - low, 1)
    total = sum(settings.weights)
    return LeafLaw(
        canvas=canvas,
        sizes=(tenth // 2, tenth, 10 * tenth) if settings.depth else (0, 0, 10 * tenth),
        radii=radii,
        periods=steps ** (1 / settings.period_exponent),
        waves=settings.weights[0] / total,
        noise=(settings.weights[0] + settings.weights[1]) / total,
        reach=0.0 if settings.boundary == "inside" else REACH,
        longest=2.0 * settings.r_max + 100,
    )


def _radii(settings: Settings, canvas: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    """Return the distribution function of the radii, and by what the count of leaves grows.

    In the plane, leaves whose centres lie up to their reach outside the canvas may touch it.
    """
    radius = np.arange(settings.r_min, settings.r_max + 1, dtype=np.float64)
    power = 1 - settings.exponent
    density = radius[:-1] ** power - radius[1:] ** power
    density /= math.fsum(density)
    if settings.boundary == "inside":
        return np.cumsum(density), 1.0
    height, width = canvas
    grown = 2 * REACH * radius[:-1]
    density *= (height + grown) * (width + grown) / (height * width)
    total = math.fsum(density)
    return np.cumsum(density / total), total

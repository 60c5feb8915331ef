"""The bank of polygon outlines that leaves choose from: turned, mirrored and scaled, no two look the same."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.images.vibrant_leaves.cache import cached
from synthnoise.images.vibrant_leaves.hulls import REACH, Hull, concave_hull, smoothed
from synthnoise.rng import Rng, Stream

DISC, RECTANGLE, POLYGON = range(3)

FEWEST_POINTS = 50
POINTS = (FEWEST_POINTS, 75, 100, 180, 450)
"""Bounds of the classes of point counts."""

ROUNDEST, SHARPEST = 0.0775, 0.02
"""Range of the smoothing's sigma in radii."""

SMOOTHINGS = 6
"""Classes of smoothing, beside none."""

RUNGS = SMOOTHINGS / (ROUNDEST - SHARPEST)
"""Classes per unit of the smoothing's sigma."""

VARIANTS = 32
"""Outlines of each class; every second one may have holes."""

_SEED = 0x1EAF


@dataclass(frozen=True)
class Bank:
    """Outlines in units of the leaf's radius.

    Attributes
    ----------
    edges
        float32 [E, 4], (x0, y0, x1, y1) of all outlines' edges.
    starts
        int64 [K + 1], first edge of each outline.
    extent
        float32 [K], longer side of the bounding box.
    """

    edges: NDArray[np.float32]
    starts: NDArray[np.int64]
    extent: NDArray[np.float32]


@functools.cache
def outline_bank() -> Bank:
    """Return the outlines, from the cache or built in two CPU seconds."""
    packed = cached("outlines", _build)
    starts = np.flatnonzero(np.append(packed[:, 4], 1)).astype(np.int64)
    edges = np.ascontiguousarray(packed[:, :4])
    low = np.minimum.reduceat(np.minimum(edges[:, :2], edges[:, 2:]), starts[:-1])
    high = np.maximum.reduceat(np.maximum(edges[:, :2], edges[:, 2:]), starts[:-1])
    return Bank(edges, starts, (high - low).max(1))


def choose_outline(radius: Tensor, points: Tensor, smoothing: Tensor, variant: Tensor) -> Tensor:
    """Return the number of an outline, int64 [...], for leaves of a radius in canvas pixels.

    The count of points is uniform from 50 to max(100, 0.9 r) - 1; half the outlines are smoothed,
    with a sigma in pixels uniform between max(0.5, 0.01 S) and min(10, 0.025 S), S = 3 r + 1.

    Parameters
    ----------
    points, smoothing, variant
        Uniform numbers in (0, 1), shaped like ``radius``.
    """
    most = (0.9 * radius).floor().clamp(min=100)
    count = FEWEST_POINTS + (points * (most - FEWEST_POINTS)).floor()
    bounds = torch.tensor(POINTS[1:-1], device=radius.device, dtype=radius.dtype)
    group = torch.bucketize(count, bounds, right=True)
    side = 2 * (1.5 * radius).floor() + 1
    low, high = (0.01 * side).clamp(min=0.5), (0.025 * side).clamp(max=10.0)
    sigma = (low + (high - low) * (2 * smoothing - 1)) / radius
    # Times, not over: some devices divide by a number by way of its reciprocal, which rounds otherwise.
    rung = ((sigma - SHARPEST) * RUNGS).floor().clamp(0, SMOOTHINGS - 1)
    grade = torch.where(smoothing < 0.5, 0, 1 + rung.long())
    place = (variant * VARIANTS).floor().long().clamp(max=VARIANTS - 1)
    return (group * (1 + SMOOTHINGS) + grade) * VARIANTS + place


def _build() -> NDArray[np.float32]:
    """Return float32 [E, 5]: the edges, and 1 on the first edge of each outline."""
    outlines: list[NDArray[np.float32]] = []
    for group in range(len(POINTS) - 1):
        for grade in range(1 + SMOOTHINGS):
            for variant in range(VARIANTS):
                hull = _draw(len(outlines), group, grade, holes=variant % 2 == 1)
                first = np.zeros((len(hull), 1), dtype=np.float32)
                first[0] = 1
                outlines.append(np.concatenate([hull, first], axis=1))
    return np.concatenate(outlines)


def _draw(number: int, group: int, grade: int, *, holes: bool) -> Hull:
    """Return one outline: its points are uniform in distance, not in area, as in the reference."""
    rng = Rng(_SEED, torch.tensor([number]))
    uniform = rng.uniform(Stream.LEAF_SHAPE, (POINTS[-1] + 1, 4))[0].double().numpy()
    low, high = POINTS[group : group + 2]
    count = low + int(uniform[-1, 0] * (high - low))
    hull = concave_hull(REACH * uniform[:count, 0], 2 * np.pi * uniform[:count, 1], holes=holes)
    if grade:
        share = (grade - 1 + uniform[-1, 1]) / SMOOTHINGS
        return smoothed(hull, SHARPEST + share * (ROUNDEST - SHARPEST))
    return hull

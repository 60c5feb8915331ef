"""Concave hulls of random points, and their smoothing: the outlines of the polygon leaves.

A hull is float32 [edges, 4], the ends (x0, y0, x1, y1) of its edges in no order, in units of the radius
of the disc whose area it has in the mean; the even-odd rule says what is inside, so holes need nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import Delaunay

from synthnoise.images.vibrant_leaves.contours import contours, simplified
from synthnoise.kernels import compiled

REACH = 1.5
"""Radius of the disc that the points lie in: with it, hulls have the area of the unit disc, about."""

EDGE_RATIO = 0.3
"""Where between the shortest and the longest edge of the triangulation those that may stay end."""

_GRAIN = 48
"""Pixels per radius of the mask that is smoothed."""

_TOLERANCE = 0.35 / _GRAIN
"""How far, in radii, a smoothed outline may be simplified."""

Hull = NDArray[np.float32]


def concave_hull(distance: NDArray[Any], angle: NDArray[Any], *, holes: bool) -> Hull:
    """Return the concave hull of the points at these polar coordinates [n].

    The triangulation's border is eroded, longest border edge first, down to the edge length ratio 0.3,
    while the rest stays one polygon (the construction that GEOS and JTS call concave hull); with
    ``holes``, also from each inner triangle of longer edges.
    """
    points = np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)
    triangulation = Delaunay(points)
    corners = triangulation.simplices.astype(np.int64)
    neighbours = triangulation.neighbors.astype(np.int64)
    sides = points[np.roll(corners, -1, 1)] - points[np.roll(corners, -2, 1)]
    lengths = np.hypot(sides[..., 0], sides[..., 1])
    longest = lengths.min() + EDGE_RATIO * (lengths.max() - lengths.min())
    alive = np.ones(len(corners), dtype=np.bool_)
    on_border = np.zeros(len(points), dtype=np.bool_)
    _erode(corners, neighbours, lengths, longest, holes, alive, on_border)
    triangle, side = np.nonzero((neighbours < 0) & alive[:, None])
    start = points[corners[triangle, (side + 1) % 3]]
    end = points[corners[triangle, (side + 2) % 3]]
    return np.concatenate([start, end], axis=1).astype(np.float32)


@compiled
def _remove(t: Any, corners: Any, neighbours: Any, alive: Any, on_border: Any) -> None:
    """Take a triangle away: its sides become border of its neighbours."""
    alive[t] = False
    for side in range(3):
        on_border[corners[t, side]] = True
        other = neighbours[t, side]
        if other >= 0:
            for back in range(3):
                if neighbours[other, back] == t:
                    neighbours[other, back] = -1


@compiled
def _removable(t: Any, corners: Any, neighbours: Any, lengths: Any, alive: Any, on_border: Any) -> Any:
    """Return the length of a triangle's one border side; -1 if it has none, two, or is a bridge."""
    bare = -1
    for side in range(3):
        if neighbours[t, side] < 0:
            if bare >= 0:
                return -1.0
            bare = side
    if not alive[t] or bare < 0 or on_border[corners[t, bare]]:
        return -1.0
    return lengths[t, bare]


@compiled
def _erode_from(
    queue: Any,
    count: Any,
    corners: Any,
    neighbours: Any,
    lengths: Any,
    longest: Any,
    alive: Any,
    on_border: Any,
) -> None:
    """Remove triangles, those of the longest border side first, starting from the ``count`` in ``queue``."""
    while True:
        best, place = longest, -1
        for i in range(count):
            length = _removable(queue[i], corners, neighbours, lengths, alive, on_border)
            if length >= best:
                best, place = length, i
        if place < 0:
            return
        t = queue[place]
        count -= 1
        queue[place] = queue[count]
        for side in range(3):
            if neighbours[t, side] >= 0:
                queue[count] = neighbours[t, side]
                count += 1
        _remove(t, corners, neighbours, alive, on_border)


@compiled
def _erode(
    corners: Any, neighbours: Any, lengths: Any, longest: Any, holes: Any, alive: Any, on_border: Any
) -> None:
    """Mark in ``alive`` what stays of the triangles; ``neighbours`` becomes -1 along the border."""
    total = len(corners)
    queue = np.empty(4 * total + 4, dtype=np.int64)
    count = 0
    for t in range(total):
        touches = False
        for side in range(3):
            if neighbours[t, side] < 0:
                touches = True
                on_border[corners[t, (side + 1) % 3]] = True
                on_border[corners[t, (side + 2) % 3]] = True
        if touches:
            queue[count] = t
            count += 1
    _erode_from(queue, count, corners, neighbours, lengths, longest, alive, on_border)
    if not holes:
        return
    size = np.empty(total)
    for t in range(total):
        size[t] = max(lengths[t, 0], lengths[t, 1], lengths[t, 2])
    for t in np.argsort(-size):
        if size[t] < longest:
            break
        inner = alive[t]
        for side in range(3):
            if on_border[corners[t, side]]:
                inner = False
        if inner:
            for side in range(3):
                queue[side] = neighbours[t, side]
            _remove(t, corners, neighbours, alive, on_border)
            _erode_from(queue, 3, corners, neighbours, lengths, longest, alive, on_border)


def smoothed(hull: Hull, sigma: float) -> Hull:
    """Return the outline where the hull's mask, blurred by a Gaussian of ``sigma`` radii, is one half."""
    side = 2 * math.ceil((REACH + 0.25) * _GRAIN) + 1
    mask = np.zeros((side, side), dtype=np.float32)
    centre = (side - 1) / 2
    _fill_mask(hull * np.float32(_GRAIN) + np.float32(centre), mask)
    blurred = gaussian_filter(mask, sigma * _GRAIN, truncate=4.0)
    rings = contours(blurred, 0.5)
    if not rings:
        return hull
    kept = [simplified(ring, _TOLERANCE * _GRAIN) for ring in rings]
    edges = np.concatenate([np.concatenate([ring, np.roll(ring, -1, 0)], axis=1) for ring in kept])
    return ((edges - centre) / _GRAIN).astype(np.float32)


@compiled
def _fill_mask(edges: Any, mask: Any) -> None:
    """Set to 1 the pixels whose centre is inside by the even-odd rule."""
    height, width = mask.shape
    for row in range(height):
        for k in range(len(edges)):
            x0, y0, x1, y1 = edges[k, 0], edges[k, 1], edges[k, 2], edges[k, 3]
            if (y0 <= row) != (y1 <= row):
                crossing = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
                for column in range(max(0, math.ceil(crossing)), width):
                    mask[row, column] = 1 - mask[row, column]

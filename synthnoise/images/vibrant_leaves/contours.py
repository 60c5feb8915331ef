"""Level lines of an image, and their simplification."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

Ring = NDArray[np.float64]


def contours(image: NDArray[np.float32], level: float) -> list[Ring]:
    """Return the closed lines at ``level``, float64 [n, 2] (x, y) each; the image's edge is below it.

    Linear interpolation between pixel centres, high values on the right hand; where four pixels
    alternate, the high ones are joined.
    """
    following, places = _trace(image, level)
    rings = []
    for start in np.nonzero(following >= 0)[0]:
        if following[start] < 0:
            continue
        ring = []
        node = start
        while following[node] >= 0:
            ring.append(places[node])
            here, node = node, following[node]
            following[here] = -1
        rings.append(np.array(ring))
    return [ring for ring in rings if len(ring) > 3]


@compiled
def _trace(image: Any, level: Any) -> Any:
    """Return for each grid edge that is crossed the next one (-1: none), and where it is crossed.

    Grid edges are numbered 2 (row width + column), plus 1 for those that go down.
    """
    height, width = image.shape
    following = np.full(2 * height * width, -1, dtype=np.int64)
    places = np.empty((2 * height * width, 2))
    for row in range(height - 1):
        for column in range(width - 1):
            corner = (
                image[row, column],
                image[row, column + 1],
                image[row + 1, column + 1],
                image[row + 1, column],
            )
            case = 0
            for i in range(4):
                if corner[i] > level:
                    case |= 1 << i
            if case == 0 or case == 15:
                continue
            node = 2 * (row * width + column)
            edges = (node, node + 3, node + 2 * width, node + 1)
            places[edges[0], 0] = column + (level - corner[0]) / _apart(corner[1], corner[0])
            places[edges[0], 1] = row
            places[edges[1], 0] = column + 1
            places[edges[1], 1] = row + (level - corner[1]) / _apart(corner[2], corner[1])
            places[edges[2], 0] = column + (level - corner[3]) / _apart(corner[2], corner[3])
            places[edges[2], 1] = row + 1
            places[edges[3], 0] = column
            places[edges[3], 1] = row + (level - corner[0]) / _apart(corner[3], corner[0])
            for i in range(4):
                # The line enters the cell where, going round, low turns to high, and leaves at the
                # high-to-low edge before it, going back: so a saddle's high corners are joined.
                before, after = corner[i] > level, corner[(i + 1) % 4] > level
                if after and not before:
                    j = i
                    while True:
                        j = (j + 3) % 4
                        if corner[j] > level and not corner[(j + 1) % 4] > level:
                            break
                    following[edges[j]] = edges[i]
    return following, places


@compiled
def _apart(a: Any, b: Any) -> Any:
    """Return a - b, or 1 where they are equal: such an edge is not crossed."""
    return a - b if a != b else 1.0


@compiled
def simplified(ring: Any, tolerance: Any) -> Any:
    """Return points of a closed line such that the others lie within ``tolerance`` of the chords.

    D. Douglas, T. Peucker, Cartographica 10(2), 1973, from point 0 and the one farthest from it.
    """
    total = len(ring)
    keep = np.zeros(total + 1, dtype=np.bool_)
    far = np.argmax((ring[:, 0] - ring[0, 0]) ** 2 + (ring[:, 1] - ring[0, 1]) ** 2)
    keep[0] = keep[far] = True
    stack = [(0, int(far)), (int(far), total)]
    while stack:
        first, last = stack.pop()
        ax, ay = ring[first, 0], ring[first, 1]
        dx, dy = ring[last % total, 0] - ax, ring[last % total, 1] - ay
        length = max((dx * dx + dy * dy) ** 0.5, 1e-12)
        worst, place = tolerance, -1
        for i in range(first + 1, last):
            distance = abs((ring[i, 0] - ax) * dy - (ring[i, 1] - ay) * dx) / length
            if distance > worst:
                worst, place = distance, i
        if place >= 0:
            keep[place] = True
            stack.append((first, place))
            stack.append((place, last))
    return ring[np.nonzero(keep[:total])[0]]

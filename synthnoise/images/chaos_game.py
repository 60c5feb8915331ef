"""The chaos game: the orbit of a point under affine maps that are chosen by chance (Barnsley 1988)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

_BURN_IN = 50


def orbit(maps: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """Return ``count`` points float64 [count, 2], (x, y), from the origin, the first 50 left out.

    ``maps`` [n, 6] are a to f of (a x + b y + e, c x + d y + f), chosen in proportion to |ad - bc|. Points
    of maps that do not contract may not be finite.
    """
    area = np.abs(maps[:, 0] * maps[:, 3] - maps[:, 1] * maps[:, 2]) + 1e-12
    bound = np.cumsum(area) / area.sum()
    points = np.empty((count, 2))
    _walk(np.ascontiguousarray(maps), bound[:-1], np.uint64(seed), points)
    return points


def placed(points: NDArray[np.float64], size: tuple[int, int], margin: int) -> NDArray[np.int64]:
    """Return the pixel int64 [n, 2], (row, column), of each point: their extent fills all but a margin.

    Both axes are scaled on their own. Points must be finite and not all on one line along an axis.
    """
    low, high = points.min(0), points.max(0)
    room = np.array([size[1], size[0]]) - 2 * margin
    place = np.minimum(((points - low) / (high - low) * room).astype(np.int64), room - 1) + margin
    return np.ascontiguousarray(place[:, ::-1])


def hit_share(points: NDArray[np.float64], side: int, margin: int) -> float:
    """Return the share of the pixels of a square that points, placed as by :func:`placed`, hit.

    Points that are not finite, or all on one line along an axis, hit nothing.
    """
    return float(_count_hits(points, side, margin)) / side**2


def stamped(
    size: tuple[int, int], place: NDArray[np.int64], levels: NDArray[np.uint8], stamp: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3], black but for a 3x3 ``stamp`` in ``levels`` [n, 3] at each place, in order."""
    image = np.zeros((*size, 3), dtype=np.uint8)
    rows, columns = np.nonzero(stamp)
    _stamp_all(image, place, levels, rows - 1, columns - 1)
    return image


def _walk_in_order(
    maps: NDArray[np.float64], bound: NDArray[np.float64], seed: np.uint64, points: NDArray[np.float64]
) -> None:
    state = seed
    x, y = 0.0, 0.0
    for step in range(-_BURN_IN, len(points)):
        # SplitMix64 (Steele, Lea and Flood 2014).
        state = state + np.uint64(0x9E3779B97F4A7C15)
        word = state
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        uniform = ((word ^ (word >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
        which = 0
        while which < len(bound) and uniform >= bound[which]:
            which += 1
        a, b, c, d, e, f = maps[which]
        x, y = a * x + b * y + e, c * x + d * y + f
        if step >= 0:
            points[step, 0], points[step, 1] = x, y


def _hits_in_order(points: NDArray[np.float64], side: int, margin: int) -> int:
    low, high = points[0].copy(), points[0].copy()
    for point in points:
        for axis in range(2):
            if not abs(point[axis]) < 1e300:
                return 0
            low[axis], high[axis] = min(low[axis], point[axis]), max(high[axis], point[axis])
    if low[0] == high[0] or low[1] == high[1]:
        return 0
    room = side - 2 * margin
    hit = np.zeros((room, room), dtype=np.bool_)
    count = 0
    for point in points:
        column = min(int((point[0] - low[0]) / (high[0] - low[0]) * room), room - 1)
        row = min(int((point[1] - low[1]) / (high[1] - low[1]) * room), room - 1)
        if not hit[row, column]:
            hit[row, column] = True
            count += 1
    return count


def _stamp_in_order(
    image: NDArray[np.uint8],
    place: NDArray[np.int64],
    levels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> None:
    height, width = image.shape[:2]
    for point in range(len(place)):
        for k in range(len(rows)):
            row, column = place[point, 0] + rows[k], place[point, 1] + columns[k]
            if 0 <= row < height and 0 <= column < width:
                for channel in range(3):
                    image[row, column, channel] = levels[point, channel]


_walk = compiled(_walk_in_order)
_count_hits = compiled(_hits_in_order)
_stamp_all = compiled(_stamp_in_order)

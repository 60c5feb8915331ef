"""The line filters of PNG (ISO/IEC 15948, clause 9), which predict bytes from their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

Bytes = NDArray[np.uint8]


@compiled
def undo(lines: Bytes, above: Bytes, step: int) -> int:
    """Undo the filters of lines [n, 1 + size], in place; each begins with the number of its filter.

    ``above`` [size] is the plain line before the first, ``step`` the bytes of a pixel. Returns the number
    of the first line with an unknown filter, or -1.
    """
    for row in range(len(lines)):
        kind = lines[row, 0]
        if kind > 4:
            return row
        for i in range(1, lines.shape[1]):
            left = np.int64(lines[row, i - step]) if i > step else np.int64(0)
            up = np.int64(lines[row - 1, i]) if row else np.int64(above[i - 1])
            if kind == 0:
                break
            if kind == 1:
                predicted = left
            elif kind == 2:
                predicted = up
            elif kind == 3:
                predicted = (left + up) // 2
            else:
                corner = np.int64(0)
                if i > step:
                    corner = np.int64(lines[row - 1, i - step]) if row else np.int64(above[i - step - 1])
                first, second, third = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                other = up if second <= third else corner
                predicted = left if first <= second and first <= third else other
            lines[row, i] = (np.int64(lines[row, i]) + predicted) & 255
    return -1


def apply(lines: Bytes, above: Bytes, step: int) -> Bytes:
    """Return lines [n, 1 + size] filtered, the number of the filter first, of plain ones [n, size].

    Each line gets that filter of Sub, Up and Paeth whose signed results are smallest in sum (clause 12.8).
    """
    up = np.concatenate([above[None], lines[:-1]])
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, step:], corner[:, step:] = lines[:, :-step], up[:, :-step]
    a, b, c = (values.astype(np.int16) for values in (left, up, corner))
    first, second, third = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    paeth = np.where((first <= second) & (first <= third), left, np.where(second <= third, up, corner))
    candidates = np.stack([lines - left, lines - up, lines - paeth])
    cost = np.abs(candidates.view(np.int8).astype(np.int16)).sum(2, dtype=np.int64)
    best = cost.argmin(0)
    filtered = np.empty((len(lines), 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = np.array([1, 2, 4], np.uint8)[best]
    filtered[:, 1:] = candidates[best, np.arange(len(lines))]
    return filtered
